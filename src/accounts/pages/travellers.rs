//! `/account/travellers`: whom a user often books for.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::html;
use serde::Deserialize;

use super::{
    again,
    said::{self, Said},
};
use crate::{
    accounts::{Accounts, SavedTraveller, TravellerForm},
    error::{AppError, FieldErrors},
    ids::{TravellerId, UserId},
    itinerary::Sex,
    web::{
        chrome::Chrome,
        components::{Field, Fragment, date_field, error_summary_of, picks, words::date},
        form::{Form, Path, Query},
        principal::SignedIn,
    },
};

#[derive(Template)]
#[template(path = "accounts/travellers.html")]
struct TravellersPage {
    chrome: Chrome,
    said: Option<Said>,
    people: Vec<Person>,
    form: TravellerForm,
    errors: FieldErrors,
}

struct Person {
    id: TravellerId,
    name: String,
    born_on: String,
    sex: &'static str,
}

impl TravellersPage {
    async fn new(accounts: &Accounts, user: UserId, chrome: Chrome) -> Result<Self, AppError> {
        let people = accounts.saved_travellers(user).await?;
        Ok(Self {
            chrome,
            said: None,
            people: people.into_iter().map(Person::from).collect(),
            form: TravellerForm::default(),
            errors: FieldErrors::default(),
        })
    }
}

impl From<(TravellerId, SavedTraveller)> for Person {
    fn from((id, traveller): (TravellerId, SavedTraveller)) -> Self {
        Self {
            id,
            name: format!("{} {}", traveller.given_names, traveller.family_name),
            born_on: date(traveller.born_on),
            sex: match traveller.sex {
                Sex::F => "F",
                Sex::M => "M",
                Sex::X => "X",
            },
        }
    }
}

pub async fn travellers(
    State(accounts): State<Accounts>,
    who: SignedIn,
    chrome: Chrome,
    Query(query): Query<said::Done>,
) -> Result<Html<String>, AppError> {
    let page = TravellersPage::new(&accounts, who.user, chrome).await?;
    Ok(Html(TravellersPage { said: query.said(), ..page }.render()?))
}

#[derive(Deserialize)]
pub struct Typed {
    #[serde(default)]
    given_names: String,
    #[serde(default)]
    family_name: String,
    #[serde(default)]
    day: String,
    #[serde(default)]
    month: String,
    #[serde(default)]
    year: String,
    #[serde(default)]
    sex: String,
}

impl From<Typed> for TravellerForm {
    fn from(typed: Typed) -> Self {
        let Typed { given_names, family_name, day, month, year, sex } = typed;
        Self { given_names, family_name, born_on: [day, month, year], sex }
    }
}

pub async fn add(
    State(accounts): State<Accounts>,
    who: SignedIn,
    chrome: Chrome,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let form = TravellerForm::from(typed);
    match form.check(accounts.today()) {
        Ok(traveller) => {
            accounts.save_traveller(who.user, None, &traveller).await?;
            Ok(Redirect::to("/account/travellers?done=traveller").into_response())
        }
        Err(errors) => {
            let page = TravellersPage::new(&accounts, who.user, chrome).await?;
            again(TravellersPage { form, errors, ..page })
        }
    }
}

#[derive(Template)]
#[template(path = "accounts/traveller.html")]
struct TravellerPage {
    chrome: Chrome,
    id: TravellerId,
    form: TravellerForm,
    errors: FieldErrors,
}

pub async fn traveller(
    State(accounts): State<Accounts>,
    who: SignedIn,
    chrome: Chrome,
    Path(id): Path<TravellerId>,
) -> Result<Html<String>, AppError> {
    let form = TravellerForm::filled(&own(&accounts, who.user, id).await?);
    Ok(Html(TravellerPage { chrome, id, form, errors: FieldErrors::default() }.render()?))
}

pub async fn change(
    State(accounts): State<Accounts>,
    who: SignedIn,
    chrome: Chrome,
    Path(id): Path<TravellerId>,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let form = TravellerForm::from(typed);
    match form.check(accounts.today()) {
        Ok(traveller) => {
            accounts.save_traveller(who.user, Some(id), &traveller).await?;
            Ok(Redirect::to("/account/travellers?done=traveller").into_response())
        }
        Err(errors) => {
            // Whoever may not see it is not told what is wrong with it either.
            own(&accounts, who.user, id).await?;
            again(TravellerPage { chrome, id, form, errors })
        }
    }
}

pub async fn remove(
    State(accounts): State<Accounts>,
    who: SignedIn,
    Path(id): Path<TravellerId>,
) -> Result<Redirect, AppError> {
    accounts.forget_traveller(who.user, id).await?;
    Ok(Redirect::to("/account/travellers?done=removed"))
}

async fn own(accounts: &Accounts, user: UserId, id: TravellerId) -> Result<SavedTraveller, AppError> {
    let all = accounts.saved_travellers(user).await?;
    all.into_iter().find_map(|(known, who)| (known == id).then_some(who)).ok_or(AppError::NotFound)
}

/// Each message after the name of its field: read above the form, "at most 60 letters" would not say of what.
pub fn summary(errors: &FieldErrors) -> Fragment {
    error_summary_of(errors, |field| match field {
        "given_names" => "Given names",
        "family_name" => "Family name",
        "born_on" => "Date of birth",
        "sex" => "Sex",
        _ => "",
    })
}

/// The same fields, whether somebody is added or changed.
pub fn fields(form: &TravellerForm, errors: &FieldErrors) -> Fragment {
    let [day, month, year] = form.born_on.each_ref().map(String::as_str);
    let born_on = [("day", day), ("month", month), ("year", year)];
    let sexes = [("f", "F"), ("m", "M"), ("x", "X")];
    html! {
        div.fields {
            (Field::new("given_names", "Given names", &form.given_names, errors).autocomplete("off").longest(60))
            (Field::new("family_name", "Family name", &form.family_name, errors).autocomplete("off").longest(60))
            (date_field("born_on", "Date of birth", &born_on, "", "4 12 1986", errors))
            (picks("sex", "Sex as on the passport", &sexes, &form.sex, errors))
        }
    }
    .into()
}
