//! What a cloud's object store does, one request each. What all of them have in common stands in the rooms below.

pub(crate) mod bucket;
mod history;
mod prove;
mod read;
mod retry;
mod runtime;

use async_trait::async_trait;
use bytes::Bytes;
use evidenced_model::manifest::LockMode;
use jiff::Timestamp;

/// A cloud's object store. Each call is one request and is not tried again in here.
#[async_trait]
pub(crate) trait Remote: Send + Sync {
    /// What it is, as manifests say it: `s3`, `azblob`, `gcs`.
    fn name(&self) -> &'static str;

    /// Writes an object that is not there yet, locked if asked for.
    async fn put(&self, key: &str, bytes: Bytes, hold: Option<Hold>) -> Result<(), Trouble>;

    /// Opens an object, or one version of it, from this byte on.
    async fn get(&self, key: &str, version: Option<&str>, from: u64) -> Result<Got, Trouble>;

    /// One page of names that begin with a prefix, with all their versions; with `folders`, only up to the next slash.
    async fn list(&self, prefix: &str, folders: bool, after: Option<&str>) -> Result<Page, Trouble>;

    /// What the bucket says of locks.
    async fn rule(&self) -> Result<Rule, Trouble>;

    /// How an object is locked, as the store says.
    async fn held(&self, key: &str, version: Option<&str>) -> Result<Option<Hold>, Trouble>;

    /// Locks an object that is there for longer.
    async fn extend(&self, key: &str, version: Option<&str>, hold: Hold) -> Result<(), Trouble>;

    /// Tries to delete an object for good: for the doctor's own objects only, to see that it is refused.
    async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), Trouble>;
}

/// A lock on one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// How firmly.
    pub(crate) mode: LockMode,
    /// Until when.
    pub(crate) until: Timestamp,
}

/// What a bucket says of locks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Why objects cannot be locked here, and what to do about it; `None` if they can.
    pub(crate) lacks: Option<String>,
    /// What it does by itself with every new object: mode and days.
    pub(crate) default: Option<(LockMode, u32)>,
}

/// What came of opening an object.
pub(crate) enum Got {
    /// Its bytes, and what the answer shows of its lock.
    Found(Box<dyn Body>, Shown),
    /// It is not there, and never was.
    Missing,
    /// It is not there, but older versions of it may be.
    Hidden,
}

/// What the answer to a read shows of the object's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// This store's answers do not show locks.
    Nothing,
    /// The lock, if there is one, and when the object was written.
    Lock(Option<Hold>, Timestamp),
}

/// The bytes of an object, as they come in.
#[async_trait]
pub(crate) trait Body: Send {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes, Trouble>>;
}

/// One page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Versions of objects; those of one object that were written at the same moment from the newest to the oldest.
    pub(crate) versions: Vec<Version>,
    /// Whole keys of folders, with the slash at the end.
    pub(crate) folders: Vec<String>,
    /// Where the next page begins; `None` at the end.
    pub(crate) next: Option<String>,
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// When it was written, in a unit of the store's own.
    pub(crate) at: i64,
    /// The whole key.
    pub(crate) key: String,
    /// Its id; `None` if the store keeps no versions.
    pub(crate) id: Option<String>,
    /// It says that the object was deleted, and has no bytes.
    pub(crate) marker: bool,
    /// It is not the newest, or was deleted in a way that leaves no marker.
    pub(crate) superseded: bool,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// An object of that name is there, or is just being written by somebody else.
    Exists,
    /// Worth trying again: the network, or the store for now.
    Away(String),
    /// Trying again will not help; says what would.
    Refused(String),
    /// The store does not serve this at all.
    Unsupported(String),
}

impl Trouble {
    /// In words.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Exists => "it is there already".to_owned(),
            Self::Away(reason) | Self::Refused(reason) => reason,
            Self::Unsupported(reason) => format!("the store does not serve this: {reason}"),
        }
    }
}

/// An error with everything that caused it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
