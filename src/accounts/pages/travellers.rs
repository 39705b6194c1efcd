//! `/account/travellers`: whom a user often books for.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::html;
use serde::{Deserialize, Serialize};

use super::{
    again, login,
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
        kept::{self, KeptForms},
        principal::{MaybeSignedIn, SignedIn},
    },
};

#[derive(Template)]
#[template(path = "accounts/travellers.html")]
struct TravellersPage {
    chrome: Chrome,
    said: Option<Said>,
    is_back: bool,
    whose: String,
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
    async fn new(
        accounts: &Accounts,
        forms: &KeptForms,
        user: UserId,
        chrome: Chrome,
    ) -> Result<Self, AppError> {
        let people = accounts.saved_travellers(user).await?;
        Ok(Self {
            chrome,
            said: None,
            is_back: false,
            whose: forms.mark(user),
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
    forms: KeptForms,
    chrome: Chrome,
    Query(query): Query<said::Done>,
) -> Result<Html<String>, AppError> {
    let typed = forms.take_of(&chrome.current, who.user).await?;
    let page = TravellersPage::new(&accounts, &forms, who.user, chrome).await?;
    let page = match typed {
        Some(typed) => TravellersPage { is_back: true, form: kept::form::<Typed>(typed).into(), ..page },
        None => TravellersPage { said: query.said(), ..page },
    };
    Ok(Html(page.render()?))
}

#[derive(Deserialize, Serialize, Default)]
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
    #[serde(default)]
    whose: String,
}

impl From<Typed> for TravellerForm {
    fn from(typed: Typed) -> Self {
        let Typed { given_names, family_name, day, month, year, sex, whose: _ } = typed;
        Self { given_names, family_name, born_on: [day, month, year], sex }
    }
}

pub async fn add(
    State(accounts): State<Accounts>,
    MaybeSignedIn(who): MaybeSignedIn,
    forms: KeptForms,
    chrome: Chrome,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let Some(who) = who else {
        let page = chrome.current.clone();
        return login::interrupted(chrome, &page, kept::fields(&typed));
    };
    let form = TravellerForm::from(typed);
    match form.check(accounts.today()) {
        Ok(traveller) => {
            accounts.save_traveller(who.user, None, &traveller).await?;
            Ok(Redirect::to("/account/travellers?done=traveller").into_response())
        }
        Err(errors) => {
            let page = TravellersPage::new(&accounts, &forms, who.user, chrome).await?;
            again(TravellersPage { form, errors, ..page })
        }
    }
}

#[derive(Template)]
#[template(path = "accounts/traveller.html")]
struct TravellerPage {
    chrome: Chrome,
    is_back: bool,
    whose: String,
    id: TravellerId,
    form: TravellerForm,
    errors: FieldErrors,
}

pub async fn traveller(
    State(accounts): State<Accounts>,
    who: SignedIn,
    forms: KeptForms,
    chrome: Chrome,
    Path(id): Path<TravellerId>,
) -> Result<Html<String>, AppError> {
    let kept = own(&accounts, who.user, id).await?;
    let typed = forms.take_of(&chrome.current, who.user).await?;
    let is_back = typed.is_some();
    let form = typed.map_or_else(|| TravellerForm::filled(&kept), |typed| kept::form::<Typed>(typed).into());
    let whose = forms.mark(who.user);
    let errors = FieldErrors::default();
    Ok(Html(TravellerPage { chrome, is_back, whose, id, form, errors }.render()?))
}

pub async fn change(
    State(accounts): State<Accounts>,
    MaybeSignedIn(who): MaybeSignedIn,
    forms: KeptForms,
    chrome: Chrome,
    Path(id): Path<TravellerId>,
    Form(typed): Form<Typed>,
) -> Result<Response, AppError> {
    let Some(who) = who else {
        let page = chrome.current.clone();
        return login::interrupted(chrome, &page, kept::fields(&typed));
    };
    let form = TravellerForm::from(typed);
    match form.check(accounts.today()) {
        Ok(traveller) => {
            accounts.save_traveller(who.user, Some(id), &traveller).await?;
            Ok(Redirect::to("/account/travellers?done=traveller").into_response())
        }
        Err(errors) => {
            // Whoever may not see it is not told what is wrong with it either.
            own(&accounts, who.user, id).await?;
            let whose = forms.mark(who.user);
            again(TravellerPage { chrome, is_back: false, whose, id, form, errors })
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
