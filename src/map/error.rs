//! What can be wrong with mapping data.

use std::fmt;

use evidenced_model::{CatalogId, ControlId, ObjectiveId};

/// A place in a file.
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

/// Mapping data that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Not YAML, or not of the right form.
    #[error("{at}: {reason}")]
    Form {
        /// Where.
        at: At,
        /// What the parser said.
        reason: String,
    },
    /// An objective that nobody declares.
    #[error(
        "{at}: control {control} links to {objective}, which is no objective; correct it, or add it to objectives.yaml"
    )]
    UnknownObjective {
        /// Where.
        at: At,
        /// The control that links to it.
        control: ControlId,
        /// What it links to.
        objective: ObjectiveId,
    },
    /// A control that its catalogue does not have.
    #[error("{at}: catalogue {catalog} has no control {control}; correct the number, or add it to the catalogue")]
    UnknownControl {
        /// Where.
        at: At,
        /// The catalogue.
        catalog: CatalogId,
        /// The number.
        control: ControlId,
    },
    /// A catalogue that was not loaded.
    #[error("{at}: there is no catalogue {catalog}; correct the name, or add catalogs/{catalog}.yaml")]
    UnknownCatalog {
        /// Where.
        at: At,
        /// The name.
        catalog: CatalogId,
    },
    /// The same thing declared twice.
    #[error("{at}: {what} is declared twice; remove one of them")]
    Twice {
        /// Where the second one is.
        at: At,
        /// What.
        what: String,
    },
    /// The same objective behind a control twice.
    #[error("{at}: control {control} links to {objective} twice; keep the link with the strength that is meant")]
    DuplicateLink {
        /// Where the second one is.
        at: At,
        /// The control.
        control: ControlId,
        /// The objective.
        objective: ObjectiveId,
    },
    /// A control of which nothing is said.
    #[error("{at}: control {control} has neither a link nor `manual`; say what evidence a person brings")]
    NothingSaid {
        /// Where.
        at: At,
        /// The control.
        control: ControlId,
    },
    /// A control in a links file without a single link.
    #[error("{at}: control {control} has no link here; add one, or remove it from the file")]
    NoLink {
        /// Where.
        at: At,
        /// The control.
        control: ControlId,
    },
    /// A counterpart that is neither there nor explained.
    #[error("{at}: control {control} names no counterpart in {catalog}; name one, or say why in `note`")]
    NoCounterpart {
        /// Where.
        at: At,
        /// The control.
        control: ControlId,
        /// The other catalogue.
        catalog: CatalogId,
    },
    /// A framework in the config that there is no catalogue for.
    #[error("there is no framework {catalog}; choose from {known}")]
    UnknownFramework {
        /// The name.
        catalog: CatalogId,
        /// Those that there are.
        known: String,
    },
    /// Stored mappings that cannot be read back.
    #[error("the stored mappings cannot be read: {reason}; use the version of evidenced that sealed them")]
    Stored {
        /// What the parser said.
        reason: String,
    },
}
