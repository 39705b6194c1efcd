//! `/account/devices`: where somebody is signed in, and the end of it.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::{Timestamp, tz::TimeZone};

use super::said::{self, Said};
use crate::{
    accounts::{
        devices::{self, Device},
        tokens::{self, Program},
    },
    db::Db,
    error::AppError,
    ids::{DeviceId, FamilyId},
    web::{
        chrome::Chrome,
        components::words,
        form::{Path, Query},
        principal::SignedIn,
        session::Door,
    },
};

#[derive(Template)]
#[template(path = "accounts/devices.html")]
struct DevicesPage {
    chrome: Chrome,
    said: Option<Said>,
    count: String,
    devices: Vec<Line>,
    programs: Vec<ProgramLine>,
}

struct Line {
    id: DeviceId,
    name: String,
    is_this: bool,
    since: String,
    seen: String,
}

struct ProgramLine {
    id: FamilyId,
    name: String,
    may: String,
    since: String,
    used: String,
}

pub async fn devices(
    State(db): State<Db>,
    who: SignedIn,
    chrome: Chrome,
    Query(query): Query<said::Done>,
) -> Result<Html<String>, AppError> {
    let mut devices = devices::list(&db, who.user).await?;
    // This one first, then the last used.
    devices.sort_by_key(|device| device.id != who.device);
    let devices: Vec<Line> = devices.into_iter().map(|device| line(device, who.device)).collect();
    let count = words::plural(devices.len(), "signed in", "signed in");
    let programs = tokens::list(&db, who.user).await?.into_iter().map(ProgramLine::from).collect();
    Ok(Html(DevicesPage { chrome, said: query.said(), count, devices, programs }.render()?))
}

fn line(device: Device, this: DeviceId) -> Line {
    Line {
        is_this: device.id == this,
        id: device.id,
        name: device.user_agent,
        since: moment(device.signed_in_at),
        seen: moment(device.seen_at),
    }
}

impl From<Program> for ProgramLine {
    fn from(program: Program) -> Self {
        Self {
            id: program.id,
            name: program.name,
            may: program.scopes.to_string().replace(' ', ", "),
            since: moment(program.signed_in_at),
            used: moment(program.used_at),
        }
    }
}

/// Where the person is, nobody knows: the zone is named.
fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// Ending the browser that asks is signing out.
pub async fn end(
    State(db): State<Db>,
    door: Door,
    who: SignedIn,
    Path(id): Path<DeviceId>,
) -> Result<Response, AppError> {
    if id == who.device {
        door.sign_out().await?;
        return Ok(Redirect::to("/").into_response());
    }
    devices::end(&db, who.user, id).await?;
    Ok(Redirect::to("/account/devices?done=device").into_response())
}

pub async fn end_others(State(db): State<Db>, who: SignedIn) -> Result<Redirect, AppError> {
    devices::end_all(&db, who.user, Some(who.device)).await?;
    Ok(Redirect::to("/account/devices?done=devices"))
}

/// A program that signs in for them.
pub async fn end_program(
    State(db): State<Db>,
    who: SignedIn,
    Path(id): Path<FamilyId>,
) -> Result<Redirect, AppError> {
    tokens::end(&db, who.user, id).await?;
    Ok(Redirect::to("/account/devices?done=program"))
}
