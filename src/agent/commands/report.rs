//! `evidenced report`, and the few lines with which `collect` ends.

use std::io::{BufWriter, Write};

use evidenced_check::Judge;
use evidenced_report::{
    Evidence, FindingsCsv, Header, Limits, Report as Document, ReportBuilder, ReportError, Stamped, Style,
};
use evidenced_seal::RunReader;

use super::{Context, texts};
use crate::args::{Format, Report};
use crate::exit::{Ended, Exit};
use crate::opened::{self, Judged, failed};
use crate::{sealing, stamps};

pub(crate) fn run(context: &Context, options: &Report) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let archive = super::archive(options.store.as_deref(), &loaded)?;
    if let Some(shards) = options.shards {
        return super::shards::run(context, &*archive, &loaded.config.agent.id, shards, options.catalog.as_deref());
    }
    let (run, reader) = opened::open(&*archive, &loaded.config.agent.id, &options.run, None)?;
    let judged = Judged::read(&reader)?;
    let mut out = target(options)?;
    if context.common.format == Format::Csv {
        let mut table = FindingsCsv::new(&mut out).map_err(|error| broken(&error))?;
        for group in reader.groups().map_err(failed)? {
            let group = group.map_err(failed)?;
            for line in reader.finding_lines(&group).map_err(failed)? {
                let line = line.map_err(failed)?;
                let finding = parse(&line)?;
                let title = judged.library.check(&finding.check).map(|(_, check)| check.title.as_str());
                let evidence = Evidence { object: &line.file, resource_object: None };
                table.row(&finding, title, Some(evidence)).map_err(|error| broken(&error))?;
            }
        }
        table.finish().map_err(|error| broken(&error))?;
        return finish(out, options);
    }
    let header = opened::header(&*archive, &run, &reader)?;
    let wanted = header.manifest.assurance.timestamped;
    let anchors = sealing::anchors(&loaded)?;
    let stamped = stamps::stored(&*archive, &run, wanted, anchors.as_ref()).map_err(failed)?;
    let report = build(header, stamped, &reader, &judged, options.catalog.as_deref(), Limits::default())?;
    render(context, &report, &mut out, options)?;
    finish(out, options)
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
    let run = header.manifest.run;
    let mut report = ReportBuilder::new(header, limits);
    report.stamped(stamped);
    let judge = Judge::compile(&judged.library, judged.settings.clone())
        .map_err(|error| Ended::new(Exit::Verification, error.to_string()))?;
    texts::feed(&mut report, &judged.mapping, &judge);
    for account in reader.accounts().map_err(failed)? {
        report.coverage(&account.map_err(failed)?);
    }
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

fn render(context: &Context, report: &Document, out: &mut dyn Write, options: &Report) -> Result<(), Ended> {
    let rendered = match context.common.format {
        Format::Json => evidenced_report::json(report, out),
        Format::Html => evidenced_report::html(report, None, out),
        Format::Text | Format::Csv => {
            let text = evidenced_report::text(report, &style(context, options.output.is_none()));
            out.write_all(text.as_bytes()).map_err(ReportError::from)
        }
    };
    rendered.map_err(|error| broken(&error))
}

fn parse(line: &evidenced_seal::read::Line) -> Result<evidenced_model::Finding, Ended> {
    serde_json::from_slice(&line.bytes)
        .map_err(|error| Ended::new(Exit::Verification, format!("{}: a line is no finding: {error}", line.file)))
}

fn target(options: &Report) -> Result<Box<dyn Write>, Ended> {
    match &options.output {
        None => Ok(Box::new(BufWriter::new(std::io::stdout()))),
        Some(path) => {
            let file = std::fs::File::create(path)
                .map_err(|error| Ended::new(Exit::Usage, format!("{} cannot be written: {error}", path.display())))?;
            Ok(Box::new(BufWriter::new(file)))
        }
    }
}

fn finish(mut out: Box<dyn Write>, options: &Report) -> Result<Exit, Ended> {
    match out.flush() {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe && options.output.is_none() => Ok(Exit::Done),
        Err(error) => Err(Ended::new(Exit::Usage, format!("the report cannot be written: {error}"))),
    }
}

fn broken(error: &ReportError) -> Ended {
    Ended::new(Exit::Usage, format!("the report cannot be written: {error}"))
}
