//! Stores that are no disk: one in memory, for tests, and one that forgets, for judging again.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Archive, ArchiveError, Put, Sink, SinkError};

/// A store in memory. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Memory {
    /// A store that holds these files.
    pub fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(files)))
    }

    /// What it holds now.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Archive for Memory {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        Ok(self.lock().get(path).map(|bytes| Box::new(Cursor::new(bytes.clone())) as Box<dyn Read + Send>))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let mut names: Vec<String> = self
            .lock()
            .range(folder.clone()..)
            .map_while(|(path, _)| path.strip_prefix(&folder))
            .map(|rest| rest.split_once('/').map_or_else(|| rest.to_owned(), |(name, _)| format!("{name}/")))
            .collect();
        names.dedup();
        names.sort();
        Ok(names)
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }
}

impl Sink for Memory {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        let mut files = self.lock();
        match files.get(path) {
            Some(there) if there == bytes => Ok(Put::AlreadyThere),
            Some(_) => Err(SinkError::Exists { path: path.to_owned() }),
            None => {
                files.insert(path.to_owned(), bytes.to_vec());
                Ok(Put::Written)
            }
        }
    }
}

/// Takes everything and keeps nothing: for writing a run again only to compare its digests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullSink;

impl Sink for NullSink {
    fn put(&mut self, _path: &str, _bytes: &[u8]) -> Result<Put, SinkError> {
        Ok(Put::Written)
    }
}
