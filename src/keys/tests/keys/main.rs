//! Keys in key services and authorities that stamp: others' servers where there are any, and small ones of ours.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails, and tells its parent")]

#[cfg(all(test, feature = "gcp"))]
mod gcp;
#[cfg(all(test, feature = "aws"))]
mod kms;
#[cfg(test)]
mod server;
#[cfg(test)]
mod stamping;
