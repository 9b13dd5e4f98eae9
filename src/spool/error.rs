//! What can go wrong in the spool.

use std::path::Path;

use evidenced_seal::SealError;

/// The spool cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk failed, or is full.
    #[error("the spool cannot use {path}: {reason}; see agent.state_dir")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        reason: String,
        /// There is no space left.
        full: bool,
    },
    /// Together, runs that wait and the run under way would be larger than the limit.
    #[error(
        "the spool in {folder} is full: {used} of {limit} bytes (limits.spool_bytes); \
         `evidenced spool list` shows what waits, `evidenced spool push` sends it"
    )]
    Full {
        /// The folder.
        folder: String,
        /// Bytes in use.
        used: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file that was to be copied into the spool cannot be read to its end.
    #[error("it cannot be read to its end: {reason}")]
    Source {
        /// What the system said.
        reason: String,
    },
    /// A file of the spool is not what was written there.
    #[error("{path} in the spool is damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl SpoolError {
    /// A disk's error about a file.
    pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |error| {
            let full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
            Self::Io { path: path.clone(), reason: error.to_string(), full }
        }
    }

    /// Whether there is no room: on the disk, or under the limit.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { full: true, .. })
    }

    /// Whether the store or the key service is away for now.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Seal(error) if error.is_away())
    }
}

impl From<SpoolError> for SealError {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Seal(error) => error,
            SpoolError::Io { path, reason, .. } => Self::Spool { folder: path, reason },
            SpoolError::Full { ref folder, .. } => Self::Spool { folder: folder.clone(), reason: error.to_string() },
            SpoolError::Source { ref reason } => Self::Spool { folder: String::new(), reason: reason.clone() },
            SpoolError::Damaged { path, what } => Self::Wrong { file: path, what },
        }
    }
}
