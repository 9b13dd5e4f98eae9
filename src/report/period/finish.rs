//! Putting a period together: what was fed becomes the document.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{AgentId, CheckId, Tally};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::builder::PeriodBuilder;
use super::clauses::{Basis, clauses};
use super::controls::{Both, State};
use super::document::{
    AgentPeriod, CatalogPeriod, CheckPeriod, ControlPeriod, ControlSpan, FORMAT, FailPeriod, Gap, ObjectiveLink,
    Period, SlotState, Stretch, WaiverPeriod,
};
use super::facts::{CatalogRule, ControlRule, Declared, DeclaredWaiver};
use super::fails::Numbers;
use super::stream::Stream;

/// Fewer runs than these say nothing of how often somebody looks.
const FEW: usize = 3;

/// What is known of a check's fails when everything was fed.
struct Known<'a> {
    changes: &'a BTreeMap<CheckId, u64>,
    fails: &'a BTreeMap<CheckId, Numbers>,
    open: &'a BTreeMap<CheckId, u64>,
}

impl PeriodBuilder {
    /// Puts the period together. `now` is the time: a period that has not ended is looked at until then.
    pub fn finish(mut self, now: Timestamp) -> Period {
        let end = self.to.min(now).max(self.from);
        self.streams.iter_mut().for_each(Stream::end);
        let looks: Vec<Option<Timestamp>> = self.streams.iter().map(|stream| stream.looks.last().copied()).collect();
        let open = self.fails.finish(&looks, &self.limits);
        let (waivers, spoken) = self.waivers(end);
        let holes: Vec<Vec<Gap>> = (0..self.streams.len()).map(|stream| self.not_looked(stream, end)).collect();
        self.say_cautions(now, end);
        self.cautions.extend(spoken);
        let known = Known { changes: &self.changes_of, fails: &self.fails.checks, open: &open };
        let declared = self.declared.values().filter_map(|told| told.last()).map(|(_, declared)| declared.clone());
        let declared = declared.reduce(beside).unwrap_or_default();
        let checks = checks(&self, &known);
        let mut controls = std::mem::take(&mut self.controls);
        let mut catalogs = Vec::new();
        for catalog in &self.rules.catalogs {
            let made = catalog.controls.iter().map(|control| {
                let both = std::mem::take(controls.of(&catalog.id, &control.id));
                self.control(catalog, control, both, &declared, &holes, &known, end)
            });
            catalogs.push(CatalogPeriod {
                id: catalog.id.clone(),
                title: catalog.title.clone(),
                provisional: catalog.provisional.clone(),
                controls: made.collect(),
                clauses: Vec::new(),
            });
        }
        let basis = Basis {
            declared: &declared,
            statements: self.declared.values().map(Vec::len).sum(),
            schedules: &self.schedules,
            runs: self.agents.values().map(|agent| agent.runs.len() as u64).sum(),
            checks: &checks,
            waivers: &waivers,
        };
        for (rule, catalog) in self.rules.catalogs.iter().zip(&mut catalogs) {
            let mut made = clauses(rule, catalog, &basis);
            for clause in &mut made {
                let key = (rule.id.clone(), clause.clause.clone());
                let attached = self.attachments.iter().filter(|attachment| attachment.controls.contains(&key));
                clause.attachments = attached.map(|attachment| attachment.id).collect();
            }
            catalog.clauses = made;
        }
        let agents = self.agents();
        let mut holes: Vec<_> = self.streams.iter_mut().flat_map(|stream| std::mem::take(&mut stream.holes)).collect();
        holes.sort_by(|one, other| {
            let place = |hole: &super::document::CoverageHole| {
                (hole.from, hole.agent.clone(), hole.account.clone(), hole.region.clone(), hole.kind.clone())
            };
            place(one).cmp(&place(other))
        });
        let mut fails = std::mem::take(&mut self.fails.ended);
        let left_out = self.fails.left_out + fails.len().saturating_sub(self.limits.fails) as u64;
        let count = fails.len() as u64 + self.fails.left_out;
        fails.truncate(self.limits.fails);
        self.attachments.sort_by_key(|attachment| (attachment.at, attachment.id));
        Period {
            format: FORMAT,
            from: self.from,
            to: self.to,
            store: self.store,
            agents,
            schedules: self.schedules,
            catalogs,
            checks,
            fails: Stretch { count, left_out, shown: fails },
            changes: self.changes,
            holes,
            waivers,
            attachments: self.attachments,
            upgrades: self.upgrades,
            cautions: self.cautions,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "everything that is known of a control")]
    fn control(
        &self,
        catalog: &CatalogRule,
        control: &ControlRule,
        both: Both,
        declared: &Declared,
        holes: &[Vec<Gap>],
        known: &Known<'_>,
        end: Timestamp,
    ) -> ControlPeriod {
        let key = (catalog.id.clone(), control.id.clone());
        let objectives = control.links.iter().map(|(objective, strength)| ObjectiveLink {
            objective: objective.clone(),
            sentence: self.rules.objectives.get(objective).cloned().unwrap_or_else(|| objective.to_string()),
            strength: *strength,
            checks: self
                .rules
                .checks
                .iter()
                .filter(|(_, rule)| rule.objective == *objective)
                .map(|(id, _)| id.clone())
                .collect(),
        });
        let clouds = both.clouds.into_iter();
        let attached = self.attachments.iter().filter(|attachment| attachment.controls.contains(&key));
        ControlPeriod {
            control: control.id.clone(),
            label: control.label.clone(),
            left_to_people: control.left_to_people.clone(),
            owner: declared.owners.get(&key).cloned(),
            excluded_because: declared.excluded.get(&key).cloned(),
            objectives: objectives.collect(),
            clouds: clouds.map(|(provider, state)| (provider, self.span(state, holes, known, end))).collect(),
            together: self.span(both.together, holes, known, end),
            attachments: attached.map(|attachment| attachment.id).collect(),
        }
    }

    fn span(&self, state: State, holes: &[Vec<Gap>], known: &Known<'_>, end: Timestamp) -> ControlSpan {
        let mut gaps = Vec::new();
        for stream in &state.streams {
            gaps.extend(holes.get(*stream).into_iter().flatten().cloned());
            if let Some(seen) = self.streams.get(*stream) {
                gaps.extend(seen.blind(&state.checks, end));
            }
        }
        if !state.is_new() {
            gaps.extend(self.missing_shards.iter().map(|what| Gap { from: self.from, until: end, what: what.clone() }));
        }
        let mut counts = Tally::default();
        for stream in &self.streams {
            counts.add(&stream.tally(state.checks.iter()));
        }
        let sum = |of: &dyn Fn(&CheckId) -> Option<u64>| state.checks.iter().filter_map(of).sum();
        let changes = sum(&|check| known.changes.get(check).copied());
        let fails = sum(&|check| known.fails.get(check).map(|numbers| numbers.stood));
        let open = sum(&|check| known.open.get(check).copied());
        ControlSpan { changes, fails, open, ..state.finish(end, gaps, Some(counts)) }
    }

    /// When a stream should have looked and did not: by its schedule; without one, by its own habit.
    fn not_looked(&self, stream: usize, end: Timestamp) -> Vec<Gap> {
        let Some(stream) = self.streams.get(stream) else { return Vec::new() };
        if let Some(name) = &stream.schedule {
            let schedules = self.schedules.iter().filter(|one| one.agent == stream.agent && one.schedule == *name);
            let holes = schedules.flat_map(|schedule| &schedule.holes);
            let what = |state| match state {
                SlotState::Missed => "missed: nobody was there",
                SlotState::Skipped => "skipped, for a reason that the log gives",
                SlotState::Abandoned => "begun and given up",
                SlotState::Unaccounted => "without a word in the log",
            };
            let gap = |hole: &super::document::SlotHole| Gap {
                from: hole.from,
                until: hole.until,
                what: format!("slots of {name} of {}: {}", stream.agent, what(hole.what)),
            };
            return holes.map(gap).collect();
        }
        let scheduled = |one: &Stream| one.agent == stream.agent && one.schedule.is_some();
        if self.streams.iter().any(scheduled) {
            // What somebody asked for beside a schedule owes nothing.
            return Vec::new();
        }
        self.out_of_habit(stream, end)
    }

    fn out_of_habit(&self, stream: &Stream, end: Timestamp) -> Vec<Gap> {
        let looks = &stream.looks;
        let gap = |from: Timestamp, until: Timestamp, what: String| Gap { from, until, what };
        if looks.len() < FEW {
            let what = format!("{} has too few runs to say how often it looks, and no schedule", stream.agent);
            return vec![gap(self.from, end, what)];
        }
        let mut apart: Vec<SignedDuration> = looks.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
        apart.sort();
        let usual = apart[apart.len() / 2];
        let most = usual.saturating_mul(2).saturating_add(SignedDuration::from_mins(10));
        let what = format!("no run of {}, which looks about every {:#}", stream.agent, usual.round_to_minutes());
        let edges = std::iter::once(self.from).chain(looks.iter().copied()).chain(std::iter::once(end));
        let edges: Vec<Timestamp> = edges.collect();
        let long = edges.windows(2).filter(|pair| pair[1].duration_since(pair[0]) > most);
        long.map(|pair| gap(pair[0], pair[1], what.clone())).collect()
    }

    fn agents(&mut self) -> Vec<AgentPeriod> {
        let names: BTreeSet<AgentId> = self.logs.keys().chain(self.agents.keys()).cloned().collect();
        names
            .into_iter()
            .map(|agent| {
                let log = self.logs.remove(&agent).unwrap_or_default();
                let facts = self.agents.remove(&agent).unwrap_or_default();
                AgentPeriod {
                    shard: facts.newest.as_ref().map(|newest| newest.shard.clone()),
                    head: log.head,
                    entries: log.entries,
                    sealed: facts.runs.len() as u64,
                    partial: facts.partial,
                    asked_for: facts.asked_for,
                    abandoned: log.abandoned,
                    open: log.open,
                    suspect: facts.suspect,
                    versions: facts.versions,
                    assurance: facts.newest.map(|newest| newest.assurance),
                    runs: facts.runs,
                    agent,
                }
            })
            .collect()
    }

    /// Waivers that were in force at some time of the period, and what has to be said of them.
    fn waivers(&self, end: Timestamp) -> (Vec<WaiverPeriod>, Vec<String>) {
        let mut out: Vec<WaiverPeriod> = Vec::new();
        let mut cautions = Vec::new();
        for told in self.declared.values() {
            let mut open: BTreeMap<String, (Timestamp, DeclaredWaiver)> = BTreeMap::new();
            for (at, declared) in told {
                let gone: Vec<String> = open.keys().filter(|id| !declared.waivers.contains_key(*id)).cloned().collect();
                for id in gone {
                    if let Some((from, waiver)) = open.remove(&id) {
                        out.extend(self.waiver(&id, from, &waiver, Some(*at)));
                    }
                }
                for (id, waiver) in &declared.waivers {
                    let from = open.get(id).map_or(*at, |(from, _)| *from);
                    open.insert(id.clone(), (from, waiver.clone()));
                }
            }
            for (id, (from, waiver)) in open {
                let expires = expires(&waiver);
                let soon = end.checked_add(SignedDuration::from_hours(24 * 14)).unwrap_or(end);
                if expires <= end {
                    cautions.push(format!("the waiver {id} expired on {} and is still declared", waiver.expires));
                } else if expires <= soon {
                    cautions.push(format!("the waiver {id} expires on {}", waiver.expires));
                }
                out.extend(self.waiver(&id, from, &waiver, None));
            }
        }
        out.sort_by(|one, other| (one.from, &one.id).cmp(&(other.from, &other.id)));
        (out, cautions)
    }

    fn waiver(
        &self,
        id: &str,
        from: Timestamp,
        waiver: &DeclaredWaiver,
        withdrawn: Option<Timestamp>,
    ) -> Option<WaiverPeriod> {
        let expires = expires(waiver);
        let (until, end) = match withdrawn {
            Some(at) if at < expires => (Some(at), Some("withdrawn")),
            _ if expires < self.to => (Some(expires), Some("expired")),
            _ => (None, None),
        };
        if from >= self.to || until.is_some_and(|until| until <= self.from) {
            return None;
        }
        let over = |fail: &&FailPeriod| fail.waived.iter().any(|(one, _)| one == id);
        Some(WaiverPeriod {
            id: id.to_owned(),
            approved_by: waiver.approved_by.clone(),
            reason: waiver.reason.clone(),
            ticket: waiver.ticket.clone(),
            expires: waiver.expires.to_string(),
            from,
            until,
            end: end.map(str::to_owned),
            fails: self.fails.ended.iter().filter(over).count() as u64,
        })
    }

    fn say_cautions(&mut self, now: Timestamp, end: Timestamp) {
        let mut say = Vec::new();
        say.push(
            "signatures, digests and the order of the log were not checked for this report; `evidenced verify` does"
                .to_owned(),
        );
        if self.to > now {
            say.push(format!("the period ends after now; what is said goes until {end}"));
        }
        say.append(&mut self.missing_shards.clone());
        let mut readers: BTreeMap<_, BTreeSet<&AgentId>> = BTreeMap::new();
        for (agent, facts) in &self.agents {
            for account in facts.newest.iter().flat_map(|newest| &newest.read) {
                readers.entry(account).or_default().insert(agent);
            }
            if facts.suspect > 0 {
                say.push(format!("the clock of {agent} could not be relied on in {} runs", facts.suspect));
            }
        }
        for ((provider, account), agents) in readers.into_iter().filter(|(_, agents)| agents.len() > 1) {
            let names: Vec<&str> = agents.iter().map(|agent| agent.as_str()).collect();
            say.push(format!(
                "{provider}:{account} is read by {}; their findings are counted for each of them",
                names.join(" and ")
            ));
        }
        for (agent, log) in &self.logs {
            if log.open > 0 {
                say.push(format!("{} runs of {agent} began, and the log names no end of them", log.open));
            }
        }
        say.append(&mut self.cautions);
        self.cautions = say;
    }
}

fn checks(built: &PeriodBuilder, known: &Known<'_>) -> Vec<CheckPeriod> {
    let ids: BTreeSet<&CheckId> = built
        .streams
        .iter()
        .flat_map(|stream| stream.rules.checks.keys().chain(stream.tallies.keys()))
        .chain(known.fails.keys())
        .collect();
    let rule = |id: &CheckId| built.streams.iter().rev().find_map(|stream| stream.rules.checks.get(id));
    ids.into_iter()
        .filter_map(|id| {
            let rule = rule(id)?;
            let mut counts = evidenced_model::VerdictCounts::default();
            for counted in built.streams.iter().filter_map(|stream| stream.tallies.get(id)) {
                counts.add(&counted.verdicts());
            }
            let numbers = known.fails.get(id);
            let mut mended = numbers.map(|numbers| numbers.mended.clone()).unwrap_or_default();
            mended.sort_unstable();
            Some(CheckPeriod {
                id: id.clone(),
                title: rule.title.clone(),
                severity: rule.severity,
                objective: rule.objective.clone(),
                fix: rule.fix.clone(),
                counts,
                began: numbers.map_or(0, |numbers| numbers.began),
                ended: numbers.map_or(0, |numbers| numbers.ended),
                open: known.open.get(id).copied().unwrap_or(0),
                mend_median: mended.get(mended.len() / 2).copied(),
                longest: numbers.filter(|numbers| numbers.stood > 0).map(|numbers| numbers.longest),
                revisions: built.revisions.get(id).cloned().unwrap_or_default(),
            })
        })
        .collect()
}

/// The moment from which on a waiver does not work any more: the end of its last day.
fn expires(waiver: &DeclaredWaiver) -> Timestamp {
    let next = waiver.expires.tomorrow().unwrap_or(waiver.expires);
    TimeZone::UTC.to_timestamp(next.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
}

/// What two agents' statements say together; the later one in order counts where both say something.
fn beside(mut one: Declared, other: Declared) -> Declared {
    one.waivers.extend(other.waivers);
    one.excluded.extend(other.excluded);
    one.owners.extend(other.owners);
    one
}

/// Durations as people say them.
trait Minutes {
    fn round_to_minutes(self) -> SignedDuration;
}

impl Minutes for SignedDuration {
    fn round_to_minutes(self) -> SignedDuration {
        SignedDuration::from_mins(((self.as_secs() + 30) / 60).max(1))
    }
}
