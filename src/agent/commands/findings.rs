//! `evidenced findings`: the findings of a run, one JSON object a line.

use super::Context;
use crate::args::Findings;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::{self, failed};
use evidenced_model::glob;

pub(crate) fn run(context: &Context, options: &Findings) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let archive = super::archive(options.store.as_deref(), &loaded)?;
    let (_, reader) = opened::open(&*archive, &loaded.config.agent.id, &options.run, None)?;
    let mut lines = Lines::new();
    for group in reader.groups().map_err(failed)? {
        let group = group.map_err(failed)?;
        for finding in reader.findings(&group).map_err(failed)? {
            let finding: evidenced_model::Finding = finding.map_err(failed)?;
            let wanted = (options.verdict.is_empty() || options.verdict.iter().any(|v| v == finding.verdict.as_str()))
                && options.check.as_ref().is_none_or(|pattern| glob(pattern, finding.check.as_str()))
                && options.resource.as_ref().is_none_or(|pattern| glob(pattern, &finding.resource));
            if !wanted {
                continue;
            }
            let mut line = Vec::with_capacity(512);
            finding.write_line(&mut line);
            lines.write(&line)?;
            if lines.is_gone() {
                return Ok(Exit::Done);
            }
        }
    }
    lines.finish()?;
    Ok(Exit::Done)
}
