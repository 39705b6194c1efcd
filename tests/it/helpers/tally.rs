//! What a run of the tests has walked through. A passing test's own words are swallowed, so it writes them down here as well, for
//! `bin/test` to read out at the end.

use std::{
    fs::{OpenOptions, create_dir_all},
    io::Write as _,
    path::Path,
};

/// One line, as a whole: tests run beside one another.
pub fn note(line: &str) {
    println!("{line}");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    create_dir_all(&dir).expect("target");
    let file = OpenOptions::new().create(true).append(true).open(dir.join("walked.txt"));
    let mut file = file.expect("target/walked.txt");
    file.write_all(format!("{line}\n").as_bytes()).expect("a line");
}
