//! How each control stands: the rules by which counts become a standing.

use std::collections::BTreeSet;

use evidenced_model::{
    CatalogId, ControlStanding, ObjectiveCount, ObjectiveId, Provider, Severity, Standing, Strength, Tally,
};

use crate::plan::State;
use crate::{Applicability, Control, Counts, Mapping, Plan};

/// What standings are computed from, beside the mapping.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// The checks that were to be made, and how much of their populations was read.
    pub plan: &'a Plan,
    /// What they found.
    pub counts: &'a Counts,
    /// The controls that are excluded.
    pub applicability: &'a Applicability,
    /// The least severity of a fail that contradicts a control; `info` never does.
    pub threshold: Severity,
}

impl Mapping {
    /// The standing of every control of every catalogue, in the catalogues' order: in each cloud, and together.
    pub fn standings(&self, basis: &Basis<'_>) -> Vec<ControlStanding> {
        let providers: BTreeSet<&Provider> = basis.plan.providers().chain(basis.counts.providers()).collect();
        let controls = self.catalogs().iter().flat_map(|catalog| {
            let id = &catalog.id;
            catalog.controls.iter().map(move |control| (id, control))
        });
        controls.map(|(catalog, control)| self.standing(catalog, control, &providers, basis)).collect()
    }

    fn standing(
        &self,
        catalog: &CatalogId,
        control: &Control,
        providers: &BTreeSet<&Provider>,
        basis: &Basis<'_>,
    ) -> ControlStanding {
        let links = self.links(catalog, &control.id);
        let objectives = links.iter().map(|link| {
            let mut behind = Behind::default();
            for provider in providers {
                behind.look(provider, &link.objective, basis);
            }
            ObjectiveCount {
                counts: behind.tally,
                objective: link.objective.clone(),
                strength: link.strength,
                undeclared: behind.undeclared.into_iter().collect(),
            }
        });
        let objectives = objectives.collect();

        let decisive = || links.iter().filter(|link| link.strength >= Strength::Partial);
        let excluded = basis.applicability.reason(catalog, &control.id).is_some();
        let conclude = |behind: &Behind| if excluded { Standing::Excluded } else { behind.standing() };
        let mut together = Behind::default();
        let mut by_provider = std::collections::BTreeMap::new();
        for provider in providers {
            let mut alone = Behind::default();
            for link in decisive() {
                alone.look(provider, &link.objective, basis);
                together.look(provider, &link.objective, basis);
            }
            by_provider.insert((*provider).clone(), conclude(&alone));
        }
        // No cloud at all was read: that says nothing about what could have been read automatically.
        together.unread |= providers.is_empty() && decisive().next().is_some();
        ControlStanding {
            catalog: catalog.clone(),
            control: control.id.clone(),
            counts: together.tally,
            label: control.label.clone(),
            left_to_people: self.left_to_people(catalog, control).to_owned(),
            objectives,
            providers: by_provider,
            standing: conclude(&together),
        }
    }
}

/// What stands behind a control: the findings of objectives that decide, and what is missing from them.
#[derive(Debug, Default)]
struct Behind {
    tally: Tally,
    /// Passes that are the customer's own merit.
    merit: u64,
    /// Some check was to be made, or made.
    automatic: bool,
    /// Some population was not, or may not have been, read completely.
    unread: bool,
    /// Checks that wait for a declaration.
    undeclared: BTreeSet<String>,
}

impl Behind {
    /// Takes in the checks that serve an objective in a cloud.
    fn look(&mut self, provider: &Provider, objective: &ObjectiveId, basis: &Basis<'_>) {
        let mut found = BTreeSet::new();
        for (check, count) in basis.counts.checks(provider, objective) {
            self.tally.add(&count.tally(basis.threshold));
            self.merit += count.pass;
            self.automatic = true;
            found.insert(check);
        }
        for (check, state) in basis.plan.checks(provider, objective) {
            self.automatic = true;
            match state {
                State::Undeclared(_) => {
                    self.undeclared.insert(check.to_string());
                }
                State::Unread => self.unread = true,
                State::Population => self.unread |= !found.contains(check),
                State::Read => {}
            }
        }
    }

    /// The rules, the first that holds.
    fn standing(&self) -> Standing {
        let Tally { fail, fail_below, unknown, waived, pass, .. } = self.tally;
        if !self.automatic && !self.unread {
            Standing::Manual
        } else if fail > 0 {
            Standing::Contradicted
        } else if unknown > 0 || self.unread {
            Standing::Incomplete
        } else if self.merit > 0 {
            if waived > 0 { Standing::SupportedWithExceptions } else { Standing::Supported }
        } else if self.undeclared.is_empty() && fail_below + waived + pass == 0 {
            Standing::NoSubject
        } else {
            Standing::Incomplete
        }
    }
}
