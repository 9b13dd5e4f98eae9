//! Joined resources: found, certainly not there, or not known.

use evidenced_check::Judge;
use evidenced_model::{CellState, Coverage, Finding, Region, Resource, Verdict};
use serde_json::{Value, json};

use crate::kit::{all, cell, check, complete, coverage, judge, key, thing};

use Verdict::{Fail, Pass, Unknown};

const ON: &str = "with: { key: { kind: aws.test.key, on: { name: resource.key_name }, in: region } }";

fn single() -> Judge {
    judge(&check("one", &format!("{ON}, pass: 'key != null && key.good'")))
}

fn said(judge: &Judge, changes: Value, keys: &[Resource], coverage: &Coverage) -> Finding {
    all(judge, &[thing("1", changes)], keys, coverage).remove(0)
}

#[test]
fn a_match_is_read_and_named() {
    let finding =
        said(&single(), json!({}), &[key("k", json!({})), key("other", json!({ "name": "blue" }))], &complete());
    assert_eq!(finding.verdict, Pass);
    assert_eq!(finding.rests_on.iter().map(|on| on.id.as_str()).collect::<Vec<_>>(), ["k"]);
    assert_eq!(finding.observed["key.good"], json!(true));
    assert_eq!(said(&single(), json!({}), &[key("k", json!({ "good": false }))], &complete()).verdict, Fail);
}

#[test]
fn nothing_is_null_only_where_everything_was_read() {
    let nothing = |coverage: &Coverage| said(&single(), json!({}), &[], coverage);
    assert_eq!(nothing(&complete()).verdict, Fail);
    for state in [CellState::Denied, CellState::Partial, CellState::Skipped, CellState::Failed] {
        let open = coverage(vec![cell("thing", CellState::Complete), cell("key", state)]);
        let finding = nothing(&open);
        assert_eq!((finding.verdict, finding.because[0].field.as_str()), (Unknown, "key"), "{state:?}");
    }
    // The kind was not planned at all.
    assert_eq!(nothing(&coverage(vec![cell("thing", CellState::Complete)])).verdict, Unknown);
    // What was found stays found.
    let open = coverage(vec![cell("key", CellState::Partial)]);
    assert_eq!(said(&single(), json!({}), &[key("k", json!({}))], &open).verdict, Pass);
}

#[test]
fn both_sides_may_be_unread() {
    let keys = [key("k", json!({ "good": "?" }))];
    let finding = said(&single(), json!({}), &keys, &complete());
    assert_eq!((finding.verdict, finding.because[0].field.as_str()), (Unknown, "key.good"));
    let finding = said(&single(), json!({ "key_name": "?" }), &[key("k", json!({}))], &complete());
    assert_eq!((finding.verdict, finding.because[0].field.as_str()), (Unknown, "key_name"));
    // A key whose name is unread may be the one.
    let finding = said(&single(), json!({}), &[key("k", json!({ "name": "?" }))], &complete());
    assert_eq!((finding.verdict, finding.because[0].field.as_str()), (Unknown, "key"));
}

#[test]
fn a_left_side_that_is_absent_joins_nothing() {
    assert_eq!(said(&single(), json!({ "key_name": null }), &[key("k", json!({}))], &complete()).verdict, Fail);
    let judge = judge(&check("one", &format!("{ON}, pass: 'key == null', when_absent: {{ key_name: fail }}")));
    assert_eq!(said(&judge, json!({ "key_name": null }), &[], &complete()).verdict, Fail);
    assert_eq!(said(&judge, json!({ "key_name": "?" }), &[], &complete()).verdict, Unknown);
    assert_eq!(said(&judge, json!({ "key_name": "blue" }), &[], &complete()).verdict, Pass);
}

#[test]
fn absence_of_a_join_or_of_its_field_can_decide() {
    let judge = judge(&check(
        "one",
        &format!("{ON}, pass: key.rotates, when_absent: {{ key: not_applicable, key.rotates: fail }}"),
    ));
    assert_eq!(said(&judge, json!({}), &[key("k", json!({ "rotates": null }))], &complete()).verdict, Fail);
    assert_eq!(said(&judge, json!({}), &[key("k", json!({}))], &complete()).verdict, Pass);
    assert_eq!(said(&judge, json!({}), &[key("k", json!({ "rotates": "?" }))], &complete()).verdict, Unknown);
}

#[test]
fn the_reach_of_a_join_is_kept() {
    let mut far = key("k", json!({}));
    far.scope.region = Region::parse("us-east-1").unwrap();
    assert_eq!(said(&single(), json!({}), &[far.clone()], &complete()).verdict, Fail);
    let wide = judge(&check("one", &format!("{}, pass: 'key != null'", ON.replace("region", "account"))));
    assert_eq!(said(&wide, json!({}), &[far], &complete()).verdict, Pass);
}

#[test]
fn several_matches_are_no_answer_unless_the_check_asks_for_all() {
    let keys = [key("k1", json!({})), key("k2", json!({ "good": false }))];
    assert_eq!(said(&single(), json!({}), &keys, &complete()).verdict, Unknown);
    let many = ON.replace("in: region", "in: region, many: true, fields: [good]").replace("key:", "keys:");
    let judge = judge(&check("one", &format!("{many}, pass: 'keys.exists(k, !k.good)'")));
    let finding = said(&judge, json!({}), &keys, &complete());
    assert_eq!((finding.verdict, finding.rests_on.len()), (Pass, 2));
    assert_eq!(said(&judge, json!({}), &[], &complete()).verdict, Fail);
    assert_eq!(said(&judge, json!({}), &[key("k", json!({ "good": "?" }))], &complete()).verdict, Unknown);
    assert_eq!(said(&judge, json!({}), &keys, &coverage(vec![cell("key", CellState::Partial)])).verdict, Unknown);
    assert_eq!(said(&judge, json!({ "key_name": null }), &keys, &complete()).verdict, Fail);
}

#[test]
fn the_plan_knows_what_is_joined() {
    let judge = single();
    assert_eq!(judge.reads(&crate::kit::kind("key")).into_iter().collect::<Vec<_>>(), ["good", "name"]);
    assert!(judge.kinds().contains(&crate::kit::kind("key")));
    assert!(judge.join_index().wants(&crate::kit::kind("key")));
    assert!(!judge.join_index().wants(&crate::kit::kind("thing")));
}
