//! The spool on its bad days: crashes, full disks, stores that lie or are away, agents that compete.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod faults;
mod locks;
mod log;
mod model;
mod outage;
mod parcels;
mod support;
