//! The JSON API of Google Cloud Storage, for what the SDK does over gRPC only: listing, retention, the bucket itself.

use evidenced_model::manifest::LockMode;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::error::{by_status, credentials};
use crate::remote::{Hold, Page, Rule, Trouble, Version, chain};

/// What stays as it is in a path or a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A bucket behind the JSON API.
pub(super) struct Json {
    bucket: String,
    credentials: Credentials,
    client: Client,
    versioned: OnceCell<bool>,
}

impl Json {
    pub(super) fn new(endpoint: &str, bucket: &str, credentials: Credentials) -> Result<Self, reqwest::Error> {
        let bucket = format!("{}/storage/v1/b/{}", endpoint.trim_end_matches('/'), encode(bucket));
        Ok(Self { bucket, credentials, client: Client::builder().build()?, versioned: OnceCell::new() })
    }

    /// Whether the bucket keeps what is written over or deleted; asked once.
    pub(super) async fn keeps_versions(&self) -> Result<bool, Trouble> {
        let asked = self.versioned.get_or_try_init(|| async {
            match self.bucket().await {
                Ok(bucket) => Ok(bucket.versioning.is_some_and(|versioning| versioning.enabled)),
                // Whoever may not ask looks for versions each time.
                Err(Trouble::Refused(_)) => Ok(true),
                Err(trouble) => Err(trouble),
            }
        });
        asked.await.copied()
    }

    /// One page of names with every generation.
    pub(super) async fn list(&self, prefix: &str, folders: bool, after: Option<&str>) -> Result<Page, Trouble> {
        let mut url = format!("{}/o?versions=true&prefix={}", self.bucket, encode(prefix));
        if folders {
            url.push_str("&delimiter=%2F");
        }
        if let Some(token) = after {
            url = format!("{url}&pageToken={}", encode(token));
        }
        let listed: Listed = parse(&self.ask(Method::GET, &url, None, "storage.objects.list").await?)?;
        let versions = listed.items.into_iter().map(|object| Version {
            at: object.generation.parse().unwrap_or_default(),
            key: object.name,
            id: Some(object.generation),
            marker: false,
            superseded: object.time_deleted.is_some(),
        });
        let next = listed.next_page_token.filter(|token| !token.is_empty());
        Ok(Page { versions: versions.collect(), folders: listed.prefixes, next })
    }

    pub(super) async fn rule(&self) -> Result<Rule, Trouble> {
        let bucket = self.bucket().await?;
        let default = bucket.retention_policy.and_then(|policy| {
            let days = policy.retention_period.parse::<u64>().ok()? / 86_400;
            let mode = if policy.is_locked { LockMode::Compliance } else { LockMode::Governance };
            Some((mode, u32::try_from(days).ok()?)).filter(|(_, days)| *days > 0)
        });
        let lacks = match bucket.object_retention {
            Some(retention) if retention.mode == "Enabled" => None,
            _ => Some(
                "the bucket has no object retention; make one with `gcloud storage buckets create \
                 --enable-per-object-retention`, see docs/stores.md"
                    .to_owned(),
            ),
        };
        Ok(Rule { lacks, default })
    }

    pub(super) async fn held(&self, key: &str, version: Option<&str>) -> Result<Option<Hold>, Trouble> {
        let url = self.object(key, version);
        let object: Object = parse(&self.ask(Method::GET, &url, None, "storage.objects.get").await?)?;
        Ok(object.retention.and_then(|retention| {
            let mode = match retention.mode.to_ascii_lowercase().as_str() {
                "locked" => LockMode::Compliance,
                "unlocked" => LockMode::Governance,
                _ => return None,
            };
            Some(Hold { mode, until: retention.retain_until_time.parse().ok()? })
        }))
    }

    pub(super) async fn extend(&self, key: &str, version: Option<&str>, hold: Hold) -> Result<(), Trouble> {
        let mode = if hold.mode == LockMode::Compliance { "Locked" } else { "Unlocked" };
        let until = Timestamp::from_second(hold.until.as_second()).unwrap_or(hold.until).to_string();
        let body = json!({"retention": {"mode": mode, "retainUntilTime": until}});
        let permission = "storage.objects.update and storage.objects.setRetention";
        self.ask(Method::PATCH, &self.object(key, version), Some(&body), permission).await.map(|_| ())
    }

    pub(super) async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), Trouble> {
        let url = self.object(key, version);
        self.ask(Method::DELETE, &url, None, "storage.objects.delete").await.map(|_| ())
    }

    async fn bucket(&self) -> Result<Bucket, Trouble> {
        parse(&self.ask(Method::GET, &self.bucket, None, "storage.buckets.get").await?)
    }

    fn object(&self, key: &str, generation: Option<&str>) -> String {
        let generation =
            generation.map_or_else(String::new, |generation| format!("?generation={}", encode(generation)));
        format!("{}/o/{}{generation}", self.bucket, encode(key))
    }

    async fn ask(&self, method: Method, url: &str, body: Option<&Value>, permission: &str) -> Result<Vec<u8>, Trouble> {
        let mut request = self.client.request(method, url);
        match self.credentials.headers(google_cloud_auth_extensions()).await {
            Ok(CacheableResource::New { data, .. }) => request = request.headers(data),
            Ok(CacheableResource::NotModified) => {}
            Err(error) => return Err(credentials(&chain(&error))),
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let away = |error: reqwest::Error| {
            let why = chain(&error.without_url());
            Trouble::Away(format!("the store cannot be reached: {why}"))
        };
        let answer = request.send().await.map_err(away)?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.map_err(away)?;
        if (200..300).contains(&status) {
            return Ok(bytes.to_vec());
        }
        Err(by_status(status, &String::from_utf8_lossy(&bytes), permission))
    }
}

/// No state of our own goes along with a request for a token.
fn google_cloud_auth_extensions() -> http::Extensions {
    http::Extensions::new()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| Trouble::Away(format!("the store's answer cannot be read: {error}")))
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    items: Vec<Object>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(rename = "nextPageToken")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    name: String,
    #[serde(default)]
    generation: String,
    time_deleted: Option<String>,
    retention: Option<Retention>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retention {
    #[serde(default)]
    mode: String,
    #[serde(default)]
    retain_until_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    versioning: Option<Versioning>,
    retention_policy: Option<RetentionPolicy>,
    object_retention: Option<ObjectRetention>,
}

#[derive(Deserialize)]
struct Versioning {
    #[serde(default)]
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetentionPolicy {
    #[serde(default)]
    retention_period: String,
    #[serde(default)]
    is_locked: bool,
}

#[derive(Deserialize)]
struct ObjectRetention {
    #[serde(default)]
    mode: String,
}
