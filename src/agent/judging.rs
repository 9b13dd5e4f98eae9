//! The judging stage: reads the spool back in order, judges each resource, hands both to the seal.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use evidenced_check::judge::is_defect;
use evidenced_check::{Joins, Judge, Populations};
use evidenced_isms::InForce;
use evidenced_map::Counts;
use evidenced_model::{Account, Coverage, Field, Finding, KindId, Provider, Resource, Severity, Verdict};
use evidenced_seal::RunWriter;
use evidenced_seal::SealError;
use evidenced_seal::partition::Partitions;
use serde_json::Value;

use crate::stop::Stop;

/// What judging told, beside what was written.
#[derive(Default)]
pub(crate) struct Judged {
    /// Findings by check.
    pub(crate) counts: Counts,
    /// Findings that a check could not decide by its own fault.
    pub(crate) defects: BTreeMap<String, u64>,
    /// The worst unwaived fail.
    pub(crate) worst: Option<Severity>,
    /// Lines that came again under an id that was there already, by account, region and kind: they are dropped.
    pub(crate) duplicates: BTreeMap<(String, String, String), u64>,
    /// Time spent in the judge.
    pub(crate) judging: Duration,
    /// Time spent in the seal.
    pub(crate) sealing: Duration,
}

/// Why judging ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    /// The seal did not take it.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The spool does not hold what was written to it.
    #[error("the spool holds a line that cannot be read back: {0}; the disk may be failing")]
    Spool(String),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Stopped,
}

/// The field of resources that holds their tags, in every kind that has them.
const TAGS: &str = "tags";

/// What a run is judged by: checks, and the waivers in force, which mark fails and change no verdict.
pub(crate) struct By<'a> {
    /// The checks.
    pub(crate) judge: &'a Judge,
    /// The other sides of their joins.
    pub(crate) joins: &'a Joins,
    /// The waivers in force at the run's start.
    pub(crate) waivers: &'a InForce<'a>,
}

impl By<'_> {
    /// Judges one resource, see [`Judge::judge`].
    pub(crate) fn judge(&self, resource: &Resource, populations: &mut Populations, sink: &mut dyn FnMut(Finding)) {
        let tags = match resource.field(TAGS) {
            Field::Read(Value::Object(tags)) => Some(tags),
            _ => None,
        };
        self.judge.judge(resource, self.joins, populations, &mut |mut finding| {
            self.waivers.mark(&mut finding, tags);
            sink(finding);
        });
    }

    /// Judges places, see [`Judge::finish`].
    pub(crate) fn finish(&self, populations: Populations, coverage: &Coverage, sink: &mut dyn FnMut(Finding)) {
        self.judge.finish(populations, coverage, &mut |mut finding| {
            self.waivers.mark(&mut finding, None);
            sink(finding);
        });
    }

    /// The fields of a kind that are read.
    fn reads(&self, kind: &KindId) -> BTreeSet<&str> {
        let mut reads = self.judge.reads(kind);
        if self.waivers.reads_tags() {
            reads.insert(TAGS);
        }
        reads
    }
}

/// Judges and writes every resource of every account, then the places.
pub(crate) fn judge(
    by: &By<'_>,
    coverage: &Coverage,
    mut partitions: Partitions,
    writer: &mut RunWriter<'_>,
    stop: &Stop,
    observer: &mut dyn FnMut(&Finding),
) -> Result<Judged, JudgeError> {
    let mut stage = Stage { by, coverage, writer, stop, observer, judged: Judged::default(), findings: Vec::new() };
    let mut accounts: Vec<(String, (Provider, Account))> =
        coverage.accounts.keys().map(|key| (format!("{}:{}", key.0, key.1), key.clone())).collect();
    accounts.sort();
    for (key, account) in accounts {
        let mut populations = by.judge.populations();
        while partitions.keys().next().is_some_and(|group| group.account == key) {
            stage.group(&mut partitions, &mut populations)?;
        }
        stage.places(&key, &account, populations)?;
    }
    Ok(stage.judged)
}

struct Stage<'a, 'w> {
    by: &'a By<'a>,
    coverage: &'a Coverage,
    writer: &'a mut RunWriter<'w>,
    stop: &'a Stop,
    observer: &'a mut dyn FnMut(&Finding),
    judged: Judged,
    findings: Vec<Finding>,
}

impl Stage<'_, '_> {
    fn group(&mut self, partitions: &mut Partitions, populations: &mut Populations) -> Result<(), JudgeError> {
        let Some(mut group) = partitions.next_group()? else { return Ok(()) };
        let key = group.key().clone();
        self.writer.begin_group(&key.account, &key.region, &key.kind)?;
        let wanted = key.kind.parse().map(|kind| self.by.reads(&kind)).unwrap_or_default();
        while let Some(record) = group.next()? {
            if self.stop.is_set() {
                return Err(JudgeError::Stopped);
            }
            let began = Instant::now();
            self.writer.resource(record.id, record.line)?;
            self.judged.sealing += began.elapsed();
            let began = Instant::now();
            let resource = Resource::from_line(record.line, &|name| wanted.contains(name))
                .map_err(|error| JudgeError::Spool(error.to_string()))?;
            let findings = &mut self.findings;
            self.by.judge(&resource, populations, &mut |finding| findings.push(finding));
            self.judged.judging += began.elapsed();
            self.write_findings()?;
        }
        let dropped = group.duplicates().count;
        if dropped > 0 {
            tracing::error!(kind = key.kind, dropped, "a collector wrote resources twice; please report this");
            self.judged.duplicates.insert((key.account, key.region, key.kind), dropped);
        }
        self.writer.end_group()?;
        Ok(())
    }

    /// The findings about the account and its regions.
    fn places(&mut self, key: &str, account: &(Provider, Account), populations: Populations) -> Result<(), JudgeError> {
        let Some(covered) = self.coverage.accounts.get(account) else { return Ok(()) };
        let only = Coverage { accounts: BTreeMap::from([(account.clone(), covered.clone())]) };
        let mut groups: BTreeMap<(String, String), Vec<Finding>> = BTreeMap::new();
        self.by.finish(populations, &only, &mut |finding| {
            let group = (finding.scope.region.to_string(), finding.kind.to_string());
            groups.entry(group).or_default().push(finding);
        });
        for ((region, kind), findings) in groups {
            self.writer.begin_group(key, &region, &kind)?;
            self.findings = findings;
            self.write_findings()?;
            self.writer.end_group()?;
        }
        Ok(())
    }

    fn write_findings(&mut self) -> Result<(), JudgeError> {
        let began = Instant::now();
        let mut findings = std::mem::take(&mut self.findings);
        findings.sort_by(|a, b| a.check.cmp(&b.check));
        for finding in &findings {
            self.judged.counts.add(finding);
            if finding.verdict == Verdict::Fail && finding.waiver.is_none() {
                self.judged.worst = self.judged.worst.max(Some(finding.severity));
            }
            if is_defect(finding) {
                *self.judged.defects.entry(finding.check.to_string()).or_default() += 1;
            }
            (self.observer)(finding);
            self.writer.finding(finding)?;
        }
        findings.clear();
        self.findings = findings;
        self.judged.sealing += began.elapsed();
        Ok(())
    }
}
