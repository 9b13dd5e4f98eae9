//! What the tests share: the servers, a clock, and the hands of somebody who is not us.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::ObjectLockEnabled;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_model::manifest::LockMode;
use evidenced_model::{Archive, Clock, Digest, Remark};
use evidenced_store::{AwsKey, AzureKey, Options, Retention, Store};
use xtask::venv::Venv;
use xtask::{Azurite, Moto, S3sFs};

/// Where cargo builds, and test peers stand.
pub(crate) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The machine's time: servers compare locks with theirs.
pub(crate) struct Now;

impl Clock for Now {
    #[expect(clippy::disallowed_methods, reason = "the servers' clock is this one")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// Options for a server of loopback.
pub(crate) fn options(endpoint: &str) -> Options {
    Options {
        aws: Some(AwsKey { id: S3sFs::ACCESS_KEY.to_owned(), secret: S3sFs::SECRET_KEY.to_owned() }),
        endpoint_url: Some(endpoint.to_owned()),
        timeout: Duration::from_secs(20),
        ..Options::new(Arc::new(Now))
    }
}

/// The same with a lock of so many days.
pub(crate) fn locked(endpoint: &str, mode: LockMode, days: u32) -> Options {
    Options { retention: Some(Retention { mode, days }), ..options(endpoint) }
}

/// A key for an account, made anew.
pub(crate) fn account_key() -> String {
    STANDARD.encode(Digest::of(format!("{} {}", std::process::id(), Now.now()).as_bytes()).as_bytes())
}

/// An Azurite with a container `evidence`, and options for it.
pub(crate) fn azurite() -> (Azurite, Options) {
    let key = account_key();
    let azurite = Azurite::start(target(), &key).unwrap();
    azurite.container("evidence", &key).unwrap();
    let azure = AzureKey { account_key: Some(key), ..AzureKey::default() };
    let options = Options { azure, ..options(&azurite.url()) };
    (azurite, options)
}

/// A store.
pub(crate) fn open(url: &str, options: &Options) -> Arc<dyn Store> {
    evidenced_store::open(url, options).unwrap()
}

/// An emulator with nothing in it.
pub(crate) fn moto() -> Moto {
    Moto::start(&Venv::ensure(target(), "moto").unwrap()).unwrap()
}

/// Somebody with full rights over an S3 server, and no key to sign evidence with.
pub(crate) struct Insider(pub(crate) aws_sdk_s3::Client);

impl Insider {
    pub(crate) fn new(endpoint: &str) -> Self {
        let config = aws_sdk_s3::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new(S3sFs::ACCESS_KEY, S3sFs::SECRET_KEY, None, None, "test"))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .region(Region::from_static("us-east-1"))
            .build();
        Self(aws_sdk_s3::Client::from_conf(config))
    }

    /// Makes a bucket, with Object Lock if asked for.
    pub(crate) async fn bucket(&self, name: &str, lock: bool) {
        self.0.create_bucket().bucket(name).object_lock_enabled_for_bucket(lock).send().await.unwrap();
        if lock {
            let asked = self.0.get_object_lock_configuration().bucket(name).send().await.unwrap();
            let enabled = asked.object_lock_configuration.unwrap().object_lock_enabled;
            assert_eq!(enabled, Some(ObjectLockEnabled::Enabled));
        }
    }

    /// Writes over an object.
    pub(crate) async fn overwrite(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let body = bytes.to_vec().into();
        self.0.put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
    }

    /// Deletes an object the way everybody does.
    pub(crate) async fn delete(&self, bucket: &str, key: &str) {
        self.0.delete_object().bucket(bucket).key(key).send().await.unwrap();
    }

    /// The ids of an object's versions.
    pub(crate) async fn versions(&self, bucket: &str, key: &str) -> Vec<String> {
        let listed = self.0.list_object_versions().bucket(bucket).prefix(key).send().await.unwrap();
        listed.versions.unwrap_or_default().into_iter().filter_map(|version| version.version_id).collect()
    }
}

/// Reads a file in a store.
pub(crate) fn read(archive: &dyn Archive, path: &str) -> Option<Vec<u8>> {
    archive.read(path, 1 << 20).unwrap()
}

/// The remarks about a file.
pub(crate) fn remarks(archive: &dyn Archive, path: &str) -> Vec<String> {
    let about = |remark: Remark| (remark.file == path).then_some(remark.what);
    archive.remarks().into_iter().filter_map(about).collect()
}
