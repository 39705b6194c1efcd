//! A private PostgreSQL for `cargo run` and for tests: found or downloaded, started on a Unix socket that nobody else
//! can reach, shared by every Jetbridge process that names the same directory, stopped when the last of them leaves.

mod binaries;
mod place;
mod server;

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg, OFlag};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use self::{place::Place, server::Server};

/// The role that the application logs in as. It is no superuser: it owns its databases and may make the four roles.
const LOGIN: &str = "jetbridge";
const SUPERUSER: &str = "postgres";
/// No TCP port is opened; this only names the socket file.
const PORT: u16 = 5432;

#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Everything of the cluster is kept below this directory.
    pub dir: PathBuf,
    /// Where `initdb` and `postgres` are, if not in a usual place.
    pub bin_dir: Option<PathBuf>,
    pub profile: Profile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Data survives, also a power cut.
    Lasting,
    /// For tests: fast, unsafe, and gone (directory included) as soon as this process ends, however it ends.
    Throwaway,
}

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("{what}: {path}")]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("PG_BIN_DIR is {0}, but initdb and postgres (version 15 or newer) are not there")]
    NotInBinDir(PathBuf),
    #[error(
        "no PostgreSQL is installed here and it could not be downloaded ({reason}). Install PostgreSQL 15 or newer \
         (Debian: apt install postgresql), or set PG_BIN_DIR to where initdb is, or DATABASE_URL to a server"
    )]
    NoBinaries { reason: String },
    #[error(
        "the data in {dir} was made by PostgreSQL {made_by}, which is not installed here and could not be downloaded ({reason})"
    )]
    OtherVersion { dir: PathBuf, made_by: u32, reason: String },
    #[error(
        "PostgreSQL must not run as root, and neither a user postgres nor a user nobody exists to run it as"
    )]
    NobodyToRunAs,
    #[error("{0} exists but belongs to somebody else or is open to others: remove it")]
    NotPrivate(PathBuf),
    #[error("{program} failed:\n{output}")]
    Failed { program: &'static str, output: String },
    #[error("PostgreSQL did not become ready; the end of its log:\n{log}")]
    NotReady { log: String },
    #[error("{0:?} cannot name a database")]
    BadName(String),
    #[error("the private PostgreSQL refused")]
    Sql(#[from] sqlx::Error),
}

/// A running cluster. Dropping it stops the server, unless another process still uses it.
pub struct Cluster {
    place: Place,
    server: Option<Server>,
    profile: Profile,
    /// Shared by everybody who uses the cluster. The kernel lets go of it even after `kill -9`.
    users: Option<Flock<File>>,
}

impl Cluster {
    pub async fn start(settings: &ClusterSettings) -> Result<Self, EmbeddedError> {
        let place = Place::prepare(&settings.dir)?;
        let bin = binaries::find(settings.bin_dir.as_deref(), &place).await?;
        let gate = lock(&place.gate_file(), FlockArg::LockExclusive)?;
        let users = lock(&place.users_file(), FlockArg::LockShared)?;
        let server = Server::ensure(&bin, &place, settings.profile).await?;
        let cluster = Self { place, server: Some(server), profile: settings.profile, users: Some(users) };
        cluster.make_login().await?;
        drop(gate);
        Ok(cluster)
    }

    /// How the application reaches a database of this cluster.
    pub fn options(&self, database: &str) -> PgConnectOptions {
        connect_options(&self.place, LOGIN, database)
    }

    /// As superuser, for what no role of the application may do.
    pub fn superuser_options(&self, database: &str) -> PgConnectOptions {
        connect_options(&self.place, SUPERUSER, database)
    }

    /// Where the data is; not always where it was asked for (see `place`).
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// Makes a database that the application's login owns, empty or as a copy. One that exists already is left as it is.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<(), EmbeddedError> {
        for name in [Some(name), template].into_iter().flatten() {
            check_name(name)?;
        }
        // By copying files, not page by page through the log: a tenth of the work where nobody waits for a disk.
        let copy =
            template.map(|template| format!(" template {template} strategy file_copy")).unwrap_or_default();
        let mut connection = PgConnection::connect_with(&self.superuser_options("postgres")).await?;
        let made = sqlx::query(&format!("create database {name} owner {LOGIN}{copy}"))
            .execute(&mut connection)
            .await;
        connection.close().await?;
        match made {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P04") => Ok(()),
            other => other.map(drop).map_err(Into::into),
        }
    }

    pub async fn drop_database(&self, name: &str) -> Result<(), EmbeddedError> {
        check_name(name)?;
        let mut connection = PgConnection::connect_with(&self.superuser_options("postgres")).await?;
        sqlx::query(&format!("drop database if exists {name} with (force)")).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    /// Stops the server, or leaves it to the other processes that use it.
    pub fn stop(mut self) {
        self.leave();
    }

    async fn make_login(&self) -> Result<(), EmbeddedError> {
        let mut connection = PgConnection::connect_with(&self.superuser_options("postgres")).await?;
        let known: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(LOGIN)
            .fetch_one(&mut connection)
            .await?;
        if !known {
            sqlx::query(&format!("create role {LOGIN} login createrole")).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }

    fn leave(&mut self) {
        let Some(server) = self.server.take() else { return };
        // Without the gate somebody could start using the server while it stops; rather leave it running then.
        let Ok(_gate) = lock(&self.place.gate_file(), FlockArg::LockExclusive) else {
            return server.leave_running();
        };
        drop(self.users.take());
        if lock(&self.place.users_file(), FlockArg::LockExclusiveNonblock).is_err() {
            tracing::debug!("the private PostgreSQL keeps running for another process");
            return server.leave_running();
        }
        server.stop(self.profile);
        if self.profile == Profile::Throwaway {
            self.place.remove();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.leave();
    }
}

fn connect_options(place: &Place, user: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&place.socket_dir)
        .port(PORT)
        .username(user)
        .database(database)
}

fn lock(path: &Path, how: FlockArg) -> Result<Flock<File>, EmbeddedError> {
    let file = open(path)?;
    Flock::lock(file, how).map_err(|(_, errno)| EmbeddedError::Io {
        what: "could not lock",
        path: path.to_owned(),
        source: errno.into(),
    })
}

/// The directory may belong to the server's user: what we write there as root must not follow a link of theirs.
fn open(path: &Path) -> Result<File, EmbeddedError> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(io("could not open", path))
}

/// A database name goes into the statement as it is, so it must be one that needs no quotes.
fn check_name(name: &str) -> Result<(), EmbeddedError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if starts_well && name.len() <= 63 && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(EmbeddedError::BadName(name.to_owned()))
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> EmbeddedError {
    let path = path.to_owned();
    move |source| EmbeddedError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, profile: Profile) -> ClusterSettings {
        let dir = std::env::temp_dir().join(format!("jetbridge-{name}-{}", std::process::id()));
        ClusterSettings { dir, bin_dir: None, profile }
    }

    async fn ask(cluster: &Cluster, database: &str, sql: &str) -> String {
        let mut connection = PgConnection::connect_with(&cluster.options(database)).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }

    #[tokio::test]
    async fn data_lasts_over_a_restart_and_over_a_server_killed_in_the_middle() {
        let settings = settings("lasting", Profile::Lasting);
        let cluster = Cluster::start(&settings).await.unwrap();
        cluster.create_database("shop", None).await.unwrap();
        cluster.create_database("shop", None).await.unwrap();
        let mut connection = PgConnection::connect_with(&cluster.options("shop")).await.unwrap();
        sqlx::query("create table kept as select current_user::text as who")
            .execute(&mut connection)
            .await
            .unwrap();
        cluster.stop();

        let cluster = Cluster::start(&settings).await.unwrap();
        let pid_file = std::fs::read_to_string(cluster.dir().join("pgdata/postmaster.pid")).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid_file.lines().next().unwrap().parse().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        drop(cluster);

        let cluster = Cluster::start(&settings).await.unwrap();
        assert_eq!(ask(&cluster, "shop", "select who from kept").await, "jetbridge");
        let dir = cluster.dir().to_owned();
        cluster.stop();
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn the_last_user_stops_the_server_and_a_throwaway_leaves_nothing() {
        let settings = settings("throwaway", Profile::Throwaway);
        let first = Cluster::start(&settings).await.unwrap();
        let second = Cluster::start(&settings).await.unwrap();
        let dir = first.dir().to_owned();
        first.stop();
        assert_eq!(ask(&second, "postgres", "select 'still here'").await, "still here");
        second.stop();
        assert!(!dir.exists());
    }

    #[test]
    fn only_a_name_that_needs_no_quotes_can_name_a_database() {
        for (name, fine) in
            [("jetbridge", true), ("test_01", true), ("", false), ("1a", false), ("a;b", false), ("A", false)]
        {
            assert_eq!(check_name(name).is_ok(), fine, "{name:?}");
        }
    }
}
