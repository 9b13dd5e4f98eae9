//! The forms of a real run for other programs, read by those programs.

use std::path::Path;

use serde_json::Value;
use xtask::Interchange;

use crate::support::{Agent, company, target};

#[test]
fn other_programs_read_what_a_run_gives_them() {
    let moto = company();
    let agent = Agent::new(&moto.url());
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);
    let findings = agent.findings();
    let peers = Interchange::new(target()).unwrap();
    let file = |name: &str| agent.folder().join(name);
    for (format, name) in [("oscal", "run.oscal.json"), ("ocsf", "run.ocsf.jsonl"), ("csv", "findings.csv")] {
        agent.run(&["report", "--format", format, "-o", name]).expect(0);
        // Onto standard output goes the same, but for the moment at which OSCAL says that it was made.
        if format != "oscal" {
            let printed = agent.run(&["report", "--format", format]).expect(0).stdout;
            assert_eq!(printed, std::fs::read_to_string(file(name)).unwrap());
        }
    }
    agent.run(&["report", "--format", "csv", "--table", "controls", "-o", "controls.csv"]).expect(0);

    let said = peers.oscal(&[&file("run.oscal.json")]).unwrap().unwrap();
    assert!(said.contains(" 1.1.2 findings="), "{said}");
    let said = peers.ocsf(&[&file("run.ocsf.jsonl")]).unwrap().unwrap();
    assert!(said.trim_end().ends_with(&format!(" {}", findings.len())), "{said}");
    satisfied_is_what_is_supported(&agent, &file("run.oscal.json"));
    unknown_is_unknown(&findings, &file("run.ocsf.jsonl"));

    // DuckDB reads the tables, and the stored lines themselves.
    let stored: Vec<_> = agent.files().into_iter().filter(|(path, _)| path.ends_with(".jsonl.zst")).collect();
    assert!(stored.len() > 5);
    let mut files = vec![file("findings.csv"), file("controls.csv")];
    files.extend(stored.iter().map(|(path, _)| agent.store().join(path)));
    let files: Vec<&Path> = files.iter().map(std::path::PathBuf::as_path).collect();
    let said = peers.duckdb(&files).unwrap().unwrap();
    let tables: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(tables[0]["rows"], findings.len());
    assert!(tables[1]["rows"].as_u64().unwrap() > 93);
    let lines: u64 = tables[2..].iter().map(|table| table["rows"].as_u64().unwrap()).sum();
    let resources =
        agent.run(&["report", "--format", "json"]).expect(0).json()["totals"]["resources"].as_u64().unwrap();
    assert_eq!(lines, findings.len() as u64 + resources);

    // What a table is worth stands beside it, and what it says is so.
    let meta: Value = serde_json::from_slice(&std::fs::read(file("findings.csv.meta.json")).unwrap()).unwrap();
    assert_eq!(meta["completeness"]["resources"], resources);
    assert_eq!(meta["completeness"]["left_out"], 0);
    assert!(meta["query"]["operations"].as_array().unwrap().iter().any(|one| one["operation"] == "s3:GetBucketPolicy"));
    assert!(
        meta["query"]["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["check_sha256"].is_string() || check["revision"].is_null())
    );
    refused(&agent);
}

fn satisfied_is_what_is_supported(agent: &Agent, file: &Path) {
    let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let findings = document["assessment-results"]["results"][0]["findings"].as_array().unwrap();
    let report = agent.run(&["report", "--format", "json"]).expect(0).json();
    let mut compared = 0;
    for catalog in report["catalogs"].as_array().unwrap() {
        for control in catalog["controls"].as_array().unwrap() {
            let title = format!("{} {}", control["control"].as_str().unwrap(), control["label"].as_str().unwrap());
            let of = |finding: &&Value| {
                finding["title"].as_str().is_some_and(|found| found.starts_with(&title))
                    && finding["props"].as_array().unwrap().iter().any(|prop| prop["value"] == catalog["id"])
            };
            let state = findings.iter().find(of).map(|finding| &finding["target"]["status"]);
            match control["standing"].as_str().unwrap() {
                "supported" => assert_eq!(state.unwrap()["state"], "satisfied", "{title}"),
                "contradicted" => assert_eq!(state.unwrap()["reason"], "fail", "{title}"),
                "incomplete" | "supported_with_exceptions" => {
                    assert_eq!(state.unwrap()["state"], "not-satisfied", "{title}");
                    assert_eq!(state.unwrap()["reason"], "other", "{title}");
                }
                _ => assert!(state.is_none(), "{title}"),
            }
            compared += 1;
        }
    }
    assert!(compared > 93);
}

fn unknown_is_unknown(findings: &[Value], file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), findings.len());
    let mut unknown = 0;
    for (event, finding) in events.iter().zip(findings) {
        assert_eq!(event["resources"][0]["uid"], finding["resource"]);
        let status = event["compliance"]["status_id"].as_u64().unwrap();
        let expected = match finding["verdict"].as_str().unwrap() {
            "pass" => 1,
            "fail" => 3,
            "unknown" => 0,
            _ => 99,
        };
        assert_eq!(status, expected);
        unknown += u64::from(status == 0);
    }
    assert!(unknown > 0);
}

fn refused(agent: &Agent) {
    for (arguments, part) in [
        (&["--format", "csv", "--table", "fails"][..], "--from and --to"),
        (&["--format", "ocsf", "--table", "findings"], "--table is for --format csv"),
        (&["--format", "oscal", "--table", "findings"], "--table is for --format csv"),
        (&["--format", "oscal", "--catalog", "iso9001"], "no catalogue"),
    ] {
        let done = agent.run(&[&["report"], arguments].concat()).expect(2);
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    }
}
