//! Tables for spreadsheets and databases: findings row by row, however many there are; controls, changes and fails.
//!
//! RFC 4180 has no comments, and programs stumble over them. So each row repeats what it needs to stand by itself (the
//! run, the agent, from when to when, the signed statement), and the rest goes into a file beside the table: see
//! [`crate::Provenance`].

mod tables;

use std::borrow::Cow;
use std::io::Write;

use evidenced_model::Finding;

use crate::visible::{cut, visible};
use crate::{Evidence, Report, ReportError};

pub use tables::{Table, controls_csv, csv_period};

/// The columns of the table of findings.
pub const COLUMNS: [&str; 22] = [
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
    "run",
    "agent",
    "collected_from",
    "collected_to",
    "statement_sha256",
    "store",
];

/// A spreadsheet's cell holds no more than 32767 characters.
const CELL_BYTES: usize = 32_000;

/// Writes findings as comma-separated values (RFC 4180), in UTF-8.
///
/// A cell that a spreadsheet would take for a formula begins with an apostrophe, and control characters are made
/// visible, so that each finding is one line.
pub struct FindingsCsv<W: Write> {
    rows: Rows<W>,
    /// The last columns, which are the same in each row.
    source: [String; 6],
}

impl<W: Write> FindingsCsv<W> {
    /// Begins a table with its line of headings. The report says of which run; one that was fed with nothing will do.
    pub fn new(report: &Report, out: W) -> Result<Self, ReportError> {
        let source = [
            report.run.to_string(),
            report.agent.to_string(),
            report.window.start.to_string(),
            report.window.end.to_string(),
            report.statement.digest.to_string(),
            report.store.clone(),
        ];
        Ok(Self { rows: Rows::new(out, &COLUMNS)?, source })
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
        let [run, agent, from, to, statement, store] = &self.source;
        let cells: [&str; COLUMNS.len()] = [
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
            run,
            agent,
            from,
            to,
            statement,
            store,
        ];
        self.rows.row(cells)
    }

    /// Ends the table and gives the writer back.
    pub fn finish(self) -> Result<W, ReportError> {
        self.rows.finish()
    }
}

/// A table while it is written, every cell of which is harmless.
struct Rows<W: Write> {
    rows: csv::Writer<W>,
}

impl<W: Write> Rows<W> {
    fn new(out: W, columns: &[&str]) -> Result<Self, ReportError> {
        let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        rows.write_record(columns)?;
        Ok(Self { rows })
    }

    fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> Result<(), ReportError> {
        for text in cells {
            self.rows.write_field(cell(text).as_bytes())?;
        }
        self.rows.write_record(None::<&[u8]>)?;
        Ok(())
    }

    fn finish(self) -> Result<W, ReportError> {
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
