//! The seal: content-addressed objects with signed runs on top, and the way back from them.
//!
//! Writing a run:
//!
//! 1. [`partition::Partitioner`] takes collected lines in any order and gives them back by group, sorted,
//!    with flat memory.
//! 2. [`RunWriter`] takes groups, resources, findings and coverage, then documents; [`RunWriter::seal`]
//!    signs with a [`Signer`] (such as [`PemSigner`]).
//! 3. [`log::Log`] appends [`log::Draft::started`] before the first call and [`log::Draft::run`] at the end.
//!
//! Reading: [`select::select_run`] finds a run by id, `latest`, `latest~1` or date; [`RunReader`] streams its
//! resources, findings and coverage, and proves single lines ([`proof`]); [`verify::verify`] checks everything; [`diff::diff`] compares two runs.
//!
//! Architecture invariant: no async runtime and no cloud SDK in here; stores come in through
//! [`evidenced_model::Archive`] and [`evidenced_model::Sink`], time through arguments.

pub mod chunk;
pub mod diff;
pub mod dsse;
mod error;
pub mod follow;
pub mod history;
pub mod log;
pub mod merkle;
pub mod object;
pub mod partition;
mod previous;
pub mod proof;
pub mod read;
pub mod rotation;
pub mod select;
mod side;
pub mod signer;
pub mod statement;
pub mod timestamp;
pub mod tree;
pub mod verify;
pub mod withheld;
pub mod write;

pub use error::{KeyError, SealError};
pub use log::Log;
pub use previous::Previous;
pub use read::RunReader;
pub use rotation::KeyLog;
pub use select::{RunRef, select_run};
pub use signer::{Passphrase, PemSigner, PublicKey, PublicKeys, Signer, Validity};
pub use write::{Document, RunHeader, RunWriter, SealedRun, UnsignedRun};
