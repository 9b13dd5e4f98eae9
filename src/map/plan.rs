//! What a run was to judge and how much of it was read: the difference between an empty population and an unread one.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{AccountCoverage, Cause, CellState, CheckId, Coverage, KindId, ObjectiveId, Provider};

/// A check that a run was to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCheck {
    /// The check.
    pub check: CheckId,
    /// The kind that it asks about.
    pub kind: KindId,
    /// What it serves.
    pub objective: ObjectiveId,
    /// The cloud that it asks about.
    pub provider: Provider,
    /// Judges a place as a whole (`per`), so that its findings themselves say what was not read.
    pub population: bool,
    /// Parameters that the customer has to declare and has not, e.g. `log_buckets`. The check is off while there are any.
    pub undeclared: Vec<String>,
}

/// The checks of a run, with what became of their populations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    providers: BTreeSet<Provider>,
    checks: BTreeMap<Provider, BTreeMap<ObjectiveId, BTreeMap<CheckId, State>>>,
}

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Off, until these are declared.
    Undeclared(Vec<String>),
    /// Judges single resources, and every one of them was listed.
    Read,
    /// Judges single resources, and it is not known whether every one was listed.
    Unread,
    /// Judges places: at least one finding is owed.
    Population,
}

impl Plan {
    /// Holds the enabled checks against the coverage of the run. The clouds are those of which an account was planned.
    pub fn new(checks: impl IntoIterator<Item = PlannedCheck>, coverage: &Coverage) -> Self {
        let providers = coverage.accounts.keys().map(|(provider, _)| provider.clone()).collect();
        let mut plan = Self { providers, checks: BTreeMap::new() };
        for check in checks {
            let state = if !check.undeclared.is_empty() {
                State::Undeclared(check.undeclared)
            } else if check.population {
                State::Population
            } else if was_read(coverage, &check.provider, &check.kind) {
                State::Read
            } else {
                State::Unread
            };
            let objectives = plan.checks.entry(check.provider).or_default();
            objectives.entry(check.objective).or_default().insert(check.check, state);
        }
        plan
    }

    /// Adds a cloud that the operator asked for and of which not even an account is known.
    pub fn add_provider(&mut self, provider: Provider) {
        self.providers.insert(provider);
    }

    /// The clouds that were to be read.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }

    /// What the customer has to declare before these checks are on, by check.
    pub fn undeclared(&self) -> BTreeMap<&CheckId, &[String]> {
        let states = self.checks.values().flat_map(BTreeMap::values).flatten();
        states
            .filter_map(|(check, state)| match state {
                State::Undeclared(params) => Some((check, params.as_slice())),
                _ => None,
            })
            .collect()
    }

    /// The checks that serve an objective in a cloud.
    pub(crate) fn checks(
        &self,
        provider: &Provider,
        objective: &ObjectiveId,
    ) -> impl Iterator<Item = (&CheckId, &State)> {
        self.checks.get(provider).and_then(|objectives| objectives.get(objective)).into_iter().flatten()
    }
}

/// Whether every resource of a kind was listed, in every account of the cloud.
///
/// What the operator excluded is no gap, but where everything was excluded nothing was read. A cell that an organisation
/// policy bars is a gap: what was made there before the policy may still be there.
fn was_read(coverage: &Coverage, provider: &Provider, kind: &KindId) -> bool {
    let mut any = false;
    for ((cloud, _), account) in &coverage.accounts {
        if cloud != provider {
            continue;
        }
        match account_was_read(account, kind) {
            Some(true) => any = true,
            Some(false) => return false,
            None => {}
        }
    }
    any
}

/// The same for one account; `None` if the operator excluded it.
fn account_was_read(account: &AccountCoverage, kind: &KindId) -> Option<bool> {
    if account.gaps.iter().any(|gap| gap.cause != Cause::Skipped) {
        return Some(false);
    }
    let states: Vec<CellState> =
        account.cells.iter().filter(|cell| &cell.kind == kind).map(|cell| cell.state).collect();
    let answered = |state: &CellState| matches!(state, CellState::Complete | CellState::Unsupported);
    if !states.iter().all(|state| answered(state) || *state == CellState::Skipped) {
        return Some(false);
    }
    match (states.is_empty(), states.iter().any(answered)) {
        // Nobody planned the kind: excluded if the whole account was, else forgotten.
        (true, _) if account.gaps.is_empty() => Some(false),
        (_, true) => Some(true),
        (_, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use evidenced_model::{Account, Cell, Refusal, Region};

    use super::*;

    fn coverage(states: &[CellState]) -> Coverage {
        let provider = Provider::parse("aws").unwrap();
        let account = Account::parse("123456789012").unwrap();
        let cells = states.iter().enumerate().map(|(index, state)| Cell {
            gaps: Vec::new(),
            kind: kind(),
            reason: None,
            region: Region::parse(format!("eu-{index}")).unwrap(),
            resources: 0,
            state: *state,
            total: None,
            vanished: 0,
        });
        let whole = AccountCoverage {
            account: account.clone(),
            cells: cells.collect(),
            gaps: Vec::new(),
            provider: provider.clone(),
            regions: Vec::new(),
        };
        Coverage { accounts: BTreeMap::from([((provider, account), whole)]) }
    }

    fn kind() -> KindId {
        KindId::parse("aws.kms.key").unwrap()
    }

    fn read(coverage: &Coverage) -> bool {
        was_read(coverage, &Provider::parse("aws").unwrap(), &kind())
    }

    #[test]
    fn a_population_is_read_when_every_cell_answered() {
        assert!(read(&coverage(&[CellState::Complete, CellState::Complete])));
        assert!(read(&coverage(&[CellState::Complete, CellState::Unsupported, CellState::Skipped])));
    }

    #[test]
    fn one_cell_without_an_answer_is_enough_to_leave_it_unread() {
        for state in [CellState::Partial, CellState::Denied, CellState::Barred, CellState::Throttled, CellState::Failed]
        {
            assert!(!read(&coverage(&[CellState::Complete, state])), "{}", state.as_str());
        }
    }

    #[test]
    fn nothing_planned_and_everything_excluded_are_unread() {
        assert!(!read(&Coverage::default()));
        assert!(!read(&coverage(&[])));
        assert!(!read(&coverage(&[CellState::Skipped])));
    }

    #[test]
    fn an_excluded_account_is_no_gap_beside_one_that_was_read() {
        let mut whole = coverage(&[CellState::Complete]);
        let (key, mut excluded) = coverage(&[CellState::Skipped]).accounts.pop_first().unwrap();
        excluded.account = Account::parse("111122223333").unwrap();
        whole.accounts.insert((key.0, excluded.account.clone()), excluded);
        assert!(read(&whole));
    }

    #[test]
    fn an_account_that_could_not_be_entered_leaves_every_kind_unread() {
        let mut coverage = coverage(&[CellState::Complete]);
        let refusal = Refusal {
            call: "sts:AssumeRole".to_owned(),
            cause: Cause::Denied,
            code: Some("AccessDenied".to_owned()),
            permission: Some("sts:AssumeRole".to_owned()),
        };
        for account in coverage.accounts.values_mut() {
            account.gaps.push(refusal.clone());
        }
        assert!(!read(&coverage));
    }

    #[test]
    fn what_is_undeclared_is_told_by_check() {
        let check = PlannedCheck {
            check: CheckId::parse("aws.s3.lifecycle").unwrap(),
            kind: KindId::parse("aws.s3.bucket").unwrap(),
            objective: ObjectiveId::parse("storage.lifecycle").unwrap(),
            provider: Provider::parse("aws").unwrap(),
            population: false,
            undeclared: vec!["log_buckets".to_owned()],
        };
        let plan = Plan::new([check.clone()], &Coverage::default());
        assert_eq!(plan.undeclared(), BTreeMap::from([(&check.check, &check.undeclared[..])]));
    }
}
