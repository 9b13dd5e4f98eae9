//! Writing down for the log what was declared since the last run, so that nothing holds before it is logged.

use evidenced_isms::{Isms, withdrawn};
use evidenced_model::{Digest, Memory, canon};
use evidenced_seal::log::{Draft, EntryKind};
use evidenced_seal::object::{Format, ObjectWriter, object_path};
use evidenced_seal::statement::Subject;
use evidenced_seal::{Document, RunReader, SealError, select_run};
use serde::Serialize;
use serde_json::Value;

use crate::keeper::Keeper;
use crate::state::State;

/// Where the declaration that was logged last is kept.
const KEPT: &str = "isms.json";

/// Compares what is declared with what was logged last, and writes the changes down for the log. Gives the declaration
/// with the moment since when each of its waivers is logged.
pub(crate) fn declare(keeper: &Keeper<'_>, state: &State, declared: Option<&Isms>) -> Result<Option<Isms>, Undeclared> {
    let Some(declared) = declared else {
        // Where nothing is declared, nothing is looked for.
        if let Some(logged) = kept(state) {
            for reason in withdrawn(&logged) {
                keeper.spool.enqueue(Draft::new(EntryKind::Waiver, Some(reason)))?;
            }
            let path = state.root().join(KEPT);
            std::fs::remove_file(&path).map_err(Undeclared::Kept)?;
        }
        return Ok(None);
    };
    let known = kept(state);
    let was_kept = known.is_some();
    let logged = known.or_else(|| sealed(keeper));
    let (isms, reasons) = declared.as_declared().following(logged.as_ref(), keeper.clock.now());
    if reasons.is_empty() && was_kept {
        return Ok(Some(isms));
    }
    let document = stored(&isms)?;
    for reason in reasons {
        tracing::info!(reason, "the declaration has changed; the log will say so");
        tell(keeper, reason, &document)?;
    }
    state.keep(KEPT, &canon::to_vec(&isms)).map_err(Undeclared::Kept)?;
    Ok(Some(isms))
}

/// Why a change could not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undeclared {
    /// The spool did not take it.
    #[error(transparent)]
    Spool(#[from] evidenced_spool::SpoolError),
    /// It could not be compressed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It could not be kept beside the spool.
    #[error("what was declared cannot be kept in the state folder: {0}; see agent.state_dir")]
    Kept(std::io::Error),
}

/// An object of the store: its path, and its bytes as they are stored.
pub(crate) type Object = (String, Vec<u8>);

/// A document as an object of the store.
pub(crate) fn stored<T: Serialize>(document: &T) -> Result<Object, SealError> {
    let mut memory = Memory::default();
    let written = ObjectWriter::new(&mut memory)?.document(document)?;
    let path = object_path(&written.digest, Format::Json);
    let bytes = memory.files().remove(&path).unwrap_or_default();
    Ok((path, bytes))
}

/// Writes an entry about the declaration down for the log.
fn tell(keeper: &Keeper<'_>, reason: String, (path, bytes): &Object) -> Result<(), evidenced_spool::SpoolError> {
    let draft = Draft::new(EntryKind::Waiver, Some(reason)).about(Subject::new(path, Digest::of(bytes)));
    keeper.spool.enqueue_sealed(draft, &[(path.clone(), bytes.clone())])
}

/// What was logged last, as it is kept here.
fn kept(state: &State) -> Option<Isms> {
    let bytes = std::fs::read(state.root().join(KEPT)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// What was logged last, as the newest run in the store says: for a state folder that was lost.
fn sealed(keeper: &Keeper<'_>) -> Option<Isms> {
    let keys = keeper.keys();
    let overlay = keeper.overlay().ok()?;
    let run = select_run(&overlay, &keeper.agent, "latest", Some(&keys)).ok()?;
    let reader = RunReader::open(&overlay, &run, Some(&keys)).ok()?;
    let mut mappings: Value = reader.document(Document::Mappings).ok()?;
    serde_json::from_value(mappings.get_mut("isms")?.take()).ok()
}
