//! A period by hand, with something of everything, and with a name of the caller's in every field that may hold one.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use evidenced_model::{
    Because, Cause, CellState, Digest, LogHead, RunStatus, Severity, Shard, Standing, Strength, Tally, Verdict,
    VerdictCounts,
};
use evidenced_report::period::{
    AgentPeriod, AttachmentPeriod, CatalogPeriod, ChangeCause, CheckPeriod, ControlPeriod, ControlSpan, CoverageHole,
    FORMAT, FailEnd, FailPeriod, Gap, Looked, ObjectiveLink, Period, RunPoint, Saw, SchedulePeriod, SlotHole,
    SlotState, StandingSpan, Stretch, Upgrade, VerdictChange, VersionSpan, WaiverPeriod,
};
use evidenced_report::{EvidenceRef, Shown};
use jiff::Timestamp;

use crate::sample::{ACCOUNT, OBJECT, aws, scope};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn reference() -> EvidenceRef {
    EvidenceRef { object: OBJECT.to_owned(), resource_object: None, show: None }
}

fn span(saw: Saw, looked: Looked, standing: Standing, what: &str) -> ControlSpan {
    let counts = Tally { pass: 3, fail: 1, ..Tally::default() };
    ControlSpan {
        looked,
        saw,
        first: Some(at("2026-01-01T00:05:00Z")),
        last: Some(at("2026-03-31T23:05:00Z")),
        looks: 2159,
        seen: BTreeMap::from([(standing, 2159)]),
        spans: vec![StandingSpan {
            standing,
            from: at("2026-01-01T00:05:00Z"),
            until: at("2026-04-01T00:00:00Z"),
            run: None,
            agent: None,
            counts,
        }],
        gaps: match looked {
            Looked::Gapped => {
                vec![Gap { from: at("2026-02-01T00:00:00Z"), until: at("2026-02-01T02:00:00Z"), what: what.to_owned() }]
            }
            _ => Vec::new(),
        },
        counts: Some(counts),
        changes: 2,
        fails: 2,
        open: 1,
    }
}

fn control(id: &str, saw: Saw, looked: Looked, standing: Standing, name: &str) -> ControlPeriod {
    ControlPeriod {
        control: id.parse().unwrap(),
        label: format!("Label of {name}"),
        left_to_people: format!("Who may decide, {name}"),
        owner: Some(name.to_owned()),
        excluded_because: (saw == Saw::Excluded).then(|| name.to_owned()),
        objectives: vec![ObjectiveLink {
            objective: "storage.not-public".parse().unwrap(),
            sentence: format!("Object storage cannot be read by the public, {name}"),
            strength: Strength::Strong,
            checks: vec!["aws.s3.not_public".parse().unwrap()],
        }],
        clouds: BTreeMap::from([(aws(), span(saw, looked, standing, name))]),
        together: span(saw, looked, standing, name),
        attachments: vec![Digest::of(b"record")],
    }
}

fn fail(resource: &str, until: Option<&str>, name: &str) -> FailPeriod {
    FailPeriod {
        check: "aws.s3.not_public".parse().unwrap(),
        severity: Severity::Critical,
        resource: resource.to_owned(),
        kind: "aws.s3.bucket".parse().unwrap(),
        scope: scope(ACCOUNT, "eu-west-1"),
        owner: Some(name.to_owned()),
        since: at("2026-01-10T00:05:00Z"),
        from_before: until.is_none(),
        seen_last: at("2026-01-12T00:05:00Z"),
        until: until.map(at),
        end: until.map(|_| FailEnd::Passed),
        seconds: 172_800,
        waived: vec![(name.to_owned(), at("2026-01-11T00:00:00Z"))],
        observed: BTreeMap::from([(name.to_owned(), Shown::Whole(name.into()))]),
        evidence: Some(reference()),
        run: "01KGABCDEF0123456789ABCDEF".parse().unwrap(),
        agent: "prod-eu".parse().unwrap(),
    }
}

fn change(resource: &str, name: &str) -> VerdictChange {
    let observed = || BTreeMap::from([(name.to_owned(), Shown::Cut { cut: name.to_owned(), bytes: 9999 })]);
    VerdictChange {
        at: at("2026-01-12T01:05:00Z"),
        agent: "prod-eu".parse().unwrap(),
        before_run: "01KGABCDEF0123456789ABCDEF".parse().unwrap(),
        run: "01KGABCDEG0123456789ABCDEF".parse().unwrap(),
        check: "aws.s3.not_public".parse().unwrap(),
        resource: resource.to_owned(),
        kind: "aws.s3.bucket".parse().unwrap(),
        scope: scope(ACCOUNT, "eu-west-1"),
        severity: Severity::Critical,
        before: Some(Verdict::Fail),
        after: None,
        cause: ChangeCause::Cloud,
        observed_before: observed(),
        observed_after: observed(),
        because: vec![Because {
            call: Some(name.to_owned()),
            cause: Cause::Denied,
            field: name.to_owned(),
            permission: None,
        }],
        evidence_before: Some(reference()),
        evidence_after: None,
    }
}

/// A period in which every name is this one.
#[expect(clippy::too_many_lines, reason = "one of everything")]
pub(crate) fn named(name: &str) -> Period {
    let agent: evidenced_model::AgentId = "prod-eu".parse().unwrap();
    let run = "01KGABCDEF0123456789ABCDEF".parse().unwrap();
    let looked = |saw, looked, standing, id: &str| control(id, saw, looked, standing, name);
    Period {
        format: FORMAT,
        from: at("2026-01-01T00:00:00Z"),
        to: at("2026-04-01T00:00:00Z"),
        store: format!("file:///srv/evidence {name}"),
        agents: vec![AgentPeriod {
            agent: agent.clone(),
            shard: Some(Shard::default()),
            head: Some(LogHead { digest: Digest::of(b"head"), index: 4711 }),
            entries: 4400,
            sealed: 2159,
            partial: 12,
            asked_for: 1,
            abandoned: 1,
            open: 0,
            suspect: 0,
            versions: vec![VersionSpan {
                version: format!("0.1.0 {name}"),
                sha256: Some(Digest::of(b"binary")),
                first: at("2026-01-01T00:05:00Z"),
                last: at("2026-03-31T23:05:00Z"),
                runs: 2159,
            }],
            assurance: None,
            runs: vec![RunPoint {
                run,
                at: at("2026-03-31T23:05:00Z"),
                status: RunStatus::Complete,
                findings: VerdictCounts { fail: 1, pass: 3, ..VerdictCounts::default() },
                gaps: 0,
                resources: 4,
                due: Some(at("2026-03-31T23:00:00Z")),
                late: false,
            }],
        }],
        schedules: vec![SchedulePeriod {
            agent: agent.clone(),
            schedule: name.to_owned(),
            cron: Some("0 0 * * * *".to_owned()),
            slots: 2160,
            in_time: 2158,
            late: 0,
            missed: 2,
            skipped: 0,
            abandoned: 0,
            unaccounted: 0,
            holes: vec![SlotHole {
                from: at("2026-02-01T00:00:00Z"),
                until: at("2026-02-01T02:00:00Z"),
                slots: 2,
                what: SlotState::Missed,
                reason: Some(name.to_owned()),
            }],
        }],
        catalogs: vec![CatalogPeriod {
            id: "iso27001-2022".parse().unwrap(),
            title: name.to_owned(),
            provisional: None,
            clauses: Vec::new(),
            controls: vec![
                looked(Saw::Manual, Looked::NotLookedAt, Standing::Manual, "A.5.1"),
                looked(Saw::Contradicted, Looked::Gapped, Standing::Contradicted, "A.5.15"),
                looked(Saw::Excluded, Looked::NotLookedAt, Standing::Excluded, "A.7.14"),
                looked(Saw::Supported, Looked::Gapped, Standing::Supported, "A.8.12"),
                looked(Saw::Incomplete, Looked::Continuous, Standing::Incomplete, "A.8.15"),
                looked(Saw::NoSubject, Looked::Continuous, Standing::NoSubject, "A.8.20"),
                looked(Saw::Supported, Looked::Continuous, Standing::Supported, "A.8.24"),
                looked(Saw::SupportedWithExceptions, Looked::Continuous, Standing::SupportedWithExceptions, "6.1.3"),
                looked(Saw::Nothing, Looked::NotLookedAt, Standing::Incomplete, "A.8.1"),
            ],
        }],
        checks: vec![CheckPeriod {
            id: "aws.s3.not_public".parse().unwrap(),
            title: name.to_owned(),
            severity: Severity::Critical,
            objective: "storage.not-public".parse().unwrap(),
            fix: name.to_owned(),
            counts: VerdictCounts { fail: 1, pass: 3, unknown: 1, not_applicable: 2 },
            began: 2,
            ended: 1,
            open: 1,
            mend_median: Some(172_800),
            longest: Some(172_800),
            revisions: vec![(1, at("2026-01-01T00:05:00Z")), (2, at("2026-02-01T00:05:00Z"))],
        }],
        fails: Stretch {
            count: 5,
            left_out: 2,
            shown: vec![
                fail(name, Some("2026-01-12T01:05:00Z"), name),
                fail(name, None, name),
                fail("invoices", None, name),
            ],
        },
        changes: Stretch { count: 2, left_out: 0, shown: vec![change(name, name), change("invoices", name)] },
        holes: vec![CoverageHole {
            agent: agent.clone(),
            provider: aws(),
            account: ACCOUNT.parse().unwrap(),
            region: None,
            kind: Some("aws.s3.bucket".parse().unwrap()),
            state: CellState::Partial,
            cause: Some(Cause::Denied),
            permissions: vec![name.to_owned()],
            fields: vec![name.to_owned()],
            from: at("2026-01-01T00:05:00Z"),
            until: None,
            looks: 12,
        }],
        waivers: vec![WaiverPeriod {
            id: name.to_owned(),
            approved_by: name.to_owned(),
            reason: name.to_owned(),
            ticket: Some(name.to_owned()),
            expires: "2026-06-30".to_owned(),
            from: at("2026-01-11T00:00:00Z"),
            until: None,
            end: None,
            fails: 1,
        }],
        attachments: vec![AttachmentPeriod {
            id: Digest::of(b"record"),
            controls: vec![("iso27001-2022".parse().unwrap(), "A.5.1".parse().unwrap())],
            title: name.to_owned(),
            file: name.to_owned(),
            sha256: Digest::of(b"file"),
            bytes: 4,
            by: name.to_owned(),
            at: at("2026-01-05T00:00:00Z"),
            valid_until: None,
            expired: false,
        }],
        upgrades: vec![Upgrade {
            at: at("2026-02-01T00:05:00Z"),
            agent,
            run,
            versions: Some(("0.1.0".to_owned(), name.to_owned())),
            checks: vec![("aws.s3.not_public".parse().unwrap(), 1, 2)],
            added: Vec::new(),
            removed: Vec::new(),
            params: vec![name.to_owned()],
            verdicts: 3,
            rejudged: true,
        }],
        cautions: vec![name.to_owned()],
    }
}
