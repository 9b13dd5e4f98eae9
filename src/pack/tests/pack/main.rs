//! Packs as a whole: made from a synthetic company's store, verified, unpacked by others' tools, and tampered with.
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "the names of stored files are in lower case")]

#[cfg(test)]
mod attached;
#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod packed;
#[cfg(test)]
mod redacted;
#[cfg(test)]
#[expect(dead_code, reason = "the seal's tests use more of it")]
#[path = "../../../seal/tests/seal/support.rs"]
mod support;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod whole;
