//! Judging: what a check is, its CEL program, and the verdicts it gives. (under construction)

pub mod functions;
pub mod policy;
