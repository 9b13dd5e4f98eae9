//! What the newest stored run looks like, kept here, so that the next run need not ask the store for it.
//!
//! A cache may be lost or thrown away at any time; then the next run asks the store, or writes more. What is read from
//! it is checked against the digest that is its name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use evidenced_model::{AgentId, Digest, LogHead, RunId};
use evidenced_seal::statement::{RunStatement, Statement};
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::disk;

/// The cache of one agent's runs in one store.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
    store: String,
}

/// The newest run that was sent from here.
#[derive(Serialize, Deserialize)]
struct Newest {
    store: String,
    statement: RunStatement,
}

/// The head of the log as it was last seen from here.
#[derive(Serialize, Deserialize)]
struct Seen {
    store: String,
    agent: AgentId,
    head: LogHead,
}

impl Cache {
    pub(crate) fn new(folder: &Path, store: String) -> Self {
        Self { folder: folder.to_owned(), store }
    }

    /// The file of an object, if it is here.
    pub(crate) fn object(&self, name: &str) -> PathBuf {
        self.folder.join("objects").join(name)
    }

    /// Keeps an object that was read from the store, if it is what its name says.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) {
        if name.starts_with(&Digest::of(bytes).to_string()) {
            disk::note(&self.object(name), bytes);
        }
    }

    /// The statement of the newest run that was sent from here.
    pub(crate) fn newest(&self) -> Option<RunStatement> {
        let bytes = std::fs::read(self.folder.join("newest.json")).ok()?;
        let newest: Newest = serde_json::from_slice(&bytes).ok()?;
        (newest.store == self.store).then_some(newest.statement)
    }

    /// Takes over what the next run may build on from a bundle that is in the store. The objects move.
    pub(crate) fn absorb(&self, bundle: &Bundle) {
        let Some(statement) = bundle.statement().ok().and_then(|bytes| Statement::parse(&bytes).ok()) else { return };
        let mut keep = bundle.rests();
        for (_, file) in bundle.objects().unwrap_or_default() {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_document(&name) && std::fs::rename(&file, self.object(&name)).is_ok() {
                keep.insert(name);
            }
        }
        let newest = Newest { store: self.store.clone(), statement };
        disk::note(&self.folder.join("newest.json"), &serde_json::to_vec(&newest).unwrap_or_default());
        self.prune(&keep);
    }

    /// Forgets everything: what is in the store is not what was thought.
    pub(crate) fn clear(&self) {
        let _ = std::fs::remove_file(self.folder.join("newest.json"));
        let _ = std::fs::remove_file(self.folder.join("head.json"));
        self.prune(&BTreeSet::new());
    }

    /// The head of the log as it was last seen from here.
    pub(crate) fn head(&self, agent: &AgentId) -> Option<LogHead> {
        let seen: Seen = serde_json::from_slice(&std::fs::read(self.folder.join("head.json")).ok()?).ok()?;
        (seen.store == self.store && seen.agent == *agent).then_some(seen.head)
    }

    /// Remembers the head of the log.
    pub(crate) fn see(&self, agent: &AgentId, head: LogHead) {
        let seen = Seen { store: self.store.clone(), agent: agent.clone(), head };
        disk::note(&self.folder.join("head.json"), &serde_json::to_vec(&seen).unwrap_or_default());
    }

    fn prune(&self, keep: &BTreeSet<String>) {
        let Ok(entries) = std::fs::read_dir(self.folder.join("objects")) else { return };
        for entry in entries.flatten() {
            if !keep.contains(entry.file_name().to_string_lossy().as_ref()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether an object of this name is a tree or a document: what a later run reads of an earlier one.
pub(crate) fn is_document(name: &str) -> bool {
    name.ends_with(".json.zst")
}

/// The run of a statement.
pub(crate) fn run_of(statement: &RunStatement) -> RunId {
    statement.predicate.run
}
