//! A report's size does not follow the population; its counts do.

use evidenced_model::{AccountCoverage, Verdict};
use evidenced_report::{Limits, ReportBuilder, Style, summary, text};
use serde_json::json;

use crate::sample::{coverage, document, evidence, finding, header, page, texts};

#[test]
fn a_hundred_thousand_findings_are_counted_and_a_few_are_kept() {
    let mut report = ReportBuilder::new(header(), Limits::default());
    texts(&mut report);
    let policy = "x".repeat(1_500);
    for index in 0..100_000_u32 {
        let verdict = [Verdict::Fail, Verdict::Unknown, Verdict::Pass, Verdict::NotApplicable][(index % 4) as usize];
        let observed = json!({ "policy": policy, "index": index });
        let name = format!("bucket-{index}");
        report
            .finding(&finding("aws.s3.not_public", "storage.not-public", &name, verdict, &observed), Some(evidence()));
    }
    let report = report.finish();
    let check = report.checks.iter().find(|check| check.id.as_str() == "aws.s3.not_public").unwrap();
    assert_eq!(check.counts.total(), 100_000);
    for (kept, shown) in [(&check.fails, 200), (&check.unknowns, 200), (&check.passes, 5)] {
        assert_eq!((kept.count, kept.shown.len() as u64, kept.left_out), (25_000, shown, 25_000 - shown));
    }
    let json = document(&report);
    assert!(json.len() < 2_000_000, "{}", json.len());
    let html = page(&report);
    assert!(html.len() < 2_000_000, "{}", html.len());
    let see = "evidenced findings --run 01KGABCDEF0123456789ABCDEF --check aws.s3.not_public";
    assert!(html.contains("24,990 more are not shown here"));
    assert!(html.contains(see));
    assert!(text(&report, &Style::default()).contains(see));
}

#[test]
fn many_checks_share_the_room_and_each_keeps_some() {
    let limits = Limits { in_all: 100, ..Limits::default() };
    let mut report = ReportBuilder::new(header(), limits);
    for index in 0..5_000 {
        let check = format!("aws.s3.check_{}", index % 50);
        let name = format!("bucket-{index}");
        report.finding(&finding(&check, "storage.not-public", &name, Verdict::Fail, &json!({})), None);
    }
    let report = report.finish();
    assert_eq!(report.checks.len(), 50);
    for check in &report.checks {
        assert_eq!(check.fails.count, 100);
        assert!((2..=110).contains(&check.fails.shown.len()));
    }
    let kept: usize = report.checks.iter().map(|check| check.fails.shown.len()).sum();
    assert!(kept <= 100 + 50 * 10, "{kept}");
}

#[test]
fn many_accounts_are_all_listed_and_those_with_gaps_are_shown_cell_by_cell() {
    let limits = Limits { accounts: 3, places: 2, ..Limits::default() };
    let mut report = ReportBuilder::new(header(), limits);
    let [whole, gaps] = coverage().try_into().unwrap();
    for index in 0..100_u64 {
        let account = format!("{:012}", 111_122_223_333 + index).parse().unwrap();
        let like = if index < 98 { &whole } else { &gaps };
        report.coverage(&AccountCoverage { account, ..like.clone() });
    }
    let report = report.finish();
    assert_eq!(report.coverage.len(), 100);
    let shown: Vec<bool> = report.coverage.iter().map(|account| account.kinds.is_some()).collect();
    assert_eq!(shown.iter().filter(|shown| **shown).count(), 3);
    assert!(shown[98] && shown[99], "accounts with gaps come first");
    let denied = report.unread.iter().find(|group| group.call.as_deref() == Some("s3:GetBucketPolicy")).unwrap();
    assert_eq!((denied.count, denied.places, denied.left_out), (24, 2, 0));
    assert_eq!(report.permissions[1].accounts, 2);
}

#[test]
fn a_summary_needs_little() {
    let mut report = ReportBuilder::new(header(), Limits::summary());
    texts(&mut report);
    for index in 0..10_000 {
        let name = format!("bucket-{index}");
        report.finding(&finding("aws.s3.not_public", "storage.not-public", &name, Verdict::Fail, &json!({})), None);
    }
    let report = report.finish();
    let shown: usize = report.checks.iter().map(|check| check.fails.shown.len()).sum();
    assert_eq!(shown, 1);
    let lines = summary(&report, &Style::default());
    assert!(lines.contains("10,000 of 10,000 fail") && lines.contains("e.g. bucket-0"), "{lines}");
    assert!(lines.lines().count() < 30, "{lines}");
}

#[test]
fn a_run_that_read_nothing_has_a_report() {
    let mut header = header();
    header.head = None;
    header.manifest.accounts.clear();
    header.manifest.principals.clear();
    header.manifest.excluded.clear();
    let report = ReportBuilder::new(header, Limits::default()).finish();
    assert!(text(&report, &Style::default()).contains("the run waits in the spool"));
    let html = page(&report);
    crate::structure::read(&html).unwrap();
    assert!(html.contains("No catalogue is enabled"));
}
