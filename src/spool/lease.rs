//! A lease: two agents of one id do not do the same work at the same time, if they can help it.
//!
//! Time is cut into windows. Whoever creates `lease/<agent>/<window>/0000.json` first holds the window, until it is over
//! or until he creates `0000.end`; then `0001.json` can be created, and so on. Nothing is overwritten or deleted, nothing
//! is signed, and verification looks at none of it: whoever breaks a lease makes two agents do the same work, which the
//! log can stand.

use evidenced_model::{AgentId, Archive, Clock, RunId, Sink, SinkError};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Remote;
use crate::places::place;

/// The seconds of a window: how long a dead agent can keep others waiting.
const WINDOW: i64 = 600;
/// So many seconds before its end the next window is taken.
const EARLY: i64 = 90;
/// No lease file is larger.
const LIMIT: u64 = 4096;

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    folder: String,
    body: Holder,
    /// The window that is the newest to have been asked for.
    window: i64,
    /// What is held: the newest place, and the one before it, whose window may not be over yet.
    held: Vec<Place>,
}

/// A place in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    window: i64,
    number: u32,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is ours.
    Held(Lease),
    /// Somebody else is at work.
    Busy {
        /// His run.
        run: RunId,
        /// Until when at the latest, unless he goes on.
        until: Timestamp,
    },
    /// The store did not say; the work is done anyhow.
    Unknown(String),
}

/// What a lease file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    holder: String,
    run: RunId,
}

impl Lease {
    /// Asks for the lease of this moment. `holder` is the same for one state folder, over restarts.
    pub fn take(remote: &Remote, agent: &AgentId, holder: &str, run: RunId, clock: &dyn Clock) -> Taken {
        let now = clock.now();
        let window = now.as_second().div_euclid(WINDOW);
        let mut lease = Self {
            folder: format!("lease/{agent}"),
            body: Holder { holder: holder.to_owned(), run },
            window,
            held: Vec::new(),
        };
        match lease.enter(remote) {
            Ok(Ok(())) => {
                let left = (window + 1) * WINDOW - now.as_second();
                if left <= EARLY {
                    lease.go_on(remote);
                }
                Taken::Held(lease)
            }
            Ok(Err(run)) => {
                let end = Timestamp::from_second((window + 1) * WINDOW).unwrap_or(now);
                Taken::Busy { run, until: end }
            }
            Err(reason) => Taken::Unknown(reason),
        }
    }

    /// How long until [`Lease::go_on`] should be called.
    pub fn lasts(&self, clock: &dyn Clock) -> std::time::Duration {
        let until = (self.window + 1) * WINDOW - EARLY - clock.now().as_second();
        // A clock that jumped back must not make anybody wait for ever.
        SignedDuration::from_secs(until.clamp(1, WINDOW)).unsigned_abs()
    }

    /// Takes the next window too. If that fails, somebody may begin the same work; nothing worse.
    pub fn go_on(&mut self, remote: &Remote) {
        self.window += 1;
        match self.enter(remote) {
            Ok(Ok(())) => {}
            Ok(Err(run)) => {
                tracing::warn!(%run, "another agent of the same id took over the lease; both go on");
            }
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "the lease cannot be kept; another agent of the same id may begin the same work"
                );
            }
        }
    }

    /// Gives it back.
    pub fn end(self, remote: &Remote) {
        let ended = place("lease.end").map_err(|error| error.to_string()).and_then(|()| {
            self.held.iter().try_for_each(|held| {
                let end = format!("{}/{:04}.end", self.window_folder(held.window), held.number);
                remote.clone().put(&end, &self.bytes()).map(drop).map_err(|error| error.to_string())
            })
        });
        if let Err(reason) = ended {
            tracing::debug!(reason, "the lease cannot be given back; it ends by itself");
        }
        let _ = place("lease.ended");
    }

    /// Takes the first free place of the window, or says the run of whoever holds it.
    fn enter(&mut self, remote: &Remote) -> Result<Result<(), RunId>, String> {
        place("lease.take").map_err(|error| error.to_string())?;
        let mut free = Place { window: self.window, number: 0 };
        for _ in 0..MAX_TRIES {
            match remote.clone().put(&self.file(free), &self.bytes()) {
                Ok(_) => {
                    place("lease.taken").map_err(|error| error.to_string())?;
                    // Of three, the oldest is long over.
                    self.held.drain(..self.held.len().saturating_sub(1));
                    self.held.push(free);
                    return Ok(Ok(()));
                }
                Err(SinkError::Exists { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
            let names = remote.list(&self.window_folder(self.window)).map_err(|error| error.to_string())?;
            let number = |name: &String| name.strip_suffix(".json")?.parse::<u32>().ok();
            let Some(last) = names.iter().filter_map(number).max() else { return Err("it is hidden".to_owned()) };
            free.number = last;
            let ended = names.contains(&format!("{last:04}.end"));
            let holder = if ended { None } else { self.holder(remote, free)? };
            match holder {
                // Ours, from before a restart: the state folder is locked, so that nobody else goes by this name.
                Some(holder) if holder.holder != self.body.holder => return Ok(Err(holder.run)),
                _ => free.number = last + 1,
            }
        }
        Err(format!("{MAX_TRIES} others were faster"))
    }

    /// Who holds the place. What is no lease holds nothing.
    fn holder(&self, remote: &Remote, held: Place) -> Result<Option<Holder>, String> {
        let bytes = remote.read(&self.file(held), LIMIT).map_err(|error| error.to_string())?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn window_folder(&self, window: i64) -> String {
        format!("{}/{window:012}", self.folder)
    }

    fn file(&self, held: Place) -> String {
        format!("{}/{:04}.json", self.window_folder(held.window), held.number)
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body).unwrap_or_default()
    }
}

const MAX_TRIES: usize = 20;
