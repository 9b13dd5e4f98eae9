//! From JSON to statements: one shape for what AWS prints in many.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::glob::{covers, covers_folded};

/// A policy document.
pub(super) struct Policy<'a> {
    /// Its statements, in order.
    pub(super) statements: Vec<Statement<'a>>,
}

/// One statement.
pub(super) struct Statement<'a> {
    /// Its `Sid`, or `#` and its place from 0.
    pub(super) name: String,
    /// Allow, or else Deny.
    pub(super) allow: bool,
    /// `Principal`.
    pub(super) principals: Vec<Who<'a>>,
    /// `NotPrincipal` stands there.
    pub(super) not_principal: bool,
    /// `Action` or `NotAction`.
    pub(super) actions: Set<'a>,
    /// `Resource` or `NotResource`; everything where neither stands there, as in trust policies.
    pub(super) resources: Set<'a>,
    /// All of them must hold.
    pub(super) conditions: Vec<Condition<'a>>,
}

/// Whom a statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who<'a> {
    /// `*`, in whichever place.
    Anyone,
    /// An account, user, role or session.
    Aws(&'a str),
    /// A service of AWS.
    Service(&'a str),
    /// An identity provider.
    Federated(&'a str),
    /// A canonical user id, or what we do not know.
    Other(&'a str),
}

/// Patterns, or everything but them.
pub(super) enum Set<'a> {
    /// These.
    Only(Vec<&'a str>),
    /// All but these.
    AllBut(Vec<&'a str>),
}

/// One operator on one key; it holds if any value does (or none, for negated operators).
pub(super) struct Condition<'a> {
    /// The operator, in lower case, e.g. `foranyvalue:stringlike`.
    pub(super) operator: String,
    /// The key, in lower case, e.g. `aws:principalorgid`.
    pub(super) key: String,
    /// The values as text.
    pub(super) values: Vec<Cow<'a, str>>,
}

impl<'a> Policy<'a> {
    /// Parses a document; `null` is one without statements.
    pub(super) fn parse(document: &'a Value) -> Result<Self, String> {
        let map = match document {
            Value::Null => return Ok(Self { statements: Vec::new() }),
            Value::Object(map) => map,
            _ => return Err("the policy document is not an object".to_owned()),
        };
        let statements = map.get("Statement").ok_or("the policy document has no Statement")?;
        let statements = one_or_many(statements).enumerate().map(|(index, value)| Statement::parse(index, value));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }

    /// The statements that allow.
    pub(super) fn allows(&self) -> impl Iterator<Item = &Statement<'a>> {
        self.statements.iter().filter(|statement| statement.allow)
    }

    /// The statements that deny.
    pub(super) fn denies(&self) -> impl Iterator<Item = &Statement<'a>> {
        self.statements.iter().filter(|statement| !statement.allow)
    }
}

impl<'a> Statement<'a> {
    fn parse(index: usize, value: &'a Value) -> Result<Self, String> {
        let map = value.as_object().ok_or_else(|| format!("statement #{index} is not an object"))?;
        let name = match map.get("Sid").and_then(Value::as_str) {
            Some(sid) if !sid.is_empty() => sid.to_owned(),
            _ => format!("#{index}"),
        };
        let allow = match map.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(format!("statement #{index} has no Effect of Allow or Deny")),
        };
        let actions = Set::parse(map, index, "Action", "NotAction")?
            .ok_or_else(|| format!("statement #{index} has no Action"))?;
        let resources = Set::parse(map, index, "Resource", "NotResource")?.unwrap_or(Set::Only(vec!["*"]));
        let principals = map.get("Principal").map(|value| parse_principals(index, value)).transpose()?;
        let conditions = map.get("Condition").map(|value| parse_conditions(index, value)).transpose()?;
        Ok(Self {
            name,
            allow,
            principals: principals.unwrap_or_default(),
            not_principal: map.contains_key("NotPrincipal"),
            actions,
            resources,
            conditions: conditions.unwrap_or_default(),
        })
    }

    /// Names everyone: `*`, or in an Allow everyone but some.
    pub(super) fn names_anyone(&self) -> bool {
        self.principals.contains(&Who::Anyone) || (self.not_principal && self.allow)
    }

    /// Grants (or denies) this very action.
    pub(super) fn touches_action(&self, action: &str) -> bool {
        match &self.actions {
            Set::Only(patterns) => patterns.iter().any(|pattern| covers_folded(pattern, action)),
            Set::AllBut(patterns) => !patterns.iter().any(|pattern| covers_folded(pattern, action)),
        }
    }
}

impl<'a> Set<'a> {
    fn parse(map: &'a Map<String, Value>, index: usize, only: &str, but: &str) -> Result<Option<Self>, String> {
        let list = |value: &'a Value| -> Result<Vec<&'a str>, String> {
            let wrong = || format!("statement #{index} holds something that is not text in {only} or {but}");
            one_or_many(value).map(|value| value.as_str().ok_or_else(wrong)).collect()
        };
        match (map.get(only), map.get(but)) {
            (Some(value), None) => Ok(Some(Self::Only(list(value)?))),
            (None, Some(value)) => Ok(Some(Self::AllBut(list(value)?))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(format!("statement #{index} has both {only} and {but}")),
        }
    }

    /// Whether one pattern of an `Only` covers the target.
    pub(super) fn covers(&self, target: &str) -> bool {
        matches!(self, Self::Only(patterns) if patterns.iter().any(|pattern| covers(pattern, target)))
    }

    /// The same without regard to case, as for actions.
    pub(super) fn covers_folded(&self, target: &str) -> bool {
        matches!(self, Self::Only(patterns) if patterns.iter().any(|pattern| covers_folded(pattern, target)))
    }

    /// Whether everything in the other set is in this one; can be too strict, never too generous.
    pub(super) fn holds_all_of(&self, other: &Self, same: fn(&Self, &str) -> bool) -> bool {
        match other {
            Self::Only(patterns) => patterns.iter().all(|pattern| same(self, pattern)),
            Self::AllBut(_) => same(self, "*"),
        }
    }
}

/// A list's items, or the one value that stands for a list of one.
fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    }
    .iter()
}

fn parse_principals(index: usize, value: &Value) -> Result<Vec<Who<'_>>, String> {
    let wrong = || format!("statement #{index} has a Principal that is neither `*` nor lists of text by type");
    let map = match value {
        Value::String(star) if star == "*" => return Ok(vec![Who::Anyone]),
        Value::Object(map) => map,
        _ => return Err(wrong()),
    };
    let mut found = Vec::new();
    for (class, values) in map {
        for value in one_or_many(values) {
            let name = value.as_str().ok_or_else(wrong)?;
            found.push(match class.as_str() {
                _ if name == "*" => Who::Anyone,
                "AWS" if open_account(name) => Who::Anyone,
                "AWS" => Who::Aws(name),
                "Service" => Who::Service(name),
                "Federated" => Who::Federated(name),
                _ => Who::Other(name),
            });
        }
    }
    Ok(found)
}

/// An ARN that leaves its account open, e.g. `arn:aws:iam::*:root`.
fn open_account(name: &str) -> bool {
    match name.split(':').nth(4) {
        Some(account) => super::glob::has_wildcard(account),
        None => super::glob::has_wildcard(name),
    }
}

fn parse_conditions(index: usize, value: &Value) -> Result<Vec<Condition<'_>>, String> {
    let wrong = || format!("statement #{index} has a Condition that is not values by operator and key");
    let mut found = Vec::new();
    for (operator, keys) in value.as_object().ok_or_else(wrong)? {
        for (key, values) in keys.as_object().ok_or_else(wrong)? {
            let values = one_or_many(values).map(|value| match value {
                Value::String(text) => Ok(Cow::Borrowed(text.as_str())),
                Value::Bool(_) | Value::Number(_) => Ok(Cow::Owned(value.to_string())),
                _ => Err(wrong()),
            });
            found.push(Condition {
                operator: operator.to_ascii_lowercase(),
                key: key.to_ascii_lowercase(),
                values: values.collect::<Result<_, _>>()?,
            });
        }
    }
    Ok(found)
}
