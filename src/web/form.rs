//! What comes in from people. Extractors that never answer 500, and helpers that turn raw text into a checked value or a
//! message beside its field.

use axum::{
    extract::{FromRequest, FromRequestParts, Request, rejection::RawFormRejection},
    http::{HeaderValue, StatusCode, header, request::Parts},
};
use axum_extra::extract::FormRejection;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    error::{AppError, FieldErrors},
    itinerary::Sex,
    web::{json::has_media_type, problem::Problem},
};

const FORM: &str = "application/x-www-form-urlencoded";

/// The body of a POST. Repeated keys may be read into a `Vec`; a key sent twice for a single value is a 422.
#[derive(Debug, Clone)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !has_media_type(request.headers(), |kind| kind == FORM) {
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        // Read as a form in whatever letters it says so; the reader below knows small ones only.
        let mut request = request;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
        match axum_extra::extract::Form::from_request(request, state).await {
            Ok(axum_extra::extract::Form(value)) => Ok(Self(value)),
            Err(FormRejection::RawFormRejection(RawFormRejection::BytesRejection(error))) => {
                Err(Problem::of_status(error.status()))
            }
            Err(_) => Err(Problem::of_status(StatusCode::UNPROCESSABLE_ENTITY)),
        }
    }
}

/// The query of an address, under the same rules.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum_extra::extract::Query::from_request_parts(parts, state).await {
            Ok(axum_extra::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::of_status(StatusCode::UNPROCESSABLE_ENTITY)),
        }
    }
}

/// A part of the path. What cannot be one of ours was never there: 404.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(AppError::NotFound),
        }
    }
}

/// Trimmed text of 1 to `longest` characters without control characters; otherwise a message. `missing` is what to do,
/// in the traveller's words: "Write the family name".
pub fn text(
    errors: &mut FieldErrors,
    field: &str,
    raw: &str,
    longest: usize,
    missing: &str,
) -> Option<String> {
    let value = optional_text(errors, field, raw, longest)?;
    if value.is_empty() {
        errors.add(field, missing);
        return None;
    }
    Some(value)
}

/// As [`text`], but nothing is an answer too.
pub fn optional_text(errors: &mut FieldErrors, field: &str, raw: &str, longest: usize) -> Option<String> {
    let value = raw.trim();
    if value.chars().any(|c| c.is_control() || is_invisible(c)) {
        errors.add(field, "There is a character in it that cannot be printed. Type it again");
        return None;
    }
    if value.chars().count() > longest {
        errors.add(field, format!("At most {longest} characters"));
        return None;
    }
    Some(value.to_owned())
}

/// Direction marks turn a name around on the page, and U+FFFD is what is left of bytes that were no text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

/// An address that every mail server takes: ASCII before the @, a host name with a dot behind it. A host in another script
/// is kept in its ASCII form, where look-alikes show. Only a sent mail proves more.
pub fn email(errors: &mut FieldErrors, field: &str, raw: &str) -> Option<String> {
    let value = text(errors, field, raw, 254, "Write an e-mail address")?;
    let Some((name, domain)) = value.rsplit_once('@') else {
        errors.add(field, "The address needs an @");
        return None;
    };
    let host = match url::Host::parse(domain) {
        Ok(url::Host::Domain(host)) if host.contains('.') && host.split('.').all(is_label) => Some(host),
        _ => None,
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
    let fits = name.len() <= 64 && name.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(plain));
    let address = host.filter(|_| fits).map(|host| format!("{name}@{host}"));
    let address = address.filter(|address| address.len() <= 254);
    if address.is_none() {
        errors.add(field, "This is not an e-mail address");
    }
    address
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A phone number with its country code, as the database takes it.
pub fn phone(errors: &mut FieldErrors, field: &str, raw: &str) -> Option<String> {
    let value = text(errors, field, raw, 30, "Write a phone number")?;
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let rest = value.strip_prefix('+').unwrap_or(&value);
    let fits = rest.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '(' | ')' | '.' | '/' | '-'));
    if fits && (4..=15).contains(&digits) {
        Some(value)
    } else {
        errors.add(field, "Digits with the country code, like +351 900 000 000");
        None
    }
}

/// A name as on the passport, with its spaces tidied. What cannot stand on a ticket gets a message.
pub fn passport_name(errors: &mut FieldErrors, field: &str, raw: &str, missing: &str) -> Option<String> {
    let name = composed(&raw.split_whitespace().collect::<Vec<_>>().join(" "));
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

/// Letters with their marks as one character each, and one kind of apostrophe, whatever the keyboard made.
fn composed(name: &str) -> String {
    name.nfc().map(|c| if matches!(c, '‘' | '`' | '´') { '’' } else { c }).collect()
}

pub fn sex(errors: &mut FieldErrors, field: &str, raw: &str) -> Option<Sex> {
    let sex = Sex::from_code(raw);
    if sex.is_none() {
        errors.add(field, "Choose the sex, as the passport says");
    }
    sex
}

/// A day of birth of somebody alive on `today`.
pub fn born_on(errors: &mut FieldErrors, field: &str, parts: [&str; 3], today: Date) -> Option<Date> {
    let born_on = date_of_parts(errors, field, parts)?;
    if born_on > today {
        errors.add(field, "This date is still to come");
    } else if today.year() - born_on.year() > 120 {
        errors.add(field, "Nobody is that old. Check the year");
    } else {
        return Some(born_on);
    }
    None
}

/// A date as programs write it, in the parts in which forms have it.
pub fn parts_of_date(errors: &mut FieldErrors, field: &str, text: &str) -> [String; 3] {
    let date = Some(text).filter(|text| text.len() == 10).and_then(|text| text.parse::<Date>().ok());
    match date {
        Some(date) => [date.day().to_string(), date.month().to_string(), date.year().to_string()],
        None => {
            errors.add(field, "A date like 1986-12-04");
            <[String; 3]>::default()
        }
    }
}

/// A date written in three fields. The message lands on `field`, which names the group.
pub fn date_of_parts(errors: &mut FieldErrors, field: &str, [day, month, year]: [&str; 3]) -> Option<Date> {
    let number = |raw: &str| raw.trim().parse::<i16>().ok().filter(|number| *number > 0);
    let parts = (number(day), number(month), number(year));
    let (Some(day), Some(month), Some(year)) = parts else {
        errors.add(field, "Write day, month and year in digits, like 4 12 1986");
        return None;
    };
    let small = |number: i16| i8::try_from(number).unwrap_or(i8::MAX);
    match Date::new(year, small(month), small(day)) {
        Ok(date) if year >= 1000 => Some(date),
        Ok(_) => {
            errors.add(field, "Write the year with four digits");
            None
        }
        Err(_) => {
            errors.add(field, "There is no such day");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        name: String,
        #[serde(default)]
        pick: Vec<String>,
    }

    async fn post(content_type: &str, body: &str) -> Result<Form<Sample>, Problem> {
        let request = Request::post("/")
            .header("content-type", content_type)
            .body(Body::from(body.to_owned()))
            .unwrap();
        Form::from_request(request, &()).await
    }

    #[tokio::test]
    async fn a_form_is_read_and_what_is_no_form_is_refused_with_its_own_status() {
        let form = "application/x-www-form-urlencoded";
        let Form(sample) = post(form, "name=a&pick=1&pick=2").await.unwrap();
        assert_eq!((sample.name.as_str(), sample.pick.len()), ("a", 2));
        let cases = [
            (form, "", 422),
            (form, "name=a&name=b", 422),
            (form, "pick=1", 422),
            (form, "%ff=%00&&&==", 422),
            ("application/json", "{}", 415),
            ("text/plain", "name=a", 415),
        ];
        for (kind, body, status) in cases {
            assert_eq!(post(kind, body).await.unwrap_err().status.as_u16(), status, "{kind} {body}");
        }
    }

    #[test]
    fn text_is_trimmed_and_unprintable_or_endless_text_is_refused() {
        let mut errors = FieldErrors::default();
        assert_eq!(text(&mut errors, "n", "  Maria Inês ", 40, "Write it").as_deref(), Some("Maria Inês"));
        assert!(errors.is_empty());
        for raw in ["", "   ", "a\0b", "a\nb", "a\u{202e}b", "a\u{fffd}", &"x".repeat(41)] {
            let mut errors = FieldErrors::default();
            assert_eq!(text(&mut errors, "n", raw, 40, "Write it"), None, "{raw:?}");
            assert_eq!(errors.len(), 1, "{raw:?}");
        }
    }

    #[test]
    fn addresses_that_mail_can_reach_pass_and_others_do_not() {
        for good in ["maria@example.com", " a.b+c@sub.example.pt ", "o'neil@example.org", "x@bücher.example"]
        {
            let mut errors = FieldErrors::default();
            assert!(email(&mut errors, "mail", good).is_some(), "{good}");
        }
        for bad in [
            "",
            "maria",
            "maria.example.com",
            "@example.com",
            "a@b",
            "a@.com",
            "a@b.",
            "a@b..c",
            "a b@c.de",
            "a@b@c.de",
            "<a@b.de>",
            "a@b.de\r\nBcc: x@y.z",
            "a@b_c.de",
            ".a..b.@example.com",
            "a(b)@example.com",
            "ä@example.com",
            "a@1.1",
            "a@[127.0.0.1]",
        ] {
            let mut errors = FieldErrors::default();
            assert_eq!(email(&mut errors, "mail", bad), None, "{bad:?}");
        }
    }

    #[test]
    fn phone_numbers_are_digits_with_ordinary_marks() {
        for (raw, ok) in [
            ("+351 900 000 000", true),
            ("(030) 123/456-7", true),
            ("123", false),
            ("+", false),
            ("call me", false),
            ("++351900000000", false),
            ("1234567890123456", false),
        ] {
            assert_eq!(phone(&mut FieldErrors::default(), "tel", raw).is_some(), ok, "{raw}");
        }
    }

    #[test]
    fn a_date_in_three_fields_is_a_real_day_or_a_message() {
        let date = |parts| date_of_parts(&mut FieldErrors::default(), "born", parts);
        assert_eq!(date(["4", " 12 ", "1986"]), Some(jiff::civil::date(1986, 12, 4)));
        assert_eq!(date(["29", "2", "2024"]), Some(jiff::civil::date(2024, 2, 29)));
        for parts in [
            ["", "", ""],
            ["29", "2", "2023"],
            ["0", "1", "2000"],
            ["1", "13", "2000"],
            ["1", "1", "86"],
            ["-4", "12", "1986"],
            ["4", "Dec", "1986"],
            ["400", "1", "2000"],
            ["1", "1", "99999"],
        ] {
            assert_eq!(date(parts), None, "{parts:?}");
        }
    }
}
