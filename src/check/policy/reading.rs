//! Rights of a role that should only look at settings.

use std::collections::BTreeSet;

use serde_json::Value;

use super::glob::covers_folded;
use super::parse::{Policy, Set};
use super::reads::{only_reads, reaches_data};

/// The action patterns in Allow statements that write, or read what customers store, sorted; `NotAction` counts as
/// such, named with its exceptions.
pub fn beyond_reading(document: &Value) -> Result<Vec<String>, String> {
    let policy = Policy::parse(document)?;
    let mut found = BTreeSet::new();
    for statement in policy.allows() {
        match &statement.actions {
            Set::Only(patterns) => {
                let beyond = patterns.iter().filter(|pattern| !only_reads(pattern) || reaches_data(pattern));
                found.extend(beyond.map(|pattern| (*pattern).to_owned()));
            }
            Set::AllBut(patterns) if patterns.iter().any(|pattern| covers_folded(pattern, "*")) => {}
            Set::AllBut(patterns) => {
                found.insert(format!("all but {}", patterns.join(", ")));
            }
        }
    }
    Ok(found.into_iter().collect())
}
