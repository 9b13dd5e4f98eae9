//! Judging a stored run again, from its own resources and mappings: findings and standings have to follow from them.

use std::collections::BTreeMap;

use evidenced_check::Judge;
use evidenced_model::{Coverage, Finding};
use evidenced_seal::RunReader;
use evidenced_seal::verify::Problem;

use crate::documents::standings;
use crate::exit::{Ended, Exit};
use crate::judging;
use crate::opened::{Judged, failed};

/// What does not follow. Findings are held one group at a time.
pub(crate) fn reevaluate(reader: &RunReader<'_>) -> Result<Vec<Problem>, Ended> {
    let by = Judged::read(reader)?;
    let judge = Judge::compile(&by.library, by.settings.clone())
        .map_err(|error| Ended::new(Exit::Verification, error.to_string()))?;
    let coverage = reader.coverage().map_err(failed)?;
    let mut joins = judge.join_index();
    for group in reader.groups().map_err(failed)? {
        let group = group.map_err(failed)?;
        if !group.kind.parse().is_ok_and(|kind| joins.wants(&kind)) {
            continue;
        }
        for resource in reader.resources(&group).map_err(failed)? {
            joins.observe(&resource.map_err(failed)?);
        }
    }
    let joins = joins.seal(&coverage);
    let mut again = Again { problems: Vec::new(), reader, judged: judging::Judged::default() };
    let mut places: BTreeMap<(String, String, String), Vec<Finding>> = BTreeMap::new();
    let mut populations: BTreeMap<String, evidenced_check::Populations> = BTreeMap::new();
    for group in reader.groups().map_err(failed)? {
        let group = group.map_err(failed)?;
        if group.kind.starts_with("place.") {
            continue;
        }
        let members = populations.entry(group.account.clone()).or_insert_with(|| judge.populations());
        let mut findings = Vec::new();
        for resource in reader.resources(&group).map_err(failed)? {
            let resource = resource.map_err(failed)?;
            judge.judge(&resource, &joins, members, &mut |finding| findings.push(finding));
        }
        again.compare(&group, findings)?;
    }
    for (key, covered) in &coverage.accounts {
        let account = format!("{}:{}", key.0, key.1);
        let only = Coverage { accounts: BTreeMap::from([(key.clone(), covered.clone())]) };
        let members = populations.remove(&account).unwrap_or_else(|| judge.populations());
        judge.finish(members, &only, &mut |finding| {
            let group = (account.clone(), finding.scope.region.to_string(), finding.kind.to_string());
            places.entry(group).or_default().push(finding);
        });
    }
    for group in reader.groups().map_err(failed)? {
        let group = group.map_err(failed)?;
        if group.kind.starts_with("place.") {
            let key = (group.account.clone(), group.region.clone(), group.kind.clone());
            again.compare(&group, places.remove(&key).unwrap_or_default())?;
        }
    }
    for ((account, region, kind), findings) in places {
        let what = format!("{} findings of {account} {region} {kind} are missing", findings.len());
        again.problems.push(Problem { file: reader.path().to_owned(), what });
    }
    let stored = reader.controls().map_err(failed)?.controls;
    let fresh = standings(&judge, &by.mapping, &again.judged, &coverage, by.threshold);
    for (old, new) in stored.iter().zip(&fresh).filter(|(old, new)| old != new) {
        let what = format!(
            "{} {} is stored as {} and follows as {} from its findings",
            old.catalog,
            old.control,
            old.standing.as_str(),
            new.standing.as_str()
        );
        again.problems.push(Problem { file: reader.path().to_owned(), what });
    }
    if stored.len() != fresh.len() {
        let what = format!("{} controls are stored, {} follow from its mappings", stored.len(), fresh.len());
        again.problems.push(Problem { file: reader.path().to_owned(), what });
    }
    Ok(again.problems)
}

struct Again<'a> {
    problems: Vec<Problem>,
    reader: &'a RunReader<'a>,
    judged: judging::Judged,
}

impl Again<'_> {
    /// Holds fresh findings of a group against the stored ones.
    fn compare(&mut self, group: &evidenced_seal::read::RunGroup, fresh: Vec<Finding>) -> Result<(), Ended> {
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
            let mut again = Vec::new();
            let fresh = expected.remove(&key);
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
                self.problems.push(Problem { file: line.file, what });
            }
        }
        for (resource, check) in expected.into_keys() {
            let what = format!("the finding of {check} on {resource:?} is missing");
            self.problems.push(Problem { file: self.reader.path().to_owned(), what });
        }
        Ok(())
    }
}
