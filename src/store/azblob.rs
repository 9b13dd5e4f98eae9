//! Azure Blob Storage: writes for a blob that is not there yet, version-level immutability, every version listed.

mod credential;
mod error;
mod list;
mod shared_key;

use async_trait::async_trait;
use azure_core::http::{ClientOptions, Etag, RetryOptions, Url};
use azure_core::time::OffsetDateTime;
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobClientDownloadOptions, BlobClientGetPropertiesOptions,
    BlobClientGetPropertiesResultHeaders as _, BlobClientSetImmutabilityPolicyOptions, BlobClientUploadOptions,
    BlobContainerClientGetPropertiesResultHeaders as _, ImmutabilityPolicyMode,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};
use bytes::Bytes;
use evidenced_model::manifest::LockMode;
use futures::StreamExt as _;
use jiff::Timestamp;
use std::num::NonZero;
use tokio::sync::OnceCell;

use crate::Options;
use crate::remote::{Body, Got, Hold, Page, Remote, Rule, Shown, Trouble, chain};
use credential::{Access, access};
use error::{missing, trouble};

/// Larger than any file of ours: one request for each.
const WHOLE: NonZero<usize> = NonZero::new(1 << 30).expect("it is not zero");

/// A container of Azure Blob Storage.
pub(crate) struct Azblob {
    account: String,
    clients: OnceCell<Clients>,
    container: String,
    options: Options,
}

struct Clients {
    container: BlobContainerClient,
    list: list::Lister,
}

impl Azblob {
    /// A container of an account. Nothing is asked yet.
    pub(crate) fn new(account: &str, container: &str, options: &Options) -> Self {
        let (account, container) = (account.to_owned(), container.to_owned());
        Self { account, clients: OnceCell::new(), container, options: options.clone() }
    }

    async fn clients(&self) -> Result<&Clients, Trouble> {
        self.clients.get_or_try_init(|| async { self.connect() }).await
    }

    fn connect(&self) -> Result<Clients, Trouble> {
        let unusable = |why: String| Trouble::Refused(format!("the client cannot be made: {why}"));
        let Access { endpoint, mut client_options, token } = access(&self.account, &self.options)?;
        client_options.retry = RetryOptions::none();
        let url = format!("{}/{}", endpoint.trim_end_matches('/'), self.container);
        let url = Url::parse(&url).map_err(|error| unusable(format!("{url}: {error}; see store.endpoint_url")))?;
        if token.is_some() && url.scheme() != "https" {
            return Err(unusable(
                "an endpoint without TLS is used with an account key or a SAS token only: an identity's token would \
                 go there in the clear"
                    .to_owned(),
            ));
        }
        let options = BlobContainerClientOptions {
            client_options: client_options.clone(),
            ..BlobContainerClientOptions::default()
        };
        let container = BlobContainerClient::new(url.clone(), token.clone(), Some(options));
        let container = container.map_err(|error| unusable(chain(&error)))?;
        Ok(Clients { container, list: list::Lister::new(url, token, client_options) })
    }

    async fn blob(&self, key: &str, version: Option<&str>) -> Result<BlobClient, Trouble> {
        let blob = self.clients().await?.container.blob_client(key);
        match version {
            Some(version) => blob.with_version(version).map_err(|error| Trouble::Refused(chain(&error))),
            None => Ok(blob),
        }
    }
}

#[async_trait]
impl Remote for Azblob {
    fn name(&self) -> &'static str {
        "azblob"
    }

    async fn put(&self, key: &str, bytes: Bytes, hold: Option<Hold>) -> Result<(), Trouble> {
        let options = BlobClientUploadOptions {
            encryption_scope: self.options.kms_key.clone(),
            if_none_match: Some(Etag::from("*")),
            immutability_policy_expiry: hold.map(|hold| moment(hold.until)).transpose()?,
            immutability_policy_mode: hold.map(|hold| mode(hold.mode)),
            partition_size: NonZero::new(WHOLE.get() as u64),
            ..BlobClientUploadOptions::default()
        };
        let done = self.blob(key, None).await?.upload(bytes.into(), Some(options)).await;
        done.map(|_| ()).map_err(|error| trouble(&error, "Storage Blob Data Contributor, or blobs/write and blobs/add"))
    }

    async fn get(&self, key: &str, version: Option<&str>, from: u64) -> Result<Got, Trouble> {
        let options = BlobClientDownloadOptions {
            parallel: NonZero::new(1),
            partition_size: Some(WHOLE),
            range: (from > 0).then(|| (from..).into()),
            ..BlobClientDownloadOptions::default()
        };
        match self.blob(key, version).await?.download(Some(options)).await {
            Ok(answer) => {
                let properties = answer.properties;
                let hold = hold_of(properties.immutability_policy_mode, properties.immutability_policy_expires_on);
                let written = properties.last_modified.and_then(timestamp);
                let shown = written.map_or(Shown::Nothing, |written| Shown::Lock(hold, written));
                Ok(Got::Found(Box::new(Content { body: answer.body, left: properties.content_length }), shown))
            }
            // Whether older versions are below, only a listing tells.
            Err(error) if missing(&error) => Ok(if version.is_none() { Got::Hidden } else { Got::Missing }),
            Err(error) => Err(trouble(&error, "Storage Blob Data Reader")),
        }
    }

    async fn list(&self, prefix: &str, folders: bool, after: Option<&str>) -> Result<Page, Trouble> {
        self.clients().await?.list.page(prefix, folders, after).await
    }

    async fn rule(&self) -> Result<Rule, Trouble> {
        let asked = self.clients().await?.container.get_properties(None).await;
        let answer = asked.map_err(|error| trouble(&error, "Storage Blob Data Reader"))?;
        let enabled = answer.is_immutable_storage_with_versioning_enabled();
        let lacks = match enabled {
            Ok(Some(true)) => None,
            _ => Some(format!(
                "the container {} has no version-level immutability; make one with `az storage container-rm create \
                 --enable-vlw`, see docs/stores.md",
                self.container
            )),
        };
        Ok(Rule { lacks, default: None })
    }

    async fn held(&self, key: &str, version: Option<&str>) -> Result<Option<Hold>, Trouble> {
        let options = BlobClientGetPropertiesOptions { version_id: version.map(str::to_owned), ..Default::default() };
        let asked = self.blob(key, None).await?.get_properties(Some(options)).await;
        let answer = asked.map_err(|error| trouble(&error, "Storage Blob Data Reader"))?;
        let mode = answer.immutability_policy_mode().ok().flatten();
        Ok(hold_of(mode, answer.immutability_policy_expires_on().ok().flatten()))
    }

    async fn extend(&self, key: &str, version: Option<&str>, hold: Hold) -> Result<(), Trouble> {
        let options = BlobClientSetImmutabilityPolicyOptions {
            immutability_policy_mode: Some(mode(hold.mode)),
            version_id: version.map(str::to_owned),
            ..Default::default()
        };
        let blob = self.blob(key, None).await?;
        let done = blob.set_immutability_policy(&moment(hold.until)?, Some(options)).await;
        done.map(|_| ()).map_err(|error| trouble(&error, "blobs/immutableStorage/runAsSuperUser or blobs/write"))
    }

    async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), Trouble> {
        let options = BlobClientDeleteOptions { version_id: version.map(str::to_owned), ..Default::default() };
        let done = self.blob(key, None).await?.delete(Some(options)).await;
        done.map(|_| ()).map_err(|error| trouble(&error, "blobs/delete"))
    }
}

/// The body of a blob.
struct Content {
    body: azure_core::http::AsyncResponseBody,
    /// How much is to come, where the store says.
    left: Option<u64>,
}

#[async_trait]
impl Body for Content {
    async fn next(&mut self) -> Option<Result<Bytes, Trouble>> {
        let broken = |what: String| Some(Err(Trouble::Away(format!("the answer broke off: {what}"))));
        match self.body.next().await {
            Some(Ok(piece)) => {
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                Some(Ok(piece))
            }
            Some(Err(error)) => broken(chain(&error)),
            None => match self.left {
                Some(left) if left > 0 => broken(format!("{left} bytes are missing")),
                _ => None,
            },
        }
    }
}

fn mode(mode: LockMode) -> ImmutabilityPolicyMode {
    match mode {
        LockMode::Compliance => ImmutabilityPolicyMode::Locked,
        LockMode::Governance | LockMode::None => ImmutabilityPolicyMode::Unlocked,
    }
}

fn hold_of(mode: Option<ImmutabilityPolicyMode>, until: Option<OffsetDateTime>) -> Option<Hold> {
    let mode = match mode? {
        ImmutabilityPolicyMode::Locked => LockMode::Compliance,
        ImmutabilityPolicyMode::Unlocked => LockMode::Governance,
        ImmutabilityPolicyMode::Mutable => return None,
    };
    Some(Hold { mode, until: timestamp(until?)? })
}

fn timestamp(at: OffsetDateTime) -> Option<Timestamp> {
    Timestamp::from_second(at.unix_timestamp()).ok()
}

fn moment(at: Timestamp) -> Result<OffsetDateTime, Trouble> {
    OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|_| Trouble::Refused(format!("{at} is after the calendar")))
}

/// The client's options with one policy more, for each attempt.
fn with_policy(policy: std::sync::Arc<dyn azure_core::http::policies::Policy>) -> ClientOptions {
    ClientOptions { per_try_policies: vec![policy], ..ClientOptions::default() }
}
