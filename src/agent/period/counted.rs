//! A store that counts which objects are opened: what a period costs is said in the log.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use evidenced_model::{Archive, ArchiveError, Digest, Remark};

/// Counts.
pub(super) struct Counted<'a> {
    archive: &'a dyn Archive,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    /// The first eight bytes of the SHA-256 of each path.
    objects: BTreeSet<u64>,
    times: u64,
}

impl<'a> Counted<'a> {
    /// Over this store.
    pub(super) fn new(archive: &'a dyn Archive) -> Self {
        Self { archive, opened: Mutex::default() }
    }

    /// How many objects were opened, and how many times in all.
    pub(super) fn objects(&self) -> (u64, u64) {
        let opened = self.opened();
        (opened.objects.len() as u64, opened.times)
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, path: &str) {
        if !path.starts_with("v1/objects/") {
            return;
        }
        let mut first = [0; 8];
        first.copy_from_slice(&Digest::of(path.as_bytes()).as_bytes()[..8]);
        let mut opened = self.opened();
        opened.objects.insert(u64::from_be_bytes(first));
        opened.times += 1;
    }
}

impl Archive for Counted<'_> {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        self.note(path);
        self.archive.open(path)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        self.archive.list(folder)
    }

    fn location(&self) -> String {
        self.archive.location()
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.note(path);
        self.archive.read(path, limit)
    }

    fn original(&self, path: &str, limit: u64, valid: &dyn Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.archive.original(path, limit, valid)
    }

    fn remarks(&self) -> Vec<Remark> {
        self.archive.remarks()
    }
}
