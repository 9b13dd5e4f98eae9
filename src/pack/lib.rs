//! Audit packs: the evidence of a period in one file, whole or with parts withheld, that verifies by itself.
//!
//! A pack is laid out as a store is (`v1/…`), so that whatever reads a store reads a pack. Beside that it holds what
//! people need and nobody signed: instructions, a report, public keys, `SHA256SUMS`, and what it says of itself
//! ([`evidenced_seal::withheld::Declaration`]).
//!
//! 1. [`Plan::new`] chooses the runs of a period and decides, object by object, what is shown.
//! 2. [`Plan::archive`] is the pack as it will be, to be verified and reported on before it is written.
//! 3. [`Plan::write`] writes it, file by file; the same input gives the same bytes.
//!
//! [`Zip`] reads a pack in one file.
//!
//! Architecture invariant: a pack is made from an [`evidenced_model::Archive`] and knows neither clouds nor clocks.

mod attached;
mod error;
mod instructions;
mod mask;
mod names;
mod plan;
mod redact;
mod rule;
mod walk;
mod zip;

pub use attached::attachments;
pub use error::PackError;
pub use instructions::{Facts, instructions};
pub use mask::MaskKey;
pub use plan::{Plan, Request};
pub use rule::{Kept, Rule, Rules};
pub use walk::{Run, runs};
pub use zip::Zip;
