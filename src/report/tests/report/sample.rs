//! A small company's run, with something of everything, and one full of hostile names.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use evidenced_model::{
    AccountCoverage, Assurance, Because, Binary, CallStats, Cause, Cell, CellState, ClockCheck, ControlStanding,
    ControlTotal, Digest, Exclusion, Finding, GapCount, ListedAccount, Listing, LockMode, LogHead, Manifest,
    ObjectiveCount, Principal, Provider, Refusal, RestsOn, RunStatus, Scope, Severity, Shard, Slot, Standing, Strength,
    Tally, Totals, Verdict, VerdictCounts, WaiverRef, Window,
};
use evidenced_report::{
    Automatable, CatalogText, CheckText, ControlText, Evidence, Header, Limits, Report, ReportBuilder, StatementRef,
    WaiverText, html, json,
};
use serde_json::{Value, json as value};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const OTHER: &str = "111122223333";
pub(crate) const OBJECT: &str =
    "v1/objects/3f/3f2a9c1d5be7604811aa22bb33cc44dd55ee66ff778899001122334455667788.jsonl.zst";

pub(crate) fn header() -> Header {
    let run = "01KGABCDEF0123456789ABCDEF".parse().unwrap();
    let at = |text: &str| text.parse().unwrap();
    let listed = |account: &str, name: &str, state, reason: Option<&str>| ListedAccount {
        account: account.parse().unwrap(),
        name: Some(name.to_owned()),
        provider: aws(),
        reason: reason.map(str::to_owned),
        state,
    };
    Header {
        head: Some(LogHead { digest: Digest::of(b"head"), index: 42 }),
        key: Some(Digest::of(b"key")),
        manifest: Manifest {
            accounts: vec![
                listed(OTHER, "sandbox", Listing::Read, None),
                listed(ACCOUNT, "production", Listing::Read, None),
                listed("210987654321", "old-shop", Listing::Unreachable, Some("sts:AssumeRole was denied")),
            ],
            agent: "prod-eu".parse().unwrap(),
            assurance: Assurance {
                account_owns_key: Some(false),
                account_owns_store: None,
                key: "file".to_owned(),
                lock: LockMode::None,
                lock_days: None,
                store: "folder".to_owned(),
                timestamped: false,
            },
            binary: Binary { sha256: Some(Digest::of(b"binary")), version: "0.1.0".to_owned() },
            clock: ClockCheck { skew_ms: Some(-120), suspect: false },
            excluded: vec![Exclusion {
                account: None,
                kind: None,
                provider: aws(),
                reason: "only holds public test data".to_owned(),
                region: Some("us-east-1".parse().unwrap()),
                service: Some("s3".to_owned()),
            }],
            format: evidenced_model::manifest::FORMAT.to_owned(),
            principals: vec![Principal {
                account: Some(ACCOUNT.parse().unwrap()),
                id: format!("arn:aws:sts::{ACCOUNT}:assumed-role/evidenced-reader/{run}"),
                provider: aws(),
            }],
            run,
            shard: Shard::default(),
            slot: Some(Slot { due: at("2026-01-31T10:00:00Z"), schedule: "daily".to_owned() }),
            totals: Totals {
                calls: 3411,
                findings: VerdictCounts { fail: 6, not_applicable: 1, pass: 15, unknown: 2 },
                gaps: 14,
                resources: 1204,
                scopes: 6,
            },
            window: Window { end: at("2026-01-31T10:04:12.5Z"), start: at("2026-01-31T10:00:05Z") },
        },
        statement: StatementRef {
            digest: Digest::of(b"statement"),
            path: format!("v1/runs/prod-eu/2026/01/31/{run}/run.dsse.json"),
        },
        status: RunStatus::Partial,
        store: "file:///srv/evidence".to_owned(),
    }
}

pub(crate) fn aws() -> Provider {
    "aws".parse().unwrap()
}

pub(crate) fn scope(account: &str, region: &str) -> Scope {
    Scope { account: account.parse().unwrap(), provider: aws(), region: region.parse().unwrap() }
}

/// A finding about a resource in the first account.
pub(crate) fn finding(check: &str, objective: &str, resource: &str, verdict: Verdict, observed: &Value) -> Finding {
    Finding {
        because: Vec::new(),
        check: check.parse().unwrap(),
        check_sha256: Digest::of(check.as_bytes()),
        kind: "aws.s3.bucket".parse().unwrap(),
        objective: objective.parse().unwrap(),
        observed: observed.as_object().cloned().unwrap_or_default(),
        resource: resource.to_owned(),
        rests_on: Vec::new(),
        revision: 1,
        scope: scope(ACCOUNT, "eu-west-1"),
        severity: Severity::High,
        verdict,
        waiver: None,
    }
}

pub(crate) fn evidence() -> Evidence<'static> {
    Evidence {
        object: OBJECT,
        resource_object: Some(
            "v1/objects/aa/aa00000000000000000000000000000000000000000000000000000000000000.jsonl.zst",
        ),
    }
}

pub(crate) fn check(id: &str, objective: &str, severity: Severity, title: &str) -> CheckText {
    CheckText {
        fix: "aws s3api put-public-access-block --bucket <name> --public-access-block-configuration BlockPublicAcls=true"
            .to_owned(),
        id: id.parse().unwrap(),
        objective: objective.parse().unwrap(),
        severity,
        title: title.to_owned(),
        undeclared: Vec::new(),
        why: "Whoever finds the name of a public bucket can read everything in it.\nSearch engines for open buckets find it within hours."
            .to_owned(),
    }
}

pub(crate) fn objective(id: &str, strength: Strength, counts: Tally, undeclared: &[&str]) -> ObjectiveCount {
    ObjectiveCount {
        counts,
        objective: id.parse().unwrap(),
        strength,
        undeclared: undeclared.iter().map(|id| (*id).to_owned()).collect(),
    }
}

pub(crate) fn control(id: &str, label: &str, standing: Standing, objectives: Vec<ObjectiveCount>) -> ControlStanding {
    let mut counts = Tally::default();
    for objective in objectives.iter().filter(|objective| objective.strength >= Strength::Partial) {
        counts.add(&objective.counts);
    }
    ControlStanding {
        catalog: "iso27001-2022".parse().unwrap(),
        control: id.parse().unwrap(),
        counts,
        label: label.to_owned(),
        left_to_people: "Who may decide, and whether they did".to_owned(),
        objectives,
        providers: BTreeMap::from([(aws(), standing)]),
        standing,
    }
}

fn tally(pass: u64, fail: u64, unknown: u64, waived: u64, not_applicable: u64) -> Tally {
    Tally { fail, fail_below: 0, not_applicable, pass, unknown, waived }
}

pub(crate) fn standings() -> Vec<ControlStanding> {
    use Strength::{Partial, Strong, Supporting};
    let public = || objective("storage.not-public", Strong, tally(3, 3, 2, 0, 1), &[]);
    let keys = || objective("crypto.keys-rotate", Partial, tally(12, 0, 0, 0, 4), &[]);
    let logs = || objective("logging.kept", Partial, tally(0, 0, 0, 0, 0), &["aws.s3.log_bucket_locked"]);
    let waived = || objective("identity.keys-rotated", Strong, tally(6, 0, 0, 2, 0), &[]);
    let mut list = vec![
        control("A.5.1", "Approved, reviewed security policy set", Standing::Manual, vec![]),
        control("A.5.2", "Who owns which security duty", Standing::Manual, vec![]),
        control("A.5.15", "Rules for access, by need", Standing::Contradicted, vec![public(), waived()]),
        control("A.5.17", "Secrets for signing in", Standing::SupportedWithExceptions, vec![waived()]),
        control("A.7.14", "Safe disposal or re-use of equipment", Standing::Excluded, vec![]),
        control("A.8.12", "Stop leaks of data", Standing::Contradicted, vec![public()]),
        control("A.8.15", "Logs made, kept and protected", Standing::Incomplete, vec![logs()]),
        control(
            "A.8.24",
            "Use of cryptography",
            Standing::Supported,
            vec![keys(), objective("crypto.keys-not-deleted", Supporting, tally(1, 1, 0, 0, 0), &[])],
        ),
        control(
            "A.8.20",
            "Networks secured",
            Standing::NoSubject,
            vec![objective("network.none", Partial, tally(0, 0, 0, 0, 7), &[])],
        ),
    ];
    let mut cloud =
        control("CLD.9.5.1", "Tenant isolation of virtual environment", Standing::Incomplete, vec![public()]);
    cloud.catalog = "iso27017-2026".parse().unwrap();
    list.push(cloud);
    list
}

/// Calls, of which some were answered from what was known before.
pub(crate) fn calls() -> Vec<CallStats> {
    let at = |text: &str| text.parse().unwrap();
    let call = |operation: &str, captured: Option<&str>| CallStats {
        account: ACCOUNT.parse().unwrap(),
        captured: captured.map(at),
        captured_before: None,
        denied: 0,
        error: 0,
        first: at("2026-01-31T10:00:06Z"),
        last: at("2026-01-31T10:00:07Z"),
        ok: 1,
        operation: operation.to_owned(),
        provider: aws(),
        region: "global".parse().unwrap(),
        retries: 0,
        samples: Vec::new(),
        throttled: 0,
    };
    let graph = CallStats {
        captured_before: Some(at("2026-01-31T10:01:00Z")),
        provider: "azure".parse().unwrap(),
        ..call("resourcegraph:StorageAccounts", None)
    };
    vec![call("iam:GetCredentialReport", Some("2026-01-31T08:12:00Z")), call("s3:ListBuckets", None), graph]
}

pub(crate) fn coverage() -> Vec<AccountCoverage> {
    let cell = |kind: &str, region: &str, resources, state, gaps: Vec<GapCount>| Cell {
        gaps,
        kind: kind.parse().unwrap(),
        reason: None,
        region: region.parse().unwrap(),
        resources,
        state,
        total: None,
        vanished: 0,
    };
    let refusal = |call: &str, cause, code: Option<&str>| Refusal {
        call: call.to_owned(),
        cause,
        code: code.map(str::to_owned),
        permission: (cause == Cause::Denied).then(|| call.to_owned()),
    };
    let gap = |count, fields: &[&str], refusal, resources: &[&str]| GapCount {
        count,
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        refusal,
        resources: resources.iter().map(|id| (*id).to_owned()).collect(),
    };
    let denied = || {
        gap(
            12,
            &["policy", "policy_status"],
            refusal("s3:GetBucketPolicy", Cause::Denied, Some("AccessDenied")),
            &["invoices", "backups"],
        )
    };
    let mut buckets = cell("aws.s3.bucket", "eu-west-1", 40, CellState::Complete, vec![denied()]);
    buckets.vanished = 1;
    let mut users = cell("aws.iam.user", "global", 14, CellState::Complete, vec![]);
    users.total = Some(ControlTotal { count: 15, source: "iam:GetAccountSummary".to_owned() });
    let mut excluded = cell("aws.s3.bucket", "us-east-1", 0, CellState::Skipped, vec![]);
    excluded.reason = Some("only holds public test data".to_owned());
    vec![
        AccountCoverage {
            account: OTHER.parse().unwrap(),
            cells: vec![cell("aws.iam.user", "global", 0, CellState::Complete, vec![])],
            gaps: vec![],
            provider: aws(),
            regions: vec![],
        },
        AccountCoverage {
            account: ACCOUNT.parse().unwrap(),
            cells: vec![
                buckets,
                cell("aws.kms.key", "eu-west-1", 12, CellState::Complete, vec![]),
                cell(
                    "aws.kms.key",
                    "us-east-1",
                    3,
                    CellState::Partial,
                    vec![gap(1, &[], refusal("kms:ListKeys", Cause::Throttled, Some("ThrottlingException")), &[])],
                ),
                users,
                excluded,
                cell(
                    "aws.guardduty.detector",
                    "eu-west-1",
                    0,
                    CellState::Denied,
                    vec![gap(
                        1,
                        &[],
                        refusal("guardduty:ListDetectors", Cause::Denied, Some("AccessDeniedException")),
                        &[],
                    )],
                ),
                cell("aws.guardduty.detector", "us-east-1", 0, CellState::Failed, vec![]),
            ],
            gaps: vec![],
            provider: aws(),
            regions: vec!["eu-west-1".parse().unwrap(), "us-east-1".parse().unwrap()],
        },
    ]
}

/// The texts of the mapping.
pub(crate) fn texts(report: &mut ReportBuilder) {
    let text = |id: &str, manual: &str| ControlText {
        automatable: if manual.is_empty() { Automatable::Partial } else { Automatable::None },
        excluded: (id == "A.7.14").then(|| "the organisation owns no equipment".to_owned()),
        id: id.parse().unwrap(),
        manual: (!manual.is_empty()).then(|| manual.to_owned()),
    };
    report.catalog(CatalogText {
        controls: vec![
            text("A.5.1", "The policies, who approved them and when, and the record of the last review"),
            text("A.5.2", "Organisation chart or table of duties, with names and dates of appointment"),
            text("A.5.15", ""),
            text("A.7.14", ""),
        ],
        id: "iso27001-2022".parse().unwrap(),
        provisional: None,
        title: "ISO/IEC 27001:2022, Annex A".to_owned(),
    });
    report.catalog(CatalogText {
        controls: vec![],
        id: "iso27017-2026".parse().unwrap(),
        provisional: Some("the list of controls rests on one secondary source".to_owned()),
        title: "ISO/IEC 27017:2026 (provisional)".to_owned(),
    });
    for (id, sentence) in [
        ("storage.not-public", "Object storage cannot be read by the public"),
        ("crypto.keys-rotate", "Keys that we manage are replaced by themselves"),
        ("crypto.keys-not-deleted", "No key is deleted without an approval"),
        ("logging.kept", "Logs are kept as long as they are needed"),
        ("identity.keys-rotated", "Long-lived access keys are replaced before they grow old"),
        ("network.none", "Networks let in only what they must"),
    ] {
        report.objective(id.parse().unwrap(), sentence);
    }
    report.check(check(
        "aws.s3.not_public",
        "storage.not-public",
        Severity::Critical,
        "No bucket is open to the public",
    ));
    report.check(check("aws.s3.tls_only", "storage.not-public", Severity::Medium, "Buckets are reached over TLS only"));
    report.check(check(
        "aws.kms.rotation",
        "crypto.keys-rotate",
        Severity::Medium,
        "Customer managed symmetric keys rotate by themselves",
    ));
    report.check(check(
        "aws.iam.key_age",
        "identity.keys-rotated",
        Severity::Low,
        "Access keys are younger than 90 days",
    ));
    let mut undeclared =
        check("aws.s3.log_bucket_locked", "logging.kept", Severity::High, "Buckets that hold logs are locked");
    undeclared.undeclared = vec!["log_buckets".to_owned()];
    report.check(undeclared);
    report.waiver(WaiverText {
        approved_by: "C. Officer".to_owned(),
        id: "W-7".to_owned(),
        reason: "The vendor's tool needs a fixed key until its next release".to_owned(),
        until: "2026-06-30".to_owned(),
    });
}

pub(crate) fn findings() -> Vec<Finding> {
    use Verdict::{Fail, NotApplicable, Pass, Unknown};
    let mut list = Vec::new();
    for name in ["invoices", "www-assets", "backups-of-the-old-shop-with-a-rather-long-name"] {
        let observed = value!({"acl_grants": [{"grantee": "AllUsers", "permission": "READ"}], "block_public": false, "policy": null});
        let mut fail = finding("aws.s3.not_public", "storage.not-public", name, Fail, &observed);
        fail.severity = Severity::Critical;
        fail.rests_on = vec![RestsOn {
            id: ACCOUNT.to_owned(),
            kind: "aws.s3.account_block".parse().unwrap(),
            scope: scope(ACCOUNT, "global"),
        }];
        list.push(fail);
    }
    for name in ["hr-files", "payroll"] {
        let mut unknown = finding("aws.s3.not_public", "storage.not-public", name, Unknown, &value!({}));
        unknown.because = vec![Because {
            call: Some("s3:GetBucketPolicy".to_owned()),
            cause: Cause::Denied,
            field: "policy".to_owned(),
            permission: Some("s3:GetBucketPolicy".to_owned()),
        }];
        list.push(unknown);
    }
    for index in 0..3 {
        let name = format!("private-{index}");
        list.push(finding("aws.s3.not_public", "storage.not-public", &name, Pass, &value!({"block_public": true})));
    }
    list.push(finding("aws.s3.not_public", "storage.not-public", "directory", NotApplicable, &value!({})));
    let mut tls = finding("aws.s3.tls_only", "storage.not-public", "invoices", Fail, &value!({"policy": null}));
    tls.severity = Severity::Medium;
    list.push(tls);
    for index in 0..12 {
        let arn = format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{index}");
        let mut pass = finding(
            "aws.kms.rotation",
            "crypto.keys-rotate",
            &arn,
            Pass,
            &value!({"rotates": true, "rotation_days": 365}),
        );
        pass.kind = "aws.kms.key".parse().unwrap();
        pass.severity = Severity::Medium;
        list.push(pass);
    }
    for name in ["deploy", "vendor-tool"] {
        let mut fail = finding(
            "aws.iam.key_age",
            "identity.keys-rotated",
            name,
            Fail,
            &value!({"created": "2025-02-01T00:00:00Z"}),
        );
        fail.waiver = Some(WaiverRef { id: "W-7".to_owned() });
        fail.severity = Severity::Low;
        list.push(fail);
    }
    list
}

pub(crate) fn rich() -> Report {
    let mut report = ReportBuilder::new(header(), Limits::default());
    texts(&mut report);
    report.calls(&calls());
    for account in coverage() {
        report.coverage(&account);
    }
    report.controls(standings());
    for finding in findings() {
        report.finding(&finding, Some(evidence()));
    }
    report.finish()
}

pub(crate) fn page(report: &Report) -> String {
    let mut out = Vec::new();
    html(report, None, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub(crate) fn document(report: &Report) -> String {
    let mut out = Vec::new();
    json(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
