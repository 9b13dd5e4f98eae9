//! Which lines are withheld: a line is looked at with its kind, its place, its resource, and what it rests on.

use std::collections::HashSet;

use evidenced_model::{Account, Digest, KindId, ObjectiveId, Provider, Region, RestsOn, Scope};
use evidenced_seal::SealError;
use evidenced_seal::withheld::{Reason, Slot};
use serde::Deserialize;
use serde_json::Value;

use crate::rule::Rules;

/// Decides about lines.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    pub(crate) rules: Rules,
    /// Resources that are withheld for a tag that they have in any of the runs, by half a SHA-256.
    tagged: HashSet<u128>,
}

/// What is read of a line.
#[derive(Deserialize)]
pub(crate) struct Head {
    #[serde(default)]
    fields: Option<Tags>,
    #[serde(default)]
    id: Option<String>,
    kind: KindId,
    #[serde(default)]
    objective: Option<ObjectiveId>,
    #[serde(default)]
    resource: Option<String>,
    #[serde(default)]
    rests_on: Vec<RestsOn>,
    scope: Scope,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Value,
}

/// The lines of a chunk, as a pack shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// All of them.
    Shown,
    /// Some of them.
    Partly,
    /// None.
    Whole(Reason),
}

impl Redactor {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, tagged: HashSet::new() }
    }

    /// Takes note of the resources of a chunk that have one of the tags.
    pub(crate) fn observe(&mut self, lines: &[u8], file: &str) -> Result<(), SealError> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let head = parse(line, file)?;
            if let (Some(id), Some(fields)) = (&head.id, &head.fields)
                && self.rules.tagged(&fields.tags)
            {
                self.tagged.insert(resource_key(&head.scope, head.kind.as_str(), id));
            }
        }
        Ok(())
    }

    /// Whether resource lines have to be looked at one by one.
    pub(crate) fn looks_at_resources(&self) -> bool {
        !self.tagged.is_empty()
    }

    /// Why a line is withheld.
    pub(crate) fn line(&self, line: &[u8], file: &str) -> Result<Option<Reason>, SealError> {
        let head = parse(line, file)?;
        let kind = head.kind.as_str();
        if let Some(reason) = self.rules.place(&head.scope, kind) {
            return Ok(Some(reason));
        }
        if let Some(id) = &head.id {
            if self.rules.is_beside(kind) {
                return Ok(Some(Reason::Control));
            }
            return Ok(self.is_tagged(&head.scope, kind, id).then_some(Reason::Tag));
        }
        let objective = head.objective.as_ref();
        if self.rules.kept.as_ref().is_some_and(|kept| objective.is_none_or(|id| !kept.objectives.contains(id))) {
            return Ok(Some(Reason::Control));
        }
        let resource = head.resource.unwrap_or_default();
        if self.is_tagged(&head.scope, kind, &resource) {
            return Ok(Some(Reason::Tag));
        }
        let names = |other: &RestsOn| {
            self.rules.place(&other.scope, other.kind.as_str()).is_some()
                || self.is_tagged(&other.scope, other.kind.as_str(), &other.id)
        };
        Ok(head.rests_on.iter().any(names).then_some(Reason::Names))
    }

    /// Whether a resource is withheld.
    pub(crate) fn resource(&self, scope: &Scope, kind: &str, id: &str) -> bool {
        self.rules.place(scope, kind).is_some() || self.rules.is_beside(kind) || self.is_tagged(scope, kind, id)
    }

    fn is_tagged(&self, scope: &Scope, kind: &str, id: &str) -> bool {
        !self.tagged.is_empty() && self.tagged.contains(&resource_key(scope, kind, id))
    }

    /// What becomes of the lines of a chunk.
    pub(crate) fn decide(&self, lines: &[u8], file: &str) -> Result<Decision, SealError> {
        let (mut shown, mut withheld) = (false, None);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match self.line(line, file)? {
                None => shown = true,
                reason => withheld = withheld.or(reason),
            }
        }
        Ok(match withheld {
            None => Decision::Shown,
            Some(reason) if !shown || self.rules.whole => Decision::Whole(reason),
            Some(_) => Decision::Partly,
        })
    }

    /// The lines of a chunk with leaf hashes where lines are withheld.
    pub(crate) fn redact(&self, lines: &[u8], file: &str) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::with_capacity(lines.len());
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let slot = Slot::Shown(line);
            match self.line(line, file)? {
                None => slot.write(&mut out),
                Some(_) => Slot::Withheld(slot.leaf()).write(&mut out),
            }
        }
        Ok(out)
    }
}

/// The place that a tree's names say.
pub(crate) fn scope(account: &str, region: &str) -> Option<Scope> {
    let (provider, account) = account.split_once(':')?;
    Some(Scope {
        account: Account::parse(account).ok()?,
        provider: Provider::parse(provider).ok()?,
        region: Region::parse(region).ok()?,
    })
}

fn resource_key(scope: &Scope, kind: &str, id: &str) -> u128 {
    let parts = [scope.provider.as_str(), scope.account.as_str(), scope.region.as_str(), kind, id];
    let framed: Vec<u8> =
        parts.iter().flat_map(|part| [&(part.len() as u64).to_le_bytes()[..], part.as_bytes()].concat()).collect();
    let mut half = [0; 16];
    half.copy_from_slice(&Digest::of(&framed).as_bytes()[..16]);
    u128::from_le_bytes(half)
}

fn parse(line: &[u8], file: &str) -> Result<Head, SealError> {
    serde_json::from_slice(line)
        .map_err(|error| SealError::wrong(file, format!("a line is not what it should be: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(kind: &str, id: &str, region: &str, tags: &str) -> String {
        format!(
            "{{\"fields\":{{\"tags\":{tags}}},\"id\":\"{id}\",\"kind\":\"{kind}\",\"scope\":{{\"account\":\"123456789012\",\"provider\":\"aws\",\"region\":\"{region}\"}},\"unread\":{{}}}}\n"
        )
    }

    fn finding(resource: &str, rests_on: &str) -> String {
        format!(
            "{{\"kind\":\"aws.s3.bucket\",\"objective\":\"crypto.at-rest\",\"resource\":\"{resource}\",\"rests_on\":[{rests_on}],\"scope\":{{\"account\":\"123456789012\",\"provider\":\"aws\",\"region\":\"eu-west-1\"}}}}\n"
        )
    }

    fn on_key(id: &str, region: &str) -> String {
        format!(
            "{{\"id\":\"{id}\",\"kind\":\"aws.kms.key\",\"scope\":{{\"account\":\"123456789012\",\"provider\":\"aws\",\"region\":\"{region}\"}}}}"
        )
    }

    fn redactor(rule: &str) -> Redactor {
        Redactor::new(Rules { rules: vec![rule.parse().unwrap()], ..Rules::default() })
    }

    #[test]
    fn a_finding_that_rests_on_something_withheld_names_it_and_is_withheld_too() {
        let plain = finding("bucket", "");
        for (rule, named) in [
            ("kind=aws.kms.*", on_key("key", "eu-west-1")),
            ("region=us-east-1", on_key("key", "us-east-1")),
            ("tag=owner=alice", on_key("alices-key", "eu-west-1")),
        ] {
            let mut redactor = redactor(rule);
            let key = resource("aws.kms.key", "alices-key", "eu-west-1", "{\"owner\":\"alice\"}");
            if redactor.rules.ask_for_tags() {
                redactor.observe(key.as_bytes(), "test").unwrap();
            }
            let names = finding("bucket", &named);
            assert_eq!(redactor.line(names.as_bytes(), "test").unwrap(), Some(Reason::Names), "{rule}");
            assert_eq!(redactor.line(plain.as_bytes(), "test").unwrap(), None, "{rule}");
        }
    }

    #[test]
    fn a_tag_once_withholds_the_resource_for_the_whole_period() {
        let mut redactor = redactor("tag=owner");
        let before = resource("aws.s3.bucket", "bucket", "eu-west-1", "null");
        let tagged = resource("aws.s3.bucket", "bucket", "eu-west-1", "{\"owner\":\"bob\"}");
        assert!(!redactor.looks_at_resources());
        redactor.observe(format!("{before}{tagged}").as_bytes(), "test").unwrap();
        assert!(redactor.looks_at_resources());
        for line in [before, finding("bucket", "")] {
            assert_eq!(redactor.line(line.as_bytes(), "test").unwrap(), Some(Reason::Tag));
        }
        let elsewhere = resource("aws.s3.bucket", "bucket", "eu-central-1", "null");
        assert_eq!(redactor.line(elsewhere.as_bytes(), "test").unwrap(), None);
        assert!(redactor.line(b"{}\n", "chunk").unwrap_err().to_string().starts_with("chunk: "));
    }
}
