//! The itinerary receipt on paper: all that an airline's desk, an embassy or an employer asks of an e-ticket receipt.

use crate::{
    itinerary::{Airport, LocalTime, PassengerKind, Segment, Slice},
    papers::{
        Papers, Validity,
        face::{Face, Weight},
        facts::{self, Fact, Ticketed, fare_facts},
        sheet::{About, BODY, COLUMN, HEADING, Ink, LEFT, NOTE, RIGHT, STRONG, Sheets, Style},
    },
    web::components::{direction, way_in_words, words},
};

const MASTHEAD: Style = Style::new(Weight::Bold, 15.0, 20.0, Ink::Black);
pub(super) const TITLE: Style = Style::new(Weight::Bold, 24.0, 30.0, Ink::Black);
const CLOCK: Style = Style::new(Weight::Bold, 17.0, 20.0, Ink::Black);
const REFERENCE: Style = Style::new(Weight::Bold, 25.0, 29.0, Ink::OnSignal);
pub(super) const LABEL: Style = Style::new(Weight::Regular, 8.5, 13.5, Ink::Muted);
/// Where the second of two columns begins.
const MIDDLE: f32 = LEFT + COLUMN * 0.54;

/// `None`: the file could not be written.
pub fn draw(papers: &Papers, face: Face) -> Option<Vec<u8>> {
    let mut sheets = Sheets::new(face);
    head(&mut sheets, papers, "Itinerary receipt");
    title(&mut sheets, &facts::route(&papers.offer.slices), &facts::days(&papers.offer.slices));
    warning(&mut sheets, papers);
    stub(&mut sheets, papers);
    passengers(&mut sheets, papers);
    for (place, slice) in papers.offer.slices.iter().enumerate() {
        one_slice(&mut sheets, papers, slice, place);
    }
    fare_and_price(&mut sheets, papers);
    issued(&mut sheets, papers);
    sheets.draw(&about(papers, "Itinerary receipt"))
}

pub(super) fn about<'a>(papers: &'a Papers, what: &str) -> About<'a> {
    About {
        title: format!("{what} {}, {}", papers.reference, facts::route(&papers.offer.slices)),
        author: &papers.issuer.site.seller_name,
        at: papers.changed_at,
        foot: papers.foot(),
    }
}

pub(super) fn head(sheets: &mut Sheets, papers: &Papers, what: &str) {
    if papers.issuer.demo {
        sheets.put(LEFT, NOTE, "Demo. Nothing here is real: no airline, no seat, no money.");
        sheets.skip(18.0);
    }
    let y = sheets.y;
    sheets.put(LEFT, MASTHEAD, &papers.issuer.site.name);
    sheets.y = y + 6.0;
    sheets.put_right(RIGHT, LABEL, what);
    sheets.y = y + 26.0;
    sheets.rule(1.4, Ink::Black);
    sheets.skip(20.0);
}

fn title(sheets: &mut Sheets, route: &str, days: &str) {
    sheets.paragraph(LEFT, COLUMN, TITLE, route);
    sheets.paragraph(LEFT, COLUMN, BODY.inked(Ink::Muted), days);
    sheets.skip(12.0);
}

/// In a frame of the signal colour, on every paper that nobody may board with.
pub(super) fn warning(sheets: &mut Sheets, papers: &Papers) {
    let Some(text) = papers.validity.warning() else { return };
    let (y, height) = (sheets.y, 30.0);
    for (x, y, width, height) in [
        (LEFT, y, COLUMN, 1.2),
        (LEFT, y + height - 1.2, COLUMN, 1.2),
        (LEFT, y, 1.2, height),
        (RIGHT - 1.2, y, 1.2, height),
    ] {
        sheets.block(x, y, width, height, Ink::Signal);
    }
    sheets.put_at(LEFT + 14.0, y + 8.0, STRONG.inked(Ink::Signal), text);
    sheets.skip(height + 12.0);
}

/// The ticket's stub: orange once there is a ticket, a plain sheet before and after.
fn stub(sheets: &mut Sheets, papers: &Papers) {
    let (y, height) = (sheets.y, 62.0);
    let is_valid = papers.validity == Validity::Valid;
    let (ground, ink) = if is_valid { (Ink::Signal, Ink::OnSignal) } else { (Ink::Paper, Ink::Black) };
    sheets.block(LEFT, y, COLUMN, height, ground);
    let tear = RIGHT - 168.0;
    if is_valid {
        for hole in 0..=10_u8 {
            sheets.dot(tear, y + f32::from(hole) * height / 10.0, 1.7, Ink::OnSignal);
        }
    } else {
        sheets.block(tear, y + 8.0, 0.6, height - 16.0, Ink::Rule);
    }
    let mut cell = |x: f32, label: &str, value: &str| {
        sheets.put_at(x, y + 9.0, LABEL.inked(ink), label);
        sheets.put_at(x, y + 23.0, REFERENCE.inked(ink), value);
    };
    cell(LEFT + 16.0, "Booking reference", papers.reference.as_str());
    cell(LEFT + 170.0, "Airline reference", papers.pnr.as_deref().unwrap_or("None yet"));
    let labels = LABEL.inked(ink);
    sheets.put_at(tear + 16.0, y + 9.0, labels, "Tickets issued");
    let issued = papers.issued_at.map(|at| papers.moment(at));
    let issued = issued.unwrap_or_else(|| "No ticket".to_owned());
    // The moment, and below it whose time that is.
    for (place, line) in issued.splitn(2, " (").enumerate() {
        let (below, style) = if place == 0 { (24.0, STRONG) } else { (38.0, LABEL) };
        sheets.put_at(tear + 16.0, y + below, style.inked(ink), line.trim_end_matches(')'));
    }
    sheets.skip(height + 20.0);
}

pub(super) fn heading(sheets: &mut Sheets, text: &str, beside: &str) {
    sheets.keep(60.0);
    let width = sheets.put(LEFT, HEADING, text);
    sheets.y += 2.0;
    sheets.put(LEFT + width + 8.0, LABEL, beside);
    sheets.y += 15.0;
    sheets.rule(0.6, Ink::Black);
    sheets.skip(6.0);
}

fn passengers(sheets: &mut Sheets, papers: &Papers) {
    heading(
        sheets,
        if papers.passengers.len() == 1 { "Passenger" } else { "Passengers" },
        "as on the ticket",
    );
    if papers.passengers.is_empty() {
        sheets.paragraph(LEFT, COLUMN, BODY, "Nobody has been named yet.");
    }
    for person in &papers.passengers {
        passenger(sheets, person);
    }
    sheets.skip(14.0);
}

fn passenger(sheets: &mut Sheets, person: &Ticketed) {
    let name = person.passenger.full_name();
    let lines = sheets.lines(COLUMN * 0.5, STRONG, &name);
    sheets.keep(lines.len() as f32 * STRONG.line + 4.0);
    let kind = match person.passenger.kind {
        PassengerKind::Adult => "Adult",
        PassengerKind::Child => "Child",
        PassengerKind::Infant => "Infant, on an adult's lap",
    };
    sheets.put(LEFT + COLUMN * 0.52, BODY, kind);
    let number = person.number().map(|number| format!("Ticket {number}"));
    sheets.put_right(RIGHT, STRONG, number.as_deref().unwrap_or("No ticket number"));
    for line in lines {
        sheets.put(LEFT, STRONG, &line);
        sheets.skip(STRONG.line);
    }
    sheets.skip(2.5);
}

fn one_slice(sheets: &mut Sheets, papers: &Papers, slice: &Slice, place: usize) {
    // The heading never stands alone at the foot of a sheet.
    sheets.keep(130.0);
    let day = words::day_and_year(slice.first().departs.local.date());
    let title = format!("{}, {day}", direction(place, &papers.offer.slices));
    heading(sheets, &title, &way_in_words(slice));
    let mut before: Option<&Segment> = None;
    for segment in slice.segments() {
        if let Some(before) = before {
            // Never at the foot of a sheet, away from what it leads to.
            sheets.keep(110.0);
            let wait = words::duration(segment.departs.at.duration_since(before.arrives.at));
            sheets.put(LEFT, NOTE, &format!("{wait} in {}, {}", segment.from.city, segment.from.name));
            sheets.skip(15.0);
        }
        one_segment(sheets, papers, segment);
        before = Some(segment);
    }
    sheets.skip(12.0);
}

fn one_segment(sheets: &mut Sheets, papers: &Papers, segment: &Segment) {
    sheets.keep(92.0);
    let y = sheets.y + 2.0;
    let right = LEFT + COLUMN * 0.5;
    end(sheets, LEFT, y, &segment.departs, &segment.from);
    end(sheets, right + 12.0, y, &segment.arrives, &segment.to);
    let clock = sheets.width(CLOCK, "00:00");
    // The slice line: a dot, a line, a dot.
    let (from, to, middle) = (LEFT + clock + 12.0, right, y + 10.5);
    sheets.block(from, middle - 0.8, to - from, 1.6, Ink::Black);
    sheets.dot(from, middle, 3.0, Ink::Black);
    sheets.dot(to, middle, 3.0, Ink::Black);
    let span = words::duration(segment.duration());
    let span_width = sheets.width(NOTE, &span);
    sheets.put_at((from + to - span_width) / 2.0, middle + 2.5, NOTE, &span);
    sheets.y = y + 54.0;
    let flight = format!("{} {}", segment.carrier.name, segment.flight());
    let by = match &segment.operated_by {
        Some(by) => format!(", operated by {}", by.name),
        None => format!(", operated by {}", segment.carrier.name),
    };
    let width = sheets.put(LEFT, STRONG, &flight);
    sheets.put(LEFT + width, BODY, &by);
    sheets.skip(BODY.line);
    let status = match papers.validity {
        Validity::Valid => "Confirmed",
        Validity::NotTicketed => "Not ticketed",
        Validity::BeingCancelled => "Being cancelled",
        Validity::NotFlown => "Not flown",
        Validity::Ended => "Ended",
    };
    let line = format!(
        "{}. {}. Fare basis {}. {}. Status: {status}.",
        segment.cabin.name(),
        segment.aircraft,
        segment.fare_basis,
        allowance(papers),
    );
    sheets.paragraph(LEFT, COLUMN, BODY.inked(Ink::Muted), &line);
    sheets.skip(8.0);
}

/// "Checked bags: 1 of 23 kg", which an e-ticket receipt says at each flight.
fn allowance(papers: &Papers) -> String {
    match papers.offer.fare.checked_bags {
        0 => "Checked bags: none".to_owned(),
        bags if !papers.offer.fare.tells_weights() => format!("Checked bags: {bags}"),
        bags => format!("Checked bags: {bags}\u{a0}×\u{a0}23\u{a0}kg"),
    }
}

fn end(sheets: &mut Sheets, x: f32, y: f32, time: &LocalTime, airport: &Airport) {
    let width = sheets.put_at(x, y, CLOCK, &words::clock(time.local));
    if x > LEFT {
        sheets.put_at(x + width + 7.0, y + 4.5, LABEL, &words::day(time.local.date()));
    }
    sheets.put_at(x, y + 23.0, STRONG, &format!("{} {}", airport.code, airport.city));
    let name = sheets.lines(COLUMN * 0.46, NOTE, &airport.name);
    if let Some(name) = name.first() {
        sheets.put_at(x, y + 36.5, NOTE, name);
    }
}

/// Side by side: what the fare allows, and how the total is made up.
fn fare_and_price(sheets: &mut Sheets, papers: &Papers) {
    let facts = fare_facts(&papers.offer);
    let height = (papers.price_lines.len() as f32).mul_add(15.5, 90.0).max(170.0);
    sheets.keep(height);
    let top = sheets.y;
    column_head(sheets, LEFT, MIDDLE - 24.0, "Fare and conditions");
    for fact in &facts {
        column_fact(sheets, LEFT, MIDDLE - 24.0, fact);
    }
    let left_end = sheets.y;
    sheets.y = top;
    column_head(sheets, MIDDLE, RIGHT, "Price");
    for (name, amount) in &papers.price_lines {
        let lines = sheets.lines(RIGHT - MIDDLE - 70.0, BODY, name);
        sheets.put_right(RIGHT, BODY, &amount.to_string());
        for line in lines {
            sheets.put(MIDDLE, BODY, &line);
            sheets.skip(BODY.line);
        }
        sheets.skip(2.0);
    }
    sheets.block(MIDDLE, sheets.y + 2.0, RIGHT - MIDDLE, 1.2, Ink::Black);
    sheets.skip(8.0);
    sheets.put(MIDDLE, STRONG, "Total, all taxes included");
    sheets.put_right(RIGHT, STRONG, &papers.offer.total.to_string());
    sheets.skip(BODY.line + 4.0);
    let form = format!("Form of payment: {}", papers.form_of_payment());
    sheets.paragraph(MIDDLE, RIGHT - MIDDLE, BODY.inked(Ink::Muted), &form);
    sheets.y = sheets.y.max(left_end) + 16.0;
}

fn column_head(sheets: &mut Sheets, left: f32, right: f32, text: &str) {
    sheets.put(left, HEADING, text);
    sheets.skip(17.0);
    sheets.block(left, sheets.y, right - left, 0.6, Ink::Black);
    sheets.skip(6.0);
}

/// The name left, its lines beside it.
pub(super) fn column_fact(sheets: &mut Sheets, left: f32, right: f32, fact: &Fact) {
    const VALUE: f32 = 62.0;
    sheets.put(left, LABEL, &fact.label);
    for line in &fact.lines {
        for line in sheets.lines(right - left - VALUE, BODY, line) {
            sheets.put(left + VALUE, BODY, &line);
            sheets.skip(BODY.line);
        }
    }
    sheets.skip(3.0);
}

fn issued(sheets: &mut Sheets, papers: &Papers) {
    let site = &papers.issuer.site;
    heading(sheets, "Issued by", "");
    let when = papers.issued_at.map(|at| format!("Tickets issued {}.", papers.moment(at)));
    let who = format!("{}, {}. {}.", site.seller_name, site.seller_address, site.seller_email);
    sheets.paragraph(LEFT, COLUMN, BODY, &who);
    sheets.paragraph(LEFT, COLUMN, BODY, when.as_deref().unwrap_or("No ticket has been issued."));
    let conditions = "Names must be as in the passport. Be at the airport in time: the airline closes check-in and boarding \
                      before departure. The airline's conditions of carriage apply, and its liability may be limited by the \
                      Montreal or Warsaw Convention. Dangerous goods must not be packed.";
    sheets.skip(3.0);
    sheets.paragraph(LEFT, COLUMN, NOTE, conditions);
    let address = format!("{}/bookings/{}", papers.issuer.base_url, papers.reference);
    sheets.skip(4.0);
    sheets.keep(NOTE.line);
    let width = sheets.put(LEFT, NOTE.inked(Ink::Signal), &address);
    sheets.link(LEFT, sheets.y, width, NOTE.line, address);
    sheets.skip(NOTE.line);
}
