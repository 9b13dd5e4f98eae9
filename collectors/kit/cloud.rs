//! What a cloud is to the agent: a list of collectors, and a way to open its accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use evidenced_model::{Account, Clock, Provider, Refusal, Region, RunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Collector, Limits, Manifest, Stats, TargetError};

/// One cloud: the only thing that the registry names.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// Its name: the key in `targets[]` and the first segment of its kinds.
    fn provider(&self) -> Provider;

    /// The manifests of all its collectors, sorted by id.
    fn manifests(&self) -> Vec<&'static Manifest>;

    /// Checks a target of the config without calling anything.
    fn check(&self, target: &Value) -> Result<(), TargetError>;

    /// The JSON schema of a target.
    fn schema(&self) -> Value;

    /// Finds the accounts and regions of a target. Only a target that cannot be parsed is an error;
    /// an account that cannot be reached is opened with gaps.
    async fn open(&self, target: &Value, context: &OpenContext) -> Result<Opened, TargetError>;

    /// How a service's calls are billed, for `plan`.
    fn price(&self, _operation: &str) -> PriceClass {
        PriceClass::Free
    }
}

/// How a call is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceClass {
    /// Not billed.
    Free,
    /// Billed by request (S3, KMS, `CloudWatch`).
    Request,
}

/// What a cloud needs to open a target.
#[derive(Clone)]
pub struct OpenContext {
    /// The run: the session name of assumed roles.
    pub run: RunId,
    /// Shared by everything that calls.
    pub limits: Arc<Limits>,
    /// Where calls are counted.
    pub stats: Arc<Stats>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Which accounts are to be opened; the others are listed as read elsewhere.
    pub mine: Mine,
}

/// Which accounts an agent reads, where several agents share them.
#[derive(Clone)]
pub struct Mine(Arc<Owns>);

type Owns = dyn Fn(&Provider, &Account) -> bool + Send + Sync;

impl Mine {
    /// Those for which this is true.
    pub fn new(own: impl Fn(&Provider, &Account) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(own))
    }

    /// Whether an account is to be opened.
    pub fn has(&self, provider: &Provider, account: &Account) -> bool {
        (self.0)(provider, account)
    }
}

impl Default for Mine {
    /// All of them.
    fn default() -> Self {
        Self::new(|_, _| true)
    }
}

/// What became of a target.
#[derive(Default)]
pub struct Opened {
    /// The accounts that were opened, also those of which nothing can be read.
    pub accounts: Vec<AccountSession>,
    /// Every account that was listed, read or not.
    pub listing: Vec<Listed>,
    /// Who we were.
    pub principals: Vec<Principal>,
}

/// One account, ready to be read.
pub struct AccountSession {
    /// The account.
    pub account: Account,
    /// The cloud.
    pub provider: Provider,
    /// The regions to read, sorted, without `global`.
    pub regions: Vec<Region>,
    /// Regions, services or kinds excluded by the operator, with the reason.
    pub excluded: BTreeMap<String, String>,
    /// Its collectors, bound to its credentials; empty where it could not be opened.
    pub collectors: Vec<Arc<dyn Collector>>,
    /// Who tells what these credentials may do, where the cloud can be asked.
    pub rights: Option<Arc<dyn Rights>>,
    /// Why it could not be opened, or not wholly.
    pub gaps: Vec<Refusal>,
}

/// Asks a cloud what an identity may do, without doing it: for `doctor`. What a run may do is only told by the run.
#[async_trait]
pub trait Rights: Send + Sync {
    /// Those of these permissions that the identity lacks; a refusal if the cloud does not tell.
    async fn lacking(&self, permissions: &BTreeSet<&'static str>) -> Result<BTreeSet<&'static str>, Refusal>;
}

/// An account that exists, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The account.
    pub account: Account,
    /// The cloud.
    pub provider: Provider,
    /// `read`, `excluded`, `elsewhere`, `suspended` or `unreachable`.
    pub state: String,
    /// The operator's or the provider's reason, where it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who we were while reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The account we read.
    pub account: Account,
    /// E.g. the caller ARN that STS named.
    pub id: String,
    /// The cloud.
    pub provider: Provider,
}
