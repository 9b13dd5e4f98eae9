//! What a check says of a resource or of a place.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::write_scope;
use crate::{Cause, CheckId, Digest, KindId, ObjectiveId, Scope, canon};

/// The answer of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// What was read meets the condition.
    Pass,
    /// What was read does not.
    Fail,
    /// Not enough was read to say.
    Unknown,
    /// The question does not arise.
    NotApplicable,
}

impl Verdict {
    /// The word used in evidence and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// How much a fail matters, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; never contradicts a control.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// The word used in evidence and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One reason for `unknown`: something the program reads and nobody could tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// The operation that would have told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Why it did not.
    pub cause: Cause,
    /// The field (`policy`, `key.state` for a joined one), `population` for a cell that is not
    /// complete, or `defect` where the check itself is at fault.
    pub field: String,
    /// What would have been needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

/// Another resource that the verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestsOn {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: KindId,
    /// Its place.
    pub scope: Scope,
}

/// A waiver in force, by its id in the statement of applicability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverRef {
    /// Its id.
    pub id: String,
}

/// One finding: one check over one resource or place. Its line is byte-equal while the cloud is unchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Why the verdict is unknown, sorted; empty otherwise.
    pub because: Vec<Because>,
    /// The check.
    pub check: CheckId,
    /// SHA-256 of the check's canonical kind, per, with, applies and pass.
    pub check_sha256: Digest,
    /// The kind of the resource, or `place.account`, `place.region` for populations.
    pub kind: KindId,
    /// What the check serves.
    pub objective: ObjectiveId,
    /// The values that decided, by field.
    pub observed: serde_json::Map<String, Value>,
    /// The resource's id; for a population the account's or region's name.
    pub resource: String,
    /// Joined resources.
    pub rests_on: Vec<RestsOn>,
    /// The check's revision.
    pub revision: u32,
    /// Where.
    pub scope: Scope,
    /// How much a fail would matter.
    pub severity: Severity,
    /// The answer.
    pub verdict: Verdict,
    /// The waiver in force, if any.
    pub waiver: Option<WaiverRef>,
}

impl Finding {
    /// Appends the canonical line (RFC 8785, ends in LF) of the evidence format.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        let text = |key: &str, value: &str, out: &mut Vec<u8>| {
            out.extend_from_slice(key.as_bytes());
            canon::write_str(value, out);
        };
        out.extend_from_slice(b"{\"because\":");
        write_small(&self.because, out);
        text(",\"check\":", self.check.as_str(), out);
        out.extend_from_slice(b",\"check_sha256\":\"");
        out.extend_from_slice(&self.check_sha256.hex());
        out.push(b'"');
        text(",\"kind\":", self.kind.as_str(), out);
        text(",\"objective\":", self.objective.as_str(), out);
        out.extend_from_slice(b",\"observed\":");
        canon::write_map(&self.observed, out);
        text(",\"resource\":", &self.resource, out);
        out.extend_from_slice(b",\"rests_on\":");
        write_small(&self.rests_on, out);
        out.extend_from_slice(format!(",\"revision\":{}", self.revision).as_bytes());
        out.extend_from_slice(b",\"scope\":");
        write_scope(&self.scope, out);
        text(",\"severity\":", self.severity.as_str(), out);
        text(",\"verdict\":", self.verdict.as_str(), out);
        out.extend_from_slice(b",\"waiver\":");
        match &self.waiver {
            None => out.extend_from_slice(b"null"),
            Some(waiver) => {
                text("{\"id\":", &waiver.id, out);
                out.push(b'}');
            }
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Lists that are nearly always empty.
fn write_small<T: Serialize>(list: &[T], out: &mut Vec<u8>) {
    if list.is_empty() {
        out.extend_from_slice(b"[]");
    } else {
        canon::append(&list, out);
    }
}
