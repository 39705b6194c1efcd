//! What the browser session remembers of a signed-in person, how it begins and ends, and how long it lasts. Anonymous
//! visitors have no session row, and reading this for them asks the database nothing.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use serde::{Deserialize, Serialize};
use tower_sessions::{Expiry, Session, cookie::time, session::Record, session_store};

use crate::{
    clock::Clock,
    db::{Db, System, Tx, session_key},
    error::AppError,
    ids::{DeviceId, TokenHash, UserId},
    personal::personal,
    web::{links::HeldLinks, user_agent, waiting},
};

pub const SESSION_USER: &str = "user";

/// The prefix makes the browser itself insist on https and on this host alone.
pub const fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-session" } else { "session" }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionUser {
    pub user: UserId,
    pub email: String,
    /// The staff role at sign-in, as its database word. Rights are checked where they are used; this shows links.
    pub staff: Option<String>,
    pub device: DeviceId,
    /// At sign-in or at the last renewal: whether the address is proven to be theirs.
    pub verified: bool,
    pub signed_in_at: Timestamp,
    /// When the password was last proved.
    #[serde(alias = "authenticated_at")]
    pub password_at: Timestamp,
    /// When a second factor was last proved in this session. The one proof does not stand for the other.
    #[serde(default)]
    pub second_factor_at: Option<Timestamp>,
    /// The last request, to within [`Lifetime::noticed`].
    pub seen_at: Timestamp,
}

personal!(SessionUser { user, staff, device });

/// How long a session lasts.
struct Lifetime {
    /// After the last request.
    idle: SignedDuration,
    /// After signing in, however busy.
    absolute: SignedDuration,
    /// How stale `seen_at` may be: a write for each request would cost more than the page.
    noticed: SignedDuration,
}

/// People book weeks apart, on their own devices, which they can see and end; what costs money asks for a card besides.
const TRAVELLER: Lifetime = Lifetime {
    idle: SignedDuration::from_hours(24 * 14),
    absolute: SignedDuration::from_hours(24 * 90),
    noticed: SignedDuration::from_mins(5),
};

/// Staff see everybody's data, at desks that others pass: 30 minutes and 12 hours are what NIST SP 800-63B-3 gives AAL2.
const STAFF: Lifetime = Lifetime {
    idle: SignedDuration::from_mins(30),
    absolute: SignedDuration::from_hours(12),
    noticed: SignedDuration::from_mins(1),
};

impl SessionUser {
    /// What an earlier version has written is nobody: they sign in again.
    pub async fn read(session: &Session) -> Result<Option<Self>, AppError> {
        // Whoever came without a session, and was given none meanwhile, has nothing in it.
        if session.id().is_none() && !session.is_modified() {
            return Ok(None);
        }
        let value = session.get_value(SESSION_USER).await.map_err(broken)?;
        Ok(value.and_then(|value| serde_json::from_value(value).ok()))
    }

    /// The row ends when this falls idle by the wall clock; whether it still counts, the clock of the house says.
    async fn write(&self, session: &Session) -> Result<(), AppError> {
        session.insert(SESSION_USER, self).await.map_err(broken)?;
        let idle = time::Duration::seconds(self.lifetime().idle.as_secs());
        session.set_expiry(Some(Expiry::OnInactivity(idle)));
        Ok(())
    }

    const fn lifetime(&self) -> &'static Lifetime {
        if self.staff.is_some() { &STAFF } else { &TRAVELLER }
    }

    fn has_ended(&self, now: Timestamp) -> bool {
        let Lifetime { idle, absolute, .. } = *self.lifetime();
        now.duration_since(self.seen_at) >= idle || now.duration_since(self.signed_in_at) >= absolute
    }

    fn is_to_be_noticed(&self, now: Timestamp) -> bool {
        now.duration_since(self.seen_at) >= self.lifetime().noticed
    }
}

/// Who has just proved who they are.
#[derive(Clone, Debug)]
pub struct Newcomer {
    pub user: UserId,
    pub email: String,
    /// As its database word.
    pub staff: Option<String>,
    pub verified: bool,
    /// SHA-256 of the password's hash: the session begins only while it is still the password that was checked.
    pub password: TokenHash,
}

/// The session of this request, to change who is signed in. Each change of rights gives it a new id, so that whoever knew
/// the one before has nothing.
#[derive(Clone, Debug)]
pub struct Door {
    session: Session,
    db: Db,
    clock: Clock,
    user_agent: String,
}

impl Door {
    pub async fn sign_in(&self, who: Newcomer) -> Result<DeviceId, AppError> {
        self.see_out().await?;
        let now = self.clock.now();
        let known = SessionUser {
            user: who.user,
            email: who.email,
            staff: who.staff,
            device: DeviceId::new(),
            verified: who.verified,
            signed_in_at: now,
            password_at: now,
            second_factor_at: None,
            seen_at: now,
        };
        self.begin_device(&known, who.password).await?;
        HeldLinks::meet(&self.session, known.user).await?;
        self.renew_as(&known).await?;
        Ok(known.device)
    }

    /// For somebody who is half-way in.
    pub async fn make_way(&self) -> Result<(), AppError> {
        self.see_out().await?;
        self.session.cycle_id().await.map_err(broken)
    }

    /// Nothing of whoever was signed in here before is left to the next. What a guest has booked in this browser stays.
    async fn see_out(&self) -> Result<(), AppError> {
        match SessionUser::read(&self.session).await? {
            Some(_) => self.sign_out().await,
            None => Ok(()),
        }
    }

    /// A new id for the same person, with what has changed about them. Without anybody signed in there is nothing to renew.
    pub async fn renew(&self, change: impl FnOnce(&mut SessionUser)) -> Result<(), AppError> {
        let mut known = SessionUser::read(&self.session).await?.ok_or(AppError::Unauthenticated)?;
        // What is kept in process may be a second old; what is renewed lasts.
        if !notice(&self.db, known.device, self.clock.now()).await? {
            self.session.flush().await.map_err(broken)?;
            return Err(AppError::Unauthenticated);
        }
        change(&mut known);
        self.renew_as(&known).await
    }

    /// The password was asked for once more, and it was right.
    pub async fn password_proved(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        self.renew(|known| known.password_at = now).await
    }

    pub async fn second_factor_proved(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        self.renew(|known| known.second_factor_at = Some(now)).await
    }

    /// What a guest has booked in this browser stays (see [`HeldLinks`]); whoever is a guest here says that it is to go.
    pub async fn sign_out(&self) -> Result<(), AppError> {
        match SessionUser::read(&self.session).await? {
            Some(known) => {
                end_device(&self.db, known.device).await?;
                HeldLinks::keep_alone(&self.session).await
            }
            None => self.session.flush().await.map_err(broken),
        }
    }

    /// Saved at once: whoever renews a session that was ended meanwhile is told so here, not after the handler.
    async fn renew_as(&self, known: &SessionUser) -> Result<(), AppError> {
        self.session.cycle_id().await.map_err(broken)?;
        known.write(&self.session).await?;
        self.session.save().await.map_err(broken)
    }

    /// Not with a password that was changed while it was being checked: that change has signed out everything but this.
    async fn begin_device(&self, known: &SessionUser, password: TokenHash) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        let begun = sqlx::query!(
            "insert into auth.devices (id, user_id, user_agent, created_at, seen_at)
             select $1, u.id, $3, $4, $5 from auth.users u
              where u.id = $2 and u.deleted_at is null and sha256(convert_to(u.password_hash, 'UTF8')) = $6
                for share",
            known.device.0,
            known.user.0,
            self.user_agent,
            known.signed_in_at.to_sqlx() as _,
            known.seen_at.to_sqlx() as _,
            password.as_bytes(),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if begun.rows_affected() == 1 { Ok(()) } else { Err(AppError::Unauthenticated) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Door
where
    Db: FromRef<S>,
    Clock: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let session = parts
            .extensions
            .get::<Session>()
            .cloned()
            .ok_or_else(|| AppError::broken("the route stands outside the session layer"))?;
        let header = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let user_agent = user_agent::in_words(header.unwrap_or_default());
        Ok(Self { session, db: Db::from_ref(state), clock: Clock::from_ref(state), user_agent })
    }
}

/// Before every handler: a session that has lasted long enough ends here, and one in use is noticed now and then.
pub async fn keep_time(db: &Db, session: &Session, now: Timestamp, path: &str) -> Result<(), AppError> {
    let is_asset = path.starts_with("/static/");
    if session.id().is_none() || is_asset { Ok(()) } else { look_at(db, session, now).await }
}

async fn look_at(db: &Db, session: &Session, now: Timestamp) -> Result<(), AppError> {
    waiting::drop_old(session, now).await?;
    let Some(known) = SessionUser::read(session).await? else { return Ok(()) };
    if known.has_ended(now) {
        end_device(db, known.device).await?;
        return HeldLinks::keep_alone(session).await;
    }
    if known.is_to_be_noticed(now) {
        if !notice(db, known.device, now).await? {
            return session.flush().await.map_err(broken);
        }
        SessionUser { seen_at: now, ..known }.write(session).await?;
    }
    Ok(())
}

/// Its session goes with it (migration 0009).
async fn end_device(db: &Db, device: DeviceId) -> Result<(), AppError> {
    let mut tx = db.begin(System).await?;
    sqlx::query!("delete from auth.devices where id = $1", device.0).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// False: the device was ended, and its session only seemed to be there.
async fn notice(db: &Db, device: DeviceId, now: Timestamp) -> Result<bool, AppError> {
    let mut tx = db.begin(System).await?;
    let noticed =
        sqlx::query!("update auth.devices set seen_at = $2 where id = $1", device.0, now.to_sqlx() as _)
            .execute(&mut *tx)
            .await?;
    tx.commit().await?;
    Ok(noticed.rows_affected() == 1)
}

/// A session row with a new id belongs to the device of whoever is signed in by it. An error if that device was ended: then
/// the session, which a request under way still had in hand, must not come back under another id.
pub(super) async fn give_to_device(db: &Db, record: &Record) -> session_store::Result<()> {
    let Some(value) = record.data.get(SESSION_USER) else { return Ok(()) };
    let device = serde_json::from_value::<SessionUser>(value.clone()).map(|known| known.device);
    let device = device.map_err(|error| session_store::Error::Decode(error.to_string()))?;
    let given = async {
        let mut tx = db.begin(System).await?;
        let given = sqlx::query!(
            "update auth.devices set session_id = $2 where id = $1",
            device.0,
            session_key(&record.id),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok::<_, sqlx::Error>(given.rows_affected() == 1)
    };
    match given.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(session_store::Error::Backend("the device was ended".to_owned())),
        Err(error) => Err(session_store::Error::Backend(error.to_string())),
    }
}

/// Devices whose session ended by itself. Not those that are changing their id at this moment.
pub async fn sweep(tx: &mut Tx<System>, now: Timestamp) -> Result<(), AppError> {
    let before = now - SignedDuration::from_hours(1);
    sqlx::query!("delete from auth.devices where session_id is null and seen_at < $1", before.to_sqlx() as _)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What the session layer says when it fails.
pub fn broken(error: tower_sessions::session::Error) -> AppError {
    if let tower_sessions::session::Error::Store(session_store::Error::Backend(why)) = error {
        // The rows of sessions lie where all the others do.
        return sqlx::Error::Io(std::io::Error::other(why)).into();
    }
    AppError::broken(format!("session: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(staff: bool) -> SessionUser {
        let start: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        SessionUser {
            user: UserId::new(),
            email: "a@example.com".to_owned(),
            staff: staff.then(|| "agent".to_owned()),
            device: DeviceId::new(),
            verified: true,
            signed_in_at: start,
            password_at: start,
            second_factor_at: None,
            seen_at: start,
        }
    }

    #[test]
    fn a_session_ends_when_it_falls_idle_and_not_a_second_before() {
        let second = SignedDuration::from_secs(1);
        for (who, idle) in [(known(false), TRAVELLER.idle), (known(true), STAFF.idle)] {
            assert!(!who.has_ended(who.seen_at + idle - second));
            assert!(who.has_ended(who.seen_at + idle));
        }
    }

    #[test]
    fn a_session_in_use_ends_all_the_same_when_it_is_old() {
        for (mut who, absolute) in [(known(false), TRAVELLER.absolute), (known(true), STAFF.absolute)] {
            let end = who.signed_in_at + absolute;
            who.seen_at = end - SignedDuration::from_secs(1);
            assert!(!who.has_ended(who.seen_at));
            assert!(who.has_ended(end));
        }
    }

    #[test]
    fn use_is_noticed_now_and_then() {
        for (who, noticed) in [(known(false), TRAVELLER.noticed), (known(true), STAFF.noticed)] {
            assert!(!who.is_to_be_noticed(who.seen_at));
            assert!(!who.is_to_be_noticed(who.seen_at + noticed - SignedDuration::from_secs(1)));
            assert!(who.is_to_be_noticed(who.seen_at + noticed));
        }
    }

    #[tokio::test]
    async fn a_session_of_an_earlier_version_is_nobody() {
        let store = std::sync::Arc::new(tower_sessions_sqlx_store::PostgresStore::new(
            sqlx::postgres::PgPoolOptions::new().connect_lazy("postgres://nowhere").unwrap(),
        ));
        let session = Session::new(None, store, None);
        let earlier = serde_json::json!({ "user": UserId::new(), "email": "a@example.com", "staff": null });
        session.insert(SESSION_USER, earlier).await.unwrap();
        assert_eq!(SessionUser::read(&session).await.unwrap(), None);
    }
}
