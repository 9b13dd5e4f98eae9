//! Programs that are not ours read the forms for other programs, of plain and of hostile evidence.

use std::path::{Path, PathBuf};

use evidenced_report::{COLUMNS, FindingsCsv, Table, controls_csv};
use serde_json::Value;
use tempfile::TempDir;
use xtask::Interchange;

use crate::hostile::{self, HOSTILE};
use crate::interchange::{events, events_of_period, of_period, of_run, table};
use crate::sample::{evidence, findings, rich};

#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
fn peers() -> Interchange {
    Interchange::new(Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()).unwrap()
}

#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
fn write(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn trestle_accepts_the_assessment_results() {
    let folder = TempDir::new().unwrap();
    let mut files = vec![
        write(&folder, "run.json", of_run(&rich())),
        write(&folder, "hostile.json", of_run(&hostile::report())),
        write(&folder, "period.json", of_period("plain")),
    ];
    for (index, name) in HOSTILE.iter().enumerate() {
        files.push(write(&folder, &format!("period-{index}.json"), of_period(name)));
    }
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let said = peers().oscal(&files).unwrap().unwrap();
    assert!(said.lines().any(|line| line.ends_with("run.json 1.1.2 findings=6 satisfied=1")), "{said}");
    assert!(said.lines().any(|line| line.ends_with("period.json 1.1.2 findings=5 satisfied=1")), "{said}");

    // It is no yes-man: what is not OSCAL is refused.
    let good = of_run(&rich());
    for (index, (from, to)) in [
        ("\"not-satisfied\"", "\"unknown\""),
        ("\"collected\"", "\"gathered\""),
        ("\"target-id\": \"A.8.24", "\"target-id\": \"8.24"),
        ("\"oscal-version\"", "\"oscal-edition\""),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(good.contains(from), "{from}");
        let bad = write(&folder, &format!("bad-{index}.json"), good.replacen(from, to, 1));
        assert!(peers().oscal(&[&bad]).unwrap().is_err(), "{to} was taken");
    }
}

#[test]
fn the_schema_of_ocsf_takes_every_event_and_no_other() {
    let folder = TempDir::new().unwrap();
    let plain = write(&folder, "plain.jsonl", events(&findings()));
    let hostile = write(&folder, "hostile.jsonl", events(&hostile::findings()));
    for (index, name) in HOSTILE.iter().enumerate() {
        let period = write(&folder, &format!("period-{index}.jsonl"), events_of_period(name));
        assert!(peers().ocsf(&[&period]).unwrap().unwrap().trim_end().ends_with(" 3"), "{name:?}");
    }
    let said = peers().ocsf(&[&plain, &hostile]).unwrap().unwrap();
    let counts: Vec<&str> = said.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(counts, [findings().len().to_string(), hostile::findings().len().to_string()]);

    let good = events(&findings()[..1]);
    for (index, (from, to)) in [
        ("\"class_uid\":2003", "\"class_uid\":2003,\"verdict_of_ours\":1"),
        ("\"severity_id\":5", "\"severity_id\":42"),
        ("\"provider\":\"AWS\",", ""),
        ("\"compliance\":{", "\"compliance\":{\"ours\":1,"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(good.contains(from), "{from} in {good}");
        let bad = write(&folder, &format!("bad-{index}.jsonl"), good.replacen(from, to, 1));
        assert!(peers().ocsf(&[&bad]).unwrap().is_err(), "{to} was taken");
    }
}

#[test]
fn duckdb_reads_every_row_of_every_table() {
    let folder = TempDir::new().unwrap();
    let mut rows = FindingsCsv::new(&hostile::report(), Vec::new()).unwrap();
    for finding in hostile::findings() {
        rows.row(&finding, Some("title"), Some(evidence())).unwrap();
    }
    let mut files = vec![
        (write(&folder, "findings.csv", rows.finish().unwrap()), hostile::findings().len(), COLUMNS.len()),
        (write(&folder, "controls.csv", controls_csv(&rich(), Vec::new()).unwrap()), 10, 20),
    ];
    for (index, name) in HOSTILE.iter().enumerate() {
        for (which, rows, columns) in [(Table::Controls, 18, 27), (Table::Changes, 2, 21), (Table::Fails, 3, 22)] {
            files.push((write(&folder, &format!("{index}-{which:?}.csv"), table(name, which)), rows, columns));
        }
    }
    let paths: Vec<&Path> = files.iter().map(|(path, ..)| path.as_path()).collect();
    let said = peers().duckdb(&paths).unwrap().unwrap();
    let read: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), files.len());
    for (table, (path, rows, columns)) in read.iter().zip(&files) {
        assert_eq!(table["rows"], *rows, "{}", path.display());
        assert_eq!(table["columns"].as_array().unwrap().len(), *columns, "{}", path.display());
    }
    // Names are whole: as they are, or as they are to be seen, behind an apostrophe where they would be formulas.
    let names: Vec<&str> = read[0]["named"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for intact in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "{{ 7 * 7 }}{% for x in y %}{# #}"] {
        assert!(names.contains(&intact), "{intact}: {names:?}");
    }
    for seen in ["'=HYPERLINK(\"http://example.com\";\"x\")", "'@SUM(A1)", r"a\nb\r\nc\td"] {
        assert!(names.contains(&seen), "{seen}: {names:?}");
    }
}
