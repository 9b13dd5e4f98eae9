//! Days on which something is missing, broken, doubled or hostile.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::place::{Place, at, control, hour, spans};

/// What a report says that a reader has to know first.
fn cautions(period: &Value) -> String {
    let list = period["cautions"].as_array().unwrap();
    list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_period_without_a_run_is_one_clear_error() {
    let place = Place::new(3, "");
    assert!(place.live(at(-1, 23, 30), at(0, 2, 30)));
    let (from, to) = (at(9, 0, 0).to_string(), at(10, 0, 0).to_string());
    let done = place.output(&["report", "--from", &from, "--to", &to], &[]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains("has no run from") && said.contains("2026-01-01T02:00"), "{said}");
    let (from, to) = (at(0, 0, 0).to_string(), at(0, 2, 0).to_string());
    let wrong = [
        (vec!["--from", &to, "--to", &from], "give --from first"),
        (vec!["--from", "yesterday"], "no date"),
        (vec!["--from", &from, "--to", &to, "--control", "A.8.33x"], "did you mean A.8.33?"),
        (vec!["--from", &from, "--to", &to, "--catalog", "iso9001"], "iso27001-2022"),
        (vec!["--from", &from, "--to", &to, "--agent", "other"], "it has: test"),
    ];
    for (arguments, part) in wrong {
        let done = place.output(&[&["report"], &arguments[..]].concat(), &[]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}

#[test]
fn what_ended_before_the_period_did_is_a_hole_to_its_end() {
    let place = Place::new(3, "");
    assert!(place.live(at(-1, 23, 30), at(1, 0, 30)));
    let period = place.period(at(0, 0, 0), at(3, 0, 0), &[]);
    let schedule = &period["schedules"][0];
    assert_eq!((&schedule["in_time"], &schedule["unaccounted"]), (&json!(25), &json!(47)), "{schedule:#}");
    let hole = &schedule["holes"][0];
    assert_eq!((hour(&hole["from"]), hour(&hole["until"])), (at(1, 1, 0), at(3, 0, 0)));
    assert_eq!(control(&period, "A.8.3")["clouds"]["synthetic"]["looked"], "gapped");
}

#[test]
fn two_agents_over_one_account_are_told_and_the_worse_of_both_counts() {
    let place = Place::new(3, "");
    place.script(&json!([{ "from": at(-9, 0, 0), "set": good() }]));
    assert!(place.live(at(-1, 23, 30), at(1, 0, 30)));
    // The other one sees the same account, and something in it that the first came too early for.
    let config = std::fs::read_to_string(place.path("evidenced.yaml")).unwrap();
    let other = config.replace("id: test, state_dir: ./state", "id: other, state_dir: ./other");
    std::fs::write(place.path("evidenced.yaml"), other).unwrap();
    place.script(&json!([
        { "from": at(-9, 0, 0), "set": good() },
        { "from": at(0, 4, 30), "until": at(0, 8, 30), "thing": 1, "set": { "public": true } },
    ]));
    assert!(place.live(at(-1, 23, 45), at(1, 0, 30)));
    let period = place.period(at(0, 0, 0), at(1, 0, 0), &[]);
    assert_eq!(period["agents"].as_array().unwrap().len(), 2);
    assert!(cautions(&period).contains("synthetic:123456789012 is read by other and test"), "{}", cautions(&period));
    let seen: Vec<_> = spans(&period, "A.8.3").into_iter().map(|(standing, from, _)| (standing, from)).collect();
    let span = |standing: &str, from| (standing.to_owned(), from);
    assert_eq!(
        seen,
        [span("supported", at(0, 0, 0)), span("contradicted", at(0, 5, 0)), span("supported", at(0, 9, 0))]
    );
    let one = place.period(at(0, 0, 0), at(1, 0, 0), &["--agent", "test"]);
    assert_eq!(control(&one, "A.8.3")["clouds"]["synthetic"]["saw"], "supported");
}

#[test]
fn a_share_that_nobody_read_leaves_nothing_supported() {
    let place = Place::new(2, "");
    place.script(&json!([{ "from": at(-9, 0, 0), "set": good() }]));
    let config = std::fs::read_to_string(place.path("evidenced.yaml")).unwrap();
    let accounts: Vec<String> = (0..8).map(|number| format!("\"11112222333{number}\"")).collect();
    let many = config.replace("resources: 2,", &format!("resources: 2, accounts: [{}],", accounts.join(", ")));
    std::fs::write(place.path("evidenced.yaml"), many).unwrap();
    for shard in ["1/3", "3/3"] {
        let (from, until) = (at(-1, 23, 30).to_string(), at(0, 3, 30).to_string());
        let environment = [("SIMULATED_FROM", &*from), ("SIMULATED_UNTIL", &*until), ("EVIDENCED_SHARD", shard)];
        place.run(&["run", "-q"], &environment);
    }
    let period = place.period(at(0, 0, 0), at(0, 3, 0), &[]);
    assert!(cautions(&period).contains("shard 2 of 3 (test-2) has no run in the period"), "{}", cautions(&period));
    let cloud = &control(&period, "A.8.3")["clouds"]["synthetic"];
    assert_eq!((&cloud["saw"], &cloud["looked"]), (&json!("incomplete"), &json!("gapped")));
    assert!(cloud["gaps"].to_string().contains("shard 2 of 3"), "{:#}", cloud["gaps"]);
}

#[test]
fn names_of_strangers_stay_data_in_every_form() {
    let place = Place::new(2, "");
    let names = [
        "<script>alert(1)</script>\"'><svg onload=x>",
        "=cmd|' /C calc'!A0",
        "\u{202e}drow\u{1b}[31m\r\nSet-Cookie: x",
        "]]>\u{0}--><!--${{7*7}}{{7*7}}",
    ];
    let mut steps = vec![json!({ "from": at(-9, 0, 0), "set": good() })];
    for (number, name) in names.iter().enumerate() {
        let from = at(0, i64::try_from(number).unwrap(), 30);
        let until = at(0, i64::try_from(number).unwrap() + 1, 30);
        steps.push(json!({ "from": from, "until": until, "thing": 1, "name": name, "set": { "public": true } }));
    }
    place.script(&Value::Array(steps));
    assert!(place.live(at(-1, 23, 30), at(0, 6, 30)));
    let period = place.period(at(0, 0, 0), at(0, 6, 0), &[]);
    let failed: BTreeSet<&str> =
        period["fails"]["shown"].as_array().unwrap().iter().filter_map(|fail| fail["resource"].as_str()).collect();
    assert_eq!(failed, BTreeSet::from(names), "as they are, in JSON");
    let (from, to) = (at(0, 0, 0).to_string(), at(0, 6, 0).to_string());
    let form = |format: &[&str]| {
        let arguments = [&["report", "--from", &from, "--to", &to, "--format"], format].concat();
        String::from_utf8(place.run(&arguments, &[])).unwrap()
    };
    let text = form(&["text"]);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\r'), "{text}");
    let html = form(&["html"]);
    assert!(!html.contains("<script>alert") && !html.contains("<svg onload"), "markup came through");
    for table in ["fails", "changes"] {
        let csv = form(&["csv", "--table", table]);
        let formula = csv.lines().any(|line| line.split(',').any(|field| field.trim_matches('"').starts_with('=')));
        assert!(!formula && !csv.contains('\u{1b}'), "{csv}");
    }
}

#[test]
fn a_clock_that_cannot_be_relied_on_and_a_late_store_are_no_different_history() {
    let place = Place::new(2, "");
    place.script(&json!([
        { "from": at(-9, 0, 0), "set": good() },
        { "from": at(0, 3, 30), "until": at(0, 5, 30), "thing": 1, "set": { "public": true } },
    ]));
    assert!(place.live(at(-1, 23, 30), at(0, 2, 30)));
    place.set_store(false);
    assert!(place.live(at(0, 2, 30), at(0, 7, 30)));
    place.set_store(true);
    // The clock is put back by an hour: the hours that it shows twice are run once.
    assert!(place.live(at(0, 6, 30), at(0, 12, 30)));
    let period = place.period(at(0, 0, 0), at(0, 12, 0), &[]);
    let schedule = &period["schedules"][0];
    assert_eq!((&schedule["slots"], &schedule["unaccounted"]), (&json!(12), &json!(0)), "{schedule:#}");
    assert_eq!(schedule["in_time"].as_u64().unwrap() + schedule["late"].as_u64().unwrap(), 12, "{schedule:#}");
    let stood: Vec<_> = period["fails"]["shown"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|fail| fail["check"] == "synthetic.store.private")
        .map(|fail| (hour(&fail["since"]), hour(&fail["until"])))
        .collect();
    assert_eq!(stood, [(at(0, 4, 0), at(0, 6, 0))]);
}

/// A thing that no check has anything against.
fn good() -> Value {
    json!({
        "encrypted": true, "versioned": true, "public": false, "logging": true, "retention_days": 400,
        "algorithm": "aws:kms", "state": "enabled", "key": "k"
    })
}
