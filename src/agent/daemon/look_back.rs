//! What an earlier process stored, read from the store when the daemon begins: so that a restart makes nothing stale.

use std::collections::BTreeSet;
use std::sync::Arc;

use evidenced_model::{Archive, RunStatus};
use evidenced_seal::select::runs_backwards;
use evidenced_seal::{PublicKeys, RunReader, RunRef, SealError};
use evidenced_serve::RunSummary;

use super::board::{Board, Newest, Ran, slot_of};
use super::desk::Source;
use super::shift::read;

/// So many runs are looked at.
const RUNS: usize = 30;

/// Reads in the background what is stored, newest first, until the newest run of each schedule is found.
pub(crate) fn begin(board: &Board, source: Source) {
    let board = board.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = look(&board, &source) {
            tracing::warn!(%error, "what is stored already cannot be read; it counts again once it is stored anew");
        }
    });
}

fn look(board: &Board, source: &Source) -> Result<(), SealError> {
    let mut wanted: BTreeSet<&String> = source.schedules.iter().collect();
    for (number, run) in runs_backwards(&*source.archive, &source.agent, Some(&source.keys))?.take(RUNS).enumerate() {
        let run = run?;
        let found = describe(&*source.archive, &run, &source.keys, number == 0);
        let (ran, newest) = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(run = %run.run, %error, "a stored run cannot be read; verify the store");
                continue;
            }
        };
        if let Some(schedule) = &ran.summary.schedule
            && ran.saw
        {
            wanted.remove(schedule);
        }
        board.found(ran, newest);
        if wanted.is_empty() {
            break;
        }
    }
    Ok(())
}

/// A stored run, with its controls if they are wanted.
fn describe(
    archive: &dyn Archive,
    run: &RunRef,
    keys: &PublicKeys,
    controls: bool,
) -> Result<(Ran, Option<Newest>), SealError> {
    let reader = RunReader::open(archive, run, Some(keys))?;
    let manifest = reader.manifest()?;
    let summary = summary(run, &reader);
    // A run that read nothing at all says so by having nothing.
    let saw = summary.totals.resources > 0 || summary.status == RunStatus::Complete;
    let newest = if controls {
        let collected = summary.end;
        Some(Newest { run: run.run, collected, controls: Arc::new(reader.controls()?.controls) })
    } else {
        None
    };
    Ok((Ran { summary, read: read(&manifest), saw }, newest))
}

/// A stored run in a few words.
pub(crate) fn summary(run: &RunRef, reader: &RunReader<'_>) -> RunSummary {
    let predicate = &reader.statement().predicate;
    let (schedule, due) = slot_of(predicate.slot.clone());
    RunSummary {
        run: run.run,
        agent: predicate.agent.to_string(),
        schedule,
        due,
        start: predicate.window.start,
        end: predicate.window.end,
        status: predicate.status,
        totals: predicate.totals,
        head: Some(run.entry),
    }
}
