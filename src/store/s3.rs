//! Amazon S3, and what speaks its protocol: conditional writes, SHA-256 checksums, Object Lock, SSE-KMS.
//!
//! Every object is one `PutObject`: none of ours is larger than 256 MiB, and one request takes 5 GiB.

mod client;
mod error;
mod list;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockEnabled, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode,
    ServerSideEncryption,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use evidenced_model::Digest;
use evidenced_model::manifest::LockMode;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::Options;
use crate::remote::{Body, Got, Hold, Page, Remote, Rule, Shown, Trouble};
use error::{code, trouble};

/// A bucket of S3.
pub(crate) struct S3 {
    bucket: String,
    client: OnceCell<Client>,
    options: Options,
}

impl S3 {
    /// A bucket, with the default credential chain. Nothing is asked yet.
    pub(crate) fn new(bucket: &str, options: &Options) -> Self {
        Self { bucket: bucket.to_owned(), client: OnceCell::new(), options: options.clone() }
    }

    async fn client(&self) -> Result<&Client, Trouble> {
        self.client.get_or_try_init(|| client::connect(&self.bucket, &self.options)).await
    }
}

#[async_trait]
impl Remote for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    async fn put(&self, key: &str, bytes: Bytes, hold: Option<Hold>) -> Result<(), Trouble> {
        let mut put = self
            .client()
            .await?
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .if_none_match("*")
            .checksum_sha256(STANDARD.encode(Digest::of(&bytes).as_bytes()));
        if let Some(hold) = hold {
            put = put
                .object_lock_mode(match hold.mode {
                    LockMode::Compliance => ObjectLockMode::Compliance,
                    LockMode::Governance | LockMode::None => ObjectLockMode::Governance,
                })
                .object_lock_retain_until_date(DateTime::from_secs(hold.until.as_second()));
        }
        if let Some(kms_key) = &self.options.kms_key {
            put = put.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(kms_key);
            put = put.bucket_key_enabled(true);
        }
        let done = put.body(ByteStream::from(bytes)).send().await;
        done.map(|_| ()).map_err(|error| trouble(&error, "s3:PutObject and s3:PutObjectRetention"))
    }

    async fn get(&self, key: &str, version: Option<&str>, from: u64) -> Result<Got, Trouble> {
        let get = self.client().await?.get_object().bucket(&self.bucket).key(key);
        let get = get.set_version_id(version.map(str::to_owned));
        let get = get.set_range((from > 0).then(|| format!("bytes={from}-")));
        match get.send().await {
            Ok(answer) => {
                let left = answer.content_length.and_then(|length| u64::try_from(length).ok());
                let hold = hold_of(answer.object_lock_mode.as_ref(), answer.object_lock_retain_until_date);
                let written = answer.last_modified.and_then(|at| Timestamp::from_second(at.secs()).ok());
                let shown = written.map_or(Shown::Nothing, |written| Shown::Lock(hold, written));
                Ok(Got::Found(Box::new(Content { body: answer.body, left }), shown))
            }
            Err(error) if matches!(code(&error), Some("NoSuchKey" | "NoSuchVersion")) => {
                let marked =
                    error.raw_response().and_then(|raw| raw.headers().get("x-amz-delete-marker")) == Some("true");
                // AWS tells a mark of deletion from nothing in the answer itself; not all who speak its protocol do.
                let hidden = version.is_none() && (marked || self.options.endpoint_url.is_some());
                Ok(if hidden { Got::Hidden } else { Got::Missing })
            }
            // The whole of it was read already.
            Err(error) if code(&error) == Some("InvalidRange") => {
                Ok(Got::Found(Box::new(Content { body: ByteStream::default(), left: None }), Shown::Nothing))
            }
            Err(error) => Err(trouble(&error, "s3:GetObject and s3:ListBucket")),
        }
    }

    async fn list(&self, prefix: &str, folders: bool, after: Option<&str>) -> Result<Page, Trouble> {
        list::page(self.client().await?, &self.bucket, prefix, folders, after).await
    }

    async fn rule(&self) -> Result<Rule, Trouble> {
        let asked = self.client().await?.get_object_lock_configuration().bucket(&self.bucket).send().await;
        let lacks = || {
            let bucket = &self.bucket;
            Some(format!(
                "the bucket {bucket} has no Object Lock; make one with `aws s3api create-bucket \
                 --object-lock-enabled-for-bucket`, see docs/stores.md"
            ))
        };
        let configuration = match asked {
            Ok(answer) => answer.object_lock_configuration,
            Err(error) if code(&error) == Some("ObjectLockConfigurationNotFoundError") => None,
            Err(error) => return Err(trouble(&error, "s3:GetBucketObjectLockConfiguration")),
        };
        let Some(configuration) = configuration else { return Ok(Rule { lacks: lacks(), default: None }) };
        let enabled = configuration.object_lock_enabled == Some(ObjectLockEnabled::Enabled);
        let default = configuration.rule.and_then(|rule| rule.default_retention).and_then(default_of);
        Ok(Rule { lacks: if enabled { None } else { lacks() }, default })
    }

    async fn held(&self, key: &str, version: Option<&str>) -> Result<Option<Hold>, Trouble> {
        let head = self.client().await?.head_object().bucket(&self.bucket).key(key);
        let head = head.set_version_id(version.map(str::to_owned)).send().await;
        let head = head.map_err(|error| trouble(&error, "s3:GetObject and s3:GetObjectRetention"))?;
        Ok(hold_of(head.object_lock_mode.as_ref(), head.object_lock_retain_until_date))
    }

    async fn extend(&self, key: &str, version: Option<&str>, hold: Hold) -> Result<(), Trouble> {
        let mode = match hold.mode {
            LockMode::Compliance => ObjectLockRetentionMode::Compliance,
            LockMode::Governance | LockMode::None => ObjectLockRetentionMode::Governance,
        };
        let until = DateTime::from_secs(hold.until.as_second());
        let retention = ObjectLockRetention::builder().mode(mode).retain_until_date(until).build();
        let extend = self.client().await?.put_object_retention().bucket(&self.bucket).key(key).retention(retention);
        let done = extend.set_version_id(version.map(str::to_owned)).send().await;
        done.map(|_| ()).map_err(|error| trouble(&error, "s3:PutObjectRetention"))
    }

    async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), Trouble> {
        let delete = self.client().await?.delete_object().bucket(&self.bucket).key(key);
        let done = delete.set_version_id(version.map(str::to_owned)).send().await;
        done.map(|_| ()).map_err(|error| trouble(&error, "s3:DeleteObjectVersion"))
    }
}

/// The body of an object.
struct Content {
    body: ByteStream,
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
            Some(Err(error)) => broken(crate::remote::chain(&error)),
            None => match self.left {
                Some(left) if left > 0 => broken(format!("{left} bytes are missing")),
                _ => None,
            },
        }
    }
}

fn hold_of(mode: Option<&ObjectLockMode>, until: Option<DateTime>) -> Option<Hold> {
    let mode = mode.map_or(LockMode::None, |mode| mode_of(mode.as_str()));
    let until = Timestamp::from_second(until?.secs()).ok()?;
    (mode != LockMode::None).then_some(Hold { mode, until })
}

fn mode_of(name: &str) -> LockMode {
    match name {
        "COMPLIANCE" => LockMode::Compliance,
        "GOVERNANCE" => LockMode::Governance,
        _ => LockMode::None,
    }
}

fn default_of(retention: DefaultRetention) -> Option<(LockMode, u32)> {
    let mode = mode_of(retention.mode?.as_str());
    let days = retention.days.or_else(|| retention.years.map(|years| years.saturating_mul(365)))?;
    Some((mode, u32::try_from(days).ok()?)).filter(|(mode, days)| *mode != LockMode::None && *days > 0)
}
