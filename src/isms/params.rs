//! Which parameters of checks the declaration sets: from scopes and from allow-lists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{Isms, Known, Scoped};

/// What the declaration sets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    /// Values, by the parameter's name.
    pub values: BTreeMap<String, Value>,
    /// Parameters that a scope feeds and that it cannot be decided for.
    pub unfed: Vec<Unfed>,
}

/// A parameter that stays undeclared, because its scope names what nothing reads or checks cannot ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfed {
    /// The parameter.
    pub param: String,
    /// The scope.
    pub scope: String,
    /// Why, in words.
    pub because: String,
}

impl Isms {
    /// The values that it sets. A scope that names units or accounts sets nothing: a check that asked only for the
    /// rest of it would pass over what it cannot see.
    pub fn params(&self, known: &Known<'_>) -> Params {
        let mut params = Params::default();
        for (name, list) in &self.allow {
            params.values.insert(name.clone(), list.clone().into());
        }
        for (name, param) in known.params {
            let Some((scope, scoped)) = param.scope.as_ref().and_then(|scope| self.scopes.get_key_value(scope)) else {
                continue;
            };
            match scoped.members() {
                Ok(members) => drop(params.values.insert(name.clone(), members.into())),
                Err(because) => {
                    let (param, because) = (name.clone(), because.to_owned());
                    params.unfed.push(Unfed { param, scope: scope.clone(), because });
                }
            }
        }
        params
    }
}

impl Scoped {
    /// Names, and tags as `key=value`; or why it cannot be said so.
    fn members(&self) -> Result<Vec<String>, &'static str> {
        if !self.ous.is_empty() {
            return Err("it names organisational units, which nothing reads: what belongs to it cannot be decided");
        }
        if !self.accounts.is_empty() {
            return Err("it names accounts, which these checks cannot ask for: what belongs to it cannot be decided");
        }
        let tags = self.tags.iter().flat_map(|(key, values)| values.iter().map(move |value| format!("{key}={value}")));
        let members: BTreeSet<String> = self.names.iter().cloned().chain(tags).collect();
        Ok(members.into_iter().collect())
    }
}
