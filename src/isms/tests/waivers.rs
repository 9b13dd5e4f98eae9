//! Waivers in force: when they hold, what they cover, and that they never change a verdict.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![expect(clippy::needless_pass_by_value, reason = "a literal of JSON reads best where it is given")]

use evidenced_isms::{Isms, withdrawn};
use evidenced_model::{CheckId, Digest, Finding, KindId, ObjectiveId, Scope, Severity, Verdict};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn isms(waivers: Value) -> Isms {
    serde_json::from_value(json!({ "waivers": waivers })).unwrap()
}

fn waiver(resources: Value) -> Value {
    json!({
        "id": "W-1", "approved_by": "Ada", "checks": ["aws.s3.*"], "reason": "It is moved", "from": "2026-03-02",
        "expires": "2026-03-31", "since": "2026-03-01T12:00:00Z", "resources": resources,
    })
}

fn finding(verdict: Verdict) -> Finding {
    Finding {
        because: Vec::new(),
        check: CheckId::parse("aws.s3.versioning").unwrap(),
        check_sha256: Digest::ZERO,
        kind: KindId::parse("aws.s3.bucket").unwrap(),
        objective: ObjectiveId::parse("storage.versioning").unwrap(),
        observed: Map::new(),
        resource: "example-logs".to_owned(),
        rests_on: Vec::new(),
        revision: 1,
        scope: scope(),
        severity: Severity::Medium,
        verdict,
        waiver: None,
    }
}

fn scope() -> Scope {
    serde_json::from_value(json!({ "provider": "aws", "account": "123456789012", "region": "eu-west-1" })).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn marked(isms: &Isms, when: &str, tags: Option<Value>) -> bool {
    let mut finding = finding(Verdict::Fail);
    let tags = tags.map(|tags| tags.as_object().unwrap().clone());
    isms.in_force(at(when)).mark(&mut finding, tags.as_ref());
    finding.waiver.is_some()
}

#[test]
fn a_waiver_holds_from_its_log_entry_and_first_day_to_the_end_of_its_last_day() {
    let isms = isms(json!([waiver(json!({ "ids": ["*-logs"] }))]));
    for (when, holds) in [
        ("2026-03-01T23:59:59Z", false),
        ("2026-03-02T00:00:00Z", true),
        ("2026-03-31T23:59:59Z", true),
        ("2026-04-01T00:00:00Z", false),
    ] {
        assert_eq!(marked(&isms, when, None), holds, "{when}");
    }
    let mut late = waiver(json!({ "ids": ["*"] }));
    late["since"] = json!("2026-03-10T10:00:00Z");
    let late = self::isms(json!([late]));
    assert!(!marked(&late, "2026-03-10T09:59:59Z", None), "it works backwards");
    assert!(marked(&late, "2026-03-10T10:00:00Z", None));
    let mut never = waiver(json!({ "ids": ["*"] }));
    never.as_object_mut().unwrap().remove("since");
    assert!(!marked(&self::isms(json!([never])), "2026-03-10T10:00:00Z", None), "it was never logged");
}

#[test]
fn each_part_of_the_selector_has_to_fit_and_unread_tags_are_not_there() {
    let when = "2026-03-15T00:00:00Z";
    for (resources, tags, covered) in [
        (json!({ "ids": ["example-*"] }), None, true),
        (json!({ "ids": ["other"] }), None, false),
        (json!({ "accounts": ["123456789012"] }), None, true),
        (json!({ "accounts": ["111122223333"] }), None, false),
        (json!({ "tags": { "env": "test" } }), Some(json!({ "env": "test", "x": "y" })), true),
        (json!({ "tags": { "env": "test" } }), Some(json!({ "env": "production" })), false),
        (json!({ "tags": { "env": "test" } }), None, false),
        (json!({ "ids": ["example-logs"], "accounts": ["111122223333"] }), None, false),
        (json!({}), None, false),
    ] {
        assert_eq!(marked(&isms(json!([waiver(resources.clone())])), when, tags), covered, "{resources}");
    }
}

#[test]
fn a_waiver_speaks_up_before_and_after_its_end() {
    let isms = isms(json!([waiver(json!({ "ids": ["*"] }))]));
    assert!(isms.voices(at("2026-03-16T00:00:00Z")).is_empty());
    assert!(isms.voices(at("2026-03-17T00:00:00Z"))[0].contains("expires on 2026-03-31"));
    assert!(isms.voices(at("2027-03-17T00:00:00Z"))[0].contains("expired on 2026-03-31 and has no force"));
}

#[test]
fn what_did_not_change_keeps_its_moment_and_what_did_is_told() {
    let declared = |waivers: Value| isms(waivers).as_declared();
    let first = declared(json!([waiver(json!({ "ids": ["a"] }))]));
    let (logged, reasons) = first.clone().following(None, at("2026-03-01T00:00:00Z"));
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].contains("W-1") && reasons[0].contains("Ada"), "{reasons:?}");
    let (again, reasons) = first.following(Some(&logged), at("2026-03-02T00:00:00Z"));
    assert_eq!((&again, reasons.len()), (&logged, 0));
    let other = declared(json!([waiver(json!({ "ids": ["b"] }))]));
    let (changed, reasons) = other.following(Some(&logged), at("2026-03-03T00:00:00Z"));
    assert_eq!(changed.waivers()[0].since, Some(at("2026-03-03T00:00:00Z")));
    assert!(reasons[0].contains("W-1 is changed"), "{reasons:?}");
    let soa = json!({ "applicability": { "iso27001-2022": { "A.7.4": { "applies": false, "why": "none" } } } });
    let soa: Isms = serde_json::from_value(soa).unwrap();
    let (_, reasons) = soa.following(Some(&changed), at("2026-03-04T00:00:00Z"));
    assert!(reasons[0].contains("statement of applicability") && reasons[0].contains("applicability"), "{reasons:?}");
    assert!(reasons[1].contains("W-1 is withdrawn"), "{reasons:?}");
    assert_eq!(withdrawn(&changed).len(), 2);
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Pass), Just(Verdict::Fail), Just(Verdict::Unknown), Just(Verdict::NotApplicable)]
}

proptest! {
    #[test]
    fn a_waiver_never_changes_anything_but_the_mark_of_a_fail(
        verdict in verdicts(),
        pattern in "[a-z.*?]{0,12}",
        id in "[a-z*-]{0,8}",
        account in prop_oneof![Just("123456789012"), Just("111122223333")],
        day in 1i64..90,
        tags in proptest::collection::btree_map("[a-c]", "[a-c]", 0..3),
    ) {
        let mut one = waiver(json!({ "ids": [id, "*"], "accounts": [account], "tags": tags }));
        one["checks"] = json!([pattern, "aws.*"]);
        let isms = isms(json!([one]));
        let when = at("2026-02-01T00:00:00Z") + jiff::SignedDuration::from_hours(24 * day);
        let read: Map<String, Value> = tags.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        for tags in [None, Some(&read)] {
            let before = finding(verdict);
            let mut after = before.clone();
            isms.in_force(when).mark(&mut after, tags);
            prop_assert!(after.waiver.is_none() || verdict == Verdict::Fail);
            prop_assert_eq!(Finding { waiver: None, ..after }, before);
        }
    }
}
