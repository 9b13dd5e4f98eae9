//! `evidenced sample`: resources of a control, drawn by a seed, with their stored lines and the proofs of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use evidenced_model::{AgentId, Archive, CellState, CheckId, Digest, KindId, ObjectiveId};
use evidenced_report::{ascii_json, shell_word, visible};
use evidenced_seal::RunRef;
use evidenced_seal::select::{agents, runs_backwards, select_shown};
use evidenced_seal::withheld::Declaration;
use serde::Serialize;

use super::{Context, report, verify};
use crate::args::{Format, Sample};
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::{self, failed};
use crate::sampling::{Drawn, Gathered, Item, PopulationGap, draw, gather, name_of, read};

/// The value of [`Printed::format`].
const FORMAT: &str = "evidenced-sample/1";

/// How who is drawn is decided, for whoever draws again.
const METHOD: &str = "Sort the population by SHA-256 of seed LF kind LF provider/account/region LF id, as bytes, and take \
                      the first so many. The population's digest is SHA-256 over the hexadecimal SHA-256 of kind LF \
                      provider/account/region LF id of each, sorted, each followed by LF.";

/// What `sample --format json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    format: &'static str,
    store: String,
    catalog: &'a str,
    control: &'a str,
    label: &'a str,
    left_to_people: &'a str,
    objectives: Vec<&'a ObjectiveId>,
    checks: Vec<&'a CheckId>,
    kinds: Vec<&'a KindId>,
    runs: Runs,
    method: &'static str,
    seed: &'a str,
    asked: u32,
    population: Population,
    /// What of the population was not read: a sample of what was read is not a sample of all.
    gaps: &'a [PopulationGap],
    cautions: Vec<String>,
    drawn: Vec<Drawn>,
    verify: Vec<String>,
}

/// From which runs.
#[derive(Serialize)]
struct Runs {
    count: usize,
    oldest: String,
    newest: String,
    /// The newest entry that was read of each agent's log, `INDEX:DIGEST`.
    heads: BTreeMap<AgentId, String>,
}

/// From how many, and from whom.
#[derive(Serialize)]
struct Population {
    count: usize,
    sha256: Digest,
    /// Resources to which none of the checks applied; they are not among those that can be drawn.
    not_applicable: u64,
    withheld_findings: u64,
}

pub(crate) fn run(context: &Context, options: &Sample) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let archive = super::archive(options.store.as_deref(), &loaded)?;
    let runs = chosen(&*archive, &loaded.config.agent.id, options)?;
    let mut gathered = gather(&*archive, &runs, options.catalog.as_deref(), &options.control)?;
    let count = gathered.population.len();
    let sha256 = name_of(gathered.population.keys());
    if let Some(file) = &options.population {
        list(file, &gathered)?;
    }
    let many = usize::try_from(options.n).unwrap_or(usize::MAX);
    let chosen = draw(std::mem::take(&mut gathered.population), &options.seed, many);
    let mut drawn = Vec::new();
    for (index, (key, item, run)) in chosen.into_iter().enumerate() {
        drawn.push(read(&*archive, &runs[run], &gathered.checks, (index + 1, key, item))?);
    }
    let printed = Printed {
        format: FORMAT,
        store: archive.location(),
        catalog: gathered.control.catalog.as_str(),
        control: gathered.control.control.as_str(),
        label: &gathered.control.label,
        left_to_people: &gathered.control.left_to_people,
        objectives: gathered.objectives.iter().collect(),
        checks: gathered.checks.iter().collect(),
        kinds: gathered.kinds.iter().collect(),
        runs: described(&runs),
        method: METHOD,
        seed: &options.seed,
        asked: options.n,
        cautions: cautions(&gathered, count, many, Declaration::read(&*archive).map_err(failed)?.as_ref()),
        population: Population {
            count,
            sha256,
            not_applicable: gathered.not_applicable,
            withheld_findings: gathered.withheld,
        },
        gaps: &gathered.gaps,
        drawn,
        verify: vec![format!("evidenced verify {} --key PUBLIC.pem", shell_word(&archive.location()))],
    };
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        let mut text = Vec::new();
        ascii_json(&printed, &mut text).map_err(|error| report::broken(&error))?;
        lines.write(&text)?;
    } else {
        print(&printed, &mut lines)?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}

/// The runs to draw from, newest first.
fn chosen(archive: &dyn Archive, own: &AgentId, options: &Sample) -> Result<Vec<(AgentId, RunRef)>, Ended> {
    if options.from.is_none() && options.to.is_none() {
        let agent = opened::agent(archive, own)?;
        let wanted = options.run.as_deref().unwrap_or("latest");
        let run = select_shown(archive, &agent, wanted, None).map_err(failed)?;
        return Ok(vec![(agent, run)]);
    }
    let from = options.from.as_deref().map(|text| verify::moment(text, false)).transpose()?;
    let until = options.to.as_deref().map(|text| verify::moment(text, true)).transpose()?;
    let pack = Declaration::read(archive).map_err(failed)?;
    let mut runs = Vec::new();
    for agent in agents(archive).map_err(failed)? {
        for run in runs_backwards(archive, &agent, None).map_err(failed)? {
            let run = run.map_err(failed)?;
            let began = run.run.unix_millis();
            let inside = from.is_none_or(|from| began >= from) && until.is_none_or(|until| began < until);
            if inside && pack.as_ref().is_none_or(|pack| pack.covers(began)) {
                runs.push((agent.clone(), run));
            }
        }
    }
    if runs.is_empty() {
        let message = format!("{} holds no run that began in this time", archive.location());
        return Err(Ended::new(Exit::Usage, message));
    }
    runs.sort_by_key(|(_, run)| std::cmp::Reverse(run.run));
    Ok(runs)
}

fn described(runs: &[(AgentId, RunRef)]) -> Runs {
    let mut heads = BTreeMap::new();
    for (agent, run) in runs {
        heads.entry(agent.clone()).or_insert_with(|| run.entry.to_string());
    }
    let id = |run: Option<&(AgentId, RunRef)>| run.map(|(_, run)| run.run.to_string()).unwrap_or_default();
    Runs { count: runs.len(), oldest: id(runs.last()), newest: id(runs.first()), heads }
}

fn cautions(gathered: &Gathered, count: usize, many: usize, pack: Option<&Declaration>) -> Vec<String> {
    let mut cautions = Vec::new();
    if count == 0 {
        cautions.push("The population is empty: there is nothing to draw.".to_owned());
    } else if count < many {
        cautions.push(format!("The population is {count}, less than was asked for: all of it is here."));
    }
    if !gathered.gaps.is_empty() {
        let gaps = gathered.gaps.len();
        cautions.push(format!(
            "{gaps} parts of the population were not read completely: this is a sample of what was read, not of all."
        ));
    }
    if pack.is_some_and(|pack| pack.withheld) {
        let findings = gathered.withheld;
        cautions.push(format!(
            "This is a pack that withholds: {findings} findings were not looked at, and what was not read of an account \
             may be withheld too."
        ));
    }
    cautions.push("Signatures were not checked here: `evidenced verify` does that.".to_owned());
    cautions
}

/// The whole population, in the order of the names that its digest is made of.
fn list(file: &std::path::Path, gathered: &Gathered) -> Result<(), Ended> {
    let wrong = |what: String| Ended::new(Exit::Usage, format!("{} cannot be written: {what}", file.display()));
    let mut out = std::io::BufWriter::new(std::fs::File::create(file).map_err(|error| wrong(error.to_string()))?);
    for (item, _) in gathered.population.values() {
        let line = member(item).map_err(|error| wrong(error.to_string()))?;
        out.write_all(&line).map_err(|error| wrong(error.to_string()))?;
    }
    out.flush().map_err(|error| wrong(error.to_string()))
}

fn member(item: &Item) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(item)?;
    line.push(b'\n');
    Ok(line)
}

fn print(printed: &Printed<'_>, lines: &mut Lines) -> Result<(), Ended> {
    let population = &printed.population;
    lines.text(format!("{} {} ({})", printed.catalog, printed.control, visible(printed.label)))?;
    if !printed.left_to_people.is_empty() {
        lines.text(format!("  left to people: {}", visible(printed.left_to_people)))?;
    }
    lines.text(format!(
        "  population: {} resources, from {} runs, {} to {}",
        population.count, printed.runs.count, printed.runs.oldest, printed.runs.newest
    ))?;
    lines.text(format!("  its digest: {}", population.sha256))?;
    lines.text(format!("  beside it:  {} resources to which no check applies", population.not_applicable))?;
    lines.text(format!("  seed: {}   drawn: {}", visible(printed.seed), printed.drawn.len()))?;
    lines.text(format!("  method: {}", printed.method))?;
    for caution in &printed.cautions {
        lines.text(format!("  ! {}", visible(caution)))?;
    }
    for gap in printed.gaps {
        lines.text(format!("  ! not read: {}", described_gap(gap)))?;
    }
    let mut told = BTreeSet::new();
    for drawn in &printed.drawn {
        one(drawn, &mut told, lines)?;
    }
    lines.text("\nThe commands run in the folder of the store; each is told once. Then:")?;
    printed.verify.iter().try_for_each(|command| lines.text(format!("  {command}")))
}

fn described_gap(gap: &PopulationGap) -> String {
    let place = match (&gap.region, &gap.kind) {
        (Some(region), Some(kind)) => format!("{kind} in {}:{} {region}", gap.provider, gap.account),
        _ => format!("{}:{} as a whole", gap.provider, gap.account),
    };
    let state = if gap.state == CellState::Skipped { "left out by the operator" } else { gap.state.as_str() };
    let reason = gap.reason.as_deref().map_or_else(String::new, |reason| format!(" ({})", visible(reason)));
    format!("{place}: {state}{reason}, in {} runs", gap.runs)
}

/// One that was drawn. Lines share the objects above them: a command that was told before is left out.
fn one<'d>(drawn: &'d Drawn, told: &mut BTreeSet<&'d str>, lines: &mut Lines) -> Result<(), Ended> {
    let item = &drawn.item;
    lines.text(format!("\n{}. {} {} in {}", drawn.rank, item.kind, visible(&item.id), item.place()))?;
    lines.text(format!("   key {}", drawn.key))?;
    lines.text(format!("   run {} of {}", drawn.run, drawn.agent))?;
    for missing in &drawn.missing {
        lines.text(format!("   ! {missing}"))?;
    }
    let reading = drawn.reading.iter().map(|proved| ("read".to_owned(), proved));
    let findings =
        drawn.findings.iter().map(|finding| (format!("{} says {}", finding.id, finding.verdict), &finding.proved));
    for (what, proved) in reading.chain(findings) {
        let proof = &proved.proof;
        lines.text(format!("   {what}:"))?;
        lines.text(format!("     {}", visible(&proved.line)))?;
        lines.text(format!("     line {} of {} in {}", proof.line.number, proof.line.of, proof.line.object))?;
        lines.text(format!("     leaf {}", proof.line.leaf))?;
        for step in &proof.line.path {
            lines.text(format!("     path {step}"))?;
        }
        lines.text(format!("     root {}", proof.line.root))?;
        for check in proved.check.iter().filter(|check| told.insert(&check.command)) {
            lines.text(format!("     $ {}", check.command))?;
            lines.text(format!("       {}", visible(&check.prints)))?;
        }
    }
    Ok(())
}
