//! Where the cluster lives and as whom it runs. PostgreSQL refuses root, so under root it runs as `postgres` or `nobody`,
//! and then every directory on the way must be one that this user can enter: /root, for example, is not.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::ErrorKind,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{Uid, User, geteuid};
use sha2::{Digest, Sha256};

use super::{EmbeddedError, PORT, io};

/// `sun_path` holds 108 bytes on Linux (104 on macOS), the final zero included.
const SOCKET_PATH_LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What a directory needs so that the server's user can work below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

#[derive(Debug)]
pub struct Place {
    /// Everything of the cluster: data, log, locks.
    pub dir: PathBuf,
    pub socket_dir: PathBuf,
    /// As whom the server runs, where that is not who we are.
    pub owner: Option<Owner>,
    /// Name of the user that connects, for the map of `peer` authentication.
    pub client_name: String,
}

impl Place {
    pub fn prepare(wanted: &Path) -> Result<Self, EmbeddedError> {
        let owner = if geteuid().is_root() { Some(server_user()?) } else { None };
        let client_name =
            User::from_uid(geteuid()).ok().flatten().map_or_else(|| "root".to_owned(), |user| user.name);
        let wanted = std::path::absolute(wanted).map_err(io("could not resolve", wanted))?;
        let mut dir = wanted;
        make_parent(&dir)?;
        if let Some(owner) = owner
            && !can_enter(&dir, owner)
        {
            let other = fallback_dir(&dir);
            tracing::warn!(
                wanted = %dir.display(), used = %other.display(),
                "the user that PostgreSQL runs as cannot enter the data directory, so the data is kept elsewhere"
            );
            dir = other;
            make_parent(&dir)?;
        }
        make_private_dir(&dir, owner)?;
        let socket_dir = if fits_a_socket(&dir) { dir.clone() } else { short_dir(&dir) };
        make_private_dir(&socket_dir, owner)?;
        if socket_dir != dir {
            tracing::info!(socket = %socket_dir.display(), "the path of the data directory does not suit a socket, so that is elsewhere");
        }
        Ok(Self { dir, socket_dir, owner, client_name })
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("pgdata")
    }

    pub fn log_file(&self) -> PathBuf {
        self.dir.join("postgresql.log")
    }

    pub fn downloads(&self) -> PathBuf {
        self.dir.join("postgresql")
    }

    /// Held while somebody starts or stops the server.
    pub fn gate_file(&self) -> PathBuf {
        self.dir.join("gate.lock")
    }

    pub fn users_file(&self) -> PathBuf {
        self.dir.join("users.lock")
    }

    pub fn socket_file(&self) -> PathBuf {
        self.socket_dir.join(format!(".s.PGSQL.{PORT}"))
    }

    /// The version that made the data, if there is data.
    pub fn data_version(&self) -> Option<u32> {
        fs::read_to_string(self.data_dir().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// A command that runs as the server's user, in a directory that it can enter.
    pub fn command(&self, program: &Path) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(program);
        command.current_dir(&self.dir);
        // Variables such as PGDATA or PGPORT would change what the server's programs do.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        if let Some(owner) = self.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        command
    }

    /// Gives a file that we have written to the server's user.
    pub fn hand_over(&self, path: &Path) -> Result<(), EmbeddedError> {
        match self.owner {
            Some(owner) => {
                chown(path, Some(owner.uid), Some(owner.gid)).map_err(io("could not hand over", path))
            }
            None => Ok(()),
        }
    }

    pub fn remove(&self) {
        for dir in [&self.socket_dir, &self.dir] {
            if let Err(error) = fs::remove_dir_all(dir)
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(%error, dir = %dir.display(), "could not remove a throwaway cluster");
            }
        }
    }
}

fn make_parent(dir: &Path) -> Result<(), EmbeddedError> {
    match dir.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(io("could not make", parent)),
        None => Ok(()),
    }
}

fn server_user() -> Result<Owner, EmbeddedError> {
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
        .ok_or(EmbeddedError::NobodyToRunAs)
}

/// Whether the owner may pass through every directory above `dir`.
fn can_enter(dir: &Path, owner: Owner) -> bool {
    dir.ancestors().skip(1).filter_map(|above| fs::metadata(above).ok()).all(|meta| {
        let bit = match (meta.uid() == owner.uid, meta.gid() == owner.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        meta.is_dir() && meta.mode() & bit != 0
    })
}

fn short_hash(dir: &Path) -> String {
    hex::encode(&Sha256::digest(dir.as_os_str().as_bytes())[..8])
}

fn fallback_dir(wanted: &Path) -> PathBuf {
    let name = format!("jetbridge-{}", short_hash(wanted));
    let lasting = Path::new("/var/lib");
    if lasting.is_dir() { lasting.join(name) } else { std::env::temp_dir().join(name) }
}

fn short_dir(dir: &Path) -> PathBuf {
    Path::new("/tmp").join(format!("jetbridge-{}", short_hash(dir)))
}

/// The setting for the socket's directory is a list with commas, so only plain paths are used for it.
fn fits_a_socket(dir: &Path) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+ ".contains(b);
    dir.join(format!(".s.PGSQL.{PORT}")).as_os_str().len() <= SOCKET_PATH_LIMIT
        && dir.as_os_str().as_bytes().iter().all(plain)
}

/// Makes `dir` with mode 0700 for the server's user. One that is there already must be theirs or ours, and no link: in
/// /tmp anybody could have put it there.
fn make_private_dir(dir: &Path, owner: Option<Owner>) -> Result<(), EmbeddedError> {
    if let Err(error) = DirBuilder::new().mode(0o700).create(dir)
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(io("could not make", dir)(error));
    }
    let meta = fs::symlink_metadata(dir).map_err(io("could not look at", dir))?;
    let ours = meta.uid() == geteuid().as_raw() || owner.is_some_and(|owner| meta.uid() == owner.uid);
    if !meta.is_dir() || !ours {
        return Err(EmbeddedError::NotPrivate(dir.to_owned()));
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(io("could not close", dir))?;
    if let Some(owner) = owner
        && Uid::from_raw(meta.uid()) != Uid::from_raw(owner.uid)
    {
        chown(dir, Some(owner.uid), Some(owner.gid)).map_err(io("could not hand over", dir))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: Owner = Owner { uid: 54_321, gid: 54_321 };

    #[test]
    fn a_stranger_can_enter_tmp_but_nothing_below_a_closed_directory() {
        assert!(can_enter(Path::new("/tmp/some/where"), STRANGER));
        let closed = std::env::temp_dir().join(format!("jetbridge-closed-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&closed).unwrap();
        assert!(!can_enter(&closed.join("data"), STRANGER));
        fs::remove_dir(&closed).unwrap();
    }

    #[test]
    fn a_long_or_odd_path_gets_its_socket_elsewhere() {
        assert!(fits_a_socket(Path::new("/home/maria/jetbridge/data/postgres")));
        assert!(!fits_a_socket(&Path::new("/").join("d".repeat(100))));
        assert!(!fits_a_socket(Path::new("/home/a,b")));
        assert!(fits_a_socket(&short_dir(Path::new("/home/a,b"))));
    }

    #[test]
    fn a_link_or_a_strangers_directory_is_not_used() {
        let link = std::env::temp_dir().join(format!("jetbridge-link-{}", std::process::id()));
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        assert!(matches!(make_private_dir(&link, None), Err(EmbeddedError::NotPrivate(_))));
        fs::remove_file(&link).unwrap();
    }
}
