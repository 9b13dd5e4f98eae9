//! The running program: its version and the digest of its file.

use std::fs::File;
use std::io::Read as _;

use evidenced_model::digest::Hasher;
use evidenced_model::manifest::Binary;

/// The version and SHA-256 of the executable, where it can be read.
pub(crate) fn describe() -> Binary {
    Binary { sha256: digest(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

fn digest() -> Option<evidenced_model::Digest> {
    let mut file = File::open(std::env::current_exe().ok()?).ok()?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
