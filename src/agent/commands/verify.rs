//! `evidenced verify`: signatures, log, digests, structure; offline, streaming. With `--re-evaluate`, verdicts too.

use evidenced_model::{AgentId, Archive, LogHead};
use evidenced_seal::select::runs_backwards;
use evidenced_seal::timestamp::Anchors;
use evidenced_seal::verify::{Options, Problem, VerifyReport, verify};
use evidenced_seal::{PublicKeys, RunReader};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
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
        pack: false,
        until: options.to.as_deref().map(|text| moment(text, true)).transpose()?,
    };
    let mut report = verify(&*archive, &asked, &mut |done, all| progress.reached(done, all)).map_err(failed)?;
    let mut judged_again = 0;
    if options.re_evaluate && report.is_good() {
        progress.stage("judging again");
        let agents: Vec<AgentId> = report.heads.iter().map(|(agent, _)| agent.clone()).collect();
        for agent in agents {
            let believed = report.believed.get(&agent).cloned().unwrap_or_default();
            judged_again += again(&*archive, &agent, &asked, &believed, &mut report)?;
        }
    }
    progress.done();
    print(context, &report, options, judged_again, &archive.location())?;
    Ok(if report.is_good() { Exit::Done } else { Exit::Verification })
}

/// Judges every run of an agent again.
fn again(
    archive: &dyn Archive,
    agent: &AgentId,
    asked: &Options,
    keys: &PublicKeys,
    report: &mut VerifyReport,
) -> Result<u64, Ended> {
    let mut runs = 0;
    for run in runs_backwards(archive, agent, Some(keys)).map_err(failed)? {
        let run = run.map_err(failed)?;
        let began = run.run.unix_millis();
        if asked.from.is_some_and(|from| began < from) || asked.until.is_some_and(|until| began >= until) {
            continue;
        }
        let reader = RunReader::open(archive, &run, Some(keys)).map_err(failed)?;
        report.problems.extend(reevaluate(&reader)?);
        runs += 1;
    }
    Ok(runs)
}

fn print(
    context: &Context,
    report: &VerifyReport,
    options: &Verify,
    judged_again: u64,
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
            "objects": report.objects, "bytes": report.bytes, "judged_again": judged_again, "heads": heads,
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
    let verdict = if report.is_good() { "good" } else { "NOT good" };
    lines.text(format!(
        "{location}: {verdict}. {} runs, {} log entries, {} objects, {} bytes read; {} problems",
        report.runs,
        report.entries,
        report.objects,
        report.bytes,
        report.problems.len()
    ))?;
    if options.re_evaluate {
        lines.text(format!("{judged_again} runs judged again from their stored resources"))?;
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
fn moment(text: &str, end: bool) -> Result<u64, Ended> {
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
