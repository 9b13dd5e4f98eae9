//! The ground floor: the nouns every other storey speaks in, and the bytes they become.
//!
//! Nothing in here reads a clock, a disk or a network.

pub mod archive;
pub mod attachment;
pub mod canon;
pub mod clock;
pub mod control;
pub mod coverage;
pub mod digest;
mod error;
pub mod finding;
pub mod gap;
mod glob;
pub mod id;
pub mod kind;
pub mod manifest;
pub mod memory;
pub mod owner;
pub mod rejudgement;
pub mod resource;
pub mod run;
pub mod scope;

pub use archive::{Archive, ArchiveError, Put, Remark, Sink, SinkError, valid_path};
pub use attachment::{AttachedTo, Attachment};
pub use clock::{Clock, FixedClock};
pub use control::{ControlStanding, ObjectiveCount, Standing, Strength, Tally};
pub use coverage::{AccountCoverage, Cell, CellState, ControlTotal, Coverage, GapCount};
pub use digest::Digest;
pub use error::ModelError;
pub use finding::{Because, Finding, RestsOn, Severity, Verdict, WaiverRef};
pub use gap::{Cause, Refusal};
pub use glob::glob;
pub use id::{Account, AgentId, CatalogId, CheckId, ControlId, KindId, ObjectiveId, Provider, Region, RunId};
pub use kind::{FieldDecl, FieldType, KindDecl, Span};
pub use manifest::{
    Assurance, Binary, CallStats, Calls, ClockCheck, Controls, Exclusion, ListedAccount, Listing, LockMode, Manifest,
    Principal, Sample, Shard, Slot, Totals, VerdictCounts,
};
pub use memory::{Memory, NullSink};
pub use owner::{owned_by, owner};
pub use rejudgement::Rejudgement;
pub use resource::{Field, Resource, ResourceLine, Unread};
pub use run::{LogHead, RunStatus, Window};
pub use scope::Scope;
