//! What the loader refuses, and where it says the error is.

use evidenced_check::{Library, LoadError};

use crate::kit::{KEY, KIND, PARAMS, check, load, messages};

fn refused(checks: &str) -> String {
    messages(&load(checks).expect_err(checks))
}

fn file(name: &str, text: impl Into<String>) -> (String, String) {
    (format!("{name}.yaml"), text.into())
}

fn errors(files: Vec<(String, String)>) -> Vec<LoadError> {
    Library::load(files, file("params", PARAMS)).expect_err("something is wrong")
}

#[test]
fn programs_read_declared_fields_only() {
    for (rest, expected) in [
        ("pass: resource.aa", "declares no field \"aa\" (did you mean \"a\"?)"),
        ("pass: \"'x' in resource\"", "resource may stand only in resource.<name>"),
        ("pass: \"resource['a']\"", "resource may stand only in"),
        ("pass: 'has(resource.zebra)'", "declares no field \"zebra\""),
        ("pass: params.limits > 1", "there is no parameter \"limits\" (did you mean \"limit\"?)"),
        ("pass: 'size(params) > 1'", "params may stand only in"),
        ("pass: scope.acount == ''", "scope has no \"acount\" (did you mean \"account\"?)"),
        ("pass: ressource.a", "there is no variable \"ressource\" (did you mean \"resource\"?)"),
        ("pass: 'sise(resource.parts) > 1'", "there is no function \"sise\" (did you mean \"size\"?)"),
        ("pass: 'or(resource.a)'", "or takes 2 arguments, not 1"),
        ("pass: 'resource.parts.all(resource, true)'", "\"resource\" is already a name"),
        ("pass: 'resource.a &&'", "pass: at 1:"),
        ("pass: 'resource.?a'", "pass:"),
        ("pass: 'Thing{a: 1} == 1'", "programs do not build messages"),
        ("pass: '[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))'", "more than 3 deep"),
        ("pass: now", ""),
    ] {
        if expected.is_empty() {
            assert!(load(&check("one", rest)).is_ok(), "{rest}");
            continue;
        }
        let message = refused(&check("one", rest));
        assert!(message.contains(expected), "{rest}: {message}");
        assert!(message.contains("aws.test.thing.yaml:") && message.contains("check aws.test.one"), "{message}");
    }
}

#[test]
fn a_check_says_everything_that_it_has_to_and_no_more() {
    for (rest, expected) in [
        ("pass: resource.n", "n may be absent: say what that means under when_absent"),
        ("pass: resource.a, when_absent: { a: fail }", "a is never absent"),
        ("pass: resource.a, when_absent: { b: fail }", "do not read \"b\""),
        ("pass: resource.a, decided_without: [b]", "do not read \"b\""),
        ("pass: resource.a, some: resource.b", "says `pass` and nothing else"),
        ("applies: resource.a", "says `pass` and nothing else"),
        ("per: account, some: resource.a", "add `when_empty`"),
        ("per: account, pass: resource.a, when_empty: pass", "exactly one of"),
        ("per: account, some: resource.a, every: resource.a, when_empty: pass", "exactly one of"),
        ("per: account, count: { of: resource.a }, when_empty: pass", "needs `min` or `max`"),
        ("per: account, count: { of: resource.a, min: 3, max: 2 }, when_empty: pass", "`min` not over `max`"),
        ("pass: resource.name in params.names", "list it under needs"),
        ("pass: resource.a, needs: [names]", "do not read params.names"),
        ("pass: resource.size < params.limit, needs: [limit]", "has a default"),
        ("pass: resource.a, needs: [nams]", "(did you mean \"names\"?)"),
        ("pass: resource.a, extra: 1", "there is no key \"extra\""),
        ("pass: resource.a, pas: resource.a", "(did you mean \"pass\"?)"),
    ] {
        let message = refused(&check("one", rest));
        assert!(message.contains(expected), "{rest}: {message}");
    }
}

#[test]
fn joins_name_what_is_there() {
    for (with, pass, expected) in [
        (
            "{ kind: aws.test.kei, on: { name: resource.key_name }, in: account }",
            "key == null",
            "(did you mean \"aws.test.key\"?)",
        ),
        (
            "{ kind: aws.test.key, on: { nam: resource.key_name }, in: account }",
            "key == null",
            "declares no field \"nam\"",
        ),
        ("{ kind: aws.test.key, on: { name: resource.key }, in: account }", "key == null", "with.key.on.name:"),
        ("{ kind: aws.test.key, on: { name: resource.key_name }, in: account }", "key.god", "(did you mean \"good\"?)"),
        (
            "{ kind: aws.test.key, on: { name: resource.key_name }, in: account }",
            "key.rotates",
            "key.rotates may be absent",
        ),
        (
            "{ kind: aws.test.key, on: { name: resource.key_name }, in: account }",
            "size(key) == 0",
            "key may stand only in",
        ),
        ("{ kind: aws.test.key, on: { name: resource.key_name }, in: account }", "key == 1", "key may stand only in"),
        ("{ kind: aws.test.key, on: { name: resource.key_name }, in: account }", "resource.a", "no program reads it"),
        (
            "{ kind: aws.test.key, on: { name: resource.key_name }, in: account, many: true }",
            "size(key) > 0",
            "`many` needs `fields`",
        ),
        (
            "{ kind: aws.test.key, on: { name: resource.key_name }, in: account, fields: [good] }",
            "key == null",
            "goes only with `many: true`",
        ),
        ("{ kind: aws.test.key, on: { name: resource.key_name }, in: planet }", "key == null", "planet"),
    ] {
        let message = refused(&check("one", &format!("with: {{ key: {with} }}, pass: \"{pass}\"")));
        assert!(message.contains(expected), "{with} {pass}: {message}");
    }
}

#[test]
fn kinds_are_whole_and_their_samples_fit() {
    let kind = |from: &str, to: &str| {
        let text = KEY.replace(from, to);
        assert_ne!(text, KEY, "{from}");
        messages(&errors(vec![file("aws.test.key", text)]))
    };
    assert!(kind("title: A key\n", "").contains("a kind has `title`"));
    assert!(kind("good: true, ", "").contains("good is missing"));
    assert!(kind("good: true,", "good: maybe,").contains("good is declared as true or false, not a string"));
    assert!(kind("good: true,", "good: null,").contains("good is null, but not declared nullable"));
    assert!(kind("good: true,", "good: true, bad: 1,").contains("declares no field \"bad\""));
    assert!(kind("name: { type: string", "with: { type: string").contains("names are lower-case"));
    let message = kind("type: bool", "type: boolean");
    assert!(message.starts_with("aws.test.key.yaml:8"), "{message}");
    let message = kind("title:", "titel:");
    assert!(message.contains("aws.test.key.yaml:3") && message.contains("did you mean \"title\""), "{message}");
}

#[test]
fn files_are_one_kind_each_and_ids_are_taken_once() {
    let things = |checks: &str| format!("{KIND}{checks}");
    let one = check("one", "pass: resource.a");
    assert!(refused(&format!("{one}{one}")).contains("already taken, in aws.test.thing.yaml"));
    assert!(messages(&errors(vec![file("wrong", things(&one))])).contains("call the file aws.test.thing.yaml"));
    let twice = vec![file("aws.test.thing", things(&one)), file("x/aws.test.thing", things("  []"))];
    assert!(messages(&errors(twice)).contains("declared twice"));
    assert!(refused(&one.replace("id: aws.", "id: azure.")).contains("begins with aws."));
    let missing = vec![file("mine", format!("kind: aws.test.thin\nchecks:\n{one}"))];
    assert!(messages(&errors(missing)).contains("there is no kind \"aws.test.thin\""));
}

#[test]
fn users_add_checks_to_kinds_that_are_there() {
    let mine = format!("kind: aws.test.thing\nchecks:\n{}", check("mine", "pass: resource.b"));
    let files =
        vec![file("my-checks", mine), file("aws.test.thing", format!("{KIND}{}", check("one", "pass: resource.a")))];
    let library = Library::load(files, file("params", PARAMS)).unwrap();
    let ids: Vec<&str> = library.checks().map(|(_, check)| check.id.as_str()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&"aws.test.mine"));
}

#[test]
fn parameters_fit_their_types() {
    let wrong = |params: &str| messages(&Library::load(vec![], file("params", params)).expect_err(params));
    assert!(
        wrong("x: { type: int, default: many, about: x }")
            .contains("declared as a whole number, but its default is a string")
    );
    assert!(wrong("x: { type: int, defalt: 1, about: x }").contains("(did you mean \"default\"?)"));
    assert!(wrong("x: { type: int, about: x }\nx: { type: int, about: x }").contains("params.yaml:"));
}

#[test]
fn what_is_stored_by_another_evaluator_is_refused() {
    let library = load(&check("one", "pass: resource.a")).unwrap();
    let mut document = library.to_json(&crate::kit::settings());
    document["evaluator"] = serde_json::json!(99);
    assert!(messages(&Library::from_json(document).unwrap_err()).contains("evaluator 99"));
    assert!(Library::from_json(serde_json::json!({ "kinds": 1 })).is_err());
}
