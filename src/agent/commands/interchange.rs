//! The forms of `report` for other programs that take every finding, however many: tables and OCSF events.

use evidenced_model::{CallStats, Finding};
use evidenced_report::{Evidence, FindingsCsv, Ocsf, Provenance, Report as Document, controls_csv};
use evidenced_seal::{RunReader, SealError};

use super::Context;
use super::report::{broken, finish, parse, target};
use crate::args::{Format, Report, TableName};
use crate::exit::{Ended, Exit};
use crate::opened::failed;

/// Writes a table or events. `known` is the report of the run without its findings.
pub(super) fn stream(
    context: &Context,
    options: &Report,
    known: &Document,
    reader: &RunReader<'_>,
) -> Result<Exit, Ended> {
    if context.common.format == Format::Ocsf {
        if options.table.is_some() {
            return Err(Ended::new(Exit::Usage, "--table is for --format csv"));
        }
        let mut events = Ocsf::new(known, target(options)?);
        each(reader, &mut |finding, evidence| events.event(&finding, Some(evidence)).map_err(|error| broken(&error)))?;
        return finish(events.finish().map_err(|error| broken(&error))?, options);
    }
    let mut worth = Provenance::of_run(known, &calls(reader)?);
    let out = match options.table.unwrap_or(TableName::Findings) {
        TableName::Controls => controls_csv(known, target(options)?).map_err(|error| broken(&error))?,
        TableName::Findings => {
            let titles: std::collections::BTreeMap<_, _> =
                known.checks.iter().map(|check| (&check.id, check.title.as_str())).collect();
            let mut table = FindingsCsv::new(known, target(options)?).map_err(|error| broken(&error))?;
            let withheld = each(reader, &mut |finding, evidence| {
                worth.asked(&finding);
                let title = titles.get(&finding.check).copied();
                table.row(&finding, title, Some(evidence)).map_err(|error| broken(&error))
            })?;
            worth.completeness.withheld |= withheld > 0;
            worth.completeness.left_out = withheld;
            table.finish().map_err(|error| broken(&error))?
        }
        TableName::Changes | TableName::Fails => {
            let message = "changes and fails are of a period: name it with --from and --to";
            return Err(Ended::new(Exit::Usage, message));
        }
    };
    let exit = finish(out, options)?;
    beside(options, &worth)?;
    Ok(exit)
}

/// What a table is worth, in a file beside it; nothing beside standard output.
pub(super) fn beside(options: &Report, worth: &Provenance) -> Result<(), Ended> {
    let Some(table) = &options.output else { return Ok(()) };
    let mut name = table.clone().into_os_string();
    name.push(".meta.json");
    let mut text = Vec::new();
    worth.write(&mut text).map_err(|error| broken(&error))?;
    std::fs::write(&name, text)
        .map_err(|error| Ended::new(Exit::Usage, format!("{} cannot be written: {error}", name.display())))
}

/// The calls of a run; none, if a pack withholds them.
pub(super) fn calls(reader: &RunReader<'_>) -> Result<Vec<CallStats>, Ended> {
    match reader.calls() {
        Ok(calls) => Ok(calls.operations),
        Err(SealError::Withheld { .. }) => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

/// Goes through every finding with the place of its line; how many a pack withholds.
fn each(
    reader: &RunReader<'_>,
    take: &mut dyn FnMut(Finding, Evidence<'_>) -> Result<(), Ended>,
) -> Result<u64, Ended> {
    let mut groups = reader.groups().map_err(failed)?;
    let mut withheld = 0;
    for group in groups.by_ref() {
        let group = group.map_err(failed)?;
        let mut lines = reader.finding_lines(&group).map_err(failed)?;
        for line in lines.by_ref() {
            let line = line.map_err(failed)?;
            take(parse(&line)?, Evidence { object: &line.file, resource_object: None })?;
        }
        withheld += lines.withheld();
    }
    Ok(withheld + groups.withheld())
}
