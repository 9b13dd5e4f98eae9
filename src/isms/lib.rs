//! What an organisation declares of itself: which controls apply, what is waived, what is in scope, who answers for it.
//!
//! [`Isms::load`] reads `isms.yaml` and holds it against what is known. [`Isms`] is also the form that is sealed with
//! runs and stored beside the log. [`InForce`] marks findings with the waivers that hold at a moment; it never changes
//! a verdict. No disk, no clock: the caller brings the text and the day.

mod changes;
mod document;
mod error;
mod in_force;
mod load;
mod params;
mod raw;
mod selector;

pub use changes::withdrawn;
pub use document::{Approver, Isms, Owner, Scoped, Selector, Statement, Waiver};
pub use error::{At, IsmsError};
pub use in_force::InForce;
pub use load::{Known, Param};
pub use params::{Params, Unfed};
