//! What can go wrong while a report is written.

use thiserror::Error;

/// Why a report could not be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Whoever takes the report did not take it.
    #[error(
        "the report could not be written to its destination: {0}; check that there is room and that it is writable"
    )]
    Write(#[from] std::io::Error),
    /// The report could not be put into JSON.
    #[error("the report could not be turned into JSON: {0}; this is a bug, please report it")]
    Json(#[source] serde_json::Error),
    /// A row of the table could not be written.
    #[error("the table of findings could not be written: {0}; check that there is room and that it is writable")]
    Csv(#[from] csv::Error),
    /// The template of the HTML report is at fault.
    #[error("the HTML report could not be filled in: {0:#}; this is a bug, please report it")]
    Template(#[from] minijinja::Error),
}

impl From<serde_json::Error> for ReportError {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() { Self::Write(error.into()) } else { Self::Json(error) }
    }
}
