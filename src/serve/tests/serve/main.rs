//! The endpoint over real connections.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod contract;
mod desk;
mod doors;
mod hostile;
mod pressure;
mod routes;
mod stopping;
