//! What auditors call information produced by the entity: from when, from where, by which question, by whom, how
//! complete, and how to check it. Every form for other programs carries it.

use std::collections::BTreeMap;
use std::io::Write;

use evidenced_model::{
    Account, AgentId, CallStats, Cause, CheckId, Digest, Exclusion, Finding, Listing, LogHead, Principal, Provider,
    RunId, RunStatus, VerdictCounts,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::json::ascii_json;
use crate::period::Period;
use crate::visible::shell_word;
use crate::{AssuranceReport, Report, ReportError, StatementRef};

/// The value of `Provenance::format`.
pub(crate) const FORMAT: &str = "evidenced-provenance/1";

/// What has to be known of a table or a file of findings before anybody relies on it.
#[derive(Debug, Clone, Serialize)]
pub struct Provenance {
    /// Always `evidenced-provenance/1`.
    pub format: &'static str,
    /// When what is in it was so.
    pub effective: Effective,
    /// Where it was read.
    pub source: Source,
    /// What was asked.
    pub query: Query,
    /// Who asked.
    pub made_by: Vec<MadeBy>,
    /// How much of what there was is in it.
    pub completeness: Completeness,
    /// How to check it.
    pub verify: Verify,
}

/// From the first to the last moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// The first moment.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
}

/// Where it was read.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// The store.
    pub store: String,
    /// The accounts that were listed, read or not. Empty for a period: each run names its own.
    pub accounts: Vec<SourceAccount>,
    /// What the operator declared as out of scope.
    pub excluded: Vec<Exclusion>,
}

/// An account that was listed.
#[derive(Debug, Clone, Serialize)]
pub struct SourceAccount {
    /// The cloud.
    pub provider: Provider,
    /// The account.
    pub account: Account,
    /// Whether it was read.
    pub read: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was asked: of what was read, the checks; of the clouds, the operations.
#[derive(Debug, Clone, Serialize)]
pub struct Query {
    /// The checks that were made.
    pub checks: Vec<CheckQuery>,
    /// The operations that were called, where the caller knows them.
    pub operations: Vec<OperationQuery>,
}

/// A check that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckQuery {
    /// The check.
    pub check: CheckId,
    /// Its revision; over a period, the last.
    pub revision: Option<u32>,
    /// SHA-256 of what it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_sha256: Option<Digest>,
}

/// What became of the calls of one operation, in all accounts together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationQuery {
    /// The cloud.
    pub provider: Provider,
    /// The operation, e.g. `s3:GetBucketPolicy`.
    pub operation: String,
    /// Answered.
    pub ok: u64,
    /// Refused, failed or throttled to the end.
    pub not_answered: u64,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Since when the provider had the oldest of what it answered, by its own word, where its source lags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<Timestamp>,
    /// The latest bound of that moment, where a source lags and does not say by how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_before: Option<Timestamp>,
}

/// Who asked.
#[derive(Debug, Clone, Serialize)]
pub struct MadeBy {
    /// The agent.
    pub agent: AgentId,
    /// The run; `None` over a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The program's versions, with the SHA-256 of each executable.
    pub programs: Vec<(String, Option<Digest>)>,
    /// Who it was at each provider. Empty for a period: each run names its own.
    pub principals: Vec<Principal>,
    /// SHA-256 of the public key that signed, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
}

/// How much of what there was is in it.
#[derive(Debug, Clone, Serialize)]
pub struct Completeness {
    /// Whether everything that was planned was read; `None` over a period.
    pub status: Option<RunStatus>,
    /// Every finding of the run, whatever this file shows; `None` over a period.
    pub findings: Option<VerdictCounts>,
    /// Resources that were read; `None` over a period.
    pub resources: Option<u64>,
    /// Everything that was to be told and was not; for a period, holes in the coverage.
    pub gaps: u64,
    /// Gaps by cause, call and permission; for a period, slots without a run by what became of them.
    pub unread: Vec<UnreadCount>,
    /// Findings that this file leaves out, for want of room.
    pub left_out: u64,
    /// Whether it is made from a pack that withholds findings.
    pub withheld: bool,
    /// What a reader has to know, in words.
    pub cautions: Vec<String>,
}

/// Equal gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadCount {
    /// Why, as a word.
    pub cause: String,
    /// The call that would have told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What would have been needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// How many times.
    pub count: u64,
}

/// How to check it.
#[derive(Debug, Clone, Serialize)]
pub struct Verify {
    /// The signed statement; `None` over a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementRef>,
    /// The newest entry of each agent's log, `INDEX:DIGEST`.
    pub heads: BTreeMap<AgentId, String>,
    /// How far it can be trusted, in short; `None` over a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assurance: Option<AssuranceReport>,
    /// The commands, in order. The public key comes from elsewhere: a copy in the store proves nothing.
    pub commands: Vec<String>,
}

impl Provenance {
    /// Of a run, and of a file that holds every one of its findings; see [`Provenance::leaving_out`].
    pub fn of_run(report: &Report, calls: &[CallStats]) -> Self {
        let manifest = &report.manifest;
        let account = |listed: &evidenced_model::ListedAccount| SourceAccount {
            provider: listed.provider.clone(),
            account: listed.account.clone(),
            read: listed.state == Listing::Read,
            reason: listed.reason.clone(),
        };
        let made = report.checks.iter().filter(|check| check.undeclared.is_empty());
        let mut cautions = Vec::new();
        if manifest.clock.suspect {
            cautions
                .push("the clock was wrong by more than five minutes: its times are not to be relied on".to_owned());
        }
        if report.head.is_none() {
            cautions.push("the run waits in the spool: no log entry names it yet".to_owned());
        }
        Self {
            format: FORMAT,
            effective: Effective { from: report.window.start, to: report.window.end },
            source: Source {
                store: report.store.clone(),
                accounts: manifest.accounts.iter().map(account).collect(),
                excluded: manifest.excluded.clone(),
            },
            query: Query {
                checks: made
                    .map(|check| CheckQuery {
                        check: check.id.clone(),
                        revision: check.revision,
                        check_sha256: check.check_sha256,
                    })
                    .collect(),
                operations: operations(calls),
            },
            made_by: vec![MadeBy {
                agent: report.agent.clone(),
                run: Some(report.run),
                programs: vec![(manifest.binary.version.clone(), manifest.binary.sha256)],
                principals: manifest.principals.clone(),
                key: report.key,
            }],
            completeness: Completeness {
                status: Some(report.status),
                findings: Some(report.totals.findings),
                resources: Some(report.totals.resources),
                gaps: report.totals.gaps,
                unread: report.unread.iter().map(unread).collect(),
                left_out: 0,
                withheld: report.withheld,
                cautions,
            },
            verify: Verify {
                statement: Some(report.statement.clone()),
                heads: report.head.iter().map(|head| (report.agent.clone(), head.to_string())).collect(),
                assurance: Some(report.assurance.clone()),
                commands: commands(&report.store, report.head.as_ref()),
            },
        }
    }

    /// Of a period.
    pub fn of_period(period: &Period) -> Self {
        let made_by = period.agents.iter().map(|agent| MadeBy {
            agent: agent.agent.clone(),
            run: None,
            programs: agent.versions.iter().map(|span| (span.version.clone(), span.sha256)).collect(),
            principals: Vec::new(),
            key: None,
        });
        let check = |check: &crate::period::CheckPeriod| CheckQuery {
            check: check.id.clone(),
            revision: check.revisions.last().map(|(revision, _)| *revision),
            check_sha256: None,
        };
        let mut commands: Vec<String> =
            period.agents.iter().flat_map(|agent| commands(&period.store, agent.head.as_ref())).collect();
        commands.dedup();
        Self {
            format: FORMAT,
            effective: Effective { from: period.from, to: period.to },
            source: Source { store: period.store.clone(), accounts: Vec::new(), excluded: Vec::new() },
            query: Query { checks: period.checks.iter().map(check).collect(), operations: Vec::new() },
            made_by: made_by.collect(),
            completeness: Completeness {
                status: None,
                findings: None,
                resources: None,
                gaps: period.holes.len() as u64,
                unread: slots(period),
                left_out: period.fails.left_out + period.changes.left_out,
                withheld: false,
                cautions: period.cautions.clone(),
            },
            verify: Verify {
                statement: None,
                heads: period
                    .agents
                    .iter()
                    .filter_map(|agent| Some((agent.agent.clone(), agent.head?.to_string())))
                    .collect(),
                assurance: None,
                commands,
            },
        }
    }

    /// Hears of a finding that is in the file: it names the revision of its check, and what that asks.
    pub fn asked(&mut self, finding: &Finding) {
        let checks = &mut self.query.checks;
        let asked = |known: &CheckQuery| known.check.as_str() >= finding.check.as_str();
        let at = checks.iter().position(asked).unwrap_or(checks.len());
        if checks.get(at).is_none_or(|known| known.check != finding.check) {
            checks.insert(at, CheckQuery { check: finding.check.clone(), revision: None, check_sha256: None });
        }
        checks[at].revision = Some(finding.revision);
        checks[at].check_sha256 = Some(finding.check_sha256);
    }

    /// Writes it as one indented JSON object that ends in a line feed: what stands beside a table, as
    /// `<table>.meta.json`.
    pub fn write(&self, out: &mut dyn Write) -> Result<(), ReportError> {
        ascii_json(self, out)
    }

    /// Of a file that leaves out so many findings.
    #[must_use]
    pub fn leaving_out(mut self, left_out: u64) -> Self {
        self.completeness.left_out = left_out;
        self
    }
}

fn operations(calls: &[CallStats]) -> Vec<OperationQuery> {
    let mut folded: BTreeMap<(&Provider, &str), OperationQuery> = BTreeMap::new();
    for call in calls {
        let entry = folded.entry((&call.provider, &call.operation)).or_insert_with(|| OperationQuery {
            provider: call.provider.clone(),
            operation: call.operation.clone(),
            ok: 0,
            not_answered: 0,
            first: call.first,
            last: call.last,
            captured: None,
            captured_before: None,
        });
        entry.ok += call.ok;
        entry.not_answered += call.denied + call.error + call.throttled;
        entry.first = entry.first.min(call.first);
        entry.last = entry.last.max(call.last);
        entry.captured = entry.captured.into_iter().chain(call.captured).min();
        entry.captured_before = entry.captured_before.max(call.captured_before);
    }
    folded.into_values().collect()
}

fn unread(group: &crate::UnreadGroup) -> UnreadCount {
    let cause: Cause = group.cause;
    UnreadCount {
        cause: cause.as_str().to_owned(),
        call: group.call.clone(),
        permission: group.permission.clone(),
        count: group.count,
    }
}

/// Slots without a run, by what became of them.
fn slots(period: &Period) -> Vec<UnreadCount> {
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for schedule in &period.schedules {
        for (what, slots) in [
            ("slot_missed", schedule.missed),
            ("slot_skipped", schedule.skipped),
            ("slot_abandoned", schedule.abandoned),
            ("slot_unaccounted", schedule.unaccounted),
        ] {
            *counted.entry(what).or_default() += slots;
        }
    }
    let some = counted.into_iter().filter(|(_, count)| *count > 0);
    some.map(|(cause, count)| UnreadCount { cause: cause.to_owned(), call: None, permission: None, count }).collect()
}

/// The commands that check a store.
pub(crate) fn commands(store: &str, head: Option<&LogHead>) -> Vec<String> {
    let head = head.map_or_else(String::new, |head| format!(" --expect-head {head}"));
    vec![format!("evidenced verify {} --key PUBLIC.pem{head} --re-evaluate", shell_word(store))]
}
