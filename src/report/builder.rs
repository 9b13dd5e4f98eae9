//! Building a report: fed document by document and finding by finding, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{
    Account, AccountCoverage, CallStats, CatalogId, CheckId, ControlId, ControlStanding, Finding, ObjectiveId,
    Provider, Severity, Verdict, VerdictCounts,
};

use crate::assurance::assurance;
use crate::coverage::{Accounts, lagging};
use crate::document::{
    CatalogReport, CheckReport, ControlReport, FORMAT, Kept, LaggingSource, ObjectiveReport, Report,
};
use crate::keep::shown;
use crate::table::Table;
use crate::unread::Gaps;
use crate::visible::shell_word;
use crate::{Automatable, CatalogText, CheckText, ControlText, Evidence, Header, Limits, Stamped, WaiverText};

/// Each check keeps so many findings of each verdict, even in a report that is full.
const ALWAYS: usize = 10;

/// Takes in what a run found, in any order, and makes a [`Report`] of it.
#[derive(Debug)]
pub struct ReportBuilder {
    header: Header,
    limits: Limits,
    catalogs: BTreeMap<CatalogId, CatalogText>,
    controls: Vec<ControlStanding>,
    objectives: BTreeMap<ObjectiveId, String>,
    checks: BTreeMap<CheckId, CheckReport>,
    cautions: Vec<String>,
    waivers: BTreeMap<String, WaiverText>,
    accounts: Accounts,
    lagging: Vec<LaggingSource>,
    gaps: Gaps,
    kept: usize,
    table: Table,
    /// Verdicts by account.
    verdicts: BTreeMap<(Provider, Account), VerdictCounts>,
    stamped: Option<Stamped>,
    withheld: bool,
}

impl ReportBuilder {
    /// Begins the report of a run.
    pub fn new(header: Header, limits: Limits) -> Self {
        Self {
            header,
            limits,
            catalogs: BTreeMap::new(),
            controls: Vec::new(),
            objectives: BTreeMap::new(),
            checks: BTreeMap::new(),
            cautions: Vec::new(),
            waivers: BTreeMap::new(),
            accounts: Accounts::new(limits.accounts),
            lagging: Vec::new(),
            gaps: Gaps::new(limits.places),
            kept: 0,
            table: Table::new(limits.rows),
            verdicts: BTreeMap::new(),
            stamped: None,
            withheld: false,
        }
    }

    /// Says that findings are withheld: the report is made from a pack that does not show everything.
    pub fn withheld(&mut self) -> &mut Self {
        self.withheld = true;
        self
    }

    /// Replaces the header, for a caller who learns the totals and the head only at the end. The run stays the same.
    pub fn set_header(&mut self, header: Header) -> &mut Self {
        self.header = header;
        self
    }

    /// What is known of the run's time, where somebody looked.
    pub fn stamped(&mut self, stamped: Option<Stamped>) -> &mut Self {
        self.stamped = stamped;
        self
    }

    /// Takes in the texts of a catalogue.
    pub fn catalog(&mut self, catalog: CatalogText) -> &mut Self {
        self.catalogs.insert(catalog.id.clone(), catalog);
        self
    }

    /// Takes in the sentence of an objective.
    pub fn objective(&mut self, id: ObjectiveId, sentence: impl Into<String>) -> &mut Self {
        self.objectives.insert(id, sentence.into());
        self
    }

    /// Takes in the texts of a check.
    pub fn check(&mut self, text: CheckText) -> &mut Self {
        let check = entry(&mut self.checks, self.header.manifest.run, &text.id, &text.objective, text.severity);
        check.title = text.title;
        check.severity = text.severity;
        check.objective = text.objective;
        check.why = text.why;
        check.fix = text.fix;
        check.undeclared = text.undeclared;
        self
    }

    /// Takes in a waiver.
    pub fn waiver(&mut self, waiver: WaiverText) -> &mut Self {
        self.waivers.insert(waiver.id.clone(), waiver);
        self
    }

    /// Takes in something that somebody has to see to: a sentence without a full stop.
    pub fn caution(&mut self, what: impl Into<String>) -> &mut Self {
        self.cautions.push(what.into());
        self
    }

    /// Takes in the standings of controls, in the order in which they are to be shown.
    pub fn controls(&mut self, controls: impl IntoIterator<Item = ControlStanding>) -> &mut Self {
        self.controls.extend(controls);
        self
    }

    /// Takes in the coverage of one account.
    pub fn coverage(&mut self, account: &AccountCoverage) -> &mut Self {
        self.gaps.add(account);
        self.accounts.add(account);
        self
    }

    /// Takes in what became of the run's calls: some tell from when their answers were.
    pub fn calls(&mut self, calls: &[CallStats]) -> &mut Self {
        self.lagging = lagging(calls);
        self
    }

    /// Counts a finding, and keeps it if there is room.
    pub fn finding(&mut self, finding: &Finding, evidence: Option<Evidence<'_>>) -> &mut Self {
        let run = self.header.manifest.run;
        let check = entry(&mut self.checks, run, &finding.check, &finding.objective, finding.severity);
        check.counts.count(finding.verdict);
        check.revision = Some(finding.revision);
        check.check_sha256 = Some(finding.check_sha256);
        let scope = &finding.scope;
        let account = (scope.provider.clone(), scope.account.clone());
        self.verdicts.entry(account).or_default().count(finding.verdict);
        self.table.add(finding, evidence, &self.limits);
        let limits = &self.limits;
        let (kept, most) = match finding.verdict {
            Verdict::Fail if finding.waiver.is_some() => (&mut check.waived, limits.per_check),
            Verdict::Fail => (&mut check.fails, limits.per_check),
            Verdict::Unknown => (&mut check.unknowns, limits.per_check),
            Verdict::Pass => (&mut check.passes, limits.passes),
            Verdict::NotApplicable => return self,
        };
        kept.count += 1;
        let most = if self.kept < limits.in_all { most } else { most.min(ALWAYS) };
        if kept.shown.len() < most {
            kept.shown.push(shown(finding, evidence, limits));
            self.kept += 1;
        } else {
            kept.left_out += 1;
        }
        self
    }

    /// Puts the report together.
    pub fn finish(self) -> Report {
        let Header { head, key, manifest, statement, status, store } = self.header;
        let gaps = self.gaps.finish();
        let catalogs = catalogs(self.controls, &self.catalogs);
        let objectives = objectives(self.objectives, &catalogs, &self.checks);
        Report {
            format: FORMAT,
            run: manifest.run,
            agent: manifest.agent.clone(),
            status,
            window: manifest.window,
            store,
            head,
            statement,
            key,
            assurance: assurance(&manifest, self.stamped.as_ref()),
            stamped: self.stamped,
            totals: manifest.totals,
            catalogs,
            objectives,
            checks: self.checks.into_values().collect(),
            unread: gaps.groups,
            permissions: gaps.permissions,
            coverage: self.accounts.finish(&self.verdicts),
            lagging: self.lagging,
            cautions: self.cautions,
            waivers: self.waivers.into_values().collect(),
            withheld: self.withheld,
            table: self.table,
            manifest,
        }
    }
}

/// The place of a check, made when it is first heard of. A check without texts goes by its id.
fn entry<'a>(
    checks: &'a mut BTreeMap<CheckId, CheckReport>,
    run: evidenced_model::RunId,
    id: &CheckId,
    objective: &ObjectiveId,
    severity: Severity,
) -> &'a mut CheckReport {
    // Looked up before it is inserted: this is asked once for each finding, and an id is not copied for it.
    if !checks.contains_key(id) {
        let new = CheckReport {
            id: id.clone(),
            title: id.to_string(),
            severity,
            objective: objective.clone(),
            why: String::new(),
            fix: String::new(),
            undeclared: Vec::new(),
            revision: None,
            check_sha256: None,
            counts: VerdictCounts::default(),
            fails: Kept::default(),
            waived: Kept::default(),
            unknowns: Kept::default(),
            passes: Kept::default(),
            see: format!("evidenced findings --run {run} --check {}", shell_word(id.as_str())),
        };
        checks.insert(id.clone(), new);
    }
    checks.get_mut(id).unwrap_or_else(|| unreachable!("it was inserted above"))
}

/// Controls under their catalogues, in the order in which they came.
fn catalogs(controls: Vec<ControlStanding>, texts: &BTreeMap<CatalogId, CatalogText>) -> Vec<CatalogReport> {
    let by_number: BTreeMap<(&CatalogId, &ControlId), &ControlText> = texts
        .values()
        .flat_map(|catalog| catalog.controls.iter().map(move |text| ((&catalog.id, &text.id), text)))
        .collect();
    let mut catalogs: Vec<CatalogReport> = Vec::new();
    for sealed in controls {
        let at = catalogs.iter().position(|catalog| catalog.id == sealed.catalog).unwrap_or_else(|| {
            let text = texts.get(&sealed.catalog);
            catalogs.push(CatalogReport {
                id: sealed.catalog.clone(),
                title: text.map_or_else(|| sealed.catalog.to_string(), |text| text.title.clone()),
                provisional: text.and_then(|text| text.provisional.clone()),
                standings: BTreeMap::new(),
                controls: Vec::new(),
            });
            catalogs.len() - 1
        });
        let catalog = &mut catalogs[at];
        *catalog.standings.entry(sealed.standing).or_default() += 1;
        let text = by_number.get(&(&sealed.catalog, &sealed.control)).copied();
        catalog.controls.push(ControlReport {
            automatable: text.map(|text| -> Automatable { text.automatable }),
            manual: text.and_then(|text| text.manual.clone()),
            excluded_because: text.and_then(|text| text.excluded.clone()),
            sealed,
        });
    }
    catalogs
}

/// Objectives that a control or a check of this run names.
fn objectives(
    mut sentences: BTreeMap<ObjectiveId, String>,
    catalogs: &[CatalogReport],
    checks: &BTreeMap<CheckId, CheckReport>,
) -> Vec<ObjectiveReport> {
    let mut served: BTreeMap<&ObjectiveId, Vec<CheckId>> = BTreeMap::new();
    for check in checks.values() {
        served.entry(&check.objective).or_default().push(check.id.clone());
    }
    let controls = catalogs.iter().flat_map(|catalog| &catalog.controls);
    let linked = controls.flat_map(|control| control.sealed.objectives.iter().map(|count| &count.objective));
    let named: BTreeSet<&ObjectiveId> = linked.chain(served.keys().copied()).collect();
    let objective = |id: &ObjectiveId| ObjectiveReport {
        id: id.clone(),
        sentence: sentences.remove(id).unwrap_or_else(|| id.to_string()),
        checks: served.get(id).cloned().unwrap_or_default(),
    };
    named.into_iter().map(objective).collect()
}
