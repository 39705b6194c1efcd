//! `/api/bookings`: what a program sends about who travels, and the list of the caller's own bookings. What an answer tells of
//! one booking stands with its money, in `checkout::api`.

use axum::{Json as Answer, extract::State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    bookings::{
        BookingLine, Bookings, Given,
        lifecycle::BookingState,
        pages::list::{key, read_key},
        passengers::{PassengerForm, Wanted, field},
    },
    error::{AppError, FieldErrors},
    ids::BookingReference,
    itinerary::PassengerKind,
    web::{
        bearer::ApiUser,
        form,
        params::Params,
        scopes::BookingsRead,
        shapes::{Money, Party, SliceInShort},
    },
};

const USUAL: u8 = 20;
const MOST: u8 = 100;

/// Who travels and where to write. Of a new booking both are given together or both later; of a change, what is not there
/// stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingChanges)]
pub struct People {
    /// In the order of the booking: adults, then children, then infants. Each stands for the passenger in its place.
    #[schema(nullable = false)]
    pub passengers: Option<Vec<PassengerGiven>>,
    #[schema(nullable = false)]
    pub contact: Option<ContactGiven>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PassengerGiven)]
pub struct PassengerGiven {
    /// What the place is booked as. It cannot be changed: if it is given, it must be right.
    #[schema(nullable = false)]
    kind: Option<String>,
    /// As on the passport.
    #[schema(nullable = false, max_length = 60, example = "Maria Inês")]
    given_names: Option<String>,
    #[schema(nullable = false, max_length = 60, example = "Duarte")]
    family_name: Option<String>,
    #[schema(nullable = false, example = "1986-12-04")]
    born_on: Option<String>,
    /// As on the passport: `f`, `m` or `x`.
    #[schema(nullable = false, example = "f")]
    sex: Option<String>,
    /// Only where the offer needs it.
    #[schema(nullable = false)]
    passport: Option<PassportGiven>,
}

/// The number is sealed and shown to nobody again. Without one, the number that is kept stays, as long as the person does.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PassportGiven {
    #[schema(nullable = false, example = "CA123456")]
    number: Option<String>,
    /// Who issued it, ISO 3166-1 alpha-2.
    #[schema(nullable = false, example = "PT")]
    country: Option<String>,
    #[schema(nullable = false, example = "2031-04-30")]
    expires_on: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactGiven {
    #[schema(nullable = false, max_length = 254, example = "maria@example.com")]
    email: Option<String>,
    /// With the country code.
    #[schema(nullable = false, max_length = 30, example = "+351 900 000 000")]
    phone: Option<String>,
}

impl People {
    pub const fn is_empty(&self) -> bool {
        self.passengers.is_none() && self.contact.is_none()
    }

    /// By the rules of the passenger form; what is not given is taken from `kept`. Everything that is wrong, at once.
    pub fn check(&self, kept: PassengerForm, wanted: &Wanted) -> Result<Given, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut pairs = Vec::new();
        let passengers = self.passengers.as_deref().unwrap_or_default();
        if passengers.len() > wanted.kinds.len() {
            errors.add("passengers", format!("This booking is for {} in all", wanted.kinds.len()));
        }
        for (at, (given, kind)) in passengers.iter().zip(&wanted.kinds).enumerate() {
            given.write(at, *kind, wanted, &mut pairs, &mut errors);
        }
        if let Some(contact) = &self.contact {
            let mut put = |name: &str, value: &Option<String>| {
                pairs.extend(value.clone().map(|value| (name.to_owned(), value)));
            };
            put("email", &contact.email);
            put("phone", &contact.phone);
        }
        match PassengerForm::new(pairs).over(kept).check(wanted) {
            Ok(given) if errors.is_empty() => Ok(given),
            checked => {
                for (field, message) in checked.err().unwrap_or_default().iter() {
                    errors.add(in_json(field), message);
                }
                Err(errors)
            }
        }
    }
}

impl PassengerGiven {
    /// As the fields of the form.
    fn write(
        &self,
        at: usize,
        kind: PassengerKind,
        wanted: &Wanted,
        pairs: &mut Vec<(String, String)>,
        errors: &mut FieldErrors,
    ) {
        let place = |name: &str| format!("passengers.{at}.{name}");
        if self.kind.as_deref().is_some_and(|given| given != kind.code()) {
            errors.add(place("kind"), format!("This place is booked for: {}", kind.code()));
        }
        if self.passport.is_some() && !wanted.documents.is_asked() {
            errors.add(place("passport"), "This booking needs no passports. Do not send them");
        }
        let mut put = |part: &str, value: String| pairs.push((field(at + 1, part), value));
        let passport = self.passport.as_ref();
        for (part, value) in [
            ("given", &self.given_names),
            ("family", &self.family_name),
            ("sex", &self.sex),
            ("passport", &passport.and_then(|passport| passport.number.clone())),
            ("country", &passport.and_then(|passport| passport.country.clone())),
        ] {
            if let Some(value) = value {
                put(part, value.clone());
            }
        }
        let expires_on = passport.and_then(|passport| passport.expires_on.clone());
        let dates = [("born_on", "", &self.born_on), ("passport.expires_on", "expires_", &expires_on)];
        for (name, start, date) in dates {
            let Some(date) = date else { continue };
            let parts = form::parts_of_date(errors, &place(name), date);
            for (part, value) in ["day", "month", "year"].into_iter().zip(parts) {
                put(&format!("{start}{part}"), value);
            }
        }
    }
}

/// "p2_family" → "passengers.1.family_name".
fn in_json(field: &str) -> String {
    let of_passenger = || {
        let (n, part) = field.strip_prefix('p')?.split_once('_')?;
        Some((n.parse::<usize>().ok()?.checked_sub(1)?, part))
    };
    let Some((at, part)) = of_passenger() else { return format!("contact.{field}") };
    let name = match part {
        "given" => "given_names",
        "family" => "family_name",
        "born" => "born_on",
        "passport" => "passport.number",
        "country" => "passport.country",
        "expires" => "passport.expires_on",
        other => other,
    };
    format!("passengers.{at}.{name}")
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListParams {
    cursor: String,
    limit: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingList)]
pub struct List {
    /// Newest first.
    items: Vec<Line>,
    /// As `cursor`, it leads to what is older.
    #[schema(required)]
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingLine)]
pub struct Line {
    #[schema(value_type = String, example = "K7WQ4M")]
    reference: BookingReference,
    state: BookingState,
    total: Money,
    slices: Vec<SliceInShort>,
    party: Party,
    created_at: Timestamp,
}

impl From<BookingLine> for Line {
    fn from(line: BookingLine) -> Self {
        Self {
            reference: line.reference,
            state: line.state,
            total: line.amount.into(),
            slices: line.offer.slices.iter().map(SliceInShort::from).collect(),
            party: line.offer.party.into(),
            created_at: line.created_at,
        }
    }
}

/// List your bookings
///
/// Those that belong to the account, newest first. A page stays true while bookings are added.
#[utoipa::path(
    get,
    path = "/api/bookings",
    operation_id = "listBookings",
    tag = "Bookings",
    params(
        ("limit" = Option<u8>, Query, description = "How many, 20 without it.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
    ),
    responses((status = 200, description = "A page of them.", body = List), (status = 422, description = "invalid")),
    security(("bearer" = ["bookings:read"]), ("session" = [])),
)]
pub async fn list(
    State(bookings): State<Bookings>,
    who: ApiUser<BookingsRead>,
    Params(asked): Params<ListParams>,
) -> Result<Answer<List>, AppError> {
    let mut errors = FieldErrors::default();
    let before = read_key(&asked.cursor);
    if before.is_err() {
        errors.add("cursor", "This is no `next` of ours");
    }
    let limit = if asked.limit.is_empty() { Some(USUAL) } else { asked.limit.parse().ok() };
    let limit = limit.filter(|limit| (1..=MOST).contains(limit));
    if limit.is_none() {
        errors.add("limit", format!("A number from 1 to {MOST}"));
    }
    let (Ok(before), Some(limit)) = (before, limit) else { return Err(AppError::Invalid(errors)) };
    let mut found = bookings.list(who.user, before, limit).await?;
    let goes_on = found.len() > usize::from(limit);
    found.truncate(usize::from(limit));
    let next = found.last().filter(|_| goes_on).map(key);
    Ok(Answer(List { items: found.into_iter().map(Line::from).collect(), next }))
}

#[cfg(test)]
mod tests {
    use jiff::civil;

    use super::*;
    use crate::itinerary::DocumentRule;

    fn wanted(documents: DocumentRule) -> Wanted {
        Wanted {
            kinds: vec![PassengerKind::Adult, PassengerKind::Child],
            last_day: civil::date(2027, 3, 27),
            today: civil::date(2026, 11, 23),
            documents,
            kept: Vec::new(),
        }
    }

    fn faults(body: &str, documents: DocumentRule) -> Vec<String> {
        let people: People = serde_json::from_str(body).unwrap();
        match people.check(PassengerForm::default(), &wanted(documents)) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(|(field, _)| field.to_owned()).collect(),
        }
    }

    #[test]
    fn everything_that_is_missing_is_told_by_its_place_in_the_body() {
        let missing = faults("{}", DocumentRule::Asked);
        for at in 0..2 {
            for name in [
                "given_names",
                "family_name",
                "born_on",
                "sex",
                "passport.number",
                "passport.country",
                "passport.expires_on",
            ] {
                assert!(missing.contains(&format!("passengers.{at}.{name}")), "{at} {name}: {missing:?}");
            }
        }
        assert!(
            missing.contains(&"contact.email".to_owned()) && missing.contains(&"contact.phone".to_owned())
        );
    }

    #[test]
    fn a_good_party_passes_and_what_does_not_fit_is_named() {
        let good = r#"{"passengers": [
            {"kind": "adult", "given_names": "Maria", "family_name": "Duarte", "born_on": "1986-12-04", "sex": "f"},
            {"given_names": "Tom", "family_name": "Duarte", "born_on": "2018-05-03", "sex": "m"}],
            "contact": {"email": "maria@example.com", "phone": "+351 900 000 000"}}"#;
        assert_eq!(faults(good, DocumentRule::NotAsked), [""; 0]);
        let cases = [
            (good.replace("1986-12-04", "4.12.1986"), "passengers.0.born_on"),
            (good.replace("2018-05-03", "1990-05-03"), "passengers.1.born_on"),
            (good.replace("\"adult\"", "\"child\""), "passengers.0.kind"),
            (good.replace("\"m\"", "\"m\", \"passport\": {}"), "passengers.1.passport"),
            (good.replace("maria@", "maria"), "contact.email"),
            (good.replace("\"m\"}", "\"m\"}, {}"), "passengers"),
        ];
        for (body, place) in cases {
            assert_eq!(faults(&body, DocumentRule::NotAsked), [place], "{body}");
        }
    }
}
