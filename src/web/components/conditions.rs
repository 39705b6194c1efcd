//! What may be done with a ticket, in words. The card of a list, the fares side by side and the table say the same "yes", "no"
//! and "unknown" as the filter of the list judges by.

use maud::html;

use crate::{
    itinerary::{ComesBack, Condition, Offer},
    web::components::{Fragment, words},
};

/// The class of a line and its words.
pub(super) type Told = (&'static str, String);

/// In a few words.
pub(super) fn change(condition: Condition) -> Told {
    match condition {
        Condition::Free => ("has", "Yes, free".to_owned()),
        Condition::Fee(fee) => ("fee", format!("Yes, for {}", words::round(fee))),
        Condition::No => ("not", "No".to_owned()),
        Condition::Unknown => ("unk", "Unknown".to_owned()),
    }
}

/// The amount is what the airline keeps, not what comes back.
pub(super) fn refund(offer: &Offer) -> Told {
    match offer.comes_back() {
        ComesBack::InFull => ("has", "Yes, in full".to_owned()),
        ComesBack::Less(fee) => ("fee", format!("Yes, less {}", words::round(fee))),
        ComesBack::FeeTakesAll(_) => ("not", "No, its fee takes all".to_owned()),
        ComesBack::No => ("not", "No".to_owned()),
        ComesBack::Unknown => ("unk", "Unknown".to_owned()),
    }
}

/// What is possible and what it costs, as a table: yes, yes for a fee, no, unknown.
pub fn conditions_table(offer: &Offer) -> Fragment {
    let fare = &offer.fare;
    let change = match fare.conditions.change {
        Condition::Free => ("has", "Yes, free. A price difference is paid".to_owned()),
        Condition::Fee(fee) => ("fee", format!("Yes, {} and any price difference", words::round(fee))),
        Condition::No => ("not", "No".to_owned()),
        Condition::Unknown => ("unk", "Unknown. Ask us first".to_owned()),
    };
    let refund = match offer.comes_back() {
        ComesBack::FeeTakesAll(fee) => {
            ("not", format!("No: the fee of {} takes all of it", words::round(fee)))
        }
        ComesBack::Unknown => ("unk", "Unknown. Ask us first".to_owned()),
        _ => refund(offer),
    };
    let (checked_class, checked_bags) = match fare.checked_bags {
        0 => ("not", "No".to_owned()),
        bags => ("has", format!("Yes, {bags} included")),
    };
    let (cabin_class, cabin_bag, checked) = if fare.tells_weights() {
        ("has", format!("Yes, {}\u{a0}kg", fare.cabin_bag_kg), "Checked bag 23\u{a0}kg")
    } else {
        ("unk", "Size and weight as the airline allows".to_owned(), "Checked bag")
    };
    let rows = [
        ("Change of date or time", change.0, change.1),
        ("Refund", refund.0, refund.1),
        ("Cabin bag", cabin_class, cabin_bag),
        (checked, checked_class, checked_bags),
    ];
    html! {
        table.lines {
            caption.vh { "What is possible, and what it costs" }
            thead { tr { th scope="col" { "What" } th scope="col" { "Before you leave" } } }
            tbody { @for (what, class, words) in rows { tr { th scope="row" { (what) } td { span class=(class) { (words) } } } } }
        }
    }
    .into()
}

/// The same in sentences, for the last look before paying.
pub fn conditions_list(offer: &Offer) -> Fragment {
    let fare = &offer.fare;
    let change = match fare.conditions.change {
        Condition::Free => ("has", "You may change until departure for any price difference.".to_owned()),
        Condition::Fee(fee) => (
            "fee",
            format!("You may change until departure for {} and any price difference.", words::round(fee)),
        ),
        Condition::No => ("not", "You cannot change the date or time.".to_owned()),
        Condition::Unknown => ("unk", "Changes: the airline has not told us. Ask before you pay.".to_owned()),
    };
    let refund = match offer.comes_back() {
        ComesBack::InFull => ("has", "If you cancel before departure you get the total back.".to_owned()),
        ComesBack::Less(fee) => (
            "fee",
            format!("If you cancel before departure you get the total back less {} each.", words::round(fee)),
        ),
        ComesBack::FeeTakesAll(fee) => (
            "not",
            format!(
                "If you cancel there is no refund: the fee of {} each takes all of it.",
                words::round(fee)
            ),
        ),
        ComesBack::No => ("not", "If you cancel there is no refund.".to_owned()),
        ComesBack::Unknown => ("unk", "Refunds: the airline has not told us. Ask before you pay.".to_owned()),
    };
    let bags = match fare.checked_bags {
        0 => format!("1 cabin bag of {}\u{a0}kg is included, and no checked bag.", fare.cabin_bag_kg),
        bags => format!(
            "1 cabin bag of {}\u{a0}kg and {} of 23\u{a0}kg are included.",
            fare.cabin_bag_kg,
            words::plural(usize::from(bags), "checked bag", "checked bags")
        ),
    };
    html! {
        ul.stack { li class=(change.0) { (change.1) } li class=(refund.0) { (refund.1) } li.has { (bags) } }
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::components::samples::{eur, plain};

    #[test]
    fn every_condition_has_a_word_and_unknown_is_written() {
        let cases = [
            (Condition::Free, "has", "Yes, free", "Yes, in full"),
            (Condition::Fee(eur(9_000)), "fee", "Yes, for EUR\u{a0}90", "Yes, less EUR\u{a0}90"),
            (Condition::No, "not", "No", "No"),
            (Condition::Unknown, "unk", "Unknown", "Unknown"),
        ];
        for (condition, class, changed, refunded) in cases {
            let mut offer = plain();
            offer.fare.conditions.refund = condition;
            assert_eq!(change(condition), (class, changed.to_owned()));
            assert_eq!(refund(&offer), (class, refunded.to_owned()));
            assert!(conditions_table(&offer).to_string().contains(refunded));
        }
    }

    #[test]
    fn a_fee_that_takes_all_is_no_refund_in_any_words() {
        // Three travel for 800.00.
        let mut offer = plain();
        offer.fare.conditions.refund = Condition::Fee(eur(26_667));
        assert_eq!(refund(&offer).1, "No, its fee takes all");
        assert!(conditions_table(&offer).to_string().contains("No: the fee of EUR"));
        assert!(conditions_list(&offer).to_string().contains("there is no refund: the fee of EUR"));
        offer.fare.conditions.refund = Condition::Fee(eur(26_666));
        assert_eq!(refund(&offer).0, "fee");
    }
}
