//! What somebody keeps with us: their own data, whom they travel with, and where they are signed in.

use axum::{Json as Answer, extract::State, http::StatusCode};
use jiff::{Timestamp, civil};
use serde::{Deserialize, Deserializer, Serialize};

use super::{and, parts_of_date};
use crate::{
    accounts::{Accounts, ProfileForm, SavedTraveller, TravellerForm, devices},
    error::{AppError, FieldErrors},
    ids::{DeviceId, TravellerId, UserId},
    web::{
        bearer::{ApiUser, CalledBy},
        form::Path,
        json::Json,
        scopes::{AccountRead, AccountWrite},
    },
};

#[derive(Serialize)]
pub struct Me {
    id: UserId,
    email: String,
    email_verified: bool,
    name: String,
    phone: Option<String>,
    born_on: Option<civil::Date>,
    nationality: Option<String>,
}

pub async fn me(State(accounts): State<Accounts>, who: ApiUser<AccountRead>) -> Result<Answer<Me>, AppError> {
    present(&accounts, who.user).await
}

async fn present(accounts: &Accounts, user: UserId) -> Result<Answer<Me>, AppError> {
    let (user, profile) = (accounts.user(user).await?, accounts.profile(user).await?);
    Ok(Answer(Me {
        id: user.id,
        email_verified: user.is_verified(),
        email: user.email,
        name: profile.name,
        phone: Some(profile.phone).filter(|phone| !phone.is_empty()),
        born_on: profile.born_on,
        nationality: profile.nationality,
    }))
}

/// A member that is not there stays as it is; `null` takes away (RFC 7396).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    name: Option<String>,
    #[serde(default, deserialize_with = "told")]
    phone: Option<Option<String>>,
    #[serde(default, deserialize_with = "told")]
    born_on: Option<Option<String>>,
    #[serde(default, deserialize_with = "told")]
    nationality: Option<Option<String>>,
}

fn told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

pub async fn change_me(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(changes): Json<Changes>,
) -> Result<Answer<Me>, AppError> {
    let mut errors = FieldErrors::default();
    let mut form = ProfileForm::filled(&accounts.profile(who.user).await?);
    form.name = changes.name.unwrap_or(form.name);
    form.phone = changes.phone.map_or(form.phone, Option::unwrap_or_default);
    form.nationality = changes.nationality.map_or(form.nationality, Option::unwrap_or_default);
    form.born_on = match changes.born_on {
        None => form.born_on,
        Some(None) => Default::default(),
        Some(Some(date)) => parts_of_date(&mut errors, "born_on", &date),
    };
    let checked = form.check(accounts.today());
    let (Ok(profile), true) = (&checked, errors.is_empty()) else {
        return Err(AppError::Invalid(and(errors, &checked.err().unwrap_or_default())));
    };
    accounts.update_profile(who.user, profile).await?;
    present(&accounts, who.user).await
}

#[derive(Serialize)]
pub struct Kept {
    id: TravellerId,
    given_names: String,
    family_name: String,
    born_on: civil::Date,
    sex: &'static str,
}

impl From<(TravellerId, SavedTraveller)> for Kept {
    fn from((id, traveller): (TravellerId, SavedTraveller)) -> Self {
        let SavedTraveller { given_names, family_name, born_on, sex } = traveller;
        Self { id, given_names, family_name, born_on, sex: sex.code() }
    }
}

#[derive(Serialize)]
pub struct List<T> {
    items: Vec<T>,
}

pub async fn travellers(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountRead>,
) -> Result<Answer<List<Kept>>, AppError> {
    let items = accounts.saved_travellers(who.user).await?.into_iter().map(Kept::from).collect();
    Ok(Answer(List { items }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Somebody {
    #[serde(default)]
    given_names: String,
    #[serde(default)]
    family_name: String,
    #[serde(default)]
    born_on: String,
    #[serde(default)]
    sex: String,
}

impl Somebody {
    fn check(self, today: civil::Date) -> Result<SavedTraveller, AppError> {
        let mut errors = FieldErrors::default();
        let Self { given_names, family_name, born_on, sex } = self;
        let born_on = parts_of_date(&mut errors, "born_on", &born_on);
        let form = TravellerForm { given_names, family_name, born_on, sex };
        match form.check(today) {
            Ok(traveller) if errors.is_empty() => Ok(traveller),
            checked => Err(AppError::Invalid(and(errors, &checked.err().unwrap_or_default()))),
        }
    }
}

pub async fn add_traveller(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(somebody): Json<Somebody>,
) -> Result<(StatusCode, Answer<Kept>), AppError> {
    let traveller = somebody.check(accounts.today())?;
    let id = accounts.save_traveller(who.user, None, &traveller).await?;
    Ok((StatusCode::CREATED, Answer((id, traveller).into())))
}

pub async fn change_traveller(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Path(id): Path<TravellerId>,
    Json(somebody): Json<Somebody>,
) -> Result<Answer<Kept>, AppError> {
    let traveller = somebody.check(accounts.today())?;
    accounts.save_traveller(who.user, Some(id), &traveller).await?;
    Ok(Answer((id, traveller).into()))
}

pub async fn forget_traveller(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Path(id): Path<TravellerId>,
) -> Result<StatusCode, AppError> {
    accounts.forget_traveller(who.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
pub struct SignedInAt {
    id: DeviceId,
    user_agent: String,
    signed_in_at: Timestamp,
    seen_at: Timestamp,
    /// The one that asks.
    current: bool,
}

pub async fn devices(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountRead>,
) -> Result<Answer<List<SignedInAt>>, AppError> {
    let devices = devices::list(&accounts.db, who.user).await?;
    let items = devices.into_iter().map(|device| SignedInAt {
        id: device.id,
        user_agent: device.user_agent,
        signed_in_at: device.signed_in_at,
        seen_at: device.seen_at,
        current: who.by == CalledBy::Device(device.id),
    });
    Ok(Answer(List { items: items.collect() }))
}

pub async fn end_device(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Path(id): Path<DeviceId>,
) -> Result<StatusCode, AppError> {
    devices::end(&accounts.db, who.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
