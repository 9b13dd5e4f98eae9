//! What people read: a run's evidence as a summary, a terminal report, JSON, a table, or one HTML file.
//!
//! A report counts, orders and words what was sealed. It judges nothing again, reads no store, and knows neither
//! checks nor mappings: whoever calls it feeds it.
//!
//! ```text
//! let mut report = ReportBuilder::new(header, Limits::default());
//! report.catalog(…).objective(…).check(…).waiver(…);         // texts
//! for account in accounts { report.coverage(&account); }     // one by one
//! report.controls(standings);
//! for finding in findings { report.finding(&finding, Some(evidence)); }
//! let report = report.finish();
//!
//! summary(&report, &style)      the few lines that `collect` ends with (feed it with Limits::summary())
//! text(&report, &style)         for a terminal
//! json(&report, &mut out)?      the document itself
//! html(&report, None, &mut out)? one file that needs nothing else
//! ```
//!
//! Two forms do not need a [`Report`]: [`Collected`] is the object of `collect --format json`, and [`FindingsCsv`]
//! takes findings row by row. Memory is bounded by [`Limits`], whatever the population: everything is counted, and
//! what is left out is said to be, with the command that shows it.
//!
//! Foreign text (names, values) is made harmless in every form: markup, terminal sequences, formulas.

mod assurance;
mod builder;
mod collected;
mod coverage;
mod csv;
mod document;
mod error;
mod html;
mod input;
mod json;
mod keep;
mod ocsf;
mod oscal;
pub mod period;
mod provenance;
mod soa;
mod table;
mod text;
mod trust;
mod unread;
mod uuid;
mod visible;
mod words;

pub use assurance::{AssuranceReport, OwnAccount, assurance};
pub use builder::ReportBuilder;
pub use collected::Collected;
pub use csv::{COLUMNS, FindingsCsv, Table, controls_csv, csv_period};
pub use document::{
    AccountReport, CatalogReport, CellReport, CheckReport, ControlReport, EvidenceRef, FORMAT, Kept, KindRow,
    LaggingSource, MissingPermission, ObjectiveReport, Report, Shown, ShownFinding, UnreadGroup, UnreadPlace,
};
pub use error::ReportError;
pub use html::{
    Filter, FindingPage, FindingsPage, Live, LiveAge, LiveReason, LiveSchedule, Served, ServedPage, html, html_period,
    serve,
};
pub use input::{
    Automatable, CatalogText, CheckText, ControlText, Evidence, Header, Limits, Stamped, StatementRef, WaiverText,
};
pub use json::{ascii_json, json};
pub use ocsf::{Ocsf, ocsf_period};
pub use oscal::{oscal, oscal_period};
pub use provenance::{
    CheckQuery, Completeness, Effective, MadeBy, OperationQuery, Provenance, Query, Source, SourceAccount, UnreadCount,
    Verify,
};
pub use soa::{ReadRow, SOA_COLUMNS, STATED, SoaRow, read_soa_csv, soa_csv};
pub use table::Table as FindingsTable;
pub use text::{Style, summary, text};
pub use visible::{shell_word, visible};
pub use words::STANDINGS;
