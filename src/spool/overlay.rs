//! The spool laid over the store: what the previous run looks like, whether it was sent already or not.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use evidenced_model::{Archive, ArchiveError};

use crate::Remote;
use crate::cache::{Cache, is_document};

/// No object is larger.
const LARGEST: u64 = 256 << 20;

/// Reads objects from bundles that wait, then from the cache, then from the store. After the store failed once, it is
/// not asked again.
pub struct Overlay {
    pub(crate) bundles: Vec<PathBuf>,
    pub(crate) cache: Cache,
    pub(crate) store: Option<Remote>,
    pub(crate) location: String,
    pub(crate) down: AtomicBool,
    pub(crate) touched: Mutex<BTreeSet<String>>,
}

impl Overlay {
    /// The trees and documents that were read so far: what the next run may build on.
    pub fn touched(&self) -> BTreeSet<String> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn here(&self, name: &str) -> Option<File> {
        let bundles = self.bundles.iter().map(|bundle| bundle.join("objects").join(name));
        bundles.chain([self.cache.object(name)]).find_map(|file| File::open(file).ok())
    }

    fn there(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let away = || ArchiveError::Io { path: path.to_owned(), reason: "the store is away".to_owned() };
        let store = self.store.as_ref().filter(|_| !self.down.load(Ordering::Relaxed)).ok_or_else(away)?;
        let read = store.read(path, LARGEST);
        if read.is_err() {
            self.down.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl Archive for Overlay {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        let name = path.strip_prefix("v1/objects/").and_then(|rest| rest.split_once('/')).map(|(_, name)| name);
        let document = name.filter(|name| is_document(name));
        if let Some(name) = document {
            self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        }
        if let Some(file) = name.and_then(|name| self.here(name)) {
            return Ok(Some(Box::new(file)));
        }
        let bytes = self.there(path)?;
        if let (Some(name), Some(bytes)) = (document, &bytes) {
            self.cache.keep(name, bytes);
        }
        Ok(bytes.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        match &self.store {
            Some(store) if !self.down.load(Ordering::Relaxed) => store.list(folder),
            _ => Err(ArchiveError::Io { path: folder.to_owned(), reason: "the store is away".to_owned() }),
        }
    }

    fn location(&self) -> String {
        self.location.clone()
    }
}
