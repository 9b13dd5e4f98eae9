//! The collecting stage: every job, one reader that redacts, counts and spools what they say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use evidenced_check::JoinIndex;
use evidenced_kit::redact::Redactor;
use evidenced_kit::{Event, drive};
use evidenced_model::{AccountCoverage, Cause, Coverage};
use evidenced_seal::SealError;
use evidenced_seal::partition::{GroupKey, Partitioner, Partitions};
use evidenced_spool::Room;
use futures::StreamExt as _;
use tokio::sync::mpsc;

use crate::plan::{Place, Plan, PlannedAccount};
use crate::progress::Progress;
use crate::stop::{Stop, Wish};

/// Collectors under way at once: each holds little, but each also holds connections.
const JOBS_AT_ONCE: usize = 64;
/// Events between the collectors and the reader.
const CHANNEL: usize = 256;
/// What a line takes up beside its id and its bytes.
const LINE_HEADER: usize = 40;

/// What was collected.
pub(crate) struct Collected {
    /// The resource lines, by group.
    pub(crate) partitions: Partitions,
    /// The right-hand sides of joins.
    pub(crate) joins: JoinIndex,
    /// The coverage of every account.
    pub(crate) coverage: Coverage,
    /// Texts that were redacted.
    pub(crate) redacted: u64,
    /// What the lines take up in the spool.
    pub(crate) room: Room,
}

/// What the stage needs.
pub(crate) struct Tools {
    /// The right-hand sides of joins, still empty.
    pub(crate) joins: JoinIndex,
    /// What keeps secrets off the disk.
    pub(crate) redactor: Redactor,
    /// What a person sees.
    pub(crate) progress: Arc<Progress>,
    /// Room in the spool for what is read.
    pub(crate) room: Room,
    /// Set when the run is to end early.
    pub(crate) stop: Arc<Stop>,
    /// When the run is to end early by itself; what is not read then is a gap.
    pub(crate) deadline: Option<tokio::time::Instant>,
}

/// Runs every job of the plan and reads what they say into the spool in `folder`.
pub(crate) async fn collect(plan: Plan, folder: &Path, memory: usize, tools: Tools) -> Result<Collected, SealError> {
    let Plan { accounts, jobs, places } = plan;
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let progress = Arc::clone(&tools.progress);
    progress.jobs(jobs.len() as u64);
    let partitioner = Partitioner::new(folder, memory)?;
    let (stop, deadline) = (Arc::clone(&tools.stop), tools.deadline);
    let mut left: BTreeMap<usize, Place> = places.iter().cloned().enumerate().collect();
    let reader = tokio::task::spawn_blocking(move || read(receiver, accounts, &places, partitioner, tools));
    let mut work = futures::stream::iter(jobs.into_iter().map(move |job| {
        let sender = sender.clone();
        let numbers: Vec<usize> = std::iter::once(job.number).chain(job.others.iter().map(|(one, _)| *one)).collect();
        async move { (numbers, drive(job, sender).await) }
    }))
    .buffer_unordered(JOBS_AT_ONCE);
    let mut given_up = Vec::new();
    let cause = loop {
        let (numbers, ended) = tokio::select! {
            ended = work.next() => match ended {
                Some(ended) => ended,
                None => break Cause::Failed,
            },
            () = stop.wait(Wish::Seal) => break Cause::Skipped,
            () = until(deadline) => break Cause::TimedOut,
        };
        progress.job_done();
        for number in numbers {
            if let (Some(place), Err(cause)) = (left.remove(&number), ended) {
                given_up.push((place, cause));
            }
        }
    };
    drop(work);
    if !left.is_empty() && !stop.is_set() {
        tracing::warn!(jobs = left.len(), %cause, "the run ends early: what was not read is a gap");
    }
    given_up.extend(left.into_values().map(|place| (place, cause)));
    let read = match reader.await {
        Ok(read) => read?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let mut accounts = read.accounts;
    for (Place { account, manifest, region }, cause) in given_up {
        accounts[account].coverage.give_up(manifest, &region, cause);
    }
    let covered = accounts.into_iter().map(|account| account.coverage.finish());
    let accounts: BTreeMap<_, AccountCoverage> =
        covered.map(|account| ((account.provider.clone(), account.account.clone()), account)).collect();
    Ok(Collected {
        partitions: read.partitioner.finish()?,
        joins: read.joins,
        coverage: Coverage { accounts },
        redacted: read.redacted,
        room: read.room,
    })
}

/// Waits for a moment, or for ever.
async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

struct Read {
    accounts: Vec<PlannedAccount>,
    partitioner: Partitioner,
    joins: JoinIndex,
    redacted: u64,
    room: Room,
}

/// Takes in what the collectors say until the last of them is done.
fn read(
    mut receiver: mpsc::Receiver<(usize, Event)>,
    mut accounts: Vec<PlannedAccount>,
    places: &[Place],
    mut partitioner: Partitioner,
    tools: Tools,
) -> Result<Read, SealError> {
    let Tools { mut joins, redactor, progress, mut room, stop, deadline: _ } = tools;
    let mut redacted = 0;
    let mut line = Vec::with_capacity(4096);
    while let Some((job, mut event)) = receiver.blocking_recv() {
        if stop.is_set() {
            break;
        }
        let Some(Place { account, region, .. }) = places.get(job) else { continue };
        let account = &mut accounts[*account];
        if let Event::Resource(resource) = &mut event {
            if account.excluded(&resource.kind, &resource.scope.region).is_some() {
                continue;
            }
            redacted += redactor.redact(resource);
            joins.observe(resource);
            line.clear();
            resource.write_line(&mut line);
            let group = GroupKey {
                account: account.key.clone(),
                region: resource.scope.region.to_string(),
                kind: resource.kind.to_string(),
            };
            room.take((LINE_HEADER + resource.id.len() + line.len()) as u64)?;
            partitioner.push(&group, &resource.id, &line)?;
            progress.resource();
        }
        account.coverage.observe(region, &event);
    }
    Ok(Read { accounts, partitioner, joins, redacted, room })
}
