//! A small kind to judge by, and the words to say it in.

use std::collections::BTreeSet;
use std::sync::Arc;

use evidenced_check::{Judge, Library, LoadError, Settings};
use evidenced_model::{
    Account, AccountCoverage, Cause, Cell, CellState, Coverage, Finding, GapCount, KindId, Refusal, Region, Resource,
    Scope, Unread, Verdict,
};
use serde_json::{Value, json};

pub(crate) const KIND: &str = "
kind: aws.test.thing
title: A thing
span: regional
lists: [test:ListThings]
fields:
  name: { type: string, about: its name, call: test:ListThings }
  a: { type: bool, about: a, call: test:GetA }
  b: { type: bool, about: b, call: test:GetB }
  n: { type: bool, about: n, nullable: true, call: test:GetN }
  m: { type: bool, about: m, nullable: true, call: test:GetM }
  size: { type: int, about: its size, call: test:GetSize }
  made: { type: timestamp, about: when it was made, call: test:GetMade }
  parts: { type: list, about: its parts, call: test:GetParts }
  tags: { type: map, about: its tags, call: test:GetTags }
  key_name: { type: string, about: its key, nullable: true, call: test:GetKey }
sample: { name: one, a: true, b: true, n: true, m: true, size: 3, made: 2025-12-01T00:00:00Z, parts: [x, y], tags: { k: v }, key_name: red }
checks:
";

pub(crate) const KEY: &str = "
kind: aws.test.key
title: A key
span: regional
lists: [test:ListKeys]
fields:
  name: { type: string, about: its name, call: test:ListKeys }
  good: { type: bool, about: it is good, call: test:GetKey }
  rotates: { type: bool, about: it rotates, nullable: true, call: test:GetKey }
sample: { name: red, good: true, rotates: true }
";

pub(crate) const PARAMS: &str = "
limit: { type: int, default: 5, about: a limit }
names: { type: list, about: names to be declared }
";

/// A check with everything but its programs.
pub(crate) fn check(id: &str, rest: &str) -> String {
    format!(
        "  - {{ id: aws.test.{id}, revision: 1, objective: test.holds, title: t, severity: medium, why: w, fix: f, {rest} }}\n"
    )
}

pub(crate) fn load(checks: &str) -> Result<Library, Vec<LoadError>> {
    let file = |name: &str, text: &str| (format!("{name}.yaml"), text.to_owned());
    let things = format!("{KIND}{}", if checks.is_empty() { "  []" } else { checks });
    Library::load([file("aws.test.thing", &things), file("aws.test.key", KEY)], file("params", PARAMS))
}

pub(crate) fn library(checks: &str) -> Arc<Library> {
    match load(checks) {
        Ok(library) => Arc::new(library),
        Err(errors) => panic!("{}", messages(&errors)),
    }
}

pub(crate) fn messages(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub(crate) fn settings() -> Settings {
    Settings::at("2026-01-01T00:00:00Z".parse().unwrap())
}

pub(crate) fn judge(checks: &str) -> Judge {
    Judge::compile(&library(checks), settings()).unwrap()
}

pub(crate) fn scope() -> Scope {
    Scope {
        account: Account::parse("123456789012").unwrap(),
        provider: "aws".parse().unwrap(),
        region: Region::parse("eu-west-1").unwrap(),
    }
}

pub(crate) fn kind(name: &str) -> KindId {
    KindId::parse(format!("aws.test.{name}")).unwrap()
}

/// A thing like the sample, but for these fields; `null` is absent and the text `?` is unread.
pub(crate) fn thing(id: &str, changes: Value) -> Resource {
    let sample = json!({
        "name": "one", "a": true, "b": true, "n": true, "m": true, "size": 3, "made": "2025-12-01T00:00:00Z",
        "parts": ["x", "y"], "tags": { "k": "v" }, "key_name": "red",
    });
    of_kind("thing", id, sample, changes)
}

pub(crate) fn key(id: &str, changes: Value) -> Resource {
    of_kind("key", id, json!({ "name": "red", "good": true, "rotates": true }), changes)
}

fn of_kind(name: &str, id: &str, sample: Value, changes: Value) -> Resource {
    let mut resource = Resource::new(kind(name), id, scope());
    let (Value::Object(mut fields), Value::Object(changes)) = (sample, changes) else { panic!("maps") };
    fields.extend(changes);
    for (name, value) in fields {
        match value {
            Value::Null => resource.absent(&name),
            Value::String(text) if text == "?" => resource.unread(&name, denied()),
            value => resource.read(&name, value),
        };
    }
    resource
}

pub(crate) fn denied() -> Unread {
    Unread { call: Some("test:Get".into()), cause: Cause::Denied, permission: Some("test:Get".into()) }
}

pub(crate) fn cell(name: &str, state: CellState) -> Cell {
    let refusal = Refusal { call: "test:List".into(), cause: Cause::Denied, code: None, permission: None };
    let gap = GapCount { count: 1, fields: Vec::new(), refusal, resources: Vec::new() };
    Cell {
        gaps: if state == CellState::Denied { vec![gap] } else { Vec::new() },
        kind: kind(name),
        reason: None,
        region: scope().region,
        resources: 0,
        state,
        total: None,
        vanished: 0,
    }
}

pub(crate) fn coverage(cells: Vec<Cell>) -> Coverage {
    let scope = scope();
    let account = AccountCoverage {
        account: scope.account.clone(),
        cells,
        gaps: Vec::new(),
        provider: scope.provider.clone(),
        regions: vec![scope.region],
    };
    Coverage { accounts: [((scope.provider, scope.account), account)].into() }
}

pub(crate) fn complete() -> Coverage {
    coverage(vec![cell("thing", CellState::Complete), cell("key", CellState::Complete)])
}

/// Everything a judge says about these resources.
pub(crate) fn all(judge: &Judge, things: &[Resource], keys: &[Resource], coverage: &Coverage) -> Vec<Finding> {
    let mut index = judge.join_index();
    for key in keys {
        index.observe(key);
    }
    let joins = index.seal(coverage);
    let mut populations = judge.populations();
    let mut findings = Vec::new();
    for thing in things {
        judge.judge(thing, &joins, &mut populations, &mut |finding| findings.push(finding));
    }
    judge.finish(populations, coverage, &mut |finding| findings.push(finding));
    findings
}

/// The only finding about one thing.
pub(crate) fn one(judge: &Judge, thing: Resource) -> Finding {
    let mut findings = all(judge, &[thing], &[], &complete());
    assert_eq!(findings.len(), 1);
    findings.remove(0)
}

/// The verdict of one program on one thing.
pub(crate) fn verdict(pass: &str, changes: Value) -> Verdict {
    let judge = judge(&check("one", &format!("pass: \"{pass}\", when_absent: {}", absent(pass))));
    one(&judge, thing("1", changes)).verdict
}

/// `handled` for every nullable field that a program reads.
pub(crate) fn absent(program: &str) -> String {
    let nullable: BTreeSet<&str> = ["n", "m", "key_name"].into_iter().filter(|field| reads(program, field)).collect();
    let list: Vec<String> = nullable.iter().map(|field| format!("{field}: handled")).collect();
    format!("{{ {} }}", list.join(", "))
}

fn reads(program: &str, field: &str) -> bool {
    program.match_indices(&format!("resource.{field}")).any(|(at, found)| {
        !program[at + found.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
    })
}
