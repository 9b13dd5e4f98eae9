//! The spool: what was sealed stays on the disk until the store has it and the log names it.
//!
//! - [`Spool`] is the folder: runs under way, sealed bundles, and log entries that wait, all in one order.
//! - [`BundleWriter`] takes a run while it is sealed; one rename makes it a bundle.
//! - [`Spool::enqueue_sealed`] takes a log entry with the objects that it is about; [`ParcelWriter`] takes large ones.
//! - [`Spool::push`] sends what waits to a [`Remote`]: objects, envelope, tokens, log entry. It may be killed
//!   anywhere and called again: everything ends up in the store exactly once.
//! - [`Overlay`] reads the spool over the store, so that a run builds on the one before it also while the
//!   store is away.
//! - [`Lease`] keeps two agents of one id from doing the work twice. Nothing rests on it.
//!
//! Architecture invariant: nothing in here drops a sealed run. A full disk or a full spool stops new runs.

mod bundle;
mod cache;
mod disk;
mod error;
mod journal;
mod lease;
mod list;
mod orphans;
mod overlay;
mod parcel;
pub mod places;
mod push;
mod remote;
mod room;
mod spool;

pub use bundle::{BundleWriter, Sealing};
pub use error::SpoolError;
pub use lease::{Lease, Taken};
pub use list::{Listed, ListedParcel, State, list, list_parcels};
pub use overlay::Overlay;
pub use parcel::{Copied, ParcelWriter};
pub use push::{Pushed, Pusher, Stamper};
pub use remote::Remote;
pub use room::Room;
pub use spool::{Base, Spool};
