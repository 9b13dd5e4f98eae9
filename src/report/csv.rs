//! Findings as a table for spreadsheets, row by row, however many there are.

use std::borrow::Cow;
use std::io::Write;

use evidenced_model::Finding;

use crate::visible::{cut, visible};
use crate::{Evidence, ReportError};

/// The columns of the table.
pub const COLUMNS: [&str; 16] = [
    "verdict",
    "severity",
    "check",
    "title",
    "objective",
    "provider",
    "account",
    "region",
    "kind",
    "resource",
    "observed",
    "because",
    "waiver",
    "revision",
    "check_sha256",
    "object",
];

/// A spreadsheet's cell holds no more than 32767 characters.
const CELL_BYTES: usize = 32_000;

/// Writes findings as comma-separated values (RFC 4180), in UTF-8.
///
/// A cell that a spreadsheet would take for a formula begins with an apostrophe, and control characters are made
/// visible, so that each finding is one line.
pub struct FindingsCsv<W: Write> {
    rows: csv::Writer<W>,
}

impl<W: Write> FindingsCsv<W> {
    /// Begins a table with its line of headings.
    pub fn new(out: W) -> Result<Self, ReportError> {
        let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        rows.write_record(COLUMNS)?;
        Ok(Self { rows })
    }

    /// Writes one finding, with its check's title and the place of its evidence where they are known.
    pub fn row(
        &mut self,
        finding: &Finding,
        title: Option<&str>,
        evidence: Option<Evidence<'_>>,
    ) -> Result<(), ReportError> {
        let observed = if finding.observed.is_empty() { String::new() } else { json(&finding.observed)? };
        let because = if finding.because.is_empty() { String::new() } else { json(&finding.because)? };
        let revision = finding.revision.to_string();
        let sha256 = finding.check_sha256.to_string();
        let cells = [
            finding.verdict.as_str(),
            finding.severity.as_str(),
            finding.check.as_str(),
            title.unwrap_or_default(),
            finding.objective.as_str(),
            finding.scope.provider.as_str(),
            finding.scope.account.as_str(),
            finding.scope.region.as_str(),
            finding.kind.as_str(),
            &finding.resource,
            &observed,
            &because,
            finding.waiver.as_ref().map_or("", |waiver| &waiver.id),
            &revision,
            &sha256,
            evidence.map_or("", |evidence| evidence.object),
        ];
        self.rows.write_record(cells.map(|text| cell(text).into_owned()))?;
        Ok(())
    }

    /// Ends the table and gives the writer back.
    pub fn finish(self) -> Result<W, ReportError> {
        self.rows.into_inner().map_err(|error| ReportError::Write(error.into_error()))
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, ReportError> {
    serde_json::to_string(value).map_err(ReportError::from)
}

/// A cell's text, which no spreadsheet takes for a formula.
pub(crate) fn cell(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['\t', '\r', '\n'])
        || text
            .trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}')
            .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let short = cut(text, CELL_BYTES);
    match (formula, visible(&short)) {
        (false, Cow::Borrowed(_)) => short,
        (false, Cow::Owned(seen)) => Cow::Owned(seen),
        (true, seen) => Cow::Owned(format!("'{seen}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", r"'\t=1"),
            ("\r=1", r"'\r=1"),
            ("\tplain", r"'\tplain"),
            ("  =1", "'  =1"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn a_long_cell_is_cut() {
        assert!(cell(&"x".repeat(100_000)).len() < 32_767);
    }
}
