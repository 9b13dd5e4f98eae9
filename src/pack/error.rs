//! What can go wrong while a pack is made or opened.

use evidenced_seal::SealError;

/// A pack cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The store cannot be read, or does not hold what it should.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A rule that says nothing.
    #[error("--withhold {rule:?}: {what}")]
    Rule {
        /// The rule as given.
        rule: String,
        /// What is wrong with it, and what would be right.
        what: String,
    },
    /// There is nothing to give.
    #[error("{location} holds no run in that period; {hint}")]
    Empty {
        /// The store.
        location: String,
        /// What to do.
        hint: String,
    },
    /// A file that cannot go into a zip.
    #[error("{file} is larger than 4 GiB, which is more than a pack can hold in one file")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// A zip file that is no pack.
    #[error("{path} cannot be opened as a pack: {what}; if somebody packed it again, unpack it and verify the folder")]
    Zip {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The pack cannot be written.
    #[error("the pack cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

impl From<evidenced_model::ArchiveError> for PackError {
    fn from(error: evidenced_model::ArchiveError) -> Self {
        Self::Seal(error.into())
    }
}
