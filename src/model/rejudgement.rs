//! A run that was judged again by other rules than its own: what an upgrade means, told apart from what a cloud did.

use serde::{Deserialize, Serialize};

use crate::{AgentId, CheckId, Digest, RunId, Scope, Verdict};

/// What the log says when checks, or what they compare with, changed: the subject of a `semantics-changed` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejudgement {
    /// The agent.
    pub agent: AgentId,
    /// Checks that changed, came or went, sorted.
    pub checks: Vec<CheckChange>,
    /// Parameters whose values changed, sorted.
    pub params: Vec<String>,
    /// The run that was judged again: the last before the change.
    pub run: RunId,
    /// The mappings that it was judged by first: their digest in its statement.
    pub rules: Digest,
    /// Findings whose verdict is another by the new rules, in the order in which they were judged.
    pub verdicts: Vec<Rejudged>,
}

/// A check that changed, came or went.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckChange {
    /// Its revision now; `null` if it is gone.
    pub after: Option<u32>,
    /// Its revision before; `null` if it is new.
    pub before: Option<u32>,
    /// The check.
    pub check: CheckId,
}

/// A finding with another verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejudged {
    /// By the new rules; `null` if they say nothing of it.
    pub after: Option<Verdict>,
    /// As it was sealed; `null` if nothing was said of it.
    pub before: Option<Verdict>,
    /// The check.
    pub check: CheckId,
    /// The resource or place.
    pub resource: String,
    /// Where.
    pub scope: Scope,
}
