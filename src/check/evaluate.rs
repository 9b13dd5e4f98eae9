//! One resource against the programs of its kind, in three-valued logic.

use std::collections::BTreeSet;

use cel::Context;
use cel::common::types::{CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::Val;
use evidenced_model::{
    Because, Cause, Digest, Field, FieldDecl, FieldType, Region, Resource, RestsOn, Unread, Verdict, canon,
};
use serde_json::{Map, Value, json};

use crate::expr::{Outcome, Source};
use crate::join::{Joins, Match, Row, because};
use crate::judge::ActiveKind;
use crate::plan::{Condition, KindPlan};
use crate::value::{Slot, Slots, to_val};

/// Values with more canonical bytes than this stand in findings as their digest.
const MAX_OBSERVED: usize = 1024;
/// How many joined resources a finding names for each join.
const MAX_RESTS_ON: usize = 32;

/// A resource with every variable of its kind bound.
pub(crate) struct Bound<'v> {
    pub(crate) resource: &'v Resource,
    kind: &'v ActiveKind,
    plan: &'v KindPlan,
    pub(crate) slots: Slots<'v>,
    joins: Vec<Match<'v>>,
}

/// What a program came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// The question arises.
    Open,
    /// This verdict, whatever is unread.
    Settled(Verdict),
    /// Something that is unread decides.
    Unknown,
    /// Everything was read and the program still has no answer.
    Defect(String),
}

impl<'v> Bound<'v> {
    pub(crate) fn new(
        resource: &'v Resource,
        kind: &'v ActiveKind,
        plan: &'v KindPlan,
        joins: &'v Joins,
        root: &Context<'static, 'static>,
    ) -> Self {
        let mut slots = Slots((0..plan.slots.len()).map(|_| Slot::Unbound).collect());
        for (slot, decl) in &kind.fields {
            let Source::Field(name) = &plan.slots[*slot] else { continue };
            slots.0[*slot] = match resource.field(name) {
                Field::Absent => Slot::Null,
                Field::Read(value) => Slot::of(value, decl.shape),
                Field::Unread(_) => Slot::Unbound,
            };
        }
        for slot in &kind.places {
            let text = match &plan.slots[*slot] {
                Source::Account => resource.scope.account.as_str(),
                Source::Region => resource.scope.region.as_str(),
                Source::Provider => resource.scope.provider.as_str(),
                _ => partition(&resource.scope.region),
            };
            slots.0[*slot] = Slot::Text(CelString::from(text));
        }
        for (slot, value) in &kind.constants {
            slots.0[*slot] = Slot::Shared(value.as_ref());
        }
        let mut bound = Self { resource, kind, plan, slots, joins: Vec::new() };
        if !kind.joins.is_empty() {
            bound.joins = bound.find_joins(joins, root);
            bound.bind_joins();
        }
        bound
    }

    fn find_joins(&self, joins: &'v Joins, root: &Context<'static, 'static>) -> Vec<Match<'v>> {
        let context = self.context(root);
        let find = |(index, plan): (usize, &'v crate::plan::JoinPlan)| {
            let Some(side) = self.kind.joins.get(&index) else { return Match::Nothing };
            let mut values = Vec::with_capacity(plan.on.len());
            for (_, program) in &plan.on {
                match program.project(&context) {
                    Some(Value::Null) => return Match::Nothing,
                    Some(value) => values.push(value),
                    None => return Match::Unknown(self.unread(&program.slots)),
                }
            }
            joins.find(*side, &self.resource.scope, &values, plan.many, &plan.name)
        };
        self.plan.joins.iter().enumerate().map(find).collect()
    }

    fn bind_joins(&mut self) {
        for slot in &self.kind.join_slots {
            self.slots.0[*slot] = match &self.plan.slots[*slot] {
                Source::JoinNull(join) => match &self.joins[*join] {
                    Match::Nothing => Slot::Bool(true.into()),
                    Match::Rows(_) => Slot::Bool(false.into()),
                    Match::Unknown(_) | Match::Ambiguous => Slot::Unbound,
                },
                Source::JoinField(join, field) => match &self.joins[*join] {
                    Match::Nothing => Slot::Null,
                    Match::Rows([row]) => match row.field(field) {
                        Field::Absent => Slot::Null,
                        Field::Read(value) => Slot::of(value, self.kind.right_shape(*join, field)),
                        Field::Unread(_) => Slot::Unbound,
                    },
                    _ => Slot::Unbound,
                },
                Source::JoinList(join) => match &self.joins[*join] {
                    Match::Nothing => Slot::Other(Box::new(CelList::from(Vec::new()))),
                    Match::Rows(rows) => self.list(*join, rows),
                    Match::Unknown(_) | Match::Ambiguous => Slot::Unbound,
                },
                _ => continue,
            };
        }
    }

    /// The matches as a list of maps; unbound if one field of one of them is unread, because a map without it would
    /// look as if there were none.
    fn list(&self, join: usize, rows: &'v [Row]) -> Slot<'v> {
        let mut list: Vec<Box<dyn Val + 'v>> = Vec::with_capacity(rows.len());
        for row in rows {
            let mut members = std::collections::HashMap::new();
            for field in &self.plan.joins[join].fields {
                let value: Box<dyn Val + 'v> = match row.field(field) {
                    Field::Unread(_) => return Slot::Unbound,
                    Field::Absent => Box::new(CelNull),
                    Field::Read(value) => match Slot::of(value, self.kind.right_shape(join, field)) {
                        Slot::Unbound => return Slot::Unbound,
                        Slot::Time(time) => Box::new(time),
                        _ => to_val(value),
                    },
                };
                members.insert(CelMapKey::from(field.clone()), value);
            }
            list.push(Box::new(CelMap::from(members)));
        }
        Slot::Other(Box::new(CelList::from(list)))
    }

    /// The context in which this resource's programs run.
    pub(crate) fn context<'b>(&'b self, root: &'b Context<'static, 'static>) -> Context<'b, 'b> {
        let mut context: Context<'b, 'b> = root.new_inner_scope();
        context.set_variable_resolver(&self.slots);
        context
    }

    /// Whether the question arises.
    pub(crate) fn gate(&self, condition: &Condition, context: &Context<'_, '_>) -> Step {
        match condition.program.test(context) {
            Outcome::True => Step::Open,
            Outcome::False => Step::Settled(Verdict::NotApplicable),
            Outcome::Error(_) if self.any_unbound(&condition.evidence) => Step::Unknown,
            Outcome::Error(message) => match self.absent(condition) {
                Some(forced) => Step::Settled(forced.verdict),
                None => Step::Defect(message),
            },
        }
    }

    /// Whether the condition is met: pass if it holds, fail if not.
    pub(crate) fn ask(&self, condition: &Condition, context: &Context<'_, '_>) -> Step {
        let absent = self.absent(condition);
        let verdict = match absent {
            Some(forced) => forced.verdict,
            None => match condition.program.test(context) {
                Outcome::True => Verdict::Pass,
                Outcome::False => Verdict::Fail,
                Outcome::Error(_) if self.any_unbound(&condition.evidence) => return Step::Unknown,
                Outcome::Error(message) => return Step::Defect(message),
            },
        };
        // An unread field may be absent in truth, and then its absence would decide.
        let mut unread = condition.forced.iter().filter(|forced| self.slots.0[forced.slot].is_unbound());
        let otherwise = match absent {
            Some(absent) => unread.any(|forced| forced.rank > absent.rank && forced.verdict != verdict),
            None => unread.any(|forced| forced.verdict != verdict),
        };
        if otherwise { Step::Unknown } else { Step::Settled(verdict) }
    }

    fn absent<'c>(&self, condition: &'c Condition) -> Option<&'c crate::plan::Forced> {
        let is_absent = |slot: usize| match (&self.plan.slots[slot], &self.slots.0[slot]) {
            (Source::JoinNull(_), Slot::Bool(nothing)) => *nothing.inner(),
            (_, slot) => slot.is_null(),
        };
        condition.forced.iter().filter(|forced| is_absent(forced.slot)).max_by_key(|forced| forced.rank)
    }

    fn any_unbound(&self, slots: &[usize]) -> bool {
        slots.iter().any(|slot| self.slots.0[*slot].is_unbound())
    }

    /// Why the variables that are not bound are not.
    pub(crate) fn unread(&self, slots: &[usize]) -> BTreeSet<Because> {
        let mut reasons = BTreeSet::new();
        for slot in slots.iter().filter(|slot| self.slots.0[**slot].is_unbound()) {
            match &self.plan.slots[*slot] {
                Source::Field(name) => {
                    let decl = self.kind.fields.iter().find(|(field, _)| field == slot).map(|(_, decl)| decl);
                    reasons.insert(reason(name, self.resource.field(name), decl));
                }
                Source::JoinNull(join) | Source::JoinList(join) | Source::JoinField(join, _) => {
                    self.join_reasons(*join, &self.plan.slots[*slot], &mut reasons);
                }
                _ => {}
            }
        }
        reasons
    }

    fn join_reasons(&self, join: usize, source: &Source, reasons: &mut BTreeSet<Because>) {
        let plan = &self.plan.joins[join];
        match &self.joins[join] {
            Match::Unknown(why) => reasons.extend(why.iter().cloned()),
            Match::Ambiguous => {
                reasons.insert(because(&plan.name, &Unread { call: None, cause: Cause::Malformed, permission: None }));
            }
            Match::Nothing => {}
            Match::Rows(rows) => {
                let fields: Vec<&String> = match source {
                    Source::JoinField(_, field) => vec![field],
                    _ => plan.fields.iter().collect(),
                };
                for (row, field) in rows.iter().flat_map(|row| fields.iter().map(move |field| (row, *field))) {
                    let decl = self.kind.right_decl(join, field);
                    let value = row.field(field);
                    let malformed = matches!(value, Field::Read(value) if decl.is_some_and(|decl| decl.shape == FieldType::Timestamp && Slot::of(value, decl.shape).is_unbound()));
                    if malformed || matches!(value, Field::Unread(_)) {
                        reasons.insert(reason(&format!("{}.{field}", plan.name), value, decl));
                    }
                }
            }
        }
    }

    /// The values that a program saw.
    pub(crate) fn observed(&self, condition: &Condition) -> Map<String, Value> {
        let mut observed = Map::new();
        for slot in &condition.evidence {
            match &self.plan.slots[*slot] {
                Source::Field(name) => observe(name, self.resource.field(name), &mut observed),
                Source::JoinField(join, field) => {
                    if let Match::Rows([row]) = &self.joins[*join] {
                        observe(&format!("{}.{field}", self.plan.joins[*join].name), row.field(field), &mut observed);
                    } else if let Match::Nothing = &self.joins[*join] {
                        observed.insert(self.plan.joins[*join].name.clone(), Value::Null);
                    }
                }
                Source::JoinNull(join) => {
                    if let Match::Nothing = &self.joins[*join] {
                        observed.insert(self.plan.joins[*join].name.clone(), Value::Null);
                    }
                }
                _ => {}
            }
        }
        observed
    }

    /// The joined resources that a program saw, sorted.
    pub(crate) fn rests_on(&self, condition: &Condition) -> Vec<RestsOn> {
        if self.joins.is_empty() {
            return Vec::new();
        }
        let mut joins = BTreeSet::new();
        for slot in &condition.evidence {
            if let Source::JoinField(join, _) | Source::JoinNull(join) | Source::JoinList(join) =
                &self.plan.slots[*slot]
            {
                joins.insert(*join);
            }
        }
        let mut list = BTreeSet::new();
        for join in joins {
            if let Match::Rows(rows) = &self.joins[join] {
                let kind = &self.plan.joins[join].kind;
                list.extend(rows.iter().take(MAX_RESTS_ON).map(|row| row.rests_on(kind)));
            }
        }
        list.into_iter().collect()
    }
}

/// Why a field is not bound: it is unread, or what was read has not the shape it should have.
fn reason(name: &str, field: &Field, decl: Option<&FieldDecl>) -> Because {
    let mut why = match field {
        Field::Unread(why) => why.clone(),
        _ => Unread { call: None, cause: Cause::Malformed, permission: None },
    };
    if why.call.is_none() {
        let mut calls = decl.into_iter().flat_map(|decl| decl.call.iter());
        if let (Some(only), None) = (calls.next(), calls.next()) {
            why.call = Some(only.to_owned());
        }
    }
    because(name, &why)
}

fn observe(name: &str, field: &Field, out: &mut Map<String, Value>) {
    match field {
        Field::Unread(_) => {}
        Field::Absent => {
            out.insert(name.to_owned(), Value::Null);
        }
        Field::Read(value) => {
            out.insert(name.to_owned(), bounded(value));
        }
    }
}

/// The value, or its digest where it is long.
fn bounded(value: &Value) -> Value {
    let short = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.len() <= MAX_OBSERVED / 8,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    };
    if short {
        return value.clone();
    }
    let bytes = {
        let mut bytes = Vec::new();
        canon::write(value, &mut bytes);
        bytes
    };
    if bytes.len() <= MAX_OBSERVED {
        return value.clone();
    }
    json!({ "bytes": bytes.len(), "sha256": Digest::of(&bytes) })
}

/// The AWS partition of a region; resources without a region count as `aws`.
fn partition(region: &Region) -> &'static str {
    match region.as_str() {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
