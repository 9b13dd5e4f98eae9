//! Stores: where evidence lies, and whether it can be changed there.
//!
//! - [`Store`] is the contract: create-only writes, reading back, and an honest word about locks.
//! - [`open`] opens a store by its URL for writing, [`open_archive`] for reading only.
//! - [`Folder`] is a store on a disk; it is also a plain [`evidenced_model::Sink`] and [`evidenced_model::Archive`].
//! - `s3://`, `azblob://` and `gs://` are built with the features `aws`, `azure` and `gcp`. What a cloud does, one
//!   request each, stands in a room of its own; what they share (retries, versions, locks) stands in `remote`.
//! - [`put_all`] writes many files beside each other.
//! - [`conformance`] is the suite that every store passes.

#[cfg(feature = "azure")]
mod azblob;
// Always built, as a feature for tests only would build everything above twice.
pub mod conformance;
mod contract;
mod error;
pub mod folder;
#[cfg(feature = "gcp")]
mod gcs;
mod lock;
mod open;
mod parallel;
mod path;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
mod remote;
#[cfg(feature = "aws")]
mod s3;

pub use contract::{Lock, Probe, Store};
pub use error::StoreError;
pub use folder::Folder;
pub use lock::{GRACE_DAYS, Retention, due};
pub use open::{AwsKey, AzureClient, AzureKey, Options, check_url, open, open_archive};
pub use parallel::{Limits, Upload, Uploaded, put_all};
pub use path::valid_path;
