//! The population of a control: every resource that its checks judged in some runs, and what could not be read of it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{
    Account, AgentId, Archive, CatalogId, Cause, CellState, CheckId, ControlId, ControlStanding, Digest, KindId,
    ObjectiveId, Provider, Region, Scope, Verdict,
};
use evidenced_seal::proof::Side;
use evidenced_seal::read::RunGroup;
use evidenced_seal::{Document, RunReader, RunRef};
use serde::{Deserialize, Serialize};

use super::Item;
use crate::exit::{Ended, Exit};
use crate::opened::{Judged, failed};

/// What the runs say of a control.
pub(crate) struct Gathered {
    /// The control as the newest run has it.
    pub(crate) control: ControlStanding,
    /// The objectives behind it, in any of the runs.
    pub(crate) objectives: BTreeSet<ObjectiveId>,
    /// The checks that serve them.
    pub(crate) checks: BTreeSet<CheckId>,
    /// What the checks are about.
    pub(crate) kinds: BTreeSet<KindId>,
    /// Those to which a check applied, by name, each with the place of its newest run in the list of runs.
    pub(crate) population: BTreeMap<Digest, (Item, usize)>,
    /// How many there are to which no check applied.
    pub(crate) not_applicable: u64,
    /// What was not read.
    pub(crate) gaps: Vec<PopulationGap>,
    /// Finding lines that a pack withholds.
    pub(crate) withheld: u64,
}

/// A part of the population that was not read, in some runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct PopulationGap {
    /// The cloud.
    pub(crate) provider: Provider,
    /// The account.
    pub(crate) account: Account,
    /// The region; absent for an account as a whole.
    pub(crate) region: Option<Region>,
    /// The kind; absent for an account as a whole.
    pub(crate) kind: Option<KindId>,
    /// How much was read.
    pub(crate) state: CellState,
    /// Why, in one word or the operator's.
    pub(crate) reason: Option<String>,
    /// In how many of the runs.
    pub(crate) runs: u64,
}

/// What of a finding decides who belongs to the population.
#[derive(Deserialize)]
struct Judgement {
    check: CheckId,
    kind: KindId,
    resource: String,
    scope: Scope,
    verdict: Verdict,
}

/// What is read of the mappings that runs share.
struct Behind {
    control: ControlStanding,
    checks: BTreeSet<CheckId>,
    kinds: BTreeSet<KindId>,
}

/// Reads runs, newest first. Equal objects are read once, however many runs they belong to.
pub(crate) fn gather(
    archive: &dyn Archive,
    runs: &[(AgentId, RunRef)],
    catalog: Option<&str>,
    control: &str,
) -> Result<Gathered, Ended> {
    let mut work = Work::default();
    for (index, (_, run)) in runs.iter().enumerate() {
        let reader = RunReader::open(archive, run, None).map_err(failed)?;
        let mappings = reader.subject(Document::Mappings.name()).map_err(failed)?;
        let behind = match work.behind.entry(mappings) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let found = behind(&reader, catalog, control)?;
                if let Err(why) = &found {
                    work.refused.get_or_insert(why.clone());
                }
                new.insert(found.ok())
            }
        };
        // One agent may know the control, and another not.
        let Some(behind) = behind else { continue };
        work.seen.coverage(&reader, mappings, behind)?;
        work.seen.findings(&reader, mappings, behind, index)?;
        work.newest.get_or_insert(mappings);
    }
    work.finish()
}

#[derive(Default)]
struct Work {
    behind: BTreeMap<Digest, Option<Behind>>,
    newest: Option<Digest>,
    /// Why the newest run that does not know the control does not.
    refused: Option<String>,
    seen: Seen,
}

impl Work {
    fn finish(mut self) -> Result<Gathered, Ended> {
        let newest = self.newest.and_then(|newest| self.behind.get(&newest)?.as_ref());
        let Some(newest) = newest else {
            let why = self.refused.unwrap_or_else(|| "there is no run to draw from".to_owned());
            return Err(Ended::new(Exit::Usage, why));
        };
        let control = newest.control.clone();
        let (mut objectives, mut checks, mut kinds) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for behind in self.behind.into_values().flatten() {
            objectives.extend(behind.control.objectives.into_iter().map(|count| count.objective));
            checks.extend(behind.checks);
            kinds.extend(behind.kinds);
        }
        let mut not_applicable = 0;
        self.seen.items.retain(|_, (_, _, applies)| {
            not_applicable += u64::from(!*applies);
            *applies
        });
        let population = self.seen.items.into_iter().map(|(name, (item, run, _))| (name, (item, run))).collect();
        let gaps = self.seen.gaps.into_iter().map(|(gap, runs)| PopulationGap { runs, ..gap }).collect();
        Ok(Gathered {
            control,
            objectives,
            checks,
            kinds,
            population,
            not_applicable,
            gaps,
            withheld: self.seen.withheld,
        })
    }
}

/// The control with its checks, as a run was judged; or why it is not there.
fn behind(reader: &RunReader<'_>, catalog: Option<&str>, control: &str) -> Result<Result<Behind, String>, Ended> {
    let controls = reader.controls().map_err(failed)?.controls;
    let control = match find(&controls, catalog, control) {
        Ok(control) => control.clone(),
        Err(why) => return Ok(Err(why)),
    };
    let judged = Judged::read(reader)?;
    let serves = |objective: &ObjectiveId| control.objectives.iter().any(|count| count.objective == *objective);
    let (mut checks, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for (kind, check) in judged.library.checks().filter(|(_, check)| serves(&check.objective)) {
        checks.insert(check.id.clone());
        kinds.insert(kind.decl.kind.clone());
    }
    Ok(Ok(Behind { control, checks, kinds }))
}

/// The one control that is meant; or why there is none.
fn find<'c>(
    controls: &'c [ControlStanding],
    catalog: Option<&str>,
    wanted: &str,
) -> Result<&'c ControlStanding, String> {
    let in_catalog = |control: &&ControlStanding| catalog.is_none_or(|catalog| control.catalog.as_str() == catalog);
    let catalogs: BTreeSet<&CatalogId> = controls.iter().map(|control| &control.catalog).collect();
    let list = |names: &[&CatalogId]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if let Some(id) = catalog
        && !catalogs.iter().any(|known| known.as_str() == id)
    {
        let known = list(&catalogs.iter().copied().collect::<Vec<_>>());
        return Err(format!("the run has no catalogue {id:?}; it has: {known}"));
    }
    let meant: Vec<&ControlStanding> =
        controls.iter().filter(in_catalog).filter(|control| control.control.as_str() == wanted).collect();
    match &meant[..] {
        [one] if one.objectives.is_empty() => Err(format!(
            "nothing automatic speaks for or against {wanted}, so there is nothing to draw from; people bring its \
             evidence (see `evidenced controls show {wanted}`)"
        )),
        [one] => Ok(one),
        [] => {
            let known = controls.iter().filter(in_catalog).map(|control| &control.control);
            let hint = near(wanted, known)
                .map_or_else(|| "see `evidenced controls list`".to_owned(), |known| format!("did you mean {known}?"));
            Err(format!("the run has no control {wanted:?}; {hint}"))
        }
        several => {
            let names: Vec<&CatalogId> = several.iter().map(|control| &control.catalog).collect();
            Err(format!("{wanted} stands in several catalogues: {}; name one with --catalog", list(&names)))
        }
    }
}

fn near<'c>(wanted: &str, known: impl Iterator<Item = &'c ControlId>) -> Option<&'c ControlId> {
    let wanted = wanted.to_ascii_uppercase();
    let distance = |known: &ControlId| strsim::damerau_levenshtein(&wanted, &known.as_str().to_ascii_uppercase());
    known.map(|known| (distance(known), known)).filter(|(distance, _)| *distance <= 2).min().map(|(_, known)| known)
}

/// What was read so far.
#[derive(Default)]
struct Seen {
    /// By name: what it is, its newest run, and whether any check applied.
    items: BTreeMap<Digest, (Item, usize, bool)>,
    gaps: BTreeMap<PopulationGap, u64>,
    /// The gaps of a coverage tree, under the mappings that say what is of interest.
    covered: BTreeMap<(Digest, Digest), Vec<PopulationGap>>,
    trees: BTreeSet<(Digest, Digest)>,
    /// Chunks that were read: the mappings, the place, and the content.
    chunks: BTreeSet<(Digest, Digest, Digest)>,
    withheld: u64,
}

impl Seen {
    fn coverage(&mut self, reader: &RunReader<'_>, mappings: Digest, behind: &Behind) -> Result<(), Ended> {
        let tree = reader.subject(evidenced_seal::statement::subject::COVERAGE).map_err(failed)?;
        let gaps = match self.covered.entry((tree, mappings)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(gaps(reader, behind)?),
        };
        for gap in gaps {
            *self.gaps.entry(gap.clone()).or_default() += 1;
        }
        Ok(())
    }

    fn findings(&mut self, reader: &RunReader<'_>, mappings: Digest, behind: &Behind, run: usize) -> Result<(), Ended> {
        let tree = reader.subject(evidenced_seal::statement::subject::FINDINGS).map_err(failed)?;
        if !self.trees.insert((tree, mappings)) {
            return Ok(());
        }
        let mut groups = reader.groups().map_err(failed)?;
        for group in groups.by_ref() {
            let group = group.map_err(failed)?;
            // What is asked of whole places stands under kinds of their own.
            let wanted =
                group.kind.starts_with("place.") || behind.kinds.iter().any(|kind| kind.as_str() == group.kind);
            if wanted {
                self.group(reader, mappings, behind, &group, run)?;
            }
        }
        self.withheld += groups.withheld();
        Ok(())
    }

    fn group(
        &mut self,
        reader: &RunReader<'_>,
        mappings: Digest,
        behind: &Behind,
        group: &RunGroup,
        run: usize,
    ) -> Result<(), Ended> {
        let chunks = reader.chunks(Side::Findings, group).map_err(failed)?;
        self.withheld += chunks.withheld;
        let place = Digest::of(format!("{}\n{}\n{}", group.account, group.region, group.kind).as_bytes());
        for chunk in chunks.entries {
            if !self.chunks.insert((mappings, place, chunk.content)) {
                continue;
            }
            let placed = reader.placed(&chunk).map_err(failed)?;
            self.withheld += placed.withheld;
            for line in &placed.lines {
                let judged: Judgement = serde_json::from_slice(&line.bytes).map_err(|error| {
                    let message = format!("{}: line {} is no finding: {error}", placed.file, line.number);
                    Ended::new(Exit::Verification, message)
                })?;
                if !behind.checks.contains(&judged.check) {
                    continue;
                }
                let item = Item { kind: judged.kind, scope: judged.scope, id: judged.resource };
                let known = self.items.entry(item.name()).or_insert((item, run, false));
                known.2 |= judged.verdict != Verdict::NotApplicable;
            }
        }
        Ok(())
    }
}

/// What a run did not read of the kinds that matter.
fn gaps(reader: &RunReader<'_>, behind: &Behind) -> Result<Vec<PopulationGap>, Ended> {
    let mut gaps = Vec::new();
    for account in reader.accounts().map_err(failed)? {
        let account = account.map_err(failed)?;
        let gap = |region, kind, state, reason| PopulationGap {
            provider: account.provider.clone(),
            account: account.account.clone(),
            region,
            kind,
            state,
            reason,
            runs: 0,
        };
        let cause = |cause: Cause| Some(cause.as_str().to_owned());
        gaps.extend(account.gaps.iter().map(|why| gap(None, None, why.cause.into(), cause(why.cause))));
        // Where a service is not offered there is nothing, and that is known.
        let open = |state: CellState| !matches!(state, CellState::Complete | CellState::Unsupported);
        for cell in account.cells.iter().filter(|cell| behind.kinds.contains(&cell.kind) && open(cell.state)) {
            let why = cell.reason.clone().or_else(|| cause(cell.gaps.first()?.refusal.cause));
            gaps.push(gap(Some(cell.region.clone()), Some(cell.kind.clone()), cell.state, why));
        }
    }
    gaps.sort();
    gaps.dedup();
    Ok(gaps)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use evidenced_model::{ObjectiveCount, Standing, Strength, Tally};

    use super::*;

    fn control(catalog: &str, id: &str, objective: Option<&str>) -> ControlStanding {
        let count = |id: &str| ObjectiveCount {
            counts: Tally::default(),
            objective: id.parse().unwrap(),
            strength: Strength::Strong,
            undeclared: Vec::new(),
        };
        ControlStanding {
            catalog: catalog.parse().unwrap(),
            control: id.parse().unwrap(),
            counts: Tally::default(),
            label: String::new(),
            left_to_people: String::new(),
            objectives: objective.map(count).into_iter().collect(),
            providers: BTreeMap::new(),
            standing: Standing::Incomplete,
        }
    }

    #[test]
    fn the_one_control_is_found_or_the_error_helps() {
        let known = || {
            vec![
                control("iso27001-2022", "A.8.24", Some("crypto.keys-rotate")),
                control("iso27001-2022", "A.6.3", None),
                control("iso27001-2022", "A.8.1", Some("crypto.keys-rotate")),
                control("iso27017-2015", "A.8.1", Some("crypto.keys-rotate")),
            ]
        };
        let said = |catalog, id| find(&known(), catalog, id).err().unwrap_or_default();
        assert_eq!(said(None, "A.8.24"), "");
        assert_eq!(said(Some("iso27017-2015"), "A.8.1"), "");
        for (catalog, id, part) in [
            (None, "A.8.42", "did you mean A.8.24?"),
            (None, "a.8.24", "did you mean A.8.24?"),
            (None, "nonsense", "evidenced controls list"),
            (None, "A.6.3", "people bring its evidence"),
            (None, "A.8.1", "several catalogues: iso27001-2022, iso27017-2015; name one with --catalog"),
            (Some("iso9001"), "A.8.1", "no catalogue \"iso9001\"; it has: iso27001-2022, iso27017-2015"),
        ] {
            assert!(said(catalog, id).contains(part), "{}", said(catalog, id));
        }
    }
}
