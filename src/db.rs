//! PostgreSQL behind principals. The pool is private to this file: the only way to a query is a transaction that has
//! already switched to the role of whoever asks, so row-level security holds even where the login is a superuser.

#![expect(clippy::disallowed_types, reason = "this is the one home of the pool")]

mod counting;
mod examine;
mod fence;
mod listener;
mod sessions;

use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::{Arc, LazyLock},
    time::Duration,
};

use sqlx::{
    PgConnection, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};
use tokio::sync::Notify;
use tracing::Instrument;

pub use self::{
    counting::counting,
    examine::{Migrations, Server, UnfitRole, reach},
    fence::{Held, holding},
    listener::Listener,
    sessions::{SessionRows, session_key},
};
use crate::{
    clock::Clock,
    ids::{TokenHash, UserId},
};

/// Nobody in particular: sees nothing that belongs to anyone.
pub struct Guest;

/// Somebody with bookings: sees what is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traveller {
    /// Signed in: sees the account and all its bookings.
    Account(UserId),
    /// Without an account: sees the one booking whose link they hold.
    Link(TokenHash),
}

/// A member of the agency: sees all bookings.
pub struct Staff(pub UserId);
/// The process itself: jobs, webhooks, state changes.
pub struct System;

mod sealed {
    /// Who acts is decided in this file: a principal made elsewhere could name any role.
    pub trait Sealed {}

    impl Sealed for super::Guest {}
    impl Sealed for super::Traveller {}
    impl Sealed for super::Staff {}
    impl Sealed for super::System {}
}

/// Who acts: the PostgreSQL role that a transaction runs as, and whose rows it may see. The four here are all there are.
///
/// ```compile_fail,E0277
/// # use jetbridge::db::Principal;
/// struct Superuser;
/// impl Principal for Superuser {
///     fn role(&self) -> &'static str { "postgres" }
/// }
/// ```
/// It is the trait that is shut, not the code that is wrong:
/// ```no_run
/// # trait Principal { fn role(&self) -> &'static str; }
/// struct Superuser;
/// impl Principal for Superuser {
///     fn role(&self) -> &'static str { "postgres" }
/// }
/// ```
pub trait Principal: sealed::Sealed + Send {
    fn role(&self) -> &'static str;
    fn user(&self) -> Option<UserId> {
        None
    }
    fn link(&self) -> Option<TokenHash> {
        None
    }
}

impl Principal for Guest {
    fn role(&self) -> &'static str {
        "jetbridge_guest"
    }
}

impl Principal for Traveller {
    fn role(&self) -> &'static str {
        match self {
            Self::Account(_) => "jetbridge_traveller",
            Self::Link(_) => "jetbridge_guest",
        }
    }

    fn user(&self) -> Option<UserId> {
        match self {
            Self::Account(user) => Some(*user),
            Self::Link(_) => None,
        }
    }

    fn link(&self) -> Option<TokenHash> {
        match self {
            Self::Account(_) => None,
            Self::Link(hash) => Some(*hash),
        }
    }
}

impl Principal for Staff {
    fn role(&self) -> &'static str {
        "jetbridge_staff"
    }

    fn user(&self) -> Option<UserId> {
        Some(self.0)
    }
}

impl Principal for System {
    fn role(&self) -> &'static str {
        "jetbridge_system"
    }
}

/// The way to PostgreSQL. What it gives away are transactions:
///
/// ```no_run
/// # use jetbridge::db::{Db, Guest};
/// # async fn ask(db: &Db) -> Result<(), sqlx::Error> {
/// let mut tx = db.begin(Guest).await?;
/// sqlx::query("select 1").execute(&mut *tx).await?;
/// # Ok(()) }
/// ```
/// The pool itself cannot be reached,
/// ```compile_fail,E0616
/// # use jetbridge::db::{Db, Guest};
/// # async fn ask(db: &Db) -> Result<(), sqlx::Error> {
/// let mut tx = db.pool.begin().await?;
/// sqlx::query("select 1").execute(&mut *tx).await?;
/// # Ok(()) }
/// ```
/// nor is it an executor,
/// ```compile_fail,E0277
/// # use jetbridge::db::{Db, Guest};
/// # async fn ask(db: &Db) -> Result<(), sqlx::Error> {
/// sqlx::query("select 1").execute(db).await?;
/// # Ok(()) }
/// ```
/// and nobody in particular is no principal:
/// ```compile_fail,E0277
/// # use jetbridge::db::{Db, Guest};
/// # async fn ask(db: &Db) -> Result<(), sqlx::Error> {
/// let mut tx = db.begin(()).await?;
/// sqlx::query("select 1").execute(&mut *tx).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    jobs_pushed: Arc<JobsPushed>,
    clock: Clock,
}

/// Whom a pushed job wakes. Mail and outgoing webhooks have lanes of their own: a server of others that hangs must not keep
/// money waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Work,
    Mail,
    Hooks,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Work, Self::Mail, Self::Hooks];
}

#[derive(Debug, Default)]
struct JobsPushed {
    work: Notify,
    mail: Notify,
    hooks: Notify,
}

impl JobsPushed {
    fn of(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Work => &self.work,
            Lane::Mail => &self.mail,
            Lane::Hooks => &self.hooks,
        }
    }
}

/// A transaction of one principal. Dropped without [`Tx::commit`], it never happened.
///
/// A question that is one principal's to ask takes their transaction
/// ```no_run
/// # use jetbridge::{checkout::invariants, db::{Db, Guest, System}};
/// # async fn ask(db: &Db, now: jiff::Timestamp) -> Result<(), sqlx::Error> {
/// let mut tx = db.begin(System).await?;
/// invariants::breaches(&mut tx, now).await?;
/// # Ok(()) }
/// ```
/// and no other's:
/// ```compile_fail,E0308
/// # use jetbridge::{checkout::invariants, db::{Db, Guest, System}};
/// # async fn ask(db: &Db, now: jiff::Timestamp) -> Result<(), sqlx::Error> {
/// let mut tx = db.begin(Guest).await?;
/// invariants::breaches(&mut tx, now).await?;
/// # Ok(()) }
/// ```
pub struct Tx<P> {
    inner: Transaction<'static, Postgres>,
    jobs_pushed: Arc<JobsPushed>,
    wakes: [bool; Lane::ALL.len()],
    principal: PhantomData<fn() -> P>,
}

/// What the login itself may do; production refuses one whose role switch does not work.
#[derive(Debug, Clone, Copy)]
pub struct LoginRights {
    /// Superuser or BYPASSRLS: row-level security holds only because of the role switch.
    pub bypasses_rls: bool,
    /// The login may become all four roles.
    pub can_switch: bool,
}

/// The connections of this process.
#[derive(Debug, Clone, Copy)]
pub struct PoolState {
    pub idle: usize,
    pub busy: usize,
    pub most: u32,
}

/// How long a transaction may stand still. Nobody waits for anything outside in one, so whoever does is frozen or cut off, and
/// must not keep the rows that it has locked from those who live.
const LONGEST_SILENCE: &str = "15s";

pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!();
    // A newer version's are no reason not to start: it runs beside this one, or has been taken back.
    migrator.set_ignore_missing(true);
    migrator
});

impl Db {
    pub async fn connect(options: PgConnectOptions, max_connections: u32) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(5))
            // A broken connection shows itself at the first query; the ping would double the round trips of every page.
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok(Self { pool, jobs_pushed: Arc::default(), clock: Clock::system() })
    }

    /// By which links end: the one clock of the process.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        MIGRATOR.run(&self.pool).await
    }

    pub async fn begin<P: Principal>(&self, principal: P) -> Result<Tx<P>, sqlx::Error> {
        // One simple message: BEGIN, role, user, link and time in a single round trip. All values are ours, never input.
        let role = principal.role();
        let user = principal.user().map(|id| id.to_string()).unwrap_or_default();
        let link = principal.link().map(|hash| hex::encode(hash.as_bytes())).unwrap_or_default();
        // Who comes with a link is asked for the time: see app_link_booking() of migration 0024.
        let now = principal.link().map(|_| self.clock.now().to_string()).unwrap_or_default();
        let begin = format!(
            "begin; select set_config('role', '{role}', true), set_config('app.user_id', '{user}', true), \
             set_config('app.link', '{link}', true), set_config('app.now', '{now}', true), \
             set_config('idle_in_transaction_session_timeout', '{LONGEST_SILENCE}', true)"
        );
        let mut inner = self.begun(begin).await?;
        if role == System.role() {
            fence::pass(&mut inner).await?;
        }
        let jobs_pushed = self.jobs_pushed.clone();
        Ok(Tx { inner, jobs_pushed, wakes: Default::default(), principal: PhantomData })
    }

    /// Nothing was done yet on a connection that turns out to be dead: another one is taken, until it is a living one.
    async fn begun(&self, begin: String) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut left = self.pool.options().get_max_connections();
        loop {
            let connection = self.pool.acquire().await?;
            // A visitor who hangs up ends this future at any await. sqlx takes a BEGIN whose answer nobody has read for none,
            // and would put the connection back inside of it, in this principal's role. In a task of its own the answer is
            // read.
            let begun = Transaction::begin(connection, Some(begin.clone().into())).in_current_span();
            match tokio::spawn(begun).await.map_err(|_| sqlx::Error::WorkerCrashed)? {
                Err(error) if left > 0 && is_away(&error) => left -= 1,
                begun => return begun,
            }
        }
    }

    pub fn session_store(&self) -> SessionRows {
        SessionRows::new(self.pool.clone())
    }

    /// Resolves when a transaction of this process has pushed jobs for this lane.
    pub async fn jobs_pushed(&self, lane: Lane) {
        self.jobs_pushed.of(lane).notified().await;
    }

    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("select 1").execute(&self.pool).await.map(drop)
    }

    /// All migrations of this binary have run. (A newer binary's may have run as well: that is a rolling deploy.)
    pub async fn is_migrated(&self) -> Result<bool, sqlx::Error> {
        let done: Vec<i64> = sqlx::query_scalar("select version from _sqlx_migrations where success")
            .fetch_all(&self.pool)
            .await?;
        Ok(MIGRATOR.iter().all(|migration| done.contains(&migration.version)))
    }

    pub async fn login_rights(&self) -> Result<LoginRights, sqlx::Error> {
        let (bypasses_rls, can_switch): (bool, bool) = sqlx::query_as(
            "select r.rolsuper or r.rolbypassrls,
                    not exists (
                        select from unnest(array['jetbridge_guest', 'jetbridge_traveller', 'jetbridge_staff', 'jetbridge_system']) as wanted(name)
                        left join pg_roles w on w.rolname = wanted.name
                        where w.oid is null or not pg_has_role(current_user, w.oid, 'member')
                           or w.rolsuper or w.rolbypassrls
                    )
               from pg_roles r where r.rolname = current_user",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(LoginRights { bypasses_rls, can_switch })
    }

    pub fn pool_state(&self) -> PoolState {
        let idle = self.pool.num_idle();
        let all = usize::try_from(self.pool.size()).unwrap_or(usize::MAX);
        PoolState { idle, busy: all.saturating_sub(idle), most: self.pool.options().get_max_connections() }
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// PostgreSQL is not there, or going: nothing is wrong with what was asked.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        // Shutting down, crashed, starting; a connection that broke; too many of them.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("57P0") || code.starts_with("08") || code == "53300" || code == "25P03"
        }),
        _ => false,
    }
}

impl<P> Tx<P> {
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await?;
        for (lane, _) in Lane::ALL.into_iter().zip(self.wakes).filter(|(_, wakes)| *wakes) {
            self.jobs_pushed.of(lane).notify_one();
        }
        Ok(())
    }

    /// Jobs were pushed: once they are visible, this process's worker need not wait for its next look.
    pub fn wake_worker_on_commit(&mut self, lane: Lane) {
        for (known, wakes) in Lane::ALL.into_iter().zip(&mut self.wakes) {
            *wakes |= known == lane;
        }
    }
}

impl<P> Deref for Tx<P> {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl<P> DerefMut for Tx<P> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        // Each statement borrows the connection anew.
        counting::count(1);
        &mut self.inner
    }
}
