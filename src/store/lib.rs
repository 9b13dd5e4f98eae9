//! Stores: where evidence lies, and whether it can be changed there.
//!
//! - [`Store`] is the contract: create-only writes, reading back, and an honest word about locks.
//! - [`Folder`] is a store on a disk; it is also a plain [`evidenced_model::Sink`] and [`evidenced_model::Archive`].
//! - [`open`] opens a store by its URL or path.
//! - `conformance` (with the feature of that name) is the suite that every store passes.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod contract;
mod error;
pub mod folder;
mod path;

pub use contract::{Lock, Probe, Store};
pub use error::StoreError;
pub use folder::Folder;
pub use path::valid_path;

/// Opens a store for writing: `file:///path`, or a plain path.
pub fn open(url: &str) -> Result<std::sync::Arc<dyn Store>, StoreError> {
    Ok(std::sync::Arc::new(Folder::create(url)?))
}
