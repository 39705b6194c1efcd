//! The small parts: badge, tile, notice, lists, pager.

use maud::{Render, html};

use crate::{itinerary::Carrier, money::Money, web::components::Fragment};

/// Shape and word first, colour second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
    /// Going on at this moment.
    Now,
    /// Over, without drama.
    Off,
    /// Still to come.
    Todo,
}

impl Tone {
    pub(super) const fn word(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("good"),
            Self::Warn => Some("warn"),
            Self::Bad => Some("bad"),
            Self::Now => Some("now"),
            Self::Off => Some("off"),
            Self::Todo => Some("todo"),
        }
    }
}

pub fn badge(tone: Tone, word: &str) -> Fragment {
    html! { span.badge data-is=[tone.word()] { (word) } }.into()
}

/// Decoration: the airline's name always stands beside it. The hue comes from the code and never changes.
pub fn tile(carrier: &Carrier) -> Fragment {
    let hash =
        carrier.code.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let hue = format!("tile h{}", hash % 8);
    html! { span class=(hue) aria-hidden="true" { (carrier.code) } }.into()
}

/// First the fact, then what it means. `alert` interrupts a screen reader: for errors that are new on this page.
pub fn notice(tone: Tone, fact: &str, meaning: impl Render) -> Fragment {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! { div.note data-is=[tone.word()] role=(role) { b { (fact) } p { (meaning) } } }.into()
}

/// A list of names and values.
pub fn facts_list(facts: &[(String, String)]) -> Fragment {
    html! { dl.kv { @for (name, value) in facts { dt { (name) } dd { (value) } } } }.into()
}

/// A sum of money, line by line. `head` names what the lines belong to.
pub fn money_lines(caption: &str, head: &str, lines: &[(String, Money)], total: Money) -> Fragment {
    html! {
        table.lines {
            caption.vh { (caption) }
            thead { tr { th scope="col" { (head) } th.num scope="col" { (total.currency) } } }
            tbody { @for (name, amount) in lines { tr { th scope="row" { (name) } td.num { (amount.amount()) } } } }
            tfoot { tr { th scope="row" { "Total" } td.num { (total.amount()) } } }
        }
    }
    .into()
}

/// Keyset pages: no numbers, no counts. `shown` says what this page is.
pub fn pager(label: &str, shown: &str, newer: Option<(&str, &str)>, older: Option<(&str, &str)>) -> Fragment {
    html! {
        nav.pager aria-label=(label) {
            span.muted { (shown) }
            @if let Some((href, word)) = newer { a href=(href) rel="prev" { (word) } }
            @if let Some((href, word)) = older { a href=(href) rel="next" { (word) } }
        }
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hue_of_an_airline_depends_on_its_code_alone() {
        let carrier = |name: &str| Carrier { code: "HX".to_owned(), name: name.to_owned() };
        assert_eq!(tile(&carrier("Halcyon Air")).to_string(), tile(&carrier("Renamed")).to_string());
    }

    #[test]
    fn a_notice_escapes_what_it_is_told() {
        let html = notice(Tone::Warn, "<b>", "a < b").to_string();
        assert_eq!(
            html,
            r#"<div class="note" data-is="warn" role="status"><b>&lt;b&gt;</b><p>a &lt; b</p></div>"#
        );
    }
}
