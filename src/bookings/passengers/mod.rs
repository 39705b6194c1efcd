//! The passenger form: what was typed, and what is wrong with it. Pure.

#[cfg(test)]
mod tests;

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
