//! What can be wrong with an `isms.yaml`.

use std::fmt;

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The file, as the reader knows it.
    pub path: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.path),
            line => write!(f, "{}:{line}", self.path),
        }
    }
}

/// An `isms.yaml` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsmsError {
    /// Not YAML, or not of the right form.
    #[error("{at}: {reason}")]
    Form {
        /// Where.
        at: At,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Something is named that there is not.
    #[error("{at}: there is no {what} {name:?}{hint}; {remedy}")]
    Unknown {
        /// Where.
        at: At,
        /// What kind of thing.
        what: String,
        /// Its name.
        name: String,
        /// A suggestion, or nothing.
        hint: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The same id twice.
    #[error("{at}: {what} {name:?} is there twice; remove one of them, or give it another id")]
    Twice {
        /// Where the second one is.
        at: At,
        /// What kind of thing.
        what: &'static str,
        /// Its id.
        name: String,
    },
    /// A control about which something is said that cannot be.
    #[error("{at}: control {control}: {reason}")]
    Control {
        /// Where.
        at: At,
        /// The control.
        control: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A waiver that cannot be one.
    #[error("{at}: waiver {id}: {reason}")]
    Waiver {
        /// Where.
        at: At,
        /// Its id.
        id: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Any other member.
    #[error("{at}: {name}: {reason}")]
    Member {
        /// Where.
        at: At,
        /// Which member.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// ` (did you mean "x"?)`, or nothing if no known name is near.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().max(name.len()) / 4)
        .min();
    nearest.map_or_else(String::new, |(_, candidate)| format!(" (did you mean {candidate:?}?)"))
}
