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

    /// Variables of the environment that [`OpenContext::environment`] is to hold, where they are set.
    fn variables(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether the environment (as far as [`Cloud::variables`] names it) holds credentials for it: without a config, the
    /// clouds that say so are read.
    fn ambient(&self, environment: &BTreeMap<String, String>) -> bool {
        self.variables().iter().any(|name| environment.contains_key(*name))
    }

    /// Checks a target of the config without calling anything.
    fn check(&self, target: &Value) -> Result<(), TargetError>;

    /// The JSON schema of a target.
    fn schema(&self) -> Value;

    /// Finds the accounts and regions of a target. Only a target that cannot be parsed is an error;
    /// an account that cannot be reached is opened with gaps.
    async fn open(&self, target: &Value, context: &OpenContext) -> Result<Opened, TargetError>;

    /// Prints permissions as what grants them in this cloud; `None` for a form that it does not know.
    fn permissions(&self, _needed: &BTreeSet<&'static str>, _form: PermissionForm) -> Option<String> {
        None
    }

    /// How a service's calls are billed, for `plan`.
    fn price(&self, _operation: &str) -> PriceClass {
        PriceClass::Free
    }
}

/// How permissions are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermissionForm {
    /// The cloud's own JSON.
    Json,
    /// Terraform.
    Terraform,
    /// AWS `CloudFormation`.
    Cloudformation,
    /// Azure Bicep.
    Bicep,
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
    /// What the environment says of who we are, where the cloud's own library does not look itself.
    pub environment: Arc<BTreeMap<String, String>>,
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
    /// What is read of an account of its sort, where a cloud has several (a tenant and its subscriptions); `None` is
    /// everything.
    pub manifests: Option<Vec<&'static Manifest>>,
    /// Who tells what these credentials may do, where the cloud can be asked.
    pub rights: Option<Arc<dyn Rights>>,
    /// Why it could not be opened, or not wholly.
    pub gaps: Vec<Refusal>,
}

/// Asks a cloud what an identity may do, without doing it: for `doctor`. What a run may do is only told by the run.
#[async_trait]
pub trait Rights: Send + Sync {
    /// What the identity has of these permissions; a refusal if the cloud does not tell.
    async fn weigh(&self, permissions: &BTreeSet<&'static str>) -> Result<Weighed, Refusal>;
}

/// What an identity has not, of the permissions that were asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Those that it lacks.
    pub lacking: BTreeSet<&'static str>,
    /// Those of which the cloud says nothing without being asked for the thing itself.
    pub untold: BTreeSet<&'static str>,
}

/// An account that exists, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The account.
    pub account: Account,
    /// Its name at the provider, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
