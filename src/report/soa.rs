//! The statement of applicability as a table: written for people and spreadsheets, and read back from them.

use std::collections::BTreeMap;
use std::io::Write;

use evidenced_model::{CatalogId, ControlId};

use crate::ReportError;
use crate::csv::cell;

/// The columns of the table.
pub const SOA_COLUMNS: [&str; 10] = [
    "catalog",
    "number",
    "label",
    "applicable",
    "justification",
    "owner",
    "status",
    "supported_by",
    "waivers",
    "attachments",
];

/// The columns that the organisation states; the others follow from evidence.
pub const STATED: [&str; 4] = ["applicable", "justification", "owner", "status"];

/// One control in the statement of applicability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoaRow {
    /// Its catalogue.
    pub catalog: CatalogId,
    /// Its number.
    pub number: ControlId,
    /// Our own short words for it.
    pub label: String,
    /// `yes` or `no`.
    pub applicable: String,
    /// Why; `not stated` where nothing is said.
    pub justification: String,
    /// Who answers for it.
    pub owner: String,
    /// How far it is, in the organisation's own words.
    pub status: String,
    /// What supports it, or does not.
    pub supported_by: String,
    /// Waivers behind it.
    pub waivers: String,
    /// What people have brought.
    pub attachments: String,
}

impl SoaRow {
    fn cells(&self) -> [&str; 10] {
        [
            self.catalog.as_str(),
            self.number.as_str(),
            &self.label,
            &self.applicable,
            &self.justification,
            &self.owner,
            &self.status,
            &self.supported_by,
            &self.waivers,
            &self.attachments,
        ]
    }

    /// What it says in a column, as the table shows it.
    pub fn shown(&self, column: &str) -> String {
        let at = SOA_COLUMNS.iter().position(|name| *name == column);
        at.map(|at| plain(&cell(self.cells()[at]))).unwrap_or_default()
    }
}

/// Writes the table (RFC 4180, UTF-8); no cell is one that a spreadsheet takes for a formula.
pub fn soa_csv<'a>(rows: impl IntoIterator<Item = &'a SoaRow>, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    table.write_record(SOA_COLUMNS)?;
    for row in rows {
        table.write_record(row.cells().map(|text| cell(text).into_owned()))?;
    }
    Ok(table.flush()?)
}

/// A row of somebody's table: its number, and its cells by the name of their column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRow {
    /// The row, as a spreadsheet counts them: the first below the headings is 2.
    pub row: u64,
    /// What stands in each column.
    pub cells: BTreeMap<String, String>,
}

/// Reads such a table, whoever saved it: with commas or semicolons, its columns in any order, and others beside them.
/// A mark before a formula is taken away again. Gives the rows, or what is wrong.
pub fn read_soa_csv(text: &str) -> Result<Vec<ReadRow>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    let delimiter = if head.matches(';').count() > head.matches(',').count() { b';' } else { b',' };
    let mut table = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let names = table.headers().map_err(|error| error.to_string())?.clone();
    let names: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
    if !names.iter().any(|name| name == "number") {
        return Err("it has no column `number`; write one with `evidenced soa export`".to_owned());
    }
    let mut rows = Vec::new();
    for (row, record) in (2..).zip(table.records()) {
        let record = record.map_err(|error| error.to_string())?;
        let cells = names.iter().cloned().zip(record.iter().map(plain)).collect();
        rows.push(ReadRow { row, cells });
    }
    Ok(rows)
}

/// A cell as it is compared: without blanks around it, and without the mark that keeps it from being a formula.
fn plain(cell: &str) -> String {
    let cell = cell.trim();
    cell.strip_prefix('\'').unwrap_or(cell).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> SoaRow {
        SoaRow {
            catalog: CatalogId::parse("iso27001-2022").unwrap(),
            number: ControlId::parse("A.7.4").unwrap(),
            label: "Watched rooms".to_owned(),
            applicable: "no".to_owned(),
            justification: "=HYPERLINK(\"https://example.com\")".to_owned(),
            owner: "Facilities, \"East\"\u{1b}[31m".to_owned(),
            status: "- open".to_owned(),
            supported_by: String::new(),
            waivers: "@W-1".to_owned(),
            attachments: String::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_is_no_formula() {
        let mut out = Vec::new();
        soa_csv([&row()], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("'=HYPERLINK") && text.contains("'- open") && text.contains("'@W-1"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let rows = read_soa_csv(&text).unwrap();
        assert_eq!(rows.len(), 1);
        for column in SOA_COLUMNS {
            assert_eq!(rows[0].cells[column], row().shown(column), "{column}");
        }
    }

    #[test]
    fn other_tables_are_understood() {
        let rows = read_soa_csv("\u{feff}Number;Remark;Applicable\r\nA.7.4;x; no \r\nA.7.5;;yes\r\n").unwrap();
        assert_eq!((rows[0].cells["applicable"].as_str(), rows[1].row), ("no", 3));
        assert!(read_soa_csv("a,b\n1,2\n").unwrap_err().contains("`number`"));
        assert!(read_soa_csv("").is_err());
    }
}
