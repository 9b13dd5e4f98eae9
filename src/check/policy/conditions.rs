//! Conditions that say who the caller is: they narrow a principal of `*` to somebody.

use super::Known;
use super::glob::has_wildcard;
use super::network::is_specific;
use super::parse::{Condition, Policy, Statement};
use super::principals::is_account;

/// One thing that every caller admitted by a statement must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Limit<'a> {
    /// Nobody: an unconditional Deny takes everything back.
    Nobody,
    /// In the account or organisation of the resource itself.
    Own,
    /// In one of these accounts.
    Accounts(Vec<&'a str>),
    /// In one of these organisations.
    Organisations(Vec<&'a str>),
    /// One of these principals, sources, endpoints or address ranges.
    Named(Vec<&'a str>),
}

impl Limit<'_> {
    /// Those whom the limit lets in and nobody knows.
    pub(super) fn strangers(&self, known: &Known<'_>) -> Vec<String> {
        let unknown = |names: &[&str], holds: &dyn Fn(&str) -> bool| {
            names.iter().filter(|name| !holds(name)).map(|name| (*name).to_owned()).collect()
        };
        match self {
            Self::Nobody | Self::Own => Vec::new(),
            Self::Accounts(names) | Self::Named(names) => unknown(names, &|name| known.holds(name)),
            Self::Organisations(names) => unknown(names, &|name| known.holds_organisation(name)),
        }
    }
}

/// The limits on whom an Allow statement lets in: its own conditions, and Deny statements that take the rest back.
pub(super) fn limits<'a>(policy: &'a Policy<'_>, statement: &'a Statement<'_>) -> Vec<Limit<'a>> {
    let own = statement.conditions.iter().filter_map(|condition| positive(condition, &statement.conditions));
    own.chain(policy.denies().filter_map(|deny| taken_back(statement, deny))).collect()
}

/// Whether the caller must prove to come for us: an external id that we gave him.
pub(super) fn has_external_id(statement: &Statement<'_>) -> bool {
    statement.conditions.iter().any(|condition| {
        let (operator, binding) = strip(condition, &statement.conditions);
        condition.key == "sts:externalid"
            && binding
            && matches!(operator, "stringequals" | "stringequalsignorecase" | "stringlike")
            && !condition.values.is_empty()
            && condition.values.iter().all(|value| !value.trim_matches(['*', '?']).is_empty())
    })
}

/// The operator without its set prefix and `IfExists`, and whether it fails when the key is missing.
///
/// `IfExists` and `ForAllValues` hold for a key that is missing, unless a `Null` condition demands the key.
pub(super) fn strip<'c>(condition: &'c Condition<'_>, all: &[Condition<'_>]) -> (&'c str, bool) {
    let operator = condition.operator.as_str();
    let (operator, lax) = match operator.split_once(':') {
        Some(("forallvalues", rest)) => (rest, true),
        Some((_, rest)) => (rest, false),
        None => (operator, false),
    };
    let (operator, optional) = match operator.strip_suffix("ifexists") {
        Some(rest) => (rest, true),
        None => (operator, false),
    };
    let demanded = || {
        all.iter().any(|other| {
            other.operator == "null"
                && other.key == condition.key
                && !other.values.is_empty()
                && other.values.iter().all(|value| value.eq_ignore_ascii_case("false"))
        })
    };
    (operator, !(lax || optional) || demanded())
}

fn positive<'a>(condition: &'a Condition<'_>, all: &[Condition<'_>]) -> Option<Limit<'a>> {
    let (operator, binding) = strip(condition, all);
    if binding { limit(condition, operator) } else { None }
}

/// A Deny for everyone over all that the statement allows, which spares only whom its one negated condition names.
fn taken_back<'a>(statement: &Statement<'_>, deny: &'a Statement<'_>) -> Option<Limit<'a>> {
    let total = deny.names_anyone()
        && deny.actions.holds_all_of(&statement.actions, super::parse::Set::covers_folded)
        && deny.resources.holds_all_of(&statement.resources, super::parse::Set::covers);
    if !total {
        return None;
    }
    let spares_services = |condition: &Condition<'_>| {
        matches!(condition.key.as_str(), "aws:principalisawsservice" | "aws:viaawsservice")
            && matches!(condition.operator.as_str(), "bool" | "boolifexists")
            && condition.values.iter().all(|value| value.eq_ignore_ascii_case("false"))
    };
    let mut rest = deny.conditions.iter().filter(|condition| !spares_services(condition));
    match (rest.next(), rest.next()) {
        (None, _) if deny.conditions.is_empty() => Some(Limit::Nobody),
        (Some(one), None) if !one.operator.starts_with("foranyvalue:") => {
            // Unlike positive operators, negated ones hold for a missing key, so they deny whoever lacks it.
            let operator = match strip(one, &[]).0 {
                "stringnotequals" => "stringequals",
                "stringnotequalsignorecase" => "stringequalsignorecase",
                "stringnotlike" => "stringlike",
                "arnnotequals" => "arnequals",
                "arnnotlike" => "arnlike",
                "notipaddress" => "ipaddress",
                _ => return None,
            };
            limit(one, operator)
        }
        _ => None,
    }
}

fn limit<'a>(condition: &'a Condition<'_>, operator: &str) -> Option<Limit<'a>> {
    let values: Vec<&str> = condition.values.iter().map(AsRef::as_ref).collect();
    if values.is_empty() {
        return None;
    }
    let key = condition.key.as_str();
    if operator == "ipaddress" {
        return (key == "aws:sourceip" && values.iter().all(|value| is_specific(value)))
            .then_some(Limit::Named(values));
    }
    let text = matches!(operator, "stringequals" | "stringequalsignorecase" | "stringlike");
    let arn = text || matches!(operator, "arnequals" | "arnlike");
    if !arn {
        return None;
    }
    if values.iter().all(|value| is_own_variable(key, value)) {
        return text.then_some(Limit::Own);
    }
    let each = |pick: fn(&'a str) -> Option<&'a str>| -> Option<Vec<&'a str>> {
        condition.values.iter().map(|value| pick(value.as_ref())).collect()
    };
    match key {
        "aws:principalaccount" | "aws:sourceaccount" | "aws:sourceowner" | "aws:vpceaccount" | "kms:calleraccount"
            if text =>
        {
            each(|value| is_account(value).then_some(value)).map(Limit::Accounts)
        }
        "aws:principalorgid" | "aws:sourceorgid" | "aws:vpceorgid" if text => {
            each(|value| is_organisation(value).then_some(value)).map(Limit::Organisations)
        }
        "aws:principalorgpaths" | "aws:sourceorgpaths" | "aws:vpceorgpaths" if text => {
            each(|value| value.split_once('/').map(|(id, _)| id).filter(|id| is_organisation(id)))
                .map(Limit::Organisations)
        }
        "aws:principalarn" if text => each(literal_account).map(Limit::Accounts),
        "aws:principalarn" => each(segment_account).map(Limit::Accounts),
        "aws:sourcearn" if text => {
            each(|value| literal_account(value).or_else(|| bucket(value))).map(named_or_accounts)
        }
        "aws:sourcearn" => each(|value| segment_account(value).or_else(|| bucket(value))).map(named_or_accounts),
        "aws:sourcevpc" | "aws:sourcevpce" if text => {
            each(|value| (value.starts_with("vpc") && is_literal(value)).then_some(value)).map(Limit::Named)
        }
        "aws:userid" if text => each(|value| {
            let id = value.split(':').next()?;
            (is_literal(id) && (is_account(id) || super::principals::is_unique_id(id))).then_some(value)
        })
        .map(Limit::Named),
        _ => None,
    }
}

fn named_or_accounts(values: Vec<&str>) -> Limit<'_> {
    if values.iter().all(|value| is_account(value)) { Limit::Accounts(values) } else { Limit::Named(values) }
}

/// A policy variable that ties the caller to the account or organisation that owns the resource.
fn is_own_variable(key: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(
        (key, value.as_str()),
        ("aws:principalorgid" | "aws:sourceorgid", "${aws:resourceorgid}")
            | ("aws:principalaccount" | "aws:sourceaccount", "${aws:resourceaccount}")
            | ("aws:resourceorgid", "${aws:principalorgid}")
            | ("aws:resourceaccount", "${aws:principalaccount}")
    )
}

fn is_organisation(value: &str) -> bool {
    value.starts_with("o-") && is_literal(value)
}

fn is_literal(value: &str) -> bool {
    !has_wildcard(value) && !value.contains("${")
}

/// The account of an ARN pattern where `*` may run over colons: nothing before the account may be open.
fn literal_account(arn: &str) -> Option<&str> {
    let account = segment_account(arn)?;
    let before = arn.split(':').take(4).all(|part| !has_wildcard(part));
    before.then_some(account)
}

/// The account of an ARN pattern that is compared segment by segment.
fn segment_account(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    (parts.next() == Some("arn")).then_some(())?;
    parts.nth(3).filter(|account| is_account(account))
}

/// An S3 bucket's ARN names no account; its name is unique, so a bucket without wildcard is somebody.
fn bucket(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [scheme, _, service, _, _, name] = parts[..] else { return None };
    (scheme == "arn" && service == "s3" && !name.is_empty() && is_literal(name)).then_some(arn)
}
