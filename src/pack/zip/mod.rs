//! Zip files as packs use them (APPNOTE.TXT 6.3): entries stored as they are, one after another, nothing between them.
//!
//! A general reader believes one of several places that tell of an entry, and another reader another. So this reader
//! takes only what this writer writes: then there is nothing that `unzip` could see and we not. Objects are compressed
//! already, so that nothing is lost by storing.

mod read;
mod write;

pub use read::Zip;
pub(crate) use write::Writer;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR: u32 = 0x0706_4b50;

/// The bytes of a local header, as a length and as a count.
const LOCAL_LEN: u64 = 30;
const LOCAL_BYTES: usize = 30;
const CENTRAL_LEN: usize = 46;
const END_LEN: u64 = 22;
const END64_LEN: u64 = 56;
const LOCATOR_LEN: u64 = 20;

/// 1980-01-01, the first day there is: the same input gives the same bytes.
const DATE: u16 = 0x21;
/// Made on Unix, by version 4.5, which knows large files.
const MADE_BY: u16 = 0x032d;
/// A plain file that everybody can read.
const ATTRIBUTES: u32 = 0o100_444 << 16;

/// What is said of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    crc: u32,
    /// Where its local header begins.
    offset: u64,
    size: u32,
}

/// The local header of an entry, without its name.
fn local(place: &Place, name: &str) -> [u8; LOCAL_BYTES] {
    let mut out = [0; LOCAL_BYTES];
    let mut put = Fields { out: &mut out, at: 0 };
    put.u32(LOCAL);
    put.u16(10);
    put.u16(0);
    put.u16(0);
    put.u16(0);
    put.u16(DATE);
    put.u32(place.crc);
    put.u32(place.size);
    put.u32(place.size);
    put.u16(u16::try_from(name.len()).unwrap_or(u16::MAX));
    put.u16(0);
    out
}

/// The central header of an entry, with name and extra field.
fn central(place: &Place, name: &str) -> Vec<u8> {
    let large = place.offset >= u64::from(u32::MAX);
    let mut out = vec![0; CENTRAL_LEN];
    let mut put = Fields { out: &mut out, at: 0 };
    put.u32(CENTRAL);
    put.u16(MADE_BY);
    put.u16(if large { 45 } else { 10 });
    put.u16(0);
    put.u16(0);
    put.u16(0);
    put.u16(DATE);
    put.u32(place.crc);
    put.u32(place.size);
    put.u32(place.size);
    put.u16(u16::try_from(name.len()).unwrap_or(u16::MAX));
    put.u16(if large { 12 } else { 0 });
    put.u16(0);
    put.u16(0);
    put.u16(0);
    put.u32(ATTRIBUTES);
    put.u32(u32::try_from(place.offset).unwrap_or(u32::MAX));
    out.extend_from_slice(name.as_bytes());
    if large {
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&8_u16.to_le_bytes());
        out.extend_from_slice(&place.offset.to_le_bytes());
    }
    out
}

/// What stands behind the last central header.
fn end(count: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let large = count >= u64::from(u16::MAX) || size >= u64::from(u32::MAX) || offset >= u64::from(u32::MAX);
    if large {
        out.extend_from_slice(&END64.to_le_bytes());
        out.extend_from_slice(&(END64_LEN - 12).to_le_bytes());
        out.extend_from_slice(&MADE_BY.to_le_bytes());
        out.extend_from_slice(&45_u16.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        for number in [count, count, size, offset] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&LOCATOR.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(offset + size).to_le_bytes());
        out.extend_from_slice(&1_u32.to_le_bytes());
    }
    out.extend_from_slice(&END.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for _ in 0..2 {
        out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
    }
    for number in [size, offset] {
        out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }
    out.extend_from_slice(&[0; 2]);
    out
}

/// Little-endian fields, one after another.
struct Fields<'o> {
    out: &'o mut [u8],
    at: usize,
}

impl Fields<'_> {
    fn u16(&mut self, value: u16) {
        self.out[self.at..self.at + 2].copy_from_slice(&value.to_le_bytes());
        self.at += 2;
    }

    fn u32(&mut self, value: u32) {
        self.out[self.at..self.at + 4].copy_from_slice(&value.to_le_bytes());
        self.at += 4;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use evidenced_model::Archive as _;

    use super::*;

    #[test]
    fn more_files_than_a_small_zip_can_count() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for number in 0..70_000 {
            writer.file(&format!("v1/{number:06}"), b"x").unwrap();
        }
        writer.finish().unwrap();
        let ours = Zip::new(Box::new(Cursor::new(bytes.clone())), "test".to_owned()).unwrap();
        assert_eq!(ours.names().count(), 70_000);
        assert_eq!(ours.read("v1/069999", 1).unwrap(), Some(b"x".to_vec()));
        let mut theirs = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(theirs.len(), 70_000);
        let mut text = String::new();
        theirs.by_name("v1/069999").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn a_file_is_no_folder() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for name in ["v1/a", "v1/a-b", "v1/a/b"] {
            writer.file(name, b"x").unwrap();
        }
        writer.finish().unwrap();
        let error = Zip::new(Box::new(Cursor::new(bytes)), "test".to_owned()).err().unwrap();
        assert!(error.to_string().contains("\"v1/a\" is a file and a folder"), "{error}");
    }

    #[test]
    fn a_place_behind_four_gibibytes_has_an_extra_field() {
        for offset in [0, u64::from(u32::MAX) - 1, u64::from(u32::MAX), 1 << 40] {
            let place = Place { crc: 7, offset, size: 9 };
            let mut header = &central(&place, "v1/x")[..];
            assert_eq!(read::entry(&mut header).unwrap(), ("v1/x".to_owned(), place));
            assert!(header.is_empty());
        }
    }
}
