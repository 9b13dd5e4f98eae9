//! The report as one HTML file that needs nothing else: no server, no network, no script to be read.

mod findings;
mod view;

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_model::Digest;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Output, State, context, escape_formatter};

use crate::visible::visible;
use crate::words::number;
use crate::{Report, ReportError};

const TEMPLATE: &str = include_str!("report.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("filter.js");

/// Writes the report as one HTML file.
///
/// Its content security policy admits nothing but its own style sheet and script, each by digest: even markup that
/// slipped through could neither run nor load anything.
pub fn html(report: &Report, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_formatter(harmless);
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.add_filter("number", number);
    env.add_filter("anchor", anchor);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        sha256(STYLE),
        sha256(SCRIPT)
    );
    let view = Value::from(Serde(view::View::new(report)));
    let context = context! { policy, style => STYLE, script => SCRIPT, ..view };
    let template = env.template_from_named_str("report.html", TEMPLATE)?;
    match template.render_captured_to(context, &mut *out) {
        Ok(_) => Ok(out.flush()?),
        Err(error) => Err(unwritten(error)),
    }
}

/// Every string that comes into the page passes here: what is hidden in it becomes visible, then markup is escaped.
fn harmless(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &Value::from(visible(text).into_owned())),
        _ => escape_formatter(out, state, value),
    }
}

/// A name for a place in the page.
fn anchor(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

fn sha256(text: &str) -> String {
    STANDARD.encode(Digest::of(text.as_bytes()).as_bytes())
}

/// A destination that took no more is not the template's fault.
fn unwritten(error: minijinja::Error) -> ReportError {
    match std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>()) {
        Some(io) => ReportError::Write(std::io::Error::new(io.kind(), io.to_string())),
        None => ReportError::Template(error),
    }
}
