//! The store as the spool sees it: from threads that may wait, and never for longer than its patience.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use evidenced_model::{Archive, ArchiveError, Put, Sink, SinkError};
use evidenced_store::Store;
use futures::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::places::place;

/// Uploads under way at once.
const AT_ONCE: usize = 32;
/// Bytes of uploads under way at once, in KiB.
const MEMORY_KIB: u32 = 32 << 10;
/// A file that is longer is not held in memory, where the store can do without.
pub(crate) const LONG: u64 = 4 << 20;
/// The slowest line that such a file is sent by, in bytes a second.
const SLOWEST: u64 = 512 << 10;
/// The largest file that is read as a whole; only attached files are larger, and nobody reads those here.
const LARGEST: u64 = 256 << 20;
/// So long one request may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A store, for code that is not async. Its calls must not be made on a thread that drives async code, unless in
/// `tokio::task::block_in_place`. Clones are the same store.
#[derive(Clone)]
pub struct Remote {
    store: Arc<dyn Store>,
    archive: Arc<dyn Archive>,
    handle: Handle,
    patience: Duration,
}

impl Remote {
    /// A store whose calls run on this runtime, which needs time enabled.
    pub fn new(store: Arc<dyn Store>, handle: Handle) -> Self {
        Self { archive: store.archive(), store, handle, patience: PATIENCE }
    }

    /// The same, which waits for so long and no longer for one answer.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Where it is.
    pub fn location(&self) -> String {
        self.archive.location()
    }

    /// Writes files that are not there yet, many at once, in any order. What the store refuses for good does not keep
    /// the others; the first refusal is the result. When the store is away, nothing more is begun.
    pub(crate) fn put_all(&self, files: Vec<(String, PathBuf)>) -> Result<(), SinkError> {
        let memory = Semaphore::new(MEMORY_KIB as usize);
        let mut refused = None;
        self.handle.block_on(async {
            let puts = files.into_iter().map(|(path, file)| self.put_file(path, file, &memory));
            let mut puts = futures::stream::iter(puts).buffer_unordered(AT_ONCE);
            while let Some(put) = puts.next().await {
                match put {
                    Ok(_) => {}
                    Err(away @ SinkError::Away { .. }) => return Err(away),
                    Err(error) => drop(refused.get_or_insert(error)),
                }
            }
            Ok(())
        })?;
        refused.map_or(Ok(()), Err)
    }

    /// Renews the locks of files, many at once. Gives back those that could not be renewed, with the first reason;
    /// when the store is away, no more are begun.
    pub(crate) fn renew_all(&self, mut paths: BTreeSet<String>) -> (BTreeSet<String>, Option<SinkError>) {
        let mut first = None;
        let renewed = self.handle.block_on(async {
            let renew = |path: &String| {
                let path = path.clone();
                async move {
                    let silence = || SinkError::Away { path: path.clone(), reason: self.silence() };
                    let renewed = tokio::time::timeout(self.patience, self.store.renew(&path)).await;
                    (renewed.unwrap_or_else(|_| Err(silence())), path)
                }
            };
            let mut renewals = futures::stream::iter(paths.iter().map(renew)).buffer_unordered(AT_ONCE);
            let mut done = Vec::new();
            while let Some((renewed, path)) = renewals.next().await {
                match renewed {
                    Ok(()) => done.push(path),
                    Err(error) => {
                        let away = matches!(error, SinkError::Away { .. });
                        first.get_or_insert(error);
                        if away {
                            break;
                        }
                    }
                }
            }
            done
        });
        for path in renewed {
            paths.remove(&path);
        }
        (paths, first)
    }

    async fn put_file(&self, path: String, file: PathBuf, memory: &Semaphore) -> Result<Put, SinkError> {
        let away = |reason: String| SinkError::Away { path: path.clone(), reason };
        let local = |error: std::io::Error| away(format!("{}: {error}", file.display()));
        let bytes = std::fs::metadata(&file).map_err(local)?.len();
        let share = u32::try_from(bytes / 1024 + 1).unwrap_or(MEMORY_KIB).min(MEMORY_KIB);
        let _share = memory.acquire_many(share).await.map_err(|error| away(error.to_string()))?;
        place("push.object").map_err(local)?;
        let put = if bytes > LONG {
            let patience = self.patience + Duration::from_secs(bytes / SLOWEST);
            let put = tokio::time::timeout(patience, self.store.put_file(&path, &file)).await;
            put.unwrap_or_else(|_| Err(away(self.silence())))?
        } else {
            self.patiently(&path, std::fs::read(&file).map_err(local)?).await?
        };
        place("push.object.sent").map_err(local)?;
        Ok(put)
    }

    async fn patiently(&self, path: &str, bytes: Vec<u8>) -> Result<Put, SinkError> {
        match tokio::time::timeout(self.patience, self.store.put(path, bytes)).await {
            Ok(put) => put,
            Err(_) => Err(SinkError::Away { path: path.to_owned(), reason: self.silence() }),
        }
    }

    /// Does something with the archive on a thread of its own, so that a store that hangs can be left alone.
    fn ask<T: Send + 'static>(
        &self,
        path: &str,
        question: impl FnOnce(&dyn Archive, &str) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let (sender, receiver) = mpsc::channel();
        let (archive, name) = (Arc::clone(&self.archive), path.to_owned());
        let failed = |reason: String| ArchiveError::Io { path: path.to_owned(), reason };
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || drop(sender.send(question(&*archive, &name))))
            .map_err(|error| failed(error.to_string()))?;
        receiver.recv_timeout(self.patience).map_err(|_| failed(self.silence()))?
    }

    fn silence(&self) -> String {
        format!("{} did not answer within {} s", self.location(), self.patience.as_secs_f32())
    }
}

impl Sink for Remote {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        self.handle.block_on(self.patiently(path, bytes.to_vec()))
    }
}

impl Archive for Remote {
    /// The whole file, as what can hang while it is read.
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        let bytes = self.read(path, LARGEST)?;
        Ok(bytes.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        self.ask(folder, |archive, folder| archive.list(folder))
    }

    fn location(&self) -> String {
        self.archive.location()
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.ask(path, move |archive, path| archive.read(path, limit))
    }
}
