//! Why something was not read.

use serde::{Deserialize, Serialize};

/// Why something was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The provider refused for want of a permission.
    Denied,
    /// An explicit policy of the organisation forbids the region or service.
    Barred,
    /// The provider still asked us to slow down after the last retry.
    Throttled,
    /// No answer within the call's or the run's time.
    TimedOut,
    /// The connection failed, or the provider answered with an error of its own.
    Failed,
    /// The region or edition does not have the API.
    Unsupported,
    /// A 200 that lacks a required member, or cannot be parsed.
    Malformed,
    /// Our own code panicked; a bug to report.
    Panicked,
    /// Nobody wrote the field, and nobody said why.
    Silent,
    /// Excluded by the operator, or outside what this run was asked to read.
    Skipped,
}

impl Cause {
    /// The word used in evidence and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Barred => "barred",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Unsupported => "unsupported",
            Self::Malformed => "malformed",
            Self::Panicked => "panicked",
            Self::Silent => "silent",
            Self::Skipped => "skipped",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One call that did not tell what it should have told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The operation, e.g. `s3:GetBucketPolicy`.
    pub call: String,
    /// Why.
    pub cause: Cause,
    /// The provider's own error code, e.g. `AccessDenied`; never its message, which can quote secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What would have been needed, e.g. `s3:GetBucketPolicy`; named whenever the cause is a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}
