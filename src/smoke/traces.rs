//! What the journey must leave in the site's log, and what it must not.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use super::Fault;

/// The end of a log that the journey can have written.
const READ: u64 = 32 * 1024 * 1024;

/// The lines that were written last.
pub fn read(path: &Path) -> Result<String, Fault> {
    let unreadable = |error: std::io::Error| Fault(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(READ))).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How many of the requests are not told of.
pub fn missing(log: &str, request_ids: &[String]) -> usize {
    let answered: Vec<&str> = log.lines().filter(|line| line.contains("answered")).collect();
    request_ids.iter().filter(|id| !answered.iter().any(|line| line.contains(id.as_str()))).count()
}

/// What somebody who travels typed, and stands in the log; named by what it is, not by its words.
pub fn told<'a>(log: &str, secrets: &[(&'a str, &str)]) -> Option<&'a str> {
    secrets.iter().find(|(_, secret)| !secret.is_empty() && log.contains(secret)).map(|(what, _)| *what)
}

/// Lines that a machine was promised as JSON, and cannot read.
pub fn unreadable(log: &str) -> usize {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let is_json = lines.iter().filter(|line| line.starts_with('{')).count() > lines.len() / 2;
    let broken = |line: &&&str| serde_json::from_str::<serde_json::Value>(line).is_err();
    // The first may be cut in the middle.
    if is_json { lines.iter().skip(1).filter(broken).count() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_for_what_is_missing_and_for_what_should_not_be_there() {
        let log = "{\"span\":{\"id\":\"r1\"},\"message\":\"answered\"}\n{\"message\":\"r2\"}\nnonsense\n";
        assert_eq!(missing(log, &["r1".to_owned(), "r2".to_owned()]), 1);
        assert_eq!(unreadable(log), 1);
        assert_eq!(unreadable("plain text\nmore of it\n"), 0);
        assert_eq!(told(log, &[("the password", "secret"), ("an id", "r2")]), Some("an id"));
        assert_eq!(told(log, &[("nothing", "")]), None);
    }
}
