//! The config's store: what may stand there, and what it is opened with.

use std::sync::Arc;
use std::time::Duration;

use evidenced_model::manifest::LockMode;
use evidenced_store::{AzureClient, AzureKey, Options, Retention};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::SystemClock;
use crate::config::Config;

/// Where evidence goes.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `s3://bucket/prefix`, `azblob://account/container/prefix`, `gs://bucket/prefix`, `file:///path` or a path.
    /// Default: `./evidence`.
    pub url: String,
    /// The lock on every file; a store that cannot give it is an error at the start. Nothing: no lock but what the
    /// bucket does by itself.
    pub retention: Option<RetentionConfig>,
    /// Another endpoint than the cloud's own, e.g. of a server in your own rooms.
    pub endpoint_url: Option<String>,
    /// What encrypts, where it is not the bucket's default: the ARN of a KMS key (s3), the name of a Cloud KMS key
    /// (gs), an encryption scope (azblob).
    pub kms_key: Option<String>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "./evidence".into(), retention: None, endpoint_url: None, kms_key: None }
    }
}

/// A lock on every file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// `compliance`: nobody can lift it; `governance`: those with a special permission can.
    pub mode: RetentionMode,
    /// For how many days after the last run that used a file; 90 more are added, so that renewing can wait.
    pub days: u32,
}

/// How firmly files are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetentionMode {
    /// Nobody can lift it, the owner of the account included.
    Compliance,
    /// Those with a special permission can lift it.
    Governance,
}

/// A hundred years: more is a slip, and a compliance lock cannot be taken back.
const MOST_DAYS: u32 = 36_500;

impl StoreConfig {
    /// What is wrong with it: the member, and what to do.
    pub(crate) fn check(&self) -> Result<(), (Vec<&'static str>, String)> {
        evidenced_store::check_url(&self.url).map_err(|error| (vec!["store", "url"], error.to_string()))?;
        let folder = self.url.starts_with("file://") || !self.url.contains("://");
        if let Some(retention) = self.retention {
            if retention.days == 0 || retention.days > MOST_DAYS {
                return Err((vec!["store", "retention", "days"], format!("expected 1 to {MOST_DAYS} days")));
            }
            if folder {
                let message = "a folder cannot lock: use s3://, azblob:// or gs://, or leave retention out";
                return Err((vec!["store", "retention"], message.to_owned()));
            }
        }
        if folder && (self.endpoint_url.is_some() || self.kms_key.is_some()) {
            let member = if self.endpoint_url.is_some() { "endpoint_url" } else { "kms_key" };
            return Err((vec!["store", member], "a folder has none; leave it out".to_owned()));
        }
        let is_url = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        if let Some(url) = self.endpoint_url.as_ref().filter(|url| !is_url(url)) {
            return Err((vec!["store", "endpoint_url"], format!("{url:?}: expected https://host or http://host:port")));
        }
        Ok(())
    }
}

/// What the configured store is opened with.
pub(crate) fn options(config: &Config) -> Options {
    let StoreConfig { url: _, retention, endpoint_url, kms_key } = config.store.clone();
    let mode = |mode| match mode {
        RetentionMode::Compliance => LockMode::Compliance,
        RetentionMode::Governance => LockMode::Governance,
    };
    Options {
        azure: azure_key(),
        endpoint_url,
        kms_key,
        retention: retention.map(|retention| Retention { mode: mode(retention.mode), days: retention.days }),
        timeout: Duration::from_secs(config.limits.call_timeout_seconds),
        ..Options::new(Arc::new(SystemClock))
    }
}

/// What another store than the configured one is read with: the same way in, and nothing that is asked of it.
pub(crate) fn options_elsewhere(config: &Config) -> Options {
    Options { retention: None, kms_key: None, ..options(config) }
}

/// Who we are to Azure, where the environment says so: an application with a secret, or else a managed identity.
pub(crate) fn azure_identity() -> (Option<AzureClient>, Option<String>) {
    let key = azure_key();
    (key.client, key.identity)
}

/// A key of an Azure storage account, where the environment has one as for Azure's own command line.
fn azure_key() -> AzureKey {
    let read = |wanted: &str| {
        let mut found = std::env::vars_os().filter(|(name, _)| name == wanted);
        found.find_map(|(_, value)| value.into_string().ok()).filter(|value| !value.is_empty())
    };
    AzureKey {
        connection_string: read("AZURE_STORAGE_CONNECTION_STRING"),
        account_key: read("AZURE_STORAGE_ACCOUNT_KEY").or_else(|| read("AZURE_STORAGE_KEY")),
        sas_token: read("AZURE_STORAGE_SAS_TOKEN"),
        client: match (read("AZURE_TENANT_ID"), read("AZURE_CLIENT_ID"), read("AZURE_CLIENT_SECRET")) {
            (Some(tenant), Some(id), Some(secret)) => Some(AzureClient { tenant, id, secret }),
            _ => None,
        },
        identity: read("AZURE_CLIENT_ID"),
    }
}
