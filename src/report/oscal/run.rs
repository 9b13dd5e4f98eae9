//! One run as OSCAL assessment results.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;

use evidenced_model::{CallStats, CheckId, Standing};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::controls::{Judged, Said, findings};
use super::parts::{Cited, Document, Items, prop, some, worth};
use super::words::{plain, string};
use crate::document::{CheckReport, ControlReport, Kept, ShownFinding};
use crate::uuid::uuid;
use crate::words::{standing, tally};
use crate::{Provenance, Report, ReportError};

/// Writes a run as OSCAL assessment results, one JSON document that ends in a line feed. `made` is the moment of the
/// caller's clock; but for it, equal evidence gives equal bytes.
pub fn oscal(report: &Report, calls: &[CallStats], made: Timestamp, out: &mut dyn Write) -> Result<(), ReportError> {
    let left_out = report.checks.iter().flat_map(groups).map(|(_, kept)| kept.left_out).sum();
    let provenance = Provenance::of_run(report, calls).leaving_out(left_out);
    let mut document = Document {
        title: format!("Assessment results of run {} of {}", report.run, report.agent),
        seed: format!("{}\n{}", report.statement.digest, scope(report)),
        version: report.run.to_string(),
        made,
        provenance: &provenance,
        objectives: Vec::new(),
        cited: Cited::default(),
        items: Items::default(),
    };
    document.cited.statement(&report.statement.path, &report.statement.digest);
    let (observed, by_check) = observations(&mut document, report);
    let (reviewed, found) = findings(&mut document, &controls(report), &by_check);
    let (mut props, mut remarks) = worth(&provenance);
    let status = if report.status == evidenced_model::RunStatus::Complete { "complete" } else { "partial" };
    props.extend([prop("run", report.run), prop("agent", &report.agent), prop("status", status)]);
    props.push(prop("statement-sha256", report.statement.digest));
    if remarks.is_empty() {
        remarks.push_str("Everything that was planned was read.");
    }
    let mut result = json!({
        "uuid": uuid(&["result", &document.seed]),
        "title": format!("Run {}", report.run),
        "description": format!(
            "How the clouds were configured while agent {} read them. Resources are named up to a limit; \
             observations say how many they leave out, and the stored lines hold them all.",
            report.agent
        ),
        "start": report.window.start,
        "end": report.window.end,
        "props": props,
        "local-definitions": document.definitions(),
        "reviewed-controls": reviewed,
        "assessment-log": {"entries": [{
            "uuid": uuid(&["entry", &document.seed]),
            "title": "Collecting",
            "start": report.window.start,
            "end": report.window.end,
            "remarks": log(report),
        }]},
        "remarks": remarks,
    });
    some(&mut result, "observations", observed);
    some(&mut result, "findings", found);
    document.write(&result, out)
}

/// The catalogues that the report shows: the same run with fewer of them is another document.
fn scope(report: &Report) -> String {
    report.catalogs.iter().map(|catalog| catalog.id.as_str()).collect::<Vec<_>>().join(" ")
}

fn log(report: &Report) -> String {
    match &report.head {
        Some(head) => {
            format!("Entry {} of the agent's log names this run; its SHA-256 is {}.", head.index, head.digest)
        }
        None => "No entry of the agent's log names this run yet.".to_owned(),
    }
}

/// The findings of a check by what they say; those that are not applicable are counted only.
fn groups(check: &CheckReport) -> [(&'static str, &Kept); 4] {
    [("fail", &check.fails), ("waived", &check.waived), ("unknown", &check.unknowns), ("pass", &check.passes)]
}

/// One observation for each check and what it says, with the resources that the report keeps.
fn observations(document: &mut Document<'_>, report: &Report) -> (Vec<Value>, BTreeMap<CheckId, Vec<String>>) {
    let (mut observed, mut by_check) = (Vec::new(), BTreeMap::<CheckId, Vec<String>>::new());
    for check in &report.checks {
        for (what, kept) in groups(check).into_iter().filter(|(_, kept)| kept.count > 0) {
            let id = uuid(&["observation", &document.seed, check.id.as_str(), what]);
            by_check.entry(check.id.clone()).or_default().push(id.clone());
            observed.push(observation(document, report, check, what, kept, &id));
        }
    }
    (observed, by_check)
}

fn observation(
    document: &mut Document<'_>,
    report: &Report,
    check: &CheckReport,
    what: &str,
    kept: &Kept,
    id: &str,
) -> Value {
    let mut props = vec![
        prop("check", &check.id),
        prop("verdict", if what == "waived" { "fail" } else { what }),
        prop("severity", check.severity.as_str()),
        prop("count", kept.count),
        prop("left-out", kept.left_out),
        prop("not-applicable", check.counts.not_applicable),
    ];
    props.extend(check.revision.map(|revision| prop("revision", revision)));
    props.extend(check.check_sha256.map(|digest| prop("check-sha256", digest)));
    let waivers: BTreeSet<&str> =
        kept.shown.iter().filter_map(|finding| Some(finding.waiver.as_ref()?.id.as_str())).collect();
    props.extend(waivers.into_iter().map(|waiver| prop("waiver", waiver)));
    let says = match what {
        "fail" => "does not hold for",
        "waived" => "does not hold, with a waiver in force, for",
        "unknown" => "could not be answered for",
        _ => "holds for",
    };
    let mut observation = json!({
        "uuid": id,
        "title": string(&format!("{}: {what}", check.title)),
        "description": format!(
            "{} ({}) {says} {} of {}.",
            plain(&check.title),
            plain(check.id.as_str()),
            kept.count,
            check.counts.total() - check.counts.not_applicable
        ),
        "props": props,
        "methods": ["EXAMINE"],
        "types": ["finding"],
        "origins": document.origins(),
        "collected": report.window.end,
    });
    let mut subjects = BTreeMap::new();
    let mut evidence = BTreeMap::new();
    for finding in &kept.shown {
        let subject = subject(document, finding);
        subjects.insert(subject["subject-uuid"].to_string(), subject);
        if let Some(place) = &finding.evidence {
            evidence.entry(place.object.clone()).or_insert_with(|| {
                document
                    .cited
                    .object(&place.object, "The stored lines of these findings, with the values that decided.")
            });
        }
    }
    some(&mut observation, "subjects", subjects.into_values().collect());
    some(&mut observation, "relevant-evidence", evidence.into_values().collect());
    let mut remarks = Vec::new();
    if kept.left_out > 0 {
        remarks.push(format!(
            "{} of {} are not named here; all of them: {}",
            kept.left_out,
            kept.count,
            plain(&check.see)
        ));
    }
    if what == "fail" && !check.fix.trim().is_empty() {
        remarks.push(format!("What to do: {}", plain(&check.fix)));
    }
    if !remarks.is_empty() {
        observation["remarks"] = remarks.join("\n\n").into();
    }
    observation
}

fn subject(document: &mut Document<'_>, finding: &ShownFinding) -> Value {
    let mut subject = document.items.subject(&finding.kind, &finding.scope, &finding.resource);
    let because: Vec<String> = finding
        .because
        .iter()
        .map(|because| {
            let call = because.call.as_deref().map_or_else(String::new, |call| format!(" at {}", plain(call)));
            format!("{} was not read: {}{call}.", plain(&because.field), because.cause.as_str())
        })
        .collect();
    if !because.is_empty() {
        subject["remarks"] = because.join(" ").into();
    }
    subject
}

fn controls(report: &Report) -> Vec<Judged<'_>> {
    let served: BTreeMap<_, _> = report.objectives.iter().map(|objective| (&objective.id, objective)).collect();
    let control = |control: &ControlReport| {
        let sealed = &control.sealed;
        let behind = sealed.objectives.iter().filter_map(|count| served.get(&count.objective));
        let waiting: Vec<&str> =
            sealed.objectives.iter().flat_map(|count| &count.undeclared).map(String::as_str).collect();
        let mut remarks = format!("{}: {}.", standing(sealed.standing), tally(&sealed.counts));
        if !waiting.is_empty() {
            let _ = write!(remarks, " Waits for a declaration: {}.", plain(&waiting.join(", ")));
        }
        (
            sealed.standing,
            remarks,
            behind.clone().map(|one| one.sentence.as_str()).collect(),
            behind.flat_map(|one| &one.checks).collect(),
        )
    };
    let mut controls = Vec::new();
    for one in report.catalogs.iter().flat_map(|catalog| &catalog.controls) {
        let (stands, remarks, objectives, checks) = control(one);
        controls.push(Judged {
            catalog: &one.sealed.catalog,
            control: &one.sealed.control,
            label: &one.sealed.label,
            left_to_people: &one.sealed.left_to_people,
            said: said(stands),
            standing: standing(stands).to_owned(),
            remarks,
            objectives,
            checks,
        });
    }
    controls
}

fn said(stands: Standing) -> Said {
    match stands {
        Standing::Supported => Said::Satisfied,
        Standing::Contradicted => Said::Fails,
        Standing::Incomplete | Standing::SupportedWithExceptions => Said::NotKnown,
        Standing::NoSubject => Said::LeftOut("everything was read, and nothing that it could apply to is there"),
        Standing::Manual => Said::LeftOut("no configuration can show it, people bring the evidence"),
        Standing::Excluded => Said::LeftOut("left out by the statement of applicability"),
    }
}
