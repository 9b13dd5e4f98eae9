//! Findings as OCSF Compliance Findings (class 2003), one JSON object a line, however many there are.

mod period;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use evidenced_model::{CheckId, Finding, KindId, ObjectiveId, Scope, Severity, Verdict};
use serde_json::{Value, json};

use crate::document::{CheckReport, EvidenceRef, Shown, ShownFinding};
use crate::json::Ascii;
use crate::keep::shown;
use crate::provenance::commands;
use crate::uuid::uuid;
use crate::{Evidence, Limits, Report, ReportError};

pub use period::ocsf_period;

/// The version of the schema that events follow.
const VERSION: &str = "1.6.0";

/// Writes the findings of a run as OCSF events, one a line.
///
/// Each event stands by itself: it names the run, the agent, the signed statement, what the run could not read, and the
/// command that checks it. `unknown` stays `Unknown`; what does not apply is `Other`, and says so; a waived fail is a
/// fail, of which `status` says that it is waived. Values are cut to what [`Limits`] says, and `metadata.is_truncated`
/// tells.
pub struct Ocsf<'r, W: Write> {
    out: W,
    report: &'r Report,
    checks: BTreeMap<&'r CheckId, &'r CheckReport>,
    serves: BTreeMap<&'r ObjectiveId, Serves>,
    /// What is the same in every event: metadata and what OCSF has no place for.
    metadata: Value,
    unmapped: Value,
}

/// What an objective serves.
#[derive(Default)]
struct Serves {
    standards: BTreeSet<String>,
    requirements: BTreeSet<String>,
}

impl<'r, W: Write> Ocsf<'r, W> {
    /// Begins with what is known of the run beside its findings: a report that was fed with none will do.
    pub fn new(report: &'r Report, out: W) -> Self {
        let mut serves: BTreeMap<&ObjectiveId, Serves> = BTreeMap::new();
        for catalog in &report.catalogs {
            for control in &catalog.controls {
                for link in &control.sealed.objectives {
                    let serves = serves.entry(&link.objective).or_default();
                    serves.standards.insert(catalog.title.clone());
                    serves.requirements.insert(format!("{} {}", catalog.id, control.sealed.control));
                }
            }
        }
        let checks = report.checks.iter().map(|check| (&check.id, check)).collect();
        Self { out, report, checks, serves, metadata: metadata(report), unmapped: unmapped(report) }
    }

    /// Writes one finding, with the place of its evidence where it is known.
    pub fn event(&mut self, finding: &Finding, evidence: Option<Evidence<'_>>) -> Result<(), ReportError> {
        let kept = shown(finding, evidence, &Limits::default());
        let uid = uid(&finding.check, &finding.kind, &finding.scope, &finding.resource);
        let check = self.checks.get(&finding.check).copied();
        let title = check.map_or(finding.check.as_str(), |check| &check.title);
        let (status_id, status) = handled(finding);
        let mut metadata = self.metadata.clone();
        metadata["uid"] = uuid(&["event", &uid, &self.report.run.to_string()]).into();
        metadata["is_truncated"] = truncated(finding, &kept).into();
        let mut event = json!({
            "activity_id": 1,
            "activity_name": "Create",
            "category_name": "Findings",
            "category_uid": 2,
            "class_name": "Compliance Finding",
            "class_uid": 2003,
            "type_name": "Compliance Finding: Create",
            "type_uid": 200_301,
            "time": self.report.window.end.as_millisecond(),
            "start_time": self.report.window.start.as_millisecond(),
            "end_time": self.report.window.end.as_millisecond(),
            "timezone_offset": 0,
            "severity_id": severity(finding).0,
            "severity": severity(finding).1,
            "status_id": status_id,
            "status": status,
            "message": format!("{title}: {}", finding.verdict.as_str()),
            "metadata": metadata,
            "cloud": cloud(&finding.check, &finding.scope, &finding.resource),
            "compliance": self.compliance(finding, title, check),
            "finding_info": {
                "uid": uid,
                "title": title,
                "desc": check.map(|check| check.why.as_str()).unwrap_or_default(),
                "last_seen_time": self.report.window.end.as_millisecond(),
                "types": ["Configuration"],
                "data_sources": [self.report.store],
                "analytic": {
                    "type_id": 1,
                    "type": "Rule",
                    "uid": finding.check.as_str(),
                    "name": title,
                    "version": finding.revision.to_string(),
                },
            },
            "resources": [resource(&finding.kind, &finding.scope, &finding.resource)],
            "unmapped": self.rest(finding, &kept),
        });
        if let Some(fix) = check.map(|check| check.fix.as_str()).filter(|fix| !fix.trim().is_empty()) {
            event["remediation"] = json!({"desc": fix});
        }
        if let Some(detail) = detail(finding) {
            event["status_detail"] = detail.into();
        }
        if let Some(place) = &kept.evidence {
            event["evidences"] = evidences(place);
        }
        line(&event, &mut self.out)
    }

    /// Ends the stream and gives the writer back.
    pub fn finish(mut self) -> Result<W, ReportError> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn compliance(&self, finding: &Finding, title: &str, check: Option<&CheckReport>) -> Value {
        let (status_id, status) = verdict(finding.verdict);
        let serves = self.serves.get(&finding.objective);
        let standards: Vec<&str> = serves.into_iter().flat_map(|all| &all.standards).map(String::as_str).collect();
        let requirements: Vec<&str> =
            serves.into_iter().flat_map(|all| &all.requirements).map(String::as_str).collect();
        let (severity_id, severity) = severity_of(finding.severity);
        let mut compliance = json!({
            "category": finding.objective.as_str(),
            "control": finding.check.as_str(),
            "desc": check.map(|check| check.why.as_str()).unwrap_or_default(),
            "standards": standards,
            "requirements": requirements,
            "status": status,
            "status_id": status_id,
            "checks": [{
                "uid": finding.check.as_str(),
                "name": title,
                "version": finding.revision.to_string(),
                "severity": severity,
                "severity_id": severity_id,
                "status": status,
                "status_id": status_id,
            }],
        });
        if let Some(detail) = detail(finding) {
            compliance["status_detail"] = detail.into();
        }
        compliance
    }

    /// What OCSF has no place for: the values that decided, and how to check it all.
    fn rest(&self, finding: &Finding, kept: &ShownFinding) -> Value {
        let mut rest = self.unmapped.clone();
        rest["check_sha256"] = finding.check_sha256.to_string().into();
        rest["verdict"] = finding.verdict.as_str().into();
        rest["observed"] = json!(kept.observed);
        rest["because"] = json!(kept.because);
        rest["rests_on"] = json!(kept.rests_on);
        rest["waiver"] = json!(kept.waiver);
        rest
    }
}

/// The same check of the same resource is the same finding in every run, and over a period.
fn uid(check: &CheckId, kind: &KindId, scope: &Scope, resource: &str) -> String {
    let place = format!("{}/{}/{}", scope.provider, scope.account, scope.region);
    uuid(&["ocsf", check.as_str(), kind.as_str(), &place, resource])
}

/// Where the stored line stands.
fn evidences(place: &EvidenceRef) -> Value {
    let digest = crate::visible::object_digest(&place.object).map(|digest| digest.to_string());
    json!([{
        "name": "Stored line of the finding",
        "uid": place.object,
        "data": {"object": place.object, "sha256": digest, "show": place.show},
    }])
}

/// Writes an event as a line.
fn line(event: &Value, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut out = Ascii(out);
    serde_json::to_writer(&mut out, event)?;
    out.write_all(b"\n")?;
    Ok(())
}

fn metadata(report: &Report) -> Value {
    let version = &report.manifest.binary.version;
    json!({
        "version": VERSION,
        "profiles": ["cloud"],
        "product": {"name": "evidenced", "uid": "evidenced", "vendor_name": "evidenced", "version": version},
        "log_name": format!("evidenced/{}", report.agent),
        "log_provider": report.agent.as_str(),
        "log_version": report.format,
        "logged_time": report.window.end.as_millisecond(),
        "original_time": report.window.end.to_string(),
        "correlation_uid": report.run.to_string(),
        "tenant_uid": report.agent.as_str(),
    })
}

fn unmapped(report: &Report) -> Value {
    let principals: Vec<&str> = report.manifest.principals.iter().map(|principal| principal.id.as_str()).collect();
    json!({
        "run": report.run,
        "agent": report.agent,
        "program_sha256": report.manifest.binary.sha256,
        "principals": principals,
        "effective": {"from": report.window.start, "to": report.window.end},
        "store": report.store,
        "statement": report.statement,
        "log_head": report.head.map(|head| head.to_string()),
        "completeness": {
            "status": report.status,
            "findings": report.totals.findings,
            "resources": report.totals.resources,
            "gaps": report.totals.gaps,
            "withheld": report.withheld,
            "clock_suspect": report.manifest.clock.suspect,
        },
        "verify": commands(&report.store, report.head.as_ref()),
    })
}

fn cloud(check: &CheckId, scope: &Scope, resource: &str) -> Value {
    let (name, type_id, sort) = match scope.provider.as_str() {
        "aws" => ("AWS", 10, "AWS Account"),
        // What is asked of the directory is asked of the tenant, and OCSF has no number for that.
        "azure" if check.as_str().starts_with("azure.entra.") => ("Azure", 99, "Microsoft Entra Tenant"),
        "azure" => ("Azure", 13, "Azure Subscription"),
        "gcp" => ("GCP", 11, "GCP Project"),
        other => (other, 99, "Other"),
    };
    let mut cloud = json!({
        "provider": name,
        "account": {"uid": scope.account.as_str(), "type": sort, "type_id": type_id},
        "region": scope.region.as_str(),
    });
    if let Some(partition) = partition(resource) {
        cloud["cloud_partition"] = partition.into();
    }
    cloud
}

/// The partition, where the resource's own name says it.
fn partition(resource: &str) -> Option<&str> {
    let partition = resource.strip_prefix("arn:")?.split(':').next()?;
    partition.starts_with("aws").then_some(partition)
}

fn resource(kind: &KindId, scope: &Scope, id: &str) -> Value {
    // What is asked of a whole place is about the place, and its name is that of the account or region.
    let mut resource = json!({
        "uid": id,
        "name": id,
        "type": kind.as_str(),
        "region": scope.region.as_str(),
        "namespace": scope.account_key(),
        "role": "Target",
        "role_id": 1,
    });
    if let Some(partition) = partition(id) {
        resource["cloud_partition"] = partition.into();
    }
    resource
}

fn verdict(verdict: Verdict) -> (u8, &'static str) {
    match verdict {
        Verdict::Unknown => (0, "Unknown"),
        Verdict::Pass => (1, "Pass"),
        Verdict::Fail => (3, "Fail"),
        Verdict::NotApplicable => (99, "Not Applicable"),
    }
}

/// How severe the event is: what passes or does not apply asks for nothing.
fn severity(finding: &Finding) -> (u8, &'static str) {
    match finding.verdict {
        Verdict::Fail | Verdict::Unknown => severity_of(finding.severity),
        Verdict::Pass | Verdict::NotApplicable => (1, "Informational"),
    }
}

fn severity_of(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// What somebody did about it: nobody suppressed or resolved anything here.
fn handled(finding: &Finding) -> (u8, &'static str) {
    match finding.verdict {
        Verdict::Fail if finding.waiver.is_some() => (99, "Waived"),
        Verdict::Fail | Verdict::Unknown => (1, "New"),
        Verdict::Pass | Verdict::NotApplicable => (99, "Nothing to do"),
    }
}

fn detail(finding: &Finding) -> Option<String> {
    match finding.verdict {
        Verdict::Unknown => {
            let because = finding.because.iter().take(20).map(|because| {
                let call = because.call.as_deref().map_or_else(String::new, |call| format!(" ({call})"));
                format!("{} was not read: {}{call}", because.field, because.cause)
            });
            Some(because.collect::<Vec<_>>().join("; "))
        }
        Verdict::NotApplicable => Some("The question does not arise for this resource".to_owned()),
        Verdict::Fail => finding.waiver.as_ref().map(|waiver| format!("Waived by {}", waiver.id)),
        Verdict::Pass => None,
    }
}

/// Whether anything that decided is not whole in the event.
fn truncated(finding: &Finding, kept: &ShownFinding) -> bool {
    kept.observed.values().any(|value| matches!(value, Shown::Cut { .. }))
        || kept.because.len() < finding.because.len()
        || kept.rests_on.len() < finding.rests_on.len()
}
