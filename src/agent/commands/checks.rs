//! `evidenced checks`: list, show, test.

use std::sync::Arc;

use evidenced_check::{Check, Kind, Library};
use serde::Serialize;

use super::Context;
use crate::args::{Checks, Format};
use crate::catalogue;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use evidenced_model::glob;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    kind: &'a str,
    objective: &'a str,
    revision: u32,
    severity: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    needs: Vec<&'a str>,
}

pub(crate) fn run(context: &Context, command: &Checks) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let library = Arc::new(catalogue::with_examples(&loaded)?);
    match command {
        Checks::List { provider } => list(context, &library, provider.as_deref()),
        Checks::Show { id } => show(context, &library, id),
        Checks::Test { glob } => test(context, &library, glob.as_deref()),
    }
}

fn list(context: &Context, library: &Library, provider: Option<&str>) -> Result<Exit, Ended> {
    let mut checks: Vec<(&Kind, &Check)> = library.checks().collect();
    checks.retain(|(_, check)| provider.is_none_or(|provider| check.id.provider() == provider));
    checks.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    let mut lines = Lines::new();
    for (kind, check) in checks {
        if context.common.format == Format::Json {
            lines.json(&line(kind, check))?;
        } else {
            lines.text(format!("{:<42} {:<9} {}", check.id, check.severity.as_str(), check.title))?;
        }
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn line<'a>(kind: &'a Kind, check: &'a Check) -> Line<'a> {
    Line {
        id: check.id.as_str(),
        kind: kind.decl.kind.as_str(),
        objective: check.objective.as_str(),
        revision: check.revision,
        severity: check.severity.as_str(),
        title: &check.title,
        needs: check.needs.iter().map(String::as_str).collect(),
    }
}

fn show(context: &Context, library: &Library, id: &str) -> Result<Exit, Ended> {
    let Some((kind, check)) = library.checks().find(|(_, check)| check.id.as_str() == id) else {
        return Err(Ended::new(Exit::Usage, format!("there is no check {id:?}; see `evidenced checks list`")));
    };
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        lines.json(check)?;
    } else {
        lines.text(format!("{}  (revision {}, {})", check.id, check.revision, check.severity.as_str()))?;
        lines.text(&check.title)?;
        lines.text(format!("\nasks about   {} ({})", kind.decl.kind, kind.decl.title))?;
        lines.text(format!("serves       {}", check.objective))?;
        if !check.needs.is_empty() {
            lines.text(format!("needs        {} declared under checks.params", check.needs.join(", ")))?;
        }
        lines.text(format!("why          {}", check.why.trim()))?;
        lines.text(format!("fix          {}", check.fix.trim()))?;
        let program = serde_json::to_value(check).unwrap_or_default();
        for part in ["per", "with", "applies", "pass", "some", "every", "none", "count", "when_empty", "when_absent"] {
            match &program[part] {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) => lines.text(format!("{part:<12} {}", text.trim()))?,
                other => lines.text(format!("{part:<12} {other}"))?,
            }
        }
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn test(context: &Context, library: &Arc<Library>, pattern: Option<&str>) -> Result<Exit, Ended> {
    let report = evidenced_check::runner::run(library);
    let mut lines = Lines::new();
    let failures: Vec<_> = report
        .failures
        .iter()
        .filter(|failure| pattern.is_none_or(|pattern| glob(pattern, failure.check.as_str())))
        .collect();
    for failure in &failures {
        lines.text(format!("FAIL {failure}"))?;
    }
    if context.common.format == Format::Json {
        lines.json(&serde_json::json!({
            "checks": report.checks, "examples": report.examples, "derived": report.derived, "failures": failures.len(),
        }))?;
    } else {
        lines.text(format!(
            "{} checks, {} examples, {} derived (a field taken away): {}",
            report.checks,
            report.examples,
            report.derived,
            if failures.is_empty() { "all as expected".to_owned() } else { format!("{} failed", failures.len()) }
        ))?;
    }
    lines.finish()?;
    Ok(if failures.is_empty() { Exit::Done } else { Exit::Partial })
}
