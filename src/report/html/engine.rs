//! The templates, and what fills them in: every string is made harmless on its way into a page.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_model::Digest;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, escape_formatter};

use super::links::{Links, anchor};
use crate::ReportError;
use crate::visible::visible;
use crate::words::number;

/// The style sheet of every page.
pub(super) const STYLE: &str = include_str!("style.css");

macro_rules! templates {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("templates/", $name)))),*] };
}

const TEMPLATES: [(&str, &str); 32] = templates![
    "agents.html",
    "checks.html",
    "control.html",
    "controls.html",
    "coverage.html",
    "failing.html",
    "fails.html",
    "file.html",
    "head.html",
    "layout.html",
    "live.html",
    "macros.html",
    "mending.html",
    "overview.html",
    "people.html",
    "served.html",
    "served_checks.html",
    "served_control.html",
    "served_controls.html",
    "served_coverage.html",
    "served_finding.html",
    "served_findings.html",
    "served_overview.html",
    "served_problem.html",
    "served_timeline.html",
    "served_trust.html",
    "table.html",
    "timeline.html",
    "trust.html",
    "unread.html",
    "verify.html",
    "waivers.html",
];

/// Fills a template in.
pub(super) fn render(template: &str, links: Links, context: Value, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_formatter(harmless);
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.add_filter("number", number);
    env.add_filter("anchor", anchor);
    links.install(&mut env);
    for (name, text) in TEMPLATES {
        env.add_template(name, text)?;
    }
    match env.get_template(template)?.render_captured_to(context, &mut *out) {
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

/// A source of a content security policy: this text and no other.
pub(super) fn only(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Digest::of(text.as_bytes()).as_bytes()))
}

/// A destination that took no more is not the template's fault.
fn unwritten(error: minijinja::Error) -> ReportError {
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return ReportError::Write(std::io::Error::new(io.kind(), io.to_string()));
        }
        source = inner.source();
    }
    ReportError::Template(error)
}
