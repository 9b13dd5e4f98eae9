//! A kind's checks compiled: programs, joins and variables, shared by every run over the library.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::Env;
use evidenced_model::{Digest, KindDecl, KindId, Span, Verdict, canon};
use serde_json::json;

use crate::definition::{Check, Join, OneOrNamed, ParamDecl, Per, Reach};
use crate::error::hint;
use crate::expr::{JoinName, Names, Program, SlotTable, Source};

/// Everything compiled over one kind.
#[derive(Debug)]
pub(crate) struct KindPlan {
    pub(crate) slots: Vec<Source>,
    pub(crate) joins: Vec<JoinPlan>,
    pub(crate) checks: Vec<CheckPlan>,
}

/// A join of one or several checks of the kind.
#[derive(Debug)]
pub(crate) struct JoinPlan {
    pub(crate) name: String,
    pub(crate) kind: KindId,
    /// Right-hand field and left-hand projection.
    pub(crate) on: Vec<(String, Program)>,
    pub(crate) reach: Reach,
    pub(crate) many: bool,
    /// The right-hand fields that programs read.
    pub(crate) fields: BTreeSet<String>,
}

/// A check, compiled.
#[derive(Debug)]
pub(crate) struct CheckPlan {
    pub(crate) check: Arc<Check>,
    pub(crate) sha256: Digest,
    pub(crate) applies: Option<Condition>,
    pub(crate) rule: Rule,
    /// Parameters that it reads.
    pub(crate) params: BTreeSet<String>,
}

/// What a check asks.
#[derive(Debug)]
pub(crate) enum Rule {
    /// Of each resource.
    Each(Condition),
    /// Of a population.
    Population(Per, Quantity),
}

/// How a population is counted.
#[derive(Debug)]
pub(crate) enum Quantity {
    Some(Vec<(Option<String>, Condition)>),
    Every(Condition),
    None(Condition),
    Count { of: Condition, min: u64, max: u64 },
}

/// A program, with the variables whose absence decides instead of it.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) program: Program,
    pub(crate) forced: Vec<Forced>,
    /// The slots that can be unread.
    pub(crate) evidence: Vec<usize>,
}

/// What the absence of one variable decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Forced {
    pub(crate) slot: usize,
    /// Where several are absent, the highest decides: fail, then not applicable, then pass.
    pub(crate) rank: u8,
    /// In the program's own terms: for `none`, a fail is a predicate that holds.
    pub(crate) verdict: Verdict,
}

impl Rule {
    pub(crate) fn conditions(&self) -> Vec<&Condition> {
        match self {
            Self::Each(condition) => vec![condition],
            Self::Population(_, Quantity::Some(named)) => named.iter().map(|(_, condition)| condition).collect(),
            Self::Population(_, Quantity::Every(one) | Quantity::None(one) | Quantity::Count { of: one, .. }) => {
                vec![one]
            }
        }
    }
}

impl CheckPlan {
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.applies.iter().chain(self.rule.conditions())
    }

    /// Every slot that any of its programs reads.
    pub(crate) fn slots(&self) -> BTreeSet<usize> {
        let slots = |condition: &Condition| [&condition.program.slots[..], &condition.evidence].concat();
        self.conditions().flat_map(slots).collect()
    }
}

/// What compiling a kind needs to know.
pub(crate) struct Ground<'a> {
    pub(crate) env: &'a Env,
    pub(crate) kinds: &'a BTreeMap<KindId, &'a KindDecl>,
    pub(crate) params: &'a BTreeMap<String, ParamDecl>,
}

impl Ground<'_> {
    /// Compiles the checks over a kind. Errors come with the index of their check.
    pub(crate) fn compile(&self, kind: &KindDecl, checks: &[Arc<Check>]) -> Result<KindPlan, Vec<(usize, String)>> {
        let mut slots = SlotTable::default();
        let mut joins: Vec<(Join, JoinPlan)> = Vec::new();
        let mut plans = Vec::new();
        let mut errors = Vec::new();
        for (index, check) in checks.iter().enumerate() {
            let mut one =
                OneCheck { ground: self, kind, check, slots: &mut slots, joins: &mut joins, errors: Vec::new() };
            let plan = one.compile();
            errors.extend(one.errors.drain(..).map(|error| (index, error)));
            plans.extend(plan);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut joins: Vec<JoinPlan> = joins.into_iter().map(|(_, plan)| plan).collect();
        for source in &slots.sources {
            if let Source::JoinField(join, field) = source {
                joins[*join].fields.insert(field.clone());
            }
        }
        Ok(KindPlan { slots: slots.sources, joins, checks: plans })
    }
}

struct OneCheck<'a> {
    ground: &'a Ground<'a>,
    kind: &'a KindDecl,
    check: &'a Arc<Check>,
    slots: &'a mut SlotTable,
    joins: &'a mut Vec<(Join, JoinPlan)>,
    errors: Vec<String>,
}

impl OneCheck<'_> {
    fn compile(&mut self) -> Option<CheckPlan> {
        let joins = self.joins();
        let applies = match &self.check.applies {
            Some(source) => Some(self.condition("applies", source, &joins)?),
            None => None,
        };
        let rule = self.rule(&joins)?;
        let mut plan = CheckPlan {
            check: Arc::clone(self.check),
            sha256: digest(&self.kind.kind, self.check),
            applies,
            rule,
            params: BTreeSet::new(),
        };
        self.finish(&mut plan, &joins);
        self.errors.is_empty().then_some(plan)
    }

    /// Compiles the left-hand sides; equal joins of several checks are one.
    fn joins(&mut self) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for (name, join) in &self.check.with {
            let known = self.joins.iter().position(|(other, plan)| other == join && plan.name == *name);
            let index = known.or_else(|| self.join(name, join));
            names.extend(index.map(|index| (name.clone(), index)));
        }
        names
    }

    fn join(&mut self, name: &str, join: &Join) -> Option<usize> {
        if ["resource", "params", "scope", "now", "population"].contains(&name) || name.contains('.') {
            self.errors.push(format!("with: a join cannot be called {name:?}"));
            return None;
        }
        let Some(right) = self.ground.kinds.get(&join.kind) else {
            let near = hint(join.kind.as_str(), self.ground.kinds.keys().map(KindId::as_str));
            self.errors.push(format!("with.{name}: there is no kind {:?}{near}", join.kind.as_str()));
            return None;
        };
        for field in join.on.keys().chain(&join.fields) {
            if !right.fields.contains_key(field) {
                let near = hint(field, right.fields.keys().map(String::as_str));
                self.errors.push(format!("with.{name}: {} declares no field {field:?}{near}", right.kind));
            }
        }
        if join.reach == Reach::Region && right.span == Span::Global {
            self.errors.push(format!("with.{name}: {} stands in no region; use `in: account`", right.kind));
        }
        match (join.many, join.fields.is_empty()) {
            (true, true) => {
                self.errors.push(format!("with.{name}: `many` needs `fields`, the fields its elements hold"));
            }
            (false, false) => self.errors.push(format!("with.{name}: `fields` goes only with `many: true`")),
            _ => {}
        }
        let none = BTreeMap::new();
        let names = Names { kind: self.kind, joins: &none, params: self.ground.params };
        let mut on = Vec::new();
        for (field, source) in &join.on {
            match Program::compile(source, self.ground.env, &names, self.slots) {
                Ok(program) => on.push((field.clone(), program)),
                Err(errors) => {
                    self.errors.extend(errors.into_iter().map(|error| format!("with.{name}.on.{field}: {error}")));
                }
            }
        }
        let fields = join.fields.iter().cloned().collect();
        let plan =
            JoinPlan { name: name.to_owned(), kind: join.kind.clone(), on, reach: join.reach, many: join.many, fields };
        self.joins.push((join.clone(), plan));
        Some(self.joins.len() - 1)
    }

    fn rule(&mut self, joins: &BTreeMap<String, usize>) -> Option<Rule> {
        let check = self.check;
        let given: Vec<&str> = [
            ("pass", check.pass.is_some()),
            ("some", check.some.is_some()),
            ("every", check.every.is_some()),
            ("none", check.none.is_some()),
            ("count", check.count.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
        let Some(per) = check.per else {
            if given != ["pass"] || check.when_empty.is_some() {
                self.errors.push(
                    "a check of single resources says `pass` and nothing else; \
                     `some`, `every`, `none`, `count` and `when_empty` go with `per`"
                        .into(),
                );
                return None;
            }
            return Some(Rule::Each(self.condition("pass", check.pass.as_deref()?, joins)?));
        };
        if given.len() != 1 || given == ["pass"] {
            self.errors.push("a check with `per` says exactly one of `some`, `every`, `none` and `count`".into());
            return None;
        }
        if check.when_empty.is_none() {
            self.errors.push("a check with `per` says what an empty population means: add `when_empty`".into());
        }
        if per == Per::Region && self.kind.span != Span::Regional {
            self.errors.push(format!(
                "{} is not asked region by region, so nothing is known of a region without any: use `per: account`",
                self.kind.kind
            ));
        }
        let quantity = if let Some(every) = &check.every {
            Quantity::Every(self.condition("every", every, joins)?)
        } else if let Some(none) = &check.none {
            Quantity::None(self.condition("none", none, joins)?)
        } else if let Some(count) = &check.count {
            if count.min.is_none() && count.max.is_none() || count.min > count.max && count.max.is_some() {
                self.errors.push("count: needs `min` or `max`, and `min` not over `max`".into());
            }
            let of = self.condition("count.of", &count.of, joins)?;
            Quantity::Count { of, min: count.min.unwrap_or(0), max: count.max.unwrap_or(u64::MAX) }
        } else {
            match check.some.as_ref()? {
                OneOrNamed::One(some) => Quantity::Some(vec![(None, self.condition("some", some, joins)?)]),
                OneOrNamed::Named(named) => {
                    if named.is_empty() {
                        self.errors.push("some: name at least one predicate".into());
                    }
                    let mut list = Vec::new();
                    for (name, source) in named {
                        list.push((Some(name.clone()), self.condition(&format!("some.{name}"), source, joins)?));
                    }
                    Quantity::Some(list)
                }
            }
        };
        Some(Rule::Population(per, quantity))
    }

    fn condition(&mut self, part: &str, source: &str, joins: &BTreeMap<String, usize>) -> Option<Condition> {
        let rights: BTreeMap<&str, JoinName<'_>> = joins
            .iter()
            .map(|(name, index)| {
                let join = &self.check.with[name];
                (name.as_str(), JoinName { index: *index, join, right: self.ground.kinds[&join.kind] })
            })
            .collect();
        let names = Names { kind: self.kind, joins: &rights, params: self.ground.params };
        let program = match Program::compile(source, self.ground.env, &names, self.slots) {
            Ok(program) => program,
            Err(errors) => {
                self.errors.extend(errors.into_iter().map(|error| format!("{part}: {error}")));
                return None;
            }
        };
        let mut forced = Vec::new();
        for slot in program.slots.clone() {
            let path = match &self.slots.sources[slot] {
                Source::Field(field) => field.clone(),
                Source::JoinField(join, field) => format!("{}.{field}", self.joins[*join].1.name),
                Source::JoinNull(_) | Source::JoinList(_) => String::new(),
                _ => continue,
            };
            let force = |slot: usize, verdict: Verdict| self.force(slot, verdict);
            let verdict = |path: &str| self.check.when_absent.get(path).and_then(|absent| absent.verdict());
            forced.extend(verdict(&path).map(|verdict| force(slot, verdict)));
            // Reading a join is also reading whether it is there, and what it is joined by.
            let join = match &self.slots.sources[slot] {
                Source::JoinField(join, _) | Source::JoinNull(join) | Source::JoinList(join) => *join,
                _ => continue,
            };
            if let Some(verdict) = verdict(&self.joins[join].1.name) {
                let slot = self.slots.slot(Source::JoinNull(join));
                forced.push(self.force(slot, verdict));
            }
            let left = self.joins[join].1.on.iter().flat_map(|(_, program)| &program.slots);
            for slot in left {
                if let Source::Field(field) = &self.slots.sources[*slot]
                    && let Some(verdict) = verdict(field)
                {
                    forced.push(self.force(*slot, verdict));
                }
            }
        }
        forced.sort_unstable();
        forced.dedup();
        let sources = &self.slots.sources;
        let slots: BTreeSet<usize> =
            program.slots.iter().copied().chain(forced.iter().map(|forced| forced.slot)).collect();
        let evidence = slots.into_iter().filter(|slot| sources[*slot].is_evidence()).collect();
        Some(Condition { program, forced, evidence })
    }

    fn is_nullable(&self, field: &str) -> bool {
        self.kind.fields.get(field).is_some_and(|field| field.nullable)
    }

    fn is_single_join(&self, name: &str) -> bool {
        self.check.with.get(name).is_some_and(|join| !join.many)
    }

    fn force(&self, slot: usize, verdict: Verdict) -> Forced {
        let rank = match verdict {
            Verdict::Fail => 3,
            Verdict::NotApplicable => 2,
            _ => 1,
        };
        let verdict = match verdict {
            Verdict::Fail if self.check.none.is_some() => Verdict::Pass,
            Verdict::Pass if self.check.none.is_some() => Verdict::Fail,
            other => other,
        };
        Forced { slot, rank, verdict }
    }

    /// The rules that look at the whole check: nullable fields, needs, names in lists.
    fn finish(&mut self, plan: &mut CheckPlan, joins: &BTreeMap<String, usize>) {
        let mut nullable = BTreeSet::new();
        let mut reads = BTreeSet::new();
        let left = joins.values().flat_map(|join| &self.joins[*join].1.on).flat_map(|(_, program)| &program.slots);
        let left: BTreeSet<usize> = left.copied().collect();
        for slot in plan.slots() {
            match &self.slots.sources[slot] {
                Source::Field(field) => {
                    reads.insert(field.clone());
                    nullable.extend(self.kind.fields[field].nullable.then(|| field.clone()));
                }
                Source::JoinField(join, field) => {
                    let join = &self.joins[*join].1;
                    let path = format!("{}.{field}", join.name);
                    let right = self.ground.kinds[&join.kind];
                    nullable.extend(right.fields[field].nullable.then(|| path.clone()));
                    reads.extend([path, join.name.clone()]);
                }
                Source::JoinNull(join) | Source::JoinList(join) => {
                    let join = &self.joins[*join].1;
                    reads.insert(join.name.clone());
                    if join.many {
                        reads.extend(join.fields.iter().map(|field| format!("{}.{field}", join.name)));
                    }
                }
                Source::Param(name) => {
                    plan.params.insert(name.clone());
                }
                _ => {}
            }
        }
        for slot in left {
            match &self.slots.sources[slot] {
                Source::Field(field) => {
                    reads.insert(field.clone());
                }
                Source::Param(name) => {
                    plan.params.insert(name.clone());
                }
                _ => {}
            }
        }
        self.lists(plan, joins, &nullable, &reads);
    }

    fn lists(
        &mut self,
        plan: &CheckPlan,
        joins: &BTreeMap<String, usize>,
        nullable: &BTreeSet<String>,
        reads: &BTreeSet<String>,
    ) {
        let check = self.check;
        for path in nullable.iter().filter(|path| !check.when_absent.contains_key(*path)) {
            self.errors.push(format!(
                "{path} may be absent: say what that means under when_absent, as pass, fail, not_applicable or handled"
            ));
        }
        let known = || reads.iter().map(String::as_str);
        for path in check.when_absent.keys() {
            if !reads.contains(path) {
                let near = hint(path, known());
                self.errors.push(format!("when_absent: the programs do not read {path:?}{near}"));
            } else if !nullable.contains(path) && !self.is_nullable(path) && !self.is_single_join(path) {
                self.errors.push(format!("when_absent: {path} is never absent; remove it, or declare it nullable"));
            }
        }
        for path in check.decided_without.iter().filter(|path| !reads.contains(*path)) {
            let near = hint(path, known());
            self.errors.push(format!("decided_without: the programs do not read {path:?}{near}"));
        }
        for name in joins.keys().filter(|name| !reads.contains(*name)) {
            self.errors.push(format!("with.{name}: no program reads it"));
        }
        let declaration = |name: &str| self.ground.params.get(name).is_some_and(|param| param.default.is_none());
        for name in &check.needs {
            if !self.ground.params.contains_key(name) {
                let near = hint(name, self.ground.params.keys().map(String::as_str));
                self.errors.push(format!("needs: there is no parameter {name:?}{near}"));
            } else if !declaration(name) {
                self.errors.push(format!("needs: {name} has a default, so it is always there"));
            } else if !plan.params.contains(name) {
                self.errors.push(format!("needs: the programs do not read params.{name}"));
            }
        }
        for name in plan.params.iter().filter(|name| declaration(name) && !check.needs.contains(name)) {
            self.errors.push(format!("params.{name} has no default: list it under needs"));
        }
    }
}

/// Covers kind, per, with, applies and pass only: a better title is no other check.
fn digest(kind: &KindId, check: &Check) -> Digest {
    let Check { per, with, applies, pass, some, every, none, count, when_empty, when_absent, .. } = check;
    let pass = json!({
        "count": count, "every": every, "none": none, "pass": pass, "some": some,
        "when_absent": when_absent, "when_empty": when_empty,
    });
    let covered = json!({ "applies": applies, "kind": kind, "pass": pass, "per": per, "with": with });
    Digest::of(&canon::to_vec(&covered))
}
