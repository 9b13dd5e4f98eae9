//! What runs were judged by, read once for each mappings document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidenced_check::Judge;
use evidenced_map::Duty;
use evidenced_model::{CatalogId, CheckId, ControlId, Digest, Provider, Standing};
use evidenced_report::period::{AgentPart, CatalogRule, CheckRule, ClauseRule, ControlRule, Rules, StandingFact};
use evidenced_seal::statement::subject;
use evidenced_seal::{Document, RunReader};
use serde::Deserialize;
use serde_json::Value;

use super::Asked;
use crate::exit::{Ended, Exit};
use crate::opened::{Judged, failed};
use crate::scheduling::ScheduleConfig;

/// So many documents of one kind are kept; streams alternate between few.
const KEPT: usize = 8;

/// Documents that many runs share, by digest.
#[derive(Default)]
pub(super) struct Shared {
    rules: Recent<Arc<Rules>>,
    standings: Recent<Arc<Vec<StandingFact>>>,
    schedules: Recent<Arc<Vec<ScheduleConfig>>>,
    /// The controls of each catalogue that runs had, whatever is asked for.
    pub(super) offered: BTreeMap<String, BTreeSet<String>>,
}

/// The newest few.
struct Recent<T>(Vec<(Digest, T)>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Recent<T> {
    fn get(&mut self, digest: Digest, read: impl FnOnce() -> Result<T, Ended>) -> Result<T, Ended> {
        if let Some(at) = self.0.iter().position(|(known, _)| *known == digest) {
            let found = self.0.remove(at);
            self.0.push(found.clone());
            return Ok(found.1);
        }
        let read = read()?;
        if self.0.len() >= KEPT {
            self.0.remove(0);
        }
        self.0.push((digest, read.clone()));
        Ok(read)
    }
}

#[derive(Deserialize)]
struct ControlsDocument {
    controls: Vec<ControlDocument>,
}

/// What a period needs of a sealed standing.
#[derive(Deserialize)]
struct ControlDocument {
    catalog: CatalogId,
    control: ControlId,
    standing: Standing,
    providers: BTreeMap<Provider, Standing>,
}

#[derive(Deserialize)]
struct ConfigDocument {
    #[serde(default)]
    schedules: Vec<ScheduleConfig>,
}

impl Shared {
    /// What a run was judged by.
    pub(super) fn rules(&mut self, reader: &RunReader<'_>, asked: &Asked<'_>) -> Result<Arc<Rules>, Ended> {
        let digest = reader.subject(subject::MAPPINGS).map_err(failed)?;
        let offered = &mut self.offered;
        self.rules.get(digest, || rules(reader, asked, offered).map(Arc::new))
    }

    /// How each control stood.
    pub(super) fn standings(
        &mut self,
        reader: &RunReader<'_>,
        asked: &Asked<'_>,
    ) -> Result<Arc<Vec<StandingFact>>, Ended> {
        let digest = reader.subject(subject::CONTROLS).map_err(failed)?;
        self.standings.get(digest, || {
            let document: ControlsDocument = reader.document(Document::Controls).map_err(failed)?;
            let facts = document
                .controls
                .into_iter()
                .filter(|one| wanted(asked, one.catalog.as_str(), one.control.as_str()))
                .map(|one| StandingFact {
                    catalog: one.catalog,
                    control: one.control,
                    standing: one.standing,
                    providers: one.providers,
                });
            Ok(Arc::new(facts.collect()))
        })
    }

    /// The schedules of the config that a run was made under.
    pub(super) fn schedules(&mut self, reader: &RunReader<'_>) -> Result<Arc<Vec<ScheduleConfig>>, Ended> {
        let digest = reader.subject(subject::CONFIG).map_err(failed)?;
        self.schedules.get(digest, || {
            let document: ConfigDocument = reader.document(Document::Config).map_err(failed)?;
            let schedules = document.schedules;
            Ok(Arc::new(if schedules.is_empty() { vec![ScheduleConfig::hourly()] } else { schedules }))
        })
    }
}

fn wanted(asked: &Asked<'_>, catalog: &str, control: &str) -> bool {
    asked.catalog.is_none_or(|wanted| wanted == catalog)
        && (asked.controls.is_empty() || asked.controls.iter().any(|wanted| wanted == control))
}

fn rules(
    reader: &RunReader<'_>,
    asked: &Asked<'_>,
    offered: &mut BTreeMap<String, BTreeSet<String>>,
) -> Result<Rules, Ended> {
    let judged = Judged::read(reader)?;
    let judge = Judge::compile(&judged.library, judged.settings.clone())
        .map_err(|error| Ended::new(Exit::Verification, error.to_string()))?;
    let (checks, params) = judged_by(&judge);
    let mapping = &judged.mapping;
    for catalog in mapping.catalogs() {
        let known = offered.entry(catalog.id.to_string()).or_default();
        known.extend(catalog.controls.iter().map(|control| control.id.to_string()));
        known.extend(catalog.clauses.iter().map(|clause| clause.id.to_string()));
    }
    let catalogs = mapping.catalogs().iter().map(|catalog| CatalogRule {
        id: catalog.id.clone(),
        title: catalog.title.clone(),
        provisional: catalog.provisional.clone(),
        controls: catalog
            .controls
            .iter()
            .filter(|control| wanted(asked, catalog.id.as_str(), control.id.as_str()))
            .map(|control| ControlRule {
                id: control.id.clone(),
                label: control.label.clone(),
                left_to_people: mapping.left_to_people(&catalog.id, control).to_owned(),
                links: mapping
                    .links(&catalog.id, &control.id)
                    .iter()
                    .map(|link| (link.objective.clone(), link.strength))
                    .collect(),
            })
            .collect(),
        clauses: catalog
            .clauses
            .iter()
            .filter(|clause| wanted(asked, catalog.id.as_str(), clause.id.as_str()))
            .map(clause)
            .collect(),
    });
    let catalogs = catalogs.filter(|catalog: &CatalogRule| !catalog.controls.is_empty() || !catalog.clauses.is_empty());
    Ok(Rules {
        checks,
        params,
        catalogs: catalogs.collect(),
        objectives: mapping.objectives().clone(),
        threshold: Some(judged.threshold),
    })
}

fn clause(clause: &evidenced_map::Clause) -> ClauseRule {
    ClauseRule {
        id: clause.id.clone(),
        label: clause.label.clone(),
        manual: clause.manual.clone(),
        agent: clause.agent.map(|duty| match duty {
            Duty::Applicability => AgentPart::Applicability,
            Duty::Operation => AgentPart::Operation,
            Duty::Monitoring => AgentPart::Monitoring,
            Duty::Audit => AgentPart::Audit,
            Duty::Improvement => AgentPart::Improvement,
        }),
    }
}

/// The checks that are on and the values that they compare with.
pub(crate) fn judged_by(judge: &Judge) -> (BTreeMap<CheckId, CheckRule>, BTreeMap<String, Value>) {
    let (declared, settings) = (judge.library().params(), judge.settings());
    let defaults = declared.iter().filter_map(|(name, param)| Some((name.clone(), param.default.clone()?)));
    let mut params: BTreeMap<_, _> = defaults.collect();
    params.extend(settings.params.clone());
    let checks = judge.checks().map(|(kind, check, sha256)| {
        // Programs name parameters as `params.<name>`, wherever they stand in the definition.
        let text = serde_json::to_string(check).unwrap_or_default();
        let reads = |name: &&String| {
            text.match_indices(&format!("params.{name}")).any(|(at, found)| {
                !text[at + found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            })
        };
        let rule = CheckRule {
            revision: check.revision,
            sha256,
            title: check.title.clone(),
            severity: check.severity,
            objective: check.objective.clone(),
            fix: check.fix.clone(),
            kind: kind.clone(),
            provider: crate::documents::provider_of(kind.provider()),
            params: declared.keys().filter(reads).cloned().collect(),
        };
        (check.id.clone(), rule)
    });
    (checks.collect(), params)
}
