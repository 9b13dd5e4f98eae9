//! Who outside the account a resource's policy lets in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Known;
use super::conditions::{Limit, limits};
use super::parse::{Policy, Statement};
use super::principals::stranger;
use super::reads::writes;

/// The Allow statements that are open to anyone, by `Sid` or place: a principal of `*` (or everyone but some) that no
/// condition narrows to an account, an organisation, a network or a source.
pub fn public(document: &Value) -> Result<Vec<String>, String> {
    let policy = Policy::parse(document)?;
    let open = policy.allows().filter(|statement| statement.names_anyone() && limits(&policy, statement).is_empty());
    Ok(open.map(|statement| statement.name.clone()).collect())
}

/// The principals in Allow statements that are neither one's own nor trusted, sorted: `*` where anyone may come,
/// or the accounts, organisations, networks or sources to which a condition narrows it. Services of AWS and deleted
/// principals are left out.
pub fn foreign_principals(document: &Value, known: &Known<'_>) -> Result<Vec<String>, String> {
    foreign(document, known, |_| true)
}

/// The same, in statements that allow more than reading only.
pub fn foreign_writers(document: &Value, known: &Known<'_>) -> Result<Vec<String>, String> {
    foreign(document, known, |statement| writes(&statement.actions))
}

fn foreign(document: &Value, known: &Known<'_>, counts: fn(&Statement<'_>) -> bool) -> Result<Vec<String>, String> {
    let policy = Policy::parse(document)?;
    let mut found = BTreeSet::new();
    for statement in policy.allows().filter(|statement| counts(statement)) {
        let limits = limits(&policy, statement);
        let outside: Vec<Vec<String>> = limits.iter().map(|limit| limit.strangers(known)).collect();
        // All limits hold at once: one that lets in nobody unknown is enough.
        if outside.iter().any(Vec::is_empty) {
            continue;
        }
        if statement.names_anyone() {
            match outside.into_iter().next() {
                Some(names) => found.extend(names),
                None => drop(found.insert("*".to_owned())),
            }
        }
        let named = statement.principals.iter().filter_map(|who| stranger(*who, known));
        found.extend(named.map(ToOwned::to_owned));
    }
    Ok(found.into_iter().collect())
}

/// Whether a limit ties the callers to organisations.
pub(super) fn is_organisation(limit: &Limit<'_>, known: &Known<'_>) -> bool {
    matches!(limit, Limit::Own) || (matches!(limit, Limit::Organisations(_)) && limit.strangers(known).is_empty())
}
