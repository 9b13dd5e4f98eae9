//! What a report is fed with: the run's header, the texts of the mapping, and the limits of what it keeps.

use evidenced_model::{CatalogId, CheckId, ControlId, Digest, LogHead, Manifest, ObjectiveId, RunStatus, Severity};
use jiff::Timestamp;
use serde::Serialize;

/// What is known of the run before its findings.
#[derive(Debug, Clone)]
pub struct Header {
    /// The log's newest entry; `None` while the run waits in the spool.
    pub head: Option<LogHead>,
    /// SHA-256 of the public key that the run was signed with, where the caller knows it.
    pub key: Option<Digest>,
    /// The run's manifest.
    pub manifest: Manifest,
    /// The signed statement of the run.
    pub statement: StatementRef,
    /// How the run ended.
    pub status: RunStatus,
    /// Where the store is, as the user would name it.
    pub store: String,
}

/// What is known of the time at which a run was sealed, beside its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamped {
    /// An authority stamped it.
    At {
        /// The name in the authority's certificate.
        authority: String,
        /// When it saw the signature.
        time: Timestamp,
        /// Whether the authority is one that the config trusts. Otherwise only its own word was checked.
        trusted: bool,
    },
    /// It is to be stamped, and no authority has answered yet.
    Pending,
}

/// Where the signed statement of a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementRef {
    /// SHA-256 of the envelope's bytes.
    pub digest: Digest,
    /// Its path in the store.
    pub path: String,
}

/// The texts of a catalogue.
#[derive(Debug, Clone)]
pub struct CatalogText {
    /// Its controls' texts, in any order. The standings decide which are shown, and in which order.
    pub controls: Vec<ControlText>,
    /// Its id.
    pub id: CatalogId,
    /// Why it cannot be relied on yet.
    pub provisional: Option<String>,
    /// The standard's number and edition.
    pub title: String,
}

/// The texts of a control that its standing does not carry.
#[derive(Debug, Clone)]
pub struct ControlText {
    /// How much of it configuration can show at all.
    pub automatable: Automatable,
    /// The reason in the statement of applicability, where it is excluded.
    pub excluded: Option<String>,
    /// Its number.
    pub id: ControlId,
    /// The kind of evidence that people bring.
    pub manual: Option<String>,
}

/// How much of a control configuration can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Automatable {
    /// Nothing, or a hint at most.
    None,
    /// A part.
    Partial,
    /// Its technical side.
    Full,
}

/// The texts of a check.
#[derive(Debug, Clone)]
pub struct CheckText {
    /// What to do about a fail.
    pub fix: String,
    /// Its id.
    pub id: CheckId,
    /// What it serves.
    pub objective: ObjectiveId,
    /// How much a fail matters.
    pub severity: Severity,
    /// What is true where it passes.
    pub title: String,
    /// The declarations it waits for (names of parameters); empty for a check that was made.
    pub undeclared: Vec<String>,
    /// Why it is asked.
    pub why: String,
}

/// A waiver in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaiverText {
    /// Who approved it.
    pub approved_by: String,
    /// Its id in the statement of applicability.
    pub id: String,
    /// Why.
    pub reason: String,
    /// The last day of its force.
    pub until: String,
}

/// Where a finding stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// The path of the object that holds the finding's line.
    pub object: &'a str,
    /// The path of the object that holds the resource's line, where the caller knows it.
    pub resource_object: Option<&'a str>,
}

/// How much a report keeps. Everything is counted; what is over the limits is left out, and said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Accounts whose coverage is shown cell by cell. Those with gaps come first.
    pub accounts: usize,
    /// Bytes of one finding's values; longer values are cut.
    pub finding_bytes: usize,
    /// Findings in the whole report; from then on each check keeps ten of each verdict.
    pub in_all: usize,
    /// Passes kept of each check, as examples.
    pub passes: usize,
    /// Fails, waived fails and unknowns kept of each check, so many of each.
    pub per_check: usize,
    /// Places kept of each gap.
    pub places: usize,
    /// Findings of which the page keeps a row, to be filtered. Passes are left out before fails are.
    pub rows: usize,
    /// Bytes of one value; longer ones are cut.
    pub value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            accounts: 50,
            finding_bytes: 4096,
            in_all: 10_000,
            passes: 5,
            per_check: 200,
            places: 100,
            rows: 120_000,
            value_bytes: 1024,
        }
    }
}

impl Limits {
    /// Enough for [`crate::summary`]: the numbers, and an example of each fail.
    pub fn summary() -> Self {
        Self {
            accounts: 0,
            finding_bytes: 256,
            in_all: 1000,
            passes: 0,
            per_check: 1,
            places: 3,
            rows: 0,
            value_bytes: 128,
        }
    }
}
