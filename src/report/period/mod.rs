//! A period: what the evidence of many runs says of each control, its holes and its changes.
//!
//! [`PeriodBuilder`] is fed run by run, and of each run only with what changed since the run before; [`Slots`] accounts
//! for the slots of a schedule. What comes out is a [`Period`]. Nothing is judged again in here, and no store is read.

mod builder;
mod clauses;
mod controls;
mod document;
mod facts;
mod fails;
mod finish;
mod slots;
mod stream;
mod text;

pub use crate::json::period as json;
pub use builder::PeriodBuilder;
pub use document::*;
pub use facts::{
    AgentPart, CatalogRule, CheckRule, ClauseRule, ControlRule, Declared, DeclaredWaiver, Line, LogFacts, PeriodLimits,
    Rejudged, Rules, RunFacts, StandingFact,
};
pub use slots::{SlotFact, Slots};
pub use text::text;
