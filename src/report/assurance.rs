//! The assurance level, in one short block: where the key lives, what locks the store, who stamps the time, and
//! whether the account that was read could alter any of it.

use evidenced_model::{Assurance, LockMode, Manifest};
use serde::Serialize;

use crate::Stamped;
use crate::trust::{Trust, key, lock, time};

/// How far a run can be trusted, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssuranceReport {
    /// Where the key lives.
    pub key: String,
    /// What the store is, and what locks it.
    pub store: String,
    /// Who says when the run was made.
    pub time: String,
    /// Whether the account that was read could alter the evidence.
    pub own_account_could_alter: OwnAccount,
    /// Why.
    pub own_account: String,
}

/// Whether the account that was read could alter the evidence about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnAccount {
    /// It owns the key, or a store that nothing locks for good.
    Yes,
    /// It owns neither; or only a store that locks what it holds for everybody.
    No,
    /// It is not known who owns key or store.
    Unknown,
}

/// The assurance level of a run.
pub fn assurance(manifest: &Manifest, stamped: Option<&Stamped>) -> AssuranceReport {
    let said = |trust: Trust| {
        let mut answer = trust.answer;
        if let Some(first) = answer.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!("{answer}. {}", trust.means)
    };
    let (could, why) = own_account(&manifest.assurance);
    AssuranceReport {
        key: said(key(manifest)),
        store: said(lock(manifest)),
        time: said(time(manifest, stamped)),
        own_account_could_alter: could,
        own_account: why.to_owned(),
    }
}

fn own_account(assurance: &Assurance) -> (OwnAccount, &'static str) {
    let locked = assurance.lock == LockMode::Compliance;
    match (assurance.account_owns_key, assurance.account_owns_store) {
        (Some(true), _) => (
            OwnAccount::Yes,
            "The account that was read could: it owns the key, and its administrators can sign with it.",
        ),
        (_, Some(true)) if !locked => (
            OwnAccount::Yes,
            "The account that was read could: it owns the store, and its administrators can remove evidence.",
        ),
        (Some(false), Some(false)) => {
            (OwnAccount::No, "The account that was read could not: it owns neither key nor store.")
        }
        (Some(false), Some(true)) => (
            OwnAccount::No,
            "The account that was read could not: it owns the store, but nobody can change what is locked.",
        ),
        _ => (
            OwnAccount::Unknown,
            "Whether the account that was read could is not known: who owns key and store is not recorded with the run.",
        ),
    }
}

impl AssuranceReport {
    /// The block, line by line: what it is about, and how it is.
    pub fn lines(&self) -> [(&'static str, &str); 4] {
        [("Key", &self.key), ("Store", &self.store), ("Time", &self.time), ("Could alter", &self.own_account)]
    }
}

impl AssuranceReport {
    /// The beginning of each line, as one: what somebody needs at a glance.
    pub(crate) fn short(&self) -> String {
        let first = |text: &str| text.split(". ").next().unwrap_or(text).trim_end_matches('.').to_owned();
        let could = match self.own_account_could_alter {
            OwnAccount::Yes => "the account that was read could alter it",
            OwnAccount::No => "the account that was read could not alter it",
            OwnAccount::Unknown => "whether the account that was read could alter it is not known",
        };
        format!("Key: {}. Store: {}. Time: {}. And {could}.", first(&self.key), first(&self.store), first(&self.time))
    }
}

#[cfg(test)]
mod tests {
    use LockMode::{Compliance, Governance, None as Unlocked};

    use super::*;

    #[test]
    fn what_the_own_account_could_do_follows_from_who_owns_what() {
        let say = |owns_key, owns_store, lock| {
            let assurance = Assurance {
                account_owns_key: owns_key,
                account_owns_store: owns_store,
                key: "file".to_owned(),
                lock,
                lock_days: None,
                store: "s3".to_owned(),
                timestamped: false,
            };
            own_account(&assurance).0
        };
        assert_eq!(say(Some(true), Some(false), Compliance), OwnAccount::Yes);
        assert_eq!(say(Some(true), None, Compliance), OwnAccount::Yes);
        assert_eq!(say(Some(false), Some(true), Unlocked), OwnAccount::Yes);
        assert_eq!(say(None, Some(true), Governance), OwnAccount::Yes);
        assert_eq!(say(Some(false), Some(true), Compliance), OwnAccount::No);
        assert_eq!(say(Some(false), Some(false), Unlocked), OwnAccount::No);
        for (key, store) in [(None, None), (None, Some(false)), (Some(false), None), (None, Some(true))] {
            assert_eq!(say(key, store, Compliance), OwnAccount::Unknown, "{key:?} {store:?}");
        }
    }
}
