//! Who may take on a role from outside: trust policies.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Known;
use super::conditions::{has_external_id, limits, strip};
use super::outsiders::is_organisation;
use super::parse::{Policy, Statement, Who};
use super::principals::{account_of, is_known, is_unique_id};

/// The principals outside one's own accounts that may take on the role and should not, sorted.
///
/// An outside account is in order if it is trusted and must bring an external id, or if the statement is tied to an
/// organisation. A principal of `*` is in order only if a condition narrows it to accounts that are in order, or to an
/// organisation; an external id alone does not. Services and deleted principals are left out; so are identity
/// providers, which [`oidc_unscoped`] looks at.
pub fn trust_external(document: &Value, known: &Known<'_>) -> Result<Vec<String>, String> {
    let policy = Policy::parse(document)?;
    let mut found = BTreeSet::new();
    for statement in policy.allows() {
        let limits = limits(&policy, statement);
        if limits.iter().any(|limit| is_organisation(limit, known)) {
            continue;
        }
        let invited = has_external_id(statement);
        let in_order = |name: &str| {
            let own = known.own.contains(&name) || account_of(name).is_some_and(|account| known.own.contains(&account));
            own || (invited && is_known(name, known))
        };
        let outside: Vec<Vec<String>> = limits
            .iter()
            .map(|limit| limit.strangers(&Known { own: known.own.clone(), trusted: Vec::new() }))
            .map(|names| names.into_iter().filter(|name| !in_order(name)).collect())
            .collect();
        if outside.iter().any(Vec::is_empty) {
            continue;
        }
        if statement.names_anyone() {
            match outside.into_iter().next() {
                Some(names) => found.extend(names),
                None => drop(found.insert("*".to_owned())),
            }
        }
        let named = statement.principals.iter().filter_map(|who| match who {
            Who::Aws(name) if !is_unique_id(name) && !in_order(name) => Some(*name),
            Who::Other(name) => Some(*name),
            _ => None,
        });
        found.extend(named.map(ToOwned::to_owned));
    }
    Ok(found.into_iter().collect())
}

/// The Allow statements, by `Sid` or place, that let in an `OpenID` Connect provider without saying which subject
/// (`:sub`) and for which audience (`:aud`).
///
/// A subject that begins with a wildcard is none, and for GitHub's shared issuer neither is one that leaves the owner
/// open. For Cognito the audience is the customer's own identity pool, and enough.
pub fn oidc_unscoped(document: &Value) -> Result<Vec<String>, String> {
    let policy = Policy::parse(document)?;
    let open = policy.allows().filter(|statement| {
        statement.principals.iter().any(|who| match who {
            Who::Federated(name) => oidc_host(name).is_some_and(|host| !is_scoped(statement, host)),
            _ => false,
        })
    });
    Ok(open.map(|statement| statement.name.clone()).collect())
}

/// The issuer of an `OpenID` Connect provider; none for SAML.
fn oidc_host(name: &str) -> Option<&str> {
    match name.split_once(":oidc-provider/") {
        Some((_, host)) => Some(host),
        None => (!name.starts_with("arn:")).then_some(name),
    }
}

fn is_scoped(statement: &Statement<'_>, host: &str) -> bool {
    let claims = |suffix: &str, says: fn(&str, &str) -> bool| {
        statement.conditions.iter().any(|condition| {
            let (operator, binding) = strip(condition, &statement.conditions);
            binding
                && matches!(operator, "stringequals" | "stringequalsignorecase" | "stringlike")
                && condition.key.ends_with(suffix)
                && !condition.values.is_empty()
                && condition.values.iter().all(|value| says(value, host))
        })
    };
    let audience = claims(":aud", |value, _| !value.starts_with(['*', '?']));
    audience && (host == "cognito-identity.amazonaws.com" || claims(":sub", names_a_subject))
}

fn names_a_subject(value: &str, host: &str) -> bool {
    if !host.ends_with("githubusercontent.com") {
        return !value.is_empty() && !value.starts_with(['*', '?']);
    }
    // GitHub: `repo:<owner>/<name>:…`; whatever leaves the owner open admits anyone on GitHub.
    let owner = value.strip_prefix("repo:").unwrap_or(value).split(['/', ':']).next().unwrap_or_default();
    !owner.is_empty() && !super::glob::has_wildcard(owner)
}
