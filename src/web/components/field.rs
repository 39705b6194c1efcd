//! Fields of forms: label, hint, value as typed, and the message beside it.

use std::fmt;

use maud::{Markup, Render, html};

use crate::{
    error::FieldErrors,
    web::components::{Fragment, words},
};

/// One line of text. `name` is its id too, so the summary's link finds it.
/// In a template: `{{ Field::new("email", "E-mail", form.email, errors).kind("email").autocomplete("email") }}`.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    name: &'a str,
    label: &'a str,
    value: &'a str,
    error: Option<&'a str>,
    hint: Option<&'a str>,
    kind: &'a str,
    autocomplete: Option<&'a str>,
    longest: Option<usize>,
    required: bool,
    /// A password: never sent back, whether it is typed in dots or in plain sight.
    secret: bool,
}

impl<'a> Field<'a> {
    pub fn new(name: &'a str, label: &'a str, value: &'a str, errors: &'a FieldErrors) -> Self {
        Self {
            name,
            label,
            value,
            error: errors.get(name),
            hint: None,
            kind: "text",
            autocomplete: None,
            longest: None,
            required: true,
            secret: false,
        }
    }

    /// A password, in dots or, on request, in plain sight (see [`reveal`]). `purpose`: "current-password" or
    /// "new-password".
    pub fn password(
        name: &'a str,
        label: &'a str,
        purpose: &'a str,
        shown: bool,
        errors: &'a FieldErrors,
    ) -> Self {
        let kind = if shown { "text" } else { "password" };
        Self { kind, autocomplete: Some(purpose), secret: true, ..Self::new(name, label, "", errors) }
    }

    /// "email", "tel", "search", "date".
    pub fn kind(mut self, kind: &'a str) -> Self {
        self.kind = kind;
        self
    }

    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = Some(hint);
        self
    }

    pub fn autocomplete(mut self, purpose: &'a str) -> Self {
        self.autocomplete = Some(purpose);
        self
    }

    pub fn longest(mut self, characters: usize) -> Self {
        self.longest = Some(characters);
        self
    }

    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    fn markup(&self) -> Markup {
        let described = described_by(self.name, self.hint.is_some(), self.error.is_some());
        let plain = self.secret.then_some("off");
        html! {
            div.field {
                label for=(self.name) { (self.label) }
                @if let Some(hint) = self.hint { p.hint id=(format!("{}-hint", self.name)) { (hint) } }
                input id=(self.name) name=(self.name) type=(self.kind) value=[shown(self.value)]
                    autocapitalize=[plain] autocorrect=[plain] spellcheck=[self.secret.then_some("false")]
                    autocomplete=[self.autocomplete] maxlength=[self.longest] required[self.required]
                    aria-invalid=[self.error.map(|_| "true")] aria-describedby=[described];
                (message(self.name, self.error))
            }
        }
    }
}

impl Render for Field<'_> {
    fn render_to(&self, buffer: &mut String) {
        self.markup().render_to(buffer);
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.markup().into_string())
    }
}

impl askama::filters::HtmlSafe for Field<'_> {}

fn shown(value: &str) -> Option<&str> {
    (!value.is_empty()).then_some(value)
}

fn described_by(name: &str, hint: bool, error: bool) -> Option<String> {
    let mut ids = Vec::new();
    if error {
        ids.push(format!("{name}-error"));
    }
    if hint {
        ids.push(format!("{name}-hint"));
    }
    (!ids.is_empty()).then(|| ids.join(" "))
}

fn message(name: &str, error: Option<&str>) -> Markup {
    html! { @if let Some(error) = error { p.err id=(format!("{name}-error")) { (error) } } }
}

/// Shows the passwords of its form, or hides them again. Stands after the form's own button, so that Enter never means
/// this one. With script it changes the fields in place. Without, the form comes back with its values and with empty
/// password fields to be typed in plain sight: what was typed already is not sent back to be read from a page.
pub fn reveal(is_shown: bool) -> Fragment {
    let (word, next) = if is_shown { ("Hide the password", "0") } else { ("Show the password", "1") };
    html! {
        @if is_shown { input type="hidden" name="shown" value="1"; }
        p { button.quiet name="show" value=(next) formnovalidate data-reveal aria-pressed=(is_shown) { (word) } }
        noscript { p.small.muted { "That empties the password field: type it once more." } }
    }
    .into()
}

/// A list to choose one from. Options are (value, words).
pub fn choice(
    name: &str,
    label: &str,
    options: &[(&str, &str)],
    chosen: &str,
    errors: &FieldErrors,
) -> Fragment {
    let error = errors.get(name);
    html! {
        div.field {
            label for=(name) { (label) }
            select id=(name) name=(name) aria-invalid=[error.map(|_| "true")] aria-describedby=[described_by(name, false, error.is_some())] {
                @for (value, words) in options { option value=(value) selected[*value == chosen] { (words) } }
            }
            (message(name, error))
        }
    }
    .into()
}

/// A few choices side by side. The first carries the name as its id, for the summary's link.
pub fn picks(
    name: &str,
    legend: &str,
    options: &[(&str, &str)],
    chosen: &str,
    errors: &FieldErrors,
) -> Fragment {
    let error = errors.get(name);
    html! {
        fieldset.field aria-describedby=[described_by(name, false, error.is_some())] {
            legend { (legend) }
            div.picks {
                @for (place, (value, words)) in options.iter().enumerate() {
                    label.pick {
                        input type="radio" name=(name) value=(value) id=[(place == 0).then_some(name)] checked[*value == chosen];
                        " " (words)
                    }
                }
            }
            (message(name, error))
        }
    }
    .into()
}

/// A date in three fields: day, month and year, each with the name it is sent by and its value as typed. `purpose` is
/// what autocomplete calls the date ("section-p1 bday"), or empty for none; `like` is a day that could be meant.
pub fn date_field(
    name: &str,
    legend: &str,
    parts: &[(&str, &str); 3],
    purpose: &str,
    like: &str,
    errors: &FieldErrors,
) -> Fragment {
    let error = errors.get(name);
    let described = described_by(name, true, error.is_some());
    let inputs = [("Day", "day", 2), ("Month", "month", 2), ("Year", "year", 4)];
    html! {
        fieldset.field aria-describedby=[described.as_deref()] {
            legend { (legend) }
            p.hint id=(format!("{name}-hint")) { "Like " (like) }
            div.three {
                @for (place, (label, part, longest)) in inputs.into_iter().enumerate() {
                    // The first answers to the group's name, for the summary's link.
                    @let id = if place == 0 { name } else { parts[place].0 };
                    div {
                        label for=(id) { (label) }
                        input id=(id) name=(parts[place].0) inputmode="numeric" maxlength=(longest) value=[shown(parts[place].1)]
                            autocomplete=[(!purpose.is_empty()).then(|| format!("{purpose}-{part}"))] required
                            aria-invalid=[error.map(|_| "true")] aria-describedby=[error.map(|_| format!("{name}-error"))];
                    }
                }
            }
            (message(name, error))
        }
    }
    .into()
}

/// Above the form, takes focus without script. Nothing where nothing is wrong.
pub fn error_summary(errors: &FieldErrors) -> Fragment {
    error_summary_of(errors, |_| "")
}

/// The same, with each message after the name of its field, where messages alone would not tell fields apart.
pub fn error_summary_of<L: AsRef<str>>(errors: &FieldErrors, label: impl Fn(&str) -> L) -> Fragment {
    if errors.is_empty() {
        return Fragment::default();
    }
    let told = |field: &str, message: &str| match label(field).as_ref() {
        "" => message.to_owned(),
        label => format!("{label}: {message}"),
    };
    // Nothing is wrong with the form: it came at the wrong time.
    if let Some(wait) = errors.get(FieldErrors::WHOLE_FORM) {
        return html! {
            div.errors role="alert" tabindex="-1" autofocus aria-labelledby="errors-h" {
                h2 #errors-h { "Please wait a little" }
                p { (wait) }
            }
        }
        .into();
    }
    html! {
        div.errors role="alert" tabindex="-1" autofocus aria-labelledby="errors-h" {
            h2 #errors-h { (words::plural(errors.len(), "thing to correct", "things to correct")) }
            ul { @for (field, message) in errors.iter() { li { a href=(format!("#{field}")) { (told(field, message)) } } } }
        }
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_an_error_keeps_its_value_and_points_to_the_message() {
        let errors = FieldErrors::one("email", "The address needs an @");
        let html = Field::new("email", "E-mail", "\"><script>", &errors).kind("email").to_string();
        assert!(html.contains("value=\"&quot;&gt;&lt;script&gt;\""), "{html}");
        assert!(html.contains("aria-invalid=\"true\" aria-describedby=\"email-error\""));
        assert!(html.contains("<p class=\"err\" id=\"email-error\">The address needs an @</p>"));
        assert!(error_summary(&errors).to_string().contains("1 thing to correct"));
    }

    #[test]
    fn a_password_field_has_no_value_in_dots_or_in_plain_sight() {
        let errors = FieldErrors::default();
        for (shown, kind) in [(false, "type=\"password\""), (true, "type=\"text\"")] {
            let html = Field::password("password", "Password", "new-password", shown, &errors).to_string();
            assert!(html.contains(kind) && !html.contains("value="), "{html}");
            assert!(html.contains("autocomplete=\"new-password\"") && html.contains("spellcheck=\"false\""));
        }
    }

    #[test]
    fn no_errors_no_summary() {
        assert_eq!(error_summary(&FieldErrors::default()).to_string(), "");
    }
}
