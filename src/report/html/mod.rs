//! Pages: one HTML file that needs nothing else, and the same pages as the daemon serves them.

mod draw;
mod engine;
mod links;
mod live;
mod rows;
mod served;
mod view;

use std::io::Write;

use minijinja::context;
use minijinja::value::{Serde, Value};

use crate::period::Period;
use crate::{Report, ReportError};
use engine::{STYLE, only, render};
use links::Links;
pub use live::{Live, LiveAge, LiveReason, LiveSchedule};
pub use served::{Filter, FindingPage, FindingsPage, Served, ServedPage, serve};

const SCRIPT: &str = include_str!("file.js");

/// Writes the state of a run as one HTML file; with a period, also since when, and how things stood over time.
///
/// Its content security policy admits nothing but its own style sheet and script, each by digest: even markup that
/// slipped through could neither run nor load anything. What is essential can be read without the script; the table of
/// all findings, its filters and its pages need it.
pub fn html(report: &Report, period: Option<&Period>, out: &mut dyn Write) -> Result<(), ReportError> {
    let rows = rows::island(report, period)?;
    file(Some(report), period, Value::from(Serde(rows)), out)
}

/// Writes what a period was like as one HTML file.
pub fn html_period(period: &Period, out: &mut dyn Write) -> Result<(), ReportError> {
    file(None, Some(period), Value::from(()), out)
}

fn file(report: Option<&Report>, period: Option<&Period>, rows: Value, out: &mut dyn Write) -> Result<(), ReportError> {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        only(STYLE),
        only(SCRIPT)
    );
    let more = context! { policy, script => SCRIPT, rows };
    render("file.html", Links::File, context! { ..more, ..common(report, period)? }, out)
}

/// What every page is given.
fn common(report: Option<&Report>, period: Option<&Period>) -> Result<Value, ReportError> {
    let view = Value::from(Serde(view::View::new(report, period)));
    let (run, over_time) = (view.get_attr("run")?, view.get_attr("period")?);
    Ok(context! {
        style => STYLE,
        kicker => "Evidence of cloud configuration",
        short_assurance => report.map(|report| report.assurance.short()),
        store => report.map(|report| &report.store).or(period.map(|period| &period.store)),
        run,
        period => over_time,
        view,
    })
}
