//! Forty days of the small company, with holes, late runs, changes and an upgrade: made by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use evidenced_model::{
    Because, Cause, CellState, Digest, LogHead, RunId, RunStatus, Severity, Shard, Standing, Strength, Tally, Verdict,
    VerdictCounts,
};
use evidenced_report::period::{
    AgentPeriod, AttachmentPeriod, CatalogPeriod, ChangeCause, CheckPeriod, ControlPeriod, ControlSpan, CoverageHole,
    FORMAT, FailEnd, FailPeriod, Gap, Looked, ObjectiveLink, Period, RunPoint, Saw, SchedulePeriod, SlotHole,
    SlotState, StandingSpan, Stretch, Upgrade, VerdictChange, VersionSpan, WaiverPeriod,
};
use evidenced_report::{EvidenceRef, Shown};
use jiff::{SignedDuration, Timestamp};

use crate::sample::{ACCOUNT, OBJECT, aws, scope, standings};

/// A moment of the period: so many days after its beginning, and hours.
pub(crate) fn at(day: i64, hour: i64) -> Timestamp {
    let begin: Timestamp = "2025-12-23T00:00:00Z".parse().unwrap();
    begin + SignedDuration::from_hours(day * 24 + hour)
}

fn run_at(at: Timestamp) -> RunId {
    RunId::from_parts(u64::try_from(at.as_millisecond()).unwrap(), 1)
}

fn evidence() -> EvidenceRef {
    EvidenceRef {
        object: OBJECT.to_owned(),
        resource_object: None,
        show: Some(format!("zstd -dc {OBJECT} | jq -c 'select(.check == \"aws.s3.not_public\")'")),
    }
}

fn is_hole(day: i64) -> bool {
    (12..15).contains(&day) || day == 27
}

fn runs() -> Vec<RunPoint> {
    let mut runs = Vec::new();
    for slot in 0..160 {
        let (day, hour) = (slot / 4, slot % 4 * 6);
        if is_hole(day) {
            continue;
        }
        let late = day == 20 && hour == 6;
        let fail = match day {
            0..6 => 11,
            6..10 => 14,
            10..22 => 9,
            22..30 => 7,
            _ => 6,
        };
        runs.push(RunPoint {
            run: run_at(at(day, hour)),
            at: at(day, hour) + SignedDuration::from_mins(if late { 170 } else { 5 }),
            status: if day < 18 { RunStatus::Complete } else { RunStatus::Partial },
            findings: VerdictCounts { fail, not_applicable: 4, pass: 30 - fail, unknown: if day < 18 { 0 } else { 2 } },
            gaps: if day < 18 { 0 } else { 14 },
            resources: 1204,
            due: Some(at(day, hour)),
            late,
        });
    }
    runs
}

fn span(standings: &[(Standing, i64, i64)], gaps: Vec<Gap>, looked: Looked, saw: Saw) -> ControlSpan {
    let counts = Tally { fail: 3, fail_below: 0, not_applicable: 1, pass: 9, unknown: 2, waived: 2 };
    let spans = standings.iter().enumerate().map(|(index, (standing, from, until))| StandingSpan {
        standing: *standing,
        from: at(*from, 0),
        until: at(*until, 0),
        run: (index > 0).then(|| run_at(at(*from, 0))),
        agent: Some("prod-eu".parse().unwrap()),
        counts,
    });
    ControlSpan {
        looked,
        saw,
        first: Some(at(0, 0)),
        last: Some(at(39, 18)),
        looks: 144,
        seen: standings
            .iter()
            .map(|(standing, from, until)| (*standing, u64::try_from((until - from) * 4).unwrap()))
            .collect(),
        spans: spans.collect(),
        gaps,
        counts: Some(counts),
        changes: 7,
        fails: 6,
        open: 3,
    }
}

fn gaps() -> Vec<Gap> {
    vec![
        Gap { from: at(12, 0), until: at(15, 0), what: "12 slots of daily were missed".to_owned() },
        Gap { from: at(27, 0), until: at(28, 0), what: "4 slots of daily were skipped".to_owned() },
    ]
}

fn controls() -> Vec<ControlPeriod> {
    use Standing::{Contradicted, Incomplete, Supported};
    standings()
        .into_iter()
        .filter(|control| control.catalog.as_str() == "iso27001-2022")
        .map(|control| {
            let together = match control.standing {
                Contradicted => span(
                    &[(Contradicted, 0, 22), (Supported, 22, 30), (Contradicted, 30, 40)],
                    gaps(),
                    Looked::Gapped,
                    Saw::Contradicted,
                ),
                Incomplete => {
                    span(&[(Supported, 0, 18), (Incomplete, 18, 40)], gaps(), Looked::Gapped, Saw::Incomplete)
                }
                Standing::Manual => ControlSpan {
                    spans: vec![],
                    gaps: vec![],
                    counts: None,
                    ..span(&[], vec![], Looked::NotLookedAt, Saw::Manual)
                },
                other => span(&[(other, 0, 40)], vec![], Looked::Continuous, Saw::Supported),
            };
            ControlPeriod {
                attachments: if control.control.as_str() == "A.5.2" { vec![Digest::of(b"record")] } else { vec![] },
                clouds: BTreeMap::from([(aws(), together.clone()), ("gcp".parse().unwrap(), together.clone())]),
                control: control.control,
                excluded_because: None,
                label: control.label,
                left_to_people: control.left_to_people,
                objectives: control
                    .objectives
                    .into_iter()
                    .map(|objective| ObjectiveLink {
                        checks: vec!["aws.s3.not_public".parse().unwrap(), "aws.s3.tls_only".parse().unwrap()],
                        objective: objective.objective,
                        sentence: "Object storage cannot be read by the public".to_owned(),
                        strength: Strength::Strong,
                    })
                    .collect(),
                owner: Some("Platform team".to_owned()),
                together,
            }
        })
        .collect()
}

fn check(id: &str, title: &str, severity: Severity, open: u64) -> CheckPeriod {
    CheckPeriod {
        began: 4,
        counts: VerdictCounts { fail: open, not_applicable: 1, pass: 9, unknown: 2 },
        ended: 3,
        fix: "Block public access".to_owned(),
        id: id.parse().unwrap(),
        longest: Some(40 * 86_400),
        mend_median: Some(3 * 86_400),
        objective: "storage.not-public".parse().unwrap(),
        open,
        revisions: vec![(1, at(0, 0)), (2, at(25, 6))],
        severity,
        title: title.to_owned(),
    }
}

pub(crate) fn fail(resource: &str, from: i64, until: Option<i64>) -> FailPeriod {
    FailPeriod {
        agent: "prod-eu".parse().unwrap(),
        check: "aws.s3.not_public".parse().unwrap(),
        end: until.map(|_| FailEnd::Passed),
        evidence: Some(evidence()),
        from_before: from == 0,
        kind: "aws.s3.bucket".parse().unwrap(),
        observed: BTreeMap::from([("block_public".to_owned(), Shown::Whole(serde_json::Value::Bool(false)))]),
        owner: (resource != "www-assets").then(|| "Web shop team".to_owned()),
        resource: resource.to_owned(),
        run: run_at(at(from, 0)),
        scope: scope(ACCOUNT, "eu-west-1"),
        seconds: u64::try_from((until.unwrap_or(40) - from) * 86_400).unwrap(),
        seen_last: at(until.unwrap_or(40) - 1, 18),
        severity: Severity::Critical,
        since: at(from, 0),
        until: until.map(|day| at(day, 0)),
        waived: vec![],
    }
}

pub(crate) fn change(resource: &str, day: i64, before: Verdict, after: Verdict, cause: ChangeCause) -> VerdictChange {
    VerdictChange {
        after: Some(after),
        agent: "prod-eu".parse().unwrap(),
        at: at(day, 6),
        because: if after == Verdict::Unknown {
            vec![Because {
                call: Some("s3:GetBucketPolicy".to_owned()),
                cause: Cause::Denied,
                field: "policy".to_owned(),
                permission: Some("s3:GetBucketPolicy".to_owned()),
            }]
        } else {
            vec![]
        },
        before: Some(before),
        before_run: run_at(at(day, 0)),
        cause,
        check: "aws.s3.not_public".parse().unwrap(),
        evidence_after: Some(evidence()),
        evidence_before: Some(evidence()),
        kind: "aws.s3.bucket".parse().unwrap(),
        observed_after: BTreeMap::from([("block_public".to_owned(), Shown::Whole(serde_json::Value::Bool(false)))]),
        observed_before: BTreeMap::from([("block_public".to_owned(), Shown::Whole(serde_json::Value::Bool(true)))]),
        resource: resource.to_owned(),
        run: run_at(at(day, 6)),
        scope: scope(ACCOUNT, "eu-west-1"),
        severity: Severity::Critical,
    }
}

fn schedule() -> SchedulePeriod {
    SchedulePeriod {
        abandoned: 0,
        agent: "prod-eu".parse().unwrap(),
        cron: Some("0 0 */6 * * * UTC".to_owned()),
        holes: vec![
            SlotHole {
                from: at(12, 0),
                reason: Some("the daemon was not running".to_owned()),
                slots: 12,
                until: at(15, 0),
                what: SlotState::Missed,
            },
            SlotHole {
                from: at(27, 0),
                reason: Some("the spool was full".to_owned()),
                slots: 4,
                until: at(28, 0),
                what: SlotState::Skipped,
            },
        ],
        in_time: 143,
        late: 1,
        missed: 12,
        schedule: "daily".to_owned(),
        skipped: 4,
        slots: 160,
        unaccounted: 0,
    }
}

fn agent() -> AgentPeriod {
    AgentPeriod {
        abandoned: 1,
        agent: "prod-eu".parse().unwrap(),
        asked_for: 2,
        assurance: None,
        entries: 312,
        head: Some(LogHead { digest: Digest::of(b"head"), index: 312 }),
        open: 0,
        partial: 84,
        runs: runs(),
        sealed: 144,
        shard: Some(Shard::default()),
        suspect: 1,
        versions: vec![
            VersionSpan { first: at(0, 0), last: at(25, 0), runs: 84, sha256: None, version: "0.1.0".to_owned() },
            VersionSpan { first: at(25, 6), last: at(39, 18), runs: 60, sha256: None, version: "0.2.0".to_owned() },
        ],
    }
}

fn coverage_hole() -> CoverageHole {
    CoverageHole {
        account: ACCOUNT.parse().unwrap(),
        agent: "prod-eu".parse().unwrap(),
        cause: Some(Cause::Denied),
        fields: vec!["policy".to_owned()],
        from: at(18, 0),
        kind: Some("aws.s3.bucket".parse().unwrap()),
        looks: 84,
        permissions: vec!["s3:GetBucketPolicy".to_owned()],
        provider: aws(),
        region: Some("eu-west-1".parse().unwrap()),
        state: CellState::Partial,
        until: None,
    }
}

/// The period.
pub(crate) fn period() -> Period {
    use Verdict::{Fail, Pass, Unknown};
    let fails = vec![
        fail("invoices", 0, None),
        fail("www-assets", 30, None),
        fail("backups-of-the-old-shop-with-a-rather-long-name", 6, None),
        fail("directory", 6, Some(10)),
    ];
    let changes = vec![
        change("directory", 6, Pass, Fail, ChangeCause::Cloud),
        change("directory", 10, Fail, Pass, ChangeCause::Cloud),
        change("payroll", 18, Pass, Unknown, ChangeCause::Reading),
        change("www-assets", 30, Pass, Fail, ChangeCause::Check),
    ];
    Period {
        agents: vec![agent()],
        attachments: vec![AttachmentPeriod {
            at: at(3, 9),
            by: "C. Officer".to_owned(),
            bytes: 81_211,
            controls: vec![("iso27001-2022".parse().unwrap(), "A.5.2".parse().unwrap())],
            expired: true,
            file: "duties-2025.pdf".to_owned(),
            id: Digest::of(b"record"),
            sha256: Digest::of(b"file"),
            title: "Table of duties".to_owned(),
            valid_until: Some("2026-01-15".to_owned()),
        }],
        catalogs: vec![CatalogPeriod {
            controls: controls(),
            id: "iso27001-2022".parse().unwrap(),
            provisional: None,
            clauses: Vec::new(),
            title: "ISO/IEC 27001:2022, Annex A".to_owned(),
        }],
        cautions: vec!["One run's clock cannot be relied on: its times are shown, and prove nothing.".to_owned()],
        changes: Stretch { count: changes.len() as u64, left_out: 0, shown: changes },
        checks: vec![
            check("aws.s3.not_public", "No bucket is open to the public", Severity::Critical, 3),
            check("aws.s3.tls_only", "Buckets are reached over TLS only", Severity::Medium, 0),
        ],
        fails: Stretch { count: fails.len() as u64, left_out: 0, shown: fails },
        format: FORMAT,
        from: at(0, 0),
        holes: vec![coverage_hole()],
        schedules: vec![schedule()],
        store: "file:///srv/evidence".to_owned(),
        to: at(40, 0),
        upgrades: vec![Upgrade {
            added: vec![],
            agent: "prod-eu".parse().unwrap(),
            at: at(25, 6),
            checks: vec![("aws.s3.not_public".parse().unwrap(), 1, 2)],
            params: vec!["key_age_days".to_owned()],
            rejudged: true,
            removed: vec![],
            run: run_at(at(25, 6)),
            verdicts: 1,
            versions: Some(("0.1.0".to_owned(), "0.2.0".to_owned())),
        }],
        waivers: vec![WaiverPeriod {
            approved_by: "C. Officer".to_owned(),
            end: None,
            expires: "2026-06-30".to_owned(),
            fails: 2,
            from: at(8, 12),
            id: "W-7".to_owned(),
            reason: "The vendor's tool needs a fixed key until its next release".to_owned(),
            ticket: Some("SEC-112".to_owned()),
            until: None,
        }],
    }
}
