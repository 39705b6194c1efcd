//! A ZIP file of a few small files, stored as they are: PDFs are compressed already, and a bank's clerk wants one download.

use jiff::{Timestamp, tz::TimeZone};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// 2.0, the version that every reader knows.
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 0x0800;

/// What goes in under which name. `None`: more or longer files than the plain format counts.
pub fn zip(files: &[(String, Vec<u8>)], at: Timestamp) -> Option<Vec<u8>> {
    let (time, day) = dos_time(at);
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, bytes) in files {
        let offset = u32::try_from(out.len()).ok()?;
        let length = u32::try_from(bytes.len()).ok()?;
        let mut facts = Vec::new();
        shorts(&mut facts, &[VERSION, FLAGS, 0, time, day]);
        longs(&mut facts, &[crc32(bytes), length, length]);
        shorts(&mut facts, &[u16::try_from(name.len()).ok()?, 0]);

        longs(&mut out, &[LOCAL]);
        out.extend(&facts);
        out.extend(name.as_bytes());
        out.extend(bytes);

        longs(&mut directory, &[CENTRAL]);
        shorts(&mut directory, &[VERSION]);
        directory.extend(&facts);
        // No comment, the first disk, no attributes.
        shorts(&mut directory, &[0, 0, 0]);
        longs(&mut directory, &[0, offset]);
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(files.len()).ok()?;
    let begins = u32::try_from(out.len()).ok()?;
    let length = u32::try_from(directory.len()).ok()?;
    out.extend(directory);
    longs(&mut out, &[END]);
    shorts(&mut out, &[0, 0, count, count]);
    longs(&mut out, &[length, begins]);
    shorts(&mut out, &[0]);
    Some(out)
}

fn shorts(out: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn longs(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

/// Time and date as MS-DOS had them, to two seconds, in UTC.
fn dos_time(at: Timestamp) -> (u16, u16) {
    let at = TimeZone::UTC.to_datetime(at);
    let part = |number: i8| u16::from(number.unsigned_abs());
    let time = part(at.hour()) << 11 | part(at.minute()) << 5 | part(at.second()) / 2;
    let year = u16::try_from(at.year()).unwrap_or(1980).clamp(1980, 2107) - 1980;
    (time, year << 9 | part(at.month()) << 5 | part(at.day()))
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_that_everybody_computes() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_file_is_found_where_the_directory_says() {
        let files = [("a.txt".to_owned(), b"one".to_vec()), ("mails/b.txt".to_owned(), b"two".to_vec())];
        let zip = zip(&files, "2026-11-23T09:00:02Z".parse().unwrap()).unwrap();
        let end = zip.len() - 22;
        assert_eq!(zip[end..end + 4], END.to_le_bytes());
        assert_eq!(zip[end + 10], 2);
        let begins = u32::from_le_bytes(zip[end + 16..end + 20].try_into().unwrap()) as usize;
        assert_eq!(zip[begins..begins + 4], CENTRAL.to_le_bytes());
        assert_eq!(&zip[30..38], b"a.txtone");
    }

    #[test]
    fn times_are_those_of_ms_dos() {
        let (time, day) = dos_time("2026-11-23T09:05:07Z".parse().unwrap());
        assert_eq!((time >> 11, time >> 5 & 63, time & 31), (9, 5, 3));
        assert_eq!((day >> 9, day >> 5 & 15, day & 31), (46, 11, 23));
    }
}
