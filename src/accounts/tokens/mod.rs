//! API tokens. A program signs in once and gets a short access token and a refresh token; the refresh token is exchanged
//! for a new pair, once. All tokens that grow from one sign-in are a family and end together.
//!
//! A refresh token that comes a second time ends its family: either the thief or the owner has used it before, and nobody
//! can tell which. There is no time of grace for programs that lost an answer, for a thief would have it too: they sign in
//! again. Two exchanges of one token at once are a second use as well.

mod store;

use jiff::{SignedDuration, Timestamp};

use self::store::NewFamily;
use crate::{
    clock::Clock,
    db::{Db, System, Traveller, Tx},
    error::AppError,
    ids::{FamilyId, Token, TokenHash, UserId},
    web::{bearer, scopes::Scopes},
};

/// An access token cannot be told from a stolen one, so it is worth little time.
pub const ACCESS: SignedDuration = SignedDuration::from_mins(15);
/// As long as a monthly job needs.
pub const REFRESH_IDLE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// As a traveller's browser: after this even a program in daily use proves the password again.
pub const REFRESH_AT_MOST: SignedDuration = SignedDuration::from_hours(24 * 90);

/// What a program gets. The tokens are shown here and never again: the database has their hashes.
#[derive(Clone, Debug)]
pub struct Issued {
    pub access: Token,
    pub refresh: Token,
    /// Seconds until the access token ends.
    pub expires_in: i64,
    pub scopes: Scopes,
}

/// A pair of tokens and when each ends.
struct Pair {
    access: Token,
    access_until: Timestamp,
    refresh: Token,
    refresh_until: Timestamp,
}

impl Pair {
    /// No token outlives its family.
    fn new(now: Timestamp, family_until: Timestamp) -> Self {
        Self {
            access: Token::random(),
            access_until: (now + ACCESS).min(family_until),
            refresh: Token::random(),
            refresh_until: (now + REFRESH_IDLE).min(family_until),
        }
    }

    fn issued(self, now: Timestamp, scopes: Scopes) -> Issued {
        let expires_in = self.access_until.duration_since(now).as_secs();
        Issued { access: self.access, refresh: self.refresh, expires_in, scopes }
    }
}

/// A program that has just proved for whom it speaks.
#[derive(Clone, Debug)]
pub struct Newcomer {
    pub user: UserId,
    pub scopes: Scopes,
    /// SHA-256 of the password's hash: whoever changed it since it was checked has signed out everything, this too.
    pub password: TokenHash,
    /// "curl on Linux".
    pub program: String,
}

/// A program that is signed in, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub id: FamilyId,
    pub name: String,
    pub scopes: Scopes,
    pub signed_in_at: Timestamp,
    /// When it last got new tokens.
    pub used_at: Timestamp,
}

pub async fn issue(db: &Db, clock: &Clock, newcomer: Newcomer) -> Result<Issued, AppError> {
    let (now, family) = (clock.now(), FamilyId::new());
    let (user, scopes) = (newcomer.user, newcomer.scopes);
    let until = now + REFRESH_AT_MOST;
    let pair = Pair::new(now, until);
    let mut tx = db.begin(System).await?;
    if !store::begin_family(&mut tx, &NewFamily { id: family, newcomer, now, until }).await? {
        return Err(AppError::Unauthenticated);
    }
    store::keep(&mut tx, family, &pair, now).await?;
    tx.commit().await?;
    tracing::info!(%user, %family, "a program signed in");
    Ok(pair.issued(now, scopes))
}

/// `None`: unknown, expired, or used before, which ends the family.
pub async fn refresh(db: &Db, clock: &Clock, presented: &str) -> Result<Option<Issued>, AppError> {
    let (now, hash) = (clock.now(), TokenHash::of(presented));
    let mut tx = db.begin(System).await?;
    store::lock_family(&mut tx, hash).await?;
    let Some(family) = store::exchange(&mut tx, hash, now).await? else {
        if let Some(family) = store::end_family_if_used(&mut tx, hash).await? {
            tx.commit().await?;
            tracing::warn!(%family, "a refresh token came twice: its family is ended");
        }
        return Ok(None);
    };
    let pair = Pair::new(now, family.until);
    store::keep(&mut tx, family.id, &pair, now).await?;
    tx.commit().await?;
    Ok(Some(pair.issued(now, family.scopes)))
}

/// Ends the family of this token, whichever of the two it is. Of a token that nobody knows nothing is said.
pub async fn revoke(db: &Db, presented: &str) -> Result<(), AppError> {
    let mut tx = db.begin(System).await?;
    store::end_family_of(&mut tx, TokenHash::of(presented)).await?;
    tx.commit().await?;
    Ok(())
}

pub async fn who(db: &Db, clock: &Clock, access: &str) -> Result<Option<(UserId, Scopes)>, AppError> {
    let owner = bearer::token_owner(db, access, clock.now()).await?;
    Ok(owner.map(|owner| (owner.user, owner.scopes)))
}

/// The last used first.
pub async fn list(db: &Db, user: UserId) -> Result<Vec<Program>, AppError> {
    let mut tx = db.begin(Traveller::Account(user)).await?;
    store::list(&mut tx).await
}

/// Signs one program out. One that is not there, or not theirs, is not found.
pub async fn end(db: &Db, user: UserId, family: FamilyId) -> Result<(), AppError> {
    let mut tx = db.begin(Traveller::Account(user)).await?;
    if !store::end_family(&mut tx, family).await? {
        return Err(AppError::NotFound);
    }
    tx.commit().await?;
    tracing::info!(%user, %family, "a program was signed out");
    Ok(())
}

/// All programs of this user are signed out: with a new password, a sign-out everywhere, the end of the account. As a
/// traveller it ends only what is theirs (row-level security).
pub async fn end_families<P>(tx: &mut Tx<P>, user: UserId) -> Result<u64, AppError> {
    store::end_families(tx, user).await
}

/// Expired tokens open nothing any more.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<(), AppError> {
    store::delete_expired(tx, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_outlives_its_family() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let young = Pair::new(now, now + REFRESH_AT_MOST);
        assert_eq!((young.access_until, young.refresh_until), (now + ACCESS, now + REFRESH_IDLE));
        let until = now + SignedDuration::from_mins(5);
        let old = Pair::new(now, until);
        assert_eq!((old.access_until, old.refresh_until), (until, until));
        assert_eq!(old.issued(now, Scopes::ALL).expires_in, 300);
    }
}
