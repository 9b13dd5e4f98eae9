//! What can be wrong with a target, before any call.

/// A `targets[]` entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TargetError {
    /// The member inside the target, e.g. `["regions", "0"]`, so that the caller can name the line.
    pub path: Vec<String>,
    /// What is wrong with it and what to do next.
    pub message: String,
}
