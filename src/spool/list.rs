//! What waits in a spool, for people and programs. Reading it changes nothing and needs no lock.

use std::path::Path;

use evidenced_model::{RunId, Slot};
use evidenced_seal::log::EntryKind;
use jiff::Timestamp;
use serde::Serialize;

use crate::SpoolError;
use crate::bundle::Bundle;
use crate::parcel::Parcel;

/// A sealed run that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The run.
    pub run: RunId,
    /// The slot of the schedule, if it was for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// The bytes of its objects.
    pub bytes: u64,
    /// What it waits for.
    pub state: State,
    /// What the store said last.
    pub error: Option<String>,
}

/// What a sealed run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The key service, to sign it.
    Unsigned,
    /// The store.
    Sealed,
    /// Its objects are in the store; its log entry is not.
    Stored,
    /// Somebody: the store refuses it, or one that it rests on.
    Refused,
}

/// The sealed runs that wait in the spool in this folder, oldest first; none if there is no spool.
pub fn list(root: &Path) -> Result<Vec<Listed>, SpoolError> {
    let folder = root.join("bundles");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let (bundles, damaged) = Bundle::all(&folder)?;
    for error in damaged {
        tracing::error!(%error, "a sealed run in the spool cannot be read; it is left where it is");
    }
    Ok(bundles.iter().map(listed).collect())
}

/// Something sealed beside runs that waits, with its log entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedParcel {
    /// What its log entry says.
    pub kind: EntryKind,
    /// The object that the entry is about.
    pub object: String,
    /// The bytes of its objects.
    pub bytes: u64,
    /// [`State::Sealed`], or [`State::Refused`].
    pub state: State,
    /// What the store said last.
    pub error: Option<String>,
}

/// What else waits in the spool in this folder, sealed beside runs, oldest first.
pub fn list_parcels(root: &Path) -> Result<Vec<ListedParcel>, SpoolError> {
    let folder = root.join("parcels");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let (parcels, damaged) = Parcel::all(&folder)?;
    for error in damaged {
        tracing::error!(%error, "something sealed in the spool cannot be read; it is left where it is");
    }
    let listed = |parcel: &Parcel| {
        let refusal = parcel.refusal();
        let refused = refusal.as_ref().is_some_and(|refusal| refusal.refused);
        ListedParcel {
            kind: parcel.facts.draft.kind(),
            object: parcel.subject().name,
            bytes: parcel.facts.bytes,
            state: if refused { State::Refused } else { State::Sealed },
            error: refusal.map(|refusal| refusal.what),
        }
    };
    Ok(parcels.iter().map(listed).collect())
}

fn listed(bundle: &Bundle) -> Listed {
    let refusal = bundle.refusal();
    let state = match &refusal {
        Some(refusal) if refusal.refused => State::Refused,
        _ if bundle.is_stored() => State::Stored,
        _ if bundle.folder.join("run.dsse.json").exists() => State::Sealed,
        _ => State::Unsigned,
    };
    Listed {
        run: bundle.facts.run,
        slot: bundle.facts.slot.clone(),
        sealed_at: bundle.facts.sealed_at,
        bytes: bundle.facts.bytes,
        state,
        error: refusal.map(|refusal| refusal.what),
    }
}
