//! `evidenced report --from --to`: the state over a period.

use evidenced_model::{AgentId, Archive};
use evidenced_report::period::PeriodLimits;
use evidenced_report::{Provenance, ReportError, Table};
use jiff::{SignedDuration, Timestamp};

use super::Context;
use super::interchange::beside;
use super::report::{broken, finish, style, target};
use crate::args::{Format, Report, TableName};
use crate::exit::{Ended, Exit};
use crate::period;

/// A period whose beginning is not named.
const USUAL: SignedDuration = SignedDuration::from_hours(24 * 90);

/// The report of a period.
pub(super) fn run(context: &Context, options: &Report, archive: &dyn Archive) -> Result<Exit, Ended> {
    let now = context.time.now();
    let moment = |text: &str, end| -> Result<Timestamp, Ended> {
        let millis = super::verify::moment(text, end)?;
        let moment = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        moment.ok_or_else(|| Ended::new(Exit::Usage, format!("{text:?} is too far away")))
    };
    let to = options.to.as_deref().map(|text| moment(text, true)).transpose()?;
    let from = options.from.as_deref().map(|text| moment(text, false)).transpose()?;
    let to = to.unwrap_or(now);
    let from = from.unwrap_or_else(|| to.checked_sub(USUAL).unwrap_or(Timestamp::MIN));
    if from >= to {
        return Err(Ended::new(
            Exit::Usage,
            format!("the period begins at {from} and ends at {to}: give --from first"),
        ));
    }
    let agents = options.agent.iter().map(|agent| AgentId::parse(agent.as_str()));
    let agents = agents.collect::<Result<Vec<_>, _>>().map_err(|error| Ended::new(Exit::Usage, error.to_string()))?;
    let asked = period::Asked {
        from,
        to,
        agents: &agents,
        catalog: options.catalog.as_deref(),
        controls: &options.control,
        limits: PeriodLimits::default(),
        shelf: period::SHELF,
        now,
    };
    let period = period::read(archive, &asked)?;
    let format = context.common.format;
    if options.table.is_some() && format != Format::Csv {
        return Err(Ended::new(Exit::Usage, "--table is for --format csv"));
    }
    let mut out = target(options)?;
    let written = match format {
        Format::Json => evidenced_report::period::json(&period, &mut out),
        Format::Oscal => evidenced_report::oscal_period(&period, now, &mut out),
        Format::Ocsf => evidenced_report::ocsf_period(&period, &mut out),
        Format::Csv => {
            let table = match options.table.unwrap_or(TableName::Controls) {
                TableName::Controls => Table::Controls,
                TableName::Changes => Table::Changes,
                TableName::Fails => Table::Fails,
                TableName::Findings => {
                    let message = "findings are those of a run: leave --from and --to out, or ask for fails or changes";
                    return Err(Ended::new(Exit::Usage, message));
                }
            };
            evidenced_report::csv_period(&period, table, &mut out)
        }
        Format::Html => evidenced_report::html_period(&period, &mut out),
        Format::Text => {
            let text = evidenced_report::period::text(&period, &style(context, options.output.is_none()));
            out.write_all(text.as_bytes()).map_err(ReportError::from)
        }
    };
    written.map_err(|error| broken(&error))?;
    let exit = finish(out, options)?;
    if format == Format::Csv {
        beside(options, &Provenance::of_period(&period))?;
    }
    Ok(exit)
}
