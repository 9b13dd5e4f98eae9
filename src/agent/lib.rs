//! The agent: config, plan, collecting, judging and sealing in their one order, and the commands on top.
//!
//! Architecture invariant: only `cycle` knows the order of the stages, and only this crate knows the
//! environment, the wall clock and the process.

mod ambient;
mod args;
mod binary;
mod bytes;
mod catalogue;
mod clock;
mod collect;
mod commands;
mod config;
mod cycle;
mod daemon;
mod declared;
mod declaring;
mod documents;
mod exit;
mod judging;
mod keeper;
mod lines;
mod locate;
mod logging;
mod needs;
mod opened;
mod period;
mod plan;
mod progress;
mod reevaluate;
mod sampling;
mod scheduling;
mod sealing;
mod serving;
mod shard;
mod span;
mod stamps;
mod state;
mod stop;
mod storing;
mod tallies;
mod telemetry;
mod telling;
mod upgrade;

pub use clock::Time;
#[cfg(feature = "failpoints")]
pub use commands::print_places;
pub use commands::{run, run_in};
pub use config::Config;
pub use config::normalised;
pub use declared::normalised_isms;
pub use exit::Exit;
