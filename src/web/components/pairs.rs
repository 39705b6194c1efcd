//! What pairs of dates cost: days of leaving across, days of coming back down.

use jiff::civil::Date;
use maud::{Markup, html};

use super::days::Scale;
use crate::{
    money::Money,
    web::components::{Fragment, words},
};

pub struct PricedPair {
    pub total: Option<Money>,
    /// Where a click leads; a pair that cannot be asked for has none.
    pub href: Option<String>,
    /// What stands where there is no price; nothing where the way back would come first.
    pub blank: Option<&'static str>,
}

pub struct PairTable<'a> {
    pub caption: &'a str,
    pub leave: Vec<Date>,
    pub back: Vec<Date>,
    /// The pair that the page is about.
    pub own: (Date, Date),
    /// Row by row, as many as there are days of leaving in each.
    pub pairs: Vec<PricedPair>,
}

pub fn pair_table(table: &PairTable<'_>) -> Fragment {
    let scale = Scale::of(table.pairs.iter().filter_map(|pair| pair.total));
    let across = table.leave.len();
    html! {
        table.pairs {
            caption.vh { (table.caption) }
            thead {
                tr { td {} th scope="colgroup" colspan=(across) { "Leave" } }
                tr {
                    th scope="col" { "Back" }
                    @for day in &table.leave { (head("col", *day, table.own.0)) }
                }
            }
            tbody {
                @for (back, row) in table.back.iter().zip(table.pairs.chunks(across.max(1))) {
                    tr {
                        (head("row", *back, table.own.1))
                        @for (leave, pair) in table.leave.iter().zip(row) {
                            (cell(pair, (*leave, *back), table.own, &scale))
                        }
                    }
                }
            }
        }
    }
    .into()
}

fn head(scope: &str, day: Date, own: Date) -> Markup {
    html! {
        th scope=(scope) class=[(day == own).then_some("own")] {
            time datetime=(day) { (day.strftime("%a")) br; (day.strftime("%-d %b")) }
        }
    }
}

fn cell(pair: &PricedPair, (leave, back): (Date, Date), own: (Date, Date), scale: &Scale) -> Markup {
    // A link is read apart from its table, too.
    let dates = format!("{} to {}: ", words::day(leave), words::day(back));
    let current = ((leave, back) == own).then_some("date");
    let inner = match (pair.total, pair.blank) {
        (Some(total), _) => html! {
            b { (words::whole(total)) } @if scale.is_lowest(total) { " " em { "lowest" } }
        },
        (None, Some(blank)) => html! { em { (blank) } },
        (None, None) => html! { span aria-hidden="true" { "–" } span.vh { "back before leaving" } },
    };
    html! {
        td data-heat=[pair.total.map(|total| scale.class(total))] {
            @match &pair.href {
                Some(href) => { a href=(href) aria-current=[current] { span.vh { (dates) } (inner) } }
                None => { span.none aria-current=[current] { (inner) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::web::components::samples::eur;

    #[test]
    fn every_cell_has_its_days_at_its_head_and_says_what_it_is() {
        let pair = |total: Option<i64>, href: Option<&str>, blank| PricedPair {
            total: total.map(eur),
            href: href.map(str::to_owned),
            blank,
        };
        let (first, second) = (date(2027, 3, 12), date(2027, 3, 13));
        let html = pair_table(&PairTable {
            caption: "Lowest",
            leave: vec![first, second],
            back: vec![first, second],
            own: (second, second),
            pairs: vec![
                pair(Some(20_001), Some("/a"), None),
                pair(None, None, None),
                pair(None, Some("/c"), Some("no data")),
                pair(Some(20_000), Some("/d"), None),
            ],
        })
        .to_string();
        assert_eq!((html.matches("scope=\"col\"").count(), html.matches("scope=\"row\"").count()), (3, 2));
        assert!(
            html.contains(r#"scope="col" class="own"><time datetime="2027-03-13">Sat<br>13 Mar"#),
            "{html}"
        );
        assert!(
            html.contains(r#"<a href="/d" aria-current="date"><span class="vh">Sat 13 Mar to Sat 13 Mar: </span><b>200</b> <em>lowest</em>"#),
            "{html}"
        );
        assert!(html.contains(r#"<td data-heat="5"><a href="/a"><span class="vh">Fri 12 Mar to Fri 12 Mar: </span><b>201</b></a>"#), "{html}");
        assert!(html.contains("back before leaving") && html.contains("<em>no data</em>"), "{html}");
        assert_eq!(html.matches("lowest").count(), 1);
    }
}
