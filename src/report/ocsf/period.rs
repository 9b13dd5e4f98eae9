//! The fails of a period as OCSF events: one for each time that a check failed for a resource.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use evidenced_model::CheckId;
use serde_json::{Value, json};

use super::{VERSION, cloud, evidences, line, resource, severity_of, uid};
use crate::document::Shown;
use crate::period::{CheckPeriod, FailEnd, FailPeriod, Period};
use crate::uuid::uuid;
use crate::{Provenance, ReportError};

/// What a check serves: standards, and requirements of them.
type Serves<'p> = BTreeMap<&'p CheckId, (BTreeSet<&'p str>, BTreeSet<String>)>;

/// Writes each fail that the period shows as an OCSF event, one a line. It has the same `finding_info.uid` as the events
/// of its runs, and says when it was first seen and last. What could not be read any more is `Unknown`.
pub fn ocsf_period(period: &Period, out: &mut dyn Write) -> Result<(), ReportError> {
    let checks: BTreeMap<&CheckId, &CheckPeriod> = period.checks.iter().map(|check| (&check.id, check)).collect();
    let mut serves = Serves::new();
    for catalog in &period.catalogs {
        for control in &catalog.controls {
            for check in control.objectives.iter().flat_map(|link| &link.checks) {
                let (standards, requirements) = serves.entry(check).or_default();
                standards.insert(&catalog.title);
                requirements.insert(format!("{} {}", catalog.id, control.control));
            }
        }
    }
    let worth = Provenance::of_period(period);
    for fail in &period.fails.shown {
        line(&event(period, &worth, fail, checks.get(&fail.check).copied(), serves.get(&fail.check)), out)?;
    }
    Ok(())
}

fn event(
    period: &Period,
    worth: &Provenance,
    fail: &FailPeriod,
    check: Option<&CheckPeriod>,
    serves: Option<&(BTreeSet<&str>, BTreeSet<String>)>,
) -> Value {
    let uid = uid(&fail.check, &fail.kind, &fail.scope, &fail.resource);
    let title = check.map_or(fail.check.as_str(), |check| &check.title);
    let how = state(fail);
    let at = fail.until.unwrap_or(fail.seen_last);
    let (severity_id, severity) = severity_of(fail.severity);
    let (standards, requirements) = serves.cloned().unwrap_or_default();
    let agent = period.agents.iter().find(|agent| agent.agent == fail.agent);
    let version = agent.and_then(|agent| agent.versions.last()).map_or("unknown", |span| &span.version);
    let mut event = json!({
        "activity_id": how.activity.0,
        "activity_name": how.activity.1,
        "category_name": "Findings",
        "category_uid": 2,
        "class_name": "Compliance Finding",
        "class_uid": 2003,
        "type_name": format!("Compliance Finding: {}", how.activity.1),
        "type_uid": 200_300 + how.activity.0,
        "time": at.as_millisecond(),
        "start_time": fail.since.as_millisecond(),
        "end_time": at.as_millisecond(),
        "timezone_offset": 0,
        "severity_id": severity_id,
        "severity": severity,
        "status_id": how.status.0,
        "status": how.status.1,
        "status_detail": how.detail,
        "message": format!("{title}: {}", how.detail),
        "metadata": {
            "version": VERSION,
            "profiles": ["cloud"],
            "product": {"name": "evidenced", "uid": "evidenced", "vendor_name": "evidenced", "version": version},
            "log_name": format!("evidenced/{}", fail.agent),
            "log_provider": fail.agent.as_str(),
            "log_version": period.format,
            "original_time": at.to_string(),
            "correlation_uid": fail.run.to_string(),
            "tenant_uid": fail.agent.as_str(),
            "uid": uuid(&["period", &uid, &fail.since.to_string(), &period.from.to_string(), &period.to.to_string()]),
            "is_truncated": fail.observed.values().any(|value| matches!(value, Shown::Cut { .. })),
        },
        "cloud": cloud(&fail.check, &fail.scope, &fail.resource),
        "compliance": {
            "control": fail.check.as_str(),
            "standards": standards,
            "requirements": requirements,
            "status": how.compliance.1,
            "status_id": how.compliance.0,
            "status_detail": how.detail,
        },
        "finding_info": {
            "uid": uid,
            "title": title,
            "first_seen_time": fail.since.as_millisecond(),
            "last_seen_time": fail.seen_last.as_millisecond(),
            "types": ["Configuration"],
            "data_sources": [period.store],
        },
        "resources": [resource(&fail.kind, &fail.scope, &fail.resource)],
        "unmapped": {
            "effective": worth.effective,
            "from_before": fail.from_before,
            "seconds": fail.seconds,
            "end": fail.end,
            "owner": fail.owner,
            "waived": fail.waived,
            "observed": fail.observed,
            "run": fail.run,
            "agent": fail.agent,
            "store": period.store,
            "completeness": {
                "fails": period.fails.count,
                "fails_left_out": period.fails.left_out,
                "coverage_holes": period.holes.len(),
                "slots_without_a_run": worth.completeness.unread,
            },
            "log_heads": worth.verify.heads,
            "verify": worth.verify.commands,
        },
    });
    if let Some(fix) = check.map(|check| check.fix.as_str()).filter(|fix| !fix.trim().is_empty()) {
        event["remediation"] = json!({"desc": fix});
    }
    if let Some(place) = &fail.evidence {
        event["evidences"] = evidences(place);
    }
    event
}

/// What has become of a fail, as numbers and words.
struct State {
    activity: (u32, &'static str),
    status: (u8, &'static str),
    compliance: (u8, &'static str),
    detail: &'static str,
}

fn state(fail: &FailPeriod) -> State {
    let (status, compliance, detail) = match fail.end {
        None => ((99, "Open"), (3, "Fail"), "it stood at the last look"),
        Some(FailEnd::Passed) => ((4, "Resolved"), (1, "Pass"), "it passes"),
        Some(FailEnd::NotApplicable) => {
            ((99, "Not Applicable"), (99, "Not Applicable"), "the question does not arise any more")
        }
        Some(FailEnd::Gone) => ((99, "Gone"), (99, "Gone"), "the resource is gone"),
        Some(FailEnd::Unread) => {
            let detail = "it could not be read any more: whether it stands, nobody knows";
            ((0, "Unknown"), (0, "Unknown"), detail)
        }
        Some(FailEnd::Rejudged) => {
            let detail = "the check, its parameters or what is enabled changed";
            ((99, "Rejudged"), (99, "Rejudged"), detail)
        }
    };
    // What nobody can read any more is not closed.
    let over = fail.end.is_some_and(|end| end != FailEnd::Unread);
    let activity = if over { (3, "Close") } else { (2, "Update") };
    State { activity, status, compliance, detail }
}
