//! The timeline of a booking: what happened to seats and money, in plain words, and what is still to come. Pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    bookings::{
        Event, changes,
        pages::words::{Here, carriers},
    },
    checkout::{
        Attempt, LetGo, Standing,
        pages::{
            ahead,
            money::Waits,
            news::{self, card},
        },
        payouts::{Payout, Way},
    },
    money::Money,
    web::components::{LogEntry, Tone, words},
};

/// Oldest first; what is to come stands below what was.
pub fn timeline(standing: &Standing, now: Timestamp) -> Vec<LogEntry> {
    let here = Here::of(&standing.file.booking.offer);
    let past = standing.file.events.iter().filter_map(|event| line(standing, event, &here));
    past.chain(ahead::to_come(standing, &here, now)).collect()
}

/// A line of what was, with the code of its kind, for programs.
pub struct Told {
    pub at: Timestamp,
    pub kind: String,
    pub title: &'static str,
    pub text: String,
    pub amount: Option<String>,
}

pub fn told(standing: &Standing) -> Vec<Told> {
    let told = standing.file.events.iter().filter_map(|event| {
        let Said { title, amount, text, .. } = say(standing, &event.kind, &event.data)?;
        Some(Told { at: event.at.to_jiff(), kind: event.kind.clone(), title, text, amount })
    });
    told.collect()
}

fn line(standing: &Standing, event: &Event, here: &Here) -> Option<LogEntry> {
    let said = say(standing, &event.kind, &event.data)?;
    let at = event.at.to_jiff();
    Some(LogEntry {
        tone: said.tone,
        datetime: at.strftime("%Y-%m-%dT%H:%MZ").to_string(),
        when: words::moment(at, &here.zone),
        title: said.title.to_owned(),
        amount: said.amount,
        text: Some(said.text).filter(|text| !text.is_empty()),
    })
}

struct Said {
    tone: Tone,
    title: &'static str,
    amount: Option<String>,
    text: String,
}

fn said(tone: Tone, title: &'static str, text: impl Into<String>) -> Option<Said> {
    Some(Said { tone, title, amount: None, text: text.into() })
}

fn with_amount(said: Option<Said>, amount: Option<String>) -> Option<Said> {
    said.map(|said| Said { amount, ..said })
}

/// `None`: a kind that is not the traveller's business, or that a newer version wrote.
fn say(standing: &Standing, kind: &str, data: &Value) -> Option<Said> {
    let amount = || money(data, "amount_minor").map(|amount| amount.to_string());
    if let Some(payment) = kind.strip_prefix("payment_") {
        return with_amount(payment_line(standing, payment, data), amounts_of(standing, payment, data));
    }
    if let Some(refund) = kind.strip_prefix("refund_") {
        return with_amount(refund_line(refund, data), amount());
    }
    if let Some(dispute) = kind.strip_prefix("dispute_") {
        let is_inquiry = data["is_inquiry"].as_bool() == Some(true);
        return with_amount(dispute_line(dispute, is_inquiry), amount());
    }
    let airlines = || carriers(&standing.file.booking.offer.slices);
    match kind {
        "offer_chosen" => {
            let fare = data.get("fare").and_then(Value::as_str).unwrap_or_default();
            with_amount(said(Tone::Plain, "Offer chosen", format!("{}, {fare}.", airlines())), amount())
        }
        "claimed" => said(Tone::Plain, "Added to your account", "It was made without one."),
        "price_changed" => price_line(data),
        "terms_accepted" => with_amount(
            said(Tone::Plain, "You accepted total and conditions", "Nothing was charged."),
            amount(),
        ),
        "held" => said(Tone::Plain, "Seats held", ""),
        "card_declined" => {
            let code = data.get("code").and_then(Value::as_str).unwrap_or_default();
            said(Tone::Warn, "Card declined", format!("{} Nothing was charged.", news::declined(code)))
        }
        "ticketing" => said(Tone::Plain, "Airline asked for your seats", ""),
        "tickets_issued" => {
            let pnr = data.get("pnr").and_then(Value::as_str);
            let text = pnr.map(|pnr| format!("Airline reference {pnr}.")).unwrap_or_default();
            said(Tone::Good, "Tickets issued", text)
        }
        "confirmed" if data.get("from").and_then(Value::as_str) == Some("cancelling") => None,
        "confirmed" => said(Tone::Good, "Booking confirmed", ""),
        changes::EVENT if data["change"]["flights"].as_str() == Some("cancelled") => said(
            Tone::Bad,
            "Airline cancelled your flights",
            "You cannot travel with these tickets. A person of ours asks the airline for others, or for your money.",
        ),
        changes::EVENT if data["change"]["flights"].get("replaced").is_some() => said(
            Tone::Warn,
            "Airline changed your flights",
            "What is flown now stands on this page. A person of ours sees that your tickets are good for it, and writes to you.",
        ),
        changes::EVENT => said(
            Tone::Warn,
            "Airline changed the times",
            "Your tickets are good for the new ones, which stand on this page.",
        ),
        "failed" => said(Tone::Bad, "Not booked", news::not_ticketed(reason(data))),
        "expired" => said(Tone::Off, "Time to pay was over", "The booking was closed."),
        "cancel_asked" => said(
            Tone::Plain,
            "You asked what comes back if you cancel",
            "A person of ours asks the airline. Nothing was cancelled.",
        ),
        "cancel_accepted" => with_amount(said(Tone::Plain, "You accepted what comes back", ""), amount()),
        "pay_again" => with_amount(
            said(
                Tone::Warn,
                "Your tickets are not paid",
                "What was set aside for them could not be charged any more. We have asked you to pay again.",
            ),
            amount(),
        ),
        "unpaid" => said(Tone::Off, "Nobody had paid for the tickets in time", "You owe nothing."),
        "cancelling" => said(Tone::Plain, "Airline asked to cancel", "The tickets stay good until it has."),
        "cancel_refused" => said(
            Tone::Warn,
            "Airline did not cancel",
            "The tickets stand, and no money moved. A person of ours asks why.",
        ),
        "cancelled" if reason(data) == Some("dropped") => said(Tone::Off, "You gave the booking up", ""),
        "cancelled" => said(Tone::Off, "Airline cancelled the tickets", "The seats are given back."),
        _ => None,
    }
}

fn price_line(data: &Value) -> Option<Said> {
    let (Some(from), Some(to)) = (money(data, "from_minor"), money(data, "to_minor")) else {
        return said(Tone::Warn, "Offer changed", "Flights or conditions were not the same any more.");
    };
    let text = format!("New total {to}.");
    let by = to.checked_sub(from).ok()?;
    match by.minor {
        1.. => with_amount(said(Tone::Warn, "Price went up", text), Some(format!("+\u{a0}{by}"))),
        0 => {
            said(Tone::Warn, "Offer changed", "Flights or conditions were not the same any more. Same total.")
        }
        _ => {
            let less = Money::new(by.minor.saturating_neg(), by.currency);
            with_amount(said(Tone::Good, "Price went down", text), Some(format!("−\u{a0}{less}")))
        }
    }
}

fn payment_line(standing: &Standing, kind: &str, data: &Value) -> Option<Said> {
    let paid_by = attempt(standing, data).and_then(card).map(|card| format!("{card}. ")).unwrap_or_default();
    match kind {
        "open" => said(Tone::Plain, "Payment page opened", "Nothing was charged."),
        "create_unknown" => {
            said(Tone::Warn, "Payment page not opened", "Stripe did not answer. Nothing was charged.")
        }
        "processing" => said(Tone::Plain, "Payment on its way", "It takes its time. We wait for it."),
        "authorised" => said(Tone::Plain, "Amount reserved", format!("{paid_by}Not charged yet.")),
        "captured" => said(Tone::Good, "Card charged", paid_by.trim_end().to_owned()),
        "released" => match attempt(standing, data).and_then(|attempt| attempt.let_go) {
            Some(LetGo { was_taken: true, .. }) => {
                said(Tone::Off, "Payment gone back", "Our payment desk refunded all of it.")
            }
            _ => said(Tone::Off, "Reserved amount released", format!("{paid_by}Nothing was charged.")),
        },
        "expired" => said(Tone::Off, "Payment page closed", "Nobody can pay there any more."),
        "failed" => said(Tone::Warn, "Payment failed", "Nothing was charged."),
        "superseded" => said(Tone::Off, "Payment page replaced by a newer one", ""),
        "quarantined" => said(
            Tone::Warn,
            "Payment being checked",
            "It does not fit what you accepted. Nothing is bought with it until a person has looked.",
        ),
        "accepted" => said(Tone::Good, "Payment checked", "A person has looked: it is good."),
        "given_back" => said(
            Tone::Plain,
            "Payment goes back",
            "A person has looked: it does not fit what you accepted. Nothing was bought with it.",
        ),
        _ => None,
    }
}

/// Money that moves carries its sign; a page that opens or closes moves none.
fn amounts_of(standing: &Standing, kind: &str, data: &Value) -> Option<String> {
    // What stood at Stripe need not be what had been accepted.
    let let_go = attempt(standing, data).and_then(|attempt| attempt.let_go).filter(|_| kind == "released");
    let amount = let_go.map(|gone| gone.amount).or_else(|| money(data, "amount_minor"))?;
    match kind {
        "captured" => Some(format!("−\u{a0}{amount}")),
        "authorised" | "released" | "processing" | "failed" => Some(amount.to_string()),
        _ => None,
    }
}

fn refund_line(kind: &str, data: &Value) -> Option<Said> {
    let waits = data.get("pending_reason").and_then(Value::as_str);
    match kind {
        "requested" => said(Tone::Plain, "Refund granted", "It goes back to where you paid from."),
        "taken_in" => said(Tone::Plain, "Refund made", "Our payment desk sent it to where you paid from."),
        "withdrawn" => said(Tone::Off, "Refund not sent", withdrawn(reason(data))),
        "submitted" => said(Tone::Plain, "Refund sent to your bank", ""),
        "submit_unknown" => said(Tone::Warn, "Refund not answered yet", "We ask again by ourselves."),
        "pending" => said(Tone::Plain, "Refund waiting", Waits::of(waits).in_words()),
        "paid_by_hand" => {
            let how = payout(data).map(|payout| format!("Paid {}.", payout.in_words())).unwrap_or_default();
            said(Tone::Good, "Paid to you another way", how)
        }
        "succeeded" => said(Tone::Good, "Refunded", "Banks show this within 5 to 10 working days."),
        "failed" => {
            said(Tone::Bad, "Refund did not arrive", "It is still owed to you. A person looks after it.")
        }
        _ => None,
    }
}

/// Events of an older version do not say why.
fn withdrawn(reason: Option<&str>) -> &'static str {
    match reason {
        Some("bank") => {
            "Your bank has given you money of this payment itself. What is then still owed to you is asked for anew."
        }
        Some("dashboard") => {
            "Our payment desk was quicker and sent money itself. What is then still owed to you is asked for anew."
        }
        _ => "Money went back to you another way. What is then still owed to you is asked for anew.",
    }
}

fn payout(data: &Value) -> Option<Payout> {
    Some(Payout {
        way: Way::from_code(data.get("way")?.as_str()?)?,
        paid_on: data.get("paid_on")?.as_str()?.parse().ok()?,
        proof: data.get("proof")?.as_str()?.to_owned(),
    })
}

fn dispute_line(kind: &str, is_inquiry: bool) -> Option<Said> {
    match kind {
        "opened" if is_inquiry => {
            said(Tone::Plain, "Your bank asks about the payment", "We answer it. No money moved.")
        }
        "opened" => said(
            Tone::Warn,
            "Payment disputed",
            "Your bank has taken it back from us and decides whose it is. Nothing more is paid until then.",
        ),
        "under_review" => {
            said(Tone::Plain, "Dispute answered", "Your bank looks at both sides. That can take months.")
        }
        "won" if is_inquiry => said(Tone::Plain, "Your bank’s question is settled", "No money moved."),
        "won" => said(Tone::Plain, "Dispute decided", "Your bank leaves the payment with us."),
        "lost" => said(Tone::Plain, "Dispute decided", "Your bank has given you the money back."),
        _ => None,
    }
}

fn reason(data: &Value) -> Option<&str> {
    data.get("reason").and_then(Value::as_str)
}

fn money(data: &Value, field: &str) -> Option<Money> {
    let minor = data.get(field)?.as_i64()?;
    let currency = data.get("currency")?.as_str()?.parse().ok()?;
    Some(Money::new(minor, currency))
}

fn attempt<'a>(standing: &'a Standing, data: &Value) -> Option<&'a Attempt> {
    let id = data.get("attempt")?.as_str()?.parse().ok()?;
    standing.attempts.iter().find(|attempt| attempt.id == id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        bookings::lifecycle::BookingState,
        checkout::{
            lifecycle::{AttemptState, DisputeState, RefundState},
            pages::samples::{noon, standing},
        },
    };

    fn data() -> Value {
        json!({ "amount_minor": 80_000, "currency": "EUR", "fare": "Light", "pnr": "5RT2LP", "code": "expired_card" })
    }

    /// The line of one event: "[tone] title amount | text".
    fn told(kind: &str, data: Value) -> Option<String> {
        let standing = standing(BookingState::Expired).told(kind, data);
        timeline(&standing, noon()).first().map(|entry| {
            let text = entry.text.clone().unwrap_or_default();
            let amount = entry.amount.clone().unwrap_or_default();
            format!("[{:?}] {} {amount} | {text}", entry.tone, entry.title).replace('\u{a0}', " ")
        })
    }

    #[test]
    fn every_kind_of_event_that_we_record_has_a_line() {
        let mut kinds: Vec<String> = BookingState::ALL.iter().map(|state| state.code().to_owned()).collect();
        kinds.retain(|kind| kind != "draft");
        // An attempt begins as "creating" without an event.
        kinds.extend(AttemptState::ALL.iter().skip(1).map(|state| format!("payment_{}", state.code())));
        kinds.extend(RefundState::ALL.iter().map(|state| format!("refund_{}", state.code())));
        let others =
            ["offer_chosen", "terms_accepted", "card_declined", "tickets_issued", "payment_quarantined"];
        kinds.extend(["payment_accepted", "payment_given_back"].map(str::to_owned));
        kinds.extend(others.map(str::to_owned));
        kinds.extend(["pay_again", "unpaid"].map(str::to_owned));
        kinds.extend(["cancel_asked", "cancel_accepted", "cancel_refused"].map(str::to_owned));
        kinds.extend(["refund_taken_in", "refund_withdrawn", "dispute_opened"].map(str::to_owned));
        kinds.extend(DisputeState::ALL.iter().skip(1).map(|state| format!("dispute_{}", state.code())));
        for kind in kinds {
            assert!(told(&kind, data()).is_some(), "{kind}");
        }
    }

    #[test]
    fn lines_say_what_moved_and_with_which_sign() {
        let line = |kind: &str| told(kind, data()).unwrap();
        assert_eq!(line("offer_chosen"), "[Plain] Offer chosen EUR 800.00 | Halcyon Air, Light.");
        assert_eq!(line("payment_authorised"), "[Plain] Amount reserved EUR 800.00 | Not charged yet.");
        assert_eq!(line("payment_captured"), "[Good] Card charged − EUR 800.00 | ");
        assert_eq!(line("payment_open"), "[Plain] Payment page opened  | Nothing was charged.");
        assert_eq!(
            line("card_declined"),
            "[Warn] Card declined  | The card has expired. Nothing was charged."
        );
        assert_eq!(line("tickets_issued"), "[Good] Tickets issued  | Airline reference 5RT2LP.");
        assert_eq!(
            told("price_changed", json!({ "from_minor": 80_000, "to_minor": 82_500, "currency": "EUR" }))
                .unwrap(),
            "[Warn] Price went up + EUR 25.00 | New total EUR 825.00."
        );
        assert_eq!(
            told("price_changed", json!({ "from_minor": 80_000, "to_minor": 79_000, "currency": "EUR" }))
                .unwrap(),
            "[Good] Price went down − EUR 10.00 | New total EUR 790.00."
        );
    }

    #[test]
    fn a_total_that_is_the_same_is_no_change_of_price() {
        let same = json!({ "from_minor": 80_000, "to_minor": 80_000, "currency": "EUR" });
        let line = told("price_changed", same).unwrap();
        assert!(line.starts_with("[Warn] Offer changed  | ") && line.ends_with("Same total."), "{line}");
    }

    #[test]
    fn what_was_released_is_told_as_it_stood_at_stripe() {
        let line = |let_go: Option<LetGo>| {
            let mut standing = standing(BookingState::Held).with(AttemptState::Released);
            standing.attempts[0].let_go = let_go;
            let mut data = data();
            data["attempt"] = json!(standing.attempts[0].id);
            let lines =
                super::told(&standing.told("payment_released", data.clone()).told("payment_captured", data));
            let each = lines.into_iter().map(|told| (told.title, told.amount.unwrap(), told.text));
            each.map(|(title, amount, text)| format!("{title} {amount} | {text}").replace('\u{a0}', " "))
                .collect::<Vec<_>>()
        };
        let (taken, set_aside) = (
            LetGo { amount: Money::new(79_900, crate::money::Currency::Eur), was_taken: true },
            LetGo { amount: Money::new(79_900, crate::money::Currency::Eur), was_taken: false },
        );
        let charged = "Card charged − EUR 800.00 | Visa ending 4242.";
        let released = "Visa ending 4242. Nothing was charged.";
        assert_eq!(
            line(None),
            [format!("Reserved amount released EUR 800.00 | {released}"), charged.to_owned()]
        );
        assert_eq!(
            line(Some(set_aside)),
            [format!("Reserved amount released EUR 799.00 | {released}"), charged.to_owned()]
        );
        assert_eq!(
            line(Some(taken)),
            ["Payment gone back EUR 799.00 | Our payment desk refunded all of it.", charged]
        );
    }

    #[test]
    fn a_question_of_the_bank_moves_no_money_and_its_decision_does() {
        let line = |kind: &str, is_inquiry: bool| {
            let mut data = data();
            data["is_inquiry"] = json!(is_inquiry);
            told(kind, data).unwrap()
        };
        for kind in ["dispute_opened", "dispute_won"] {
            assert!(line(kind, true).ends_with("No money moved."), "{}", line(kind, true));
        }
        assert!(line("dispute_opened", false).contains("has taken it back from us"));
        assert!(line("dispute_won", false).contains("leaves the payment with us"));
        assert!(line("dispute_lost", false).contains("has given you the money back"));
        assert!(told("refund_succeeded", data()).unwrap().starts_with("[Good] Refunded EUR 800.00 | Banks"));
    }

    #[test]
    fn whoever_gave_up_a_booking_is_not_told_that_the_airline_cancelled() {
        let line = |data: Value| told("cancelled", data).unwrap();
        assert!(line(json!({ "reason": "dropped" })).contains("You gave the booking up"));
        assert!(line(json!({ "reason": "other" })).contains("Airline cancelled the tickets"));
        assert!(line(json!({})).contains("Airline cancelled the tickets"));
        assert!(told("claimed", json!({})).unwrap().contains("Added to your account"));
    }

    #[test]
    fn flights_that_the_airline_changed_are_told_by_what_was_changed() {
        let line =
            |flights: Value| told(changes::EVENT, json!({ "change": { "flights": flights } })).unwrap();
        assert!(line(json!("cancelled")).starts_with("[Bad] Airline cancelled your flights"));
        assert!(line(json!({ "replaced": [] })).starts_with("[Warn] Airline changed your flights"));
        assert!(line(json!({ "rescheduled": [] })).starts_with("[Warn] Airline changed the times"));
    }

    #[test]
    fn a_refund_that_waits_or_was_paid_by_hand_says_why_and_how() {
        let waits = |reason: &str| told("refund_pending", json!({ "pending_reason": reason })).unwrap();
        assert!(
            waits("insufficient_funds").contains("not taken it yet: our account"),
            "{}",
            waits("insufficient_funds")
        );
        assert!(waits("charge_pending").contains("not taken it yet: your payment has to be settled"));
        assert!(waits("of_a_newer_version").contains("not taken it yet: it is still being worked on"));
        let mut paid = data();
        paid["way"] = json!("bank_transfer");
        paid["paid_on"] = json!("2026-11-21");
        paid["proof"] = json!("FT26325-0041");
        assert_eq!(
            told("refund_paid_by_hand", paid).unwrap(),
            "[Good] Paid to you another way EUR 800.00 | Paid by bank transfer on 21 Nov 2026, reference FT26325-0041."
        );
    }

    #[test]
    fn a_refund_that_was_not_sent_says_why_as_far_as_it_is_known() {
        let line = |data: Value| told("refund_withdrawn", data).unwrap();
        assert!(line(json!({ "reason": "bank" })).contains("Your bank has given you money"));
        assert!(line(json!({ "reason": "dashboard" })).contains("Our payment desk was quicker"));
        assert!(line(json!({})).contains("went back to you another way"));
    }

    #[test]
    fn a_cancellation_that_was_refused_is_no_second_confirmation() {
        assert_eq!(told("confirmed", json!({ "from": "cancelling" })), None);
        assert!(told("confirmed", json!({ "from": "ticketing" })).is_some());
    }

    #[test]
    fn the_card_is_named_where_its_attempt_is_known() {
        let standing = standing(BookingState::Ticketing).with(AttemptState::Authorised).living_on_it();
        let id = standing.attempts[0].id;
        let standing = standing.told("payment_authorised", json!({ "attempt": id }));
        let text = timeline(&standing, noon())[0].text.clone().unwrap();
        assert_eq!(text, "Visa ending 4242. Not charged yet.");
    }

    #[test]
    fn unknown_kinds_and_unreadable_data_are_left_out_and_never_break_the_page() {
        for kind in ["payment_", "refund_", "staff_note", ""] {
            assert_eq!(told(kind, data()), None, "{kind}");
        }
        for broken in [
            json!({}),
            json!({ "amount_minor": "x", "currency": 7, "from_minor": i64::MIN, "to_minor": i64::MAX }),
        ] {
            for kind in
                ["offer_chosen", "price_changed", "payment_captured", "refund_failed", "card_declined"]
            {
                let _ = told(kind, broken.clone());
            }
        }
        let extreme = json!({ "from_minor": i64::MAX, "to_minor": i64::MIN, "currency": "EUR" });
        assert_eq!(told("price_changed", extreme), None);
    }

    #[test]
    fn what_is_to_come_ends_with_the_departure_and_never_stands_below_an_ended_booking() {
        for &state in BookingState::ALL {
            let entries = timeline(&standing(state), noon());
            assert_eq!(entries.is_empty(), state.has_ended(), "{state:?}");
        }
        let confirmed = standing(BookingState::Confirmed).with(AttemptState::Captured).living_on_it();
        let last = timeline(&confirmed, noon()).pop().unwrap();
        assert_eq!((last.title.as_str(), last.when.as_str()), ("Departure 10:35, Lisbon LIS", "12 Mar 2027"));
        let flown = timeline(&confirmed, "2027-04-01T00:00:00Z".parse().unwrap());
        assert!(flown.is_empty());
    }
}
