//! The contract of every store.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use evidenced_model::manifest::LockMode;
use evidenced_model::{Archive, Put, SinkError};

/// A place where evidence lies. Nothing in it is ever overwritten or deleted by us.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes a file that is not there yet. Equal bytes that are there already count as written; other bytes
    /// there are [`SinkError::Exists`]. When this returns, the file is as durable as the store makes it,
    /// or will be before any later file outside `v1/objects/` is.
    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<Put, SinkError>;

    /// The same for a file on the disk, which may be too large to be held in memory; when this returns, it is as durable
    /// as the store makes it. A store that does not do better holds it as a whole.
    async fn put_file(&self, path: &str, file: &Path) -> Result<Put, SinkError> {
        let unread = |error: std::io::Error| {
            let reason = format!("{}: {error}", file.display());
            SinkError::Away { path: path.to_owned(), reason }
        };
        let from = file.to_owned();
        let read = tokio::task::spawn_blocking(move || std::fs::read(from)).await;
        let bytes = read.map_err(std::io::Error::other).and_then(|read| read).map_err(unread)?;
        self.put(path, bytes).await
    }

    /// The reading side. It sees every file whose `put` has returned.
    fn archive(&self) -> Arc<dyn Archive>;

    /// Whether the store keeps what it holds from being changed. Asked of the store, not of the config.
    async fn lock(&self) -> Result<Lock, SinkError>;

    /// Locks a file that is there for the whole retention from now on, where the store locks at all.
    async fn renew(&self, path: &str) -> Result<(), SinkError>;

    /// Proves the store with a tiny new file, `doctor/<name>`: that it is written, reads back, cannot be
    /// overwritten or deleted, and is locked as [`Store::lock`] says. That file is the only one that is ever tried
    /// to be deleted.
    async fn probe(&self, name: &str) -> Result<Probe, SinkError>;
}

/// What a store was seen to do with a tiny file of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The file, relative to the root.
    pub path: String,
    /// A second write with other bytes was refused.
    pub overwrite_refused: bool,
    /// Deleting it for good was refused. A folder is not asked, and says no.
    pub delete_refused: bool,
    /// Until when the file is locked, as the store itself says; `None` if it does not lock.
    pub locked_until: Option<jiff::Timestamp>,
    /// The lock's mode, as the store itself says.
    pub mode: LockMode,
}

/// How a store keeps what it holds from being changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// For how many days.
    pub days: Option<u32>,
    /// How firmly.
    pub mode: LockMode,
    /// What the store is: `folder`, or a cloud's.
    pub store: &'static str,
}
