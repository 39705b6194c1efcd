//! Giving money back by passenger and line: of what how much.

use askama::Template;

use super::refund::{RefundForm, paid_with};
use crate::{
    admin::mask_name,
    checkout::{
        price_lines::{LineId, LinePart, PriceLine},
        staff_refund::{RefundDesk, Refundable},
    },
    error::FieldErrors,
    ids::BookingReference,
    money::Money,
    web::{
        chrome::Chrome,
        components::{Field, Fragment, error_summary_of},
    },
};

/// The way of refunding that is told so in the form.
pub(super) const HOW: &str = "lines";

#[derive(Template)]
#[template(path = "admin/refund_lines.html")]
pub(super) struct RefundLinesPage {
    chrome: Chrome,
    reference: BookingReference,
    payment: String,
    left: Money,
    whose: Vec<Whose>,
    form: RefundForm,
    errors: FieldErrors,
    summary: Fragment,
}

/// One passenger's lines.
struct Whose {
    name: String,
    lines: Vec<LineField>,
    /// What of all of them is left, and the field that takes all of it.
    all: Option<(Money, String, bool)>,
}

struct LineField {
    /// None where nothing is left.
    field: Option<String>,
    name: String,
    typed: String,
    hint: String,
}

/// The payment, where it is one that can go back by lines, and is to.
pub(super) fn asked_for<'a>(desk: &'a RefundDesk, form: &RefundForm) -> Option<&'a Refundable> {
    let refundable = form.attempt.parse().ok().and_then(|id| desk.of(id))?;
    let can = refundable.obstacle.is_none() && !desk.lines_of(refundable).is_empty();
    (can && form.how == HOW).then_some(refundable)
}

pub(super) fn page(
    chrome: Chrome,
    desk: &RefundDesk,
    from: &Refundable,
    form: RefundForm,
) -> RefundLinesPage {
    let lines = desk.lines_of(from);
    RefundLinesPage {
        chrome,
        reference: desk.booking.reference.clone(),
        payment: paid_with(from),
        left: from.left,
        whose: lines
            .chunk_by(|one, next| one.id.passenger == next.id.passenger)
            .map(|of| whose(desk, of, &form))
            .collect(),
        form,
        errors: FieldErrors::default(),
        summary: Fragment::default(),
    }
}

impl RefundLinesPage {
    pub(super) fn with(self, errors: FieldErrors) -> Self {
        let summary = error_summary_of(&errors, |field| self.name_of(field).unwrap_or_default());
        Self { summary, errors, ..self }
    }

    /// "M*** Duarte, Fare".
    fn name_of(&self, field: &str) -> Option<String> {
        self.whose.iter().find_map(|of| {
            let line = of.lines.iter().find(|line| line.field.as_deref() == Some(field))?;
            Some(format!("{}, {}", of.name, line.name))
        })
    }
}

fn whose(desk: &RefundDesk, lines: &[PriceLine], form: &RefundForm) -> Whose {
    let passenger = lines.first().map_or(0, |line| line.id.passenger);
    let left = lines.first().and_then(|line| {
        Money::sum(line.left.currency, lines.iter().map(|line| line.left)).ok().filter(|left| left.minor > 0)
    });
    let field = all_of(passenger);
    let is_chosen = form.parts.contains_key(&field);
    Whose {
        name: name_of(desk, passenger),
        lines: lines.iter().map(|line| line_field(line, form)).collect(),
        all: left.map(|left| (left, field, is_chosen)),
    }
}

fn line_field(line: &PriceLine, form: &RefundForm) -> LineField {
    let field = field_of(line.id);
    let typed = form.parts.get(&field).map_or("", String::as_str);
    let typed = typed.chars().filter(|c| !c.is_control()).collect();
    let hint = match line.left == line.amount {
        true => format!("{} left", line.left),
        false => format!("{} of {} left", line.left, line.amount),
    };
    LineField { field: (line.left.minor > 0).then_some(field), name: line.name.clone(), typed, hint }
}

fn name_of(desk: &RefundDesk, passenger: u8) -> String {
    let place = usize::from(passenger).checked_sub(1);
    match place.map(|place| desk.passengers.get(place)) {
        None => "Everybody together".to_owned(),
        Some(Some(person)) => mask_name(&person.given_names, &person.family_name),
        Some(None) => format!("Passenger {passenger}"),
    }
}

fn field_of(LineId { passenger, item }: LineId) -> String {
    format!("p{passenger}_{item}")
}

fn all_of(passenger: u8) -> String {
    format!("p{passenger}_all")
}

/// What was typed beside the lines, or chosen for a whole passenger. Whether so much of each is left is asked of
/// [`check_left`].
pub(super) fn read(lines: &[PriceLine], form: &RefundForm, errors: &mut FieldErrors) -> Vec<LinePart> {
    let mut parts = Vec::new();
    for line in lines {
        let field = field_of(line.id);
        let typed = form.parts.get(&field).map_or("", |typed| typed.trim());
        let all = form.parts.contains_key(&all_of(line.id.passenger));
        let amount = match (typed, all) {
            ("", false) => continue,
            ("", true) => Ok(line.left),
            (_, true) => {
                errors.add(field, "Either all of the passenger's, or line by line");
                continue;
            }
            (typed, false) => Money::read(typed, line.left.currency),
        };
        match amount {
            Ok(amount) if amount.minor == 0 => {}
            Ok(amount) => parts.push(LinePart { line: line.id, amount }),
            Err(_) => errors.add(field, format!("Write it like {}, without commas", line.amount.typed())),
        }
    }
    parts
}

/// Beside each line of which more is asked for than is left.
pub(super) fn check_left(lines: &[PriceLine], parts: &[LinePart], errors: &mut FieldErrors) {
    for part in parts {
        let line = lines.iter().find(|line| line.id == part.line);
        if let Some(line) = line.filter(|line| part.amount.minor > line.left.minor || part.amount.minor < 0) {
            errors.add(field_of(line.id), format!("At most {} is left of it", line.left));
        }
    }
    if parts.is_empty() && errors.is_empty() {
        errors.add("lines", "Choose a passenger or type an amount beside a line");
    }
}

/// Whose what, how much of it, and the field that sends it on.
pub(super) fn in_words(desk: &RefundDesk, parts: &[LinePart]) -> Vec<(String, Money, String)> {
    let words = |part: &LinePart| {
        let name = desk.lines.iter().find(|line| line.id == part.line).map_or("", |line| &line.name);
        (format!("{}: {name}", name_of(desk, part.line.passenger)), part.amount, field_of(part.line))
    };
    parts.iter().map(words).collect()
}
