//! The passenger form: what was typed, and what is wrong with it. Pure.

use std::collections::BTreeMap;

use jiff::civil;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    error::FieldErrors,
    itinerary::{Contact, Passenger, PassengerKind, Sex},
    web::form,
};

/// The form exactly as it was sent, so that nothing typed is lost. The first value of a field counts.
#[derive(Clone, Debug, Default)]
pub struct PassengerForm {
    values: BTreeMap<String, String>,
}

/// No field is longer than this by far; what is cut here is refused by its own rule.
const LONGEST_VALUE: usize = 400;

impl PassengerForm {
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in pairs.into_iter().take(200) {
            let kept: String = value.chars().take(LONGEST_VALUE).collect();
            values.entry(name).or_insert(kept);
        }
        Self { values }
    }

    /// The form of what is already kept, to be changed.
    pub fn filled(passengers: &[Passenger], contact: Option<&Contact>) -> Self {
        let mut pairs = Vec::new();
        for (n, passenger) in (1..).zip(passengers) {
            let mut put = |part: &str, value: String| pairs.push((field(n, part), value));
            put("given", passenger.given_names.clone());
            put("family", passenger.family_name.clone());
            put("day", passenger.born_on.day().to_string());
            put("month", passenger.born_on.month().to_string());
            put("year", passenger.born_on.year().to_string());
            put("sex", passenger.sex.code().to_owned());
        }
        if let Some(contact) = contact {
            pairs.push(("email".to_owned(), contact.email.clone()));
            pairs.push(("phone".to_owned(), contact.phone.clone()));
        }
        Self::new(pairs)
    }

    /// What was typed into a field, as it was typed.
    pub fn value(&self, field: &str) -> &str {
        self.values.get(field).map_or("", String::as_str)
    }

    fn trimmed(&self, field: &str) -> String {
        self.value(field).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The party, if every field is right; otherwise everything that is wrong, at once.
    pub fn check(
        &self,
        kinds: &[PassengerKind],
        last_day: civil::Date,
        today: civil::Date,
    ) -> Result<(Vec<Passenger>, Contact), FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut passengers = Vec::with_capacity(kinds.len());
        for (n, &kind) in (1..).zip(kinds) {
            let given_names = self.name(n, "given", "Write the given names", &mut errors);
            let family_name = self.name(n, "family", "Write the family name", &mut errors);
            let born_on = self.born_on(n, kind, last_day, today, &mut errors);
            let sex = self.sex(n, &mut errors);
            if let (Some(given_names), Some(family_name), Some(born_on), Some(sex)) =
                (given_names, family_name, born_on, sex)
            {
                passengers.push(Passenger { kind, given_names, family_name, born_on, sex });
            }
        }
        let email = form::email(&mut errors, "email", self.value("email"));
        let phone = form::phone(&mut errors, "phone", self.value("phone"));
        match (email, phone) {
            (Some(email), Some(phone)) if errors.is_empty() => Ok((passengers, Contact { email, phone })),
            _ => Err(errors),
        }
    }

    fn name(&self, n: usize, part: &str, missing: &str, errors: &mut FieldErrors) -> Option<String> {
        let field = field(n, part);
        let name = composed(&self.trimmed(&field));
        let is_letter =
            |c: char| c.is_alphabetic() || is_combining_mark(c) || matches!(c, ' ' | '-' | '\'' | '’' | '.');
        if name.is_empty() {
            errors.add(field, missing);
        } else if name.chars().count() > 60 {
            errors.add(field, "At most 60 letters fit on a ticket");
        } else if !name.chars().all(is_letter) || !name.chars().any(char::is_alphabetic) {
            errors.add(field, "Use letters, spaces, hyphens and apostrophes only");
        } else {
            return Some(name);
        }
        None
    }

    fn born_on(
        &self,
        n: usize,
        kind: PassengerKind,
        last_day: civil::Date,
        today: civil::Date,
        errors: &mut FieldErrors,
    ) -> Option<civil::Date> {
        let name = field(n, "born");
        let parts = ["day", "month", "year"].map(|part| self.value(&field(n, part)));
        let born_on = form::date_of_parts(errors, &name, parts)?;
        if born_on > today {
            errors.add(name, "This date is still to come");
            return None;
        }
        let age = age_on(born_on, last_day);
        if kind.ages().contains(&age) {
            return Some(born_on);
        }
        errors.add(name, wrong_age(kind, age));
        None
    }

    fn sex(&self, n: usize, errors: &mut FieldErrors) -> Option<Sex> {
        let field = field(n, "sex");
        let sex = [Sex::F, Sex::M, Sex::X].into_iter().find(|sex| sex.code() == self.value(&field));
        if sex.is_none() {
            errors.add(field, "Choose the sex, as the passport says");
        }
        sex
    }
}

/// Letters with their marks as one character each, and one kind of apostrophe, whatever the keyboard made.
fn composed(name: &str) -> String {
    name.nfc().map(|c| if matches!(c, '‘' | '`' | '´') { '’' } else { c }).collect()
}

/// The field's name in the form: "p1_given". Page and rules both take it from here.
pub fn field(n: usize, part: &str) -> String {
    format!("p{n}_{part}")
}

/// Whole years between birth and a day; somebody born on 29 February has the birthday on 1 March in other years.
fn age_on(born_on: civil::Date, day: civil::Date) -> i16 {
    let before_birthday = (day.month(), day.day()) < (born_on.month(), born_on.day());
    day.year() - born_on.year() - i16::from(before_birthday)
}

fn wrong_age(kind: PassengerKind, age: i16) -> String {
    let should = match age {
        i16::MIN..0 => return "This date is after the journey".to_owned(),
        0..=1 => "an infant",
        2..=11 => "a child",
        12..=120 => "an adult",
        _ => return "Nobody is that old. Check the year".to_owned(),
    };
    let booked = match kind {
        PassengerKind::Adult => "an adult",
        PassengerKind::Child => "a child",
        PassengerKind::Infant => "an infant",
    };
    format!(
        "On the last day of travel this passenger is {age} and flies as {should}, but {booked} was booked. \
         Search again with the right ages for the right price"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST_DAY: civil::Date = civil::date(2027, 3, 27);
    const TODAY: civil::Date = civil::date(2026, 11, 22);

    fn good() -> Vec<(&'static str, &'static str)> {
        vec![
            ("p1_given", " Maria  Inês "),
            ("p1_family", "O’Neill-Duarte"),
            ("p1_day", "4"),
            ("p1_month", "12"),
            ("p1_year", "1986"),
            ("p1_sex", "f"),
            ("email", "maria@example.com"),
            ("phone", "+351 900 000 000"),
        ]
    }

    fn sent(pairs: &[(&str, &str)]) -> PassengerForm {
        PassengerForm::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn with(field: &'static str, value: &'static str) -> PassengerForm {
        let mut pairs = good();
        pairs.retain(|(name, _)| *name != field);
        pairs.push((field, value));
        sent(&pairs)
    }

    fn error_of(form: &PassengerForm, kind: PassengerKind, field: &str) -> Option<String> {
        form.check(&[kind], LAST_DAY, TODAY).err().and_then(|errors| errors.get(field).map(str::to_owned))
    }

    #[test]
    fn a_good_form_gives_the_party_with_spaces_tidied() {
        let (passengers, contact) = sent(&good()).check(&[PassengerKind::Adult], LAST_DAY, TODAY).unwrap();
        assert_eq!(passengers[0].given_names, "Maria Inês");
        assert_eq!(passengers[0].born_on, civil::date(1986, 12, 4));
        assert_eq!(contact.phone, "+351 900 000 000");
    }

    #[test]
    fn names_of_every_script_and_keyboard_are_understood() {
        let cases = [
            ("Jose\u{301}", "José"),
            ("प्रिया", "प्रिया"),
            ("d‘Arcy", "d’Arcy"),
            ("O'Neill", "O'Neill"),
            ("李", "李"),
        ];
        for (typed, kept) in cases {
            let (passengers, _) =
                with("p1_given", typed).check(&[PassengerKind::Adult], LAST_DAY, TODAY).unwrap();
            assert_eq!(passengers[0].given_names, kept);
        }
    }

    #[test]
    fn what_is_kept_fills_the_form_and_checks_again() {
        let kinds = [PassengerKind::Adult];
        let (passengers, contact) = sent(&good()).check(&kinds, LAST_DAY, TODAY).unwrap();
        let again = PassengerForm::filled(&passengers, Some(&contact)).check(&kinds, LAST_DAY, TODAY);
        assert_eq!(again.unwrap(), (passengers, contact));
    }

    #[test]
    fn an_empty_form_names_every_field_at_once() {
        let errors = sent(&[]).check(&[PassengerKind::Adult], LAST_DAY, TODAY).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["p1_given", "p1_family", "p1_born", "p1_sex", "email", "phone"]);
    }

    #[test]
    fn hostile_values_get_a_message_beside_their_field_and_are_kept() {
        let cases = [
            ("p1_given", "R2D2"),
            ("p1_given", "<script>"),
            ("p1_given", "\u{202e}Maria"),
            ("p1_given", "Mar\0ia"),
            ("p1_given", "🙂"),
            ("p1_given", "..."),
            ("p1_family", "   "),
            ("p1_sex", "q"),
            ("email", "maria.example.com"),
            ("email", "a@b\r\nBcc: c@d.example"),
            ("phone", "call me"),
            ("phone", "+1+2345678"),
            ("phone", "12"),
        ];
        for (field, value) in cases {
            let form = with(field, value);
            assert!(error_of(&form, PassengerKind::Adult, field).is_some(), "{field}={value:?}");
            assert_eq!(form.value(field), value);
        }
    }

    #[test]
    fn dates_that_do_not_exist_or_do_not_fit_are_told_apart() {
        let born = |day, month, year| {
            let mut pairs = good();
            pairs.retain(|(name, _)| !["p1_day", "p1_month", "p1_year"].contains(name));
            pairs.extend([("p1_day", day), ("p1_month", month), ("p1_year", year)]);
            sent(&pairs)
        };
        let message = |form: &PassengerForm, kind| error_of(form, kind, "p1_born").unwrap_or_default();
        assert!(message(&born("30", "2", "1986"), PassengerKind::Adult).contains("no such day"));
        assert!(message(&born("x", "2", "1986"), PassengerKind::Adult).contains("digits"));
        assert!(message(&born("999999", "2", "1986"), PassengerKind::Adult).contains("digits"));
        assert!(message(&born("1", "1", "2027"), PassengerKind::Infant).contains("still to come"));
        assert!(message(&born("1", "1", "1850"), PassengerKind::Adult).contains("Nobody is that old"));
        assert!(
            message(&born("20", "3", "2015"), PassengerKind::Child).contains("is 12 and flies as an adult")
        );
        assert_eq!(message(&born("28", "3", "2015"), PassengerKind::Child), "");
    }

    #[test]
    fn a_birthday_on_the_last_day_counts() {
        assert_eq!(age_on(civil::date(2015, 3, 27), LAST_DAY), 12);
        assert_eq!(age_on(civil::date(2015, 3, 28), LAST_DAY), 11);
        assert_eq!(age_on(civil::date(2024, 2, 29), civil::date(2026, 2, 28)), 1);
        assert_eq!(age_on(civil::date(2024, 2, 29), civil::date(2026, 3, 1)), 2);
    }
}
