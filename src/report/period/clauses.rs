//! The clauses of a standard itself: what the agent shows of them, as facts of the period. It concludes nothing.

use super::document::{CatalogPeriod, CheckPeriod, ClausePeriod, Looked, SchedulePeriod, WaiverPeriod};
use super::facts::{AgentPart, CatalogRule, Declared};
use super::text::duration;
use crate::words::{count, number};

/// What the facts are made of.
pub(super) struct Basis<'p> {
    pub(super) declared: &'p Declared,
    /// How often a statement of applicability, or a change of one, was sealed.
    pub(super) statements: usize,
    pub(super) schedules: &'p [SchedulePeriod],
    pub(super) runs: u64,
    pub(super) checks: &'p [CheckPeriod],
    pub(super) waivers: &'p [WaiverPeriod],
}

/// The clauses of a catalogue.
pub(super) fn clauses(rule: &CatalogRule, catalog: &CatalogPeriod, basis: &Basis<'_>) -> Vec<ClausePeriod> {
    let clause = |clause: &super::facts::ClauseRule| {
        let key = (rule.id.clone(), clause.id.clone());
        ClausePeriod {
            clause: clause.id.clone(),
            label: clause.label.clone(),
            manual: clause.manual.clone(),
            owner: basis.declared.owners.get(&key).cloned(),
            facts: clause.agent.map(|part| facts(part, catalog, basis)).unwrap_or_default(),
            attachments: Vec::new(),
        }
    };
    rule.clauses.iter().map(clause).collect()
}

fn facts(part: AgentPart, catalog: &CatalogPeriod, basis: &Basis<'_>) -> Vec<String> {
    match part {
        AgentPart::Applicability => applicability(catalog, basis),
        AgentPart::Operation => operation(basis),
        AgentPart::Monitoring => monitoring(catalog, basis),
        AgentPart::Audit => vec![
            format!("the evidence of {} can be verified by anybody who has the public key", runs(basis)),
            "packs for auditors verify by themselves (`evidenced export`), and samples are drawn by a seed that anybody \
             can repeat (`evidenced sample`)"
                .to_owned(),
        ],
        AgentPart::Improvement => improvement(basis),
    }
}

fn applicability(catalog: &CatalogPeriod, basis: &Basis<'_>) -> Vec<String> {
    if basis.statements == 0 {
        return vec!["no statement of applicability was sealed with the evidence".to_owned()];
    }
    let excluded = catalog.controls.iter().filter(|control| control.excluded_because.is_some()).count() as u64;
    let all = catalog.controls.len() as u64;
    vec![format!(
        "a statement of applicability is sealed with each run, {} of it in the log; of {}, {} excluded with a reason",
        count(basis.statements as u64, "entry", "entries"),
        count(all, "control", "controls"),
        number(excluded)
    )]
}

fn operation(basis: &Basis<'_>) -> Vec<String> {
    let mut facts = Vec::new();
    for schedule in basis.schedules {
        let without = schedule.slots - schedule.in_time - schedule.late;
        facts.push(format!(
            "{} of {}: {} of {} had a run, {} of them late; {} had none",
            schedule.schedule,
            schedule.agent,
            number(schedule.in_time + schedule.late),
            count(schedule.slots, "slot", "slots"),
            number(schedule.late),
            number(without)
        ));
    }
    if facts.is_empty() {
        facts.push(format!("{}, and no schedule that says when there should be one", runs(basis)));
    }
    facts
}

fn monitoring(catalog: &CatalogPeriod, basis: &Basis<'_>) -> Vec<String> {
    let looked = |looked| catalog.controls.iter().filter(|control| control.together.looked == looked).count() as u64;
    vec![format!(
        "{} looked; of {}, {} were looked at through the whole period, {} with gaps, and {} not",
        runs(basis),
        count(catalog.controls.len() as u64, "control", "controls"),
        number(looked(Looked::Continuous)),
        number(looked(Looked::Gapped)),
        number(looked(Looked::NotLookedAt))
    )]
}

fn improvement(basis: &Basis<'_>) -> Vec<String> {
    let sum = |of: &dyn Fn(&CheckPeriod) -> u64| basis.checks.iter().map(of).sum::<u64>();
    let mut facts = vec![format!(
        "{} began, {} ended, and {} at the end",
        count(sum(&|check| check.began), "fail", "fails"),
        number(sum(&|check| check.ended)),
        match sum(&|check| check.open) {
            1 => "1 stands".to_owned(),
            open => format!("{} stand", number(open)),
        }
    )];
    let mut medians: Vec<u64> = basis.checks.iter().filter_map(|check| check.mend_median).collect();
    medians.sort_unstable();
    if let Some(middle) = medians.get(medians.len() / 2) {
        facts.push(format!("the middle one of the checks with mended fails took {} to mend", duration(*middle)));
    }
    if !basis.waivers.is_empty() {
        let expired = basis.waivers.iter().filter(|waiver| waiver.end.as_deref() == Some("expired")).count() as u64;
        facts.push(format!(
            "{} in force at some time, {} expired",
            count(basis.waivers.len() as u64, "waiver was", "waivers were"),
            number(expired)
        ));
    }
    facts
}

fn runs(basis: &Basis<'_>) -> String {
    count(basis.runs, "sealed run", "sealed runs")
}
