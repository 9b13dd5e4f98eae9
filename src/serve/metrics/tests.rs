//! The metrics as a scraper reads them.

use evidenced_model::FixedClock;
use jiff::Timestamp;

use super::*;
use crate::{Reason, SlotStatus};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn metrics() -> Metrics {
    Metrics::new("1.2.3", Arc::new(FixedClock(time("2026-07-01T12:00:00Z"))))
}

/// A metrics page with a row for every name that is promised.
fn full() -> Metrics {
    let metrics = metrics();
    let provider = Provider::parse("aws").unwrap();
    let run: evidenced_model::RunId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    let reason =
        Reason { code: "overdue".into(), schedule: None, since: Timestamp::UNIX_EPOCH, what: "It is late.".into() };
    metrics.set_readiness(&Readiness { ready: false, reasons: vec![reason] });
    metrics.set_schedules(&[ScheduleStatus {
        name: "hourly".into(),
        running: None,
        last: Some(SlotStatus {
            due: time("2026-07-01T10:00:00Z"),
            ended: time("2026-07-01T10:05:00Z"),
            run,
            status: evidenced_model::RunStatus::Complete,
        }),
        next: Some(time("2026-07-01T13:00:00Z")),
        missed: 1,
        overdue_seconds: 3600,
    }]);
    metrics.run_ended(Some("hourly"), RunEnd::Complete, Some(Duration::from_secs(42)));
    metrics.run_ended(None, RunEnd::Failed, None);
    metrics.slots_missed("hourly", 1);
    metrics.set_evidence(&[EvidenceAge {
        provider: provider.clone(),
        account: "123456789012".into(),
        collected: time("2026-07-01T11:00:00Z"),
        age_seconds: 1,
        run,
    }]);
    metrics.set_findings(&BTreeMap::from([((Verdict::Fail, Severity::High), 3)]));
    metrics.set_gaps(&BTreeMap::from([(provider.clone(), 2)]));
    metrics.set_resources(17);
    let catalog = CatalogId::parse("iso27001-2022").unwrap();
    metrics.set_controls(&BTreeMap::from([((catalog, Standing::Supported), 5)]));
    metrics.calls(&provider, "iam", Outcome::Throttled, 7);
    metrics.set_spool(&SpoolStatus { bytes: 1, limit_bytes: 10, runs: 2, entries: 3, error: None });
    metrics.pushed(true);
    metrics.set_log_index(41);
    metrics.config_reloaded(false);
    metrics.notified("ops", true);
    metrics.set_clock_skew(Some(-1500));
    metrics
}

#[test]
fn every_promised_name_is_there() {
    let text = full().encode();
    for line in [
        "evidenced_build_info{version=\"1.2.3\"} 1",
        "evidenced_ready 0",
        "evidenced_not_ready{reason=\"overdue\"} 1",
        "evidenced_runs_total{schedule=\"hourly\",status=\"complete\"} 1",
        "evidenced_runs_total{schedule=\"hourly\",status=\"skipped\"} 0",
        "evidenced_runs_total{schedule=\"\",status=\"failed\"} 1",
        "evidenced_slots_missed_total{schedule=\"hourly\"} 1",
        "evidenced_last_run_timestamp_seconds{schedule=\"hourly\"} 1782900300",
        "evidenced_next_run_timestamp_seconds{schedule=\"hourly\"} 1782910800",
        "evidenced_overdue_seconds{schedule=\"hourly\"} 3600",
        "evidenced_run_active{schedule=\"hourly\"} 0",
        "evidenced_run_duration_seconds_count{schedule=\"hourly\"} 1",
        "evidenced_evidence_age_seconds{provider=\"aws\",account=\"123456789012\"} 3600",
        "evidenced_findings{verdict=\"fail\",severity=\"high\"} 3",
        "evidenced_gaps{provider=\"aws\"} 2",
        "evidenced_resources 17",
        "evidenced_controls{catalog=\"iso27001-2022\",standing=\"supported\"} 5",
        "evidenced_calls_total{provider=\"aws\",service=\"iam\",outcome=\"throttled\"} 7",
        "evidenced_spool_bytes 1",
        "evidenced_spool_limit_bytes 10",
        "evidenced_spool_runs 2",
        "evidenced_spool_entries 3",
        "evidenced_pushes_total{result=\"ok\"} 1",
        "evidenced_pushes_total{result=\"failed\"} 0",
        "evidenced_log_index 41",
        "evidenced_config_reloads_total{result=\"failed\"} 1",
        "evidenced_config_valid 0",
        "evidenced_notifications_total{target=\"ops\",result=\"ok\"} 1",
        "evidenced_clock_skew_seconds -1.5",
        "# TYPE evidenced_runs_total counter",
        "# TYPE evidenced_run_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
    }
    #[cfg(target_os = "linux")]
    for name in ["process_resident_memory_bytes ", "process_start_time_seconds "] {
        assert!(text.contains(&format!("\n{name}")), "{name}");
    }
    assert!(!text.contains("# EOF"), "that is another format");
    assert_eq!(full().encode().lines().count(), text.lines().count());
}

#[test]
fn what_is_gone_is_no_longer_shown_but_stays_counted() {
    let metrics = full();
    metrics.set_schedules(&[]);
    metrics.set_readiness(&Readiness { ready: true, reasons: vec![] });
    let text = metrics.encode();
    assert!(text.contains("evidenced_ready 1\n"));
    for gone in ["evidenced_not_ready", "evidenced_next_run", "evidenced_overdue"] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(text.contains("evidenced_runs_total{schedule=\"hourly\""));
}

#[test]
fn labels_are_escaped_and_bounded() {
    let metrics = metrics();
    metrics.notified("a\"b\\c\nd", true);
    assert!(metrics.encode().contains("target=\"a\\\"b\\\\c\\nd\""));
    for number in 0..5000 {
        metrics.notified(&format!("target-{number}"), true);
    }
    metrics.notified(&"x".repeat(100_000), false);
    let text = metrics.encode();
    assert!(text.matches("evidenced_notifications_total{").count() <= 1001);
    assert!(text.contains("evidenced_notifications_total{target=\"other\",result=\"other\"} 4002"), "{}", text.len());
    assert!(text.len() < 200_000);
}
