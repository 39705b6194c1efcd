//! The passenger form: what was typed, and what is wrong with it. Pure.

use std::{collections::BTreeMap, fmt};

use jiff::civil;

use crate::{
    accounts::SavedTraveller,
    airports::Airports,
    bookings::{
        BookingFile, Given,
        documents::{DocumentNote, GivenDocument, is_same_person},
    },
    error::FieldErrors,
    itinerary::{Contact, DocumentNumber, DocumentRule, Offer, Passenger, PassengerKind, Sex},
    web::form,
};

/// The form exactly as it was sent, so that nothing typed is lost. The first value of a field counts.
#[derive(Clone, Default)]
pub struct PassengerForm {
    values: BTreeMap<String, String>,
}

/// Names, numbers and addresses are nothing for a log.
impl fmt::Debug for PassengerForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.keys()).finish()
    }
}

/// What the form is held against.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub kinds: Vec<PassengerKind>,
    pub last_day: civil::Date,
    pub today: civil::Date,
    pub documents: DocumentRule,
    /// Whose document is kept already. It stays theirs: an empty field means it only beside the same name.
    pub kept: Vec<Option<(Passenger, DocumentNote)>>,
}

impl Wanted {
    /// `None` for an offer without flights, which there is not.
    pub fn of(file: &BookingFile, today: civil::Date) -> Option<Self> {
        let offer = &file.booking.offer;
        let people = file.passengers.iter().map(|(passenger, _)| passenger.clone());
        let kept = people.zip(&file.documents).map(|(passenger, note)| Some((passenger, note.clone()?)));
        Some(Self { kept: kept.collect(), ..Self::of_offer(offer, today)? })
    }

    /// For a booking that is yet to be made.
    pub fn of_offer(offer: &Offer, today: civil::Date) -> Option<Self> {
        Some(Self {
            kinds: offer.party.kinds().collect(),
            last_day: offer.slices.last()?.last().arrives.local.date(),
            today,
            documents: offer.documents,
            kept: Vec::new(),
        })
    }
}

/// In years; some countries issue passports to the old for much longer than ten.
const LONGEST_VALIDITY: i16 = 50;
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

    /// The form of what is already kept, to be changed. The number of a document never goes out again.
    pub fn filled(
        passengers: &[Passenger],
        documents: &[Option<DocumentNote>],
        contact: Option<&Contact>,
    ) -> Self {
        let mut pairs = Vec::new();
        for (n, passenger) in (1..).zip(passengers) {
            let mut put = |part: &str, value: String| pairs.push((field(n, part), value));
            for (part, value) in parts(&SavedTraveller::from(passenger)) {
                put(part, value);
            }
            if let Some(Some(note)) = documents.get(n - 1) {
                put("country", note.country.clone());
                put("expires_day", note.expires_on.day().to_string());
                put("expires_month", note.expires_on.month().to_string());
                put("expires_year", note.expires_on.year().to_string());
            }
        }
        if let Some(contact) = contact {
            pairs.push(("email".to_owned(), contact.email.clone()));
            pairs.push(("phone".to_owned(), contact.phone.clone()));
        }
        Self::new(pairs)
    }

    /// Where this says nothing, the other one counts.
    pub fn over(mut self, below: Self) -> Self {
        for (name, value) in below.values {
            self.values.entry(name).or_insert(value);
        }
        self
    }

    /// What was typed into a field, as it was typed.
    pub fn value(&self, field: &str) -> &str {
        self.values.get(field).map_or("", String::as_str)
    }

    /// Which passenger is to be filled with which saved traveller, if the button for it was pressed. Without a choice that
    /// button means the form: it is the first of its form, so Enter in any field presses it.
    pub fn to_fill(&self) -> Option<(usize, String)> {
        let n = self.value("fill").parse().ok()?;
        let chosen = self.value(&field(n, "saved"));
        (!chosen.is_empty()).then(|| (n, chosen.to_owned()))
    }

    /// Writes one passenger over. A passport number that was typed is somebody else's then.
    pub fn fill(&mut self, n: usize, who: &SavedTraveller) {
        for (part, value) in parts(who) {
            self.values.insert(field(n, part), value);
        }
        self.values.remove(&field(n, "saved"));
        self.values.remove(&field(n, "passport"));
    }

    /// The party, if every field is right; otherwise everything that is wrong, at once.
    pub fn check(&self, wanted: &Wanted) -> Result<Given, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut passengers = Vec::with_capacity(wanted.kinds.len());
        let mut documents = Vec::new();
        for (n, &kind) in (1..).zip(&wanted.kinds) {
            let (given, family) = (field(n, "given"), field(n, "family"));
            let given_names =
                form::passport_name(&mut errors, &given, self.value(&given), "Write the given names");
            let family_name =
                form::passport_name(&mut errors, &family, self.value(&family), "Write the family name");
            let born_on = self.born_on(n, kind, wanted, &mut errors);
            let sex = self.sex(n, &mut errors);
            let passenger = match (given_names, family_name, born_on, sex) {
                (Some(given_names), Some(family_name), Some(born_on), Some(sex)) => {
                    Some(Passenger { kind, given_names, family_name, born_on, sex })
                }
                _ => None,
            };
            if wanted.documents.is_asked() {
                documents.extend(self.document(n, passenger.as_ref(), wanted, &mut errors));
            }
            passengers.extend(passenger);
        }
        let email = form::email(&mut errors, "email", self.value("email"));
        let phone = form::phone(&mut errors, "phone", self.value("phone"));
        match (email, phone) {
            (Some(email), Some(phone)) if errors.is_empty() => {
                Ok(Given { passengers, contact: Contact { email, phone }, documents })
            }
            _ => Err(errors),
        }
    }

    fn born_on(
        &self,
        n: usize,
        kind: PassengerKind,
        wanted: &Wanted,
        errors: &mut FieldErrors,
    ) -> Option<civil::Date> {
        let name = field(n, "born");
        let parts = ["day", "month", "year"].map(|part| self.value(&field(n, part)));
        let born_on = form::date_of_parts(errors, &name, parts)?;
        if born_on > wanted.today {
            errors.add(name, "This date is still to come");
            return None;
        }
        let age = age_on(born_on, wanted.last_day);
        if kind.ages().contains(&age) {
            return Some(born_on);
        }
        errors.add(name, wrong_age(kind, age));
        None
    }

    fn sex(&self, n: usize, errors: &mut FieldErrors) -> Option<Sex> {
        let field = field(n, "sex");
        form::sex(errors, &field, self.value(&field))
    }

    fn document(
        &self,
        n: usize,
        passenger: Option<&Passenger>,
        wanted: &Wanted,
        errors: &mut FieldErrors,
    ) -> Option<GivenDocument> {
        let kept = wanted.kept.get(n - 1).and_then(Option::as_ref).map(|(whose, _)| whose);
        let number = self.document_number(n, passenger, kept, errors);
        let country = self.country(n, errors);
        let expires_on = self.expires_on(n, wanted.last_day, errors);
        Some(GivenDocument { number: number?, country: country?, expires_on: expires_on? })
    }

    /// `Some(None)`: what is kept stays.
    fn document_number(
        &self,
        n: usize,
        passenger: Option<&Passenger>,
        kept: Option<&Passenger>,
        errors: &mut FieldErrors,
    ) -> Option<Option<DocumentNumber>> {
        let field = field(n, "passport");
        let typed = self.value(&field);
        match (typed.trim().is_empty(), kept, passenger) {
            (true, Some(kept), Some(passenger)) if is_same_person(kept, passenger) => return Some(None),
            // Whether it is the same person shows once the fields above are right.
            (true, Some(_), None) => return None,
            (true, Some(_), Some(_)) => {
                errors
                    .add(field, "The name or the date of birth has changed. Write the passport number again");
                return None;
            }
            (true, None, _) => {
                errors.add(field, "Write the passport number");
                return None;
            }
            (false, ..) => {}
        }
        let number = DocumentNumber::parse(typed).ok();
        if number.is_none() {
            errors.add(field, "5 to 20 letters and digits, as in the passport");
        }
        number.map(Some)
    }

    fn country(&self, n: usize, errors: &mut FieldErrors) -> Option<String> {
        let field = field(n, "country");
        let country = self.value(&field);
        if Airports::world().is_country(country) {
            return Some(country.to_owned());
        }
        errors.add(field, "Choose the country that issued the passport");
        None
    }

    fn expires_on(&self, n: usize, last_day: civil::Date, errors: &mut FieldErrors) -> Option<civil::Date> {
        let name = field(n, "expires");
        let parts = ["expires_day", "expires_month", "expires_year"].map(|part| self.value(&field(n, part)));
        let expires_on = form::date_of_parts(errors, &name, parts)?;
        if expires_on <= last_day {
            let day = last_day.strftime("%-d %B %Y");
            errors.add(name, format!("The passport has to be valid after the last day of travel, {day}"));
        } else if expires_on.year() > last_day.year() + LONGEST_VALIDITY {
            errors.add(name, "No passport is valid for so long. Check the year");
        } else {
            return Some(expires_on);
        }
        None
    }
}

/// A passenger as the fields of the form.
fn parts(who: &SavedTraveller) -> [(&'static str, String); 6] {
    [
        ("given", who.given_names.clone()),
        ("family", who.family_name.clone()),
        ("day", who.born_on.day().to_string()),
        ("month", who.born_on.month().to_string()),
        ("year", who.born_on.year().to_string()),
        ("sex", who.sex.code().to_owned()),
    ]
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

    fn wanted(kind: PassengerKind) -> Wanted {
        Wanted {
            kinds: vec![kind],
            last_day: LAST_DAY,
            today: TODAY,
            documents: DocumentRule::NotAsked,
            kept: Vec::new(),
        }
    }

    fn adult() -> Wanted {
        wanted(PassengerKind::Adult)
    }

    fn error_of(form: &PassengerForm, kind: PassengerKind, field: &str) -> Option<String> {
        form.check(&wanted(kind)).err().and_then(|errors| errors.get(field).map(str::to_owned))
    }

    #[test]
    fn a_good_form_gives_the_party_with_spaces_tidied() {
        let Given { passengers, contact, documents } = sent(&good()).check(&adult()).unwrap();
        assert_eq!(passengers[0].given_names, "Maria Inês");
        assert_eq!(passengers[0].born_on, civil::date(1986, 12, 4));
        assert_eq!(contact.phone, "+351 900 000 000");
        assert!(documents.is_empty());
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
            let given = with("p1_given", typed).check(&adult()).unwrap();
            assert_eq!(given.passengers[0].given_names, kept);
        }
    }

    #[test]
    fn what_is_kept_fills_the_form_and_checks_again() {
        let given = sent(&good()).check(&adult()).unwrap();
        let again = PassengerForm::filled(&given.passengers, &[], Some(&given.contact)).check(&adult());
        assert_eq!(again.unwrap(), given);
    }

    #[test]
    fn an_empty_form_names_every_field_at_once() {
        let errors = sent(&[]).check(&adult()).unwrap_err();
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

    fn asked(kept: Option<&Passenger>) -> Wanted {
        let note = |passenger: &Passenger| {
            let note = DocumentNote {
                passenger: crate::ids::PassengerId::new(),
                last_two: "42".to_owned(),
                country: "PT".to_owned(),
                expires_on: civil::date(2031, 4, 30),
            };
            (passenger.clone(), note)
        };
        Wanted { documents: DocumentRule::Asked, kept: vec![kept.map(note)], ..adult() }
    }

    fn with_passport(changes: &[(&'static str, &'static str)]) -> PassengerForm {
        let mut pairs = good();
        pairs.extend([
            ("p1_passport", "ca 123 442"),
            ("p1_country", "PT"),
            ("p1_expires_day", "30"),
            ("p1_expires_month", "4"),
            ("p1_expires_year", "2031"),
        ]);
        pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        pairs.extend(changes);
        sent(&pairs)
    }

    #[test]
    fn a_passport_is_read_where_it_is_asked_for_and_ignored_where_it_is_not() {
        let given = with_passport(&[]).check(&asked(None)).unwrap();
        let number = given.documents[0].number.as_ref().unwrap();
        assert_eq!((number.expose(), given.documents[0].country.as_str()), ("CA123442", "PT"));
        assert!(with_passport(&[]).check(&adult()).unwrap().documents.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_passport_is_told_beside_its_field() {
        let cases: [(&'static str, &'static str, &str); 11] = [
            ("p1_passport", "", "p1_passport"),
            ("p1_passport", "1234", "p1_passport"),
            ("p1_passport", "CA-123442", "p1_passport"),
            ("p1_passport", "СА123442", "p1_passport"),
            ("p1_passport", "CA123442CA123442CA123", "p1_passport"),
            ("p1_country", "", "p1_country"),
            ("p1_country", "ZZ", "p1_country"),
            ("p1_country", "pt", "p1_country"),
            ("p1_expires_day", "31", "p1_expires"),
            ("p1_expires_year", "2026", "p1_expires"),
            ("p1_expires_year", "2999", "p1_expires"),
        ];
        for (field, value, at) in cases {
            let errors = with_passport(&[(field, value)]).check(&asked(None)).unwrap_err();
            assert_eq!(errors.iter().map(|(field, _)| field).collect::<Vec<_>>(), [at], "{field}={value}");
        }
        let on_the_last_day =
            [("p1_expires_day", "27"), ("p1_expires_month", "3"), ("p1_expires_year", "2027")];
        assert!(with_passport(&on_the_last_day).check(&asked(None)).is_err());
        let a_day_later = [("p1_expires_day", "28"), ("p1_expires_month", "3"), ("p1_expires_year", "2027")];
        assert!(with_passport(&a_day_later).check(&asked(None)).is_ok());
    }

    #[test]
    fn an_empty_number_keeps_the_one_that_is_saved_but_never_for_somebody_else() {
        let maria = with_passport(&[]).check(&asked(None)).unwrap().passengers.remove(0);
        let given = with_passport(&[("p1_passport", "  ")]).check(&asked(Some(&maria))).unwrap();
        assert_eq!(given.documents[0].number, None);
        for change in [("p1_given", "João"), ("p1_family", "Silva"), ("p1_year", "1985")] {
            let form = with_passport(&[("p1_passport", ""), change]);
            let errors = form.check(&asked(Some(&maria))).unwrap_err();
            assert!(errors.get("p1_passport").unwrap().contains("has changed"), "{change:?}");
        }
    }

    #[test]
    fn the_form_of_what_is_kept_has_no_number_and_debug_has_no_value() {
        let given = with_passport(&[]).check(&asked(None)).unwrap();
        let wanted = asked(Some(&given.passengers[0]));
        let notes: Vec<_> = wanted.kept.iter().map(|kept| kept.clone().map(|(_, note)| note)).collect();
        let filled = PassengerForm::filled(&given.passengers, &notes, Some(&given.contact));
        assert_eq!((filled.value("p1_passport"), filled.value("p1_country")), ("", "PT"));
        assert_eq!(filled.check(&wanted).unwrap().documents[0].number, None);
        let shown = format!("{:?}{given:?}", with_passport(&[]));
        for secret in ["Maria", "1986", "123", "example.com"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
