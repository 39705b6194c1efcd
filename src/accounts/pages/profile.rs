//! `/account/profile`: what is filled in when somebody books.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::again;
use crate::{
    accounts::{Accounts, ProfileForm},
    airports::Airports,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, error_summary_of},
        form::Form,
        principal::SignedIn,
    },
};

#[derive(Template)]
#[template(path = "accounts/profile.html")]
struct ProfilePage {
    chrome: Chrome,
    form: ProfileForm,
    countries: Vec<(&'static str, &'static str)>,
    errors: FieldErrors,
}

pub async fn profile(
    State(accounts): State<Accounts>,
    State(airports): State<&'static Airports>,
    who: SignedIn,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    let form = ProfileForm::filled(&accounts.profile(who.user).await?);
    let countries = countries(airports);
    Ok(Html(ProfilePage { chrome, form, countries, errors: FieldErrors::default() }.render()?))
}

#[derive(Deserialize)]
pub struct Typed {
    name: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    day: String,
    #[serde(default)]
    month: String,
    #[serde(default)]
    year: String,
    #[serde(default)]
    nationality: String,
}

impl From<Typed> for ProfileForm {
    fn from(typed: Typed) -> Self {
        let Typed { name, phone, day, month, year, nationality } = typed;
        Self { name, phone, born_on: [day, month, year], nationality }
    }
}

pub async fn save(
    State(accounts): State<Accounts>,
    State(airports): State<&'static Airports>,
    who: SignedIn,
    chrome: Chrome,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let form = ProfileForm::from(typed);
    match form.check(accounts.today()) {
        Ok(profile) => {
            accounts.update_profile(who.user, &profile).await?;
            Ok(Redirect::to("/account?done=profile").into_response())
        }
        Err(errors) => again(ProfilePage { chrome, form, countries: countries(airports), errors }),
    }
}

/// Each message after the name of its field, as in the list of travellers.
fn summary(errors: &FieldErrors) -> Fragment {
    error_summary_of(errors, |field| match field {
        "name" => "Name",
        "phone" => "Phone",
        "born_on" => "Date of birth",
        "nationality" => "Nationality",
        _ => "",
    })
}

/// "Not told" stands first: nobody has to say.
fn countries(airports: &'static Airports) -> Vec<(&'static str, &'static str)> {
    let mut countries = vec![("", "Not told")];
    countries.extend(airports.countries());
    countries
}
