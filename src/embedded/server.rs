//! The server process: initdb, start or reuse, stop. What `kill -9` leaves behind never blocks the next start.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use sqlx::{Connection, PgConnection};

use super::{
    EmbeddedError, LOGIN, Profile, SUPERUSER, binaries::Binaries, connect_options, io, open, place::Place,
};

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(15);
const STEP: Duration = Duration::from_millis(20);

pub struct Server {
    pid: Pid,
    /// Stops a throwaway server when this process ends without a word.
    _watchdog: Option<(Child, ChildStdin)>,
}

impl Server {
    /// The running server of this place, started if there is none. The caller holds the gate.
    pub async fn ensure(bin: &Binaries, place: &Place, profile: Profile) -> Result<Self, EmbeddedError> {
        if let Some(pid) = running(place) {
            let ready = wait_until_ready(place, || !is_gone(pid)).await;
            if ready.is_ok() || !is_gone(pid) {
                tracing::debug!("using the private PostgreSQL that runs already");
                return ready.map(|()| Self { pid, _watchdog: None });
            }
            // It was on its way out. Now the place is free.
        }
        if place.data_version().is_none() {
            initdb(bin, place, profile)?;
        }
        write_access_rules(place)?;
        // A process id that now belongs to something else, or a socket without a listener, is only litter.
        let _ = fs::remove_file(place.data_dir().join("postmaster.pid"));
        let _ = fs::remove_file(place.socket_file());
        let pid = Pid::from_raw(spawn(bin, place, profile)?.id().cast_signed());
        let watchdog = if profile == Profile::Throwaway { Some(watch(pid, place)?) } else { None };
        let ready = wait_until_ready(place, || !is_gone(pid)).await;
        let server = Self { pid, _watchdog: watchdog };
        if let Err(error) = ready {
            server.stop(profile);
            return Err(error);
        }
        Ok(server)
    }

    pub fn stop(self, profile: Profile) {
        // SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back, data is complete on disk.
        let signal = if profile == Profile::Throwaway { Signal::SIGQUIT } else { Signal::SIGINT };
        let _ = kill(self.pid, signal);
        if !self.wait_until_gone() {
            tracing::warn!("the private PostgreSQL does not stop; it will recover at the next start");
            let _ = kill(self.pid, Signal::SIGQUIT);
            self.wait_until_gone();
        }
    }

    /// Leaves the server to others. The watchdog, if any, stays with this process.
    pub fn leave_running(self) {
        std::mem::forget(self);
    }

    fn wait_until_gone(&self) -> bool {
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if is_gone(self.pid) {
                return true;
            }
            thread::sleep(STEP);
        }
        false
    }
}

fn initdb(bin: &Binaries, place: &Place, profile: Profile) -> Result<(), EmbeddedError> {
    // Made aside and moved when it is whole: whatever interrupts it, a data directory is never half a cluster.
    let unfinished = place.dir.join("pgdata.new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(io("could not clear", &unfinished))?;
    }
    let mut command = place.command(&bin.program("initdb"));
    // Locale C: the same order on every machine, and no locale needs to be installed.
    command
        .args(["--encoding=UTF8", "--locale=C", "--auth=peer", "--username", SUPERUSER, "--pgdata"])
        .arg(&unfinished);
    if profile == Profile::Throwaway {
        command.arg("--no-sync");
    }
    tracing::info!(version = bin.major, dir = %place.dir.display(), "making a private PostgreSQL");
    let result =
        command.stdin(Stdio::null()).output().map_err(io("could not run", &bin.program("initdb")))?;
    if result.status.success() {
        return fs::rename(&unfinished, place.data_dir()).map_err(io("could not move", &unfinished));
    }
    let output = String::from_utf8_lossy(&result.stderr).into_owned();
    Err(EmbeddedError::Failed { program: "initdb", output })
}

/// The socket's directory is closed to others already; `peer` makes the kernel vouch for who connects as well.
fn write_access_rules(place: &Place) -> Result<(), EmbeddedError> {
    let client = &place.client_name;
    let map = format!("own \"{client}\" {SUPERUSER}\nown \"{client}\" {LOGIN}\n");
    for (name, text) in [("pg_hba.conf", "local all all peer map=own\n".to_owned()), ("pg_ident.conf", map)] {
        let path = place.data_dir().join(name);
        let mut file = open(&path)?;
        let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(io("could not write", &path))?;
    }
    Ok(())
}

fn spawn(bin: &Binaries, place: &Place, profile: Profile) -> Result<Child, EmbeddedError> {
    let log_path = place.log_file();
    let log = open(&log_path)?;
    log.set_len(0).map_err(io("could not empty", &log_path))?;
    place.hand_over(&log_path)?;
    let errors = log.try_clone().map_err(io("could not open", &log_path))?;
    let mut command = place.command(&bin.program("postgres"));
    command.arg("-D").arg(place.data_dir()).arg("-k").arg(&place.socket_dir);
    let mut settings =
        vec!["listen_addresses=", "max_connections=200", "log_min_messages=warning", "lc_messages=C"];
    if profile == Profile::Throwaway {
        settings.extend(["fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off"]);
    }
    for setting in settings {
        command.args(["-c", setting]);
    }
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // Ctrl-C in a terminal goes to the whole group: the database must outlive the requests that still use it.
        .process_group(0)
        .spawn()
        .map_err(io("could not run", &bin.program("postgres")))
}

/// A shell that waits for the other end of its pipe to close, which happens however this process ends.
fn watch(pid: Pid, place: &Place) -> Result<(Child, ChildStdin), EmbeddedError> {
    let shell = Path::new("/bin/sh");
    let script = r#"read -r _; kill -QUIT "$1" 2>/dev/null || exit 0; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2" "$3""#;
    let mut child = Command::new(shell)
        .args(["-c", script, "jetbridge-watchdog", &pid.to_string()])
        .args([&place.socket_dir, &place.dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(io("could not run", shell))?;
    let pipe =
        child.stdin.take().ok_or_else(|| io("could not talk to", shell)(std::io::Error::other("no pipe")))?;
    Ok((child, pipe))
}

/// The process that serves this place's data, if it is alive. A left-over postmaster.pid may name anybody.
fn running(place: &Place) -> Option<Pid> {
    let text = fs::read_to_string(place.data_dir().join("postmaster.pid")).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)?);
    (!is_gone(pid) && command_line(pid)?.contains(&*place.data_dir().to_string_lossy())).then_some(pid)
}

/// A child of ours that has ended must be waited for, or it seems to live on.
fn is_gone(pid: Pid) -> bool {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => false,
        Ok(_) => true,
        Err(_) => matches!(kill(pid, None), Err(Errno::ESRCH)),
    }
}

fn command_line(pid: Pid) -> Option<String> {
    if let Ok(bytes) = fs::read(format!("/proc/{pid}/cmdline")) {
        return Some(String::from_utf8_lossy(&bytes).into_owned());
    }
    let answer = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output().ok()?;
    Some(String::from_utf8_lossy(&answer.stdout).into_owned())
}

async fn wait_until_ready(place: &Place, mut is_alive: impl FnMut() -> bool) -> Result<(), EmbeddedError> {
    let options = connect_options(place, SUPERUSER, "postgres");
    let deadline = Instant::now() + START_LIMIT;
    while Instant::now() < deadline {
        let alive = is_alive();
        if let Ok(connection) = PgConnection::connect_with(&options).await {
            let _ = connection.close().await;
            return Ok(());
        }
        if !alive {
            break;
        }
        tokio::time::sleep(STEP).await;
    }
    Err(EmbeddedError::NotReady { log: end_of_log(place) })
}

fn end_of_log(place: &Place) -> String {
    const SHOWN: u64 = 2_000;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(place.log_file())?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(SHOWN)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("({error})"))
}
