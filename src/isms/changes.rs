//! What differs between the declaration that was logged last and the one that is there now.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{Isms, Waiver};

/// The longest quotation in a reason, in characters.
const QUOTED: usize = 120;

impl Isms {
    /// Takes over from the declaration that was logged last: what did not change keeps the moment since when it is
    /// logged, the rest begins now. Gives one reason for each change, for an entry of the log.
    #[must_use]
    pub fn following(mut self, logged: Option<&Self>, now: Timestamp) -> (Self, Vec<String>) {
        let empty = Self::default();
        let before = logged.unwrap_or(&empty);
        let known = by_id(before);
        let mut reasons = Vec::new();
        if !self.says_the_same(before) {
            let parts = self.parts(before).join(", ");
            let word = if logged.is_some() { "another" } else { "a first" };
            reasons.push(format!("{word} statement of applicability is in force from here on ({parts})"));
        }
        for waiver in &mut self.waivers {
            let old = known.get(waiver.id.as_str()).copied();
            let same = old.filter(|old| Waiver { since: None, ..(*old).clone() } == *waiver);
            if let Some(since) = same.and_then(|old| old.since) {
                waiver.since = Some(since);
            } else {
                waiver.since = Some(now);
                reasons.push(told(waiver, old.is_some()));
            }
        }
        let now_there = by_id(&self);
        let gone = before.waivers.iter().filter(|old| !now_there.contains_key(old.id.as_str()));
        reasons.extend(gone.map(gone_reason));
        (self, reasons)
    }

    /// The same, but for the moments at which waivers were logged.
    #[must_use]
    pub fn as_declared(&self) -> Self {
        let waivers = self.waivers.iter().map(|waiver| Waiver { since: None, ..waiver.clone() });
        Self { waivers: waivers.collect(), ..self.clone() }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.parts(other).is_empty()
    }

    /// What differs beside the waivers.
    fn parts(&self, other: &Self) -> Vec<&'static str> {
        [
            (self.organisation == other.organisation, "organisation"),
            (self.applicability == other.applicability, "applicability"),
            (self.approvers == other.approvers, "approvers"),
            (self.scopes == other.scopes, "scopes"),
            (self.allow == other.allow, "allow-lists"),
            (self.owners == other.owners, "owners"),
        ]
        .into_iter()
        .filter_map(|(same, name)| (!same).then_some(name))
        .collect()
    }
}

/// The reasons for the log where a declaration that was logged is there no more.
pub fn withdrawn(logged: &Isms) -> Vec<String> {
    let first = "the statement of applicability is withdrawn: there is no isms.yaml any more".to_owned();
    std::iter::once(first).chain(logged.waivers.iter().map(gone_reason)).collect()
}

fn by_id(isms: &Isms) -> BTreeMap<&str, &Waiver> {
    isms.waivers.iter().map(|waiver| (waiver.id.as_str(), waiver)).collect()
}

fn told(waiver: &Waiver, was_there: bool) -> String {
    let Waiver { id, approved_by, expires, .. } = waiver;
    let what = if was_there { "is changed" } else { "is in force from here on" };
    let what = match waiver.from {
        Some(from) if !was_there => format!("is declared, in force from {from} on"),
        _ => what.to_owned(),
    };
    let checks = quoted(&waiver.checks.join(", "));
    format!("the waiver {id} {what}: approved by {}, until {expires}, for {checks}", quoted(approved_by))
}

fn gone_reason(waiver: &Waiver) -> String {
    format!("the waiver {} is withdrawn; its last day would have been {}", waiver.id, waiver.expires)
}

/// Text of somebody's in a reason: one line, and not too long.
fn quoted(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(QUOTED).map(plain).collect();
    if text.chars().nth(QUOTED).is_some() {
        short.push('…');
    }
    short
}
