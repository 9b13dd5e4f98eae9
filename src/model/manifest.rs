//! What a run says of itself: who we were, what was planned, what it counted, how far it can be trusted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Account, AccountCoverage, AgentId, ControlStanding, Digest, KindId, Provider, Region, RunId, Verdict, Window,
};

/// The value of [`Manifest::format`].
pub const FORMAT: &str = "evidenced/1";

/// The manifest of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Every account that was listed, read or not, sorted.
    pub accounts: Vec<ListedAccount>,
    /// The agent.
    pub agent: AgentId,
    /// How far this evidence can be trusted.
    pub assurance: Assurance,
    /// The program.
    pub binary: Binary,
    /// The clock against the providers'.
    pub clock: ClockCheck,
    /// What the operator declared as out of scope.
    pub excluded: Vec<Exclusion>,
    /// Always [`FORMAT`].
    pub format: String,
    /// Who we were, at each provider.
    pub principals: Vec<Principal>,
    /// The run.
    pub run: RunId,
    /// The share of the accounts that this run read.
    pub shard: Shard,
    /// The slot of the schedule; `null` for a run that somebody asked for.
    pub slot: Option<Slot>,
    /// What was counted.
    pub totals: Totals,
    /// From the first to the last moment.
    pub window: Window,
}

/// An account as it was listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedAccount {
    /// The account.
    pub account: Account,
    /// The provider's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The cloud.
    pub provider: Provider,
    /// Why it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was read.
    pub state: Listing,
}

/// Whether a listed account was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// Read, as its coverage says.
    Read,
    /// Excluded by the operator.
    Excluded,
    /// Another shard's.
    Elsewhere,
    /// It could not be entered.
    Unreachable,
}

/// How far evidence can be trusted: where the key lives, whether the store locks, whether time is stamped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assurance {
    /// Whether the account that was read also owns the key; `null` if that is not known.
    pub account_owns_key: Option<bool>,
    /// Whether the account that was read also owns the store; `null` if that is not known.
    pub account_owns_store: Option<bool>,
    /// Where the key lives: `file`, or a key service.
    pub key: String,
    /// Whether the store locks what it holds.
    pub lock: LockMode,
    /// For how many days it locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_days: Option<u32>,
    /// What the store is: `folder`, or a cloud's.
    pub store: String,
    /// Whether a timestamp authority stamps each run.
    pub timestamped: bool,
}

/// Whether, and how, a store keeps what it holds from being changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// It does not: whoever owns the store can change it.
    None,
    /// Privileged users can lift the lock.
    Governance,
    /// Nobody can, until the retention is over.
    Compliance,
}

/// The program that made the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    /// SHA-256 of the executable, where it could be read.
    pub sha256: Option<Digest>,
    /// Its version.
    pub version: String,
}

/// Our clock against the providers' `Date` headers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockCheck {
    /// The largest difference seen, in milliseconds; `null` if nobody told the time.
    pub skew_ms: Option<i64>,
    /// Over 300 seconds: the run's times are not to be relied on.
    pub suspect: bool,
}

/// What the operator declared as out of scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// One account only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// One kind only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindId>,
    /// The cloud.
    pub provider: Provider,
    /// Why.
    pub reason: String,
    /// One region only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// One service only, e.g. `s3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// Who we were at a provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The account it belongs to, where the provider says.
    pub account: Option<Account>,
    /// The provider's name for it: an STS caller ARN, an object id.
    pub id: String,
    /// The cloud.
    pub provider: Provider,
}

/// The share of the accounts that a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// This shard, from 1.
    pub index: u32,
    /// Of so many.
    pub of: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 1, of: 1 }
    }
}

/// The moment at which a schedule wanted a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// When it was due.
    pub due: Timestamp,
    /// The schedule's name.
    pub schedule: String,
}

/// What a run counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Calls to the clouds, retries included.
    pub calls: u64,
    /// Findings by verdict.
    pub findings: VerdictCounts,
    /// Everything that was to be told and was not: see [`AccountCoverage::gap_count`].
    pub gaps: u64,
    /// Resource lines.
    pub resources: u64,
    /// Accounts, and regions in accounts, that were to be read: see [`AccountCoverage::scope_count`].
    pub scopes: u64,
}

/// Findings by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictCounts {
    /// Fails.
    pub fail: u64,
    /// Not applicable.
    pub not_applicable: u64,
    /// Passes.
    pub pass: u64,
    /// Unknown.
    pub unknown: u64,
}

impl VerdictCounts {
    /// Counts one more.
    pub fn count(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Fail => &mut self.fail,
            Verdict::Unknown => &mut self.unknown,
            Verdict::NotApplicable => &mut self.not_applicable,
        } += 1;
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        self.fail += other.fail;
        self.not_applicable += other.not_applicable;
        self.pass += other.pass;
        self.unknown += other.unknown;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.fail + self.not_applicable + self.pass + self.unknown
    }
}

impl AccountCoverage {
    /// The account itself, and each region that was to be read in it.
    pub fn scope_count(&self) -> u64 {
        1 + self.regions.len() as u64
    }

    /// The account's own gaps and those of its cells, each counted as often as it occurred.
    pub fn gap_count(&self) -> u64 {
        let cells = self.cells.iter().flat_map(|cell| &cell.gaps).map(|gap| gap.count).sum::<u64>();
        self.gaps.len() as u64 + cells
    }
}

/// The standing of every control, as sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    /// Every control of every enabled catalogue, sorted by catalogue and number.
    pub controls: Vec<ControlStanding>,
    /// The findings tree that they rest on.
    pub findings: Digest,
}

/// What changes with every run, beside the coverage: the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// By account and operation, sorted.
    pub operations: Vec<CallStats>,
}

/// What became of the calls of one operation in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallStats {
    /// The account.
    pub account: Account,
    /// Since when the provider had what it answered, by its own word, where the source lags (e.g. a credential report);
    /// the oldest of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Timestamp>,
    /// The latest bound of that moment, from a source that lags and does not say by how much (e.g. Resource Graph): the
    /// time of the last answer, by the provider's clock where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_before: Option<Timestamp>,
    /// Refused.
    pub denied: u64,
    /// Failed otherwise.
    pub error: u64,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Answered.
    pub ok: u64,
    /// The operation, e.g. `s3:GetBucketPolicy`.
    pub operation: String,
    /// The cloud.
    pub provider: Provider,
    /// The region, or `global`.
    pub region: Region,
    /// Tried again.
    pub retries: u64,
    /// A few answers, for looking them up in the provider's own log.
    pub samples: Vec<Sample>,
    /// Still throttled after the last retry.
    pub throttled: u64,
}

/// One answer of a provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// SHA-256 of the answer's bytes, where they were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_sha256: Option<Digest>,
    /// The provider's id of the request.
    pub request_id: String,
}
