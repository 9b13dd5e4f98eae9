//! Accounts, groups and chunks: both trees side by side, so that every finding has its resource.

use std::borrow::Cow;
use std::collections::BTreeSet;

use evidenced_model::{Digest, Verdict, VerdictCounts};
use serde::Deserialize;

use super::{Checker, claim, key};
use crate::SealError;
use crate::chunk::{LIMIT, Prefix};
use crate::merkle::Merkle;
use crate::object::{Format, object_path};
use crate::read::{Pair, pair};
use crate::tree::{Entry, Tree};

/// Checks what both trees hold of an account; gives the verdicts.
pub(super) fn check_account(checker: &mut Checker<'_>, account: &Pair) -> Result<VerdictCounts, SealError> {
    let seen = key(&[b"account", &claim(&account.inventory), &claim(&account.findings)]);
    if let Some(verdicts) = checker.places.get(&seen) {
        return Ok(*verdicts);
    }
    let [inventory, findings] = trees(checker, account, "the root")?;
    let mut verdicts = VerdictCounts::default();
    for group in pair(inventory, findings) {
        verdicts.add(&check_group(checker, &account.name, &group)?);
    }
    checker.places.insert(seen, verdicts);
    Ok(verdicts)
}

fn trees(checker: &mut Checker<'_>, pair: &Pair, referrer: &str) -> Result<[Tree; 2], SealError> {
    let mut read = |entry: &Option<Entry>| match entry {
        Some(entry) => checker.tree(entry, referrer),
        None => Ok(Tree::default()),
    };
    Ok([read(&pair.inventory)?, read(&pair.findings)?])
}

fn check_group(checker: &mut Checker<'_>, account: &str, group: &Pair) -> Result<VerdictCounts, SealError> {
    let seen = key(&[b"group", account.as_bytes(), &claim(&group.inventory), &claim(&group.findings)]);
    if let Some(verdicts) = checker.places.get(&seen) {
        return Ok(*verdicts);
    }
    let Some(place) = Place::of(account, &group.name) else {
        let entry = group.inventory.as_ref().or(group.findings.as_ref());
        let file = entry.map(|entry| object_path(&entry.digest, Format::Json)).unwrap_or_default();
        checker.problem(file, format!("{account} {:?} is no place and kind", group.name));
        return Ok(VerdictCounts::default());
    };
    let [inventory, findings] = trees(checker, group, account)?;
    let inventory = chunks(checker, group.inventory.as_ref(), inventory);
    let findings = chunks(checker, group.findings.as_ref(), findings);
    let mut verdicts = VerdictCounts::default();
    for block in blocks(&inventory, &findings) {
        verdicts.add(&check_block(checker, &place, &block)?);
    }
    checker.places.insert(seen, verdicts);
    Ok(verdicts)
}

/// Account, region and kind of a group.
struct Place<'p> {
    provider: &'p str,
    account: &'p str,
    region: &'p str,
    kind: &'p str,
}

impl<'p> Place<'p> {
    fn of(account: &'p str, group: &'p str) -> Option<Self> {
        let (provider, account) = account.split_once(':')?;
        let (region, kind) = group.split_once('/')?;
        Some(Self { provider, account, region, kind })
    }

    /// The one resource of a population's findings: the place itself.
    fn itself(&self) -> Option<&'p str> {
        match self.kind {
            "place.account" => Some(self.account),
            "place.region" => Some(self.region),
            _ => None,
        }
    }
}

/// A chunk by its prefix.
struct Placed {
    prefix: Prefix,
    entry: Entry,
    /// It alone is below its parent, so that it must hold more than one id.
    lonely: bool,
}

/// The chunks of a tree, if they are cut as the format says.
fn chunks(checker: &mut Checker<'_>, tree: Option<&Entry>, entries: Tree) -> Vec<Placed> {
    let file = tree.map(|tree| object_path(&tree.digest, Format::Json)).unwrap_or_default();
    let mut chunks = Vec::new();
    for entry in entries.entries {
        match Prefix::parse(&entry.name) {
            Some(prefix) => chunks.push(Placed { prefix, entry, lonely: false }),
            None => checker.problem(&file, format!("{:?} is not the name of a chunk", entry.name)),
        }
    }
    if let Some(pair) = chunks.windows(2).find(|pair| pair[0].prefix.covers(&pair[1].prefix)) {
        checker.problem(file, format!("its chunks {} and {} overlap", pair[0].prefix, pair[1].prefix));
    } else if let Some(what) = check_cut(&mut chunks, Prefix::ROOT) {
        checker.problem(file, what);
    }
    chunks
}

/// A prefix splits exactly when its lines exceed the limit and belong to more than one id.
fn check_cut(chunks: &mut [Placed], at: Prefix) -> Option<String> {
    match chunks {
        [] => return None,
        [only] if only.prefix == at => return None,
        [only] if only.prefix.parent() == Some(at) => only.lonely = true,
        _ => {}
    }
    let bytes: u64 = chunks.iter().map(|chunk| chunk.entry.bytes).sum();
    if bytes <= LIMIT as u64 {
        return Some(format!("what is below {at} fits into one chunk, and is cut"));
    }
    let (zero, one) = (at.child(false), at.child(true));
    let middle = chunks.partition_point(|chunk| zero.covers(&chunk.prefix));
    let (left, right) = chunks.split_at_mut(middle);
    check_cut(left, zero).or_else(|| check_cut(right, one))
}

/// Chunks of both trees that overlap: one of them covers the others.
struct Block<'b> {
    inventory: &'b [Placed],
    findings: &'b [Placed],
}

fn blocks<'b>(mut inventory: &'b [Placed], mut findings: &'b [Placed]) -> Vec<Block<'b>> {
    let mut blocks = Vec::new();
    loop {
        let (left, right) = match (inventory.first(), findings.first()) {
            (None, None) => return blocks,
            (Some(_), None) => (1, 0),
            (None, Some(_)) => (0, 1),
            (Some(one), Some(other)) if one.prefix.covers(&other.prefix) => (1, covered(one, findings)),
            (Some(one), Some(other)) if other.prefix.covers(&one.prefix) => (covered(other, inventory), 1),
            (Some(one), Some(other)) => {
                if one.entry.name < other.entry.name {
                    (1, 0)
                } else {
                    (0, 1)
                }
            }
        };
        blocks.push(Block { inventory: &inventory[..left], findings: &findings[..right] });
        inventory = &inventory[left..];
        findings = &findings[right..];
    }
}

fn covered(by: &Placed, chunks: &[Placed]) -> usize {
    chunks.iter().take_while(|chunk| by.prefix.covers(&chunk.prefix)).count()
}

fn check_block(checker: &mut Checker<'_>, place: &Place<'_>, block: &Block<'_>) -> Result<VerdictCounts, SealError> {
    let scope = [place.provider, place.account, place.region, place.kind].join("\n");
    let [inventory, findings] =
        [block.inventory, block.findings].map(|chunks| claim(chunks.iter().map(|chunk| &chunk.entry)));
    let seen = key(&[b"block", scope.as_bytes(), &inventory, &findings]);
    if let Some(verdicts) = checker.places.get(&seen) {
        return Ok(*verdicts);
    }
    let mut verdicts = VerdictCounts::default();
    if let ([_, _, ..], [findings]) = (block.inventory, block.findings) {
        // The findings are the smaller side: look for their resources while these stream past.
        let mut sought = check_chunk(checker, place, findings, false, &mut verdicts)?.unwrap_or_default();
        for chunk in block.inventory {
            for id in check_chunk(checker, place, chunk, true, &mut verdicts)?.unwrap_or_default() {
                sought.remove(&id);
            }
        }
        report_orphans(checker, findings, sought);
    } else {
        let mut known = Some(BTreeSet::from_iter(place.itself().map(str::to_owned)));
        for chunk in block.inventory {
            known = check_chunk(checker, place, chunk, true, &mut verdicts)?;
        }
        for chunk in block.findings {
            let found = check_chunk(checker, place, chunk, false, &mut verdicts)?;
            // If the resources could not be read, that was told already.
            if let (Some(known), Some(mut found)) = (&known, found) {
                found.retain(|id| !known.contains(id));
                report_orphans(checker, chunk, found);
            }
        }
    }
    checker.places.insert(seen, verdicts);
    Ok(verdicts)
}

fn report_orphans(checker: &mut Checker<'_>, chunk: &Placed, ids: BTreeSet<String>) {
    let file = object_path(&chunk.entry.digest, Format::Lines);
    for id in ids {
        checker.problem(&file, format!("it has findings about {id:?}, which is not in the inventory"));
    }
}

/// What verification reads of a line.
#[derive(Deserialize)]
struct Head<'l> {
    #[serde(borrow)]
    check: Option<Cow<'l, str>>,
    #[serde(borrow)]
    id: Option<Cow<'l, str>>,
    #[serde(borrow)]
    kind: Cow<'l, str>,
    #[serde(borrow)]
    resource: Option<Cow<'l, str>>,
    #[serde(borrow)]
    scope: HeadScope<'l>,
    verdict: Option<Verdict>,
}

#[derive(Deserialize)]
struct HeadScope<'l> {
    #[serde(borrow)]
    account: Cow<'l, str>,
    #[serde(borrow)]
    provider: Cow<'l, str>,
    #[serde(borrow)]
    region: Cow<'l, str>,
}

/// Checks a chunk and gives the ids in it; `None` if it cannot be read.
fn check_chunk(
    checker: &mut Checker<'_>,
    place: &Place<'_>,
    chunk: &Placed,
    inventory: bool,
    verdicts: &mut VerdictCounts,
) -> Result<Option<BTreeSet<String>>, SealError> {
    let entry = &chunk.entry;
    let file = object_path(&entry.digest, Format::Lines);
    let referrer = format!("chunk {} of {}/{}", entry.name, place.region, place.kind);
    let Some(content) = checker.content(&entry.digest, Format::Lines, entry.bytes, &referrer)? else {
        return Ok(None);
    };
    let mut lines = Lines { place, prefix: chunk.prefix, inventory, ids: BTreeSet::new(), verdicts, last: None };
    let mut count = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        count += 1;
        if let Err(what) = lines.check(line) {
            checker.problem(&file, format!("line {count}: {what}"));
            return Ok(None);
        }
    }
    let ids = lines.ids;
    let says = [
        ("content", Digest::of(&content) == entry.content),
        ("bytes", content.len() as u64 == entry.bytes),
        ("count", count == entry.count),
        ("lines", Merkle::of_lines(&content) == entry.lines),
    ];
    for (fact, _) in says.iter().filter(|(_, right)| !right) {
        checker.problem(&file, format!("its tree says another {fact:?} of it than it has"));
    }
    if ids.is_empty() || (chunk.lonely && ids.len() < 2) {
        checker.problem(&file, "it should not be a chunk by itself");
    }
    if content.len() > LIMIT && ids.len() > 1 {
        checker.problem(&file, format!("it is longer than {LIMIT} bytes, and not cut"));
    }
    Ok(Some(ids))
}

/// Checks lines one after another.
struct Lines<'l, 'v> {
    place: &'l Place<'l>,
    prefix: Prefix,
    inventory: bool,
    ids: BTreeSet<String>,
    verdicts: &'v mut VerdictCounts,
    last: Option<(String, String)>,
}

impl Lines<'_, '_> {
    fn check(&mut self, line: &[u8]) -> Result<(), String> {
        if !line.ends_with(b"\n") {
            return Err("it does not end in LF".to_owned());
        }
        let head: Head<'_> = serde_json::from_slice(line).map_err(|error| format!("it cannot be read: {error}"))?;
        let scope = &head.scope;
        let here = self.place;
        if head.kind != here.kind
            || scope.account != here.account
            || scope.provider != here.provider
            || scope.region != here.region
        {
            return Err(format!("it is of {} {}/{}, and stands elsewhere", scope.account, scope.region, head.kind));
        }
        let (id, check) = if self.inventory {
            (head.id.ok_or("it has no id")?, String::new())
        } else {
            self.verdicts.count(head.verdict.ok_or("it has no verdict")?);
            (head.resource.ok_or("it has no resource")?, head.check.ok_or("it has no check")?.into_owned())
        };
        let key = (id.into_owned(), check);
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(format!("{:?} is not in order, or there twice", key.0));
        }
        if !self.prefix.contains(&Digest::of(key.0.as_bytes())) {
            return Err(format!("{:?} does not belong into chunk {}", key.0, self.prefix));
        }
        self.ids.insert(key.0.clone());
        self.last = Some(key);
        Ok(())
    }
}
