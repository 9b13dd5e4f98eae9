//! Every store against servers that are not ours: one suite for all, then what each can and cannot do.
// Without a cloud there is nothing here to be tested; `cargo xtask test` builds with all of them.
#![cfg(all(feature = "aws", feature = "azure", feature = "gcp"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod attacks;
mod conformance;
mod locks;
mod outages;
mod support;
