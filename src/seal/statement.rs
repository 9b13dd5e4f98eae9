//! What is signed: in-toto Statements (v1) about a run, or about an entry of the log.

use std::collections::BTreeMap;

use evidenced_model::{AgentId, Digest, RunId, RunStatus, Slot, Totals, Window, canon};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The type of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// A predicate: what a statement says of its subjects.
pub trait Predicate: Serialize + DeserializeOwned {
    /// Its type, for in-toto.
    const TYPE: &'static str;
}

/// An in-toto Statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement<P> {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it says.
    pub predicate: P,
    /// Always [`Predicate::TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// Of what.
    pub subject: Vec<Subject>,
}

impl<P: Predicate> Statement<P> {
    /// A statement of the predicate's type.
    pub fn new(predicate: P, subject: Vec<Subject>) -> Self {
        let kind = STATEMENT_TYPE.to_owned();
        Self { kind, predicate, predicate_type: P::TYPE.to_owned(), subject }
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canon::to_vec(self)
    }

    /// Reads the payload of an envelope.
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        let statement: Self = serde_json::from_slice(payload)
            .map_err(|error| format!("its payload is not one of our statements: {error}"))?;
        if statement.kind != STATEMENT_TYPE || statement.predicate_type != P::TYPE {
            return Err(format!("its payload is not a statement of type {}", P::TYPE));
        }
        Ok(statement)
    }

    /// The digest of the subject of this name.
    pub fn digest_of(&self, name: &str) -> Option<Digest> {
        self.subject.iter().find(|subject| subject.name == name).map(Subject::sha256)
    }
}

/// A thing that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its digests.
    pub digest: Sha256,
    /// Its name.
    pub name: String,
}

/// The digests of a subject: only SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sha256 {
    /// The SHA-256 of its stored bytes.
    pub sha256: Digest,
}

impl Subject {
    /// A subject by name and digest.
    pub fn new(name: impl Into<String>, sha256: Digest) -> Self {
        Self { digest: Sha256 { sha256 }, name: name.into() }
    }

    /// SHA-256 of its stored bytes.
    pub fn sha256(&self) -> Digest {
        self.digest.sha256
    }
}

/// The subjects of a run.
pub mod subject {
    /// Calls by operation, request ids: what changes with every run.
    pub const CALLS: &str = "calls";
    /// The configuration, redacted.
    pub const CONFIG: &str = "config";
    /// Standing of every control.
    pub const CONTROLS: &str = "controls";
    /// A tree whose entries are the accounts' coverage.
    pub const COVERAGE: &str = "coverage";
    /// The findings tree.
    pub const FINDINGS: &str = "findings";
    /// The inventory tree.
    pub const INVENTORY: &str = "inventory";
    /// The manifest.
    pub const MANIFEST: &str = "manifest";
    /// Everything needed to judge again.
    pub const MAPPINGS: &str = "mappings";

    /// All of them, sorted. Each is an object `.json.zst`.
    pub const ALL: [&str; 8] = [CALLS, CONFIG, CONTROLS, COVERAGE, FINDINGS, INVENTORY, MANIFEST, MAPPINGS];
}

/// What the statement of a run says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPredicate {
    /// The agent.
    pub agent: AgentId,
    /// The run.
    pub run: RunId,
    /// The slot of the schedule; `null` for a run that somebody asked for.
    pub slot: Option<Slot>,
    /// Complete or partial.
    pub status: RunStatus,
    /// What was counted.
    pub totals: Totals,
    /// From the first to the last moment.
    pub window: Window,
}

impl Predicate for RunPredicate {
    const TYPE: &'static str = "urn:evidenced:run:v1";
}

/// The statement of a run.
pub type RunStatement = Statement<RunPredicate>;

impl RunStatement {
    /// The subjects by name.
    pub fn subjects(&self) -> BTreeMap<String, Digest> {
        self.subject.iter().map(|subject| (subject.name.clone(), subject.sha256())).collect()
    }
}

/// Where the statement of a run is stored.
pub fn run_path(agent: &AgentId, run: RunId) -> String {
    let millis = i64::try_from(run.unix_millis()).unwrap_or(i64::MAX);
    let start = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    let day = start.strftime("%Y/%m/%d").to_string();
    format!("v1/runs/{agent}/{day}/{run}/run.dsse.json")
}
