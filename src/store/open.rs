//! Opening a store by its URL.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evidenced_model::{Archive, Clock};

use crate::lock::Retention;
use crate::{Folder, Store, StoreError, valid_path};

/// What a store is opened with, beside its URL. Credentials come from the clouds' own chains.
#[derive(Clone)]
pub struct Options {
    /// For S3 only: stands in for the default chain, in tests.
    pub aws: Option<AwsKey>,
    /// For Azure only: what its own tools read from the environment.
    pub azure: AzureKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Another endpoint than the cloud's own.
    pub endpoint_url: Option<String>,
    /// The key service's key that encrypts what is written; nothing: the bucket's default.
    pub kms_key: Option<String>,
    /// The lock that is asked for. Without one, files are locked only by what the bucket does by itself.
    pub retention: Option<Retention>,
    /// The longest one attempt of a request may take, apart from the time for its bytes.
    pub timeout: Duration,
}

impl Options {
    /// No lock, the cloud's own endpoint, half a minute for each request.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            aws: None,
            azure: AzureKey::default(),
            clock,
            endpoint_url: None,
            kms_key: None,
            retention: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// An access key, which shows itself nowhere.
#[derive(Clone)]
pub struct AwsKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl fmt::Debug for AwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsKey")
    }
}

/// What Azure's own tools read from the environment: a secret, which shows itself nowhere.
#[derive(Clone, Default)]
pub struct AzureKey {
    /// `AZURE_STORAGE_CONNECTION_STRING`.
    pub connection_string: Option<String>,
    /// `AZURE_STORAGE_KEY`, or `AZURE_STORAGE_ACCOUNT_KEY`: the account's key, in base64.
    pub account_key: Option<String>,
    /// `AZURE_STORAGE_SAS_TOKEN`.
    pub sas_token: Option<String>,
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`: an application's identity.
    pub client: Option<AzureClient>,
    /// `AZURE_CLIENT_ID`: without a secret, which managed identity of several.
    pub identity: Option<String>,
}

/// An application of a tenant, with a secret.
#[derive(Clone)]
pub struct AzureClient {
    /// The tenant.
    pub tenant: String,
    /// The application.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl fmt::Debug for AzureClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureClient").field("tenant", &self.tenant).field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for AzureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AzureKey")
    }
}

/// Opens a store for writing: `s3://bucket/prefix`, `azblob://account/container/prefix`, `gs://bucket/prefix`,
/// `file:///path` or a plain path. A cloud is not asked yet, so that runs can be kept while it is away:
/// [`Store::lock`] asks, and the first write does.
pub fn open(url: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    match Place::parse(url)? {
        Place::Folder => {
            let folder = Folder::create(url)?;
            match options.retention {
                Some(_) => Err(StoreError::NoLock { path: folder.path().display().to_string() }),
                None => Ok(Arc::new(folder)),
            }
        }
        place => cloud(url, &place, options),
    }
}

/// Opens a store for reading only.
pub fn open_archive(url: &str, options: &Options) -> Result<Arc<dyn Archive>, StoreError> {
    match Place::parse(url)? {
        Place::Folder => Ok(Arc::new(Folder::open(url)?)),
        place => Ok(cloud(url, &place, options)?.archive()),
    }
}

/// Whether a URL names a store that this build can open. Nothing is asked and nothing is made.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    let feature = match Place::parse(url)? {
        Place::Folder => return crate::folder::check_url(url),
        Place::S3 { .. } => ("aws", cfg!(feature = "aws")),
        Place::Azure { .. } => ("azure", cfg!(feature = "azure")),
        Place::Google { .. } => ("gcp", cfg!(feature = "gcp")),
    };
    match feature {
        (_, true) => Ok(()),
        (feature, false) => Err(StoreError::NotBuilt { url: url.to_owned(), feature }),
    }
}

/// What a URL names.
#[derive(Debug, PartialEq, Eq)]
enum Place<'u> {
    Folder,
    S3 { bucket: &'u str, prefix: &'u str },
    Azure { account: &'u str, container: &'u str, prefix: &'u str },
    Google { bucket: &'u str, prefix: &'u str },
}

impl<'u> Place<'u> {
    fn parse(url: &'u str) -> Result<Self, StoreError> {
        let wrong = |what: String| StoreError::Url { url: url.to_owned(), what };
        let Some((scheme, rest)) = url.split_once("://") else { return Ok(Self::Folder) };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (first, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let (second, third) = rest.split_once('/').unwrap_or((rest, ""));
        let name = |what: &str, name: &str| {
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let good = !name.is_empty() && name.bytes().all(fine) && !name.starts_with('.');
            if good { Ok(()) } else { Err(wrong(format!("{name:?} is no name of {what}"))) }
        };
        let prefix = |prefix: &str| {
            if prefix.is_empty() || valid_path(prefix) {
                Ok(())
            } else {
                Err(wrong(format!("{prefix:?} is no prefix: words of letters, digits and -_. between slashes")))
            }
        };
        match scheme {
            "file" => Ok(Self::Folder),
            "s3" => {
                name("a bucket; expected s3://bucket/prefix", first)?;
                prefix(rest)?;
                Ok(Self::S3 { bucket: first, prefix: rest })
            }
            "gs" => {
                name("a bucket; expected gs://bucket/prefix", first)?;
                prefix(rest)?;
                Ok(Self::Google { bucket: first, prefix: rest })
            }
            "azblob" => {
                name("an account; expected azblob://account/container/prefix", first)?;
                name("a container; expected azblob://account/container/prefix", second)?;
                prefix(third)?;
                Ok(Self::Azure { account: first, container: second, prefix: third })
            }
            _ => Err(wrong(
                "expected s3://bucket/prefix, azblob://account/container/prefix, gs://bucket/prefix, file:///path or \
                 a path"
                    .to_owned(),
            )),
        }
    }
}

/// A store in a cloud.
#[cfg_attr(
    not(all(feature = "aws", feature = "azure", feature = "gcp")),
    expect(unused_variables, reason = "each is used by one cloud")
)]
fn cloud(url: &str, place: &Place<'_>, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    check_url(url)?;
    match *place {
        #[cfg(feature = "aws")]
        Place::S3 { bucket, prefix } => {
            let remote = crate::s3::S3::new(bucket, options);
            bucket_at(url, prefix, options, Arc::new(remote))
        }
        #[cfg(feature = "azure")]
        Place::Azure { account, container, prefix } => {
            let remote = crate::azblob::Azblob::new(account, container, options);
            bucket_at(url, prefix, options, Arc::new(remote))
        }
        #[cfg(feature = "gcp")]
        Place::Google { bucket, prefix } => {
            let remote = crate::gcs::Gcs::new(bucket, options);
            bucket_at(url, prefix, options, Arc::new(remote))
        }
        _ => Err(StoreError::Url { url: url.to_owned(), what: "it is no store in a cloud".to_owned() }),
    }
}

#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
fn bucket_at(
    url: &str,
    prefix: &str,
    options: &Options,
    remote: Arc<dyn crate::remote::Remote>,
) -> Result<Arc<dyn Store>, StoreError> {
    let location = url.trim_end_matches('/').to_owned();
    Ok(Arc::new(crate::remote::bucket::Bucket::new(location, prefix, options, remote)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_places() {
        let place = |url| Place::parse(url).unwrap();
        assert_eq!(place("s3://logs"), Place::S3 { bucket: "logs", prefix: "" });
        assert_eq!(place("s3://logs/a/b/"), Place::S3 { bucket: "logs", prefix: "a/b" });
        assert_eq!(place("gs://logs/a"), Place::Google { bucket: "logs", prefix: "a" });
        let azure = Place::Azure { account: "acme", container: "logs", prefix: "a/b" };
        assert_eq!(place("azblob://acme/logs/a/b"), azure);
        assert_eq!(place("./evidence"), Place::Folder);
        for wrong in
            ["s3://", "s3:///a", "s3://a b", "s3://a/../b", "s3://a//b", "azblob://acme", "ftp://x", "gs://a?b"]
        {
            let error = Place::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("expected") || error.contains("no prefix"), "{error}");
        }
    }

    #[test]
    fn a_folder_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(evidenced_model::FixedClock(jiff::Timestamp::UNIX_EPOCH));
        let mode = evidenced_model::manifest::LockMode::Governance;
        let options = Options { retention: Some(Retention { mode, days: 1 }), ..Options::new(clock) };
        let error = open(folder.path().to_str().unwrap(), &options).err().unwrap();
        assert!(error.to_string().contains("cannot lock"), "{error}");
    }
}
