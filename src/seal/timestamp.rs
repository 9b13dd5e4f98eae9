//! Trusted time: RFC 3161 tokens over the bytes of a run's signature, asked for and checked, offline.
//!
//! A token is a whole `TimeStampResp` (DER), as `openssl ts` reads it. It says that an authority saw the
//! signature at its time, and so that the run was sealed by then. [`Query`] makes the request and takes the
//! answer; [`check`] checks a stored token, with nothing but [`Anchors`] that the caller trusts.

mod error;
mod query;
mod token;
mod trust;

use evidenced_model::{Archive, Digest};
use jiff::Timestamp;

pub use error::TokenError;
pub use query::Query;
pub use trust::Anchors;

use crate::SealError;

/// No token is larger, in bytes: four times a chain of three large certificates.
pub const MAX_TOKEN: u64 = 64 * 1024;

/// What an authority says in a token, after everything in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// How far its time may be off, in milliseconds; `None` if the authority does not say.
    pub accuracy_ms: Option<u64>,
    /// The name in the authority's certificate.
    pub authority: String,
    /// The policy under which it stamps: an object identifier.
    pub policy: String,
    /// The token's serial number, in hexadecimal.
    pub serial: String,
    /// When it saw the signature.
    pub time: Timestamp,
}

/// Checks a stored token over these signature bytes: that it is granted, is for them, and is signed by a
/// certificate for time-stamping alone, which the token's own attributes name (RFC 3161, 5035, 5652, 5816).
/// With anchors, that certificate must lead to one of them, with every certificate valid at the stamped time;
/// without, whoever made it is taken at his word.
pub fn check(token: &[u8], signature: &[u8], anchors: Option<&Anchors>) -> Result<Stamp, TokenError> {
    let token = token::Token::parse(token)?;
    token.is_for(Digest::of(signature).as_bytes())?;
    trust::check(&token, anchors)
}

/// Where the token of a run is stored: beside its statement, named by the SHA-256 of its own bytes.
pub fn token_path(run_path: &str, token: &[u8]) -> String {
    format!("{}run.{}{EXTENSION}", folder_of(run_path), Digest::of(token))
}

/// The paths of all tokens of a run, sorted. What is in them has not been looked at.
pub fn tokens(archive: &dyn Archive, run_path: &str) -> Result<Vec<String>, SealError> {
    let folder = folder_of(run_path);
    let names = archive.list(folder)?;
    Ok(names.iter().filter(|name| is_token(name)).map(|name| format!("{folder}{name}")).collect())
}

/// Whether a file beside a run's statement is meant to be a token.
pub(crate) fn is_token(name: &str) -> bool {
    name.ends_with(EXTENSION)
}

const EXTENSION: &str = ".tsr";

fn folder_of(run_path: &str) -> &str {
    run_path.rfind('/').map_or("", |slash| &run_path[..=slash])
}
