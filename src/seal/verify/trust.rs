//! Whose statements are believed: the pinned keys, each in its time, and those that a believed key handed over to.

use std::collections::BTreeMap;

use evidenced_model::{AgentId, Digest};
use jiff::Timestamp;

use super::BelievedKey;
use crate::dsse::{EnvelopeError, Opened};
use crate::{PublicKey, PublicKeys, Validity, dsse};

/// The keys of one agent's log, as it was read so far.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    keys: PublicKeys,
    facts: BTreeMap<Digest, Facts>,
}

/// What the log says of a key.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// The entry that handed over to it, and the key that signed that; `None` for a pinned key.
    handed: Option<(u64, Digest)>,
    /// The entry in which it handed over to another.
    retired: Option<u64>,
    /// The entry that revoked it, and the moment from which on it is not to be believed.
    revoked: Option<(u64, Option<Timestamp>)>,
    /// What it signed: the index and time of each entry.
    entries: Vec<(u64, Timestamp)>,
}

impl Trust {
    pub(super) fn new(pinned: &PublicKeys) -> Self {
        let facts = pinned.iter().map(|key| (key.id(), Facts::default())).collect();
        Self { keys: pinned.clone(), facts }
    }

    /// Takes an envelope apart, if a key that is known so far signed it. Whether that key was to be believed then
    /// is another question.
    pub(super) fn open(&self, bytes: &[u8]) -> Result<Opened, EnvelopeError> {
        dsse::open(bytes, &self.keys)
    }

    /// The keys.
    pub(super) fn keys(&self) -> &PublicKeys {
        &self.keys
    }

    /// Why an entry of this key is no part of the log any more, at whatever time it says that it was signed.
    pub(super) fn ended(&self, key: Digest) -> Option<String> {
        let facts = self.facts.get(&key)?;
        let retired = |index| format!("it is signed by key {key}, which handed over to another in entry {index}");
        let revoked = |(index, _)| format!("it is signed by key {key}, which entry {index} revoked");
        facts.retired.map(retired).or_else(|| facts.revoked.map(revoked))
    }

    /// What speaks against a log entry signed by this key at this index and time.
    pub(super) fn against_entry(&mut self, key: Digest, index: u64, at: Timestamp) -> Option<String> {
        self.facts.entry(key).or_default().entries.push((index, at));
        outside(key, self.keys.validity(&key)?, at)
    }

    /// What speaks against a run that this key signed at its end, and that the entry of this index names. A key
    /// that handed over may have signed it before, and the entry vouches for it.
    pub(super) fn against_run(&self, key: Digest, index: u64, at: Timestamp) -> Option<String> {
        let facts = self.facts.get(&key)?;
        if let Some((handed, _)) = facts.handed.filter(|(handed, _)| *handed >= index) {
            return Some(format!("it is signed by key {key}, which is believed from entry {handed} on only"));
        }
        facts.revocation(key, index, at).or_else(|| outside(key, self.keys.validity(&key)?, at))
    }

    /// The entry of this index, signed by `by`, hands over to a key.
    pub(super) fn hand_over(&mut self, key: &PublicKey, by: Digest, index: u64) {
        let new = key.id();
        if new == by {
            // The new key says that it has taken over.
            return;
        }
        if self.keys.pin(key.clone(), Validity::default()) {
            self.facts.entry(new).or_default().handed = Some((index, by));
        }
        let facts = self.facts.entry(by).or_default();
        facts.retired.get_or_insert(index);
    }

    /// The entry of this index revokes a key; gives the entries that it signed since.
    pub(super) fn revoke(&mut self, key: Digest, index: u64, since: Option<Timestamp>) -> Vec<u64> {
        let facts = self.facts.entry(key).or_default();
        facts.revoked.get_or_insert((index, since));
        let since = since.unwrap_or(Timestamp::MAX);
        facts.entries.iter().filter(|(_, at)| *at >= since).map(|(index, _)| *index).collect()
    }

    /// The keys with what is to be known of each.
    pub(super) fn report(&self, agent: &AgentId) -> Vec<BelievedKey> {
        let one = |key: &PublicKey| {
            let id = key.id();
            let facts = self.facts.get(&id).cloned().unwrap_or_default();
            let first = match facts.handed {
                None => format!("pinned, {}", self.keys.validity(&id).unwrap_or_default()),
                Some((index, by)) => format!("key {by} handed over to it in entry {index}"),
            };
            let retired = facts.retired.map(|index| format!("it handed over to another in entry {index}"));
            let revoked = facts.revoked.map(|(index, since)| {
                let since = since.map_or_else(String::new, |since| format!(", since {since}"));
                format!("revoked in entry {index}{since}")
            });
            let why = [Some(first), retired, revoked].into_iter().flatten().collect::<Vec<_>>().join("; ");
            BelievedKey { agent: agent.clone(), entries: facts.entries.len() as u64, id, why }
        };
        self.keys.iter().map(one).collect()
    }
}

impl Facts {
    fn revocation(&self, key: Digest, index: u64, at: Timestamp) -> Option<String> {
        let (revoked, since) = self.revoked?;
        if index > revoked {
            return Some(format!("it is signed by key {key}, which entry {revoked} revoked"));
        }
        let since = since.filter(|since| at >= *since)?;
        Some(format!("it is signed by key {key}, which entry {revoked} revoked since {since}"))
    }
}

fn outside(key: Digest, validity: Validity, at: Timestamp) -> Option<String> {
    (!validity.contains(at)).then(|| format!("it is signed by key {key} at {at}, which is believed {validity} only"))
}
