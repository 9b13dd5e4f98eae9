//! The folder: what is under way, what is sealed, what is to be told, in one order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evidenced_model::{AgentId, RunId, Slot};
use evidenced_seal::log::{Draft, EntryKind, Tail};
use evidenced_seal::statement::{RunStatement, Statement};

use crate::bundle::{Bundle, BundleWriter, Renewals, Sealing};
use crate::cache::{Cache, run_of};
use crate::journal::Journal;
use crate::parcel::Parcel;
use crate::places::place;
use crate::room::Meter;
use crate::{Overlay, Remote, Room, SpoolError, disk};

/// With less than this free on its disk, no run begins.
const LEAST_FREE: u64 = 8 << 20;

/// The spool of one agent. One process at a time: whoever opens it holds the lock of the state folder. Clones are
/// the same spool.
#[derive(Clone)]
pub struct Spool(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) root: PathBuf,
    pub(crate) agent: AgentId,
    pub(crate) store: String,
    pub(crate) cache: Cache,
    pub(crate) meter: Arc<Meter>,
    /// One sends at a time.
    pub(crate) sending: Mutex<()>,
    /// The end of the log as it was last seen.
    pub(crate) tail: Mutex<Option<Tail>>,
    order: Mutex<Order>,
    /// Tells parcels apart that are being written.
    written: AtomicU64,
}

impl Shared {
    /// A number that nobody else was given since the spool was opened.
    pub(crate) fn number(&self) -> u64 {
        self.written.fetch_add(1, Ordering::Relaxed)
    }
}

/// What waits, in one order.
pub(crate) struct Order {
    pub(crate) journal: Journal,
    pub(crate) next: u64,
}

/// The run that a new one builds on.
#[derive(Debug, Clone)]
pub struct Base {
    /// The run, if it still waits in the spool.
    pub run: Option<RunId>,
    /// What was signed, or is to be.
    pub statement: RunStatement,
}

impl Spool {
    /// Opens the spool in this folder, and makes it if need be. What a crash left half-written is removed; a run that
    /// began and was not sealed will be logged as abandoned. `store` is the store's location, `limit` is in bytes.
    pub fn open(root: &Path, agent: AgentId, store: String, limit: u64) -> Result<Self, SpoolError> {
        let failed = SpoolError::io(root);
        std::fs::create_dir_all(root).map_err(&failed)?;
        for entry in std::fs::read_dir(root).map_err(&failed)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("gone-") {
                disk::remove(&entry.path()).map_err(&failed)?;
            }
        }
        disk::remove(&root.join("new")).map_err(&failed)?;
        for folder in ["bundles", "parcels", "cache/objects"] {
            std::fs::create_dir_all(root.join(folder)).map_err(&failed)?;
        }
        disk::sync_folder(root).map_err(&failed)?;
        let (bundles, damaged) = Bundle::all(&root.join("bundles"))?;
        for error in damaged {
            tracing::error!(%error, "a sealed run in the spool cannot be read; it is left where it is");
        }
        let (parcels, damaged) = Parcel::all(&root.join("parcels"))?;
        for error in damaged {
            tracing::error!(%error, "something sealed in the spool cannot be read; it is left where it is");
        }
        let journal = Journal::open(&root.join("journal"))?;
        let sealed = bundles.iter().map(|bundle| bundle.seq).chain(parcels.iter().map(|parcel| parcel.seq));
        let last = sealed.chain(journal.waiting().iter().map(|waiting| waiting.seq)).max();
        let used = AtomicU64::new(disk::size(&root.join("bundles")) + disk::size(&root.join("parcels")));
        let meter = Arc::new(Meter { folder: root.display().to_string(), limit, used });
        let spool = Self(Arc::new(Shared {
            root: root.to_owned(),
            agent,
            cache: Cache::new(&root.join("cache"), store.clone()),
            store,
            meter,
            sending: Mutex::default(),
            tail: Mutex::default(),
            order: Mutex::new(Order { journal, next: last.unwrap_or(0) + 1 }),
            written: AtomicU64::default(),
        }));
        spool.end_what_was_left(&bundles)?;
        Ok(spool)
    }

    /// Bytes in use, of runs that wait and of runs under way.
    pub fn used(&self) -> u64 {
        self.0.meter.used()
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.0.meter.limit
    }

    /// How many sealed runs and log entries wait, those with objects of their own included.
    pub fn waiting(&self) -> Result<(usize, usize), SpoolError> {
        Ok((self.bundles()?.len(), self.order().journal.len() + self.parcels()?.len()))
    }

    /// An error if there is no room for one more run: the spool is full, or its disk.
    pub fn check_room(&self) -> Result<(), SpoolError> {
        if self.used() >= self.limit() {
            return Err(self.0.meter.full());
        }
        self.check_room_for(0)
    }

    /// An error if so many bytes would not leave the room on the disk that a run needs, or go over the limit.
    pub fn check_room_for(&self, bytes: u64) -> Result<(), SpoolError> {
        if self.used().saturating_add(bytes) > self.limit() {
            return Err(self.0.meter.full());
        }
        let failed = SpoolError::io(&self.0.root);
        match disk::free(&self.0.root).map_err(&failed)? {
            free if free < LEAST_FREE.saturating_add(bytes) => Err(failed(std::io::ErrorKind::StorageFull.into())),
            _ => Ok(()),
        }
    }

    /// Writes down that a run begins; from here on it ends as sealed or as abandoned, whatever happens.
    pub fn begin(&self, run: RunId, slot: Option<Slot>) -> Result<(), SpoolError> {
        self.enqueue(Draft::started(run, slot))
    }

    /// Writes down that a run that began was given up.
    pub fn abandon(&self, run: RunId, reason: &str) -> Result<(), SpoolError> {
        self.enqueue(Draft::abandoned(run, reason))
    }

    /// Writes down something that is to be told, in space that is there also when the disk is full.
    pub fn enqueue(&self, draft: Draft) -> Result<(), SpoolError> {
        let mut order = self.order();
        let seq = order.next;
        order.journal.enqueue(seq, draft)?;
        order.next += 1;
        Ok(())
    }

    /// Room for what is under way.
    pub fn room(&self) -> Room {
        Room { meter: Arc::clone(&self.0.meter), taken: 0 }
    }

    /// An empty folder for what is under way; it is removed when the spool is opened again.
    pub fn work_folder(&self) -> Result<PathBuf, SpoolError> {
        let folder = self.0.root.join("new").join("work");
        let failed = SpoolError::io(&folder);
        disk::remove(&folder).and_then(|()| std::fs::create_dir_all(&folder)).map_err(&failed)?;
        Ok(folder)
    }

    /// Who this is to other agents of the same id; `new` is asked once, and the answer kept.
    pub fn holder(&self, new: impl FnOnce() -> String) -> Result<String, SpoolError> {
        let path = self.0.root.join("holder");
        match std::fs::read_to_string(&path) {
            Ok(holder) if !holder.is_empty() => Ok(holder),
            _ => {
                let holder = new();
                std::fs::write(&path, &holder).map_err(SpoolError::io(&path))?;
                Ok(holder)
            }
        }
    }

    /// The run that a new one builds on, if one is known here: the newest that waits and is not refused, or the
    /// newest that was sent from here.
    pub fn base(&self) -> Result<Option<Base>, SpoolError> {
        let usable = self.usable()?;
        if let Some(bundle) = usable.last() {
            let statement = Statement::parse(&bundle.statement()?);
            let damaged = |what| SpoolError::Damaged { path: bundle.folder.display().to_string(), what };
            let statement = statement.map_err(damaged)?;
            return Ok(Some(Base { run: Some(run_of(&statement)), statement }));
        }
        Ok(self.0.cache.newest().map(|statement| Base { run: None, statement }))
    }

    /// The spool over the store; without one, the spool alone.
    pub fn overlay(&self, store: Option<Remote>) -> Result<Overlay, SpoolError> {
        Ok(Overlay {
            bundles: self.usable()?.into_iter().rev().map(|bundle| bundle.folder).collect(),
            cache: self.0.cache.clone(),
            store,
            location: self.0.store.clone(),
            down: false.into(),
            touched: Mutex::default(),
        })
    }

    /// Begins the bundle of a run.
    pub fn writer(&self, run: RunId) -> Result<BundleWriter, SpoolError> {
        let folder = self.0.root.join("new").join(run.to_string());
        let failed = SpoolError::io(&folder);
        place("bundle.create").map_err(&failed)?;
        std::fs::create_dir_all(folder.join("objects")).map_err(&failed)?;
        Ok(BundleWriter { folder, room: self.room(), bytes: 0, renewals: Renewals::default() })
    }

    /// Makes it a sealed run, by one rename after everything is on the disk. From here on it is never dropped.
    pub fn seal(&self, writer: BundleWriter, sealing: &Sealing<'_>) -> Result<(), SpoolError> {
        let facts = writer.complete(sealing, self.0.store.clone())?;
        let failed = SpoolError::io(&writer.folder);
        let bundles = self.0.root.join("bundles");
        let mut order = self.order();
        let name = bundles.join(format!("{:012}-{}", order.next, facts.run));
        place("bundle.rename").map_err(&failed)?;
        std::fs::rename(&writer.folder, &name).map_err(&failed)?;
        order.next += 1;
        drop(order);
        // What follows can fail no more: the run has its name, and would come back after a crash.
        let flushed = place("bundle.renamed").and_then(|()| disk::sync_folder(&bundles));
        if let Err(error) = flushed {
            tracing::error!(%error, "the disk did not confirm a sealed run; it is sent nevertheless");
        }
        writer.room.keep(disk::size(&name));
        let _ = place("bundle.sealed");
        Ok(())
    }

    /// Bundles that a new run can be built on, in order: none that the store refuses, and none that rests on such.
    fn usable(&self) -> Result<Vec<Bundle>, SpoolError> {
        let mut refused = BTreeSet::new();
        let mut usable = self.bundles()?;
        usable.retain(|bundle| {
            let bad = bundle.refusal().is_some_and(|refusal| refusal.objects)
                || bundle.facts.base.is_some_and(|base| refused.contains(&base))
                || bundle.facts.store != self.0.store
                || bundle.facts.agent != self.0.agent;
            if bad {
                refused.insert(bundle.facts.run);
            }
            !bad
        });
        Ok(usable)
    }

    pub(crate) fn bundles(&self) -> Result<Vec<Bundle>, SpoolError> {
        Bundle::all(&self.0.root.join("bundles")).map(|(bundles, _)| bundles)
    }

    pub(crate) fn order(&self) -> MutexGuard<'_, Order> {
        self.0.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run that an earlier process began, and neither sealed nor gave up, is given up.
    fn end_what_was_left(&self, bundles: &[Bundle]) -> Result<(), SpoolError> {
        let sealed: BTreeSet<RunId> = bundles.iter().map(|bundle| bundle.facts.run).collect();
        let (waiting, begun) = {
            let order = self.order();
            (order.journal.waiting(), order.journal.begun())
        };
        let given_up = waiting.iter().filter(|waiting| waiting.draft.kind() == EntryKind::Abandoned);
        let given_up: BTreeSet<RunId> = given_up.filter_map(|waiting| waiting.draft.run_id()).collect();
        for (_, run) in begun.into_iter().filter(|(_, run)| !sealed.contains(run) && !given_up.contains(run)) {
            tracing::warn!(%run, "an earlier run did not come to its end; it is logged as abandoned");
            self.abandon(run, "did not come to its end")?;
        }
        Ok(())
    }
}
