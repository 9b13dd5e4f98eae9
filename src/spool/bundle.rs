//! A bundle: all that is new of one sealed run, in a folder that gets its name once everything in it is on the disk.
//!
//! ```text
//! objects/<sha256>.<ext>    the new objects
//! statement.json            what is to be signed, or was
//! run.dsse.json             the envelope; missing while the key service is away
//! tokens/run.<sha256>.tsr   time-stamp tokens, added when they could be had
//! entry                     the attempt at its log entry, in a page that was written out beforehand
//! rests                     objects of earlier runs that the next run may build on
//! renew                     objects of earlier runs whose locks are to be renewed; missing if there are none
//! bundle.json               what it is
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use evidenced_model::{AgentId, Digest, Put, RunId, Sink, SinkError, Slot};
use evidenced_seal::log::Attempt;
use evidenced_seal::{SealError, UnsignedRun};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::journal::{PAGE, attempt_in, attempt_page};
use crate::places::{place, torn};
use crate::{Room, SpoolError, disk};

/// What a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Facts {
    pub(crate) agent: AgentId,
    /// The run in the spool that it was built on: the store needs that one's objects too.
    pub(crate) base: Option<RunId>,
    /// The bytes of its objects.
    pub(crate) bytes: u64,
    /// Where its envelope belongs.
    pub(crate) path: String,
    pub(crate) run: RunId,
    pub(crate) sealed_at: Timestamp,
    pub(crate) slot: Option<Slot>,
    /// The store that it was sealed for: it rests on what lies there.
    pub(crate) store: String,
}

/// Why a bundle is still here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    /// The store does not take its objects: nothing may be built on it.
    pub(crate) objects: bool,
    /// The store refused it for good, or it waits for one that was refused; it was not just away.
    pub(crate) refused: bool,
    pub(crate) what: String,
}

/// Takes the new objects of a run while it is sealed.
pub struct BundleWriter {
    pub(crate) folder: PathBuf,
    pub(crate) room: Room,
    pub(crate) bytes: u64,
    pub(crate) renewals: Renewals,
}

/// Which locks of objects that are used again are to be renewed.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    /// When the run before this one looked, and when this one does; `None`: there is none before it.
    between: Option<(Timestamp, Timestamp)>,
    due: BTreeSet<String>,
}

/// What [`crate::Spool::seal`] needs beside the objects.
#[derive(Debug)]
pub struct Sealing<'s> {
    /// The agent.
    pub agent: &'s AgentId,
    /// The run that it was built on, as [`crate::Base::run`] named it.
    pub base: Option<RunId>,
    /// The signed envelope; `None` while the key service is away.
    pub envelope: Option<Vec<u8>>,
    /// Now.
    pub now: Timestamp,
    /// The objects that it shares with earlier runs, as [`crate::Overlay::touched`] names them.
    pub rests: BTreeSet<String>,
    /// The run.
    pub unsigned: &'s UnsignedRun,
}

impl Sink for BundleWriter {
    fn reused(&mut self, path: &str, digest: &Digest) {
        let Some((last, now)) = self.renewals.between else { return };
        if evidenced_store::due(digest, last, now) {
            self.renewals.due.insert(path.to_owned());
        }
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        let name = path.strip_prefix("v1/objects/").and_then(|rest| rest.split_once('/')).map(|(_, name)| name);
        let refused = |what: &str| SinkError::Refused { path: path.to_owned(), reason: what.to_owned() };
        let name = name.ok_or_else(|| refused("the spool takes objects only"))?;
        let away = |reason: String| SinkError::Away { path: path.to_owned(), reason };
        let file = self.folder.join("objects").join(name);
        match self.create(&file, bytes) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                Ok(Put::Written)
            }
            Err(SpoolError::Io { .. }) if file.exists() && self.is_whole(&file, bytes) => Ok(Put::AlreadyThere),
            Err(error) => {
                // What was torn must not be taken for the object.
                let _ = std::fs::remove_file(&file);
                Err(away(error.to_string()))
            }
        }
    }
}

impl BundleWriter {
    /// The same, for a run at `now` that follows one at `last`: so it is known which locks of objects that are used
    /// again are its share of the renewing.
    #[must_use]
    pub fn following(mut self, last: Timestamp, now: Timestamp) -> Self {
        self.renewals.between = Some((last, now));
        self
    }

    fn create(&mut self, path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
        let failed = SpoolError::io(path);
        place("bundle.object").map_err(&failed)?;
        let mut file = File::options().write(true).create_new(true).open(path).map_err(&failed)?;
        self.room.take(bytes.len() as u64)?;
        torn("bundle.object", &mut file, bytes).and_then(|()| file.write_all(bytes)).map_err(&failed)?;
        place("bundle.object.written").map_err(&failed)
    }

    /// An object's name is its digest, so that its length tells whether all of it was written.
    #[expect(clippy::unused_self, reason = "it is this writer's file")]
    fn is_whole(&self, file: &Path, bytes: &[u8]) -> bool {
        std::fs::metadata(file).is_ok_and(|there| there.len() == bytes.len() as u64)
    }

    /// Writes the rest of the bundle and flushes all of it; it does not have its name yet.
    pub(crate) fn complete(&self, sealing: &Sealing<'_>, store: String) -> Result<Facts, SpoolError> {
        let failed = SpoolError::io(&self.folder);
        let facts = Facts {
            agent: sealing.agent.clone(),
            base: sealing.base,
            bytes: self.bytes,
            path: sealing.unsigned.path.clone(),
            run: sealing.unsigned.run,
            sealed_at: sealing.now,
            slot: sealing.unsigned.slot.clone(),
            store,
        };
        let file = |name: &str, bytes: &[u8]| disk::create(&self.folder.join(name), bytes).map_err(&failed);
        place("bundle.files").map_err(&failed)?;
        file("statement.json", &sealing.unsigned.statement.to_bytes())?;
        if let Some(envelope) = &sealing.envelope {
            file("run.dsse.json", envelope)?;
        }
        file("entry", &[0; PAGE])?;
        file("rests", lines(&sealing.rests).as_bytes())?;
        if !self.renewals.due.is_empty() {
            file("renew", lines(&self.renewals.due).as_bytes())?;
        }
        file("bundle.json", &serde_json::to_vec(&facts).unwrap_or_default())?;
        place("bundle.flush").map_err(&failed)?;
        disk::sync_files(&self.folder.join("objects")).map_err(&failed)?;
        disk::sync_files(&self.folder).map_err(&failed)?;
        place("bundle.flushed").map_err(&failed)?;
        Ok(facts)
    }
}

/// A bundle that has its name.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) seq: u64,
    pub(crate) folder: PathBuf,
    pub(crate) facts: Facts,
}

impl Bundle {
    /// The bundles of a folder, in order. What cannot be read is named, and left where it is.
    pub(crate) fn all(folder: &Path) -> Result<(Vec<Self>, Vec<SpoolError>), SpoolError> {
        let failed = SpoolError::io(folder);
        let (mut bundles, mut damaged) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(folder).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            match Self::open(&path) {
                Ok(bundle) => bundles.push(bundle),
                Err(error) => damaged.push(error),
            }
        }
        bundles.sort_by_key(|bundle| bundle.seq);
        Ok((bundles, damaged))
    }

    /// The first bundle behind this place of the order. What cannot be read is passed over.
    pub(crate) fn next(folder: &Path, after: u64) -> Result<Option<Self>, SpoolError> {
        let failed = SpoolError::io(folder);
        let mut found: Vec<(u64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            found.extend(seq_of(&path).filter(|seq| *seq > after).map(|seq| (seq, path)));
        }
        found.sort();
        Ok(found.iter().find_map(|(_, path)| Self::open(path).ok()))
    }

    fn open(folder: &Path) -> Result<Self, SpoolError> {
        let damaged = |what: String| SpoolError::Damaged { path: folder.display().to_string(), what };
        let seq = seq_of(folder).ok_or_else(|| damaged("its name is not one of ours".to_owned()))?;
        let bytes = std::fs::read(folder.join("bundle.json")).map_err(|error| damaged(error.to_string()))?;
        let facts = serde_json::from_slice(&bytes).map_err(|error| damaged(format!("bundle.json: {error}")))?;
        Ok(Self { seq, folder: folder.to_owned(), facts })
    }

    /// What is to be signed, or was.
    pub(crate) fn statement(&self) -> Result<Vec<u8>, SpoolError> {
        let path = self.folder.join("statement.json");
        std::fs::read(&path).map_err(SpoolError::io(&path))
    }

    /// The envelope, if it was signed.
    pub(crate) fn envelope(&self) -> Result<Option<Vec<u8>>, SpoolError> {
        let path = self.folder.join("run.dsse.json");
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SpoolError::io(&path)(error)),
        }
    }

    /// Adds the envelope.
    pub(crate) fn sign(&self, envelope: &[u8]) -> Result<(), SpoolError> {
        let path = self.folder.join("run.dsse.json");
        disk::replace(&path, envelope, "bundle.sign").map_err(SpoolError::io(&path))
    }

    /// Where its objects belong, and where they are.
    pub(crate) fn objects(&self) -> Result<Vec<(String, PathBuf)>, SpoolError> {
        objects_in(&self.folder.join("objects"))
    }

    /// Its tokens: where they belong, and what they are.
    pub(crate) fn tokens(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = std::fs::read_dir(self.folder.join("tokens")) else { return Vec::new() };
        let beside = self.facts.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let token = |entry: std::fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let whole = name.strip_suffix(".tsr").and_then(|_| std::fs::read(entry.path()).ok())?;
            Some((format!("{beside}/{name}"), whole))
        };
        let mut tokens: Vec<_> = entries.flatten().filter_map(token).collect();
        tokens.sort();
        tokens
    }

    /// Adds a token.
    pub(crate) fn stamp(&self, token: &[u8]) -> Result<(), SpoolError> {
        let folder = self.folder.join("tokens");
        let failed = SpoolError::io(&folder);
        std::fs::create_dir_all(&folder).map_err(&failed)?;
        let name = format!("run.{}.tsr", Digest::of(token));
        disk::replace(&folder.join(name), token, "bundle.stamp").map_err(&failed)
    }

    /// The attempt at its log entry that was kept.
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        attempt_in(&std::fs::read(self.folder.join("entry")).ok()?)
    }

    /// Keeps an attempt at its log entry.
    pub(crate) fn keep(&self, attempt: &Attempt) -> Result<(), SpoolError> {
        let path = self.folder.join("entry");
        place("bundle.keep").map_err(SpoolError::io(&path))?;
        keep_page(&path, attempt, "bundle.keep")?;
        place("bundle.kept").map_err(SpoolError::io(&path))
    }

    /// Whether all its objects were seen to be in the store.
    pub(crate) fn is_stored(&self) -> bool {
        self.folder.join("stored").exists()
    }

    /// Remembers that all its objects are in the store; if that is forgotten, they are sent again.
    pub(crate) fn set_stored(&self) {
        disk::note(&self.folder.join("stored"), b"");
    }

    /// Why it is still here.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        serde_json::from_slice(&std::fs::read(self.folder.join("refusal.json")).ok()?).ok()
    }

    /// Remembers why it is still here.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        disk::note(&self.folder.join("refusal.json"), &serde_json::to_vec(refusal).unwrap_or_default());
    }

    /// The objects of earlier runs that the next one may build on.
    pub(crate) fn rests(&self) -> BTreeSet<String> {
        words(&self.folder.join("rests"))
    }

    /// The objects of earlier runs whose locks are to be renewed.
    pub(crate) fn renewals(&self) -> BTreeSet<String> {
        words(&self.folder.join("renew"))
    }
}

/// The objects in a folder: where they belong, and where they are.
pub(crate) fn objects_in(folder: &Path) -> Result<Vec<(String, PathBuf)>, SpoolError> {
    let failed = SpoolError::io(folder);
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let shard = name.get(..2).unwrap_or("00").to_owned();
        objects.push((format!("v1/objects/{shard}/{name}"), entry.path()));
    }
    objects.sort();
    Ok(objects)
}

/// Keeps an attempt at a log entry in a page that is there, durably.
pub(crate) fn keep_page(path: &Path, attempt: &Attempt, name: &'static str) -> Result<(), SpoolError> {
    let too_long = || SealError::wrong(path.display().to_string(), "its log entry is longer than a page");
    let page = attempt_page(attempt).ok_or_else(too_long)?;
    let kept = File::options().write(true).open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(0))?;
        torn(name, &mut file, &page)?;
        file.write_all(&page)?;
        file.sync_data()
    });
    kept.map_err(SpoolError::io(path))
}

/// A list, one a line.
pub(crate) fn lines(list: &BTreeSet<String>) -> String {
    list.iter().fold(String::new(), |lines, name| lines + name + "\n")
}

/// The list in a file; empty if there is none.
pub(crate) fn words(file: &Path) -> BTreeSet<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The place of a bundle or parcel in the one order: it is in its name.
pub(crate) fn seq_of(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.split('-').next()?.parse().ok()
}
