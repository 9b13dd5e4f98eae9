//! Writes the page of many findings, with names that pack badly, and says how long that took: `many FILE [FINDINGS]`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example that talks to whoever starts it")]
#![expect(dead_code, reason = "not everything of the tests' sample is asked for")]

#[path = "../tests/report/sample.rs"]
mod sample;

use std::fs::File;
use std::time::Instant;

use evidenced_model::{Digest, Severity, Verdict};
use evidenced_report::{Evidence, Limits, ReportBuilder, html};
use serde_json::json;

const CHECKS: u64 = 120;

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let many: u64 = std::env::args().nth(2).map_or(100_000, |many| many.parse().unwrap());
    let mut report = ReportBuilder::new(sample::header(), Limits::default());
    sample::texts(&mut report);
    for account in sample::coverage() {
        report.coverage(&account);
    }
    report.controls(sample::standings());
    let begin = Instant::now();
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    for index in 0..many {
        let random = Digest::of(&index.to_be_bytes()).to_string();
        let check = format!("aws.service{}.check_{}", index % CHECKS / 10, index % CHECKS);
        let verdict = match index / CHECKS % 10 {
            0 | 1 => Verdict::Fail,
            2 => Verdict::Unknown,
            9 => Verdict::NotApplicable,
            _ => Verdict::Pass,
        };
        let account = format!("{}", 111_122_223_333 + index % 25);
        let id = format!(
            "arn:aws:service:eu-west-1:{account}:thing/{}-{}-{}",
            &random[..8],
            &random[8..12],
            &random[12..24]
        );
        let values = json!({ "encrypted": index % 3 == 0, "key": format!("key/{}", index % 40), "days": index % 365 });
        let mut finding = sample::finding(&check, "storage.not-public", &id, verdict, &values);
        finding.severity = severities[usize::try_from(index % CHECKS % 4).unwrap()];
        finding.scope =
            sample::scope(&account, ["eu-west-1", "us-east-1", "eu-central-1"][usize::try_from(index % 3).unwrap()]);
        let object = Digest::of(&(index % 2_000).to_be_bytes()).to_string();
        let object = format!("v1/objects/{}/{object}.jsonl.zst", &object[..2]);
        report.finding(&finding, Some(Evidence { object: &object, resource_object: None }));
    }
    let report = report.finish();
    let built = begin.elapsed();
    let begin = Instant::now();
    html(&report, None, &mut File::create(&path).unwrap()).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!(
        "{} findings, {} rows, {bytes} bytes; counted in {} ms, written in {} ms",
        many,
        report.table.len(),
        built.as_millis(),
        begin.elapsed().as_millis()
    );
}
