//! Writes the pages of the sample of the tests into a folder: `sample FOLDER`.
#![expect(clippy::unwrap_used, reason = "an example that talks to whoever starts it")]
#![expect(dead_code, reason = "not everything of the tests' sample is asked for")]

#[path = "../tests/report/period.rs"]
mod period;
#[path = "../tests/report/sample.rs"]
mod sample;

use std::fs::File;
use std::path::PathBuf;

use evidenced_report::{html, html_period};

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap());
    let (report, period) = (sample::rich(), period::period());
    let create = |name: &str| File::create(folder.join(name)).unwrap();
    html(&report, Some(&period), &mut create("run.html")).unwrap();
    html(&report, None, &mut create("alone.html")).unwrap();
    html_period(&period, &mut create("period.html")).unwrap();
}
