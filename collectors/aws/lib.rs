//! Amazon Web Services: the list of its collectors, and the door to its accounts.

mod client;
mod cloud;
mod error;
pub mod policy;
mod scopes;
mod target;
pub mod transport;

pub use client::{ClientOptions, Session};
pub use cloud::Aws;

use std::sync::Arc;

use evidenced_kit::{Collector, Manifest};

/// Every collector of AWS, sorted by id: the one list.
pub fn collectors(session: &Arc<Session>) -> Vec<Arc<dyn Collector>> {
    let _ = session;
    vec![]
}

/// The manifests of [`collectors`], in the same order.
pub fn manifests() -> Vec<&'static Manifest> {
    vec![]
}
