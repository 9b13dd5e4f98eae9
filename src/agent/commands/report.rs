//! `evidenced report`, and the few lines with which `collect` ends.

use std::io::{BufWriter, Write};

use evidenced_check::Judge;
use evidenced_model::Archive;
use evidenced_report::period::{Period, PeriodLimits};
use evidenced_report::{Evidence, Header, Limits, Report as Document, ReportBuilder, ReportError, Stamped, Style};
use evidenced_seal::RunReader;
use jiff::{SignedDuration, Timestamp};

use super::{Context, interchange, texts};
use crate::args::{Format, Report};
use crate::exit::{Ended, Exit};
use crate::opened::{self, Judged, failed};
use crate::{period, sealing, stamps};

/// So many days before a run are shown on its page.
const TREND: u32 = 30;

pub(crate) fn run(context: &Context, options: &Report) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let archive = super::archive(options.store.as_deref(), &loaded)?;
    if let Some(shards) = options.shards {
        return super::shards::run(context, &*archive, &loaded.config.agent.id, shards, options.catalog.as_deref());
    }
    if options.from.is_some() || options.to.is_some() {
        return super::period::run(context, options, &*archive);
    }
    if !options.control.is_empty() || !options.agent.is_empty() {
        let message = "--control and --agent choose from a period; name it with --from and --to";
        return Err(Ended::new(Exit::Usage, message));
    }
    let (run, reader) = opened::open(&*archive, &loaded.config.agent.id, &options.run, None)?;
    let judged = Judged::read(&reader)?;
    let header = opened::header(&*archive, &run, &reader)?;
    let wanted = header.manifest.assurance.timestamped;
    let anchors = sealing::anchors(&loaded)?;
    let stamped = stamps::stored(&*archive, &run, wanted, anchors.as_ref()).map_err(failed)?;
    let catalog = options.catalog.as_deref();
    if matches!(context.common.format, Format::Csv | Format::Ocsf) {
        let mut known = begin(header, stamped, &reader, &judged, catalog, Limits::default())?.finish();
        known.withheld = reader.may_withhold().map_err(failed)?;
        return interchange::stream(context, options, &known, &reader);
    }
    if options.table.is_some() {
        return Err(Ended::new(Exit::Usage, "--table is for --format csv"));
    }
    let report = build(header, stamped, &reader, &judged, catalog, Limits::default())?;
    let mut out = target(options)?;
    if context.common.format == Format::Oscal {
        let calls = interchange::calls(&reader)?;
        let written = evidenced_report::oscal(&report, &calls, context.time.now(), &mut out);
        written.map_err(|error| broken(&error))?;
        return finish(out, options);
    }
    let trend = if context.common.format == Format::Html { trend(context, options, &*archive, &report)? } else { None };
    render(context, (&report, trend.as_ref()), &mut out, options)?;
    finish(out, options)
}

/// The days before a run, for a page that says since when something fails. A store in a cloud is not read run by run
/// unless somebody asks for it.
fn trend(
    context: &Context,
    options: &Report,
    archive: &dyn Archive,
    report: &Document,
) -> Result<Option<Period>, Ended> {
    let local = !report.store.contains("://") || report.store.starts_with("file://");
    let days = options.trend.unwrap_or(if local { TREND } else { 0 });
    if days == 0 {
        return Ok(None);
    }
    let end = report.window.end;
    let from = end.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
    let asked = period::Asked {
        from,
        to: end.checked_add(SignedDuration::from_secs(1)).unwrap_or(end),
        agents: std::slice::from_ref(&report.agent),
        catalog: options.catalog.as_deref(),
        controls: &[],
        limits: PeriodLimits { changes: 2000, fails: 5000, ..PeriodLimits::default() },
        shelf: period::SHELF,
        now: context.time.now(),
    };
    period::read(archive, &asked).map(Some)
}

/// The report of a run before its findings: texts, coverage and the standings of controls.
fn begin(
    header: Header,
    stamped: Option<Stamped>,
    reader: &RunReader<'_>,
    judged: &Judged,
    catalog: Option<&str>,
    limits: Limits,
) -> Result<ReportBuilder, Ended> {
    let run = header.manifest.run;
    let mut report = ReportBuilder::new(header, limits);
    report.stamped(stamped);
    let judge = Judge::compile(&judged.library, judged.settings.clone())
        .map_err(|error| Ended::new(Exit::Verification, error.to_string()))?;
    texts::feed(&mut report, &judged.mapping, &judge, judged.isms.as_ref(), judged.settings.now);
    for account in reader.accounts().map_err(failed)? {
        report.coverage(&account.map_err(failed)?);
    }
    report.calls(&interchange::calls(reader)?);
    let controls = reader.controls().map_err(failed)?.controls;
    let wanted = |id: &str| catalog.is_none_or(|catalog| id == catalog);
    if let Some(id) = catalog
        && !controls.iter().any(|control| control.catalog.as_str() == id)
    {
        let known: std::collections::BTreeSet<&str> = controls.iter().map(|control| control.catalog.as_str()).collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Ended::new(Exit::Usage, format!("run {run} has no catalogue {id:?}; it has: {known}")));
    }
    report.controls(controls.into_iter().filter(|control| wanted(control.catalog.as_str())));
    Ok(report)
}

/// The report of a run. Of a pack, of what it shows.
pub(crate) fn build(
    header: Header,
    stamped: Option<Stamped>,
    reader: &RunReader<'_>,
    judged: &Judged,
    catalog: Option<&str>,
    limits: Limits,
) -> Result<Document, Ended> {
    let mut report = begin(header, stamped, reader, judged, catalog, limits)?;
    let mut groups = reader.groups().map_err(failed)?;
    let mut withheld = 0;
    for group in groups.by_ref() {
        let group = group.map_err(failed)?;
        let mut lines = reader.finding_lines(&group).map_err(failed)?;
        for line in lines.by_ref() {
            let line = line.map_err(failed)?;
            report.finding(&parse(&line)?, Some(Evidence { object: &line.file, resource_object: None }));
        }
        withheld += lines.withheld();
    }
    if withheld + groups.withheld() > 0 {
        report.withheld();
    }
    Ok(report.finish())
}

/// The look of text for this process.
pub(crate) fn style(context: &Context, to_terminal: bool) -> Style {
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0).clamp(60, 140));
    Style { color: context.colour && to_terminal, width }
}

fn render(
    context: &Context,
    (report, trend): (&Document, Option<&Period>),
    out: &mut dyn Write,
    options: &Report,
) -> Result<(), Ended> {
    let rendered = match context.common.format {
        Format::Json => evidenced_report::json(report, out),
        Format::Html => evidenced_report::html(report, trend, out),
        // Csv, oscal and ocsf have been written by now.
        Format::Text | Format::Csv | Format::Oscal | Format::Ocsf => {
            let text = evidenced_report::text(report, &style(context, options.output.is_none()));
            out.write_all(text.as_bytes()).map_err(ReportError::from)
        }
    };
    rendered.map_err(|error| broken(&error))
}

pub(super) fn parse(line: &evidenced_seal::read::Line) -> Result<evidenced_model::Finding, Ended> {
    serde_json::from_slice(&line.bytes)
        .map_err(|error| Ended::new(Exit::Verification, format!("{}: a line is no finding: {error}", line.file)))
}

pub(super) fn target(options: &Report) -> Result<Box<dyn Write>, Ended> {
    match &options.output {
        None => Ok(Box::new(BufWriter::new(std::io::stdout()))),
        Some(path) => {
            let file = std::fs::File::create(path)
                .map_err(|error| Ended::new(Exit::Usage, format!("{} cannot be written: {error}", path.display())))?;
            Ok(Box::new(BufWriter::new(file)))
        }
    }
}

pub(super) fn finish(mut out: Box<dyn Write>, options: &Report) -> Result<Exit, Ended> {
    match out.flush() {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe && options.output.is_none() => Ok(Exit::Done),
        Err(error) => Err(Ended::new(Exit::Usage, format!("the report cannot be written: {error}"))),
    }
}

pub(super) fn broken(error: &ReportError) -> Ended {
    Ended::new(Exit::Usage, format!("the report cannot be written: {error}"))
}
