//! The endpoint of the daemon: health, metrics, and the state of evidence, over HTTP.

mod desk;

pub use desk::{
    ConfigStatus, Controls, Desk, DeskError, EvidenceAge, FindingsQuery, Page, Paged, Readiness, Reason, RunSummary,
    ScheduleStatus, SlotStatus, SpoolStatus, StartRequest, Started, Status,
};
