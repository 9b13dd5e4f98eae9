//! A run is written once, read back whole, and compared with the next.

use crate::support::{Population, World, company};
use evidenced_model::{Cause, Verdict};
use evidenced_seal::diff::{What, diff};
use evidenced_seal::log::Draft;
use evidenced_seal::select::agents;
use evidenced_seal::verify::{Options, verify};
use evidenced_seal::{SealError, select_run};
use serde_json::json;

const BUCKETS: (&str, &str, &str) = ("123456789012", "eu-central-1", "aws.s3.bucket");

#[test]
fn what_was_written_is_read_back() {
    let mut world = World::new();
    let population = company();
    let sealed = world.run(&population);
    let reader = world.reader("latest");
    assert_eq!(reader.statement(), &sealed.statement);
    let mut read = Population::new();
    let mut findings = evidenced_model::VerdictCounts::default();
    for group in reader.groups().unwrap() {
        let group = group.unwrap();
        let mut last = None;
        for line in reader.resource_lines(&group).unwrap() {
            let line = line.unwrap();
            assert!(last.replace(line.hash) < Some(line.hash), "lines come in the order of their hashes");
        }
        for resource in reader.resources(&group).unwrap() {
            let resource = resource.unwrap();
            let place = population.keys().find(|(account, region, kind)| {
                resource.scope == crate::support::scope(account, region) && resource.kind.as_str() == *kind
            });
            let evidenced_model::Field::Read(value) = resource.field("value") else { panic!("{resource:?}") };
            assert_eq!(resource.field("nothing"), &evidenced_model::Field::Absent);
            let unread = resource.field("never");
            assert!(matches!(unread, evidenced_model::Field::Unread(why) if why.cause == Cause::Silent));
            read.entry(*place.unwrap()).or_default().insert(resource.id.clone(), value.clone());
        }
        for finding in reader.findings(&group).unwrap() {
            findings.count(finding.unwrap().verdict);
        }
    }
    let mut expected = population;
    expected.retain(|_, resources| !resources.is_empty());
    assert_eq!(read, expected);
    let totals = sealed.statement.predicate.totals;
    assert_eq!(totals.resources, 311);
    assert_eq!(totals.scopes, 6);
    assert_eq!(totals.findings, findings);
    assert_eq!(totals.findings.unknown, 2);
    assert_eq!(totals.findings.fail, 43);
    assert_eq!(reader.manifest().unwrap().totals, totals);
    assert_eq!(reader.calls().unwrap().operations.len(), 1);
    assert_eq!(reader.coverage().unwrap().accounts.len(), 2);
    assert_eq!(reader.controls().unwrap().findings, reader.subject("findings").unwrap());
}

#[test]
fn an_unchanged_company_is_not_written_again() {
    let mut world = World::new();
    let first = world.run(&company());
    assert!(first.written.objects > 10);
    let second = world.run(&company());
    // Only the manifest and the calls: they hold times.
    assert_eq!(second.written.objects, 2, "{:?}", second.written);
    for same in ["inventory", "findings", "coverage", "controls", "mappings", "config"] {
        assert_eq!(first.statement.digest_of(same), second.statement.digest_of(same), "{same}");
    }
    let report = world.verify();
    assert_eq!(report.problems, []);
    assert_eq!((report.runs, report.entries), (2, 5));
    let objects = world.store.files().keys().filter(|path| path.starts_with("v1/objects/")).count();
    assert!(report.objects < objects as u64 + 12, "{} reads of {objects} objects", report.objects);
}

#[test]
fn one_changed_resource_rewrites_one_chunk_of_each_tree() {
    let mut world = World::new();
    let mut population = company();
    world.run(&population);
    population.get_mut(&BUCKETS).unwrap().insert("bucket-7".to_owned(), json!({"encrypted": true, "pad": ""}));
    let second = world.run(&population);
    // Two chunks, three trees above each, manifest, calls, controls.
    assert_eq!(second.written.objects, 11, "{:?}", second.written);
    assert_eq!(world.verify().problems, []);
}

#[test]
fn differences_are_named() {
    let mut world = World::new();
    let mut population = company();
    world.run(&population);
    let buckets = population.get_mut(&BUCKETS).unwrap();
    buckets.insert("bucket-7".to_owned(), json!({"encrypted": true, "pad": ""}));
    buckets.remove("bucket-8");
    for number in 0..400 {
        buckets.insert(format!("more-{number}"), json!({"encrypted": false, "pad": "p".repeat(1500)}));
    }
    population.remove(&("111122223333", "eu-west-1", "aws.s3.bucket"));
    world.run(&population);
    assert_eq!(world.verify().problems, []);
    let mut changes = Vec::new();
    diff(&world.reader("latest~1"), &world.reader("latest"), &mut |change| changes.push(change)).unwrap();
    let count = |of: fn(&What) -> bool| changes.iter().filter(|change| of(&change.what)).count();
    assert_eq!(count(|what| matches!(what, What::ResourceAdded { id } if id.starts_with("more-"))), 400);
    assert_eq!(count(|what| matches!(what, What::ResourceAdded { .. })), 400);
    assert_eq!(count(|what| matches!(what, What::ResourceRemoved { id } if id == "bucket-8")), 1);
    assert_eq!(count(|what| matches!(what, What::ResourceRemoved { .. })), 1);
    let bucket = What::ResourceChanged { fields: vec!["value".to_owned()], id: "bucket-7".to_owned() };
    assert!(changes.iter().any(|change| change.what == bucket));
    assert_eq!(count(|what| matches!(what, What::ResourceChanged { .. })), 1);
    let turned = |what: &What| {
        matches!(what, What::Finding { before: Some(Verdict::Fail), after: Some(Verdict::Pass), resource, check }
            if resource == "bucket-7" && check.as_str() == "aws.s3.encryption")
    };
    assert!(changes.iter().any(|change| turned(&change.what)));
    assert_eq!(count(|what| matches!(what, What::Finding { before: None, .. })), 800);
    assert_eq!(count(|what| matches!(what, What::Finding { after: None, .. })), 2);
    assert_eq!(count(|what| matches!(what, What::Finding { .. })), 803);
    assert_eq!(count(|what| matches!(what, What::Coverage { after: None, before: Some(_) })), 1);
    let json = serde_json::to_value(&changes[0]).unwrap();
    assert_eq!(json["change"], "coverage", "{json}");
    let mut none = 0;
    diff(&world.reader("latest"), &world.reader("latest"), &mut |_| none += 1).unwrap();
    assert_eq!(none, 0);
}

#[test]
fn runs_are_chosen_by_id_age_or_date() {
    let mut world = World::new();
    let small = Population::new();
    assert!(select_run(&world.store, &world.agent, "latest", None).is_err());
    for _ in 0..30 {
        world.run(&small);
    }
    let choose = |which: &str| select_run(&world.store, &world.agent, which, Some(&world.keys())).map(|run| run.run);
    assert_eq!(choose("latest").unwrap(), World::run_id(29));
    assert_eq!(choose("latest~0").unwrap(), World::run_id(29));
    assert_eq!(choose("latest~29").unwrap(), World::run_id(0));
    assert_eq!(choose(&World::run_id(11).to_string()).unwrap(), World::run_id(11));
    assert_eq!(choose("2026-01-01").unwrap(), World::run_id(23), "the last of the day");
    assert_eq!(choose("2026-03-01").unwrap(), World::run_id(29), "the last before the day");
    for wrong in ["latest~30", "2025-12-31", "yesterday", "latest~", "latest~x", ""] {
        let error = choose(wrong).unwrap_err();
        assert!(matches!(error, SealError::NoSuchRun { .. }), "{wrong}: {error}");
    }
    assert_eq!(agents(&world.store).unwrap(), [world.agent.clone()]);
    let day = World::time(24).as_millisecond().unsigned_abs();
    let options = Options { keys: world.keys(), from: Some(day), ..Options::default() };
    assert_eq!(verify(&world.store, &options, &mut |_, _| {}).unwrap().runs, 6);
    let options = Options { keys: world.keys(), until: Some(day), ..Options::default() };
    assert_eq!(verify(&world.store, &options, &mut |_, _| {}).unwrap().runs, 24);
}

#[test]
fn an_open_run_is_a_note_and_an_abandoned_one_is_none() {
    let mut world = World::new();
    world.run(&company());
    world.append(&Draft::started(World::run_id(1), None));
    let report = world.verify();
    assert_eq!(report.problems, []);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert_eq!(world.log().unfinished(100).unwrap(), [World::run_id(1)]);
    world.append(&Draft::abandoned(World::run_id(1), "the process was stopped"));
    assert_eq!(world.log().unfinished(100).unwrap(), []);
    let report = world.verify();
    assert_eq!((report.problems, report.notes), (Vec::new(), Vec::new()));
}

#[test]
fn a_run_sealed_again_is_adopted() {
    let mut world = World::new();
    let population = company();
    let first = world.seal(&population, |_| {});
    let again = world.seal(&population, |_| {});
    assert_eq!(first.digest, again.digest);
    assert_eq!(again.written.objects, 0);
    world.runs = 1;
    assert_ne!(world.seal(&population, |_| {}).path, first.path);
}
