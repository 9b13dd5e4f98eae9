//! The forms for other programs: what they say of what is unknown, and what hostile names do to them.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_report::period::FailEnd;
use evidenced_report::{
    FindingsCsv, Limits, Ocsf, Provenance, Report, ReportBuilder, Table, controls_csv, csv_period, ocsf_period, oscal,
    oscal_period,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::hostile::{self, HOSTILE, acts};
use crate::named_period::{at, named};
use crate::sample::{evidence, findings, header, rich, standings, texts};

#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
pub(crate) fn of_run(report: &Report) -> String {
    let mut out = Vec::new();
    oscal(report, &[], at("2026-02-01T00:00:00Z"), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
pub(crate) fn of_period(name: &str) -> String {
    let mut out = Vec::new();
    oscal_period(&named(name), at("2026-04-02T00:00:00Z"), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
pub(crate) fn events(findings: &[evidenced_model::Finding]) -> String {
    let mut context = ReportBuilder::new(header(), Limits::summary());
    texts(&mut context);
    context.controls(standings());
    let context = context.finish();
    let mut stream = Ocsf::new(&context, Vec::new());
    for finding in findings {
        stream.event(finding, Some(evidence())).unwrap();
    }
    String::from_utf8(stream.finish().unwrap()).unwrap()
}

#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
pub(crate) fn table(name: &str, which: Table) -> String {
    let mut out = Vec::new();
    csv_period(&named(name), which, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect(text)
}

/// The status of each control: state and reason.
fn states(document: &Value) -> BTreeMap<&str, (&str, &str)> {
    let mut states = BTreeMap::new();
    for finding in document["assessment-results"]["results"][0]["findings"].as_array().expect("findings") {
        let text = |value: &'_ Value| value.as_str().map(ToOwned::to_owned);
        let target = &finding["target"];
        assert!(text(&target["title"]).is_some_and(|title| title.ends_with("as far as configuration shows")));
        let said = &target["status"];
        let both = said["state"].as_str().zip(said["reason"].as_str()).expect("a status");
        states.insert(target["target-id"].as_str().expect("a target"), both);
    }
    states
}

#[test]
fn only_what_is_supported_without_a_doubt_is_satisfied() {
    let document = parse(&of_run(&rich()));
    let run = states(&document);
    assert_eq!(run["A.8.24_obj.configuration"], ("satisfied", "pass"));
    assert_eq!(run["A.5.15_obj.configuration"], ("not-satisfied", "fail"));
    assert_eq!(run["A.5.17_obj.configuration"], ("not-satisfied", "other"), "waived is not satisfied");
    assert_eq!(run["A.8.15_obj.configuration"], ("not-satisfied", "other"), "incomplete is not a fail");
    for absent in ["A.5.1", "A.7.14", "A.8.20"] {
        assert!(!run.contains_key(format!("{absent}_obj.configuration").as_str()), "{absent}");
    }
    let reviewed = &document["assessment-results"]["results"][0]["reviewed-controls"]["control-selections"][0];
    let remark = reviewed["remarks"].as_str().unwrap();
    assert!(remark.contains("people bring the evidence: A.5.1, A.5.2"), "{remark}");

    let document = parse(&of_period("plain"));
    let period = states(&document);
    let satisfied: Vec<&&str> =
        period.iter().filter(|(_, (state, _))| *state == "satisfied").map(|(id, _)| id).collect();
    assert_eq!(satisfied, [&"A.8.24_obj.configuration"], "supported with a gap is not satisfied");
    assert_eq!(period["A.8.12_obj.configuration"], ("not-satisfied", "other"));
    assert_eq!(period["_6.1.3_obj.configuration"], ("not-satisfied", "other"));
    assert_eq!(period["A.5.15_obj.configuration"], ("not-satisfied", "fail"));
}

#[test]
fn what_an_observation_refers_to_is_there_and_counted() {
    for text in [of_run(&rich()), of_run(&hostile::report()), of_period("plain"), of_period(HOSTILE[4])] {
        let document = parse(&text);
        let mut seen = BTreeSet::new();
        let (mut made, mut named) = (Vec::new(), Vec::new());
        walk(&document, &mut |name, value| match name {
            "uuid" => made.push(value.to_owned()),
            "subject-uuid" | "observation-uuid" | "actor-uuid" | "component-uuid" => named.push(value.to_owned()),
            "href" if value.starts_with('#') => named.push(value[1..].to_owned()),
            _ => {}
        });
        for id in &made {
            assert!(seen.insert(id.clone()), "{id} stands twice");
        }
        assert!(named.len() > 10);
        for id in named {
            assert!(seen.contains(&id), "{id} is not there");
        }
    }
    let document = parse(&of_run(&rich()));
    let observations = document["assessment-results"]["results"][0]["observations"].as_array().unwrap();
    let count = |what: &str| {
        let of = |one: &&Value| one["title"].as_str().is_some_and(|title| title.ends_with(what));
        let prop = |one: &Value| {
            let props = one["props"].as_array().unwrap();
            let count = props.iter().find(|prop| prop["name"] == "count").unwrap();
            count["value"].as_str().unwrap().parse::<u64>().unwrap()
        };
        observations.iter().filter(of).map(prop).sum::<u64>()
    };
    assert_eq!((count(": fail"), count(": waived"), count(": unknown"), count(": pass")), (4, 2, 2, 15));
}

/// Visits every text with the name of its member.
fn walk(value: &Value, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if let Some(text) = value.as_str() {
                    visit(name, text);
                }
                walk(value, visit);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn equal_evidence_gives_an_equal_file() {
    assert_eq!(of_run(&rich()), of_run(&rich()));
    assert_eq!(of_period("x"), of_period("x"));
    assert_eq!(events(&findings()), events(&findings()));
    let mut out = Vec::new();
    oscal(&rich(), &[], at("2027-01-01T00:00:00Z"), &mut out).unwrap();
    let later = String::from_utf8(out).unwrap();
    let differing: Vec<_> =
        of_run(&rich()).lines().zip(later.lines()).filter(|(a, b)| a != b).map(|(a, _)| a.trim().to_owned()).collect();
    assert_eq!(differing, [r#""last-modified": "2026-02-01T00:00:00Z","#]);
}

#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
pub(crate) fn events_of_period(name: &str) -> String {
    let mut out = Vec::new();
    ocsf_period(&named(name), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_fail_of_a_period_is_the_same_finding_as_in_its_runs() {
    let over: Vec<Value> = events_of_period("invoices").lines().map(parse).collect();
    let in_run = parse(events(&findings()[..1]).trim_end());
    assert_eq!(in_run["resources"][0]["uid"], "invoices");
    assert_eq!(over.len(), 3);
    for event in &over {
        assert_eq!(event["finding_info"]["uid"], in_run["finding_info"]["uid"]);
        assert_eq!(event["finding_info"]["first_seen_time"], 1_768_003_500_000_i64);
        assert_eq!(event["unmapped"]["completeness"]["fails_left_out"], 2);
    }
    let ended = over.iter().find(|event| event["unmapped"]["end"] == "passed").unwrap();
    assert_eq!((&ended["activity_id"], &ended["status"]), (&3.into(), &"Resolved".into()));
    assert_eq!(ended["compliance"]["status"], "Pass");
    let open = over.iter().find(|event| event["unmapped"]["end"].is_null()).unwrap();
    assert_eq!((&open["activity_id"], &open["status"]), (&2.into(), &"Open".into()));
    assert_eq!(open["compliance"]["status"], "Fail");

    // Where it could not be read any more, nobody knows whether it stands.
    let mut period = named("x");
    period.fails.shown[0].end = Some(FailEnd::Unread);
    let mut out = Vec::new();
    ocsf_period(&period, &mut out).unwrap();
    let unread = parse(String::from_utf8(out).unwrap().lines().next().unwrap());
    assert_eq!((&unread["compliance"]["status_id"], &unread["status_id"]), (&0.into(), &0.into()));
    assert_eq!(unread["activity_name"], "Update", "it is not closed");
}

#[test]
fn unknown_stays_unknown_in_ocsf() {
    let events: Vec<Value> = events(&findings()).lines().map(parse).collect();
    assert_eq!(events.len(), findings().len());
    for (event, finding) in events.iter().zip(findings()) {
        let (id, status) = (&event["compliance"]["status_id"], event["compliance"]["status"].as_str().unwrap());
        match finding.verdict.as_str() {
            "pass" => assert_eq!((id, status), (&1.into(), "Pass")),
            "fail" => assert_eq!((id, status), (&3.into(), "Fail")),
            "unknown" => {
                assert_eq!((id, status), (&0.into(), "Unknown"));
                assert!(event["status_detail"].as_str().unwrap().contains("policy was not read: denied"));
            }
            _ => assert_eq!((id, status), (&99.into(), "Not Applicable")),
        }
        assert_eq!(event["unmapped"]["verdict"], finding.verdict.as_str());
        assert_eq!(event["resources"][0]["uid"], finding.resource);
        assert_eq!(event["unmapped"]["completeness"]["gaps"], 14);
        assert_eq!(event["status"] == "Waived", finding.waiver.is_some());
    }
    let requirements = &events[0]["compliance"]["requirements"];
    assert_eq!(
        requirements,
        &serde_json::json!(["iso27001-2022 A.5.15", "iso27001-2022 A.8.12", "iso27017-2026 CLD.9.5.1"])
    );
    let ids: BTreeSet<_> = events.iter().map(|event| event["finding_info"]["uid"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn hostile_names_stay_data() {
    let mut documents = vec![of_run(&hostile::report()), events(&hostile::findings())];
    documents.extend(HOSTILE.iter().flat_map(|name| [of_period(name), events_of_period(name)]));
    for text in &documents {
        assert!(text.is_ascii() && !text.contains(acts));
    }
    for name in HOSTILE {
        let document = parse(&of_period(name));
        walk(&document, &mut |member, text| {
            assert!(!text.contains(acts), "{member}: {text:?}");
            if matches!(member, "description" | "remarks" | "prose") {
                // What would be markup stands behind a backslash.
                let bare = text.replace("\\<", "").replace("\\{", "").replace("\\`", "").replace("\\[", "");
                assert!(!bare.contains(['<', '`', '[']) && !bare.contains("{{"), "{member}: {text}");
            }
        });
    }
    let lines: Vec<Value> = documents[1].lines().map(parse).collect();
    assert_eq!(lines.len(), hostile::findings().len());
    assert!(lines.iter().any(|event| event["resources"][0]["uid"] == HOSTILE[5]), "escaped, and yet the same");
    assert!(lines.iter().any(|event| event["metadata"]["is_truncated"] == true));
}

#[test]
fn tables_of_a_period_are_harmless_and_whole() {
    for name in HOSTILE {
        for (which, rows) in [(Table::Controls, 18), (Table::Changes, 2), (Table::Fails, 3)] {
            let table = table(name, which);
            assert_eq!(table.matches('\n').count(), rows + 1);
            assert!(!table.replace("\r\n", "").contains(acts));
            let mut reader = csv::ReaderBuilder::new().from_reader(table.as_bytes());
            for row in reader.records() {
                for cell in &row.unwrap() {
                    assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
                }
            }
        }
    }
    let controls = table("x", Table::Controls);
    assert!(controls.contains("\r\niso27001-2022,A.8.12,Label of x,all,gapped,supported,"), "{controls}");
    assert!(controls.contains("\r\niso27001-2022,A.8.12,Label of x,aws,gapped,supported,"), "{controls}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_name_stays_data_in_every_form(name in any::<String>()) {
        let document = parse(&of_period(&name));
        prop_assert_eq!(&document["assessment-results"]["metadata"]["oscal-version"], "1.1.2");
        let mut finding = findings().swap_remove(0);
        finding.resource.clone_from(&name);
        let event = parse(events(&[finding]).trim_end());
        prop_assert_eq!(event["resources"][0]["uid"].as_str(), Some(name.as_str()));
        for (which, rows) in [(Table::Controls, 18), (Table::Changes, 2), (Table::Fails, 3)] {
            let table = table(&name, which);
            let mut reader = csv::ReaderBuilder::new().from_reader(table.as_bytes());
            let read: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), rows);
            for cell in read.iter().flatten() {
                let formula = cell.starts_with(['=', '+', '-', '@']);
                prop_assert!(!formula && !cell.contains(acts), "{}", cell);
            }
        }
    }
}

#[test]
fn tables_of_a_run_say_what_they_are_of() {
    let report = rich();
    let mut findings_table = FindingsCsv::new(&report, Vec::new()).unwrap();
    findings_table.row(&findings()[0], None, None).unwrap();
    for table in [findings_table.finish().unwrap(), controls_csv(&report, Vec::new()).unwrap()] {
        let mut reader = csv::ReaderBuilder::new().from_reader(table.as_slice());
        let headings = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert!(!rows.is_empty());
        for row in rows {
            let cell = |name: &str| &row[headings.iter().position(|heading| heading == name).unwrap()];
            assert_eq!(cell("run"), report.run.to_string());
            assert_eq!(cell("collected_to"), "2026-01-31T10:04:12.5Z");
            assert_eq!(cell("statement_sha256"), report.statement.digest.to_string());
        }
    }
}

#[test]
fn what_it_is_worth_stands_beside_a_table() {
    let mut out = Vec::new();
    Provenance::of_run(&rich(), &[]).write(&mut out).unwrap();
    let meta: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(meta["effective"]["from"], "2026-01-31T10:00:05Z");
    assert_eq!(meta["made_by"][0]["agent"], "prod-eu");
    assert_eq!(meta["completeness"]["findings"]["unknown"], 2);
    assert_eq!(meta["completeness"]["gaps"], 14);
    assert!(meta["completeness"]["unread"].as_array().unwrap().len() > 2);
    assert!(meta["query"]["checks"].as_array().unwrap().iter().any(|check| check["revision"] == 1));
    let command = meta["verify"]["commands"][0].as_str().unwrap();
    assert!(
        command.starts_with("evidenced verify file:///srv/evidence --key PUBLIC.pem --expect-head 42:"),
        "{command}"
    );
    let mut out = Vec::new();
    Provenance::of_period(&named("x")).write(&mut out).unwrap();
    let meta: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(meta["completeness"]["left_out"], 2);
    assert_eq!(meta["completeness"]["unread"][0]["cause"], "slot_missed");
}
