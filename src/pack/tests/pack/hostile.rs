//! Zip files that somebody made to hurt: none is opened as a pack, or what is in it is what it says.

use std::io::{Cursor, Read as _, Write as _};

use evidenced_model::Archive as _;
use evidenced_seal::verify::verify;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::packed::{open, options, pack, request, world};

/// A small pack and the place of its directory.
fn small() -> (Vec<u8>, usize) {
    let mut world = crate::support::World::new();
    let mut population = crate::support::company();
    population.remove(&("123456789012", "eu-central-1", "aws.s3.bucket"));
    for _ in 0..2 {
        world.run(&population);
    }
    let keys = world.keys();
    let mut request = request(&world, &keys, &["kind=aws.kms.*"]);
    request.from = None;
    let bytes = pack(request, &keys).unwrap();
    let end = bytes.len() - 22;
    let directory = u32::from_le_bytes(bytes[end + 16..end + 20].try_into().unwrap()) as usize;
    (bytes, directory)
}

/// The same with each occurrence of a name changed, in headers and directory.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    let mut at = 0;
    let mut count = 0;
    while at + from.len() <= out.len() {
        if &out[at..at + from.len()] == from.as_bytes() {
            out[at..at + from.len()].copy_from_slice(to.as_bytes());
            count += 1;
        }
        at += 1;
    }
    assert!(count >= 2, "{from} is in its header and in the directory");
    out
}

#[track_caller]
fn refused(bytes: Vec<u8>, because: &str) {
    let error = open(bytes).err().expect("it is refused").to_string();
    assert!(error.contains(because), "{error}");
}

#[test]
fn names_that_lead_out_or_stand_twice_are_refused() {
    let (bytes, _) = small();
    assert!(open(bytes.clone()).is_ok());
    for name in [
        "../../x.tx",
        "/etc/x.txt",
        "a/../x.txt",
        "a//b/c.txt",
        "C:\\x\\xx.tx",
        "a\0b.txt.tx",
        ".hidden.tx",
        "README.t\u{e9}",
    ] {
        refused(renamed(&bytes, "README.txt", name), "lead out of the folder");
    }
    refused(renamed(&bytes, "000000000001.dsse.json", "000000000000.dsse.json"), "there twice");
    refused(renamed(&bytes, "SHA256SUMS", "pack.json1"), "not in order");
}

#[test]
fn only_files_stored_as_they_are_are_taken() {
    let (bytes, directory) = small();
    let patched = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[directory + at] = value;
        bytes
    };
    // Offsets within a central header: APPNOTE.TXT 4.3.12.
    for (what, at, value) in [
        ("encrypted", 8, 1),
        ("a size that comes later", 8, 8),
        ("compressed", 10, 8),
        ("another size before compression", 24, 1),
        ("with a comment", 32, 1),
        ("on another disk", 34, 1),
        ("a symbolic link", 41, 0xa1),
        ("made elsewhere", 5, 0),
    ] {
        let error = open(patched(at, value)).err().unwrap_or_else(|| panic!("{what} is refused")).to_string();
        assert!(
            error.contains("not stored as packs") || error.contains("lead out") || error.contains("fill"),
            "{what}: {error}"
        );
    }
    refused(patched(42, 1), "overlaps");
    // Its own header says something else: that is seen when the file is read.
    let mut bent = bytes.clone();
    bent[18] ^= 1;
    let zip = open(bent).unwrap();
    let error = zip.open("README.txt").err().unwrap().to_string();
    assert!(error.contains("README.txt") && error.contains("header"), "{error}");
}

#[test]
fn nothing_stands_before_between_or_behind() {
    let (bytes, directory) = small();
    refused([b"x", &bytes[..]].concat(), "");
    refused([&bytes[..], b"x"].concat(), "does not end");
    let mut between = bytes.clone();
    between.splice(directory..directory, *b"PK");
    refused(between, "");
    for cut in [0, 1, 21, 22, 23, bytes.len() / 2, bytes.len() - 1] {
        refused(bytes[..cut].to_vec(), "");
    }
    // A directory of more files than a file of this size can hold.
    let mut many = bytes.clone();
    let end = many.len() - 22;
    many[end + 8..end + 12].copy_from_slice(&[0xfe, 0xff, 0xfe, 0xff]);
    refused(many, "does not end");
}

#[test]
fn what_other_programs_pack_is_refused_with_advice() {
    for method in [CompressionMethod::Deflated, CompressionMethod::Stored] {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("pack.json", SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(&vec![b' '; 100_000]).unwrap();
        refused(writer.finish().unwrap().into_inner(), "unpack it and verify the folder");
    }
    refused(b"no zip at all".to_vec(), "not a zip file");
}

#[test]
fn a_claim_of_gigabytes_costs_nothing() {
    // An end that speaks of 2^60 files: nothing is allocated for them.
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&0x0606_4b50_u32.to_le_bytes());
    bytes.extend_from_slice(&44_u64.to_le_bytes());
    bytes.extend_from_slice(&[0x2d, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [1_u64 << 60, 1 << 60, u64::MAX - 100, 0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&0x0706_4b50_u32.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(u64::MAX - 100).to_le_bytes());
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&0x0605_4b50_u32.to_le_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0]);
    refused(bytes, "does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever bytes are changed, opening, reading and verifying come to an end, and what verifies is whole.
    #[test]
    fn no_change_of_bytes_breaks_it(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        static SMALL: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| small().0);
        let mut bytes = SMALL.clone();
        for (at, value) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if let Ok(zip) = open(bytes) {
            let names: Vec<String> = zip.names().map(str::to_owned).collect();
            for name in names {
                if let Ok(Some(mut file)) = zip.open(&name) {
                    let mut bytes = Vec::new();
                    file.read_to_end(&mut bytes).unwrap();
                }
            }
            let _ = verify(&zip, &options(&crate::support::World::new().keys()), &mut |_, _| {});
        }
    }
}

#[test]
fn a_large_pack_is_read_by_its_names() {
    let world = world();
    let keys = world.keys();
    let zip = open(pack(request(&world, &keys, &[]), &keys).unwrap()).unwrap();
    for name in zip.names() {
        let mut bytes = Vec::new();
        zip.open(name).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
        // Two readers at once do not disturb each other.
        let mut one = zip.open(name).unwrap().unwrap();
        let mut other = zip.open("pack.json").unwrap().unwrap();
        let mut first = vec![0; bytes.len().min(10)];
        one.read_exact(&mut first).unwrap();
        let mut rest = Vec::new();
        other.read_to_end(&mut rest).unwrap();
        assert!(rest.starts_with(b"{\"format\""));
        rest.clear();
        one.read_to_end(&mut rest).unwrap();
        assert_eq!([first, rest].concat(), bytes, "{name}");
    }
}
