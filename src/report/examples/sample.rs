//! Writes the pages of the sample of the tests into a folder: `sample FOLDER`.
#![expect(clippy::unwrap_used, reason = "an example that talks to whoever starts it")]
#![expect(dead_code, reason = "not everything of the tests' sample is asked for")]

#[path = "../tests/report/period.rs"]
mod period;
#[path = "../tests/report/sample.rs"]
mod sample;

use std::fs::File;
use std::path::PathBuf;

use evidenced_model::Verdict;
use evidenced_report::{Limits, Report, ReportBuilder, html, html_period};
use serde_json::json;

/// Names that would do harm if anything of them became markup, a quote's end or a direction of writing.
const NAMES: [&str; 6] = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\"' onmouseover=alert(1) x='",
    "'; rm -rf \"$HOME\" #`id`$(id)",
    "\u{202e}gpj.exe\u{200b}\n\u{0}",
    "__proto__",
];

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap());
    let (report, period) = (sample::rich(), period::period());
    let create = |name: &str| File::create(folder.join(name)).unwrap();
    html(&report, Some(&period), &mut create("run.html")).unwrap();
    html(&report, None, &mut create("alone.html")).unwrap();
    html_period(&period, &mut create("period.html")).unwrap();
    html(&hostile(), None, &mut create("hostile.html")).unwrap();
}

fn hostile() -> Report {
    let mut report = ReportBuilder::new(sample::header(), Limits::default());
    sample::texts(&mut report);
    report.controls(sample::standings());
    for name in NAMES {
        let values = json!({ name: name, "list": [name] });
        let one = sample::finding("aws.s3.not_public", "storage.not-public", name, Verdict::Fail, &values);
        report.finding(&one, Some(sample::evidence()));
    }
    report.finish()
}
