//! Telling people and programs what has changed: events, and the webhooks that carry them.
//!
//! - [`Baseline`] remembers how things stood, and says what is new in a run: the first run of a schedule says nothing.
//! - [`Teller`] sends events to [`Target`]s in the background. It never holds up a run: what cannot be sent is tried
//!   again for some minutes, then written to the program's own log.
//!
//! Architecture invariant: an event is made of what is sealed anyhow; nothing here judges. Whoever does not get it finds
//! the same in the evidence.

mod baseline;
mod event;
mod send;
mod target;

pub use baseline::{Baseline, Fail, Seen};
pub use event::{Change, Event, Topic};
pub use send::{Sent, Teller};
pub use target::{Format, Secret, Target, TargetError};
