//! When runs are due: cron expressions in time zones, and an account of every slot.
//!
//! - [`Timetable`] names the slots of a schedule. A slot is an instant; a clock on the wall is only how people name it.
//! - [`Ledger`] says what has become of them, so that none is forgotten and none is dealt with twice, over restarts,
//!   outages and clocks that jump.
//!
//! Architecture invariant: nothing in here looks at a clock or waits; time comes in as a value.

mod error;
mod ledger;
mod timetable;

pub use error::ScheduleError;
pub use ledger::{Due, Ledger, Record};
pub use timetable::Timetable;
