//! `evidenced export`: the evidence of a period in one file, whole or with parts withheld, verified before it is written.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::Path;

use evidenced_model::digest::Hasher;
use evidenced_model::{AgentId, Archive, Attachment, Digest, Manifest};
use evidenced_pack::{Facts, Kept, MaskKey, PackError, Plan, Request, Rule, Rules, Run, instructions};
use evidenced_report::{Stamped, assurance};
use evidenced_seal::verify::{Options, VerifyReport, verify};
use evidenced_seal::{Document, PublicKeys, RunReader, SealError};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::json;

use super::verify::moment;
use super::{Context, named_keys, own_keys, report};
use crate::args::{Export, Format};
use crate::clock::fill_random;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::{self, Judged, failed};
use crate::progress::Progress;
use crate::stamps;

/// How to verify by hand, as it goes into every pack.
const BY_HAND: &str = include_str!("../../../docs/verify-by-hand.md");

pub(crate) fn run(context: &Context, options: &Export) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    if options.output.exists() && !options.force {
        let message = format!("{} is there already; name another file, or add --force", options.output.display());
        return Err(Ended::new(Exit::Usage, message));
    }
    let rules: Result<Vec<Rule>, PackError> = options.withhold.iter().map(|rule| rule.parse()).collect();
    let rules = rules.map_err(|error| broken(&error))?;
    let archive = super::archive(options.store.as_deref(), &loaded)?;
    let keys = if options.key.is_empty() { own_keys(&loaded)? } else { named_keys(&options.key)? };
    let agents = agents(&*archive, options, &loaded.config.agent.id)?;
    let from = options.from.as_deref().map(|text| stamp(text, false)).transpose()?;
    let until = options.to.as_deref().map(|text| stamp(text, true)).transpose()?;
    let progress = Progress::new(context.common.quiet);
    progress.stage("choosing");
    let kept = if options.control.is_empty() {
        None
    } else {
        let runs = evidenced_pack::runs(&*archive, &agents, &keys, (from, until)).map_err(|error| broken(&error))?;
        let brought = evidenced_pack::attachments(&*archive, &agents, &keys).map_err(|error| broken(&error))?;
        Some(kept(&*archive, (&runs, &brought), &keys, options)?)
    };
    let mask = options.mask.then(|| {
        let mut random = [0; 32];
        fill_random(&mut random);
        MaskKey::new(random)
    });
    let rules = Rules { kept, rules, whole: options.whole };
    let request = Request { archive: &*archive, agents, keys: &keys, from, until, rules, mask };
    let mut plan = Plan::new(request).map_err(|error| broken(&error))?;
    progress.stage("verifying");
    let asked = Options { keys: keys.clone(), pack: true, ..Options::default() };
    let report = verify(plan.archive(), &asked, &mut |done, all| progress.reached(done, all)).map_err(failed)?;
    if let Some(problem) = report.problems.first() {
        let message = format!(
            "nothing was written, because the pack would not verify: {}: {} ({} problems in all); `evidenced verify` lists them",
            problem.file,
            problem.what,
            report.problems.len()
        );
        return Err(Ended::new(Exit::Verification, message));
    }
    complete(&mut plan, &*archive, &keys, &report, options.mask)?;
    progress.stage("writing");
    let written = write(&plan, options)?;
    progress.done();
    print(context, options, &plan, &report, &written)?;
    Ok(Exit::Done)
}

/// The agents that are meant: the named ones, or the configured one, or the only one.
fn agents(archive: &dyn Archive, options: &Export, configured: &AgentId) -> Result<Vec<AgentId>, Ended> {
    if options.agent.is_empty() {
        return Ok(vec![opened::agent(archive, configured)?]);
    }
    let known = evidenced_seal::select::agents(archive).map_err(failed)?;
    let named = options.agent.iter().map(|name| {
        known.iter().find(|agent| agent.as_str() == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(AgentId::as_str).collect();
            let known = names.join(", ");
            Ended::new(Exit::Usage, format!("{} holds no agent {name:?}; it has: {known}", archive.location()))
        })
    });
    let named: Result<BTreeSet<AgentId>, Ended> = named.collect();
    Ok(named?.into_iter().collect())
}

/// What serves these controls, by the mappings that any of the runs was judged by.
fn kept(
    archive: &dyn Archive,
    (runs, brought): (&[Run], &[Attachment]),
    keys: &PublicKeys,
    options: &Export,
) -> Result<Kept, Ended> {
    let mut kept = Kept::default();
    let mut seen = BTreeSet::new();
    let mut found = BTreeSet::new();
    let mut known = BTreeSet::new();
    for run in runs {
        let reader = RunReader::open(archive, &run.run, Some(keys)).map_err(failed)?;
        if !seen.insert(reader.subject(Document::Mappings.name()).map_err(failed)?) {
            continue;
        }
        let judged = Judged::read(&reader)?;
        for catalog in judged.mapping.catalogs() {
            known.insert(catalog.id.to_string());
            if options.catalog.as_deref().is_some_and(|id| id != catalog.id.as_str()) {
                continue;
            }
            for control in catalog.controls.iter().filter(|one| options.control.iter().any(|id| id == one.id.as_str()))
            {
                let links = judged.mapping.links(&catalog.id, &control.id);
                found.extend((!links.is_empty()).then(|| control.id.to_string()));
                kept.controls.insert((catalog.id.clone(), control.id.clone()));
                kept.objectives.extend(links.iter().map(|link| link.objective.clone()));
            }
        }
        for (kind, check) in judged.library.checks().filter(|(_, check)| kept.objectives.contains(&check.objective)) {
            kept.kinds.insert(kind.decl.kind.to_string());
            kept.kinds.extend(check.with.values().map(|join| join.kind.to_string()));
        }
    }
    // What people brought serves a control too.
    let brought = brought.iter().flat_map(|attachment| &attachment.controls);
    let serving = brought.filter(|to| kept.controls.contains(&(to.catalog.clone(), to.control.clone())));
    found.extend(serving.map(|to| to.control.to_string()));
    match options.control.iter().find(|id| !found.contains(id.as_str())) {
        None => Ok(kept),
        Some(id) if runs.is_empty() => {
            Err(Ended::new(Exit::Usage, format!("there is no run in that period, so that nothing serves {id}")))
        }
        Some(id) => {
            let known: Vec<String> = known.into_iter().collect();
            let message = format!(
                "no check and no attachment serves a control {id:?} of {}; `evidenced controls show` tells what does",
                options.catalog.clone().unwrap_or_else(|| known.join(", "))
            );
            Err(Ended::new(Exit::Usage, message))
        }
    }
}

/// Adds what people read: instructions, the assurance level, and a report of what is shown.
fn complete(
    plan: &mut Plan<'_>,
    archive: &dyn Archive,
    keys: &PublicKeys,
    report: &VerifyReport,
    masked: bool,
) -> Result<(), Ended> {
    let Some(newest) = plan.runs().iter().max_by_key(|run| run.run.run).cloned() else { return Ok(()) };
    let manifest =
        RunReader::open(archive, &newest.run, Some(keys)).and_then(|reader| reader.manifest()).map_err(failed)?;
    let stamped = stamped(archive, &newest, &manifest)?;
    let assurance = assurance(&manifest, stamped.as_ref());
    let assurance: Vec<String> = assurance.lines().iter().map(|(about, how)| format!("{about}: {how}")).collect();
    let html = html(plan, &newest, keys)?;
    let facts =
        Facts { assurance: &assurance, declaration: plan.declaration(), report, masked, reported: html.is_some() };
    let text = instructions(&facts);
    plan.add("README.txt", text.into_bytes());
    plan.add("VERIFY.md", BY_HAND.as_bytes().to_vec());
    if let Some(html) = html {
        plan.add("report.html", html);
    }
    Ok(())
}

/// The report of a run as the pack shows it; none where a document that it needs is withheld.
fn html(plan: &Plan<'_>, run: &Run, keys: &PublicKeys) -> Result<Option<Vec<u8>>, Ended> {
    let reader = RunReader::open(plan.archive(), &run.run, Some(keys)).map_err(failed)?;
    for document in [Document::Manifest, Document::Controls, Document::Mappings] {
        match reader.document::<IgnoredAny>(document) {
            Err(SealError::Withheld { .. }) => return Ok(None),
            other => other.map(|_| ()).map_err(failed)?,
        }
    }
    let mut header = opened::header(plan.archive(), &run.run, &reader)?;
    // Where the reader unpacked it.
    ".".clone_into(&mut header.store);
    let stamped = stamped(plan.archive(), run, &header.manifest)?;
    let built =
        report::build(header, stamped, &reader, &Judged::read(&reader)?, None, evidenced_report::Limits::default())?;
    let mut html = Vec::new();
    evidenced_report::html(&built, None, &mut html)
        .map_err(|error| Ended::new(Exit::Usage, format!("the report cannot be written: {error}")))?;
    Ok(Some(html))
}

/// What the stored tokens say of a run's time; nobody's certificate is checked here.
fn stamped(archive: &dyn Archive, run: &Run, manifest: &Manifest) -> Result<Option<Stamped>, Ended> {
    stamps::stored(archive, &run.run, manifest.assurance.timestamped, None).map_err(failed)
}

/// A pack that was written.
struct Written {
    bytes: u64,
    digest: Digest,
}

/// Writes the pack beside its place, and puts it there as a whole.
fn write(plan: &Plan<'_>, options: &Export) -> Result<Written, Ended> {
    let path = &options.output;
    let failed =
        |error: std::io::Error| Ended::new(Exit::Usage, format!("{} cannot be written: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let written = fill(plan, temporary.as_file_mut())?;
    temporary.as_file().sync_all().map_err(failed)?;
    let placed = if options.force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
    placed.map_err(|error| failed(error.error))?;
    Ok(written)
}

fn fill(plan: &Plan<'_>, file: &mut std::fs::File) -> Result<Written, Ended> {
    let mut out = Hashed { out: BufWriter::new(file), hasher: Hasher::new(), bytes: 0 };
    plan.write(&mut out).map_err(|error| broken(&error))?;
    Ok(Written { bytes: out.bytes, digest: out.hasher.finish() })
}

/// Hashes what is written through it.
struct Hashed<W> {
    out: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn print(
    context: &Context,
    options: &Export,
    plan: &Plan<'_>,
    report: &VerifyReport,
    written: &Written,
) -> Result<(), Ended> {
    let mut lines = Lines::new();
    let pack = options.output.display().to_string();
    let withheld = &report.withheld;
    if context.common.format == Format::Json {
        lines.json(&json!({
            "pack": pack, "bytes": written.bytes, "sha256": written.digest, "runs": report.runs,
            "from": plan.declaration().from, "until": plan.declaration().until, "heads": plan.declaration().heads,
            "keys": plan.declaration().keys, "whole": report.is_whole(),
            "withheld": {"lines": withheld.lines, "objects": withheld.objects, "what": withheld.what},
        }))?;
        return lines.finish();
    }
    lines.text(format!("{pack}: {} runs, {} bytes, SHA-256 {}", report.runs, written.bytes, written.digest))?;
    for head in &plan.declaration().heads {
        lines.text(format!("head of {}: {}", head.agent, head.head))?;
    }
    for key in &plan.declaration().keys {
        lines.text(format!("fingerprint of the key: {key} (give it to the reader on another way)"))?;
    }
    if !report.is_whole() {
        lines.text(format!("{} lines and {} objects are withheld", withheld.lines, withheld.objects))?;
    }
    lines.finish()
}

fn stamp(text: &str, end: bool) -> Result<Timestamp, Ended> {
    let millis = i64::try_from(moment(text, end)?).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).map_err(|error| Ended::new(Exit::Usage, format!("{text:?}: {error}")))
}

/// A pack that cannot be made.
fn broken(error: &PackError) -> Ended {
    let exit = match error {
        PackError::Seal(SealError::Wrong { .. } | SealError::Missing { .. }) => Exit::Verification,
        _ => Exit::Usage,
    };
    Ended::new(exit, error.to_string())
}
