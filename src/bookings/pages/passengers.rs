//! `/bookings/{ref}/passengers`: who travels, and where to write.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};

use crate::{
    accounts::{Accounts, SavedTraveller, pages::login},
    airports::Airports,
    bookings::{
        BookingFile, Bookings, Given,
        lifecycle::BookingState,
        pages::{
            holder::Holder,
            words::{self, Here},
        },
        passengers::{PassengerForm, Wanted, field},
    },
    clock::Clock,
    error::{AppError, FieldErrors},
    ids::TravellerId,
    itinerary::{Passenger, PassengerKind},
    web::{
        chrome::Chrome,
        components::{
            Field, Fragment, choice, price,
            words::{date, day_and_year},
        },
        kept::KeptForms,
    },
};

#[derive(Template)]
#[template(path = "bookings/passengers.html")]
struct PassengersPage {
    chrome: Chrome,
    /// For whoever books without an account.
    keep: Option<Fragment>,
    /// What was typed before the session ended is here again.
    is_back: bool,
    /// Id and name of whom the account keeps; nobody without an account.
    saved: Vec<(String, String)>,
    has_account: bool,
    reference: String,
    route: String,
    dates: String,
    people: Vec<Person>,
    form: PassengerForm,
    errors: FieldErrors,
    /// The same, each naming the passenger it belongs to.
    summary: FieldErrors,
    total: Fragment,
    slices: Vec<String>,
    /// "Halcyon Air, Classic."
    fare: String,
    held: Option<String>,
    /// There may be a page at Stripe that was opened for what this form says now.
    may_be_at_stripe: bool,
}

/// One fieldset: its words and the names of its fields.
struct Person {
    n: usize,
    kind: String,
    given: String,
    family: String,
    saved: String,
    born: String,
    day: String,
    month: String,
    year: String,
    sex: String,
    given_purpose: String,
    family_purpose: String,
    born_purpose: String,
    /// Where the offer asks for it.
    passport: Option<Passport>,
}

/// The fields of a passport. The number is never filled in from what is kept, only from what was typed a moment ago: a
/// number typed anew because of a slip elsewhere is a number with a slip of its own, and nobody keeps this page.
struct Passport {
    number: String,
    hint: String,
    is_kept: bool,
    country: Fragment,
    expires: String,
    day: String,
    month: String,
    year: String,
}

pub async fn passengers(
    State(bookings): State<Bookings>,
    State(accounts): State<Accounts>,
    State(clock): State<Clock>,
    holder: Holder,
    forms: KeptForms,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let file = bookings.file(holder.traveller, &holder.reference).await?;
    let typed = forms.take(&chrome.current).await?;
    let is_back = typed.is_some();
    if !file.booking.is_open() {
        return Ok(Redirect::to(&format!("/bookings/{}", file.booking.reference)).into_response());
    }
    let form = if let Some(typed) = typed {
        PassengerForm::new(typed)
    } else if file.booking.contact.is_some() {
        let kept: Vec<Passenger> = file.passengers.iter().map(|(passenger, _)| passenger.clone()).collect();
        PassengerForm::filled(&kept, &file.documents, file.booking.contact.as_ref())
    } else if let Some(who) = &holder.account {
        first_guess(&accounts.profile(who.user).await?.name, who.email.clone())
    } else {
        PassengerForm::new(Vec::new())
    };
    let saved = saved(&accounts, &holder).await?;
    let page = PassengersPage::new(chrome, &holder, &file, form, FieldErrors::default(), &clock);
    Ok(Html(PassengersPage { is_back, saved: options(&saved), ..page }.render()?).into_response())
}

/// What a sent form comes to.
pub enum Sent {
    /// It asks for something else, or is not right: this is shown.
    Shown(Response),
    /// All of it is right.
    Right(Box<Right>),
}

/// Names that may be kept; who keeps them knows about payments too, which is nothing of this page's.
pub struct Right {
    pub holder: Holder,
    pub given: Given,
    saves_travellers: bool,
}

impl Right {
    /// What else is kept, and the way on, once the booking has the names.
    pub async fn go_on(self, accounts: &Accounts) -> Result<Response, AppError> {
        if let Some(who) = self.holder.account.as_ref().filter(|_| self.saves_travellers) {
            let travellers: Vec<_> = self.given.passengers.iter().map(SavedTraveller::from).collect();
            accounts.keep_travellers(who.user, &travellers).await?;
        }
        Ok(Redirect::to(&format!("/bookings/{}/review", self.holder.reference)).into_response())
    }
}

pub async fn read(
    bookings: &Bookings,
    accounts: &Accounts,
    holder: Result<Holder, AppError>,
    chrome: Chrome,
    pairs: Vec<(String, String)>,
) -> Result<Sent, AppError> {
    let clock = &bookings.clock;
    let holder = match holder {
        Err(AppError::Unauthenticated) => {
            let page = chrome.current.clone();
            return login::interrupted(chrome, &page, pairs).map(Sent::Shown);
        }
        other => other?,
    };
    let file = bookings.file(holder.traveller, &holder.reference).await?;
    let booking = &file.booking;
    let mut form = PassengerForm::new(pairs);
    let saved = saved(accounts, &holder).await?;
    if let Some((n, chosen)) = form.to_fill() {
        let traveller = saved.iter().find(|(id, _)| id.to_string() == chosen);
        form.fill(n, &traveller.ok_or(AppError::NotFound)?.1);
        let page = PassengersPage::new(chrome, &holder, &file, form, FieldErrors::default(), clock);
        let page = PassengersPage { saved: options(&saved), ..page };
        return Ok(Sent::Shown(Html(page.render()?).into_response()));
    }
    let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let wanted = Wanted::of(&file, today).ok_or_else(|| AppError::broken("a booking without a last day"))?;
    match form.check(&wanted) {
        Ok(given) => {
            let saves_travellers = form.value("save_travellers") == "1";
            Ok(Sent::Right(Box::new(Right { holder, given, saves_travellers })))
        }
        Err(_) if !booking.is_open() => {
            let to = format!("/bookings/{}", booking.reference);
            Ok(Sent::Shown(Redirect::to(&to).into_response()))
        }
        Err(errors) => {
            let page = PassengersPage::new(chrome, &holder, &file, form, errors, clock);
            let page = PassengersPage { saved: options(&saved), ..page };
            Ok(Sent::Shown((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response()))
        }
    }
}

/// Whom the account keeps; for somebody without one, nobody.
async fn saved(accounts: &Accounts, holder: &Holder) -> Result<Vec<(TravellerId, SavedTraveller)>, AppError> {
    match &holder.account {
        Some(who) => accounts.saved_travellers(who.user).await,
        None => Ok(Vec::new()),
    }
}

fn options(saved: &[(TravellerId, SavedTraveller)]) -> Vec<(String, String)> {
    let option = |(id, who): &(TravellerId, SavedTraveller)| {
        (id.to_string(), format!("{} {}, born {}", who.given_names, who.family_name, date(who.born_on)))
    };
    saved.iter().map(option).collect()
}

/// What the account already knows. A name is split only where there is one way to do it: a wrong guess on a ticket is
/// dear, an empty field is not.
fn first_guess(name: &str, email: String) -> PassengerForm {
    let mut pairs = vec![("email".to_owned(), email)];
    if let [given, family] = name.split_whitespace().collect::<Vec<_>>().as_slice() {
        pairs.push((field(1, "given"), (*given).to_owned()));
        pairs.push((field(1, "family"), (*family).to_owned()));
    }
    PassengerForm::new(pairs)
}

impl PassengersPage {
    fn new(
        chrome: Chrome,
        holder: &Holder,
        file: &BookingFile,
        form: PassengerForm,
        errors: FieldErrors,
        clock: &Clock,
    ) -> Self {
        let booking = &file.booking;
        let offer = &booking.offer;
        let now = clock.now();
        let held = booking.hold.as_ref().filter(|hold| hold.expires_at > now);
        Self {
            chrome,
            keep: holder.keep("/passengers"),
            is_back: false,
            saved: Vec::new(),
            has_account: holder.account.is_some(),
            reference: booking.reference.to_string(),
            route: words::route(&offer.slices),
            dates: words::dates(&offer.slices),
            people: people(file, &form, &errors),
            summary: summary(&errors),
            form,
            errors,
            total: price(booking.amount, &[&format!("total, {}", offer.party.in_words())]),
            slices: words::in_short(&offer.slices),
            fare: format!("{}, {}.", words::carriers(&offer.slices), offer.fare.brand),
            held: held.map(|hold| Here::of(offer).tell(hold.expires_at, now)),
            may_be_at_stripe: booking.state == BookingState::Held,
        }
    }

    /// Not offered to the browser to remember, as names are.
    fn passport_number<'a>(&'a self, passport: &'a Passport) -> Field<'a> {
        let typed = self.form.value(&passport.number);
        let field = Field::new(&passport.number, "Passport number", typed, &self.errors)
            .hint(&passport.hint)
            .autocomplete("off")
            .longest(30);
        if passport.is_kept { field.optional() } else { field }
    }
}

fn people(file: &BookingFile, form: &PassengerForm, errors: &FieldErrors) -> Vec<Person> {
    let booking = &file.booking;
    let asks = booking.offer.documents.is_asked();
    let last_day = booking.last_day().map(day_and_year).unwrap_or_default();
    let kinds = booking.offer.party.kinds();
    (1..)
        .zip(kinds)
        .map(|(n, kind)| {
            let name = |part: &str| field(n, part);
            let section = format!("section-p{n}");
            Person {
                n,
                kind: match kind {
                    PassengerKind::Adult => "Adult".to_owned(),
                    PassengerKind::Child => format!("Child, 2 to 11 years old on {last_day}"),
                    PassengerKind::Infant => {
                        format!("Infant on an adult’s lap, under 2 years old on {last_day}")
                    }
                },
                given: name("given"),
                family: name("family"),
                saved: name("saved"),
                born: name("born"),
                day: name("day"),
                month: name("month"),
                year: name("year"),
                sex: name("sex"),
                given_purpose: format!("{section} given-name"),
                family_purpose: format!("{section} family-name"),
                born_purpose: format!("{section} bday"),
                passport: asks.then(|| passport(n, file, form, errors)),
            }
        })
        .collect()
}

fn passport(n: usize, file: &BookingFile, form: &PassengerForm, errors: &FieldErrors) -> Passport {
    let kept = file.document(n - 1);
    let name = |part: &str| field(n, part);
    let mut countries = vec![("", "Choose")];
    countries.extend(Airports::world().countries());
    Passport {
        number: name("passport"),
        hint: match kept {
            Some(note) => format!("Saved, ends in {}. Leave empty to keep it", note.last_two),
            None => "Letters and digits, as in the passport".to_owned(),
        },
        is_kept: kept.is_some(),
        country: choice(
            &name("country"),
            "Issuing country",
            &countries,
            form.value(&name("country")),
            errors,
        ),
        expires: name("expires"),
        day: name("expires_day"),
        month: name("expires_month"),
        year: name("expires_year"),
    }
}

/// "Passenger 2: write the family name": read far from its field, a message has to say whose it is.
fn summary(errors: &FieldErrors) -> FieldErrors {
    let mut told = FieldErrors::default();
    for (field, message) in errors.iter() {
        let whose = match field.strip_prefix('p').and_then(|rest| rest.split_once('_')) {
            // Two dates stand there: of birth, and until when the passport is valid.
            Some((n, "expires")) => format!("Passenger {n}, passport"),
            Some((n, _)) if n.parse::<u8>().is_ok() => format!("Passenger {n}"),
            _ => "Contact".to_owned(),
        };
        let mut letters = message.chars();
        let first: String = letters.next().map(|first| first.to_lowercase().collect()).unwrap_or_default();
        told.add(field, format!("{whose}: {first}{}", letters.as_str()));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_guessed_only_where_there_is_one_way_to_split_it() {
        let guess = |name: &str| {
            let form = first_guess(name, "maria@example.com".to_owned());
            assert_eq!(form.value("email"), "maria@example.com");
            format!("{}|{}", form.value("p1_given"), form.value("p1_family"))
        };
        assert_eq!(guess("Maria Duarte"), "Maria|Duarte");
        assert_eq!(guess("Maria Inês Duarte"), "|");
        assert_eq!(guess("Madonna"), "|");
        assert_eq!(guess(""), "|");
    }

    #[test]
    fn the_summary_says_whose_field_it_is_in_the_order_of_the_form() {
        let mut errors = FieldErrors::default();
        errors.add("p1_family", "Write the family name");
        errors.add("p2_born", "There is no such day");
        errors.add("p2_expires", "There is no such day");
        errors.add("phone", "Write a phone number");
        let told: Vec<String> = summary(&errors).iter().map(|(at, said)| format!("{at} {said}")).collect();
        assert_eq!(
            told,
            [
                "p1_family Passenger 1: write the family name",
                "p2_born Passenger 2: there is no such day",
                "p2_expires Passenger 2, passport: there is no such day",
                "phone Contact: write a phone number",
            ]
        );
    }
}
