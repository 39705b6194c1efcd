//! The receipt on paper: what was taken for which booking, and what went back.

use crate::{
    money::Money,
    papers::{
        Movement, Papers,
        face::{Face, Weight},
        facts::{self, Fact},
        itinerary::{TITLE, about, column_fact, head, heading},
        sheet::{BODY, COLUMN, Ink, LEFT, NOTE, RIGHT, STRONG, Sheets, Style},
    },
};

const SUM: Style = Style::new(Weight::Bold, 14.0, 20.0, Ink::Black);

/// `paid` is what was taken and has not gone back.
pub fn draw(papers: &Papers, paid: Money, face: Face) -> Option<Vec<u8>> {
    let mut sheets = Sheets::new(face);
    head(&mut sheets, papers, "Receipt");
    if papers.movements.is_empty() {
        sheets.paragraph(LEFT, COLUMN, TITLE, "Nothing has been charged");
        let text = "This is not a receipt: no money has been taken for this booking.";
        sheets.paragraph(LEFT, COLUMN, BODY.inked(Ink::Muted), text);
    } else {
        sheets.paragraph(LEFT, COLUMN, TITLE, &format!("{paid} paid"));
        let text = format!("For booking {}. The total includes all taxes.", papers.reference);
        sheets.paragraph(LEFT, COLUMN, BODY.inked(Ink::Muted), &text);
    }
    sheets.skip(18.0);
    what_for(&mut sheets, papers);
    if !papers.movements.is_empty() {
        movements(&mut sheets, papers, paid);
    }
    prices(&mut sheets, papers);
    sheets.draw(&about(papers, "Receipt"))
}

fn what_for(sheets: &mut Sheets, papers: &Papers) {
    let site = &papers.issuer.site;
    let slices = &papers.offer.slices;
    let names: Vec<String> = papers.passengers.iter().map(facts::Ticketed::in_words).collect();
    let fact = |label: &'static str, lines: Vec<String>| Fact { label: label.into(), lines };
    let mut told = vec![
        fact(
            "Sold by",
            vec![site.seller_name.clone(), site.seller_address.clone(), site.seller_email.clone()],
        ),
        fact("For", vec![format!("Air tickets, {}, {}", facts::route(slices), facts::days(slices))]),
        fact("Booking", vec![papers.reference.to_string()]),
    ];
    told.extend(papers.pnr.clone().map(|pnr| fact("Airline ref.", vec![pnr])));
    if !names.is_empty() {
        told.push(fact("Passengers", names));
    }
    heading(sheets, "What for", "");
    for fact in &told {
        column_fact(sheets, LEFT, RIGHT, fact);
    }
    sheets.skip(14.0);
}

fn movements(sheets: &mut Sheets, papers: &Papers, paid: Money) {
    heading(sheets, "Payments", "");
    for Movement { at, what, by, number, amount } in &papers.movements {
        sheets.keep(34.0);
        sheets.put(LEFT, STRONG, &format!("{what}, {by}"));
        sheets.put_right(RIGHT, STRONG, &signed(*amount));
        sheets.skip(STRONG.line);
        sheets.put(LEFT, NOTE, &format!("{}. Payment {number}", papers.moment(*at)));
        sheets.skip(NOTE.line + 5.0);
    }
    sheets.keep(40.0);
    sheets.rule(1.2, Ink::Black);
    sheets.skip(5.0);
    sheets.put(LEFT, SUM, "Paid");
    sheets.put_right(RIGHT, SUM, &paid.to_string());
    sheets.skip(36.0);
}

/// With a true minus sign in front.
fn signed(amount: Money) -> String {
    match amount.minor {
        ..0 => format!("− {}", Money::new(amount.minor.saturating_neg(), amount.currency)),
        _ => amount.to_string(),
    }
}

fn prices(sheets: &mut Sheets, papers: &Papers) {
    heading(sheets, "Price of the tickets", "fares and taxes of all passengers");
    for (name, amount) in &papers.price_lines {
        sheets.keep(BODY.line);
        sheets.put(LEFT, BODY, name);
        sheets.put_right(RIGHT, BODY, &amount.to_string());
        sheets.skip(BODY.line + 2.0);
    }
    sheets.keep(26.0);
    sheets.rule(1.2, Ink::Black);
    sheets.skip(5.0);
    sheets.put(LEFT, STRONG, "Total, all taxes included");
    sheets.put_right(RIGHT, STRONG, &papers.offer.total.to_string());
    sheets.skip(24.0);
}
