//! The contract between a cloud's collectors and the agent, and everything that every collector needs:
//! calls with retries, limits and timeouts, gaps, coverage, redaction, cassettes and one conformance suite.
//!
//! A collector cannot fail: what it could not read, it writes down as a gap.

mod call;
pub mod cassette;
mod cloud;
mod collector;
pub mod conformance;
mod coverage;
mod drive;
mod error;
mod limits;
mod out;
pub mod redact;
mod stats;

pub use call::{Answered, Calls, Failure, current_operation};
pub use cloud::{
    AccountSession, Cloud, Listed, Mine, OpenContext, Opened, PermissionForm, PriceClass, Principal, Rights, Weighed,
};
pub use collector::{Collector, Manifest, Operation, Per, Reach};
pub use coverage::CoverageBuilder;
pub use drive::{Job, drive};
pub use error::TargetError;
pub use limits::{Limits, LimitsConfig};
pub use out::{Event, Out, Wants, Write};
pub use stats::{CallCounts, CallSample, Captured, Stats, StatsReport};
