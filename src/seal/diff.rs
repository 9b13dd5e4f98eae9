//! What changed between two runs: trees are compared by digest, and only what differs is read.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{
    Account, AccountCoverage, CellState, CheckId, Finding, KindId, Provider, Region, ResourceLine, Scope, Verdict,
};
use serde::Serialize;

use crate::object::ObjectReader;
use crate::read::{Line, Lines};
use crate::statement::subject;
use crate::tree::{Entry, Tree};
use crate::{RunReader, SealError};

/// One thing that changed, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The kind; of an account's or region's finding, `place.account` or `place.region`.
    pub kind: KindId,
    /// Where.
    pub scope: Scope,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum What {
    /// A resource is new.
    ResourceAdded {
        /// Its id.
        id: String,
    },
    /// A resource is gone.
    ResourceRemoved {
        /// Its id.
        id: String,
    },
    /// A resource is another.
    ResourceChanged {
        /// The fields that differ, sorted.
        fields: Vec<String>,
        /// Its id.
        id: String,
    },
    /// A check says something else of a resource or place.
    Finding {
        /// What it says now; `null` if nothing.
        after: Option<Verdict>,
        /// What it said; `null` if nothing.
        before: Option<Verdict>,
        /// The check.
        check: CheckId,
        /// The resource.
        resource: String,
    },
    /// More or less was read.
    Coverage {
        /// How much is read now; `null` if it is not planned.
        after: Option<Reach>,
        /// How much was read; `null` if it was not planned.
        before: Option<Reach>,
    },
}

/// How much of a cell was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// What it should have told and did not.
    pub gaps: u64,
    /// How much of the population.
    pub state: CellState,
}

/// Goes through what changed from one run to another: coverage first, then resources, then findings.
pub fn diff(before: &RunReader<'_>, after: &RunReader<'_>, emit: &mut dyn FnMut(Change)) -> Result<(), SealError> {
    for (old, new) in differing(before, after, subject::COVERAGE)? {
        let (old, new) = (before.coverage_of(old.as_ref())?, after.coverage_of(new.as_ref())?);
        diff_coverage(old.as_ref(), new.as_ref(), emit);
    }
    let sides = [(subject::INVENTORY, "id"), (subject::FINDINGS, "resource")];
    for (root, key) in sides {
        for (old, new) in differing(before, after, root)? {
            let account = children(before.objects(), after.objects(), old.as_ref(), new.as_ref())?;
            for (old, new) in account {
                let chunks = children(before.objects(), after.objects(), old.as_ref(), new.as_ref())?;
                let (old, new): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
                let old = Lines::of_chunks(before.objects(), old.into_iter().flatten().collect(), key);
                let new = Lines::of_chunks(after.objects(), new.into_iter().flatten().collect(), key);
                if key == "id" { diff_resources(old, new, emit)? } else { diff_findings(old, new, emit)? }
            }
        }
    }
    Ok(())
}

type Sides = (Option<Entry>, Option<Entry>);

/// The children of two roots that differ.
fn differing(before: &RunReader<'_>, after: &RunReader<'_>, subject: &str) -> Result<Vec<Sides>, SealError> {
    if before.subject(subject)? == after.subject(subject)? {
        return Ok(Vec::new());
    }
    Ok(unequal(before.root(subject)?, after.root(subject)?))
}

fn children(
    before: ObjectReader<'_>,
    after: ObjectReader<'_>,
    old: Option<&Entry>,
    new: Option<&Entry>,
) -> Result<Vec<Sides>, SealError> {
    let read = |objects, entry: Option<&Entry>| match entry {
        Some(entry) => Tree::read(objects, &entry.digest, &entry.name),
        None => Ok(Tree::default()),
    };
    Ok(unequal(read(before, old)?, read(after, new)?))
}

fn unequal(old: Tree, new: Tree) -> Vec<Sides> {
    let mut sides: BTreeMap<String, Sides> = BTreeMap::new();
    for entry in old.entries {
        let name = entry.name.clone();
        sides.entry(name).or_default().0 = Some(entry);
    }
    for entry in new.entries {
        let name = entry.name.clone();
        sides.entry(name).or_default().1 = Some(entry);
    }
    let content = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.content);
    sides.into_values().filter(|(old, new)| content(old) != content(new)).collect()
}

/// Puts two streams in the same order side by side.
fn join(
    mut old: Lines<'_>,
    mut new: Lines<'_>,
    order: impl Fn(&Line, &Line) -> Result<Ordering, SealError>,
    mut pair: impl FnMut(Option<&Line>, Option<&Line>) -> Result<(), SealError>,
) -> Result<(), SealError> {
    let (mut left, mut right) = (old.next().transpose()?, new.next().transpose()?);
    loop {
        let which = match (&left, &right) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => order(one, other)?,
        };
        let (one, other) = (left.as_ref().filter(|_| which.is_le()), right.as_ref().filter(|_| which.is_ge()));
        pair(one, other)?;
        if which.is_le() {
            left = old.next().transpose()?;
        }
        if which.is_ge() {
            right = new.next().transpose()?;
        }
    }
}

fn diff_resources(old: Lines<'_>, new: Lines<'_>, emit: &mut dyn FnMut(Change)) -> Result<(), SealError> {
    let order = |one: &Line, other: &Line| Ok(one.hash.cmp(&other.hash));
    join(old, new, order, |old, new| {
        if old.map(|line| &line.bytes) == new.map(|line| &line.bytes) {
            return Ok(());
        }
        let old = old.map(Line::parse::<ResourceLine>).transpose()?;
        let new = new.map(Line::parse::<ResourceLine>).transpose()?;
        let Some((kind, scope, id)) =
            new.as_ref().or(old.as_ref()).map(|line| (line.kind.clone(), line.scope.clone(), line.id.clone()))
        else {
            return Ok(());
        };
        let what = match (old, new) {
            (Some(_), None) => What::ResourceRemoved { id },
            (Some(old), Some(new)) => What::ResourceChanged { fields: fields(&old, &new), id },
            (None, _) => What::ResourceAdded { id },
        };
        emit(Change { kind, scope, what });
        Ok(())
    })
}

/// The fields that differ, read or unread.
fn fields(old: &ResourceLine, new: &ResourceLine) -> Vec<String> {
    let names: BTreeSet<&String> = [&old.fields, &new.fields]
        .into_iter()
        .flat_map(BTreeMap::keys)
        .chain([&old.unread, &new.unread].into_iter().flat_map(BTreeMap::keys))
        .collect();
    let differs = |name: &&String| {
        old.fields.get(*name) != new.fields.get(*name) || old.unread.get(*name) != new.unread.get(*name)
    };
    names.into_iter().filter(differs).cloned().collect()
}

fn diff_findings(old: Lines<'_>, new: Lines<'_>, emit: &mut dyn FnMut(Change)) -> Result<(), SealError> {
    let order = |one: &Line, other: &Line| {
        let by_resource = one.hash.cmp(&other.hash);
        if by_resource.is_ne() || one.bytes == other.bytes {
            return Ok(by_resource);
        }
        Ok(one.parse::<Finding>()?.check.cmp(&other.parse::<Finding>()?.check))
    };
    join(old, new, order, |old, new| {
        if old.map(|line| &line.bytes) == new.map(|line| &line.bytes) {
            return Ok(());
        }
        let old = old.map(Line::parse::<Finding>).transpose()?;
        let new = new.map(Line::parse::<Finding>).transpose()?;
        let (before, after) = (old.as_ref().map(|old| old.verdict), new.as_ref().map(|new| new.verdict));
        if let Some(finding) = new.or(old).filter(|_| before != after) {
            let Finding { kind, scope, check, resource, .. } = finding;
            emit(Change { kind, scope, what: What::Finding { after, before, check, resource } });
        }
        Ok(())
    })
}

fn diff_coverage(old: Option<&AccountCoverage>, new: Option<&AccountCoverage>, emit: &mut dyn FnMut(Change)) {
    let Some((provider, account)) = new.or(old).map(|coverage| (coverage.provider.clone(), coverage.account.clone()))
    else {
        return;
    };
    let (old, new) = (reaches(old), reaches(new));
    let cells: BTreeSet<&(Region, KindId)> = old.keys().chain(new.keys()).collect();
    for cell in cells {
        let (before, after) = (old.get(cell).copied(), new.get(cell).copied());
        if before != after {
            let (region, kind) = cell.clone();
            let scope = scope(&provider, &account, region);
            emit(Change { kind, scope, what: What::Coverage { after, before } });
        }
    }
}

fn scope(provider: &Provider, account: &Account, region: Region) -> Scope {
    Scope { account: account.clone(), provider: provider.clone(), region }
}

fn reaches(coverage: Option<&AccountCoverage>) -> BTreeMap<(Region, KindId), Reach> {
    let cells = coverage.into_iter().flat_map(|coverage| &coverage.cells);
    cells
        .map(|cell| {
            let gaps = cell.gaps.iter().map(|gap| gap.count).sum();
            ((cell.region.clone(), cell.kind.clone()), Reach { gaps, state: cell.state })
        })
        .collect()
}
