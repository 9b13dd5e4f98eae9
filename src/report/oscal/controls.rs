//! Controls in OSCAL: which were reviewed, what their objectives are, and the finding of each.

use std::collections::BTreeMap;

use evidenced_model::{CatalogId, CheckId, ControlId};
use serde_json::{Value, json};

use super::parts::{Document, prop, some};
use super::words::{control_id, objective_id, plain, string};
use crate::uuid::uuid;

/// What can be said of a control.
pub(super) enum Said {
    /// Everything that was read speaks for it.
    Satisfied,
    /// Something that was read speaks against it.
    Fails,
    /// Neither: what was read is not enough, or is not all of one mind.
    NotKnown,
    /// Nothing can be said in a finding; why, in words.
    LeftOut(&'static str),
}

/// A control as a run or a period saw it.
pub(super) struct Judged<'a> {
    pub(super) catalog: &'a CatalogId,
    pub(super) control: &'a ControlId,
    pub(super) label: &'a str,
    pub(super) left_to_people: &'a str,
    pub(super) said: Said,
    /// The standing, in our own words.
    pub(super) standing: String,
    /// Numerators and denominators, and what else a reader has to know. Safe as markup.
    pub(super) remarks: String,
    /// The sentences of the objectives behind it.
    pub(super) objectives: Vec<&'a str>,
    /// The checks behind it.
    pub(super) checks: Vec<&'a CheckId>,
}

/// What was reviewed and found, from the controls and the observations about each check.
pub(super) fn findings(
    document: &mut Document<'_>,
    controls: &[Judged<'_>],
    observations: &BTreeMap<CheckId, Vec<String>>,
) -> (Value, Vec<Value>) {
    let mut selections: BTreeMap<&CatalogId, Selection> = BTreeMap::new();
    let mut made = Vec::new();
    for control in controls {
        let selection = selections.entry(control.catalog).or_default();
        let select = json!({"control-id": control_id(control.control)});
        if let Said::LeftOut(why) = &control.said {
            selection.exclude.push(select);
            selection.because.entry(why).or_default().push(control.control.as_str());
            continue;
        }
        selection.include.push(select);
        selection.objectives.push(json!({"objective-id": objective_id(control.control)}));
        document.objectives.push(objective(control));
        made.push(finding(document, control, observations));
    }
    (reviewed(selections), made)
}

#[derive(Default)]
struct Selection<'a> {
    include: Vec<Value>,
    exclude: Vec<Value>,
    objectives: Vec<Value>,
    because: BTreeMap<&'static str, Vec<&'a str>>,
}

fn reviewed(selections: BTreeMap<&CatalogId, Selection<'_>>) -> Value {
    let (mut controls, mut objectives) = (Vec::new(), Vec::new());
    for (catalog, selection) in selections {
        let because: Vec<String> = selection
            .because
            .iter()
            .map(|(why, controls)| format!("{why}: {}.", plain(&controls.join(", "))))
            .collect();
        if selection.include.is_empty() {
            // A selection may not be empty, and a control that was not reviewed is not to be called so.
            let mut nothing = json!({"include-all": {}, "props": [prop("catalog", catalog)]});
            nothing["description"] = format!("No control of {catalog} was reviewed. {}", because.join(" ")).into();
            some(&mut nothing, "exclude-controls", selection.exclude);
            controls.push(nothing);
            continue;
        }
        let mut chosen = json!({
            "description": format!("Controls of {catalog} that something automatic speaks for or against."),
            "props": [prop("catalog", catalog)],
            "include-controls": selection.include,
        });
        if !because.is_empty() {
            chosen["remarks"] = format!("Not reviewed, and no finding: {}", because.join(" ")).into();
        }
        some(&mut chosen, "exclude-controls", selection.exclude);
        controls.push(chosen);
        objectives.push(json!({"props": [prop("catalog", catalog)], "include-objectives": selection.objectives}));
    }
    if controls.is_empty() {
        controls.push(json!({"description": "No catalogue was asked for.", "include-all": {}}));
    }
    let mut reviewed = json!({
        "description": "What the configuration of clouds can show of each control. What it cannot is left to people.",
        "control-selections": controls,
    });
    some(&mut reviewed, "control-objective-selections", objectives);
    reviewed
}

/// What configuration can show of a control.
fn objective(control: &Judged<'_>) -> Value {
    let id = objective_id(control.control);
    let sentences: Vec<String> = control.objectives.iter().map(|sentence| format!("{}.", plain(sentence))).collect();
    let mut objective = json!({
        "control-id": control_id(control.control),
        "description": format!("What configuration can show of {}.", plain(control.control.as_str())),
        "props": [prop("catalog", control.catalog), prop("control", control.control)],
        "parts": [{
            "id": id,
            "name": "assessment-objective",
            "title": string(&format!("{} {}, as far as configuration shows", control.control, control.label)),
            "prose": sentences.join("\n\n"),
        }],
    });
    if !control.left_to_people.trim().is_empty() {
        objective["remarks"] = format!("Left to people: {}.", plain(control.left_to_people)).into();
    }
    objective
}

fn finding(document: &Document<'_>, control: &Judged<'_>, observations: &BTreeMap<CheckId, Vec<String>>) -> Value {
    let (state, reason) = match control.said {
        Said::Satisfied => ("satisfied", "pass"),
        Said::Fails => ("not-satisfied", "fail"),
        Said::NotKnown | Said::LeftOut(_) => ("not-satisfied", "other"),
    };
    let known = match control.said {
        Said::NotKnown => "This is not a fail: it is not known, or not all of it speaks for the control. ",
        _ => "",
    };
    let title = string(&format!("{} {} ({})", control.control, control.label, control.standing));
    let mut finding = json!({
        "uuid": uuid(&["finding", &document.seed, control.catalog.as_str(), control.control.as_str()]),
        "title": title,
        "description": format!("{} of {}: {}", plain(control.control.as_str()), control.catalog, control.standing),
        "props": [
            prop("catalog", control.catalog),
            prop("control", control.control),
            prop("standing", &control.standing),
        ],
        "origins": document.origins(),
        "target": {
            "type": "objective-id",
            "target-id": objective_id(control.control),
            "title": string(&format!("{} {}, as far as configuration shows", control.control, control.label)),
            "status": {"state": state, "reason": reason, "remarks": format!("{known}{}", control.remarks)},
        },
    });
    if !control.left_to_people.trim().is_empty() {
        finding["remarks"] = format!("Left to people: {}.", plain(control.left_to_people)).into();
    }
    let related: Vec<Value> = control
        .checks
        .iter()
        .filter_map(|check| observations.get(*check))
        .flatten()
        .map(|id| json!({"observation-uuid": id}))
        .collect();
    some(&mut finding, "related-observations", related);
    finding
}
