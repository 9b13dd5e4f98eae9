//! Three-valued monotonicity: reading less gives the same verdict or unknown, for programs made at random.

use std::collections::BTreeSet;

use evidenced_check::is_defect;
use evidenced_model::Verdict;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{absent, all, cell, check, complete, coverage, key, load, one, thing};

const FIELDS: &[&str] = &["a", "b", "n", "m", "size", "parts", "tags", "key_name", "name", "made"];

fn atom() -> impl Strategy<Value = String> {
    let atoms = [
        "resource.a",
        "resource.b",
        "resource.n",
        "or(resource.n, resource.b)",
        "or(resource.m, false)",
        "resource.m == null",
        "has(resource.n)",
        "resource.size > 2",
        "resource.size == 3",
        "'x' in resource.parts",
        "resource.parts.all(p, p == 'x' || resource.a)",
        "resource.parts.exists(p, p == 'x' && resource.b)",
        "resource.parts.exists_one(p, p == 'x' || resource.m)",
        "resource.parts.filter(p, p == 'x').size() == 1",
        "size(resource.parts) == 0",
        "has(resource.tags.k)",
        "resource.tags.k == 'v'",
        "resource.tags == {}",
        "resource.name in resource.parts",
        "resource.made < now - days(10)",
        "resource.key_name != 'red'",
        "key == null",
        "or(key.good, true)",
        "key.rotates == true",
    ];
    prop::sample::select(atoms.to_vec()).prop_map(|atom| format!("({atom})"))
}

fn program() -> impl Strategy<Value = String> {
    atom().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("({x} && {y})")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("({x} || {y})")),
            inner.clone().prop_map(|x| format!("!({x})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(x, y, z)| format!("({x} ? {y} : {z})")),
            (inner.clone(), inner).prop_map(|(x, y)| format!("({x} == {y})")),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    let texts = || prop::sample::select(vec!["red", "x", "v"]);
    (
        (any::<bool>(), any::<bool>(), any::<Option<bool>>(), any::<Option<bool>>(), 0_i64..5),
        prop::collection::vec(texts(), 0..3),
        prop::collection::btree_map(prop::sample::select(vec!["k", "l"]), texts(), 0..2),
        prop::option::of(texts()),
        texts(),
        prop::sample::select(vec!["2025-12-30T00:00:00Z", "2024-01-01T00:00:00Z"]),
    )
        .prop_map(|((a, b, n, m, size), parts, tags, key_name, name, made)| {
            json!({ "a": a, "b": b, "n": n, "m": m, "size": size, "parts": parts, "tags": tags, "key_name": key_name,
                "name": name, "made": made })
        })
}

fn when_absent(pass: &str, applies: &str, choice: [u8; 2]) -> String {
    let both = format!("{pass} {applies}");
    let word = |choice: u8| ["handled", "pass", "fail", "not_applicable"][usize::from(choice % 4)];
    let mut text = absent(&both).replace("n: handled", &format!("n: {}", word(choice[0])));
    text = text.replace("m: handled", &format!("m: {}", word(choice[1])));
    if both.contains("key.rotates") {
        text = text.replace('}', &format!("{} key.rotates: handled }}", if text.contains(':') { "," } else { "" }));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn reading_less_gives_the_same_verdict_or_unknown(
        applies in program(),
        pass in program(),
        choice: [u8; 2],
        values in values(),
        hidden in prop::collection::btree_set(prop::sample::select(FIELDS.to_vec()), 0..4),
        key_hidden in prop::collection::btree_set(prop::sample::select(vec!["name", "good", "rotates"]), 0..2),
        key_good: bool,
        key_lost: bool,
    ) {
        let uses_key = pass.contains("key.") || pass.contains("key ==") || applies.contains("key.") || applies.contains("key ==");
        let with = if uses_key { "with: { key: { kind: aws.test.key, on: { name: resource.key_name }, in: region } }, " } else { "" };
        let checks = check("one", &format!(
            "{with}applies: \"{applies}\", pass: \"{pass}\", when_absent: {}", when_absent(&pass, &applies, choice)
        ));
        let library = load(&checks).map_err(|errors| TestCaseError::fail(crate::kit::messages(&errors)))?;
        let judge = evidenced_check::Judge::compile(&std::sync::Arc::new(library), crate::kit::settings()).unwrap();

        let full = all(&judge, &[thing("1", values.clone())], &[key("k", json!({ "good": key_good }))], &complete()).remove(0);

        let mut less = values;
        for field in &hidden {
            less[*field] = json!("?");
        }
        let mut changes = json!({ "good": key_good });
        for field in &key_hidden {
            changes[*field] = json!("?");
        }
        let state = if key_lost { evidenced_model::CellState::Partial } else { evidenced_model::CellState::Complete };
        let coverage = coverage(vec![cell("thing", evidenced_model::CellState::Complete), cell("key", state)]);
        let keys = if key_lost { vec![] } else { vec![key("k", changes)] };
        let partial = all(&judge, &[thing("1", less)], &keys, &coverage).remove(0);

        prop_assert!(
            partial.verdict == full.verdict || partial.verdict == Verdict::Unknown,
            "{:?} became {:?}", full.verdict, partial.verdict
        );
        if partial.verdict == Verdict::Unknown {
            prop_assert!(!partial.because.is_empty());
            // What is missing is named, and only what is missing.
            let named: BTreeSet<&str> = partial.because.iter().map(|because| because.field.as_str()).collect();
            let hidden: BTreeSet<String> = hidden.iter().map(|field| (*field).to_owned())
                .chain(key_hidden.iter().map(|field| format!("key.{field}")))
                .chain(["key".to_owned()]).collect();
            prop_assert!(is_defect(&partial) || named.iter().all(|field| hidden.contains(*field)), "{named:?}");
        }
    }

    /// Loading never panics, whatever stands in a program.
    #[test]
    fn any_program_loads_or_is_refused(program in "[a-z.()&|!=<>0-9'\\[\\]{}, ?:+*-]{0,60}") {
        let quoted = serde_json::to_string(&program).unwrap();
        if let Ok(library) = load(&check("one", &format!("pass: {quoted}"))) {
            let judge = evidenced_check::Judge::compile(&std::sync::Arc::new(library), crate::kit::settings()).unwrap();
            one(&judge, thing("1", json!({})));
        }
    }
}
