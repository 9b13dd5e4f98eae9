//! Checks of single resources: the three values, absence, reasons, what is observed.

use evidenced_check::{Judge, is_defect};
use evidenced_model::{Cause, Verdict};
use serde_json::json;

use crate::kit::{check, complete, judge, library, one, settings, thing, verdict};

use Verdict::{Fail, NotApplicable, Pass, Unknown};

#[test]
fn errors_are_absorbed_as_three_valued_logic_does() {
    for (program, expected) in [
        ("resource.a && resource.b", Unknown),
        ("resource.b && resource.a", Unknown),
        ("resource.a && false", Fail),
        ("false && resource.a", Fail),
        ("resource.a || true", Pass),
        ("true || resource.a", Pass),
        ("resource.a || resource.b", Pass),
        ("resource.a || !resource.b", Unknown),
        ("!resource.a", Unknown),
        ("resource.a ? true : true", Unknown),
        ("resource.a == true", Unknown),
        ("resource.a in [true, false]", Unknown),
        ("or(resource.a, true)", Unknown),
        ("has(resource.a)", Unknown),
        ("resource.a != null", Unknown),
        ("[1, 2].all(i, i > 0 || resource.a)", Pass),
        ("[1, 2].all(i, i > 1 && resource.a)", Fail),
        ("[1, 2].all(i, resource.a || i > 1)", Unknown),
        ("[1, 2].exists(i, resource.a || i > 1)", Pass),
        ("[1, 2].exists(i, resource.a && i > 1)", Unknown),
        ("[1, 2].exists_one(i, resource.a && i > 1)", Unknown),
        ("[1, 2].map(i, resource.a).size() == 2", Unknown),
        ("[1, 2].filter(i, resource.a).size() == 0", Unknown),
        ("{'k': resource.a}.size() == 1", Unknown),
        ("[resource.a].size() == 1", Unknown),
        ("type(resource.a) == bool || true", Pass),
    ] {
        assert_eq!(verdict(program, json!({ "a": "?" })), expected, "{program}");
    }
}

#[test]
fn what_is_unread_of_lists_and_maps_is_not_taken_for_empty() {
    for program in [
        "'x' in resource.parts",
        "!('x' in resource.parts)",
        "size(resource.parts) == 0",
        "resource.parts.all(p, p == 'z')",
        "!resource.parts.exists(p, p == 'z')",
        "resource.parts == []",
        "resource.parts != ['x']",
        "has(resource.tags.k)",
        "!has(resource.tags.k)",
        "!('k' in resource.tags)",
        "resource.tags['k'] == 'v'",
    ] {
        assert_eq!(verdict(program, json!({ "parts": "?", "tags": "?" })), Unknown, "{program}");
    }
}

#[test]
fn values_come_as_their_declared_types() {
    for program in [
        "resource.size + 1 == 4",
        "resource.size < params.limit",
        "resource.made < now && now - resource.made > days(30) && now - resource.made < days(32)",
        "resource.made < timestamp('2025-12-02T00:00:00Z')",
        "resource.parts[0] == 'x' && size(resource.parts) == 2 && 'y' in resource.parts",
        "resource.tags.k == 'v' && resource.tags == {'k': 'v'}",
        "resource.name.startsWith('o') && resource.name.upperAscii() == 'ONE'",
        "scope.account == '123456789012' && scope.region == 'eu-west-1' && scope.partition == 'aws'",
        "scope.provider == 'aws'",
        "cidr_contains('10.0.0.0/8', '10.1.2.3') && !cidr_is_any('10.0.0.0/8')",
        "!(resource.name == 'two')",
    ] {
        assert_eq!(verdict(program, json!({})), Pass, "{program}");
    }
}

#[test]
fn or_replaces_null_only() {
    assert_eq!(verdict("or(resource.n, true)", json!({ "n": null })), Pass);
    assert_eq!(verdict("or(resource.n, true)", json!({ "n": false })), Fail);
    assert_eq!(verdict("or(resource.n, true)", json!({ "n": "?" })), Unknown);
    assert_eq!(verdict("has(resource.n)", json!({ "n": null })), Fail);
    assert_eq!(verdict("resource.n == null", json!({ "n": null })), Pass);
}

#[test]
fn applies_comes_first() {
    let judge = judge(&check("one", "applies: resource.a, pass: resource.b"));
    for (changes, expected) in [
        (json!({}), Pass),
        (json!({ "b": false }), Fail),
        (json!({ "a": false, "b": "?" }), NotApplicable),
        (json!({ "a": "?", "b": false }), Unknown),
        (json!({ "b": "?" }), Unknown),
    ] {
        assert_eq!(one(&judge, thing("1", changes.clone())).verdict, expected, "{changes}");
    }
}

#[test]
fn absence_decides_before_the_program_and_fail_before_the_rest() {
    let judge = judge(&check(
        "one",
        "pass: 'resource.a || (resource.n && resource.m)', when_absent: { n: fail, m: not_applicable }",
    ));
    for (changes, expected) in [
        (json!({ "n": null }), Fail),
        (json!({ "m": null }), NotApplicable),
        (json!({ "n": null, "m": null }), Fail),
        // Whether it is absent is not known, and it would decide.
        (json!({ "n": "?" }), Unknown),
        (json!({ "n": null, "m": "?" }), Fail),
        (json!({ "n": "?", "m": null }), Unknown),
        (json!({ "n": null, "a": "?" }), Fail),
    ] {
        assert_eq!(one(&judge, thing("1", changes.clone())).verdict, expected, "{changes}");
    }
}

#[test]
fn absence_of_the_same_verdict_does_not_keep_one_from_being_settled() {
    let judge = judge(&check("one", "pass: 'resource.a && resource.n', when_absent: { n: fail }"));
    assert_eq!(one(&judge, thing("1", json!({ "a": false, "n": "?" }))).verdict, Fail);
    assert_eq!(one(&judge, thing("1", json!({ "n": "?" }))).verdict, Unknown);
}

#[test]
fn absence_in_applies_decides_only_where_the_program_has_no_answer() {
    let judge = judge(&check("one", "applies: 'resource.a && resource.n', pass: 'true', when_absent: { n: fail }"));
    assert_eq!(one(&judge, thing("1", json!({ "n": null }))).verdict, Fail);
    assert_eq!(one(&judge, thing("1", json!({ "n": null, "a": false }))).verdict, NotApplicable);
    assert_eq!(one(&judge, thing("1", json!({ "n": null, "a": "?" }))).verdict, Unknown);
}

#[test]
fn unknown_names_what_is_missing() {
    let judge = judge(&check("one", "pass: 'resource.b && resource.a && resource.size > 0'"));
    let finding = one(&judge, thing("1", json!({ "a": "?", "b": "?" })));
    let fields: Vec<&str> = finding.because.iter().map(|because| because.field.as_str()).collect();
    assert_eq!(fields, ["a", "b"]);
    assert!(finding.because.iter().all(|because| {
        because.cause == Cause::Denied && because.call.as_deref() == Some("test:Get") && because.permission.is_some()
    }));
    // A field that nobody wrote is named with the call that would have told.
    let mut silent = thing("1", json!({}));
    silent.fields.remove("size");
    let finding = one(&judge, silent);
    assert_eq!(finding.because[0].cause, Cause::Silent);
    assert_eq!(finding.because[0].call.as_deref(), Some("test:GetSize"));
}

#[test]
fn a_timestamp_that_is_none_is_unread() {
    let finding = one(&judge(&check("one", "pass: resource.made < now")), thing("1", json!({ "made": "yesterday" })));
    assert_eq!((finding.verdict, finding.because[0].cause), (Unknown, Cause::Malformed));
    assert!(!is_defect(&finding));
}

#[test]
fn an_error_on_what_was_read_is_a_defect_of_the_check() {
    for program in
        ["resource.size", "resource.size && true", "resource.tags.missing == 1", "1 / (resource.size - 3) == 1"]
    {
        let judge = judge(&check("one", &format!("pass: '{program}'")));
        let finding = one(&judge, thing("1", json!({})));
        assert_eq!(finding.verdict, Unknown, "{program}");
        assert!(is_defect(&finding), "{program}");
        assert_eq!(judge.defects().len(), 1, "{program}");
    }
}

#[test]
fn observed_holds_what_decided_and_stays_small() {
    let judge = judge(&check("one", "applies: resource.a, pass: 'size(resource.parts) < 3 || resource.size == 1'"));
    let observed = |changes| serde_json::Value::Object(one(&judge, thing("1", changes)).observed);
    assert_eq!(observed(json!({})), json!({ "parts": ["x", "y"], "size": 3 }));
    assert_eq!(observed(json!({ "a": false })), json!({ "a": false }));
    assert_eq!(observed(json!({ "parts": "?" })), json!({ "size": 3 }));
    let long = vec!["0123456789"; 200];
    let observed = observed(json!({ "parts": long }));
    assert_eq!(observed["parts"]["bytes"], json!(2601));
    assert_eq!(observed["parts"]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn findings_do_not_depend_on_the_moment() {
    let library = library(&check("one", "pass: now - resource.made < days(365)"));
    let line = |now: &str| {
        let mut settings = settings();
        settings.now = now.parse().unwrap();
        let mut line = Vec::new();
        one(&Judge::compile(&library, settings).unwrap(), thing("1", json!({}))).write_line(&mut line);
        String::from_utf8(line).unwrap()
    };
    assert_eq!(line("2026-01-01T00:00:00Z"), line("2026-03-01T12:34:56Z"));
}

#[test]
fn settings_choose_and_declare() {
    let library = library(&format!(
        "{}{}",
        check("one", "pass: resource.a"),
        check("two", "pass: resource.name in params.names, needs: [names]")
    ));
    let judge = Judge::compile(&library, settings()).unwrap();
    assert_eq!(judge.undeclared()[0].params, ["names"]);
    assert_eq!(judge.reads(&crate::kit::kind("thing")).into_iter().collect::<Vec<_>>(), ["a"]);
    let mut declared = settings();
    declared.params.insert("names".into(), json!(["one"]));
    declared.disabled.insert("aws.test.one".parse().unwrap());
    let judge = Judge::compile(&library, declared.clone()).unwrap();
    assert!(judge.undeclared().is_empty());
    let findings = crate::kit::all(&judge, &[thing("1", json!({}))], &[], &complete());
    assert_eq!((findings.len(), findings[0].verdict), (1, Pass));

    let wrong = |change: &dyn Fn(&mut evidenced_check::Settings)| {
        let mut settings = settings();
        change(&mut settings);
        Judge::compile(&library, settings).unwrap_err().to_string()
    };
    assert!(
        wrong(&|settings| drop(settings.params.insert("limits".into(), json!(1)))).contains("did you mean \"limit\"")
    );
    assert!(wrong(&|settings| drop(settings.params.insert("limit".into(), json!("1")))).contains("a whole number"));
    assert!(wrong(&|settings| settings.disabled.extend(["aws.test.on".parse().unwrap()])).contains("aws.test.one"));
}

#[test]
fn the_stored_form_judges_alike() {
    let library = library(&check("one", "applies: resource.size < params.limit, pass: resource.a"));
    let judge = Judge::compile(&library, settings()).unwrap();
    let document = library.to_json(&settings());
    let (again, settings) = evidenced_check::Library::from_json(document.clone()).unwrap();
    assert_eq!(again.to_json(&settings), document);
    let again = Judge::compile(&again, settings).unwrap();
    for changes in [json!({}), json!({ "a": false }), json!({ "a": "?" }), json!({ "size": 9 })] {
        assert_eq!(one(&judge, thing("1", changes.clone())), one(&again, thing("1", changes)));
    }
}

#[test]
fn the_digest_covers_the_meaning_only() {
    let digest = |rest: &str| judge(&check("one", rest)).checks().next().unwrap().2;
    let first = digest("pass: resource.a");
    assert_eq!(first, digest("pass: resource.a, decided_without: [a]"));
    assert_ne!(first, digest("pass: resource.b"));
    assert_ne!(first, digest("pass: resource.a, applies: resource.b"));
    assert_ne!(
        digest("pass: resource.n, when_absent: { n: fail }"),
        digest("pass: resource.n, when_absent: { n: pass }")
    );
}
