//! What can be wrong with a value of the ground floor.

/// A value that does not have the shape its type promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// An identifier with characters or a length its kind does not allow.
    #[error("{what} {value:?} is not valid: {rule}")]
    Id {
        /// Which identifier, e.g. `agent id`.
        what: &'static str,
        /// The value as it was given.
        value: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A digest that is not 64 lower-case hexadecimal digits.
    #[error("{0:?} is not a SHA-256 digest (64 lower-case hexadecimal digits)")]
    Digest(String),
}
