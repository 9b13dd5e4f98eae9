//! What can go wrong while sealing, reading back or choosing a run.

use evidenced_model::{ArchiveError, SinkError};

/// Sealing, reading back or choosing a run failed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The store did not take a file.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The store did not give a file.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file that something refers to is not there.
    #[error("{file} is missing; {referrer} refers to it")]
    Missing {
        /// The file.
        file: String,
        /// Who refers to it.
        referrer: String,
    },
    /// A stored file is not what it should be.
    #[error("{file}: {what}")]
    Wrong {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The caller broke the order of the writer: a bug, not an input.
    #[error("the run was written out of order: {what}")]
    Order {
        /// What came when it should not have.
        what: String,
    },
    /// The spool folder could not be used.
    #[error("the spool in {folder} failed: {reason}; free some space or set agent.state_dir to another folder")]
    Spool {
        /// The folder.
        folder: String,
        /// What the system said.
        reason: String,
    },
    /// zstd failed, for want of memory.
    #[error("compression failed: {0}")]
    Compress(String),
    /// No run answers to this.
    #[error("{location} holds no run {wanted:?} of agent {agent}; {hint}")]
    NoSuchRun {
        /// The store.
        location: String,
        /// What was asked for.
        wanted: String,
        /// The agent.
        agent: String,
        /// What could be asked for instead.
        hint: String,
    },
    /// The log cannot be added to.
    #[error("the log in {folder} cannot be continued: {what}")]
    Log {
        /// The log's folder.
        folder: String,
        /// What is in the way, and what to do.
        what: String,
    },
}

impl SealError {
    /// Something is wrong with a stored file.
    pub fn wrong(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Wrong { file: file.into(), what: what.into() }
    }

    pub(crate) fn order(what: impl Into<String>) -> Self {
        Self::Order { what: what.into() }
    }

    /// Whether the store or the key service is away for now, so that trying again later can help.
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Archive(ArchiveError::Away { .. })
                | Self::Sink(SinkError::Away { .. })
                | Self::Key(KeyError::Away { .. })
        )
    }
}

/// A key could not be read, made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("the key file {path} is not there; make one with `evidenced keygen`")]
    Missing {
        /// The file.
        path: String,
    },
    /// Others than its owner can read it.
    #[error(
        "the key file {path} can be read by others (mode {mode:04o}); run `chmod 600` on it, and consider a new key"
    )]
    Exposed {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("{path} is not {what}")]
    Malformed {
        /// The file.
        path: String,
        /// What it should be.
        what: &'static str,
    },
    /// Making a key never overwrites one.
    #[error("{path} exists already; a key is never overwritten, choose another file")]
    Exists {
        /// The file.
        path: String,
    },
    /// The system refused.
    #[error("the key file {path} cannot be used: {reason}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The key service does not answer; the run stays in the spool.
    #[error("the key service of {key} is away: {reason}; try again later")]
    Away {
        /// The key.
        key: String,
        /// What the service said.
        reason: String,
    },
    /// The key service refuses to sign.
    #[error("{key} does not sign: {reason}")]
    Refused {
        /// The key.
        key: String,
        /// What the service said.
        reason: String,
    },
}
