//! The examples runner: it finds checks that know more than they read, and examples that are missing.

use evidenced_check::runner::{self, Report};

use crate::kit::{check, library};

fn report(rest: &str) -> Report {
    runner::run(&library(&check("one", rest)))
}

fn failures(rest: &str) -> String {
    let failures = report(rest).failures;
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_check_is_silent() {
    let report = report(
        "applies: resource.b, pass: resource.a, examples: { pass: {}, fail: { a: false }, not_applicable: { b: false } }",
    );
    assert_eq!(report.failures, []);
    assert_eq!((report.checks, report.examples), (1, 3));
    assert_eq!(report.derived, 6);
}

#[test]
fn every_kind_of_mistake_is_found() {
    for (rest, expected) in [
        ("pass: resource.a, examples: { fail: { a: false } }", "there is no pass example"),
        ("pass: resource.a, examples: { pass: {} }", "there is no fail example"),
        (
            "pass: resource.a, examples: { pass: { a: false }, fail: { a: false } }",
            "example pass[0]: is fail, not pass",
        ),
        ("pass: resource.a, examples: { pass: { aa: true }, fail: { a: false } }", "declares no field \"aa\""),
        ("pass: resource.a, examples: { pass: { a: 1 }, fail: { a: false } }", "declared as true or false"),
        (
            "pass: 'resource.a || resource.b', examples: { pass: {}, fail: { a: false, b: false } }",
            "still passes while unread: a, b",
        ),
        (
            "pass: resource.a, decided_without: [a], examples: { pass: {}, fail: { a: false } }",
            "no example is decided while a is unread",
        ),
        (
            "pass: \"resource.parts.all(p, p != 'z')\", examples: { pass: {}, fail: { parts: [z] } }",
            "add an example where parts is []",
        ),
        (
            "pass: resource.n, when_absent: { n: handled }, examples: { pass: {}, fail: { n: false } }",
            "with n absent: the program has no answer",
        ),
        (
            "applies: resource.n != null, pass: 'or(resource.n, false)', when_absent: { n: fail }, examples: { pass: {}, fail: { n: false } }",
            "with n absent: is not_applicable, not fail",
        ),
        (
            "pass: resource.size, examples: { pass: {}, fail: {} }",
            "the program has no answer although everything was read: the result is a int",
        ),
        ("pass: resource.name in params.names, needs: [names], examples: { pass: {}, fail: {} }", "needs params.names"),
        (
            "pass: resource.a, examples: { pass: { population: [] }, fail: { a: false } }",
            "`population` goes with `per`",
        ),
        (
            "pass: resource.a, examples: { pass: { with: { key: {} } }, fail: { a: false } }",
            "which the check does not join",
        ),
        ("pass: resource.a, examples: { pass: { now: soon }, fail: { a: false } }", "`now` is a timestamp"),
    ] {
        let failures = failures(rest);
        assert!(failures.contains(expected), "{rest}: {failures}");
    }
}

#[test]
fn examples_bring_their_own_parameters_moment_and_place() {
    assert_eq!(
        failures(
            "pass: 'resource.name in params.names', needs: [names], examples: { pass: { params: { names: [one] } }, fail: { params: { names: [two] } } }"
        ),
        ""
    );
    assert_eq!(
        failures("pass: 'now - resource.made < days(60)', examples: { pass: {}, fail: { now: 2027-01-01T00:00:00Z } }"),
        ""
    );
    assert_eq!(
        failures(
            "pass: \"resource.a && scope.region == 'us-east-1'\", examples: { pass: { scope: { region: us-east-1 } }, fail: [{}, { a: false }] }"
        ),
        ""
    );
}

#[test]
fn joins_match_by_themselves_unless_the_example_says_otherwise() {
    let with = "with: { key: { kind: aws.test.key, on: { name: resource.key_name }, in: region } }";
    assert_eq!(
        failures(&format!(
            "{with}, pass: 'key != null && key.good', examples: {{ pass: {{}}, fail: [{{ with: {{ key: null }} }}, {{ key_name: null }}, {{ with: {{ key: {{ good: false }} }} }}] }}"
        )),
        ""
    );
    let failures = failures(&format!(
        "{with}, pass: 'key.good', examples: {{ pass: {{}}, fail: {{ with: {{ key: {{ good: false }} }} }} }}"
    ));
    assert!(failures.contains("with key absent: the program has no answer"), "{failures}");
}

#[test]
fn populations_are_lists_of_examples() {
    assert_eq!(
        failures(
            "per: account, some: resource.a, when_empty: fail, examples: { pass: { population: [{}, { a: false }] }, fail: [{ population: [] }, { population: [{ a: false }] }] }"
        ),
        ""
    );
}
