//! Feeding a period: the runs of all agents, the one that ended first first.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::manifest::Listing;
use evidenced_model::{Archive, Manifest, Rejudgement, RunId};
use evidenced_report::period::{Line, PeriodBuilder, Rejudged, RunFacts, SlotFact, Slots};
use evidenced_seal::follow::{Follower, Seen, Shelf};
use evidenced_seal::object::ObjectReader;
use evidenced_seal::{RunReader, RunRef};
use jiff::{SignedDuration, Timestamp};

use super::log::AgentLog;
use super::rules::Shared;
use super::{Asked, owners};
use crate::exit::Ended;
use crate::opened::failed;
use crate::scheduling::ScheduleConfig;

/// Feeds runs.
pub(super) struct Feeder<'a> {
    archive: &'a dyn Archive,
    asked: &'a Asked<'a>,
    shared: Shared,
    shelf: Shelf,
    agents: Vec<Agent<'a>>,
}

/// An agent, and the next of its runs.
struct Agent<'a> {
    log: AgentLog,
    next: Option<(RunRef, RunReader<'a>, Manifest)>,
    streams: BTreeMap<Option<String>, Stream<'a>>,
    /// The configs that runs were made under, with the moment from which on.
    schedules: Vec<(Timestamp, std::sync::Arc<Vec<ScheduleConfig>>)>,
    late: BTreeSet<(String, Timestamp)>,
}

struct Stream<'a> {
    number: usize,
    follower: Follower<'a>,
    last: Option<RunId>,
    reader: Option<RunReader<'a>>,
}

impl<'a> Feeder<'a> {
    /// Opens the first run of each agent.
    pub(super) fn new(archive: &'a dyn Archive, asked: &'a Asked<'a>, logs: Vec<AgentLog>) -> Result<Self, Ended> {
        let mut agents = Vec::new();
        for mut log in logs {
            let late = log.slots.iter().filter(|(_, fact)| *fact == SlotFact::Late);
            let late = late.map(|(slot, _)| (slot.schedule.clone(), slot.due)).collect();
            let next = open(archive, log.runs.pop_front())?;
            agents.push(Agent { log, next, streams: BTreeMap::new(), schedules: Vec::new(), late });
        }
        let (shared, shelf) = (Shared::default(), Shelf::new(asked.shelf));
        Ok(Self { archive, asked, shared, shelf, agents })
    }

    /// Shares of the accounts that nobody read in the whole period.
    pub(super) fn missing_shards(&self) -> Vec<String> {
        let mut missing = BTreeSet::new();
        let ran: BTreeSet<&str> =
            self.agents.iter().filter(|agent| agent.next.is_some()).map(|agent| agent.log.agent.as_str()).collect();
        for (_, _, manifest) in self.agents.iter().filter_map(|agent| agent.next.as_ref()) {
            let shard = &manifest.shard;
            let Some(base) = manifest.agent.as_str().strip_suffix(&format!("-{}", shard.index)) else { continue };
            for index in (1..=shard.of).filter(|_| shard.of > 1) {
                let name = format!("{base}-{index}");
                if !ran.contains(name.as_str()) {
                    missing.insert(format!("shard {index} of {} ({name}) has no run in the period", shard.of));
                }
            }
        }
        missing.into_iter().collect()
    }

    /// The controls of each catalogue that runs had.
    pub(super) fn offered(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.shared.offered.clone()
    }

    /// Feeds the next run; `false` if there is none.
    pub(super) fn next(&mut self, builder: &mut PeriodBuilder) -> Result<bool, Ended> {
        let ends =
            |agent: &Agent<'_>| agent.next.as_ref().map(|(_, reader, _)| reader.statement().predicate.window.end);
        let waiting = self.agents.iter_mut().filter(|agent| agent.next.is_some());
        let Some(agent) = waiting.min_by_key(|agent| ends(agent)) else { return Ok(false) };
        let Some((run, reader, manifest)) = agent.next.take() else { return Ok(false) };
        let rules = self.shared.rules(&reader, self.asked)?;
        let standings = self.shared.standings(&reader, self.asked)?;
        let schedules = self.shared.schedules(&reader)?;
        let began = reader.statement().predicate.window.start;
        if agent.schedules.last().is_none_or(|(_, last)| !std::sync::Arc::ptr_eq(last, &schedules)) {
            let from = if agent.schedules.is_empty() { self.asked.from } else { began };
            agent.schedules.push((from, schedules));
        }
        let slot = reader.statement().predicate.slot.clone();
        let schedule = slot.as_ref().map(|slot| slot.schedule.clone());
        let late = slot.is_some_and(|slot| agent.late.contains(&(slot.schedule, slot.due)));
        let objects = ObjectReader::new(self.archive);
        let stream = agent.streams.entry(schedule.clone()).or_insert_with(|| Stream {
            number: builder.stream(agent.log.agent.clone(), schedule),
            follower: Follower::new(objects, self.shelf.clone()),
            last: None,
            reader: None,
        });
        let about = stream.last.and_then(|last| agent.log.rejudged.get(&last));
        let rejudged = about.map(|subject| rejudged(objects, &subject.sha256())).transpose()?;
        let number = stream.number;
        builder.begin_run(number, facts(&reader, &manifest, late), &rules, rejudged);
        stream.follower.step_coverage(&reader, &mut |old, new| builder.coverage(number, old, new)).map_err(failed)?;
        let skipped = not_asked(&stream.follower);
        let looked = |account: &str, group: &str| !skipped.contains(&(account.to_owned(), group.to_owned()));
        stream
            .follower
            .step_findings(&reader, &looked, &mut |old, new| {
                builder.finding(number, old.as_ref().map(as_line), new.as_ref().map(as_line));
            })
            .map_err(failed)?;
        builder.standings(number, &standings);
        builder.end_run(number);
        stream.last = Some(run.run);
        stream.reader = Some(reader);
        agent.next = open(self.archive, agent.log.runs.pop_front())?;
        Ok(true)
    }

    /// What is told when every run was fed: the slots.
    pub(super) fn finish(&mut self, builder: &mut PeriodBuilder) -> Result<(), Ended> {
        let end = self.asked.to.min(self.asked.now);
        let mut withheld = 0;
        for agent in &mut self.agents {
            let readers: Vec<_> = agent.streams.values_mut().filter_map(|stream| stream.reader.take()).collect();
            if let Some(isms) = &agent.log.isms {
                owners::tell(isms, &readers, builder)?;
            }
            let mut names: BTreeSet<String> = agent.streams.keys().flatten().cloned().collect();
            names.extend(agent.log.slots.iter().map(|(slot, _)| slot.schedule.clone()));
            for name in names {
                let slots = agent.account_for(&name, self.asked, end, builder);
                builder.schedule(slots.finish(end));
            }
            withheld += agent.streams.values().map(|stream| stream.follower.withheld()).sum::<u64>();
        }
        if withheld > 0 {
            builder.caution(format!("this is a pack: {withheld} lines are withheld, and nothing is said of them"));
        }
        Ok(())
    }
}

impl Agent<'_> {
    fn account_for(&self, name: &str, asked: &Asked<'_>, end: Timestamp, builder: &mut PeriodBuilder) -> Slots {
        let mut slots = Slots::new(self.log.agent.clone(), name);
        for (number, (from, schedules)) in self.schedules.iter().enumerate() {
            let until = self.schedules.get(number + 1).map_or(end, |(next, _)| *next);
            let Some(config) = schedules.iter().find(|schedule| schedule.name == name) else { continue };
            let table = match config.timetable() {
                Ok(table) => table,
                Err(error) => {
                    builder.caution(format!(
                        "the schedule {name} of {}, as runs from {from} to {until} have sealed it, cannot be read \
                         ({error}): which runs were due in that time is not known",
                        self.log.agent
                    ));
                    continue;
                }
            };
            slots.cron(format!("{} {}", config.cron, config.timezone));
            // A run that may still be at work is not missing yet.
            let patience = config.timeout.signed().saturating_add(table.jitter());
            let patience = patience.saturating_add(SignedDuration::from_mins(10));
            let last = until.min(asked.now.checked_sub(patience).unwrap_or(until));
            let before = |moment: Timestamp| moment.checked_sub(SignedDuration::from_millis(1)).unwrap_or(moment);
            table.between(before(*from), before(last)).for_each(|due| slots.expect(due));
        }
        for (slot, fact) in self.log.slots.iter().filter(|(slot, _)| slot.schedule == name) {
            slots.fact(slot.due, fact.clone());
        }
        slots
    }
}

fn as_line(seen: &Seen) -> Line<'_> {
    Line { finding: &seen.finding, file: &seen.file }
}

fn open(archive: &dyn Archive, run: Option<RunRef>) -> Result<Option<(RunRef, RunReader<'_>, Manifest)>, Ended> {
    let Some(run) = run else { return Ok(None) };
    let reader = RunReader::open(archive, &run, None).map_err(failed)?;
    let manifest = reader.manifest().map_err(failed)?;
    Ok(Some((run, reader, manifest)))
}

fn facts(reader: &RunReader<'_>, manifest: &Manifest, late: bool) -> RunFacts {
    let predicate = &reader.statement().predicate;
    let read = manifest.accounts.iter().filter(|account| account.state == Listing::Read);
    RunFacts {
        run: predicate.run,
        at: predicate.window.end,
        status: predicate.status,
        totals: predicate.totals,
        due: predicate.slot.as_ref().map(|slot| slot.due),
        late,
        version: manifest.binary.version.clone(),
        sha256: manifest.binary.sha256,
        suspect: manifest.clock.suspect,
        shard: manifest.shard.clone(),
        assurance: manifest.assurance.clone(),
        read: read.map(|account| (account.provider.clone(), account.account.clone())).collect(),
    }
}

/// Groups that the run was not asked to read: what was seen of them before still stands.
fn not_asked(follower: &Follower<'_>) -> BTreeSet<(String, String)> {
    let mut out = BTreeSet::new();
    for account in follower.coverage() {
        let name = format!("{}:{}", account.provider, account.account);
        for cell in account.cells.iter().filter(|cell| cell.state == evidenced_model::CellState::Skipped) {
            out.insert((name.clone(), format!("{}/{}", cell.region, cell.kind)));
        }
    }
    out
}

fn rejudged(objects: ObjectReader<'_>, digest: &evidenced_model::Digest) -> Result<Rejudged, Ended> {
    let document: Rejudgement = objects.document(digest, "the log").map_err(failed)?;
    let verdicts = document.verdicts.into_iter().map(|one| ((one.check, one.scope, one.resource), one.after));
    Ok(verdicts.collect())
}
