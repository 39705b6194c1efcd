//! What days cost: the strip above a list, and the month. The height of a bar and the depth of a colour are the price
//! class; the words say it too.

use jiff::{Span, civil::Date};
use maud::{Markup, html};

use crate::{
    money::Money,
    web::components::{Fragment, words},
};

pub struct PricedDay {
    pub date: Date,
    pub total: Option<Money>,
    /// Where a click leads; a day that cannot be asked for has none.
    pub href: Option<String>,
    /// What stands where there is no price: "no data".
    pub blank: &'static str,
    /// The day that the page is about.
    pub chosen: bool,
}

/// Five equal steps between the lowest and the highest of these totals.
pub(super) struct Scale {
    lowest: i64,
    span: i64,
    /// A price that stands alone is not the lowest of anything.
    compares: bool,
}

impl Scale {
    pub(super) fn of(totals: impl Iterator<Item = Money> + Clone) -> Self {
        let minor = || totals.clone().map(|total| total.minor);
        let (lowest, highest) = (minor().min().unwrap_or(0), minor().max().unwrap_or(0));
        let compares = totals.clone().nth(1).is_some();
        Self { lowest, span: highest.saturating_sub(lowest).max(1), compares }
    }

    fn of_days(days: &[PricedDay]) -> Self {
        Self::of(days.iter().filter_map(|day| day.total))
    }

    pub(super) fn class(&self, total: Money) -> i64 {
        (1 + (total.minor.saturating_sub(self.lowest)).saturating_mul(5) / self.span).min(5)
    }

    pub(super) const fn is_lowest(&self, total: Money) -> bool {
        self.compares && total.minor == self.lowest
    }
}

pub fn price_strip(days: &[PricedDay]) -> Fragment {
    let scale = Scale::of_days(days);
    html! { ol.strip { @for day in days { li { (strip_day(day, &scale)) } } } }.into()
}

fn strip_day(day: &PricedDay, scale: &Scale) -> Markup {
    let inner = html! {
        @match day.total {
            Some(total) => { span.bar data-heat=(scale.class(total)) {} " " b { (words::whole(total)) } }
            None => { span.bar.none {} " " b aria-hidden="true" { "–" } }
        }
        " " span.day { (day.date.strftime("%a")) br; (day.date.strftime("%-d %b")) } " "
        @match day.total {
            Some(total) if scale.is_lowest(total) => { em { "lowest" } }
            Some(_) => {}
            None => { span.muted { (day.blank) } }
        }
    };
    linked(day, inner, None)
}

fn linked(day: &PricedDay, inner: Markup, class: Option<&str>) -> Markup {
    html! {
        @match &day.href {
            Some(href) => { a href=(href) aria-current=[day.chosen.then_some("date")] { (inner) } }
            None => { span class=[class] aria-current=[day.chosen.then_some("date")] { (inner) } }
        }
    }
}

/// All days of a month, Monday first. `days` begins with the first of the month.
pub fn month_table(caption: &str, days: &[PricedDay]) -> Fragment {
    let scale = Scale::of_days(days);
    let before = days.first().map_or(0, |day| i64::from(day.date.weekday().to_monday_zero_offset()));
    let monday = days.first().map(|day| day.date.saturating_sub(Span::new().days(before)));
    let before = usize::try_from(before).unwrap_or(0);
    let cells: Vec<Option<&PricedDay>> =
        std::iter::repeat_n(None, before).chain(days.iter().map(Some)).collect();
    html! {
        table.month {
            caption.vh { (caption) }
            thead { tr {
                @if let Some(monday) = monday {
                    @for place in 0..7 {
                        @let name = monday.saturating_add(Span::new().days(place)).strftime("%A").to_string();
                        th scope="col" { (name.get(..3).unwrap_or(&name)) span.vh { (name.get(3..).unwrap_or("")) } }
                    }
                }
            } }
            tbody {
                @for week in cells.chunks(7) {
                    tr {
                        @for day in week { (month_day(*day, &scale)) }
                        @for _ in week.len()..7 { td {} }
                    }
                }
            }
        }
    }
    .into()
}

fn month_day(day: Option<&PricedDay>, scale: &Scale) -> Markup {
    let Some(day) = day else { return html! { td {} } };
    let date = html! { time datetime=(day.date) { (day.date.day()) } };
    match day.total {
        Some(total) => {
            let inner = html! {
                span { (date) @if scale.is_lowest(total) { " " em { "lowest" } } } " " b { (words::whole(total)) }
            };
            html! { td data-heat=(scale.class(total)) { (linked(day, inner, None)) } }
        }
        None => {
            let inner = html! { (date) " " em { (day.blank) } };
            html! { td { (linked(day, inner, Some("none"))) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::web::components::samples::eur;

    fn days(first: Date, totals: &[Option<i64>]) -> Vec<PricedDay> {
        let day = |(place, total): (usize, &Option<i64>)| PricedDay {
            date: first.saturating_add(Span::new().days(i64::try_from(place).unwrap())),
            total: total.map(eur),
            href: total.map(|_| format!("/flights?day={place}")),
            blank: "no data",
            chosen: place == 1,
        };
        totals.iter().enumerate().map(day).collect()
    }

    #[test]
    fn bars_are_as_high_as_the_price_class_and_the_lowest_says_so() {
        let html = price_strip(&days(date(2027, 3, 9), &[Some(57_201), Some(38_900), None])).to_string();
        assert!(html.contains(r#"data-heat="5"></span> <b>573</b>"#), "never less than it is: {html}");
        assert!(html.contains(r#"aria-current="date"><span class="bar" data-heat="1""#), "{html}");
        assert_eq!(html.matches("lowest").count(), 1);
        assert!(html.contains("no data") && html.matches("<a ").count() == 2, "{html}");
    }

    #[test]
    fn a_month_begins_on_its_weekday_and_ends_with_a_whole_week() {
        // The first of July 2027 is a Thursday.
        let html = month_table("July", &days(date(2027, 7, 1), &[Some(100); 31])).to_string();
        assert!(html.contains("<tbody><tr><td></td><td></td><td></td><td data-heat"), "{html}");
        assert_eq!(html.matches("<td").count() % 7, 0);
        assert!(html.contains(r#"Mon<span class="vh">day</span>"#));
        assert_eq!(html.matches("<time").count(), 31);
    }

    #[test]
    fn equal_prices_are_one_class_and_all_of_them_lowest() {
        let html = price_strip(&days(date(2027, 3, 9), &[Some(100), Some(100)])).to_string();
        assert_eq!((html.matches("data-heat=\"1\"").count(), html.matches("lowest").count()), (2, 2));
    }
}
