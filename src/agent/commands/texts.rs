//! The texts that a report shows beside numbers: catalogues, objectives, checks.

use evidenced_check::Judge;
use evidenced_map::Mapping;
use evidenced_report::{Automatable, CatalogText, CheckText, ControlText, ReportBuilder};

/// Gives a report the texts of everything it may show.
pub(crate) fn feed(report: &mut ReportBuilder, mapping: &Mapping, judge: &Judge) {
    let waiting = |id: &evidenced_model::CheckId| {
        let undeclared = judge.undeclared().iter().find(|undeclared| undeclared.check == *id);
        undeclared.map(|undeclared| undeclared.params.clone()).unwrap_or_default()
    };
    for catalog in mapping.catalogs() {
        report.catalog(CatalogText {
            controls: catalog.controls.iter().map(control).collect(),
            id: catalog.id.clone(),
            provisional: catalog.provisional.clone(),
            title: catalog.title.clone(),
        });
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

fn control(control: &evidenced_map::Control) -> ControlText {
    ControlText {
        automatable: match control.automatable {
            evidenced_map::Automatable::None => Automatable::None,
            evidenced_map::Automatable::Partial => Automatable::Partial,
            evidenced_map::Automatable::Full => Automatable::Full,
        },
        excluded: None,
        id: control.id.clone(),
        manual: control.manual.clone(),
    }
}
