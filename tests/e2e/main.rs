//! The whole program, run as its users run it, against servers that are not ours.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "the deny matrix is a table for people")]

mod auditors;
mod azure_vendor;
mod clouds;
mod company;
mod config;
mod daemon;
mod deny_matrix;
mod export;
mod hostile;
mod interchange;
mod interrupt;
mod living;
mod refusals;
mod sample;
mod seals;
mod stores;
mod support;
