//! Stamps of time on sealed runs: asked for while a run is sent, and fetched later where nobody stamped then.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use evidenced_keys::timestamp::Authorities;
use evidenced_model::{AgentId, Archive, Digest};
use evidenced_report::Stamped;
use evidenced_seal::select::runs_backwards;
use evidenced_seal::timestamp::{Anchors, MAX_TOKEN, Stamp, check, token_path, tokens};
use evidenced_seal::{PublicKeys, RunRef, SealError, dsse};
use evidenced_spool::Stamper;
use evidenced_store::Store;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::config::Loaded;
use crate::exit::Ended;
use crate::sealing;

/// No more runs than these are looked at for a stamp that is missing.
pub(crate) const LOOK_BACK: usize = 1000;

/// The authorities of the config, at work.
pub(crate) struct Stamps {
    authorities: Authorities,
    handle: Handle,
    /// There while some run is known to have no stamp yet.
    marker: PathBuf,
    required: bool,
    /// Stamps of this process, by the SHA-256 of the envelope; `None` where nobody stamped.
    seen: Mutex<BTreeMap<Digest, Option<Stamp>>>,
}

/// What came of fetching stamps.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Runs that have one now.
    pub(crate) stamped: Vec<String>,
    /// Runs that still have none.
    pub(crate) pending: Vec<String>,
    /// Why.
    pub(crate) error: Option<String>,
}

impl Stamps {
    /// Those of the config, if there are any; `handle` is of a runtime with several threads.
    pub(crate) fn open(loaded: &Loaded, handle: &Handle) -> Result<Option<Self>, Ended> {
        let authorities = sealing::authorities(loaded)?;
        Ok(authorities.map(|authorities| Self {
            authorities,
            handle: handle.clone(),
            marker: loaded.config.agent.state_dir.join("stamps-pending"),
            required: loaded.config.seal.timestamp.required,
            seen: Mutex::default(),
        }))
    }

    /// What became of the stamp on this envelope, for a report.
    pub(crate) fn of(&self, envelope: &Digest) -> Stamped {
        match self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(envelope) {
            Some(Some(stamp)) => said(stamp, self.authorities.are_pinned()),
            _ => Stamped::Pending,
        }
    }

    /// After a run: fetches what earlier runs are still without, if any are known to be.
    pub(crate) async fn catch_up(&self, store: &Arc<dyn Store>, agent: &AgentId, keys: &PublicKeys) {
        let missed = self.seen.lock().unwrap_or_else(PoisonError::into_inner).values().any(Option::is_none);
        if missed {
            if let Err(error) = std::fs::write(&self.marker, b"") {
                tracing::warn!(%error, "it cannot be noted that a stamp is missing; `evidenced timestamp --pending` helps");
            }
        } else if self.marker.exists() {
            match self.fetch(store, agent, keys, LOOK_BACK).await {
                Ok(fetched) if fetched.pending.is_empty() => {
                    tracing::info!(runs = fetched.stamped.len(), "earlier runs have their stamps now");
                }
                Ok(fetched) => tracing::warn!(runs = fetched.pending.len(), "some runs are still without a stamp"),
                Err(error) => tracing::warn!(%error, "stamps of earlier runs cannot be fetched now"),
            }
        }
    }

    /// Stamps the runs that have no token, newest first, among so many. Ends when nobody stamps any more.
    pub(crate) async fn fetch(
        &self,
        store: &Arc<dyn Store>,
        agent: &AgentId,
        keys: &PublicKeys,
        look_back: usize,
    ) -> Result<Fetched, SealError> {
        let archive = store.archive();
        let mut fetched = Fetched::default();
        let waiting = block_in_place(|| without_token(&*archive, agent, keys, look_back))?;
        for (run, signature) in waiting {
            if fetched.error.is_none() {
                match self.authorities.stamp(&signature).await {
                    Ok(stamped) => {
                        store.put(&token_path(&run.path, &stamped.token), stamped.token).await?;
                        fetched.stamped.push(run.run.to_string());
                        continue;
                    }
                    Err(error) => fetched.error = Some(error.to_string()),
                }
            }
            fetched.pending.push(run.run.to_string());
        }
        if fetched.pending.is_empty() && self.marker.exists() {
            let _ = std::fs::remove_file(&self.marker);
        }
        Ok(fetched)
    }
}

impl Stamper for Stamps {
    fn stamp(&self, envelope: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let opened = dsse::parse(envelope).map_err(|error| error.to_string())?;
        let stamped = block_in_place(|| self.handle.block_on(self.authorities.stamp(&opened.signature)));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match stamped {
            Ok(stamped) => {
                seen.insert(Digest::of(envelope), Some(stamped.stamp));
                Ok(vec![stamped.token])
            }
            Err(error) if self.required => {
                Err(format!("{error}; seal.timestamp.required keeps the run here until then"))
            }
            Err(error) => {
                tracing::warn!(%error, "the run is stored without a stamp for now");
                seen.insert(Digest::of(envelope), None);
                Ok(Vec::new())
            }
        }
    }
}

/// Runs without a token, newest first, with the bytes of their signatures.
fn without_token(
    archive: &dyn Archive,
    agent: &AgentId,
    keys: &PublicKeys,
    look_back: usize,
) -> Result<Vec<(RunRef, Vec<u8>)>, SealError> {
    let mut found = Vec::new();
    for run in runs_backwards(archive, agent, Some(keys))?.take(look_back) {
        let run = run?;
        let Some(envelope) = archive.read(&run.path, dsse::LIMIT)? else { continue };
        let Ok(opened) = dsse::open(&envelope, keys) else { continue };
        // Anybody who can write there can put a file of that name.
        let good = |path: &String| matches!(archive.read(path, MAX_TOKEN), Ok(Some(token)) if check(&token, &opened.signature, None).is_ok());
        if !tokens(archive, &run.path)?.iter().any(good) {
            found.push((run, opened.signature));
        }
    }
    Ok(found)
}

/// What a stored run's tokens say, for a report; `None` if it was not to be stamped and is not.
pub(crate) fn stored(
    archive: &dyn Archive,
    run: &RunRef,
    wanted: bool,
    anchors: Option<&Anchors>,
) -> Result<Option<Stamped>, SealError> {
    let mut found = None;
    let paths = tokens(archive, &run.path)?;
    if !paths.is_empty()
        && let Some(envelope) = archive.read(&run.path, dsse::LIMIT)?
        && let Ok(opened) = dsse::parse(&envelope)
    {
        for path in paths {
            let Ok(Some(token)) = archive.read(&path, MAX_TOKEN) else { continue };
            if let Ok(stamp) = check(&token, &opened.signature, anchors) {
                found = Some(said(&stamp, anchors.is_some()));
                break;
            }
        }
    }
    Ok(found.or(wanted.then_some(Stamped::Pending)))
}

fn said(stamp: &Stamp, trusted: bool) -> Stamped {
    Stamped::At { authority: stamp.authority.clone(), time: stamp.time, trusted }
}
