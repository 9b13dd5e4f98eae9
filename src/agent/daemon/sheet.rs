//! What pages show of the newest stored run: read from the store when somebody looks, and kept until there is another.

use std::sync::{Arc, Mutex, PoisonError};

use evidenced_model::{Finding, RunId};
use evidenced_report::period::{Period, PeriodLimits};
use evidenced_report::{Limits, Report};
use evidenced_seal::read::{Line, RunGroup};
use evidenced_seal::{RunReader, SealError, select_run};
use evidenced_serve::{DeskError, FindingKey, StoredFinding};

use jiff::{SignedDuration, Timestamp};

use super::desk::{Source, away};
use crate::exit::Ended;
use crate::opened::{self, Judged};
use crate::{commands, period, stamps};

/// So many days are drawn.
const DAYS: i64 = 14;
/// Bytes of chunks that are kept while a period is read: what has no room is read again.
const SHELF: usize = 4 << 20;

/// The newest stored run. What is kept of it grows with checks and accounts, and not with findings.
#[derive(Default)]
pub(crate) struct Sheet {
    run: Mutex<Option<Arc<Report>>>,
    /// The days until a run, with the run.
    period: Mutex<Option<(RunId, Arc<Period>)>>,
}

impl Sheet {
    /// The newest stored run; `None` if there is none yet. Whoever asks while it is read waits for it.
    pub(crate) fn newest(&self, source: &Source) -> Result<Option<Arc<Report>>, DeskError> {
        let mut kept = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let archive = &*source.archive;
        let run = match select_run(archive, &source.agent, "latest", Some(&source.keys)) {
            Ok(run) => run,
            Err(SealError::Missing { .. } | SealError::NoSuchRun { .. }) => return Ok(None),
            Err(error) => return Err(away(error)),
        };
        if let Some(known) = kept.as_ref().filter(|known| known.run == run.run) {
            return Ok(Some(Arc::clone(known)));
        }
        let reader = RunReader::open(archive, &run, Some(&source.keys)).map_err(away)?;
        let judged = Judged::read(&reader).map_err(|error| ended(&error))?;
        let header = opened::header(archive, &run, &reader).map_err(|error| ended(&error))?;
        let wanted = header.manifest.assurance.timestamped;
        let stamped = stamps::stored(archive, &run, wanted, None).map_err(away)?;
        let report = commands::report::build(header, stamped, &reader, &judged, None, few());
        let report = Arc::new(report.map_err(|error| ended(&error))?);
        *kept = Some(Arc::clone(&report));
        Ok(Some(report))
    }

    /// The days until the newest run. A store in a cloud is not read run by run for a page: there, nothing is said.
    pub(crate) fn period(&self, source: &Source, now: Timestamp) -> Result<Option<Arc<Period>>, DeskError> {
        let archive = &*source.archive;
        if archive.location().contains("://") && !archive.location().starts_with("file://") {
            return Ok(None);
        }
        let Some(newest) = self.newest(source)? else { return Ok(None) };
        let mut kept = self.period.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = kept.as_ref().filter(|(run, _)| *run == newest.run) {
            return Ok(Some(Arc::clone(known)));
        }
        let end = newest.window.end;
        let asked = period::Asked {
            from: end.checked_sub(SignedDuration::from_hours(24 * DAYS)).unwrap_or(Timestamp::MIN),
            to: end.checked_add(SignedDuration::from_secs(1)).unwrap_or(end),
            agents: std::slice::from_ref(&source.agent),
            catalog: None,
            controls: &[],
            limits: PeriodLimits { changes: 200, fails: 500, value_bytes: 128, line_bytes: 512 },
            shelf: SHELF,
            now,
        };
        let period = Arc::new(period::read(archive, &asked).map_err(|error| ended(&error))?);
        *kept = Some((newest.run, Arc::clone(&period)));
        Ok(Some(period))
    }
}

/// Counts, texts and coverage, and of findings an example or two.
fn few() -> Limits {
    Limits {
        accounts: 20,
        finding_bytes: 512,
        in_all: 0,
        passes: 1,
        per_check: 2,
        places: 20,
        rows: 0,
        value_bytes: 256,
    }
}

/// A stored finding with its line, and the line of its resource.
pub(crate) fn finding(
    reader: &RunReader<'_>,
    run: RunId,
    key: &FindingKey,
) -> Result<Option<StoredFinding>, DeskError> {
    let account = format!("{}:{}", key.provider, key.account);
    for group in reader.groups().map_err(away)? {
        let group = group.map_err(away)?;
        let place = (group.account.as_str(), group.region.as_str(), group.kind.as_str());
        if place != (account.as_str(), key.region.as_str(), key.kind.as_str()) {
            continue;
        }
        for line in reader.finding_lines(&group).map_err(away)? {
            let line = line.map_err(away)?;
            if line.id != key.resource {
                continue;
            }
            let finding: Finding = line.parse().map_err(away)?;
            if finding.check == key.check {
                let resource = resource(reader, &group, &key.resource)?;
                return Ok(Some(StoredFinding { run, object: line.file.clone(), line: text(&line), resource }));
            }
        }
    }
    Ok(None)
}

fn resource(reader: &RunReader<'_>, group: &RunGroup, id: &str) -> Result<Option<(String, String)>, DeskError> {
    for line in reader.resource_lines(group).map_err(away)? {
        let line = line.map_err(away)?;
        if line.id == id {
            let object = line.file.clone();
            return Ok(Some((text(&line), object)));
        }
    }
    Ok(None)
}

fn text(line: &Line) -> String {
    String::from_utf8_lossy(&line.bytes).into_owned()
}

fn ended(error: &Ended) -> DeskError {
    DeskError::Away(error.to_string())
}
