//! One private PostgreSQL for the whole test process, and a fresh database for each test, copied from a migrated one.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use jetbridge::db::Db;
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};

static CLUSTER: LazyLock<PgConnectOptions> = LazyLock::new(|| {
    // In a thread with a runtime of its own: whichever test comes first is already inside one.
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(start())
    })
    .join()
    .expect("a PostgreSQL for the tests")
});

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A database of one test.
pub struct Database {
    pub name: String,
}

impl Database {
    /// All migrations have run.
    pub async fn fresh() -> Self {
        Self::create("template jetbridge_template").await
    }

    /// Nothing in it at all.
    pub async fn empty() -> Self {
        Self::create("").await
    }

    async fn create(how: &str) -> Self {
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        run(&format!("create database {name} {how}")).await;
        Self { name }
    }

    /// As the login of the cluster: a superuser, so row-level security is off until a role is taken.
    pub fn options(&self) -> PgConnectOptions {
        CLUSTER.clone().database(&self.name)
    }

    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect_with(&self.options()).await.expect("a connection")
    }

    pub async fn drop(self) {
        run(&format!("drop database {} with (force)", self.name)).await;
    }
}

async fn run(sql: &str) {
    let mut connection = PgConnection::connect_with(&CLUSTER).await.expect("a connection");
    connection.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn start() -> PgConnectOptions {
    let bin = PathBuf::from("/usr/lib/postgresql/15/bin");
    let dir = std::env::temp_dir().join(format!("jetbridge-tests-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    std::os::unix::fs::chown(&dir, Some(65534), Some(65534)).expect("chown");
    let data = dir.join("data");
    let nobody = |program: PathBuf| {
        let mut command = Command::new(program);
        command.current_dir(&dir).stdin(Stdio::null()).stdout(Stdio::null());
        std::os::unix::process::CommandExt::gid(&mut command, 65534);
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
        command
    };
    let done = nobody(bin.join("initdb"))
        .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"])
        .arg(&data)
        .status();
    assert!(done.expect("initdb").success());
    let settings = format!(
        "-c listen_addresses= -c unix_socket_directories={} -c fsync=off -c full_page_writes=off \
         -c synchronous_commit=off -c max_connections=300",
        dir.display()
    );
    let done = nobody(bin.join("pg_ctl"))
        .args(["-w", "-l"])
        .arg(dir.join("log"))
        .arg("-D")
        .arg(&data)
        .args(["-o", &settings, "start"])
        .status();
    assert!(done.expect("pg_ctl").success());
    // Whoever ends this process, however: its end of the pipe closes, and then the cluster goes.
    let end = format!(
        "cat; {}/pg_ctl -m immediate -D {} stop; rm -rf {}",
        bin.display(),
        data.display(),
        dir.display()
    );
    let mut watcher = nobody("sh".into());
    std::os::unix::process::CommandExt::process_group(&mut watcher, 0);
    let watcher = watcher.args(["-c", &end]).stdin(Stdio::piped()).spawn().expect("sh");
    std::mem::forget(watcher.stdin);
    let options = PgConnectOptions::new().socket(&dir).username("postgres").database("postgres");
    let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
    connection.execute("create database jetbridge_template").await.expect("a database");
    let template = Db::connect(options.clone().database("jetbridge_template"), 2).await.expect("a pool");
    template.migrate().await.expect("migrations");
    template.close().await;
    options
}
