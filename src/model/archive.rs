//! The two sides of every store: reading what was stored (verify, report, diff, findings) and
//! adding to it (seal). There is no third: nothing is ever overwritten or deleted.

use std::io::Read;

use crate::Digest;

/// A store, read only. Paths are relative to the store's root, with `/`, e.g. `v1/log/prod-eu/000000000000.dsse.json`.
pub trait Archive: Send + Sync {
    /// Opens a stored file; `None` if there is none of that name.
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError>;

    /// The names directly under a folder, sorted; folders end in `/`. Empty if there is no such folder.
    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError>;

    /// Where this is, for messages: a URL or a path.
    fn location(&self) -> String;

    /// The whole file, refused beyond `limit` bytes.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(file) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| ArchiveError::reading(path, &error))?;
        if bytes.len() as u64 > limit {
            return Err(ArchiveError::TooLarge { path: path.to_owned(), limit });
        }
        Ok(Some(bytes))
    }

    /// The whole file as [`Archive::read`] gives it; if that is not valid, its [`Archive::original`], as somebody may
    /// have written over it.
    fn read_valid(
        &self,
        path: &str,
        limit: u64,
        valid: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self.read(path, limit) {
            Ok(Some(bytes)) if !valid(&bytes) => Ok(self.original(path, limit, valid)?.or(Some(bytes))),
            Err(error @ ArchiveError::TooLarge { .. }) => match self.original(path, limit, valid)? {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(error),
            },
            read => read,
        }
    }

    /// The oldest version of a file that is valid, or else the oldest at all. `None` if the store keeps no versions.
    fn original(&self, path: &str, limit: u64, valid: &dyn Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>, ArchiveError> {
        let _ = (path, limit, valid);
        Ok(None)
    }

    /// What was seen of files, so far, beside what was asked for: later versions, marks of deletion. Sorted.
    fn remarks(&self) -> Vec<Remark> {
        Vec::new()
    }
}

/// Something about a stored file that nobody asked for, and that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// The file, relative to the store's root.
    pub file: String,
    /// What was seen.
    pub what: String,
}

/// A store that can be added to: create-only, so that nothing there ever changes.
pub trait Sink: Send {
    /// Writes a file that is not there yet. Equal bytes that are there already count as written.
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError>;

    /// Hears of an object of an earlier run, named by this digest, that is used again without being written.
    fn reused(&mut self, _path: &str, _digest: &Digest) {}
}

/// Whether a path names a file in a store: words of printable ASCII between slashes, none of which is empty
/// or begins with a dot; no backslash, no colon. Such a name never leads out of the store.
pub fn valid_path(path: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.len() <= 255
            && !word.starts_with('.')
            && word.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b':' | b'*' | b'?' | b'"'))
    };
    path.len() <= 1024 && path.split('/').all(word)
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The file is new.
    Written,
    /// The same bytes were there already.
    AlreadyThere,
}

/// A file could not be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// There is a file of that name with other bytes. It stays as it is.
    #[error("{path} is there already with other bytes; nothing was overwritten")]
    Exists {
        /// The file.
        path: String,
    },
    /// The store cannot be reached, or is full, for now: worth trying again later.
    #[error("{path} cannot be stored now: {reason}")]
    Away {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The store refused, or the name is not one of ours: trying again will not help.
    #[error("{path} cannot be stored: {reason}")]
    Refused {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
}

/// A stored file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The store cannot be reached for now: worth trying again later.
    #[error("{path} cannot be read now: {reason}")]
    Away {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The disk or the network failed, or access was refused.
    #[error("{path} cannot be read: {reason}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// Larger than anything we would have written there.
    #[error("{path} is larger than {limit} bytes, more than was ever written there")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
}

impl ArchiveError {
    /// An opened file could not be read to its end. A store in a cloud says `ConnectionAborted` of a line that broke.
    pub fn reading(path: &str, error: &std::io::Error) -> Self {
        let (path, reason) = (path.to_owned(), error.to_string());
        match error.kind() {
            std::io::ErrorKind::ConnectionAborted => Self::Away { path, reason },
            _ => Self::Io { path, reason },
        }
    }
}
