//! OSCAL assessment results: what a run, or the runs of a period, say of each control, for tools that read NIST's format.
//!
//! What is incomplete, unknown or left to people is never `satisfied`. A finding is about what configuration can show
//! of a control, and its target says so; the control itself is for an auditor to judge. Controls about which nothing
//! automatic speaks have no finding, and are named as not reviewed.

mod controls;
mod parts;
mod period;
mod run;
mod words;

pub use period::oscal_period;
pub use run::oscal;
