//! One private PostgreSQL for the whole test process, and a fresh database for each test, copied from a migrated one.

use std::{
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use jetbridge::{
    db::Db,
    embedded::{Cluster, ClusterSettings, Profile},
};
use nix::{
    sys::{
        signal::{Signal, kill},
        statvfs::statvfs,
    },
    unistd::Pid,
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

pub const TEMPLATE: &str = "jetbridge_template";

/// Never dropped, as statics are not: a throw-away cluster notices by itself that the process has ended.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    // In a thread with a runtime of its own: whichever test comes first is already inside one.
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(start())
    })
    .join()
    .expect("a PostgreSQL for the tests")
});

/// A database is three hundred files, made and removed for each test: in memory that is a tenth of the work. Containers
/// often have too little of it there.
fn fast_dir() -> PathBuf {
    const ENOUGH: u64 = 2 << 30;
    let memory = Path::new("/dev/shm");
    let room = statvfs(memory).map_or(0, |state| state.blocks_available() * state.fragment_size());
    if room >= ENOUGH { memory.to_owned() } else { std::env::temp_dir() }
}

static NEXT: AtomicU32 = AtomicU32::new(1);

async fn start() -> Cluster {
    let settings = ClusterSettings {
        dir: fast_dir().join(format!("jetbridge-tests-{}", std::process::id())),
        bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
        profile: Profile::Throwaway,
    };
    let cluster = Cluster::start(&settings).await.expect("a PostgreSQL");
    cluster.create_database(TEMPLATE, None).await.expect("a database");
    let template = Db::connect(cluster.options(TEMPLATE), 2).await.expect("a pool");
    template.migrate().await.expect("migrations");
    template.close().await;
    cluster
}

/// A PostgreSQL that a test may stop.
pub struct Apart {
    name: String,
    settings: ClusterSettings,
    cluster: Option<Cluster>,
}

impl Apart {
    fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("it runs")
    }

    pub fn options(&self) -> PgConnectOptions {
        self.cluster().options(&self.name)
    }

    pub fn superuser_options(&self) -> PgConnectOptions {
        self.cluster().superuser_options(&self.name)
    }

    /// As `pg_ctl stop -m immediate`: nothing is finished, nothing is said to anybody.
    pub async fn stop_at_once(&self) {
        let path = self.cluster().dir().join("pgdata/postmaster.pid");
        let pid = std::fs::read_to_string(path).expect("a process id");
        let pid = Pid::from_raw(pid.lines().next().and_then(|pid| pid.parse().ok()).expect("a number"));
        kill(pid, Signal::SIGQUIT).expect("it runs");
        while PgConnection::connect_with(&self.superuser_options()).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub async fn start_again(&mut self) {
        // The old handle goes after the new one is there, so that it leaves the server alone.
        self.cluster = Some(Cluster::start(&self.settings).await.expect("it starts again"));
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let Some(cluster) = self.cluster.take() else { return };
        let dir = cluster.dir().to_owned();
        cluster.stop();
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// A database of one test.
pub struct Database {
    name: String,
}

impl Database {
    /// All migrations have run.
    pub async fn fresh() -> Self {
        Self::create(Some(TEMPLATE)).await
    }

    /// Nothing in it at all.
    pub async fn empty() -> Self {
        Self::create(None).await
    }

    async fn create(template: Option<&str>) -> Self {
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        CLUSTER.create_database(&name, template).await.expect("a database");
        Self { name }
    }

    /// As the application logs in.
    pub fn options(&self) -> PgConnectOptions {
        CLUSTER.options(&self.name)
    }

    /// As superuser, whom no policy stops: for setting a scene and for seeing what really is there.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect_with(&self.superuser_options()).await.expect("a connection")
    }

    pub fn superuser_options(&self) -> PgConnectOptions {
        CLUSTER.superuser_options(&self.name)
    }

    /// In a PostgreSQL of its own, which keeps what it has promised to keep; with no tables yet.
    pub async fn apart(name: &str) -> Apart {
        let settings = ClusterSettings {
            dir: std::env::temp_dir().join(format!("jetbridge-apart-{}-{name}", std::process::id())),
            bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
            profile: Profile::Lasting,
        };
        let cluster = Cluster::start(&settings).await.expect("a PostgreSQL");
        cluster.create_database(name, None).await.expect("a database");
        Apart { name: name.to_owned(), settings, cluster: Some(cluster) }
    }

    pub async fn drop(self) {
        CLUSTER.drop_database(&self.name).await.expect("the database goes");
    }
}
