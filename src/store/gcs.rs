//! Google Cloud Storage: writes for a generation that is not there yet, object retention, every generation listed.

mod error;
mod json;

use async_trait::async_trait;
use bytes::Bytes;
use evidenced_model::manifest::LockMode;
use google_cloud_auth::credentials::{Builder, Credentials, anonymous};
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_storage::client::Storage;
use google_cloud_storage::model::object::Retention;
use google_cloud_storage::model::object::retention::Mode;
use google_cloud_storage::model_ext::ReadRange;
use google_cloud_storage::read_object::ReadObjectResponse;
use tokio::sync::OnceCell;

use crate::Options;
use crate::remote::{Body, Got, Hold, Page, Remote, Rule, Shown, Trouble, chain};
use error::{status, trouble};
use json::Json;

/// The least that storing evidence needs.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// A bucket of Google Cloud Storage.
pub(crate) struct Gcs {
    bucket: String,
    clients: OnceCell<Clients>,
    options: Options,
}

struct Clients {
    /// What is written and read.
    objects: Storage,
    /// What is listed and locked: the SDK does that over gRPC, which only Google itself speaks.
    json: Json,
}

impl Gcs {
    /// A bucket, with Google's own chain of credentials. Nothing is asked yet.
    pub(crate) fn new(bucket: &str, options: &Options) -> Self {
        Self { bucket: bucket.to_owned(), clients: OnceCell::new(), options: options.clone() }
    }

    async fn clients(&self) -> Result<&Clients, Trouble> {
        self.clients.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Clients, Trouble> {
        let unusable = |why: String| Trouble::Refused(format!("the client cannot be made: {why}"));
        let credentials = match &self.options.endpoint_url {
            // A token for Google must not go anywhere else.
            Some(_) => anonymous::Builder::new().build(),
            None => own_credentials()?,
        };
        let mut storage = Storage::builder().with_credentials(credentials.clone()).with_retry_policy(NeverRetry);
        if let Some(url) = &self.options.endpoint_url {
            storage = storage.with_endpoint(url);
        }
        let objects = storage.build().await.map_err(|error| unusable(chain(&error)))?;
        let endpoint = self.options.endpoint_url.as_deref().unwrap_or("https://storage.googleapis.com");
        let json = Json::new(endpoint, &self.bucket, credentials).map_err(|error| unusable(chain(&error)))?;
        Ok(Clients { objects, json })
    }

    fn resource(&self) -> String {
        format!("projects/_/buckets/{}", self.bucket)
    }
}

fn own_credentials() -> Result<Credentials, Trouble> {
    Builder::default().with_scopes([SCOPE]).build().map_err(|error| {
        Trouble::Refused(format!(
            "no Google credentials: {}; run `gcloud auth application-default login`, or give this workload an identity",
            chain(&error)
        ))
    })
}

#[async_trait]
impl Remote for Gcs {
    fn name(&self) -> &'static str {
        "gcs"
    }

    async fn put(&self, key: &str, bytes: Bytes, hold: Option<Hold>) -> Result<(), Trouble> {
        let objects = &self.clients().await?.objects;
        // The sum goes before the bytes, so that the service checks it before anything is written.
        let sum = crc32c::crc32c(&bytes);
        let mut write = objects
            .write_object(self.resource(), key, bytes)
            .set_if_generation_match(0_i64)
            .with_known_crc32c(sum)
            // None of ours needs more than one request.
            .with_resumable_upload_threshold(usize::MAX);
        if let Some(hold) = hold {
            let mode = if hold.mode == LockMode::Compliance { Mode::Locked } else { Mode::Unlocked };
            let until = google_cloud_wkt::Timestamp::clamp(hold.until.as_second(), 0);
            write = write.set_retention(Retention::new().set_mode(mode).set_retain_until_time(until));
        }
        if let Some(kms_key) = &self.options.kms_key {
            write = write.set_kms_key(kms_key);
        }
        let permission = "storage.objects.create and storage.objects.setRetention";
        Box::pin(write.send_unbuffered()).await.map(|_| ()).map_err(|error| trouble(&error, permission))
    }

    async fn get(&self, key: &str, version: Option<&str>, from: u64) -> Result<Got, Trouble> {
        let Clients { objects, json } = self.clients().await?;
        let mut read = objects.read_object(self.resource(), key);
        if let Some(generation) = version.and_then(|version| version.parse::<i64>().ok()) {
            read = read.set_generation(generation);
        }
        if from > 0 {
            read = read.set_read_range(ReadRange::offset(from));
        }
        match read.send().await {
            Ok(answer) => Ok(Got::Found(Box::new(Content(answer)), Shown::Nothing)),
            Err(error) if status(&error) == Some(404) && error::names_bucket(&error) => {
                Err(trouble(&error, "storage.objects.get"))
            }
            Err(error) if status(&error) == Some(404) => {
                // An answer does not tell what was deleted from what never was; a bucket without versions keeps nothing.
                let hidden = version.is_none() && json.keeps_versions().await?;
                Ok(if hidden { Got::Hidden } else { Got::Missing })
            }
            Err(error) => Err(trouble(&error, "storage.objects.get")),
        }
    }

    async fn list(&self, prefix: &str, folders: bool, after: Option<&str>) -> Result<Page, Trouble> {
        self.clients().await?.json.list(prefix, folders, after).await
    }

    async fn rule(&self) -> Result<Rule, Trouble> {
        self.clients().await?.json.rule().await
    }

    async fn held(&self, key: &str, version: Option<&str>) -> Result<Option<Hold>, Trouble> {
        self.clients().await?.json.held(key, version).await
    }

    async fn extend(&self, key: &str, version: Option<&str>, hold: Hold) -> Result<(), Trouble> {
        self.clients().await?.json.extend(key, version, hold).await
    }

    async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), Trouble> {
        self.clients().await?.json.delete(key, version).await
    }
}

/// The body of an object; the SDK checks its length and its checksum.
struct Content(ReadObjectResponse);

#[async_trait]
impl Body for Content {
    async fn next(&mut self) -> Option<Result<Bytes, Trouble>> {
        let next = self.0.next().await?;
        Some(next.map_err(|error| Trouble::Away(format!("the answer broke off: {}", chain(&error)))))
    }
}
