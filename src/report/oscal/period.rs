//! A period as OSCAL assessment results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use evidenced_model::CheckId;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::controls::{Judged, Said, findings};
use super::parts::{Cited, Document, Items, prop, some, worth};
use super::words::{plain, string};
use crate::period::{CheckPeriod, ControlPeriod, FailPeriod, Looked, Period, Saw, SlotState};
use crate::uuid::uuid;
use crate::words::{moment, tally};
use crate::{Provenance, ReportError};

/// Writes a period as OSCAL assessment results, one JSON document that ends in a line feed. `made` is the moment of the
/// caller's clock; but for it, equal evidence gives equal bytes.
pub fn oscal_period(period: &Period, made: Timestamp, out: &mut dyn Write) -> Result<(), ReportError> {
    let provenance = Provenance::of_period(period);
    let mut document = Document {
        title: format!("Assessment results from {} to {}", period.from, period.to),
        seed: seed(period),
        version: format!("{}/{}", period.from, period.to),
        made,
        provenance: &provenance,
        objectives: Vec::new(),
        cited: Cited::default(),
        items: Items::default(),
    };
    let (mut observed, by_check) = observations(&mut document, period);
    observed.extend(holes(&document, period));
    let (reviewed, found) = findings(&mut document, &controls(period), &by_check);
    let (mut props, mut remarks) = worth(&provenance);
    props.push(prop("fails", period.fails.count));
    props.push(prop("changes-of-verdicts", period.changes.count));
    if !remarks.is_empty() {
        remarks.push_str("\n\n");
    }
    remarks.push_str(
        "Satisfied: looked at in every slot, and supported at every look. Whatever was looked at with gaps is not.",
    );
    let mut result = json!({
        "uuid": uuid(&["result", &document.seed]),
        "title": format!("From {} to {}", moment(period.from), moment(period.to)),
        "description": "What the runs of a period say of each control, from look to look.",
        "start": period.from,
        "end": period.to,
        "props": props,
        "local-definitions": document.definitions(),
        "reviewed-controls": reviewed,
        "remarks": remarks,
    });
    let entries = entries(&document, period);
    if !entries.is_empty() {
        result["assessment-log"] = json!({"entries": entries});
    }
    some(&mut result, "observations", observed);
    some(&mut result, "findings", found);
    document.write(&result, out)
}

/// What names the evidence: the period, the heads of the logs, and the controls that were asked for.
fn seed(period: &Period) -> String {
    let mut seed = format!("{}\n{}", period.from, period.to);
    for agent in &period.agents {
        let head = agent.head.map_or_else(String::new, |head| head.to_string());
        let _ = write!(seed, "\n{} {head}", agent.agent);
    }
    for catalog in &period.catalogs {
        for control in &catalog.controls {
            let _ = write!(seed, "\n{} {}", catalog.id, control.control);
        }
    }
    seed
}

/// One observation for each check: the fails that stood, or that none did.
fn observations(document: &mut Document<'_>, period: &Period) -> (Vec<Value>, BTreeMap<CheckId, Vec<String>>) {
    let mut fails: BTreeMap<&CheckId, Vec<&FailPeriod>> = BTreeMap::new();
    for fail in &period.fails.shown {
        fails.entry(&fail.check).or_default().push(fail);
    }
    let (mut observed, mut by_check) = (Vec::new(), BTreeMap::<CheckId, Vec<String>>::new());
    for check in &period.checks {
        let id = uuid(&["observation", &document.seed, check.id.as_str()]);
        by_check.entry(check.id.clone()).or_default().push(id.clone());
        let stood = fails.remove(&check.id).unwrap_or_default();
        observed.push(observation(document, period, check, &stood, &id));
    }
    (observed, by_check)
}

fn observation(
    document: &mut Document<'_>,
    period: &Period,
    check: &CheckPeriod,
    stood: &[&FailPeriod],
    id: &str,
) -> Value {
    let counts = &check.counts;
    let applicable = counts.total() - counts.not_applicable;
    let mut props = vec![
        prop("check", &check.id),
        prop("severity", check.severity.as_str()),
        prop("pass", counts.pass),
        prop("fail", counts.fail),
        prop("unknown", counts.unknown),
        prop("not-applicable", counts.not_applicable),
        prop("fails-began", check.began),
        prop("fails-ended", check.ended),
        prop("fails-open", check.open),
    ];
    for (revision, from) in &check.revisions {
        props.push(prop("revision", format!("{revision} from {from}")));
    }
    let mut observation = json!({
        "uuid": id,
        "title": string(&check.title),
        "description": format!(
            "{} ({}). At the last look it held for {} of {}, did not for {}, and could not be answered for {}. \
             In the period {} fails began and {} ended; {} stand.",
            plain(&check.title), plain(check.id.as_str()), counts.pass, applicable, counts.fail, counts.unknown,
            check.began, check.ended, check.open
        ),
        "props": props,
        "methods": ["EXAMINE"],
        "types": ["finding"],
        "origins": document.origins(),
        "collected": last(period),
    });
    let mut subjects: BTreeMap<String, Value> = BTreeMap::new();
    let mut evidence = BTreeMap::new();
    for fail in stood {
        let mut subject = document.items.subject(&fail.kind, &fail.scope, &fail.resource);
        let said = said_of(fail);
        // A resource that failed twice is one subject with two sentences.
        if let Some(known) = subjects.get_mut(&subject["subject-uuid"].to_string()) {
            known["remarks"] = format!("{} {said}", known["remarks"].as_str().unwrap_or_default()).into();
        } else {
            subject["remarks"] = said.into();
            subjects.insert(subject["subject-uuid"].to_string(), subject);
        }
        if let Some(place) = &fail.evidence {
            evidence.entry(place.object.clone()).or_insert_with(|| {
                document
                    .cited
                    .object(&place.object, "The stored line of a fail's last look, with the values that decided.")
            });
        }
    }
    some(&mut observation, "subjects", subjects.into_values().collect());
    some(&mut observation, "relevant-evidence", evidence.into_values().collect());
    if period.fails.left_out > 0 {
        let left = period.fails.left_out;
        observation["remarks"] = format!("{left} fails of all checks together are not named in this document.").into();
    }
    observation
}

fn said_of(fail: &FailPeriod) -> String {
    let before = if fail.from_before { " or earlier" } else { "" };
    let end = match (fail.until, fail.end) {
        (Some(until), Some(end)) => {
            let how =
                serde_json::to_value(end).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
            format!("ended at {}: {}", moment(until), plain(&how))
        }
        _ => "stands".to_owned(),
    };
    let waived: Vec<String> =
        fail.waived.iter().map(|(id, from)| format!(" Waived by {} from {}.", plain(id), moment(*from))).collect();
    format!(
        "Failed from {}{before}, last seen at {}; {end}.{}",
        moment(fail.since),
        moment(fail.seen_last),
        waived.concat()
    )
}

/// When the evidence was collected: at the last look of the period.
fn last(period: &Period) -> Timestamp {
    let runs = period.agents.iter().flat_map(|agent| &agent.runs);
    runs.map(|run| run.at).max().map_or(period.to, |at| at.min(period.to))
}

/// What was not looked at, and what could not be read.
fn holes(document: &Document<'_>, period: &Period) -> Vec<Value> {
    let hole = |number: usize, title: &str, what: String, from: Timestamp| {
        json!({
            "uuid": uuid(&["hole", &document.seed, title, &number.to_string()]),
            "title": title,
            "description": what,
            "methods": ["EXAMINE"],
            "types": ["finding"],
            "origins": document.origins(),
            "collected": from,
        })
    };
    let mut holes = Vec::new();
    for schedule in &period.schedules {
        for one in &schedule.holes {
            let what = match one.what {
                SlotState::Missed => "missed",
                SlotState::Skipped => "skipped",
                SlotState::Abandoned => "begun and given up",
                SlotState::Unaccounted => "without any entry of the log",
            };
            let reason = one.reason.as_deref().map_or_else(String::new, |why| format!(" Reason: {}.", plain(why)));
            let text = format!(
                "{} slots of the schedule {} of {} were {what}, from {} until {}.{reason}",
                one.slots,
                plain(&schedule.schedule),
                schedule.agent,
                moment(one.from),
                moment(one.until)
            );
            holes.push(hole(holes.len(), "Not looked at", text, one.from));
        }
    }
    for one in &period.holes {
        let place = [
            Some(one.provider.as_str()),
            Some(one.account.as_str()),
            one.region.as_ref().map(evidenced_model::Region::as_str),
            one.kind.as_ref().map(evidenced_model::KindId::as_str),
        ];
        let place: Vec<String> = place.into_iter().flatten().map(plain).collect();
        let until = one.until.map_or_else(|| "the end, still open".to_owned(), moment);
        let missing = if one.permissions.is_empty() {
            String::new()
        } else {
            format!(" Missing: {}.", plain(&one.permissions.join(", ")))
        };
        let fields =
            if one.fields.is_empty() { String::new() } else { format!(" Fields: {}.", plain(&one.fields.join(", "))) };
        let text = format!(
            "{}: {}, from {} until {until}, in {} looks.{missing}{fields}",
            place.join(" "),
            crate::words::cell(one.state),
            moment(one.from),
            one.looks
        );
        holes.push(hole(holes.len(), "Not read", text, one.from));
    }
    holes
}

/// The log of the assessment: changes in how is judged.
fn entries(document: &Document<'_>, period: &Period) -> Vec<Value> {
    let mut entries = Vec::new();
    for (number, upgrade) in period.upgrades.iter().enumerate() {
        let checks: Vec<String> = upgrade
            .checks
            .iter()
            .map(|(check, before, after)| format!("{} from revision {before} to {after}", plain(check.as_str())))
            .collect();
        let judged = if upgrade.rejudged {
            "the last run before was judged again"
        } else {
            "the last run before was not judged again"
        };
        let mut what = format!(
            "By run {} of {}: {} verdicts changed for this reason alone; {judged}.",
            upgrade.run, upgrade.agent, upgrade.verdicts
        );
        if !checks.is_empty() {
            let _ = write!(what, " Checks that mean something else: {}.", checks.join(", "));
        }
        if !upgrade.params.is_empty() {
            let _ = write!(what, " Parameters that changed: {}.", plain(&upgrade.params.join(", ")));
        }
        entries.push(json!({
            "uuid": uuid(&["upgrade", &document.seed, &number.to_string()]),
            "title": "Judged in another way from here on",
            "description": what,
            "start": upgrade.at,
        }));
    }
    entries
}

fn controls(period: &Period) -> Vec<Judged<'_>> {
    let mut controls = Vec::new();
    for catalog in &period.catalogs {
        for control in &catalog.controls {
            controls.push(Judged {
                catalog: &catalog.id,
                control: &control.control,
                label: &control.label,
                left_to_people: &control.left_to_people,
                said: said(control),
                standing: standing(control),
                remarks: remarks(control),
                objectives: control.objectives.iter().map(|link| link.sentence.as_str()).collect(),
                checks: control.objectives.iter().flat_map(|link| &link.checks).collect(),
            });
        }
    }
    controls
}

fn said(control: &ControlPeriod) -> Said {
    let span = &control.together;
    match (span.saw, span.looked) {
        (Saw::Contradicted, _) => Said::Fails,
        (Saw::Supported, Looked::Continuous) => Said::Satisfied,
        (Saw::Supported | Saw::Incomplete | Saw::SupportedWithExceptions, _) => Said::NotKnown,
        (Saw::NoSubject, _) => Said::LeftOut("nothing that it could apply to was there at any look"),
        (Saw::Manual, _) => Said::LeftOut("no configuration can show it, people bring the evidence"),
        (Saw::Excluded, _) => Said::LeftOut("left out by the statement of applicability"),
        (Saw::Nothing, _) => Said::LeftOut("nobody looked in the period"),
    }
}

fn standing(control: &ControlPeriod) -> String {
    let saw = match control.together.saw {
        Saw::Contradicted => "contradicted",
        Saw::Incomplete => "incomplete",
        Saw::SupportedWithExceptions => "supported with exceptions",
        Saw::Supported => "supported",
        Saw::NoSubject => "no subject",
        Saw::Manual => "manual",
        Saw::Excluded => "excluded",
        Saw::Nothing => "nothing seen",
    };
    let looked = match control.together.looked {
        Looked::Continuous => "continuous",
        Looked::Gapped => "gapped",
        Looked::NotLookedAt => "not looked at",
    };
    format!("{saw}, {looked}")
}

fn remarks(control: &ControlPeriod) -> String {
    let span = &control.together;
    let mut remarks = vec![format!(
        "{}, in {} looks; {} changes of verdicts, {} fails, of which {} stand.",
        standing(control),
        span.looks,
        span.changes,
        span.fails,
        span.open
    )];
    if let Some(counts) = &span.counts {
        remarks.push(format!("At the last look: {}.", tally(counts)));
    }
    for one in &span.spans {
        let from = if one.run.is_some() { moment(one.from) } else { "before the period".to_owned() };
        remarks.push(format!("{} from {from} until {}.", crate::words::standing(one.standing), moment(one.until)));
    }
    for gap in &span.gaps {
        remarks.push(format!("Gap from {} until {}: {}.", moment(gap.from), moment(gap.until), plain(&gap.what)));
    }
    if !control.attachments.is_empty() {
        remarks.push(format!("People brought {} documents for it.", control.attachments.len()));
    }
    remarks.join("\n\n")
}
