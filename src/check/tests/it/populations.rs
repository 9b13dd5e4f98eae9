//! Populations: what holds whatever is unread, and the places that are judged.

use evidenced_check::Judge;
use evidenced_model::{CellState, Coverage, Finding, Resource, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{all, cell, check, complete, coverage, judge, scope, thing};

use Verdict::{Fail, NotApplicable, Pass, Unknown};

fn population(rest: &str) -> Judge {
    judge(&check("one", &format!("per: account, {rest}")))
}

fn said(judge: &Judge, things: &[Value], coverage: &Coverage) -> Finding {
    let things: Vec<Resource> =
        things.iter().enumerate().map(|(index, changes)| thing(&index.to_string(), changes.clone())).collect();
    let mut findings = all(judge, &things, &[], coverage);
    assert_eq!(findings.len(), 1);
    findings.remove(0)
}

fn open() -> Coverage {
    coverage(vec![cell("thing", CellState::Denied)])
}

#[test]
fn each_quantity_settles_only_what_is_certain() {
    let (yes, no, unread) = (json!({}), json!({ "a": false }), json!({ "a": "?" }));
    for (rest, cases) in [
        (
            "some: resource.a, when_empty: fail",
            [
                (vec![], Fail, Unknown),
                (vec![&yes], Pass, Pass),
                (vec![&no], Fail, Unknown),
                (vec![&unread, &yes], Pass, Pass),
                (vec![&unread, &no], Unknown, Unknown),
            ],
        ),
        (
            "every: resource.a, when_empty: pass",
            [
                (vec![], Pass, Unknown),
                (vec![&yes], Pass, Unknown),
                (vec![&no, &unread], Fail, Fail),
                (vec![&unread, &yes], Unknown, Unknown),
                (vec![&yes, &no], Fail, Fail),
            ],
        ),
        (
            "none: resource.a, when_empty: not_applicable",
            [
                (vec![], NotApplicable, Unknown),
                (vec![&no], Pass, Unknown),
                (vec![&yes, &unread], Fail, Fail),
                (vec![&unread, &no], Unknown, Unknown),
                (vec![&no, &no], Pass, Unknown),
            ],
        ),
        (
            "count: { of: resource.a, min: 1, max: 1 }, when_empty: fail",
            [
                (vec![], Fail, Unknown),
                (vec![&yes], Pass, Unknown),
                (vec![&yes, &yes], Fail, Fail),
                (vec![&yes, &unread], Unknown, Unknown),
                (vec![&no], Fail, Unknown),
            ],
        ),
    ] {
        let judge = population(rest);
        for (things, closed_verdict, open_verdict) in cases {
            let things: Vec<Value> = things.into_iter().cloned().collect();
            assert_eq!(said(&judge, &things, &complete()).verdict, closed_verdict, "{rest} {things:?}");
            assert_eq!(said(&judge, &things, &open()).verdict, open_verdict, "{rest} {things:?}, not complete");
        }
    }
}

#[test]
fn an_unread_resource_may_be_no_subject_at_all() {
    // At most two, and the only one may be left out: then the population is empty, and that fails.
    let judge = population("applies: resource.b, count: { of: resource.a, max: 2 }, when_empty: fail");
    assert_eq!(said(&judge, &[json!({ "b": "?" })], &complete()).verdict, Unknown);
    assert_eq!(said(&judge, &[json!({ "b": "?" }), json!({})], &complete()).verdict, Pass);
    assert_eq!(said(&judge, &[json!({ "b": false })], &complete()).verdict, Fail);
}

#[test]
fn absence_speaks_of_good_and_bad() {
    let none = population("none: resource.n, when_absent: { n: pass }, when_empty: not_applicable");
    assert_eq!(said(&none, &[json!({ "n": null })], &complete()).verdict, Pass);
    let none = population("none: resource.n, when_absent: { n: fail }, when_empty: not_applicable");
    assert_eq!(said(&none, &[json!({ "n": null })], &complete()).verdict, Fail);
    let every = population("every: resource.n, when_absent: { n: not_applicable }, when_empty: fail");
    assert_eq!(said(&every, &[json!({ "n": null })], &complete()).verdict, Fail);
    assert_eq!(said(&every, &[json!({ "n": null }), json!({})], &complete()).verdict, Pass);
}

#[test]
fn named_predicates_may_be_met_by_different_resources() {
    let judge = population(
        "some: { first: 'resource.a && !resource.b', second: '!resource.a && resource.b' }, when_empty: fail",
    );
    let first = json!({ "b": false });
    let second = json!({ "a": false });
    let finding = said(&judge, &[first.clone(), second.clone()], &complete());
    assert_eq!((finding.verdict, finding.observed["missing"].clone()), (Pass, json!([])));
    let finding = said(&judge, std::slice::from_ref(&first), &complete());
    assert_eq!((finding.verdict, finding.observed["missing"].clone()), (Fail, json!(["second"])));
    assert_eq!(said(&judge, &[first, json!({ "a": "?" })], &complete()).verdict, Unknown);
}

#[test]
fn every_planned_place_is_judged_and_no_other() {
    let judge = judge(&check("one", "per: region, every: resource.a, when_empty: not_applicable"));
    let finding = said(&judge, &[], &complete());
    assert_eq!((finding.kind.as_str(), finding.resource.as_str()), ("place.region", "eu-west-1"));
    assert_eq!((finding.scope, finding.verdict), (scope(), NotApplicable));
    assert!(all(&judge, &[], &[], &coverage(vec![cell("key", CellState::Complete)])).is_empty());
    let finding = said(&population("every: resource.a, when_empty: pass"), &[], &open());
    assert_eq!((finding.kind.as_str(), finding.resource.as_str()), ("place.account", "123456789012"));
    assert_eq!((finding.scope.region.as_str(), finding.because[0].field.as_str()), ("global", "population"));
    let wide = crate::kit::judge(&check("one", "per: organization, every: resource.a, when_empty: pass"));
    assert_eq!(said(&wide, &[json!({})], &complete()).resource, "organization");
}

#[test]
fn findings_name_the_first_that_decide() {
    let judge = population("every: resource.a, when_empty: pass");
    let mut things = vec![json!({ "a": false }); 8];
    things.push(json!({}));
    let finding = said(&judge, &things, &complete());
    assert_eq!(finding.rests_on.iter().map(|on| on.id.as_str()).collect::<Vec<_>>(), ["0", "1", "2", "3", "4"]);
    assert_eq!(finding.observed["resources"], json!(9));
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(true)), Just(json!(false)), Just(json!("?"))]
}

fn element() -> impl Strategy<Value = Value> {
    (value(), value(), prop_oneof![value(), Just(Value::Null)]).prop_map(|(a, b, n)| json!({ "a": a, "b": b, "n": n }))
}

const QUANTITIES: &[&str] = &[
    "some: resource.a, when_empty: pass",
    "some: { x: resource.a, y: '!resource.a' }, when_empty: not_applicable",
    "every: 'resource.a || resource.n', when_absent: { n: pass }, when_empty: fail",
    "every: 'resource.n', when_absent: { n: not_applicable }, when_empty: fail",
    "none: 'resource.a && resource.n', when_absent: { n: fail }, when_empty: fail",
    "count: { of: resource.a, min: 2, max: 3 }, when_empty: pass",
    "count: { of: resource.a, max: 1 }, when_empty: fail",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any order and any split over threads gives the same findings.
    #[test]
    fn the_order_does_not_matter(elements in prop::collection::vec(element(), 0..9), at in 0_usize..9, quantity in 0..QUANTITIES.len()) {
        let judge = population(&format!("applies: resource.b, {}", QUANTITIES[quantity]));
        let things: Vec<Resource> =
            elements.iter().enumerate().map(|(index, element)| thing(&index.to_string(), element.clone())).collect();
        let joins = judge.join_index().seal(&complete());
        let mut once = judge.populations();
        for thing in &things {
            judge.judge(thing, &joins, &mut once, &mut |_| {});
        }
        let (mut left, mut right) = (judge.populations(), judge.populations());
        let (head, tail) = things.split_at(at.min(things.len()));
        for thing in tail.iter().rev() {
            judge.judge(thing, &joins, &mut left, &mut |_| {});
        }
        for thing in head.iter().rev() {
            judge.judge(thing, &joins, &mut right, &mut |_| {});
        }
        left.merge(right);
        let finish = |populations| {
            let mut findings = Vec::new();
            judge.finish(populations, &complete(), &mut |finding| findings.push(finding));
            findings
        };
        prop_assert_eq!(finish(once), finish(left));
    }

    /// Reading less, or losing resources together with their cell's completeness, gives the same verdict or unknown.
    #[test]
    fn less_reading_never_turns_a_verdict(
        full in prop::collection::vec((any::<bool>(), any::<bool>(), any::<Option<bool>>(), 0_u8..8, any::<bool>()), 0..7),
        quantity in 0..QUANTITIES.len(),
        is_open: bool,
    ) {
        let judge = population(&format!("applies: resource.b, {}", QUANTITIES[quantity]));
        let whole: Vec<Value> = full.iter().map(|(a, b, n, ..)| json!({ "a": a, "b": b, "n": n })).collect();
        let expected = said(&judge, &whole, &complete()).verdict;
        let mut less = Vec::new();
        for ((_, _, _, hidden, lost), mut element) in full.iter().zip(whole) {
            for (bit, field) in ["a", "b", "n"].into_iter().enumerate() {
                if hidden & (1 << bit) != 0 {
                    element[field] = json!("?");
                }
            }
            if !(is_open && *lost) {
                less.push(element);
            }
        }
        let verdict = said(&judge, &less, &if is_open { open() } else { complete() }).verdict;
        prop_assert!(verdict == expected || verdict == Unknown, "{:?} became {:?}", expected, verdict);
    }
}
