//! The credential report: a table with a row for each user and one for root, as comma-separated text.
//!
//! Columns are found by name, so that new ones do no harm. `N/A`, `no_information` and `not_supported` are nothing,
//! not a date. Source: "Getting credential reports for your AWS account" in the IAM User Guide.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

/// A report that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialReport {
    /// The root user's row.
    pub root: Option<Row>,
    /// The rows of users, by ARN.
    pub users: BTreeMap<String, Row>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The user's name.
    pub user: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: Told<Timestamp>,
    /// It has a password for the console.
    pub password_enabled: Told<bool>,
    /// When it last signed in with it.
    pub password_last_used: Told<Timestamp>,
    /// When it was last set.
    pub password_last_changed: Told<Timestamp>,
    /// It has a second factor.
    pub mfa_active: Told<bool>,
    /// Its two access keys.
    pub keys: [Key; 2],
    /// Its two signing certificates are active.
    pub certs_active: [Told<bool>; 2],
}

/// An access key's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// It works.
    pub active: Told<bool>,
    /// When it was made.
    pub last_rotated: Told<Timestamp>,
    /// When it was last used.
    pub last_used: Told<Timestamp>,
}

/// What one cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<T> {
    /// This.
    This(T),
    /// That there is nothing.
    Nothing,
    /// Something that cannot be read.
    Garbled,
}

/// Why a report could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Not UTF-8.
    #[error("the credential report is not UTF-8 text")]
    Encoding,
    /// A column that we need is not there.
    #[error("the credential report has no column {0}")]
    Column(&'static str),
    /// A row has another number of cells than the header, or a quote stays open.
    #[error("row {0} of the credential report does not fit its header")]
    Shape(usize),
    /// Two rows for one ARN.
    #[error("row {0} of the credential report repeats a user")]
    Twice(usize),
}

/// Parses a report.
pub fn parse(bytes: &[u8]) -> Result<CredentialReport, ReportError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ReportError::Encoding)?;
    let mut records = Records { rest: text.strip_prefix('\u{feff}').unwrap_or(text) };
    let header = records.next_record().ok_or(ReportError::Shape(0))?.map_err(|Open| ReportError::Shape(0))?;
    let columns = Columns::find(&header)?;
    let mut report = CredentialReport::default();
    let mut number = 0;
    while let Some(record) = records.next_record() {
        number += 1;
        let cells = record.map_err(|Open| ReportError::Shape(number))?;
        if cells.len() == 1 && cells[0].is_empty() {
            continue;
        }
        if cells.len() != header.len() {
            return Err(ReportError::Shape(number));
        }
        let row = columns.row(&cells);
        let before = if row.user == "<root_account>" {
            report.root.replace(row).map(drop)
        } else {
            report.users.insert(row.arn.clone(), row).map(drop)
        };
        if before.is_some() {
            return Err(ReportError::Twice(number));
        }
    }
    Ok(report)
}

/// Where each column stands.
struct Columns {
    user: usize,
    arn: usize,
    created: usize,
    password: [usize; 3],
    mfa: usize,
    keys: [[usize; 3]; 2],
    certs: [usize; 2],
}

impl Columns {
    fn find(header: &[Cow<'_, str>]) -> Result<Self, ReportError> {
        let at = |name: &'static str| header.iter().position(|column| column == name).ok_or(ReportError::Column(name));
        Ok(Self {
            user: at("user")?,
            arn: at("arn")?,
            created: at("user_creation_time")?,
            password: [at("password_enabled")?, at("password_last_used")?, at("password_last_changed")?],
            mfa: at("mfa_active")?,
            keys: [
                [at("access_key_1_active")?, at("access_key_1_last_rotated")?, at("access_key_1_last_used_date")?],
                [at("access_key_2_active")?, at("access_key_2_last_rotated")?, at("access_key_2_last_used_date")?],
            ],
            certs: [at("cert_1_active")?, at("cert_2_active")?],
        })
    }

    fn row(&self, cells: &[Cow<'_, str>]) -> Row {
        let key = |[active, rotated, used]: [usize; 3]| Key {
            active: flag(&cells[active]),
            last_rotated: instant(&cells[rotated]),
            last_used: instant(&cells[used]),
        };
        let [enabled, used, changed] = self.password;
        Row {
            user: cells[self.user].to_string(),
            arn: cells[self.arn].to_string(),
            created: instant(&cells[self.created]),
            password_enabled: flag(&cells[enabled]),
            password_last_used: instant(&cells[used]),
            password_last_changed: instant(&cells[changed]),
            mfa_active: flag(&cells[self.mfa]),
            keys: self.keys.map(key),
            certs_active: self.certs.map(|cert| flag(&cells[cert])),
        }
    }
}

fn is_nothing(cell: &str) -> bool {
    matches!(cell, "N/A" | "no_information" | "not_supported" | "")
}

fn flag(cell: &str) -> Told<bool> {
    match cell {
        cell if cell.eq_ignore_ascii_case("true") => Told::This(true),
        cell if cell.eq_ignore_ascii_case("false") => Told::This(false),
        cell if is_nothing(cell) => Told::Nothing,
        _ => Told::Garbled,
    }
}

fn instant(cell: &str) -> Told<Timestamp> {
    match cell.parse() {
        Ok(time) => Told::This(time),
        Err(_) if is_nothing(cell) => Told::Nothing,
        Err(_) => Told::Garbled,
    }
}

/// A quote that stays open, or text after a closing one.
struct Open;

/// Comma-separated records (RFC 4180), one at a time.
struct Records<'a> {
    rest: &'a str,
}

impl<'a> Records<'a> {
    fn next_record(&mut self) -> Option<Result<Vec<Cow<'a, str>>, Open>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut cells = Vec::with_capacity(24);
        loop {
            let Ok((cell, more)) = self.next_cell() else {
                self.rest = "";
                return Some(Err(Open));
            };
            cells.push(cell);
            if !more {
                return Some(Ok(cells));
            }
        }
    }

    /// A cell, and whether another one follows in the same record.
    fn next_cell(&mut self) -> Result<(Cow<'a, str>, bool), Open> {
        let (cell, rest) = if let Some(quoted) = self.rest.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = self.rest.find([',', '\n', '\r']).unwrap_or(self.rest.len());
            (Cow::Borrowed(&self.rest[..end]), &self.rest[end..])
        };
        if let Some(rest) = rest.strip_prefix(',') {
            self.rest = rest;
            return Ok((cell, true));
        }
        let ended = rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')).or(rest.strip_prefix('\r'));
        self.rest = match ended {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return Err(Open),
        };
        Ok((cell, false))
    }
}

/// The text up to the closing quote, doubled quotes made single, and what comes after.
fn unquote(text: &str) -> Result<(Cow<'_, str>, &str), Open> {
    let mut from = 0;
    loop {
        let quote = from + text[from..].find('"').ok_or(Open)?;
        match text[quote + 1..].strip_prefix('"') {
            Some(_) => from = quote + 2,
            None if from == 0 => return Ok((Cow::Borrowed(&text[..quote]), &text[quote + 1..])),
            None => return Ok((Cow::Owned(text[..quote].replace("\"\"", "\"")), &text[quote + 1..])),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
        password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
        access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
        access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
        cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
    const ROOT: &str = "<root_account>,arn:aws:iam::123456789012:root,2020-01-01T00:00:00+00:00,not_supported,\
        2025-01-01T10:00:00+00:00,not_supported,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,\
        N/A,false,N/A";
    const ALICE: &str = "alice,arn:aws:iam::123456789012:user/alice,2024-01-01T00:00:00+00:00,true,no_information,\
        2024-01-01T00:00:00+00:00,N/A,false,true,2024-02-01T00:00:00+00:00,2025-12-20T08:00:00+00:00,eu-west-1,s3,\
        false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";

    fn report(rows: &[&str]) -> Result<CredentialReport, ReportError> {
        parse([&[HEADER], rows].concat().join("\n").as_bytes())
    }

    #[test]
    fn rows_say_what_their_columns_say() {
        let report = report(&[ROOT, ALICE]).unwrap();
        let root = report.root.unwrap();
        assert_eq!((root.password_enabled, root.mfa_active), (Told::Nothing, Told::This(true)));
        let alice = &report.users["arn:aws:iam::123456789012:user/alice"];
        assert_eq!((alice.password_enabled, alice.password_last_used), (Told::This(true), Told::Nothing));
        assert_eq!(alice.keys[0].last_used, Told::This("2025-12-20T08:00:00Z".parse().unwrap()));
        assert_eq!((alice.keys[1].active, alice.keys[1].last_rotated), (Told::This(false), Told::Nothing));
    }

    #[test]
    fn line_ends_quotes_and_new_columns_do_no_harm() {
        let plain = report(&[ROOT, ALICE]).unwrap();
        let windows = parse([HEADER, ROOT, ALICE, ""].join("\r\n").as_bytes()).unwrap();
        assert_eq!(windows, plain);
        let more = |line: &str| format!("additional,{line}");
        let wider = [more(HEADER), more(ROOT), more(ALICE)].join("\n");
        assert_eq!(parse(wider.as_bytes()).unwrap(), plain);
        let quoted = ALICE.replacen("alice,", "\"a,\"\"b\n\",", 1);
        assert_eq!(report(&[&quoted]).unwrap().users.values().next().unwrap().user, "a,\"b\n");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(parse(b""), Err(ReportError::Shape(0)));
        assert_eq!(parse(b"\xff"), Err(ReportError::Encoding));
        assert_eq!(parse(b"user,arn\n"), Err(ReportError::Column("user_creation_time")));
        assert_eq!(report(&[ROOT, "alice,short"]), Err(ReportError::Shape(2)));
        assert_eq!(report(&[ALICE, ALICE]), Err(ReportError::Twice(2)));
        assert_eq!(report(&[&ALICE.replacen("alice", "\"alice", 1)]), Err(ReportError::Shape(1)));
        assert_eq!(report(&[&ALICE.replacen("alice", "\"alice\"x", 1)]), Err(ReportError::Shape(1)));
    }

    #[test]
    fn a_cell_that_cannot_be_read_is_garbled_alone() {
        let row = ALICE.replacen("no_information", "yesterday", 1).replacen("true", "perhaps", 1);
        let report = report(&[&row]).unwrap();
        let alice = report.users.values().next().unwrap();
        assert_eq!((alice.password_last_used, alice.password_enabled), (Told::Garbled, Told::Garbled));
        assert_eq!(alice.mfa_active, Told::This(false));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "[a-z,\"\r\n]{0,200}") {
            let _ = parse(&bytes);
            let _ = parse(format!("{HEADER}\n{text}").as_bytes());
        }

        #[test]
        fn cells_come_back_as_they_were_written(
            rows in prop::collection::vec(prop::collection::vec("[ab,\"\r\n]{0,5}", 2..5), 1..5),
        ) {
            let line = |cells: &Vec<String>| {
                let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
                quoted.join(",")
            };
            let text = rows.iter().map(line).collect::<Vec<_>>().join("\n");
            let mut records = Records { rest: &text };
            for row in &rows {
                let cells = records.next_record().and_then(Result::ok);
                prop_assert_eq!(cells.map(|cells| cells.iter().map(ToString::to_string).collect()), Some(row.clone()));
            }
            prop_assert!(records.next_record().is_none());
        }
    }
}
