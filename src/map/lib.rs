//! From findings to controls: catalogues, objectives, links, and how each control stands.
//!
//! A check serves an objective, a control links to objectives; neither knows of the other. Data comes in as text and
//! findings, and goes out as standings: no disk, no network, no clock.

mod applicability;
mod catalog;
mod counts;
mod crosswalk;
mod error;
pub mod lines;
mod load;
mod mapping;
mod plan;
mod standing;

pub use applicability::Applicability;
pub use catalog::{Automatable, Catalog, Clause, Confidence, Control, Correspondence, Duty, Level};
pub use counts::{CheckCount, Counts};
pub use crosswalk::{Crosswalk, Move, Relation};
pub use error::{At, MapError};
pub use load::{File, Sources};
pub use mapping::{ControlLinks, Link, Mapping};
pub use plan::{Plan, PlannedCheck};
pub use standing::Basis;
