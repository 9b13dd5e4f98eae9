//! What can go wrong while a store is opened.

/// A store cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A URL that is none of ours.
    #[error("{url:?} is not a store: {what}")]
    Url {
        /// The URL as given.
        url: String,
        /// What is wrong with it, and what would be right.
        what: String,
    },
    /// There is no such folder.
    #[error("the folder {path} is not there; check the path")]
    Missing {
        /// The folder.
        path: String,
    },
    /// The folder cannot be used.
    #[error("the folder {path} cannot be used: {reason}; check that it is a folder and that this user may write there")]
    Unusable {
        /// The folder.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The program was built without this cloud.
    #[error("{url:?} is in a cloud that this build does without; build it with `--features {feature}`")]
    NotBuilt {
        /// The URL as given.
        url: String,
        /// The Cargo feature.
        feature: &'static str,
    },
    /// A folder cannot lock.
    #[error(
        "store.retention asks for a lock, and the folder {path} cannot lock: whoever owns it can change it;          use s3://, azblob:// or gs://, or take store.retention out of the config and live without"
    )]
    NoLock {
        /// The folder.
        path: String,
    },
}
