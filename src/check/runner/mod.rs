//! The examples runner: every check does what its examples say, and knows what it does not know.
//!
//! From each example it derives more: every field that the programs read is taken away, and a pass must become unknown
//! unless the check lists the field under `decided_without`; any other verdict may become unknown and nothing else.
//! Every field that can be absent is made absent, and must lead to what `when_absent` says, or at least to an answer.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use evidenced_model::{CheckId, Severity, Verdict};
use serde_json::{Map, Value};

use crate::definition::Check;
use crate::expr::Source;
use crate::judge::is_defect;
use crate::library::{Kind, Library};
use crate::plan::CheckPlan;
use world::World;

/// What running the examples came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Checks that were run.
    pub checks: usize,
    /// Examples as they are written.
    pub examples: usize,
    /// Variations of them, with something unread or absent.
    pub derived: usize,
    /// What is wrong.
    pub failures: Vec<Failure>,
}

/// One thing that is wrong with a check or its examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The check.
    pub check: CheckId,
    /// The example, e.g. `pass[0]`; none for the check as a whole.
    pub example: Option<String>,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.example {
            Some(example) => write!(f, "{}: example {example}: {}", self.check, self.message),
            None => write!(f, "{}: {}", self.check, self.message),
        }
    }
}

/// Runs the examples of every check.
pub fn run(library: &Arc<Library>) -> Report {
    let mut report = Report::default();
    for kind in library.kinds() {
        for plan in &kind.plan.checks {
            let mut one = OneCheck {
                library,
                kind,
                plan,
                reads: reads(kind, plan),
                needless: BTreeMap::new(),
                report: &mut report,
            };
            one.run();
        }
    }
    report
}

/// What the programs of a check read.
#[derive(Debug, Default)]
struct Reads {
    /// Own fields, `join.field` and `join`.
    paths: BTreeSet<String>,
    /// Own fields that only choose what is joined, with the joins that they choose for.
    left: BTreeMap<String, BTreeSet<String>>,
    /// Own fields and `join.field` that can be absent, and single joins.
    nullable: BTreeSet<String>,
}

struct OneCheck<'a> {
    library: &'a Arc<Library>,
    kind: &'a Kind,
    plan: &'a CheckPlan,
    reads: Reads,
    /// Paths without which a pass stays a pass, with the first example of it.
    needless: BTreeMap<String, String>,
    report: &'a mut Report,
}

impl OneCheck<'_> {
    fn check(&self) -> &Check {
        &self.plan.check
    }

    fn run(&mut self) {
        self.report.checks += 1;
        let examples: Vec<(String, Verdict, Map<String, Value>)> = {
            let mut numbers: BTreeMap<Verdict, usize> = BTreeMap::new();
            let examples = self.check().examples.iter().map(|(verdict, example)| {
                let number = numbers.entry(verdict).or_default();
                *number += 1;
                (format!("{}[{}]", verdict.as_str(), *number - 1), verdict, example.clone())
            });
            examples.collect()
        };
        for verdict in [Verdict::Pass, Verdict::Fail] {
            let given = examples.iter().any(|(_, other, _)| *other == verdict);
            if !given && self.check().severity != Severity::Info {
                self.fail(None, format!("there is no {} example", verdict.as_str()));
            }
        }
        let mut decided: BTreeSet<String> = BTreeSet::new();
        let mut lists: BTreeSet<String> = BTreeSet::new();
        let mut sound = !examples.is_empty();
        for (name, verdict, example) in &examples {
            sound &= self.example(name, *verdict, example, &mut decided, &mut lists);
        }
        let needless = std::mem::take(&mut self.needless);
        if let Some(first) = needless.values().next() {
            let paths: Vec<&str> = needless.keys().map(String::as_str).collect();
            let message = format!(
                "still passes while unread: {}; if logic alone decides, list them under decided_without",
                paths.join(", ")
            );
            self.fail(Some(&first.clone()), message);
        }
        for path in self.check().decided_without.clone() {
            if sound && !decided.contains(&path) {
                let message = format!("decided_without: no example is decided while {path} is unread; remove it");
                self.fail(None, message);
            }
        }
        let all_over: BTreeSet<&String> =
            self.plan.conditions().flat_map(|condition| &condition.program.all_over).collect();
        let missing: Vec<String> = all_over.into_iter().filter(|field| !lists.contains(*field)).cloned().collect();
        for field in missing {
            let message = format!(
                "`all` holds for an empty list: add an example where {field} is [], with the verdict that is right"
            );
            self.fail(None, message);
        }
    }

    /// Runs one example and what derives from it; false if it already fails as it is written.
    fn example(
        &mut self,
        name: &str,
        expected: Verdict,
        example: &Map<String, Value>,
        decided: &mut BTreeSet<String>,
        lists: &mut BTreeSet<String>,
    ) -> bool {
        self.report.examples += 1;
        let world = match self.world(example) {
            Ok(world) => world,
            Err(message) => {
                self.fail(Some(name), message);
                return false;
            }
        };
        for field in world.resources.iter().flat_map(|resource| &resource.fields) {
            if matches!(field.1, evidenced_model::Field::Read(Value::Array(list)) if list.is_empty()) {
                lists.insert(field.0.clone());
            }
        }
        if let Err(message) = verdict_is(&world, &[expected]) {
            self.fail(Some(name), message);
            return false;
        }
        self.take_away(name, expected, example, decided);
        if expected == Verdict::Pass {
            self.make_absent(name, example);
        }
        true
    }

    fn take_away(
        &mut self,
        name: &str,
        expected: Verdict,
        example: &Map<String, Value>,
        decided: &mut BTreeSet<String>,
    ) {
        for path in self.reads.paths.clone() {
            let Ok(mut world) = self.world(example) else { continue };
            if world.resources.is_empty() {
                continue;
            }
            if let Some((join, _)) = path.split_once('.')
                && !world.has_rows(join)
            {
                continue;
            }
            world.without(&path);
            self.report.derived += 1;
            if verdict_is(&world, &[Verdict::Unknown]).is_ok() {
                continue;
            }
            decided.insert(path.clone());
            if let Err(message) = verdict_is(&world, &[Verdict::Unknown, expected]) {
                self.fail(Some(name), format!("without {path}: {message}"));
            } else if expected == Verdict::Pass && !self.is_exempt(&path) {
                self.needless.entry(path).or_insert_with(|| name.to_owned());
            }
        }
    }

    fn is_exempt(&self, path: &str) -> bool {
        let listed = |path: &str| self.check().decided_without.iter().any(|other| other == path);
        let join_is_exempt = |join: &str| {
            let prefix = format!("{join}.");
            let mut fields = self.reads.paths.iter().filter(|path| path.starts_with(&prefix)).peekable();
            listed(join) || (fields.peek().is_some() && fields.all(|path| listed(path)))
        };
        listed(path)
            || (self.check().with.contains_key(path) && join_is_exempt(path))
            || path.split_once('.').is_some_and(|(join, _)| listed(join))
            || self.reads.left.get(path).is_some_and(|joins| joins.iter().all(|join| join_is_exempt(join)))
    }

    fn make_absent(&mut self, name: &str, example: &Map<String, Value>) {
        for path in self.reads.nullable.clone() {
            let Ok(mut world) = self.world(example) else { continue };
            let needed = path.split_once('.').map_or(path.as_str(), |(join, _)| join);
            if world.resources.is_empty() || (self.check().with.contains_key(needed) && !world.has_rows(needed)) {
                continue;
            }
            world.absent(&path);
            self.report.derived += 1;
            let declared = self.check().when_absent.get(&path).and_then(|absent| absent.verdict());
            // In a population the other resources count too, so only an answer is demanded.
            let allowed = match declared {
                Some(verdict) if self.check().per.is_none() => vec![verdict],
                _ => vec![Verdict::Pass, Verdict::Fail, Verdict::NotApplicable],
            };
            if let Err(message) = verdict_is(&world, &allowed) {
                self.fail(Some(name), format!("with {path} absent: {message}"));
            }
        }
    }

    fn world(&self, example: &Map<String, Value>) -> Result<World, String> {
        World::build(self.library, self.kind, self.check(), example)
    }

    fn fail(&mut self, example: Option<&str>, message: String) {
        let check = self.check().id.clone();
        self.report.failures.push(Failure { check, example: example.map(str::to_owned), message });
    }
}

fn verdict_is(world: &World, allowed: &[Verdict]) -> Result<(), String> {
    let outcome = world.run();
    if outcome.findings.is_empty() {
        return Err("gives no finding at all".into());
    }
    for finding in &outcome.findings {
        if is_defect(finding) {
            let complaint = outcome.complaint.unwrap_or_else(|| "a join's left side has no value".into());
            return Err(format!("the program has no answer although everything was read: {complaint}"));
        }
        if !allowed.contains(&finding.verdict) {
            let wanted: Vec<&str> = allowed.iter().map(|verdict| verdict.as_str()).collect();
            let mut message = format!("is {}, not {}", finding.verdict.as_str(), wanted.join(" or "));
            if !finding.because.is_empty() {
                let fields: Vec<&str> = finding.because.iter().map(|because| because.field.as_str()).collect();
                message = format!("{message} (because of {})", fields.join(", "));
            }
            return Err(message);
        }
    }
    Ok(())
}

fn reads(kind: &Kind, check: &CheckPlan) -> Reads {
    let mut reads = Reads::default();
    let mut joins = BTreeSet::new();
    for slot in check.slots() {
        match &kind.plan.slots[slot] {
            Source::Field(field) => {
                reads.paths.insert(field.clone());
                reads.nullable.extend(kind.decl.fields[field].nullable.then(|| field.clone()));
            }
            Source::JoinField(join, field) => {
                let name = &kind.plan.joins[*join].name;
                reads.paths.insert(format!("{name}.{field}"));
                joins.insert(*join);
                if check.check.when_absent.contains_key(&format!("{name}.{field}")) {
                    reads.nullable.insert(format!("{name}.{field}"));
                }
            }
            Source::JoinNull(join) => {
                joins.insert(*join);
            }
            Source::JoinList(join) => {
                let plan = &kind.plan.joins[*join];
                // The elements' fields can be those of another check's join; a join of one name has one list of them.
                reads.paths.extend(plan.fields.iter().map(|field| format!("{}.{field}", plan.name)));
                joins.insert(*join);
            }
            _ => {}
        }
    }
    for join in joins {
        let plan = &kind.plan.joins[join];
        reads.paths.insert(plan.name.clone());
        if !plan.many {
            reads.nullable.insert(plan.name.clone());
        }
        for slot in plan.on.iter().flat_map(|(_, program)| &program.slots) {
            if let Source::Field(field) = &kind.plan.slots[*slot] {
                reads.paths.insert(field.clone());
                reads.left.entry(field.clone()).or_default().insert(plan.name.clone());
            }
        }
    }
    reads
}
