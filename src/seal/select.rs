//! Choosing a run: by id, `latest`, `latest~1`, or a date.

use evidenced_model::{AgentId, Archive, Digest, LogHead, RunId, Slot};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::history::{entry_at, last_index};
use crate::withheld::Declaration;
use crate::{PublicKeys, SealError};

/// A run as its log entry names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef {
    /// When the entry was appended.
    pub appended_at: Timestamp,
    /// SHA-256 of the statement's envelope.
    pub digest: Digest,
    /// The log entry.
    pub entry: LogHead,
    /// Where the envelope is.
    pub path: String,
    /// The run.
    pub run: RunId,
    /// The slot of the schedule.
    pub slot: Option<Slot>,
}

/// The agents that have a log in this store, sorted.
pub fn agents(archive: &dyn Archive) -> Result<Vec<AgentId>, SealError> {
    let names = archive.list("v1/log/")?;
    Ok(names.iter().filter_map(|name| name.strip_suffix('/')?.parse().ok()).collect())
}

/// Finds a run by id, `latest`, `latest~N`, or a date (`2026-01-31`: the newest run that began on that day or
/// before it, in UTC). Without keys, nothing is believed beyond the shape of the log; `verify` looks closer.
pub fn select_run(
    archive: &dyn Archive,
    agent: &AgentId,
    wanted: &str,
    keys: Option<&PublicKeys>,
) -> Result<RunRef, SealError> {
    select_among(archive, agent, wanted, keys, &|_| true)
}

/// The same among the runs that a pack is about, if the archive is one.
pub fn select_shown(
    archive: &dyn Archive,
    agent: &AgentId,
    wanted: &str,
    keys: Option<&PublicKeys>,
) -> Result<RunRef, SealError> {
    let pack = Declaration::read(archive)?;
    let shown = |began| pack.as_ref().is_none_or(|pack| pack.covers(began));
    select_among(archive, agent, wanted, keys, &shown)
}

fn select_among(
    archive: &dyn Archive,
    agent: &AgentId,
    wanted: &str,
    keys: Option<&PublicKeys>,
    shown: &dyn Fn(u64) -> bool,
) -> Result<RunRef, SealError> {
    let missing = |hint: &str| SealError::NoSuchRun {
        location: archive.location(),
        wanted: wanted.to_owned(),
        agent: agent.to_string(),
        hint: hint.to_owned(),
    };
    let wants = Wanted::parse(wanted)
        .ok_or_else(|| missing("a run is an id (26 characters), `latest`, `latest~1`, or a date such as 2026-01-31"))?;
    let mut left = if let Wanted::Back(back) = wants { back } else { 0 };
    for run in runs_backwards(archive, agent, keys)? {
        let run = run?;
        let began = run.run.unix_millis();
        let hit = shown(began)
            && match wants {
                Wanted::Id(id) => run.run == id,
                Wanted::Until(end) => began < end,
                Wanted::Back(_) => true,
            };
        if hit && left == 0 {
            return Ok(run);
        }
        left -= u64::from(hit);
    }
    Err(missing("its log names no such run"))
}

/// The runs of an agent's log, newest first.
pub fn runs_backwards<'a>(
    archive: &'a dyn Archive,
    agent: &'a AgentId,
    keys: Option<&'a PublicKeys>,
) -> Result<impl Iterator<Item = Result<RunRef, SealError>> + use<'a>, SealError> {
    let last = last_index(archive, agent)?;
    Ok(runs_before(archive, agent, keys, last.map_or(0, |last| last + 1)))
}

/// The runs that an agent's log names before this index, newest first.
pub fn runs_before<'a>(
    archive: &'a dyn Archive,
    agent: &'a AgentId,
    keys: Option<&'a PublicKeys>,
    index: u64,
) -> impl Iterator<Item = Result<RunRef, SealError>> + use<'a> {
    (0..index).rev().filter_map(move |index| run_at(archive, agent, keys, index).transpose())
}

/// The run that the entry at this index names, if it names one.
fn run_at(
    archive: &dyn Archive,
    agent: &AgentId,
    keys: Option<&PublicKeys>,
    index: u64,
) -> Result<Option<RunRef>, SealError> {
    Ok(entry_at(archive, agent, keys, index)?.and_then(|logged| logged.run()))
}

/// What was asked for.
#[derive(Clone, Copy)]
enum Wanted {
    Id(RunId),
    /// Runs that began before this moment, in Unix milliseconds.
    Until(u64),
    /// So many runs before the latest.
    Back(u64),
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("latest") {
            let back = if rest.is_empty() { 0 } else { rest.strip_prefix('~')?.parse().ok()? };
            return Some(Self::Back(back));
        }
        if let Ok(run) = text.parse() {
            return Some(Self::Id(run));
        }
        day_end(text).map(Self::Until)
    }
}

/// The end of a day in UTC, in Unix milliseconds.
pub(crate) fn day_end(text: &str) -> Option<u64> {
    let date: Date = text.parse().ok()?;
    let next = date.tomorrow().ok()?;
    let midnight: Timestamp = format!("{next}T00:00:00Z").parse().ok()?;
    u64::try_from(midnight.as_millisecond()).ok()
}
