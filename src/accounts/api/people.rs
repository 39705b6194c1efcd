//! What somebody keeps with us: their own data, whom they travel with, and where they are signed in.

use axum::{Json as Answer, extract::State, http::StatusCode};
use jiff::{Timestamp, civil};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::and;
use crate::{
    accounts::{Accounts, ProfileForm, SavedTraveller, TravellerForm, devices, tokens},
    error::{AppError, FieldErrors},
    ids::{DeviceId, FamilyId, TravellerId, UserId},
    itinerary::Sex,
    web::{
        bearer::{ApiUser, CalledBy},
        form::{Path, parts_of_date},
        json::Json,
        scopes::{AccountRead, AccountWrite},
    },
};

#[derive(Serialize, ToSchema)]
pub struct Me {
    id: UserId,
    #[schema(example = "maria@example.com")]
    email: String,
    /// Whether the address is proven to be theirs.
    email_verified: bool,
    /// The address that was asked for instead, until its mailed link is used or runs out.
    #[schema(required, example = "maria@elsewhere.example")]
    pending_email: Option<String>,
    #[schema(example = "Maria Duarte")]
    name: String,
    #[schema(required, example = "+351 900 000 000")]
    phone: Option<String>,
    #[schema(required, example = "1986-12-04")]
    born_on: Option<civil::Date>,
    /// ISO 3166-1 alpha-2.
    #[schema(required, pattern = "^[A-Z]{2}$", example = "PT")]
    nationality: Option<String>,
}

/// Who am I
#[utoipa::path(
    get,
    path = "/api/auth/me",
    operation_id = "getMe",
    tag = "Account",
    responses((status = 200, description = "The account and its profile.", body = Me)),
    security(("bearer" = ["account:read"]), ("session" = [])),
)]
pub async fn me(State(accounts): State<Accounts>, who: ApiUser<AccountRead>) -> Result<Answer<Me>, AppError> {
    present(&accounts, who.user).await
}

async fn present(accounts: &Accounts, user: UserId) -> Result<Answer<Me>, AppError> {
    let pending = accounts.pending_email(user).await?;
    let (user, profile) = (accounts.user(user).await?, accounts.profile(user).await?);
    Ok(Answer(Me {
        id: user.id,
        email_verified: user.is_verified(),
        email: user.email,
        pending_email: pending.map(|pending| pending.email),
        name: profile.name,
        phone: Some(profile.phone).filter(|phone| !phone.is_empty()),
        born_on: profile.born_on,
        nationality: profile.nationality,
    }))
}

/// A member that is not there stays as it is; `null` takes away (RFC 7396).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProfileChanges)]
pub struct Changes {
    #[schema(min_length = 1, max_length = 200, example = "Maria Duarte")]
    name: Option<String>,
    /// With the country code.
    #[serde(default, deserialize_with = "told")]
    #[schema(value_type = Option<String>, min_length = 4, max_length = 30, example = "+351 900 000 000")]
    phone: Option<Option<String>>,
    #[serde(default, deserialize_with = "told")]
    #[schema(value_type = Option<civil::Date>, example = "1986-12-04")]
    born_on: Option<Option<String>>,
    /// ISO 3166-1 alpha-2.
    #[serde(default, deserialize_with = "told")]
    #[schema(value_type = Option<String>, pattern = "^[A-Z]{2}$", example = "PT")]
    nationality: Option<Option<String>>,
}

fn told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Change the profile
///
/// A member that is not there stays as it is; `null` takes away.
#[utoipa::path(
    patch,
    path = "/api/auth/me",
    operation_id = "changeMe",
    tag = "Account",
    request_body = Changes,
    responses((status = 200, description = "The account and its profile as they are now.", body = Me)),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn change_me(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(changes): Json<Changes>,
) -> Result<Answer<Me>, AppError> {
    let mut errors = FieldErrors::default();
    let mut form = ProfileForm::filled(&accounts.profile(who.user).await?);
    form.name = changes.name.unwrap_or(form.name);
    for (field, kept, change) in [
        ("phone", &mut form.phone, changes.phone),
        ("nationality", &mut form.nationality, changes.nationality),
    ] {
        // Nothing between the quotes may be a slip; what is to go is `null`.
        if change.as_ref().is_some_and(|told| told.as_deref().is_some_and(|told| told.trim().is_empty())) {
            errors.add(field, "Send null to take it away");
        }
        *kept = change.map_or_else(|| std::mem::take(kept), Option::unwrap_or_default);
    }
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

/// Somebody whom the account's owner often books for.
#[derive(Serialize, ToSchema)]
#[schema(as = SavedTraveller)]
pub struct Kept {
    id: TravellerId,
    /// As on the passport.
    #[schema(example = "Maria")]
    given_names: String,
    #[schema(example = "Duarte")]
    family_name: String,
    #[schema(example = "1986-12-04")]
    born_on: civil::Date,
    /// As on the passport.
    sex: Sex,
}

impl From<(TravellerId, SavedTraveller)> for Kept {
    fn from((id, traveller): (TravellerId, SavedTraveller)) -> Self {
        let SavedTraveller { given_names, family_name, born_on, sex } = traveller;
        Self { id, given_names, family_name, born_on, sex }
    }
}

/// All there are.
#[derive(Serialize, ToSchema)]
pub struct List<T> {
    items: Vec<T>,
}

/// List the saved travellers
#[utoipa::path(
    get,
    path = "/api/auth/travellers",
    operation_id = "listTravellers",
    tag = "Account",
    responses((status = 200, description = "In the order in which they were saved.", body = List<Kept>)),
    security(("bearer" = ["account:read"]), ("session" = [])),
)]
pub async fn travellers(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountRead>,
) -> Result<Answer<List<Kept>>, AppError> {
    let items = accounts.saved_travellers(who.user).await?.into_iter().map(Kept::from).collect();
    Ok(Answer(List { items }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Traveller)]
pub struct Somebody {
    /// As on the passport.
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 60, example = "Maria")]
    given_names: String,
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 60, example = "Duarte")]
    family_name: String,
    #[serde(default)]
    #[schema(required, value_type = civil::Date, example = "1986-12-04")]
    born_on: String,
    /// As on the passport.
    #[serde(default)]
    #[schema(required, value_type = Sex)]
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

/// Save a traveller
#[utoipa::path(
    post,
    path = "/api/auth/travellers",
    operation_id = "addTraveller",
    tag = "Account",
    request_body = Somebody,
    responses(
        (status = 201, description = "Saved.", body = Kept),
        (status = 422, description = "too_many_travellers"),
    ),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn add_traveller(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Json(somebody): Json<Somebody>,
) -> Result<(StatusCode, Answer<Kept>), AppError> {
    let traveller = somebody.check(accounts.today())?;
    let id = accounts.save_traveller(who.user, None, &traveller).await?;
    Ok((StatusCode::CREATED, Answer((id, traveller).into())))
}

/// Change a saved traveller
///
/// Bookings that were made for them stay as they are.
#[utoipa::path(
    put,
    path = "/api/auth/travellers/{id}",
    operation_id = "changeTraveller",
    tag = "Account",
    params(("id" = TravellerId, Path, description = "The traveller.")),
    request_body = Somebody,
    responses((status = 200, description = "The traveller as saved now.", body = Kept)),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
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

/// Forget a saved traveller
#[utoipa::path(
    delete,
    path = "/api/auth/travellers/{id}",
    operation_id = "forgetTraveller",
    tag = "Account",
    params(("id" = TravellerId, Path, description = "The traveller.")),
    responses((status = 204, description = "Forgotten.")),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn forget_traveller(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Path(id): Path<TravellerId>,
) -> Result<StatusCode, AppError> {
    accounts.forget_traveller(who.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A browser that is signed in.
#[derive(Serialize, ToSchema)]
#[schema(as = Device)]
pub struct SignedInAt {
    id: DeviceId,
    /// In words.
    #[schema(example = "Firefox on Linux")]
    user_agent: String,
    signed_in_at: Timestamp,
    /// To within a few minutes.
    seen_at: Timestamp,
    /// The one that asks.
    current: bool,
}

/// List the browsers that are signed in
#[utoipa::path(
    get,
    path = "/api/auth/devices",
    operation_id = "listDevices",
    tag = "Account",
    responses((status = 200, description = "The browsers.", body = List<SignedInAt>)),
    security(("bearer" = ["account:read"]), ("session" = [])),
)]
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

/// A program that is signed in.
#[derive(Serialize, ToSchema)]
#[schema(as = Program)]
pub struct SignedInProgram {
    id: FamilyId,
    /// In words.
    #[schema(example = "curl")]
    program: String,
    /// What it may do, with spaces between.
    #[schema(example = "account:read bookings:read")]
    scope: String,
    signed_in_at: Timestamp,
    /// When it last got new tokens.
    used_at: Timestamp,
    /// The one that asks.
    current: bool,
}

/// List the programs that are signed in
#[utoipa::path(
    get,
    path = "/api/auth/programs",
    operation_id = "listPrograms",
    tag = "Account",
    responses((status = 200, description = "The programs.", body = List<SignedInProgram>)),
    security(("bearer" = ["account:read"]), ("session" = [])),
)]
pub async fn programs(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountRead>,
) -> Result<Answer<List<SignedInProgram>>, AppError> {
    let programs = tokens::list(&accounts.db, who.user).await?;
    let items = programs.into_iter().map(|program| SignedInProgram {
        id: program.id,
        program: program.name,
        scope: program.scopes.to_string(),
        signed_in_at: program.signed_in_at,
        used_at: program.used_at,
        current: who.by == CalledBy::Program(program.id),
    });
    Ok(Answer(List { items: items.collect() }))
}

/// Sign a program out
#[utoipa::path(
    delete,
    path = "/api/auth/programs/{id}",
    operation_id = "endProgram",
    tag = "Account",
    params(("id" = FamilyId, Path, description = "The program.")),
    responses((status = 204, description = "Signed out.")),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn end_program(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Path(id): Path<FamilyId>,
) -> Result<StatusCode, AppError> {
    tokens::end(&accounts.db, who.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign a browser out
#[utoipa::path(
    delete,
    path = "/api/auth/devices/{id}",
    operation_id = "endDevice",
    tag = "Account",
    params(("id" = DeviceId, Path, description = "The browser.")),
    responses((status = 204, description = "Signed out.")),
    security(("bearer" = ["account:write"]), ("session" = [])),
)]
pub async fn end_device(
    State(accounts): State<Accounts>,
    who: ApiUser<AccountWrite>,
    Path(id): Path<DeviceId>,
) -> Result<StatusCode, AppError> {
    devices::end(&accounts.db, who.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
