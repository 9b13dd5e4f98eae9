//! Accounts, groups and chunks: both trees side by side, so that every finding has its resource.

use std::borrow::Cow;

use evidenced_model::{Digest, Verdict};
use serde::Deserialize;

use super::memo::{claim, key};
use super::{Checker, Counted, Seen};
use crate::SealError;
use crate::chunk::{LIMIT, Prefix};
use crate::merkle::Merkle;
use crate::object::{Format, Shown, object_path};
use crate::read::{Pair, pair};
use crate::tree::{Entry, Tree};
use crate::withheld::{Slot, lines_path};

/// Checks the groups of an account, of which both trees were read.
pub(super) fn check_groups(
    checker: &mut Checker<'_>,
    account: &str,
    inventory: &Tree,
    findings: &Tree,
    hidden: bool,
) -> Result<Counted, SealError> {
    let mut counted = Counted::default();
    for group in pair(inventory.clone(), findings.clone()) {
        counted.add(&check_group(checker, account, &group, hidden)?);
    }
    Ok(counted)
}

/// Checks what both trees hold of a group; `hidden` says that the account's inventory is withheld.
fn check_group(checker: &mut Checker<'_>, account: &str, group: &Pair, hidden: bool) -> Result<Counted, SealError> {
    let seen = key(&[b"group", account.as_bytes(), &claim(&group.inventory), &claim(&group.findings)]);
    if let Some(counted) = checker.places.get(seen) {
        return Ok(counted);
    }
    let before = checker.report.problems.len();
    let mut counted = Counted::default();
    if let Some(mut place) = Place::of(account, &group.name) {
        let (inventory, inventory_hidden) = side(checker, group.inventory.as_ref(), account, &place)?;
        let (findings, findings_hidden) = side(checker, group.findings.as_ref(), account, &place)?;
        place.hidden = hidden || inventory_hidden;
        if let Some(entry) = group.findings.as_ref().filter(|_| findings_hidden) {
            counted.hidden_findings += entry.count;
        }
        for block in blocks(&inventory, &findings) {
            counted.add(&check_block(checker, &place, &block)?);
        }
    } else {
        let entry = group.inventory.as_ref().or(group.findings.as_ref());
        let file = entry.map(|entry| object_path(&entry.digest, Format::Json)).unwrap_or_default();
        checker.problem(file, format!("{account} {:?} is no place and kind", group.name));
    }
    counted.broken = checker.report.problems.len() > before;
    checker.places.insert(seen, counted);
    Ok(counted)
}

/// The chunks of a group in one of the trees, and whether they are withheld.
fn side(
    checker: &mut Checker<'_>,
    tree: Option<&Entry>,
    account: &str,
    place: &Place<'_>,
) -> Result<(Vec<Placed>, bool), SealError> {
    let Some(entry) = tree else { return Ok((Vec::new(), false)) };
    let tree = checker.tree(entry, account)?;
    let hidden = tree.is_withheld();
    if hidden {
        checker.withhold(&entry.digest, place.kind, 1, entry.count);
    }
    Ok((chunks(checker, entry, tree.or_nothing()), hidden))
}

/// Account, region and kind of a group.
struct Place<'p> {
    provider: &'p str,
    account: &'p str,
    region: &'p str,
    kind: &'p str,
    /// The resources are withheld, so that findings cannot be held against them.
    hidden: bool,
}

impl<'p> Place<'p> {
    fn of(account: &'p str, group: &'p str) -> Option<Self> {
        let (provider, account) = account.split_once(':')?;
        let (region, kind) = group.split_once('/')?;
        Some(Self { provider, account, region, kind, hidden: false })
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
fn chunks(checker: &mut Checker<'_>, tree: &Entry, entries: Tree) -> Vec<Placed> {
    let file = object_path(&tree.digest, Format::Json);
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

fn check_block(checker: &mut Checker<'_>, place: &Place<'_>, block: &Block<'_>) -> Result<Counted, SealError> {
    let scope = [place.provider, place.account, place.region, place.kind].join("\n");
    let [inventory, findings] =
        [block.inventory, block.findings].map(|chunks| claim(chunks.iter().map(|chunk| &chunk.entry)));
    let seen = key(&[b"block", scope.as_bytes(), &inventory, &findings]);
    if let Some(counted) = checker.places.get(seen) {
        return Ok(counted);
    }
    let before = checker.report.problems.len();
    let mut counted = Counted::default();
    if let ([_, _, ..], [findings]) = (block.inventory, block.findings) {
        // The findings are the smaller side: look for their resources while these stream past.
        let mut sought = check_chunk(checker, place, findings, false, &mut counted)?.ids;
        let mut all = true;
        for chunk in block.inventory {
            let resources = check_chunk(checker, place, chunk, true, &mut counted)?;
            sought = without(sought, &resources.ids);
            all &= resources.all;
        }
        if all && !place.hidden {
            report_orphans(checker, findings, &sought);
        }
    } else {
        let mut known = Ids { ids: Vec::from_iter(place.itself().map(str::to_owned)), all: true };
        for chunk in block.inventory {
            known = check_chunk(checker, place, chunk, true, &mut counted)?;
        }
        for chunk in block.findings {
            let found = check_chunk(checker, place, chunk, false, &mut counted)?.ids;
            // What could not be read was told, and what is withheld is counted.
            if known.all && !place.hidden {
                report_orphans(checker, chunk, &without(found, &known.ids));
            }
        }
    }
    counted.broken = checker.report.problems.len() > before;
    checker.places.insert(seen, counted);
    Ok(counted)
}

/// The ids that are not among the others; both are sorted.
fn without(ids: Vec<String>, others: &[String]) -> Vec<String> {
    let mut others = others.iter().peekable();
    let mut left = ids;
    left.retain(|id| {
        while others.next_if(|other| *other < id).is_some() {}
        others.peek() != Some(&id)
    });
    left
}

fn report_orphans(checker: &mut Checker<'_>, chunk: &Placed, ids: &[String]) {
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

/// The ids in a chunk.
struct Ids {
    /// Those that were seen, sorted, each once.
    ids: Vec<String>,
    /// Whether these are all.
    all: bool,
}

/// Checks a chunk and gives the ids in it.
fn check_chunk(
    checker: &mut Checker<'_>,
    place: &Place<'_>,
    chunk: &Placed,
    inventory: bool,
    counted: &mut Counted,
) -> Result<Ids, SealError> {
    let entry = &chunk.entry;
    let referrer = format!("chunk {} of {}/{}", entry.name, place.region, place.kind);
    let mut lines = Lines::new(place, chunk.prefix, inventory);
    let read = checker.objects.chunk(entry, &referrer);
    let whole = match checker.see(read)? {
        Seen::Wrong => return Ok(Ids { ids: Vec::new(), all: false }),
        Seen::Here(Shown::Whole(loaded)) => {
            checker.count(&loaded);
            loaded.content
        }
        Seen::Here(Shown::Partly(content)) => {
            // That these are the lines of the tree's root was seen when they were read.
            let read = lines.read(&content);
            let hidden = read.as_ref().map_or(0, |count| entry.count - count);
            if let Err(what) = read {
                checker.problem(lines_path(&entry.digest), what);
            }
            checker.withhold(&entry.digest, place.kind, 0, hidden);
            counted.verdicts.add(&lines.verdicts);
            counted.hidden_findings += if inventory { 0 } else { hidden };
            return Ok(Ids { ids: lines.ids, all: false });
        }
        Seen::Here(Shown::Nothing) | Seen::Withheld => {
            checker.withhold(&entry.digest, place.kind, 1, entry.count);
            counted.hidden_findings += if inventory { 0 } else { entry.count };
            return Ok(Ids { ids: Vec::new(), all: false });
        }
    };
    let file = object_path(&entry.digest, Format::Lines);
    let count = match lines.read(&whole) {
        Ok(count) => count,
        Err(what) => {
            checker.problem(&file, what);
            return Ok(Ids { ids: Vec::new(), all: false });
        }
    };
    counted.verdicts.add(&lines.verdicts);
    let ids = lines.ids;
    let says = [
        ("content", Digest::of(&whole) == entry.content),
        ("bytes", whole.len() as u64 == entry.bytes),
        ("count", count == entry.count),
        ("lines", Merkle::of_lines(&whole) == entry.lines),
    ];
    for (fact, _) in says.iter().filter(|(_, right)| !right) {
        checker.problem(&file, format!("its tree says another {fact:?} of it than it has"));
    }
    if ids.is_empty() || (chunk.lonely && ids.len() < 2) {
        checker.problem(&file, "it should not be a chunk by itself");
    }
    if whole.len() > LIMIT && ids.len() > 1 {
        checker.problem(&file, format!("it is longer than {LIMIT} bytes, and not cut"));
    }
    Ok(Ids { ids, all: true })
}

/// Checks lines one after another.
struct Lines<'l> {
    place: &'l Place<'l>,
    prefix: Prefix,
    inventory: bool,
    ids: Vec<String>,
    verdicts: evidenced_model::VerdictCounts,
    /// The check of the last finding.
    check: String,
}

impl<'l> Lines<'l> {
    fn new(place: &'l Place<'l>, prefix: Prefix, inventory: bool) -> Self {
        let verdicts = evidenced_model::VerdictCounts::default();
        Self { place, prefix, inventory, ids: Vec::new(), verdicts, check: String::new() }
    }

    /// Checks the lines that are shown, and gives their number.
    fn read(&mut self, content: &[u8]) -> Result<u64, String> {
        let mut shown = 0;
        for (number, line) in (1..).zip(content.split_inclusive(|byte| *byte == b'\n')) {
            if let Slot::Shown(line) = Slot::parse(line) {
                self.line(line).map_err(|what: String| format!("line {number}: {what}"))?;
                shown += 1;
            }
        }
        Ok(shown)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
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
            (head.id.ok_or("it has no id")?, Cow::Borrowed(""))
        } else {
            self.verdicts.count(head.verdict.ok_or("it has no verdict")?);
            (head.resource.ok_or("it has no resource")?, head.check.ok_or("it has no check")?)
        };
        let again = match self.ids.last() {
            Some(last) if **last > *id || (**last == *id && *self.check >= *check) => {
                return Err(format!("{id:?} is not in order, or there twice"));
            }
            last => last.is_some_and(|last| **last == *id),
        };
        if !again {
            if !self.prefix.contains(&Digest::of(id.as_bytes())) {
                return Err(format!("{id:?} does not belong into chunk {}", self.prefix));
            }
            self.ids.push(id.into_owned());
        }
        self.check.clear();
        self.check.push_str(&check);
        Ok(())
    }
}
