//! A run: when, how it ended, and the head of the log it is in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Digest;

/// From the first to the last moment of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The last moment of collecting.
    pub end: Timestamp,
    /// The first.
    pub start: Timestamp,
}

/// How a sealed run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything that was planned was read.
    Complete,
    /// There are gaps.
    Partial,
}

/// The newest entry of an agent's log: an anchor against a cut tail, for whoever keeps it elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// SHA-256 of the entry's bytes.
    pub digest: Digest,
    /// The entry's index, from 0.
    pub index: u64,
}

impl std::fmt::Display for LogHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.index, self.digest)
    }
}
