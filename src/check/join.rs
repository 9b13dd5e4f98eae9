//! Joined resources: an index filled while collecting, that keeps only the fields that programs read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evidenced_model::{
    Because, Cause, Cell, CellState, Coverage, Field, KindId, Resource, RestsOn, Scope, Unread, canon,
};
use serde_json::Value;

use crate::definition::Reach;

/// The right-hand resources of all joins. Fill it with [`JoinIndex::observe`], then close it with [`JoinIndex::seal`].
#[derive(Debug, Clone)]
pub struct JoinIndex {
    by_kind: BTreeMap<KindId, Vec<usize>>,
    sides: Vec<Side>,
}

/// The right-hand side of one or several joins.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) kind: KindId,
    pub(crate) on: Vec<String>,
    pub(crate) reach: Reach,
    pub(crate) fields: BTreeSet<String>,
    rows: HashMap<Vec<u8>, Vec<Row>>,
    /// Places where a resource could not be put, because a field that it is joined by is unread.
    unplaced: BTreeMap<Vec<u8>, BTreeSet<Unread>>,
}

/// A right-hand resource, cut to what programs read.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    fields: Vec<(String, Field)>,
}

/// What a join found.
#[derive(Debug)]
pub(crate) enum Match<'v> {
    /// Certainly nothing.
    Nothing,
    /// These; one, unless the join is a list.
    Rows(&'v [Row]),
    /// It cannot be told, for these reasons.
    Unknown(BTreeSet<Because>),
    /// Several, where the check expects one.
    Ambiguous,
}

impl Side {
    pub(crate) fn new(kind: KindId, on: Vec<String>, reach: Reach) -> Self {
        Self { kind, on, reach, fields: BTreeSet::new(), rows: HashMap::new(), unplaced: BTreeMap::new() }
    }

    fn observe(&mut self, resource: &Resource) {
        let mut key = Vec::new();
        place(self.reach, &resource.scope, &mut key);
        let place_len = key.len();
        for field in &self.on {
            match resource.field(field) {
                Field::Read(value) => canon::write(value, &mut key),
                Field::Absent => return,
                Field::Unread(why) => {
                    key.truncate(place_len);
                    self.unplaced.entry(key).or_default().insert(why.clone());
                    return;
                }
            }
        }
        let fields = self.fields.iter().map(|name| (name.clone(), resource.field(name).clone())).collect();
        let row = Row { id: resource.id.clone(), scope: resource.scope.clone(), fields };
        self.rows.entry(key).or_default().push(row);
    }
}

impl Row {
    pub(crate) fn field(&self, name: &str) -> &Field {
        static SILENT: Field = Field::Unread(Unread::SILENT);
        self.fields.iter().find(|(field, _)| field == name).map_or(&SILENT, |(_, field)| field)
    }

    pub(crate) fn rests_on(&self, kind: &KindId) -> RestsOn {
        RestsOn { id: self.id.clone(), kind: kind.clone(), scope: self.scope.clone() }
    }
}

impl JoinIndex {
    pub(crate) fn new(sides: Vec<Side>) -> Self {
        let mut by_kind: BTreeMap<KindId, Vec<usize>> = BTreeMap::new();
        for (index, side) in sides.iter().enumerate() {
            by_kind.entry(side.kind.clone()).or_default().push(index);
        }
        Self { by_kind, sides }
    }

    /// Whether resources of the kind are joined to others at all.
    pub fn wants(&self, kind: &KindId) -> bool {
        self.by_kind.contains_key(kind)
    }

    /// Takes note of a resource; cheap if its kind is not joined to others.
    pub fn observe(&mut self, resource: &Resource) {
        for side in self.by_kind.get(&resource.kind).into_iter().flatten() {
            self.sides[*side].observe(resource);
        }
    }

    /// Adds what another index has seen; both must come from the same judge.
    pub fn merge(&mut self, other: Self) {
        for (side, other) in self.sides.iter_mut().zip(other.sides) {
            for (key, rows) in other.rows {
                side.rows.entry(key).or_default().extend(rows);
            }
            for (place, why) in other.unplaced {
                side.unplaced.entry(place).or_default().extend(why);
            }
        }
    }

    /// Closes the index: from here on, what is not in it is not there, as far as its population was read.
    pub fn seal(mut self, coverage: &Coverage) -> Joins {
        let mut open = Vec::new();
        for side in &mut self.sides {
            for rows in side.rows.values_mut() {
                rows.sort_by(|a, b| (&a.scope, &a.id).cmp(&(&b.scope, &b.id)));
            }
            let mut places = open_places(side, coverage);
            for (place, why) in std::mem::take(&mut side.unplaced) {
                places.entry(place).or_default().extend(why);
            }
            open.push(places);
        }
        Joins { sides: self.sides, open }
    }
}

/// The closed index.
#[derive(Debug)]
pub struct Joins {
    sides: Vec<Side>,
    /// By side and planned place, why its population is not known wholly; empty if it is.
    open: Vec<BTreeMap<Vec<u8>, BTreeSet<Unread>>>,
}

impl Joins {
    pub(crate) fn find(&self, side: usize, scope: &Scope, values: &[Value], many: bool, name: &str) -> Match<'_> {
        let (sides, open) = (&self.sides[side], &self.open[side]);
        let mut key = Vec::new();
        place(sides.reach, scope, &mut key);
        let mut why = open.get(&key);
        if why.is_none() && sides.reach == Reach::Region {
            // Kinds that are listed once an account answer for all its regions.
            let mut global = Vec::new();
            place(Reach::Region, &scope.global(), &mut global);
            why = open.get(&global);
        }
        for value in values {
            canon::write(value, &mut key);
        }
        let rows = sides.rows.get(&key).map_or(&[][..], Vec::as_slice);
        match (rows.len(), why) {
            (1, _) if !many => Match::Rows(rows),
            (2.., _) if !many => Match::Ambiguous,
            (_, Some(why)) if why.is_empty() => {
                if many {
                    Match::Rows(rows)
                } else {
                    Match::Nothing
                }
            }
            (_, Some(why)) => Match::Unknown(why.iter().map(|why| because(name, why)).collect()),
            (_, None) => {
                let skipped = Unread { call: None, cause: Cause::Skipped, permission: None };
                Match::Unknown(BTreeSet::from([because(name, &skipped)]))
            }
        }
    }
}

pub(crate) fn because(field: &str, why: &Unread) -> Because {
    Because { call: why.call.clone(), cause: why.cause, field: field.to_owned(), permission: why.permission.clone() }
}

/// Why a cell is not complete; nothing if it is.
pub(crate) fn open_reasons(cell: &Cell) -> BTreeSet<Unread> {
    let cause = match cell.state {
        CellState::Complete => return BTreeSet::new(),
        CellState::Denied => Cause::Denied,
        CellState::Barred => Cause::Barred,
        CellState::Throttled => Cause::Throttled,
        CellState::Skipped => Cause::Skipped,
        CellState::Unsupported => Cause::Unsupported,
        CellState::Partial | CellState::Failed => Cause::Failed,
    };
    let listing = cell.gaps.iter().filter(|gap| gap.fields.is_empty());
    let mut reasons: BTreeSet<Unread> = listing.map(|gap| Unread::from(&gap.refusal)).collect();
    if reasons.is_empty() {
        reasons.insert(Unread { call: None, cause, permission: None });
    }
    reasons
}

/// Every planned place of the side's kind, with the reasons why it is not known wholly.
fn open_places(side: &Side, coverage: &Coverage) -> BTreeMap<Vec<u8>, BTreeSet<Unread>> {
    let mut places: BTreeMap<Vec<u8>, BTreeSet<Unread>> = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for ((provider, account), covered) in &coverage.accounts {
        if provider.as_str() != side.kind.provider() {
            continue;
        }
        let mut planned = false;
        for cell in covered.cells.iter().filter(|cell| cell.kind == side.kind) {
            planned = true;
            let scope = Scope { account: account.clone(), provider: provider.clone(), region: cell.region.clone() };
            let mut key = Vec::new();
            place(side.reach, &scope, &mut key);
            places.entry(key).or_default().extend(open_reasons(cell));
        }
        if !planned {
            let gaps = covered.gaps.iter().map(Unread::from);
            missing.extend(gaps);
            missing.insert(Unread { call: None, cause: Cause::Skipped, permission: None });
        }
    }
    if side.reach == Reach::Organization {
        // One account that nobody asked leaves the whole organisation open.
        for why in places.values_mut() {
            why.extend(missing.iter().cloned());
        }
    }
    places
}

fn place(reach: Reach, scope: &Scope, out: &mut Vec<u8>) {
    let mut part = |text: &str| {
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    };
    part(scope.provider.as_str());
    if reach != Reach::Organization {
        part(scope.account.as_str());
    }
    if reach == Reach::Region {
        part(scope.region.as_str());
    }
}
