//! The judge: a library with settings, ready to say what each resource and each place comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use cel::Context;
use cel::common::value::Val;
use evidenced_model::{
    Because, Cause, CheckId, Coverage, Digest, FieldDecl, FieldType, Finding, KindId, ObjectiveId, Resource, Verdict,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::{Check, fits, shape_name, value_name};
use crate::error::{SettingsError, hint};
use crate::evaluate::{Bound, Step};
use crate::expr::Source;
use crate::join::{JoinIndex, Joins, Side};
use crate::library::Library;
use crate::plan::{CheckPlan, Condition, KindPlan, Rule};
use crate::population::Populations;
use crate::{functions, value};

/// The field of a [`Because`] that says that the check itself is at fault.
pub const DEFECT: &str = "defect";

/// What the operator and the moment add to a library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Values of parameters, before their defaults.
    pub params: BTreeMap<String, Value>,
    /// Checks that are off.
    pub disabled: BTreeSet<CheckId>,
    /// The only checks that are on; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<BTreeSet<CheckId>>,
    /// The start of the run: `now` in programs.
    pub now: Timestamp,
}

impl Settings {
    /// Every check, with the defaults.
    pub fn at(now: Timestamp) -> Self {
        Self { params: BTreeMap::new(), disabled: BTreeSet::new(), only: None, now }
    }
}

/// A check that is off until the customer declares something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeclared {
    /// The check.
    pub check: CheckId,
    /// What it serves.
    pub objective: ObjectiveId,
    /// The parameters that have no value.
    pub params: Vec<String>,
}

/// Judges resources. It is shared by reference between threads; what changes is in [`Populations`] and [`JoinIndex`].
pub struct Judge {
    library: Arc<Library>,
    settings: Settings,
    kinds: BTreeMap<KindId, ActiveKind>,
    populations: Vec<(KindId, usize)>,
    sides: Vec<Side>,
    undeclared: Vec<Undeclared>,
    defects: Mutex<BTreeMap<CheckId, String>>,
    root: Context<'static, 'static>,
}

/// What is on over one kind.
#[derive(Debug, Default)]
pub(crate) struct ActiveKind {
    /// Checks by index, with their number among the populations.
    checks: Vec<(usize, Option<usize>)>,
    /// Slots with the fields they hold.
    pub(crate) fields: Vec<(usize, FieldDecl)>,
    /// Slots that hold parts of the scope.
    pub(crate) places: Vec<usize>,
    /// Slots with the same value for every resource.
    pub(crate) constants: Vec<(usize, Box<dyn Val>)>,
    pub(crate) join_slots: Vec<usize>,
    /// Joins in use, with their sides.
    pub(crate) joins: BTreeMap<usize, usize>,
    rights: BTreeMap<(usize, String), FieldDecl>,
}

impl ActiveKind {
    pub(crate) fn right_decl(&self, join: usize, field: &str) -> Option<&FieldDecl> {
        self.rights.get(&(join, field.to_owned()))
    }

    pub(crate) fn right_shape(&self, join: usize, field: &str) -> FieldType {
        self.right_decl(join, field).map_or(FieldType::Map, |decl| decl.shape)
    }
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").field("settings", &self.settings).field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl Judge {
    /// Checks the settings against the library and picks what is on.
    pub fn compile(library: &Arc<Library>, settings: Settings) -> Result<Self, SettingsError> {
        let root = functions::context(Arc::clone(&library.env))?;
        check_settings(library, &settings)?;
        let mut judge = Self {
            library: Arc::clone(library),
            settings,
            kinds: BTreeMap::new(),
            populations: Vec::new(),
            sides: Vec::new(),
            undeclared: Vec::new(),
            defects: Mutex::new(BTreeMap::new()),
            root,
        };
        for (id, kind) in &library.kinds {
            let active = judge.activate(id, &kind.plan);
            if !active.checks.is_empty() {
                judge.kinds.insert(id.clone(), active);
            }
        }
        Ok(judge)
    }

    /// The library it judges by.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// The settings it judges by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The checks that are on, with their kind and digest, in the order of kinds and files.
    pub fn checks(&self) -> impl Iterator<Item = (&KindId, &Check, Digest)> {
        self.kinds.iter().flat_map(move |(id, active)| {
            let plans = &self.library.kinds[id].plan.checks;
            active.checks.iter().map(move |(index, _)| (id, &*plans[*index].check, plans[*index].sha256))
        })
    }

    /// The checks that wait for a declaration by the customer.
    pub fn undeclared(&self) -> &[Undeclared] {
        &self.undeclared
    }

    /// What CEL said of checks that were at fault so far, the first complaint of each. It can quote what was read.
    pub fn defects(&self) -> BTreeMap<CheckId, String> {
        self.defects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The kinds that checks ask about or join to.
    pub fn kinds(&self) -> BTreeSet<&KindId> {
        self.kinds.keys().chain(self.sides.iter().map(|side| &side.kind)).collect()
    }

    /// The fields of a kind that the checks which are on read, also through joins.
    pub fn reads(&self, kind: &KindId) -> BTreeSet<&str> {
        let own = self.kinds.get(kind).into_iter().flat_map(|active| {
            let slots = &self.library.kinds[kind].plan.slots;
            active.fields.iter().filter_map(move |(slot, _)| match &slots[*slot] {
                Source::Field(name) => Some(name.as_str()),
                _ => None,
            })
        });
        let joined = self.sides.iter().filter(|side| side.kind == *kind);
        own.chain(joined.flat_map(|side| side.on.iter().chain(&side.fields).map(String::as_str))).collect()
    }

    /// An empty index for the joins of the checks that are on.
    pub fn join_index(&self) -> JoinIndex {
        JoinIndex::new(self.sides.clone())
    }

    /// Empty populations for the checks that are on.
    pub fn populations(&self) -> Populations {
        Populations::new(self.populations.len())
    }

    /// Judges one resource: gives the findings about it, and counts it in its populations.
    pub fn judge(
        &self,
        resource: &Resource,
        joins: &Joins,
        populations: &mut Populations,
        sink: &mut dyn FnMut(Finding),
    ) {
        let Some(active) = self.kinds.get(&resource.kind) else { return };
        let plan = &self.library.kinds[&resource.kind].plan;
        let bound = Bound::new(resource, active, plan, joins, &self.root);
        let context = bound.context(&self.root);
        let note = |check: &CheckPlan, step: &Step| self.note(check, step);
        for (index, population) in &active.checks {
            let check = &plan.checks[*index];
            match (&check.rule, population) {
                (Rule::Each(condition), _) => sink(finding(check, condition, &bound, &context, &note)),
                (Rule::Population(per, _), Some(number)) => {
                    populations.observe(*number, *per, check, &bound, &context, &note);
                }
                (Rule::Population(..), None) => {}
            }
        }
    }

    /// Gives the findings about places: one for each place in which the kind was planned.
    pub fn finish(&self, populations: Populations, coverage: &Coverage, sink: &mut dyn FnMut(Finding)) {
        for ((kind, check), places) in self.populations.iter().zip(populations.into_places()) {
            let check = &self.library.kinds[kind].plan.checks[*check];
            crate::population::finish(kind, check, places, coverage, sink);
        }
    }

    fn note(&self, check: &CheckPlan, step: &Step) {
        if let Step::Defect(message) = step {
            let mut defects = self.defects.lock().unwrap_or_else(PoisonError::into_inner);
            defects.entry(check.check.id.clone()).or_insert_with(|| message.clone());
        }
    }

    /// What the left-hand side of a join says of a resource; null where it cannot be told.
    pub(crate) fn left(&self, resource: &Resource, join: &str) -> Vec<(String, Value)> {
        let Some(active) = self.kinds.get(&resource.kind) else { return Vec::new() };
        let plan = &self.library.kinds[&resource.kind].plan;
        let joins = self.join_index().seal(&Coverage::default());
        let bound = Bound::new(resource, active, plan, &joins, &self.root);
        let context = bound.context(&self.root);
        let named = active.joins.keys().map(|index| &plan.joins[*index]).filter(|plan| plan.name == join);
        let value = |(field, program): &(String, crate::expr::Program)| {
            (field.clone(), program.project(&context).unwrap_or(Value::Null))
        };
        named.flat_map(|join| &join.on).map(value).collect()
    }

    fn activate(&mut self, id: &KindId, plan: &KindPlan) -> ActiveKind {
        let library = Arc::clone(&self.library);
        let mut active = ActiveKind::default();
        let mut slots = BTreeSet::new();
        for (index, check) in plan.checks.iter().enumerate() {
            if self.is_off(&check.check) {
                continue;
            }
            let number = matches!(check.rule, Rule::Population(..)).then(|| {
                self.populations.push((id.clone(), index));
                self.populations.len() - 1
            });
            active.checks.push((index, number));
            slots.extend(check.slots());
        }
        let join_of = |slot: &usize| match &plan.slots[*slot] {
            Source::JoinField(join, _) | Source::JoinNull(join) | Source::JoinList(join) => Some(*join),
            _ => None,
        };
        let joins: BTreeSet<usize> = slots.iter().filter_map(join_of).collect();
        for join in &joins {
            let join_plan = &plan.joins[*join];
            slots.extend(join_plan.on.iter().flat_map(|(_, program)| &program.slots));
            let right = &library.kinds[&join_plan.kind].decl;
            for field in &join_plan.fields {
                active.rights.insert((*join, field.clone()), right.fields[field].clone());
            }
            active.joins.insert(*join, self.side(join_plan));
        }
        for slot in slots {
            match &plan.slots[slot] {
                Source::Field(name) => active.fields.push((slot, library.kinds[id].decl.fields[name].clone())),
                Source::Account | Source::Region | Source::Provider | Source::Partition => active.places.push(slot),
                Source::JoinField(..) | Source::JoinNull(_) | Source::JoinList(_) => active.join_slots.push(slot),
                Source::Now => {
                    let now = Value::String(self.settings.now.to_string());
                    active.constants.push((slot, value::owned(&now, FieldType::Timestamp)));
                }
                Source::Param(name) => {
                    let decl = &library.params[name];
                    if let Some(given) = self.settings.params.get(name).or(decl.default.as_ref()) {
                        active.constants.push((slot, value::owned(given, decl.shape)));
                    }
                }
            }
        }
        active
    }

    /// Off by the settings, or for want of a declaration, of which it then takes note.
    fn is_off(&mut self, check: &Check) -> bool {
        let chosen = self.settings.only.as_ref().is_none_or(|only| only.contains(&check.id));
        if !chosen || self.settings.disabled.contains(&check.id) {
            return true;
        }
        let missing: Vec<String> =
            check.needs.iter().filter(|name| !self.settings.params.contains_key(*name)).cloned().collect();
        if missing.is_empty() {
            return false;
        }
        let (check, objective) = (check.id.clone(), check.objective.clone());
        self.undeclared.push(Undeclared { check, objective, params: missing });
        true
    }

    /// The side of a join; equal joins share one.
    fn side(&mut self, join: &crate::plan::JoinPlan) -> usize {
        let on: Vec<String> = join.on.iter().map(|(field, _)| field.clone()).collect();
        let equal = |side: &Side| side.kind == join.kind && side.on == on && side.reach == join.reach;
        let index = self.sides.iter().position(equal).unwrap_or_else(|| {
            self.sides.push(Side::new(join.kind.clone(), on.clone(), join.reach));
            self.sides.len() - 1
        });
        self.sides[index].fields.extend(join.fields.iter().cloned());
        index
    }
}

/// Whether a finding says that its check is at fault: a bug in the check, not in the cloud.
pub fn is_defect(finding: &Finding) -> bool {
    finding.because.iter().any(|because| because.field == DEFECT)
}

fn check_settings(library: &Library, settings: &Settings) -> Result<(), SettingsError> {
    for (name, given) in &settings.params {
        let Some(decl) = library.params.get(name) else {
            let hint = hint(name, library.params.keys().map(String::as_str));
            return Err(SettingsError::UnknownParam { name: name.clone(), hint });
        };
        if !fits(decl.shape, given) {
            let (expected, found) = (shape_name(decl.shape), value_name(given));
            return Err(SettingsError::ParamType { name: name.clone(), expected, found });
        }
    }
    for id in settings.disabled.iter().chain(settings.only.iter().flatten()) {
        if library.check(id).is_none() && !library.left_out.contains(id) {
            let hint = hint(id.as_str(), library.checks().map(|(_, check)| check.id.as_str()));
            return Err(SettingsError::UnknownCheck { id: id.to_string(), hint });
        }
    }
    Ok(())
}

/// Takes note of a step of a check.
pub(crate) type Note<'a> = &'a dyn Fn(&CheckPlan, &Step);

/// What a resource's check comes to, and the program that decided.
fn decide<'c>(
    check: &'c CheckPlan,
    condition: &'c Condition,
    bound: &Bound<'_>,
    context: &Context<'_, '_>,
) -> (Step, &'c Condition) {
    if let Some(applies) = &check.applies {
        match bound.gate(applies, context) {
            Step::Open => {}
            step => return (step, applies),
        }
    }
    (bound.ask(condition, context), condition)
}

/// The reasons of a step that settled nothing; never empty.
pub(crate) fn reasons(step: &Step, decider: &Condition, bound: &Bound<'_>) -> BTreeSet<Because> {
    let mut reasons = match step {
        Step::Unknown => bound.unread(&decider.evidence),
        _ => BTreeSet::new(),
    };
    if reasons.is_empty() {
        reasons.insert(Because { call: None, cause: Cause::Malformed, field: DEFECT.into(), permission: None });
    }
    reasons
}

fn finding(
    check: &CheckPlan,
    condition: &Condition,
    bound: &Bound<'_>,
    context: &Context<'_, '_>,
    note: Note<'_>,
) -> Finding {
    let (step, decider) = decide(check, condition, bound, context);
    note(check, &step);
    let (verdict, because) = match &step {
        Step::Settled(verdict) => (*verdict, Vec::new()),
        step => (Verdict::Unknown, reasons(step, decider, bound).into_iter().collect()),
    };
    Finding {
        because,
        check: check.check.id.clone(),
        check_sha256: check.sha256,
        kind: bound.resource.kind.clone(),
        objective: check.check.objective.clone(),
        observed: bound.observed(decider),
        resource: bound.resource.id.clone(),
        rests_on: bound.rests_on(decider),
        revision: check.check.revision,
        scope: bound.resource.scope.clone(),
        severity: check.check.severity,
        verdict,
        waiver: None,
    }
}
