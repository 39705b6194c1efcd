//! The offer: card, price, fares side by side, conditions in words.

use maud::{Markup, html};

use crate::{
    itinerary::{Fare, Offer, PassengerKind, PassengerPrice},
    money::{Money, MoneyError},
    web::components::{
        Fragment,
        conditions::{Told, change, refund},
        itinerary, words,
    },
};

/// Code first, and always the word "total". Each note is a line of its own; the first should say what the total holds.
pub fn price(money: Money, notes: &[&str]) -> Fragment {
    html! {
        p.price {
            span.cur { (money.currency) } " " b { (money.amount()) } " "
            small { @for (place, note) in notes.iter().enumerate() { @if place > 0 { br; } (note) } }
        }
    }
    .into()
}

pub struct OfferCard<'a> {
    pub offer: &'a Offer,
    /// Unique on its page: the heading's id.
    pub id: String,
    pub href: String,
    /// Why it stands where it stands: "Best balance".
    pub reason: String,
    pub why: String,
    /// What is easily missed.
    pub warnings: Vec<String>,
    /// "seen 4 min ago".
    pub seen: String,
    /// The one filled button of the page.
    pub leading: bool,
}

pub fn offer_card(card: &OfferCard<'_>) -> Fragment {
    html! {
        article.offer aria-labelledby=(card.id) {
            div.offer-why {
                h3 id=(card.id) { (card.reason) }
                @if !card.why.is_empty() { p { (card.why) } }
            }
            div.offer-way {
                (itinerary(&card.offer.slices))
                @if !card.warnings.is_empty() {
                    ul.warns { @for warning in &card.warnings { li.fee { (warning) } } }
                }
                (facts(card.offer))
            }
            div.offer-pay {
                (price(card.offer.total, &["total, all taxes", &card.seen]))
                a.btn.plain[!card.leading] href=(card.href) aria-describedby=(card.id) { "See fares" }
            }
        }
    }
    .into()
}

/// Five facts at most.
pub fn facts(offer: &Offer) -> Fragment {
    let conditions = &offer.fare.conditions;
    html! {
        dl.facts {
            div { dt { "Fare" } dd { (offer.fare.brand) } }
            div { dt { "Bags" } dd.has { (bags(&offer.fare)) } }
            div { dt { "Change" } (fact(change(conditions.change))) }
            div { dt { "Refund" } (fact(refund(offer))) }
            div { dt { "CO₂ each" } @match offer.co2_grams {
                Some(grams) => { dd { (words::thousands(grams.div_ceil(1_000))) "\u{a0}kg" } }
                None => { dd.unk { "unknown" } }
            } }
        }
    }
    .into()
}

pub(super) fn bags(fare: &Fare) -> String {
    match (fare.cabin_bag_kg, fare.checked_bags) {
        (0, 0) => "No checked bag".to_owned(),
        (0, bags) => words::plural(usize::from(bags), "checked bag", "checked bags"),
        (kg, 0) => format!("Cabin bag {kg}\u{a0}kg"),
        (_, 1) => "Cabin bag and 23\u{a0}kg".to_owned(),
        (_, bags) => format!("Cabin bag and {bags}\u{a0}×\u{a0}23\u{a0}kg"),
    }
}

fn fact((class, words): Told) -> Markup {
    html! { dd class=(class) { (words) } }
}

pub(super) fn checked(fare: &Fare) -> (&'static str, String) {
    match fare.checked_bags {
        0 => ("not", "No checked bag".to_owned()),
        bags if !fare.tells_weights() => {
            ("has", words::plural(usize::from(bags), "checked bag", "checked bags"))
        }
        bags => {
            ("has", format!("{} 23\u{a0}kg", words::plural(usize::from(bags), "checked bag", "checked bags")))
        }
    }
}

/// Fare families side by side: each block is one choice of the form's `offer`. The total beside the form holds one price
/// for each fare (class `for-fare-N`); the stylesheet shows the chosen one.
pub fn fares(offers: &[Offer], chosen: usize) -> Fragment {
    let lowest = offers.iter().map(|offer| offer.total.minor).min().unwrap_or_default();
    html! {
        fieldset.fares {
            legend.vh { "Choose a fare" }
            @for (place, offer) in offers.iter().enumerate() {
                div.fare {
                    label for=(format!("fare-{place}")) {
                        input type="radio" name="offer" value=(offer.id) id=(format!("fare-{place}")) checked[place == chosen];
                        " " (offer.fare.brand)
                    }
                    p { b { (offer.total) } " total" br; span.muted.small { (above(offer.total, lowest)) } }
                    (inclusions(offer))
                }
            }
        }
    }
    .into()
}

fn above(total: Money, lowest: i64) -> String {
    match total.minor.saturating_sub(lowest) {
        0 => "lowest".to_owned(),
        more => format!("{} more", Money::new(more, total.currency).amount()),
    }
}

fn inclusions(offer: &Offer) -> Markup {
    let fare = &offer.fare;
    let (checked_class, checked_bags) = checked(fare);
    let change = change(fare.conditions.change);
    let refund = refund(offer);
    html! {
        ul {
            @if fare.tells_weights() { li.has { "Cabin bag " (fare.cabin_bag_kg) "\u{a0}kg" } }
            li class=(checked_class) { (checked_bags) }
            li class=(change.0) { "Change: " (uncapitalised(&change.1)) }
            li class=(refund.0) { "Refund: " (uncapitalised(&refund.1)) }
        }
    }
}

fn uncapitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

fn people(kind: PassengerKind, count: u8) -> String {
    let (one, many) = match kind {
        PassengerKind::Adult => ("adult", "adults"),
        PassengerKind::Child => ("child", "children"),
        PassengerKind::Infant => ("infant", "infants"),
    };
    words::plural(usize::from(count), one, many)
}

/// How the total is made up: each kind of passenger with fare and taxes, as charged for all of that kind.
pub fn price_table(offer: &Offer) -> Result<Fragment, MoneyError> {
    let mut groups = Vec::new();
    for price in &offer.prices {
        let whose = if price.whole_party { offer.party.in_words() } else { people(price.kind, price.count) };
        groups.push((whose, lines(price)?));
    }
    Ok(html! {
        table.lines {
            caption.vh { "How the total is made up" }
            @for (place, (head, lines)) in groups.iter().enumerate() {
                @if place == 0 {
                    thead { tr { th scope="col" { (head) } th.num scope="col" { (offer.total.currency) } } }
                }
                tbody {
                    @if place > 0 { tr.again { th colspan="2" scope="rowgroup" { (head) } } }
                    @for (name, amount) in lines { tr { th scope="row" { (name) } td.num { (amount.amount()) } } }
                }
            }
            tfoot { tr { th scope="row" { "Total" } td.num { (offer.total.amount()) } } }
        }
    }
    .into())
}

fn lines(price: &PassengerPrice) -> Result<Vec<(String, Money)>, MoneyError> {
    let count = i64::from(price.count);
    let name = |what: &str, each: Money| match price.count {
        1 => what.to_owned(),
        count => format!("{what}, {count} × {}", each.amount()),
    };
    let mut lines = vec![(name("Fare", price.fare), price.fare.checked_mul(count)?)];
    for tax in &price.taxes {
        let what = format!("{} ({})", tax.name, tax.code);
        lines.push((name(&what, tax.amount), tax.amount.checked_mul(count)?));
    }
    Ok(lines)
}

#[cfg(test)]
pub mod samples {
    use super::*;
    use crate::{
        itinerary::{Cabin, Condition, Conditions, DocumentRule, OfferId, Party, Slice, Tax},
        money::Currency,
        web::components::slice::samples::direct,
    };

    pub fn eur(minor: i64) -> Money {
        Money::new(minor, Currency::Eur)
    }

    /// Two adults and an infant on one direct slice, EUR 800.00 in all.
    pub fn offer(id: &str, total: i64, slices: Vec<Slice>) -> Offer {
        let price = |kind, count, fare, tax| PassengerPrice {
            kind,
            count,
            fare: eur(fare),
            taxes: vec![Tax {
                code: "PT".to_owned(),
                name: "Airport charge Lisbon".to_owned(),
                amount: eur(tax),
            }],
            whole_party: false,
        };
        let at = "2026-11-22T12:00:00Z".parse().unwrap();
        Offer {
            id: OfferId(id.to_owned()),
            slices,
            party: Party::new(2, 0, 1).unwrap(),
            cabin: Cabin::Economy,
            fare: Fare {
                brand: "Light".to_owned(),
                cabin_bag_kg: 8,
                checked_bags: 0,
                conditions: Conditions { change: Condition::Fee(eur(9_000)), refund: Condition::No },
            },
            prices: vec![
                price(PassengerKind::Adult, 2, 30_000, 5_000),
                price(PassengerKind::Infant, 1, 8_000, 2_000),
            ],
            total: eur(total),
            quoted_at: at,
            expires_at: at + jiff::SignedDuration::from_mins(20),
            co2_grams: None,
            documents: DocumentRule::NotAsked,
            alliance: None,
            other_fares: Vec::new(),
        }
    }

    pub fn plain() -> Offer {
        offer("o1", 80_000, vec![direct()])
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};
    use crate::web::components::slice::samples::overnight;

    #[test]
    fn a_price_has_its_currency_first_and_says_total() {
        assert_eq!(
            price(eur(112_600), &["total, all taxes", "seen 4 min ago"]).to_string(),
            r#"<p class="price"><span class="cur">EUR</span> <b>1,126.00</b> <small>total, all taxes<br>seen 4 min ago</small></p>"#
        );
    }

    #[test]
    fn the_price_table_adds_up_to_the_total() {
        let offer = plain();
        let html = price_table(&offer).unwrap().to_string();
        for text in ["2 adults", "Fare, 2 × 300.00", "600.00", "1 infant", "80.00", "800.00"] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert_eq!(offer.sum_of_prices(offer.total.currency), Ok(offer.total));
    }

    #[test]
    fn fares_show_the_difference_to_the_lowest_and_one_is_chosen() {
        let offers = [plain(), offer("o2", 85_900, vec![overnight()])];
        let html = fares(&offers, 1).to_string();
        assert!(html.contains("lowest") && html.contains("59.00 more"));
        assert!(html.contains(r#"value="o2" id="fare-1" checked"#), "{html}");
        assert!(!html.contains(r#"id="fare-0" checked"#));
    }

    #[test]
    fn a_card_escapes_what_the_supplier_calls_things() {
        let mut offer = plain();
        offer.fare.brand = "<img>".to_owned();
        let card = OfferCard {
            offer: &offer,
            id: "o1".to_owned(),
            href: "/offers/o1?a=\"".to_owned(),
            reason: "Cheapest".to_owned(),
            why: String::new(),
            warnings: Vec::new(),
            seen: "seen just now".to_owned(),
            leading: true,
        };
        let html = offer_card(&card).to_string();
        assert!(!html.contains("<img>") && html.contains("&lt;img&gt;"));
        assert!(html.contains("href=\"/offers/o1?a=&quot;\""));
    }
}
