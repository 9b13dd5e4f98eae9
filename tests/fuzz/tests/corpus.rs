//! The fuzz targets on their corpus, whole and spoilt in many ways; the same ways on every machine.

use std::fs;
use std::path::Path;

use evidenced_fuzz::TARGETS;

/// Spoilt copies of each file of the corpus.
const COPIES: usize = 2_000;

/// What parsers stumble over.
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"*",
    b"&a ",
    b"!!str ",
    b"null",
    b"true",
    b"-1e999",
    b"1e400",
    b"9007199254740993",
    b"\\ud800",
    b"NotAction",
    b"NotPrincipal",
    b"Condition",
    b"arn:aws:iam::123456789012:root",
    b"$.",
    b"&&",
    b"||",
    b"NOT EXISTS",
    b"%2e%2e",
    b"- ",
    b"<<: ",
];

#[test]
fn no_bytes_break_a_door() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut corpus: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        corpus.sort();
        assert!(corpus.len() >= 2, "{name} has no corpus");
        let mut random = fastrand::Rng::with_seed(42);
        for path in &corpus {
            let whole = fs::read(path).unwrap();
            target(&whole);
            for _ in 0..COPIES {
                target(&spoil(&whole, &mut random));
            }
        }
        for length in 0..512 {
            let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
            target(&noise);
        }
        // Deeper than any stack.
        for open in [&b"["[..], b"{\"a\":", b"(", b"- ", b"{"] {
            target(&open.repeat(100_000));
        }
    }
}

/// A copy with one to four changes: bytes flipped, cut, doubled, moved, or a token put in.
fn spoil(whole: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..random.usize(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        let to = random.usize(at..=bytes.len().min(at + 64));
        match random.u8(..6) {
            0 => bytes[at] = random.u8(..),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..to)),
            3 => {
                let piece = bytes[at..to].to_vec();
                let into = random.usize(..=bytes.len());
                bytes.splice(into..into, piece);
            }
            4 => {
                let token = TOKENS[random.usize(..TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            _ => {
                let token = TOKENS[random.usize(..TOKENS.len())];
                bytes.splice(at..to, token.iter().copied());
            }
        }
    }
    bytes
}
