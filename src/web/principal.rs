//! Who asks, as extractors. A handler that takes one of these cannot be reached by anybody else.

use std::{fmt, str::FromStr};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use jiff::Timestamp;
use tower_sessions::Session;

use crate::{
    db::{Db, System, Traveller},
    error::{AppError, Refusal},
    ids::{DeviceId, UserId},
    personal::personal,
    web::session::SessionUser,
};

/// What a member of the agency may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaffRole {
    /// Looks, and changes nothing.
    Viewer,
    Agent,
    Finance,
    Owner,
}

impl StaffRole {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Agent, Self::Finance, Self::Owner];

    /// As in the database and on the command line.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Agent => "agent",
            Self::Finance => "finance",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for StaffRole {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.code() == text)
            .ok_or("a staff role is one of viewer, agent, finance, owner")
    }
}

impl fmt::Display for StaffRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

pub use crate::web::bearer::ApiUser;

/// A signed-in person. Others are sent to sign in (pages), or get a 401.
#[derive(Clone)]
pub struct SignedIn {
    pub user: UserId,
    pub email: String,
    /// At sign-in: fit to show a link, not to open a door. For that there is [`SignedInStaff`].
    pub staff: Option<StaffRole>,
    /// The browser that they use now.
    pub device: DeviceId,
    /// The address was proven to be theirs, as of sign-in.
    pub verified: bool,
    pub signed_in_at: Timestamp,
    /// When each was last proved: what is grave asks for it to be recent.
    pub password_at: Timestamp,
    pub second_factor_at: Option<Timestamp>,
}

personal!(SignedIn { user, staff, device });

/// A page for everybody that greets those it knows.
#[derive(Clone, Debug)]
pub struct MaybeSignedIn(pub Option<SignedIn>);

/// A member of the agency at this moment: the role is read anew for each request, so taking it away counts at once.
#[derive(Clone)]
pub struct SignedInStaff {
    pub user: UserId,
    pub email: String,
    pub role: StaffRole,
    pub device: DeviceId,
    pub second_factor_at: Option<Timestamp>,
}

personal!(SignedInStaff { user, role, device });

impl SignedIn {
    pub const fn traveller(&self) -> Traveller {
        Traveller::Account(self.user)
    }
}

impl From<SessionUser> for SignedIn {
    fn from(known: SessionUser) -> Self {
        let staff = known.staff.and_then(|role| role.parse().ok());
        Self {
            user: known.user,
            email: known.email,
            staff,
            device: known.device,
            verified: known.verified,
            signed_in_at: known.signed_in_at,
            password_at: known.password_at,
            second_factor_at: known.second_factor_at,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeSignedIn {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        let session = parts
            .extensions
            .get::<Session>()
            .ok_or_else(|| AppError::broken("the route stands outside the session layer"))?;
        Ok(Self(SessionUser::read(session).await?.map(SignedIn::from)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let MaybeSignedIn(somebody) = MaybeSignedIn::from_request_parts(parts, state).await?;
        somebody.ok_or(AppError::Unauthenticated)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedInStaff
where
    Db: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        // Whoever brings a token to the API means the token.
        if parts.uri.path().starts_with("/api/") && parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(no_tokens_here());
        }
        let SignedIn { user, email, staff, device, second_factor_at, .. } =
            SignedIn::from_request_parts(parts, state).await?;
        // Who has become staff since signs in again: this session lasts as long as a traveller's.
        staff.ok_or(AppError::Forbidden)?;
        let role = present_role(&Db::from_ref(state), user).await?.ok_or(AppError::Forbidden)?;
        Ok(Self { user, email, role, device, second_factor_at })
    }
}

fn no_tokens_here() -> AppError {
    AppError::Barred(Refusal {
        code: "no_tokens_here",
        title: "A token is never staff",
        detail: "This is for members of the agency in their own browser. Leave the header Authorization out."
            .to_owned(),
    })
}

async fn present_role(db: &Db, user: UserId) -> Result<Option<StaffRole>, AppError> {
    let mut tx = db.begin(System).await?;
    let role = sqlx::query_scalar!("select staff_role from auth.users where id = $1", user.0)
        .fetch_optional(&mut *tx)
        .await?;
    Ok(role.flatten().and_then(|role| role.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back_from_its_code() {
        for role in StaffRole::ALL {
            assert_eq!(role.code().parse(), Ok(role));
        }
        assert!("admin".parse::<StaffRole>().is_err());
    }
}
