//! A few files as one download. They are stored as they are: PDFs are compressed already, and the rest is short.

use std::io::{Cursor, Write};

use jiff::{Timestamp, tz::TimeZone};
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipResult, write::SimpleFileOptions};

/// What goes in under which name.
pub fn zip(files: &[(String, Vec<u8>)], at: Timestamp) -> ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(to_two_seconds(at));
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        out.start_file(name.as_str(), options)?;
        out.write_all(bytes)?;
    }
    Ok(out.finish()?.into_inner())
}

/// As MS-DOS told the time, in UTC.
fn to_two_seconds(at: Timestamp) -> DateTime {
    let at = TimeZone::UTC.to_datetime(at);
    let part = |number: i8| number.unsigned_abs();
    let year = at.year().unsigned_abs();
    DateTime::from_date_and_time(
        year,
        part(at.month()),
        part(at.day()),
        part(at.hour()),
        part(at.minute()),
        part(at.second()),
    )
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn each_file_is_found_again_with_its_bytes_and_its_time() {
        let files = [("a.txt".to_owned(), b"one".to_vec()), ("mails/b.txt".to_owned(), b"two".to_vec())];
        let bytes = zip(&files, "2026-11-23T09:05:06Z".parse().unwrap()).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(archive.len(), 2);
        for (name, wanted) in &files {
            let mut file = archive.by_name(name).unwrap();
            let at = file.last_modified().unwrap();
            assert_eq!((at.year(), at.month(), at.day()), (2026, 11, 23));
            assert_eq!((at.hour(), at.minute(), at.second()), (9, 5, 6));
            let mut found = Vec::new();
            file.read_to_end(&mut found).unwrap();
            assert_eq!(&found, wanted);
        }
    }
}
