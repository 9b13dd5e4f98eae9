//! The forms of a report against the ones that were looked at and found good. `UPDATE=1` rewrites them.

use std::path::Path;

use evidenced_report::{Collected, Style, summary, text};

use crate::sample;

#[expect(clippy::disallowed_methods, reason = "the switch of a test, not of the program")]
fn updating() -> bool {
    std::env::var_os("UPDATE").is_some()
}

#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/golden").join(name);
    if updating() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(actual == expected, "{name} has changed; look at it, then run again with UPDATE=1\n{actual}");
}

#[test]
fn the_summary() {
    golden("summary.txt", &summary(&sample::rich(), &Style::default()));
}

#[test]
fn the_text() {
    golden("report.txt", &text(&sample::rich(), &Style { color: false, width: 100 }));
}

#[test]
fn the_document() {
    golden("report.json", &sample::document(&sample::rich()));
}

#[test]
fn the_page() {
    golden("report.html", &unpacked(&sample::page(&sample::rich())));
}

#[test]
fn the_page_over_time() {
    golden("period.html", &crate::pages::over_time());
}

/// How data is packed may change with the packer; what is in it is held elsewhere.
fn unpacked(html: &str) -> String {
    html.replace(crate::pages::island(html), "(packed)")
}

#[test]
fn what_collect_prints() {
    let header = sample::header();
    let controls = sample::standings();
    let collected = serde_json::to_value(Collected::new(&header, &controls)).unwrap();
    let members: Vec<_> = collected.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["agent", "controls", "head", "run", "status", "store", "totals", "window"]);
    assert_eq!(collected["head"]["index"], 42);
    assert_eq!(collected["status"], "partial");
    assert_eq!(collected["totals"]["findings"]["not_applicable"], 1);
    assert_eq!(collected["totals"]["scopes"], 6);
    assert_eq!(collected["controls"][2]["catalog"], "iso27001-2022");
    assert_eq!(collected["controls"][2]["control"], "A.5.15");
    assert_eq!(collected["controls"][2]["standing"], "contradicted");
    assert_eq!(collected["controls"].as_array().unwrap().len(), controls.len());
}
