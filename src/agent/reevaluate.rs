//! Judging a stored run again, from its own resources and mappings: findings and standings have to follow from them.
//!
//! Of a pack, what is shown is judged; what rests on something that is withheld is counted and left alone.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_check::{JoinIndex, Judge};
use evidenced_model::{Coverage, Finding, KindId};
use evidenced_seal::RunReader;
use evidenced_seal::read::RunGroup;
use evidenced_seal::verify::Problem;

use crate::declared::applicability;
use crate::documents::{Standings, standings};
use crate::exit::{Ended, Exit};
use crate::judging;
use crate::opened::{Judged, failed};

/// What came of judging a run again.
#[derive(Debug, Default)]
pub(crate) struct Rejudged {
    /// What does not follow.
    pub(crate) problems: Vec<Problem>,
    /// Findings that were judged again.
    pub(crate) judged: u64,
    /// Findings that could not be, because what they rest on is withheld.
    pub(crate) withheld: u64,
}

/// Judges a run again. Findings are held one group at a time.
pub(crate) fn reevaluate(reader: &RunReader<'_>) -> Result<Rejudged, Ended> {
    let by = Judged::read(reader)?;
    let judge = Judge::compile(&by.library, by.settings.clone())
        .map_err(|error| Ended::new(Exit::Verification, error.to_string()))?;
    let coverage = reader.coverage().map_err(failed)?;
    let mut joins = judge.join_index();
    let hidden = Hidden::look(reader, &coverage, &mut joins)?;
    let joins = joins.seal(&coverage);
    let waivers = by.isms.as_ref().map(|isms| isms.in_force(by.settings.now)).unwrap_or_default();
    let marked = judging::By { judge: &judge, joins: &joins, waivers: &waivers };
    let mut again =
        Again { out: Rejudged::default(), reader, judge: &judge, hidden, judged: judging::Judged::default() };
    let places =
        judge_again(reader, &marked, &coverage, &mut |group, findings, shown| again.compare(group, findings, shown))?;
    if again.hidden.is_anything() {
        return Ok(again.out);
    }
    for ((account, region, kind), findings) in places {
        let what = format!("{} findings of {account} {region} {kind} are missing", findings.len());
        again.problem(reader.path(), what);
    }
    let stored = reader.controls().map_err(failed)?.controls;
    let basis = Standings { applicability: &applicability(by.isms.as_ref()), threshold: by.threshold };
    let fresh = standings(&judge, &by.mapping, &again.judged, &coverage, &basis);
    for (old, new) in stored.iter().zip(&fresh).filter(|(old, new)| old != new) {
        let what = format!(
            "{} {} is stored as {} and follows as {} from its findings",
            old.catalog,
            old.control,
            old.standing.as_str(),
            new.standing.as_str()
        );
        again.problem(reader.path(), what);
    }
    if stored.len() != fresh.len() {
        let what = format!("{} controls are stored, {} follow from its mappings", stored.len(), fresh.len());
        again.problem(reader.path(), what);
    }
    Ok(again.out)
}

/// The findings of a group as they follow, and the resources that it shows; of a place's group, nothing.
type Compare<'c> = dyn FnMut(&RunGroup, Vec<Finding>, Option<&BTreeSet<String>>) -> Result<(), Ended> + 'c;

/// Places by account, region and kind.
pub(crate) type Places = BTreeMap<(String, String, String), Vec<Finding>>;

/// Judges the stored resources of a run, group by group, then its places. What is left are places of which nothing
/// is stored.
pub(crate) fn judge_again(
    reader: &RunReader<'_>,
    by: &judging::By<'_>,
    coverage: &Coverage,
    compare: &mut Compare<'_>,
) -> Result<Places, Ended> {
    let judge = by.judge;
    let mut populations: BTreeMap<String, evidenced_check::Populations> = BTreeMap::new();
    for group in reader.groups().map_err(failed)? {
        let group = group.map_err(failed)?;
        if group.kind.starts_with("place.") {
            continue;
        }
        let members = populations.entry(group.account.clone()).or_insert_with(|| judge.populations());
        let mut findings = Vec::new();
        let mut shown = BTreeSet::new();
        for resource in reader.resources(&group).map_err(failed)? {
            let resource = resource.map_err(failed)?;
            by.judge(&resource, members, &mut |finding| findings.push(finding));
            shown.insert(resource.id);
        }
        compare(&group, findings, Some(&shown))?;
    }
    let mut places = Places::new();
    for (key, covered) in &coverage.accounts {
        let account = format!("{}:{}", key.0, key.1);
        let only = Coverage { accounts: BTreeMap::from([(key.clone(), covered.clone())]) };
        let members = populations.remove(&account).unwrap_or_else(|| judge.populations());
        by.finish(members, &only, &mut |finding| {
            let group = (account.clone(), finding.scope.region.to_string(), finding.kind.to_string());
            places.entry(group).or_default().push(finding);
        });
    }
    for group in reader.groups().map_err(failed)? {
        let group = group.map_err(failed)?;
        if group.kind.starts_with("place.") {
            let key = (group.account.clone(), group.region.clone(), group.kind.clone());
            compare(&group, places.remove(&key).unwrap_or_default(), None)?;
        }
    }
    Ok(places)
}

/// Shows the stored resources that others are joined with.
pub(crate) fn observe(reader: &RunReader<'_>, joins: &mut JoinIndex) -> Result<u64, Ended> {
    let mut groups = reader.groups().map_err(failed)?;
    for group in groups.by_ref() {
        let group = group.map_err(failed)?;
        if group.kind.parse().is_ok_and(|kind| joins.wants(&kind)) {
            for resource in reader.resources(&group).map_err(failed)? {
                joins.observe(&resource.map_err(failed)?);
            }
        }
    }
    Ok(groups.withheld())
}

/// What a pack does not show of the resources.
#[derive(Default)]
struct Hidden {
    /// Kinds of which resources are withheld.
    kinds: BTreeSet<String>,
    /// Accounts are withheld, or their coverage is: of no kind is it known whether all of it is shown.
    accounts: bool,
    /// Findings are withheld.
    findings: bool,
}

impl Hidden {
    /// Looks at every group, and shows the joined resources to the index.
    fn look(reader: &RunReader<'_>, coverage: &Coverage, joins: &mut JoinIndex) -> Result<Self, Ended> {
        let mut hidden = Self::default();
        let covered: BTreeSet<String> =
            coverage.accounts.keys().map(|(provider, account)| format!("{provider}:{account}")).collect();
        hidden.accounts = observe(reader, joins)? > 0;
        // A store withholds nothing, and is looked at once.
        if reader.may_withhold().map_err(failed)? {
            for group in reader.groups().map_err(failed)? {
                let group = group.map_err(failed)?;
                hidden.accounts |= !covered.contains(&group.account);
                if reader.resource_lines(&group).map_err(failed)?.is_withheld().map_err(failed)? {
                    hidden.kinds.insert(group.kind.clone());
                }
                hidden.findings |= reader.finding_lines(&group).map_err(failed)?.is_withheld().map_err(failed)?;
            }
        }
        Ok(hidden)
    }

    fn is_anything(&self) -> bool {
        self.accounts || self.findings || !self.kinds.is_empty()
    }

    fn hides(&self, kind: &KindId) -> bool {
        self.accounts || self.kinds.contains(kind.as_str())
    }
}

struct Again<'a> {
    out: Rejudged,
    reader: &'a RunReader<'a>,
    judge: &'a Judge,
    hidden: Hidden,
    judged: judging::Judged,
}

impl Again<'_> {
    fn problem(&mut self, file: &str, what: String) {
        self.out.problems.push(Problem { file: file.to_owned(), what });
    }

    /// Whether a finding rests on something that is withheld; `shown` are the resources of its group, unless it is
    /// about a place.
    fn rests_on_withheld(&self, finding: &Finding, shown: Option<&BTreeSet<String>>) -> bool {
        if !self.hidden.is_anything() {
            return false;
        }
        if shown.is_some_and(|shown| !shown.contains(&finding.resource)) {
            return self.hidden.hides(&finding.kind);
        }
        self.judge.library().check(&finding.check).is_some_and(|(kind, check)| {
            let joined = check.with.values().any(|join| self.hidden.hides(&join.kind));
            joined || (shown.is_none() && self.hidden.hides(&kind.decl.kind))
        })
    }

    /// Holds fresh findings of a group against the stored ones.
    fn compare(
        &mut self,
        group: &RunGroup,
        fresh: Vec<Finding>,
        shown: Option<&BTreeSet<String>>,
    ) -> Result<(), Ended> {
        let mut expected: BTreeMap<(String, String), Finding> = BTreeMap::new();
        for finding in fresh {
            self.judged.counts.add(&finding);
            expected.insert((finding.resource.clone(), finding.check.to_string()), finding);
        }
        for line in self.reader.finding_lines(group).map_err(failed)? {
            let line = line.map_err(failed)?;
            let stored: Finding = serde_json::from_slice(&line.bytes)
                .map_err(|error| Ended::new(Exit::Verification, format!("{}: {error}", line.file)))?;
            let key = (stored.resource.clone(), stored.check.to_string());
            let fresh = expected.remove(&key);
            if self.rests_on_withheld(&stored, shown) {
                self.out.withheld += 1;
                continue;
            }
            self.out.judged += 1;
            let mut again = Vec::new();
            if let Some(fresh) = &fresh {
                fresh.write_line(&mut again);
            }
            if again != line.bytes {
                let follows = fresh.map_or("nothing", |fresh| fresh.verdict.as_str());
                let what = format!(
                    "{} on {:?} is stored as {}; from the stored resources follows {follows}{}",
                    stored.check,
                    stored.resource,
                    stored.verdict.as_str(),
                    if follows == stored.verdict.as_str() { ", with other reasons" } else { "" }
                );
                self.problem(&line.file, what);
            }
        }
        if self.hidden.findings || self.hidden.accounts {
            // What is not among the shown findings is among the withheld ones, whose number was verified.
            return Ok(());
        }
        for (resource, check) in expected.into_keys() {
            let what = format!("the finding of {check} on {resource:?} is missing");
            self.problem(self.reader.path(), what);
        }
        Ok(())
    }
}
