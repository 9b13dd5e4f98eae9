//! `evidenced verify`: signatures, log, digests, structure; offline, streaming. With `--re-evaluate`, verdicts too.

use evidenced_model::{AgentId, Archive, LogHead};
use evidenced_seal::select::runs_backwards;
use evidenced_seal::timestamp::Anchors;
use evidenced_seal::verify::{Options, Problem, VerifyReport, verify};
use evidenced_seal::{Document, PublicKeys, RunReader, SealError};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::IgnoredAny;
use serde_json::json;

use super::{Context, named_keys, own_keys};
use crate::args::{Format, Verify};
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::failed;
use crate::progress::Progress;
use crate::reevaluate::reevaluate;

pub(crate) fn run(context: &Context, options: &Verify) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let archive = super::archive(options.store.as_deref(), &loaded)?;
    let keys = if options.key.is_empty() { own_keys(&loaded)? } else { named_keys(&options.key)? };
    let progress = Progress::new(context.common.quiet);
    progress.stage("verifying");
    let anchors = options.tsa_ca.as_deref().map(Anchors::open).transpose();
    let asked = Options {
        agent: None,
        anchors: anchors.map_err(|error| Ended::new(Exit::Usage, error.to_string()))?,
        expect_head: options.expect_head.as_deref().map(head).transpose()?,
        from: options.from.as_deref().map(|text| moment(text, false)).transpose()?,
        keys,
        pack: may_be_pack(options.store.as_deref()),
        until: options.to.as_deref().map(|text| moment(text, true)).transpose()?,
    };
    let mut report = verify(&*archive, &asked, &mut |done, all| progress.reached(done, all)).map_err(failed)?;
    if options.whole && !report.is_whole() {
        let file = evidenced_seal::withheld::DECLARATION.to_owned();
        report
            .problems
            .push(Problem { file, what: "the pack withholds something, and --whole was asked for".to_owned() });
    }
    let mut judged_again = JudgedAgain::default();
    if options.re_evaluate && report.is_good() {
        progress.stage("judging again");
        let agents: Vec<AgentId> = report.heads.iter().map(|(agent, _)| agent.clone()).collect();
        for agent in agents {
            let believed = report.believed.get(&agent).cloned().unwrap_or_default();
            again(&*archive, &agent, &asked, &believed, &mut report, &mut judged_again)?;
        }
    }
    progress.done();
    print(context, &report, options, &judged_again, &archive.location())?;
    Ok(if report.is_good() { Exit::Done } else { Exit::Verification })
}

/// Only something on this machine that was named can be a pack: a store of a cloud may leave nothing out.
fn may_be_pack(named: Option<&str>) -> bool {
    named.is_some_and(|url| !url.contains("://") || url.starts_with("file://"))
}

/// What was judged again.
#[derive(Default)]
struct JudgedAgain {
    runs: u64,
    findings: u64,
    /// Findings that rest on something that is withheld.
    withheld: u64,
    /// Runs whose mappings or coverage are withheld.
    runs_withheld: u64,
}

/// Judges every run of an agent again.
fn again(
    archive: &dyn Archive,
    agent: &AgentId,
    asked: &Options,
    keys: &PublicKeys,
    report: &mut VerifyReport,
    judged: &mut JudgedAgain,
) -> Result<(), Ended> {
    for run in runs_backwards(archive, agent, Some(keys)).map_err(failed)? {
        let run = run.map_err(failed)?;
        let began = run.run.unix_millis();
        if asked.from.is_some_and(|from| began < from)
            || asked.until.is_some_and(|until| began >= until)
            || report.pack.as_ref().is_some_and(|pack| !pack.covers(began))
        {
            continue;
        }
        let reader = RunReader::open(archive, &run, Some(keys)).map_err(failed)?;
        if let Err(SealError::Withheld { .. }) = reader.document::<IgnoredAny>(Document::Mappings) {
            judged.runs_withheld += 1;
            continue;
        }
        let rejudged = reevaluate(&reader)?;
        report.problems.extend(rejudged.problems);
        judged.runs += 1;
        judged.findings += rejudged.judged;
        judged.withheld += rejudged.withheld;
    }
    Ok(())
}

fn print(
    context: &Context,
    report: &VerifyReport,
    options: &Verify,
    judged_again: &JudgedAgain,
    location: &str,
) -> Result<(), Ended> {
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        let listed = |problems: &[Problem]| -> Vec<_> {
            problems.iter().map(|problem| json!({"file": problem.file, "what": problem.what})).collect()
        };
        let heads: Vec<_> = report.heads.iter().map(|(agent, head)| json!({"agent": agent, "head": head})).collect();
        lines.json(&json!({
            "good": report.is_good(), "store": location, "runs": report.runs, "entries": report.entries,
            "objects": report.objects, "bytes": report.bytes, "stored_bytes": report.stored, "judged_again": judged_again.runs, "heads": heads,
            "whole": report.is_whole() && report.left_out == 0, "pack": report.pack,
            "withheld": {
                "lines": report.withheld.lines, "objects": report.withheld.objects, "what": report.withheld.what,
                "runs": report.left_out, "findings_not_judged": judged_again.withheld,
                "runs_not_judged": judged_again.runs_withheld,
            },
            "keys": report.keys.iter().map(|key| json!({
                "agent": key.agent, "id": key.id, "entries": key.entries, "why": key.why,
            })).collect::<Vec<_>>(),
            "stamps": {
                "good": report.stamps.good, "pending": report.stamps.pending,
                "unchecked": report.stamps.unchecked, "without": report.stamps.without,
            },
            "problems": listed(&report.problems), "notes": listed(&report.notes),
        }))?;
        return lines.finish();
    }
    for problem in &report.problems {
        lines.text(format!("WRONG {}: {}", problem.file, problem.what))?;
    }
    for note in &report.notes {
        lines.text(format!("note  {}: {}", note.file, note.what))?;
    }
    let verdict = match (report.is_good(), report.is_whole()) {
        (true, true) => "good",
        (true, false) => "good as far as it is shown, NOT whole",
        (false, _) => "NOT good",
    };
    lines.text(format!(
        "{location}: {verdict}. {} runs, {} log entries, {} objects, {} bytes read; {} problems",
        report.runs,
        report.entries,
        report.objects,
        report.bytes,
        report.problems.len()
    ))?;
    withheld(&mut lines, report)?;
    if options.re_evaluate {
        lines.text(format!("{} runs judged again from their stored resources", judged_again.runs))?;
        if judged_again.withheld + judged_again.runs_withheld > 0 {
            lines.text(format!(
                "{} findings judged again; {} findings and {} runs could not be, because what they rest on is withheld",
                judged_again.findings, judged_again.withheld, judged_again.runs_withheld
            ))?;
        }
    }
    let stamps = &report.stamps;
    if stamps.good + stamps.pending + stamps.unchecked > 0 {
        lines.text(format!(
            "stamps: {} good, {} pending, {} not checked (see --tsa-ca), {} runs were not to be stamped",
            stamps.good, stamps.pending, stamps.unchecked, stamps.without
        ))?;
    }
    for key in &report.keys {
        lines.text(format!("key {} of {}: {}", key.id, key.agent, key.why))?;
    }
    for (agent, head) in &report.heads {
        lines.text(format!("head of {agent}: {head}"))?;
    }
    lines.finish()
}

/// What a pack does not show.
fn withheld(lines: &mut Lines, report: &VerifyReport) -> Result<(), Ended> {
    let Some(pack) = &report.pack else { return Ok(()) };
    let moment = |moment: Option<Timestamp>, open: &str| moment.map_or_else(|| open.to_owned(), |m| m.to_string());
    let (from, until) = (moment(pack.from, "the beginning"), moment(pack.until, "the end"));
    lines.text(format!(
        "a pack of the runs that began from {from} until before {until}; {} runs that its logs name began at other times",
        report.left_out
    ))?;
    if report.is_whole() {
        return Ok(());
    }
    let withheld = &report.withheld;
    let named = |(what, lines): (&String, &u64)| match lines {
        0 => what.escape_debug().to_string(),
        lines => format!("{}: {lines}", what.escape_debug()),
    };
    let what: Vec<String> = withheld.what.iter().map(named).collect();
    lines.text(format!("{} lines and {} objects withheld ({})", withheld.lines, withheld.objects, what.join(", ")))
}

fn head(text: &str) -> Result<LogHead, Ended> {
    let parsed = text
        .split_once(':')
        .and_then(|(index, digest)| Some(LogHead { digest: digest.parse().ok()?, index: index.parse().ok()? }));
    parsed.ok_or_else(|| {
        let message = format!("--expect-head {text:?}: expected INDEX:DIGEST, as a run prints it, e.g. 12:3f…");
        Ended::new(Exit::Usage, message)
    })
}

/// A date (its beginning, or the end of it) or a moment, in Unix milliseconds.
pub(super) fn moment(text: &str, end: bool) -> Result<u64, Ended> {
    let of_day = |date: Date| {
        let date = if end { date.tomorrow().ok()? } else { date };
        TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
    };
    let parsed = text.parse::<Timestamp>().ok().or_else(|| text.parse::<Date>().ok().and_then(of_day));
    let parsed = parsed.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
    parsed.ok_or_else(|| {
        Ended::new(Exit::Usage, format!("{text:?} is no date: expected 2026-01-31 or 2026-01-31T12:00:00Z (UTC)"))
    })
}
