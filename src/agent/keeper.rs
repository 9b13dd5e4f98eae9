//! What keeps a run: the spool, the store behind it, the lease, and who signs. Here async code meets what waits.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evidenced_model::manifest::LockMode;
use evidenced_model::{AgentId, Clock, RunId, SinkError, Slot, Window};
use evidenced_seal::log::Draft;
use evidenced_seal::statement::RunStatement;
use evidenced_seal::{Previous, PublicKeys, RunReader, SealError, Signer, select_run};
use evidenced_spool::{Base, BundleWriter, Lease, Overlay, Pushed, Pusher, Remote, Spool, SpoolError, Stamper, Taken};
use evidenced_store::Store;
use serde::{Deserialize, Serialize};
use tokio::task::block_in_place;

use crate::clock::new_run;
use crate::config::Loaded;
use crate::exit::{Ended, Exit};
use crate::stamps::Stamps;
use crate::state::State;

/// So long the store may take to say how it locks.
const PATIENCE: Duration = Duration::from_secs(30);

/// The spool of the configured agent, and the store behind it.
pub(crate) struct Keeper<'a> {
    pub(crate) agent: AgentId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signer: &'a dyn Signer,
    pub(crate) spool: Spool,
    /// The keys that sign or signed this agent's log.
    keys: PublicKeys,
    /// Who stamps the time on sealed runs, if somebody does.
    stamper: Option<&'a dyn Stamper>,
    remote: Remote,
    root: PathBuf,
    store: Arc<dyn Store>,
}

/// How the store locked when it was asked last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Locked {
    pub(crate) days: Option<u32>,
    pub(crate) mode: LockMode,
    pub(crate) store: String,
}

/// The run that a new one builds on.
pub(crate) struct Before<'o> {
    /// What need not be written again.
    pub(crate) objects: Previous<'o>,
    /// What it signed; `None` if there is no such run.
    pub(crate) statement: Option<RunStatement>,
    /// The run, if it still waits in the spool.
    pub(crate) waits: Option<RunId>,
}

/// Leave to begin a run, with the lease that is held meanwhile.
pub(crate) struct Admitted {
    lease: Arc<Mutex<Option<Lease>>>,
    renewal: Option<tokio::task::JoinHandle<()>>,
}

impl<'a> Keeper<'a> {
    /// Opens the spool of this state folder. Needs a runtime around it, whose calls to the store run there.
    pub(crate) fn open(
        loaded: &Loaded,
        state: &State,
        store: Arc<dyn Store>,
        signer: &'a dyn Signer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Ended> {
        let root = spool_folder(loaded);
        let agent = loaded.config.agent.id.clone();
        let location = store.archive().location();
        let limit = loaded.config.limits.spool_bytes.0;
        let spool = Spool::open(&root, agent.clone(), location, limit)
            .map_err(|error| loaded.wrong(&["agent", "state_dir"], &error.to_string()))?;
        let remote = Remote::new(Arc::clone(&store), tokio::runtime::Handle::current());
        let keys = crate::sealing::known_keys(loaded, signer)?;
        Ok(Self { agent, clock, signer, spool, keys, stamper: None, remote, root: state.root().to_owned(), store })
    }

    /// The same, with who stamps the time.
    pub(crate) fn stamped_by(self, stamps: Option<&'a Stamps>) -> Self {
        Self { stamper: stamps.map(|stamps| stamps as &dyn Stamper), ..self }
    }

    /// Where the store is.
    pub(crate) fn location(&self) -> String {
        self.remote.location()
    }

    /// The keys that sign or signed this agent's log.
    pub(crate) fn keys(&self) -> PublicKeys {
        self.keys.clone()
    }

    /// Sends what waits, and says what came of it.
    pub(crate) fn push(&self) -> Pushed {
        let keys = self.keys();
        let by = Pusher { clock: &*self.clock, keys: &keys, signer: self.signer, stamper: self.stamper };
        let pushed = block_in_place(|| tracing::info_span!("push").in_scope(|| self.spool.push(&self.remote, &by)));
        if let Some(error) = &pushed.stopped {
            tracing::warn!(%error, runs = pushed.runs_left, entries = pushed.entries_left,
                "not everything could be sent; it is kept in the spool");
        }
        pushed
    }

    /// Sends what waits, then asks for leave to begin this run and writes down that it begins. A run that must not
    /// begin is written down too.
    pub(crate) fn admit(&self, run: RunId, slot: Option<Slot>) -> Result<Admitted, Ended> {
        let reachable = self.push().stopped.is_none();
        if reachable {
            self.end_orphans();
        }
        self.spool.check_room().map_err(|error| self.skip(run, slot.clone(), &error))?;
        let holder = self.holder().map_err(|error| self.skip(run, slot.clone(), &error))?;
        let lease = if reachable { self.lease(&holder, run, slot.clone())? } else { None };
        let lease = Arc::new(Mutex::new(lease));
        if let Err(error) = self.spool.begin(run, slot.clone()) {
            self.give_back(&lease);
            return Err(self.skip(run, slot, &error));
        }
        if reachable {
            self.push();
        }
        let renewal = self.keep_up(&lease);
        Ok(Admitted { lease, renewal })
    }

    /// A run that began is given up.
    pub(crate) fn abandon(&self, run: RunId, reason: &str) {
        if let Err(error) = self.spool.abandon(run, reason) {
            tracing::error!(%run, %error, "it cannot be written down that the run was abandoned; the next run will");
        }
        self.push();
    }

    /// The run is over, in whatever way.
    pub(crate) fn leave(&self, admitted: Admitted) {
        if let Some(renewal) = admitted.renewal {
            renewal.abort();
        }
        self.give_back(&admitted.lease);
    }

    /// The spool over the store.
    pub(crate) fn overlay(&self) -> Result<Overlay, SpoolError> {
        self.spool.overlay(Some(self.remote.clone()))
    }

    /// The run that a new one builds on: the newest that is known here, else the newest in the store that our own
    /// key signed. Whatever cannot be read is simply written anew.
    pub(crate) fn previous<'o>(&self, overlay: &'o Overlay) -> Result<Before<'o>, SpoolError> {
        let before = |statement: &RunStatement, waits| Before {
            objects: Previous::of(overlay, statement),
            statement: Some(statement.clone()),
            waits,
        };
        if let Some(Base { run, statement }) = self.spool.base()? {
            return Ok(before(&statement, run));
        }
        let keys = self.keys();
        let newest = select_run(overlay, &self.agent, "latest", Some(&keys));
        let reader = newest.and_then(|run| RunReader::open(overlay, &run, Some(&keys)));
        let none = || Before { objects: Previous::none(), statement: None, waits: None };
        Ok(reader.map_or_else(|_| none(), |reader| before(reader.statement(), None)))
    }

    /// What takes the objects of a run that is built on another.
    pub(crate) fn bundle(&self, run: RunId, before: &Before<'_>, window: Window) -> Result<BundleWriter, SpoolError> {
        let writer = self.spool.writer(run)?;
        let ended = before.statement.as_ref().map(|statement| statement.predicate.window.end);
        Ok(match ended {
            Some(ended) => writer.following(ended, window.end),
            None => writer,
        })
    }

    /// How the store locks; while it is away, how it locked when it was asked last.
    pub(crate) async fn lock(&self) -> Result<Locked, SealError> {
        let path = self.root.join("spool").join("lock.json");
        match tokio::time::timeout(PATIENCE, self.store.lock()).await {
            Ok(Ok(lock)) => {
                let locked = Locked { days: lock.days, mode: lock.mode, store: lock.store.to_owned() };
                let noted = serde_json::to_vec(&locked).map(|bytes| std::fs::write(&path, bytes));
                drop(noted);
                Ok(locked)
            }
            Ok(Err(error)) if !matches!(error, SinkError::Away { .. }) => Err(error.into()),
            _ => {
                let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                Ok(known.unwrap_or(Locked { days: None, mode: LockMode::None, store: "unknown".to_owned() }))
            }
        }
    }

    /// Runs of this agent that began long ago elsewhere, and of which nobody knows any more, are given up: asked once,
    /// by a state folder that has not seen the log yet.
    fn end_orphans(&self) {
        let keys = self.keys();
        let ended = block_in_place(|| self.spool.end_orphans(&self.remote, &keys, self.clock.now()));
        if let Err(error) = ended {
            tracing::warn!(%error, "the log cannot be searched for runs without an end");
        }
    }

    fn lease(&self, holder: &str, run: RunId, slot: Option<Slot>) -> Result<Option<Lease>, Ended> {
        match block_in_place(|| Lease::take(&self.remote, &self.agent, holder, run, &*self.clock)) {
            Taken::Held(lease) => Ok(Some(lease)),
            Taken::Unknown(reason) => {
                tracing::info!(reason, "the store gives no lease; another agent of the same id may do the same work");
                Ok(None)
            }
            Taken::Busy { run: other, until } => {
                let reason = format!(
                    "another agent of the id {} is at work on the run {other}, and holds the lease until {until} at least",
                    self.agent
                );
                self.tell_skipped(run, slot, &reason);
                Err(Ended::new(Exit::Done, format!("{reason}; this run is left out, and the log says so")))
            }
        }
    }

    /// A run that does not begin for want of room.
    fn skip(&self, run: RunId, slot: Option<Slot>, error: &SpoolError) -> Ended {
        self.tell_skipped(run, slot, &error.to_string());
        Ended::new(Exit::Spooled, format!("{error}; this run is left out, and the log will say so"))
    }

    /// Writes down that a run is not begun, and why.
    pub(crate) fn tell_skipped(&self, run: RunId, slot: Option<Slot>, reason: &str) {
        let reason = format!("{}: {reason}", self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"));
        if let Err(error) = self.spool.enqueue(Draft::skipped(run, slot, reason)) {
            tracing::error!(%run, %error, "it cannot be written down that a run was skipped");
        }
        self.push();
    }

    /// Who we are to other agents of the same id: the same for this state folder, over restarts.
    fn holder(&self) -> Result<String, SpoolError> {
        self.spool.holder(|| new_run(&*self.clock).to_string())
    }

    /// Holds on to the lease until the run is over.
    fn keep_up(&self, lease: &Arc<Mutex<Option<Lease>>>) -> Option<tokio::task::JoinHandle<()>> {
        let (lease, clock, remote) = (Arc::clone(lease), Arc::clone(&self.clock), self.remote.clone());
        let lasts =
            move |lease: &Mutex<Option<Lease>>, clock: &dyn Clock| locked(lease).as_ref().map(|l| l.lasts(clock));
        lasts(&lease, &*clock)?;
        Some(tokio::spawn(async move {
            while let Some(time) = lasts(&lease, &*clock) {
                tokio::time::sleep(time).await;
                block_in_place(|| {
                    if let Some(lease) = &mut *locked(&lease) {
                        lease.go_on(&remote);
                    }
                });
            }
        }))
    }

    fn give_back(&self, lease: &Mutex<Option<Lease>>) {
        block_in_place(|| {
            if let Some(lease) = locked(lease).take() {
                lease.end(&self.remote);
            }
        });
    }
}

/// Where the spool of the configured agent is.
pub(crate) fn spool_folder(loaded: &Loaded) -> PathBuf {
    Path::new(&loaded.config.agent.state_dir).join("spool")
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
