//! The daemon's answers to the endpoint: from the board where it knows, else from the store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use evidenced_model::{AgentId, Archive, CatalogId, ControlId, RunId};
use evidenced_report::Report;
use evidenced_report::period::Period;
use evidenced_seal::select::{runs_backwards, runs_before};
use evidenced_seal::{PublicKeys, RunReader, RunRef, SealError, select_run};
use evidenced_serve::{
    Controls, Desk, DeskError, FindingKey, FindingsQuery, Metrics, Page, Paged, Readiness, RunSummary, StartRequest,
    Started, Status, StoredFinding,
};
use serde_json::value::RawValue;

use super::board::Board;
use super::life::{Life, Order};
use super::look_back::summary;
use super::sheet::{self, Sheet};
use crate::clock::Time;
use evidenced_model::glob;

/// So many findings are looked at for one answer.
const SCANNED: u64 = 100_000;

/// What is read from when the board does not know.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) agent: AgentId,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) keys: PublicKeys,
    pub(crate) schedules: Vec<String>,
}

/// Whoever asks, asks here.
pub(crate) struct FrontDesk {
    pub(crate) board: Board,
    pub(crate) life: Life,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) source: Arc<Mutex<Option<Source>>>,
    pub(crate) time: Arc<dyn Time>,
    pub(crate) sheet: Sheet,
}

impl FrontDesk {
    fn source(&self) -> Result<Source, DeskError> {
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner).clone();
        source.ok_or_else(|| DeskError::Away("the daemon is starting; ask again".to_owned()))
    }

    fn standing(&self, wanted: impl Fn(&evidenced_model::ControlStanding) -> bool) -> Controls {
        let Some(newest) = self.board.newest() else {
            return Controls { run: None, collected: None, age_seconds: None, controls: Vec::new() };
        };
        let age = self.time.now().duration_since(newest.collected).as_secs();
        Controls {
            run: Some(newest.run),
            collected: Some(newest.collected),
            age_seconds: Some(u64::try_from(age).unwrap_or(0)),
            controls: newest.controls.iter().filter(|control| wanted(control)).cloned().collect(),
        }
    }

    fn known_catalog(&self, catalog: Option<&CatalogId>) -> Result<(), DeskError> {
        let Some(catalog) = catalog else { return Ok(()) };
        match self.board.newest() {
            Some(newest) if !newest.controls.iter().any(|control| control.catalog == *catalog) => {
                let known: BTreeSet<&str> = newest.controls.iter().map(|control| control.catalog.as_str()).collect();
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                Err(DeskError::Missing(format!(
                    "there is no catalogue {catalog} in the newest run; there are: {known}"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Desk for FrontDesk {
    fn readiness(&self) -> Readiness {
        self.board.readiness(self.time.now())
    }

    fn status(&self) -> Arc<Status> {
        Arc::new(self.board.status(self.time.now()))
    }

    fn metrics(&self) -> String {
        let now = self.time.now();
        let status = self.board.status(now);
        self.metrics.set_readiness(&self.board.readiness(now));
        self.metrics.set_schedules(&status.schedules);
        self.metrics.set_evidence(&status.evidence);
        self.metrics.set_spool(&status.spool);
        if let Some(head) = status.head {
            self.metrics.set_log_index(head.index);
        }
        self.metrics.encode()
    }

    /// First the runs that are remembered, then those that only the log knows.
    fn runs(&self, page: Page) -> Result<Paged<RunSummary>, DeskError> {
        let remembered = self.board.runs();
        let oldest = remembered.iter().filter_map(|run| run.head).map(|head| head.index).min();
        let mut items: Vec<RunSummary> = Vec::new();
        let before = match page.cursor.as_deref().map(Cursor::parse).transpose()? {
            Some(Cursor::Log(index)) => Some(index),
            after => {
                let mut rest = remembered.as_slice();
                if let Some(Cursor::Run(run)) = after {
                    let place = remembered.iter().position(|one| one.run == run);
                    let gone = || DeskError::Missing("that cursor is too old; begin again without one".to_owned());
                    rest = &remembered[place.ok_or_else(gone)? + 1..];
                }
                items.extend(rest.iter().take(page.limit).cloned());
                if items.len() < rest.len() {
                    let next = items.last().map(|last| Cursor::Run(last.run).to_string());
                    return Ok(Paged { items, next });
                }
                oldest
            }
        };
        let source = self.source()?;
        let (archive, agent, keys) = (&*source.archive, &source.agent, Some(&source.keys));
        let older: Box<dyn Iterator<Item = Result<RunRef, SealError>> + '_> = match before {
            Some(index) => Box::new(runs_before(archive, agent, keys, index)),
            None => Box::new(runs_backwards(archive, agent, keys).map_err(away)?),
        };
        for run in older {
            let run = run.map_err(away)?;
            if items.len() >= page.limit {
                return Ok(Paged { items, next: Some(Cursor::Log(run.entry.index + 1).to_string()) });
            }
            if remembered.iter().any(|known| known.run == run.run) {
                continue;
            }
            let reader = RunReader::open(archive, &run, keys).map_err(away)?;
            items.push(summary(&run, &reader));
        }
        Ok(Paged { items, next: None })
    }

    fn run(&self, run: RunId) -> Result<Option<RunSummary>, DeskError> {
        if let Some(known) = self.board.runs().into_iter().find(|known| known.run == run) {
            return Ok(Some(known));
        }
        let source = self.source()?;
        let found = match select_run(&*source.archive, &source.agent, &run.to_string(), Some(&source.keys)) {
            Ok(found) => found,
            Err(SealError::Missing { .. } | SealError::NoSuchRun { .. }) => return Ok(None),
            Err(error) => return Err(away(error)),
        };
        let reader = RunReader::open(&*source.archive, &found, Some(&source.keys)).map_err(away)?;
        Ok(Some(summary(&found, &reader)))
    }

    fn controls(&self, catalog: Option<&CatalogId>) -> Result<Controls, DeskError> {
        self.known_catalog(catalog)?;
        Ok(self.standing(|control| catalog.is_none_or(|catalog| control.catalog == *catalog)))
    }

    fn control(&self, control: &ControlId, catalog: Option<&CatalogId>) -> Result<Controls, DeskError> {
        self.known_catalog(catalog)?;
        let wanted = |one: &evidenced_model::ControlStanding| {
            one.control == *control && catalog.is_none_or(|catalog| one.catalog == *catalog)
        };
        Ok(self.standing(wanted))
    }

    fn findings(&self, query: &FindingsQuery) -> Result<Paged<Box<RawValue>>, DeskError> {
        let source = self.source()?;
        let cursor = query.page.cursor.as_deref().map(Place::parse).transpose()?;
        let run = stored(&source, cursor.as_ref().map(|place| place.run).or(query.run))?;
        let reader = RunReader::open(&*source.archive, &run, Some(&source.keys)).map_err(away)?;
        let objectives = objectives(&reader, query)?;
        let place = cursor.unwrap_or(Place { run: run.run, group: 0, line: 0 });
        scan(&reader, query, objectives.as_ref(), place)
    }

    fn finding(&self, key: &FindingKey) -> Result<Option<StoredFinding>, DeskError> {
        let source = self.source()?;
        let run = stored(&source, key.run)?;
        let reader = RunReader::open(&*source.archive, &run, Some(&source.keys)).map_err(away)?;
        sheet::finding(&reader, run.run, key)
    }

    fn report(&self) -> Result<Option<Arc<Report>>, DeskError> {
        self.sheet.newest(&self.source()?)
    }

    fn period(&self) -> Result<Option<Arc<Period>>, DeskError> {
        self.sheet.period(&self.source()?, self.time.now())
    }

    fn start(&self, request: StartRequest) -> Result<Started, DeskError> {
        if let Some(name) = &request.schedule {
            let known = self.source()?.schedules;
            if !known.contains(name) {
                let message = format!("there is no schedule {name:?}; there are: {}", known.join(", "));
                return Err(DeskError::Missing(message));
            }
        }
        let before = self.life.order(Order { schedule: request.schedule });
        before.map(|before| Started { before }).ok_or_else(|| DeskError::Busy("enough runs wait already".to_owned()))
    }
}

/// A stored run, or the newest.
fn stored(source: &Source, wanted: Option<RunId>) -> Result<RunRef, DeskError> {
    let wanted = wanted.map_or_else(|| "latest".to_owned(), |run| run.to_string());
    match select_run(&*source.archive, &source.agent, &wanted, Some(&source.keys)) {
        Ok(run) => Ok(run),
        Err(SealError::Missing { .. } | SealError::NoSuchRun { .. }) => {
            Err(DeskError::Missing(format!("there is no stored run {wanted}")))
        }
        Err(error) => Err(away(error)),
    }
}

/// The objectives behind a control, if one is named.
fn objectives(reader: &RunReader<'_>, query: &FindingsQuery) -> Result<Option<BTreeSet<String>>, DeskError> {
    let Some(control) = &query.control else { return Ok(None) };
    let controls = reader.controls().map_err(away)?.controls;
    let mut named = controls
        .iter()
        .filter(|one| one.control == *control && query.catalog.as_ref().is_none_or(|catalog| one.catalog == *catalog));
    let first = named.next().ok_or_else(|| DeskError::Missing(format!("that run does not report on {control}")))?;
    let all = std::iter::once(first).chain(named).flat_map(|one| &one.objectives);
    Ok(Some(all.map(|one| one.objective.to_string()).collect()))
}

/// The findings that are wanted, from a place on.
fn scan(
    reader: &RunReader<'_>,
    query: &FindingsQuery,
    objectives: Option<&BTreeSet<String>>,
    place: Place,
) -> Result<Paged<Box<RawValue>>, DeskError> {
    let mut items = Vec::new();
    let mut scanned = 0;
    for (number, group) in reader.groups().map_err(away)?.enumerate().skip(place.group) {
        let group = group.map_err(away)?;
        let from = if number == place.group { place.line } else { 0 };
        for (line, finding) in reader.findings(&group).map_err(away)?.enumerate().skip(from) {
            let finding = finding.map_err(away)?;
            if items.len() >= query.page.limit || scanned >= SCANNED {
                let next = Place { run: place.run, group: number, line };
                return Ok(Paged { items, next: Some(next.to_string()) });
            }
            scanned += 1;
            let wanted = (query.verdicts.is_empty() || query.verdicts.contains(&finding.verdict))
                && (query.severities.is_empty() || query.severities.contains(&finding.severity))
                && query.provider.as_ref().is_none_or(|provider| *provider == finding.scope.provider)
                && query.account.as_ref().is_none_or(|account| *account == finding.scope.account)
                && objectives.is_none_or(|objectives| objectives.contains(finding.objective.as_str()))
                && query.check.as_ref().is_none_or(|pattern| glob(pattern, finding.check.as_str()))
                && query.resource.as_ref().is_none_or(|pattern| glob(pattern, &finding.resource));
            if wanted {
                let mut text = Vec::with_capacity(512);
                finding.write_line(&mut text);
                let text = String::from_utf8(text).map_err(|error| DeskError::Away(error.to_string()))?;
                let raw = RawValue::from_string(text.trim_end().to_owned());
                items.push(raw.map_err(|error| DeskError::Away(error.to_string()))?);
            }
        }
    }
    Ok(Paged { items, next: None })
}

/// Where a list of runs goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cursor {
    /// After this run, among those that are remembered.
    Run(RunId),
    /// Before this index of the log.
    Log(u64),
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, DeskError> {
        let log = text.strip_prefix("log-").and_then(|index| index.parse().ok().map(Self::Log));
        let run = || text.strip_prefix("run-").and_then(|run| run.parse().ok().map(Self::Run));
        log.or_else(run).ok_or_else(no_cursor)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(run) => write!(f, "run-{run}"),
            Self::Log(index) => write!(f, "log-{index}"),
        }
    }
}

/// Where a list of findings goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    run: RunId,
    group: usize,
    line: usize,
}

impl Place {
    fn parse(text: &str) -> Result<Self, DeskError> {
        let mut parts = text.split('-');
        let place = (|| {
            let (run, group, line) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self { run: run.parse().ok()?, group: group.parse().ok()?, line: line.parse().ok()? })
        })();
        place.filter(|_| parts.next().is_none()).ok_or_else(no_cursor)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.run, self.group, self.line)
    }
}

fn no_cursor() -> DeskError {
    DeskError::Missing("that is no cursor of this list; take the one that `next` gave, or none".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(crate) fn away(error: SealError) -> DeskError {
    DeskError::Away(error.to_string())
}
