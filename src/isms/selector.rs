//! Whether a resource fits: by id, by tags that were read, by account, by kind.

use std::collections::BTreeMap;

use evidenced_model::{Account, KindId, Scope, glob};
use serde_json::{Map, Value};

use crate::{Isms, Owner, Selector};

impl Selector {
    /// Whether it names nothing, and so would cover everything.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.ids.is_empty() && self.tags.is_empty()
    }

    /// Whether it covers a resource. Tags that nobody read (`None`) are not there.
    pub fn covers(&self, id: &str, scope: &Scope, tags: Option<&Map<String, Value>>) -> bool {
        !self.is_empty()
            && (self.ids.is_empty() || self.ids.iter().any(|pattern| glob(pattern, id)))
            && is_among(&self.accounts, scope)
            && has_all(&self.tags, tags)
    }
}

impl Owner {
    fn fits(&self, kind: &KindId, scope: &Scope, tags: Option<&Map<String, Value>>) -> bool {
        (self.kinds.is_empty() || self.kinds.iter().any(|pattern| glob(pattern, kind.as_str())))
            && is_among(&self.accounts, scope)
            && has_all(&self.tags, tags)
    }
}

impl Isms {
    /// Who answers for a resource: the first owner that fits. Tags that nobody read (`None`) are not there.
    pub fn owner_of(&self, kind: &KindId, scope: &Scope, tags: Option<&Map<String, Value>>) -> Option<&str> {
        self.owners.iter().find(|owner| owner.fits(kind, scope, tags)).map(|owner| owner.owner.as_str())
    }
}

fn is_among(accounts: &[Account], scope: &Scope) -> bool {
    accounts.is_empty() || accounts.contains(&scope.account)
}

fn has_all(wanted: &BTreeMap<String, String>, tags: Option<&Map<String, Value>>) -> bool {
    let is_there = |(key, value): (&String, &String)| {
        tags.and_then(|tags| tags.get(key)).and_then(Value::as_str).is_some_and(|found| found == value)
    };
    wanted.iter().all(is_there)
}
