//! The account, at a glance.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::{Timestamp, tz::TimeZone};

use super::said::{self, Said};
use crate::{
    accounts::{Accounts, PendingEmail, devices},
    airports::Airports,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        again::typed_again,
        chrome::Chrome,
        components::words::{date, plural},
        form::Query,
        principal::SignedIn,
    },
};

/// More names than this would not be read.
const MOST_NAMES: usize = 5;

#[derive(Template)]
#[template(path = "accounts/account.html")]
struct AccountPage {
    chrome: Chrome,
    said: Option<Said>,
    email: String,
    pending: Option<Pending>,
    verified_on: Option<String>,
    password_changed_on: Option<String>,
    role: Option<&'static str>,
    name: String,
    phone: String,
    born_on: Option<String>,
    nationality: Option<String>,
    travellers: String,
    devices: String,
    errors: FieldErrors,
}

/// Another address that has not been confirmed.
struct Pending {
    email: String,
    until: String,
    is_unreachable: bool,
}

impl From<PendingEmail> for Pending {
    fn from(pending: PendingEmail) -> Self {
        let until = pending.until.to_zoned(TimeZone::UTC).strftime("%-d %b, %H:%M UTC").to_string();
        Self { email: pending.email, until, is_unreachable: pending.is_unreachable }
    }
}

pub async fn account(
    State(accounts): State<Accounts>,
    State(airports): State<&'static Airports>,
    State(db): State<Db>,
    who: SignedIn,
    chrome: Chrome,
    Query(query): Query<said::Done>,
) -> Result<Html<String>, AppError> {
    let page = AccountPage::new(&accounts, airports, &db, who, chrome).await?;
    Ok(Html(AccountPage { said: query.said(), ..page }.render()?))
}

/// Another mail with a link that proves the address.
pub async fn verify_again(
    State(accounts): State<Accounts>,
    State(airports): State<&'static Airports>,
    State(db): State<Db>,
    who: SignedIn,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let Err(error) = accounts.request_verification(who.user).await else {
        return Ok(Redirect::to("/account?done=verification").into_response());
    };
    refused(error, &accounts, airports, &db, who, chrome).await
}

/// The account, saying how long to wait.
pub(super) async fn refused(
    error: AppError,
    accounts: &Accounts,
    airports: &Airports,
    db: &Db,
    who: SignedIn,
    chrome: Chrome,
) -> Result<Response, AppError> {
    let page = AccountPage::new(accounts, airports, db, who, chrome).await?;
    typed_again(error, |errors| AccountPage { errors, ..page })
}

impl AccountPage {
    async fn new(
        accounts: &Accounts,
        airports: &Airports,
        db: &Db,
        who: SignedIn,
        chrome: Chrome,
    ) -> Result<Self, AppError> {
        let user = accounts.user(who.user).await?;
        let profile = accounts.profile(who.user).await?;
        let travellers = accounts.saved_travellers(who.user).await?;
        let devices = devices::list(db, who.user).await?.len();
        let names = travellers
            .iter()
            .map(|(_, traveller)| format!("{} {}", traveller.given_names, traveller.family_name));
        Ok(Self {
            chrome,
            said: None,
            email: user.email,
            pending: accounts.pending_email(who.user).await?.map(Pending::from),
            verified_on: user.email_verified_at.map(day),
            password_changed_on: user.password_changed_at.map(day),
            role: who.staff.map(|role| role.code()),
            name: profile.name,
            phone: profile.phone,
            born_on: profile.born_on.map(date),
            nationality: profile.nationality.map(|code| airports.country(&code).to_owned()),
            travellers: in_short(names.collect()),
            devices: plural(devices, "browser signed in", "browsers signed in"),
            errors: FieldErrors::default(),
        })
    }
}

fn day(at: Timestamp) -> String {
    date(at.to_zoned(TimeZone::UTC).date())
}

/// "Maria Duarte, Tom Duarte and 3 more".
fn in_short(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let list = names.join(", ");
    if more == 0 { list } else { format!("{list} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_names_is_cut_and_says_so() {
        let names = |count: usize| (1..=count).map(|n| format!("N{n}")).collect::<Vec<_>>();
        assert_eq!(in_short(names(0)), "");
        assert_eq!(in_short(names(2)), "N1, N2");
        assert_eq!(in_short(names(5)), "N1, N2, N3, N4, N5");
        assert_eq!(in_short(names(8)), "N1, N2, N3, N4, N5 and 3 more");
    }
}
