//! Who answers for what fails: by the tags that the last run read, as the statement of applicability says.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_isms::Isms;
use evidenced_model::{KindId, ResourceLine, Scope};
use evidenced_report::period::PeriodBuilder;
use evidenced_seal::RunReader;
use serde_json::Value;

use crate::exit::Ended;
use crate::opened::failed;

/// Looks the failing resources up in the last runs of an agent, and says whose they are.
pub(super) fn tell(isms: &Isms, runs: &[RunReader<'_>], builder: &mut PeriodBuilder) -> Result<(), Ended> {
    if isms.owners().is_empty() {
        return Ok(());
    }
    let mut wanted: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (kind, scope, resource) in builder.failing() {
        let group = (scope.account_key(), format!("{}/{kind}", scope.region));
        wanted.entry(group).or_default().insert(resource.to_owned());
    }
    let mut owners: BTreeMap<(Scope, String), Option<String>> = BTreeMap::new();
    for run in runs {
        for group in run.groups().map_err(failed)? {
            let group = group.map_err(failed)?;
            let key = (group.account.clone(), format!("{}/{}", group.region, group.kind));
            let Some(ids) = wanted.get(&key) else { continue };
            for line in run.resource_lines(&group).map_err(failed)? {
                let line = line.map_err(failed)?;
                if !ids.contains(&line.id) {
                    continue;
                }
                let resource: ResourceLine = line.parse().map_err(failed)?;
                let tags = resource.fields.get("tags").and_then(Value::as_object);
                let owner = isms.owner_of(&resource.kind, &resource.scope, tags).map(str::to_owned);
                owners.insert((resource.scope, resource.id), owner);
            }
        }
    }
    builder.own(&|kind: &KindId, scope: &Scope, resource: &str| {
        match owners.get(&(scope.clone(), resource.to_owned())) {
            Some(owner) => owner.clone(),
            // A place has no tags; of a resource that is gone, nobody knows them any more.
            None if kind.as_str().starts_with("place.") => isms.owner_of(kind, scope, None).map(str::to_owned),
            None => None,
        }
    });
    Ok(())
}
