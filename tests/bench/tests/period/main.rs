//! Ninety days of hourly evidence with a known history, made by the daemon in simulated time: the report of the period
//! says exactly that history, number by number.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_days;
mod history;
mod place;
