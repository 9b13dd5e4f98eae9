//! The texts that a report shows beside numbers: catalogues, objectives, checks.

use evidenced_check::Judge;
use evidenced_isms::Isms;
use evidenced_map::{Catalog, Control, Mapping};
use evidenced_report::{Automatable, CatalogText, CheckText, ControlText, ReportBuilder, WaiverText};
use jiff::Timestamp;

/// Gives a report the texts of everything it may show, and of what was declared when the run began.
pub(crate) fn feed(report: &mut ReportBuilder, mapping: &Mapping, judge: &Judge, isms: Option<&Isms>, at: Timestamp) {
    let waiting = |id: &evidenced_model::CheckId| {
        let undeclared = judge.undeclared().iter().find(|undeclared| undeclared.check == *id);
        undeclared.map(|undeclared| undeclared.params.clone()).unwrap_or_default()
    };
    for catalog in mapping.catalogs() {
        report.catalog(CatalogText {
            controls: catalog.controls.iter().map(|control| text(catalog, control, isms)).collect(),
            id: catalog.id.clone(),
            provisional: catalog.provisional.clone(),
            title: catalog.title.clone(),
        });
    }
    if let Some(isms) = isms {
        for waiver in isms.in_force(at).waivers() {
            report.waiver(WaiverText {
                approved_by: waiver.approved_by.clone(),
                id: waiver.id.clone(),
                reason: waiver.reason.clone(),
                until: waiver.expires.to_string(),
            });
        }
        for voice in isms.voices(at) {
            report.caution(voice);
        }
    }
    for (id, sentence) in mapping.objectives() {
        report.objective(id.clone(), sentence.clone());
    }
    for (_, check) in judge.library().checks() {
        report.check(CheckText {
            fix: check.fix.clone(),
            id: check.id.clone(),
            objective: check.objective.clone(),
            severity: check.severity,
            title: check.title.clone(),
            undeclared: waiting(&check.id),
            why: check.why.clone(),
        });
    }
}

fn text(catalog: &Catalog, control: &Control, isms: Option<&Isms>) -> ControlText {
    ControlText {
        automatable: match control.automatable {
            evidenced_map::Automatable::None => Automatable::None,
            evidenced_map::Automatable::Partial => Automatable::Partial,
            evidenced_map::Automatable::Full => Automatable::Full,
        },
        excluded: isms.and_then(|isms| isms.excluded(&catalog.id, &control.id)).map(str::to_owned),
        id: control.id.clone(),
        manual: control.manual.clone(),
    }
}
