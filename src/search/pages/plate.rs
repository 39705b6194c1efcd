//! The search plate: one ruled block, label over value in each cell.

use jiff::{Span, civil::Date};
use maud::{Markup, html};

use crate::{
    error::FieldErrors,
    itinerary::Cabin,
    search::form::{DAYS_AHEAD, LEGS, SearchForm},
    web::components::Fragment,
};

/// No date, number or cabin is as long as this.
const LONGEST: usize = 40;

pub fn plate(form: &SearchForm, errors: &FieldErrors, today: Date) -> Fragment {
    let last = today.saturating_add(Span::new().days(DAYS_AHEAD));
    html! {
        form action="/flights" method="get" {
            fieldset.trip aria-describedby=[described("trip", errors)] {
                legend.vh { "Kind of journey" }
                (kind("return", "Return", form.is_return(), true))
                (kind("oneway", "One-way", form.trip == "oneway", false))
                (kind("multi", "Several flights", form.is_multi(), false))
                (message("trip", errors))
            }
            div.plate {
                (place("from", "From", &form.from, errors))
                (place("to", "To", &form.to, errors))
                (date("leave", "Leave", &form.leave, (today, last), errors))
                (date("back", "Back", &form.back, (today, last), errors))
                @for (nth, names) in LEGS.iter().enumerate().take(legs_shown(form)).skip(1) {
                    (leg(nth + 1, names, form, (today, last), errors))
                }
                (count("adults", "Adults", &form.adults, 1..=9, errors))
                (count("children", "Children 2–11", &form.children, 0..=8, errors))
                (count("infants", "Infants 0–1", &form.infants, 0..=4, errors))
                (cabin(&form.cabin, errors))
                button.btn { "Search" }
            }
            p.acts.only-multi {
                @if legs_shown(form) < LEGS.len() {
                    button.quiet name="flights" value="more" formaction="/" formnovalidate { "Add a flight" }
                }
                @if form.more.len() > 1 {
                    button.quiet name="flights" value="less" formaction="/" formnovalidate { "Remove the last flight" }
                }
            }
        }
    }
    .into()
}

/// A journey of several flights has two at least.
fn legs_shown(form: &SearchForm) -> usize {
    form.more.len().max(1) + 1
}

/// A flight after the first: shown and counted only where several are chosen, so nothing in it is required.
fn leg(
    number: usize,
    [from, to, leave]: &[&'static str; 3],
    form: &SearchForm,
    days: (Date, Date),
    errors: &FieldErrors,
) -> Markup {
    let cell = |name: &str, label: &str, class: &str, field: Markup| {
        let class = format!("cell only-multi {class}");
        html! {
            div class=(class) {
                label for=(name) { (number) ". " (label) }
                (field)
                (message(name, errors))
            }
        }
    };
    let text = |name: &str| place_input(name, form.value(name), false, errors);
    html! {
        (cell(from, "From", "place", text(from)))
        (cell(to, "To", "place", text(to)))
        (cell(leave, "Leave", "half", date_input(leave, form.value(leave), days, false, errors)))
    }
}

fn kind(value: &str, words: &str, chosen: bool, first: bool) -> Markup {
    html! {
        label.pick { input type="radio" name="trip" value=(value) id=[first.then_some("trip")] checked[chosen]; " " (words) }
    }
}

fn message(name: &str, errors: &FieldErrors) -> Markup {
    html! { @if let Some(error) = errors.get(name) { p.err id=(format!("{name}-error")) { (error) } } }
}

fn described(name: &str, errors: &FieldErrors) -> Option<String> {
    errors.get(name).map(|_| format!("{name}-error"))
}

fn invalid(name: &str, errors: &FieldErrors) -> Option<&'static str> {
    errors.get(name).map(|_| "true")
}

fn place(name: &str, label: &str, value: &str, errors: &FieldErrors) -> Markup {
    html! {
        div.cell.place {
            label for=(name) { (label) }
            (place_input(name, value, true, errors))
            (message(name, errors))
        }
    }
}

fn place_input(name: &str, value: &str, required: bool, errors: &FieldErrors) -> Markup {
    // What was far too long to be a place is not sent back whole.
    let value: String = value.chars().take(120).collect();
    html! {
        input id=(name) name=(name) value=(value) placeholder="City or airport" maxlength="120" autocomplete="off" autocapitalize="words" spellcheck="false" required[required]
            aria-invalid=[invalid(name, errors)] aria-describedby=[described(name, errors)];
    }
}

fn date(name: &str, label: &str, value: &str, days: (Date, Date), errors: &FieldErrors) -> Markup {
    html! {
        div.cell.half.only-return[name == "back"] {
            label for=(name) { (label) }
            (date_input(name, value, days, name == "leave", errors))
            (message(name, errors))
        }
    }
}

fn date_input(
    name: &str,
    value: &str,
    (first, last): (Date, Date),
    required: bool,
    errors: &FieldErrors,
) -> Markup {
    let value = kept(value);
    // A calendar field would show nothing of what is no date.
    if !value.is_empty() && value.parse::<Date>().is_err() {
        return html! {
            input id=(name) name=(name) value=(value) placeholder="2027-03-12" maxlength=(LONGEST) autocomplete="off" spellcheck="false" required[required]
                aria-invalid=[invalid(name, errors)] aria-describedby=[described(name, errors)];
        };
    }
    html! {
        input id=(name) name=(name) type="date" value=(value) min=(first) max=(last) required[required]
            aria-invalid=[invalid(name, errors)] aria-describedby=[described(name, errors)];
    }
}

/// What was far too long to be a date or a choice is not sent back whole.
fn kept(value: &str) -> String {
    value.trim().chars().take(LONGEST).collect()
}

/// What was chosen and is in no list stays in the field, so that the message beside it is about what one sees.
fn no_choice(value: &str, known: bool) -> Markup {
    let kept = kept(value);
    html! { @if !known && !kept.is_empty() { option value=(kept) selected { (kept) } } }
}

fn count(
    name: &str,
    label: &str,
    value: &str,
    range: std::ops::RangeInclusive<u8>,
    errors: &FieldErrors,
) -> Markup {
    let chosen = value.trim().parse::<u8>().ok().filter(|number| range.contains(number));
    html! {
        div.cell.third {
            label for=(name) { (label) }
            select id=(name) name=(name) aria-invalid=[invalid(name, errors)] aria-describedby=[described(name, errors)] {
                (no_choice(value, chosen.is_some()))
                @for number in range { option selected[chosen == Some(number)] { (number) } }
            }
            (message(name, errors))
        }
    }
}

fn cabin(value: &str, errors: &FieldErrors) -> Markup {
    html! {
        div.cell.cabin {
            label for="cabin" { "Cabin" }
            select id="cabin" name="cabin" aria-invalid=[invalid("cabin", errors)] aria-describedby=[described("cabin", errors)] {
                (no_choice(value, value.parse::<Cabin>().is_ok()))
                @for cabin in Cabin::ALL { option value=(cabin.code()) selected[value.parse() == Ok(cabin)] { (cabin.name()) } }
            }
            (message("cabin", errors))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_kept_escaped_and_its_error_stands_in_the_cell() {
        let form = SearchForm { from: "\"><script>".into(), to: "x".repeat(5_000), ..SearchForm::default() };
        let errors = FieldErrors::one("from", "Nothing found");
        let html = plate(&form.with_defaults(), &errors, jiff::civil::date(2026, 11, 22)).to_string();
        assert!(html.contains("value=\"&quot;&gt;&lt;script&gt;\""), "{html}");
        assert!(html.contains("aria-describedby=\"from-error\""));
        assert!(html.contains("max=\"2027-10-18\""));
        assert!(html.len() < 9_000);
    }

    #[test]
    fn what_is_in_no_list_and_what_is_no_date_stay_where_they_were_typed() {
        let form = SearchForm {
            trip: "multi".into(),
            leave: "12 March".into(),
            adults: "10".into(),
            children: "-1".into(),
            infants: "x".repeat(5_000),
            cabin: "<cargo>".into(),
            ..SearchForm::default()
        };
        let form = form.with_flights(2).with("leave2", "2027-02-29");
        let html = plate(&form, &FieldErrors::default(), jiff::civil::date(2026, 11, 22)).to_string();
        for kept in [
            "name=\"leave\" value=\"12 March\"",
            "name=\"leave2\" value=\"2027-02-29\"",
            "<option value=\"10\" selected>10</option>",
            "<option value=\"-1\" selected>-1</option>",
            "<option value=\"&lt;cargo&gt;\" selected>&lt;cargo&gt;</option>",
        ] {
            assert!(html.contains(kept), "{kept}: {html}");
        }
        assert!(html.len() < 9_000, "what is endless is cut");
        let good = SearchForm { cabin: "first".into(), ..SearchForm::default() }.with_defaults();
        let html = plate(&good, &FieldErrors::default(), jiff::civil::date(2026, 11, 22)).to_string();
        assert!(html.contains("<option value=\"first\" selected>") && html.matches(" selected").count() == 4);
    }
}
