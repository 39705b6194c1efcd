//! `/account/profile`: what is filled in when somebody books.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};

use super::{again, login};
use crate::{
    accounts::{Accounts, ProfileForm},
    airports::Airports,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, error_summary_of},
        form::Form,
        kept::{self, KeptForms},
        principal::{MaybeSignedIn, SignedIn},
    },
};

#[derive(Template)]
#[template(path = "accounts/profile.html")]
struct ProfilePage {
    chrome: Chrome,
    /// What was typed when the session ended is here again.
    is_back: bool,
    whose: String,
    form: ProfileForm,
    countries: Vec<(&'static str, &'static str)>,
    errors: FieldErrors,
}

pub async fn profile(
    State(accounts): State<Accounts>,
    State(airports): State<&'static Airports>,
    who: SignedIn,
    forms: KeptForms,
    chrome: Chrome,
) -> Result<Html<String>, AppError> {
    let typed = forms.take_of(&chrome.current, who.user).await?;
    let is_back = typed.is_some();
    let form = match typed {
        Some(typed) => kept::form::<Typed>(typed).into(),
        None => ProfileForm::filled(&accounts.profile(who.user).await?),
    };
    let (countries, whose) = (countries(airports), forms.mark(who.user));
    let errors = FieldErrors::default();
    Ok(Html(ProfilePage { chrome, is_back, whose, form, countries, errors }.render()?))
}

#[derive(Deserialize, Serialize, Default)]
pub struct Typed {
    #[serde(default)]
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
    #[serde(default)]
    whose: String,
}

impl From<Typed> for ProfileForm {
    fn from(typed: Typed) -> Self {
        let Typed { name, phone, day, month, year, nationality, whose: _ } = typed;
        Self { name, phone, born_on: [day, month, year], nationality }
    }
}

pub async fn save(
    State(accounts): State<Accounts>,
    State(airports): State<&'static Airports>,
    MaybeSignedIn(who): MaybeSignedIn,
    forms: KeptForms,
    chrome: Chrome,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let Some(who) = who else {
        let page = chrome.current.clone();
        return login::interrupted(chrome, &page, kept::fields(&typed));
    };
    let form = ProfileForm::from(typed);
    match form.check(accounts.today()) {
        Ok(profile) => {
            accounts.update_profile(who.user, &profile).await?;
            Ok(Redirect::to("/account?done=profile").into_response())
        }
        Err(errors) => {
            let (countries, whose) = (countries(airports), forms.mark(who.user));
            again(ProfilePage { chrome, is_back: false, whose, form, countries, errors })
        }
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
