//! The endpoint of the daemon: health, metrics, and the state of evidence, over HTTP.
//!
//! [`Server::bind`] answers on a thread of its own, so that collecting cannot slow it. What it answers comes from a
//! [`Desk`]; what is counted for `/metrics` stands in [`Metrics`].
//!
//! A request passes four doors before anybody looks at what it wants: its size and time ([`Limits`]), its `Host` (a page
//! of somebody else that rebinds its name is turned away), its `Origin`, and its [`Token`].

mod answer;
mod ask;
mod config;
mod desk;
mod door;
mod handle;
mod host;
mod metrics;
mod pages;
mod problem;
mod process;
mod pulse;
mod query;
mod route;
mod seats;
mod server;
mod token;
mod watched;

pub use config::{Limits, ServeConfig, ServeError};
pub use desk::{
    ConfigStatus, Controls, Desk, DeskError, EvidenceAge, FindingKey, FindingsQuery, Page, Paged, Readiness, Reason,
    RunSummary, ScheduleStatus, SlotStatus, SpoolStatus, StartRequest, Started, Status, StoredFinding,
};
pub use metrics::{Metrics, Outcome, RunEnd};
pub use pulse::Pulse;
pub use server::{Server, ServerHandle};
pub use token::Token;

/// The `OpenAPI` document, as it is served.
pub const OPENAPI: &str = include_str!("openapi.json");
