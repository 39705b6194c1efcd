//! Typed pieces of HTML, drawn by maud after one stylesheet, `static/app.css`. A template calls them by path:
//! `{{ crate::web::components::slice_line(slice) }}`. A component never writes a page and never asks for data.

mod conditions;
mod days;
mod field;
mod log;
mod map;
mod offer;
mod pairs;
mod part;
mod slice;
mod ticket;
pub mod words;

#[cfg(test)]
pub mod samples {
    //! Slices and offers for the unit tests of whoever draws, sorts or keeps them.
    pub use super::{
        offer::samples::{eur, offer, plain},
        slice::samples::{direct, lisbon, madrid, new_york, overnight, segment},
    };
}

use std::fmt;

use maud::Markup;

pub use self::{
    conditions::{conditions_list, conditions_table},
    days::{PricedDay, month_table, price_strip},
    field::{Field, choice, date_field, error_summary, error_summary_of, picks, reveal},
    log::{LogEntry, log},
    map::{kilometres, route_map, world_map},
    offer::{OfferCard, facts, fares, offer_card, price, price_table},
    pairs::{PairTable, PricedPair, pair_table},
    part::{Tone, badge, facts_list, money_lines, notice, pager, tile},
    slice::{
        direction, is_return, itinerary, itinerary_by_day, journey, legs, night_in, other_airports,
        slice_line, warnings, way_in_words,
    },
    ticket::{Ticket, qr, ticket},
};

/// Finished HTML. In a template it prints as it is, where a string would be escaped.
#[derive(Clone, Debug, Default)]
pub struct Fragment(String);

impl From<Markup> for Fragment {
    fn from(markup: Markup) -> Self {
        Self(markup.into_string())
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Fragment {}

impl maud::Render for Fragment {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;
    use maud::html;

    use super::*;

    #[derive(Template)]
    #[template(source = "{{ text }} {{ fragment }}", ext = "html")]
    struct Both<'a> {
        text: &'a str,
        fragment: Fragment,
    }

    #[test]
    fn a_fragment_prints_unescaped_and_everything_inside_it_was_escaped() {
        let evil = "<script>";
        let page = Both { text: evil, fragment: html! { b { (evil) } }.into() };
        assert_eq!(page.render().unwrap(), "&#60;script&#62; <b>&lt;script&gt;</b>");
    }
}
