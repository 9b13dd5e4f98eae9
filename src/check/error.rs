//! What can be wrong with checks, their parameters and their stored form.

use std::fmt;

/// One thing that is wrong with a file of kinds, checks or parameters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct LoadError {
    /// The file, as it was named to the loader.
    pub file: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<u64>,
    /// The check, where the error is in one.
    pub check: Option<String>,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl LoadError {
    pub(crate) fn new(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, check: None, message: message.into() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(check) = &self.check {
            write!(f, ": check {check}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Settings that do not fit the library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No parameter of that name is declared.
    #[error("there is no parameter {name:?}{hint}")]
    UnknownParam {
        /// The name as it was given.
        name: String,
        /// A suggestion, or nothing.
        hint: String,
    },
    /// The value does not have the declared type.
    #[error("parameter {name:?} has to be {expected}, not {found}")]
    ParamType {
        /// The parameter.
        name: String,
        /// What was declared.
        expected: &'static str,
        /// What was given.
        found: &'static str,
    },
    /// No check of that id is in the library.
    #[error("there is no check {id:?}{hint}")]
    UnknownCheck {
        /// The id as it was given.
        id: String,
        /// A suggestion, or nothing.
        hint: String,
    },
    /// Functions could not be declared: a bug in this crate.
    #[error("the functions of checks cannot be declared: {0}")]
    Functions(String),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(hint("rotats", ["rotates", "manager"]), " (did you mean \"rotates\"?)");
        assert_eq!(hint("zebra", ["rotates", "manager"]), "");
    }

    #[test]
    fn names_file_line_and_check() {
        let mut error = LoadError::new("a.yaml", "wrong");
        assert_eq!(error.to_string(), "a.yaml: wrong");
        error.line = Some(3);
        error.check = Some("a.b".into());
        assert_eq!(error.to_string(), "a.yaml:3: check a.b: wrong");
    }
}
