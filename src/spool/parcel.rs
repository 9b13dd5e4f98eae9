//! A parcel: a log entry that waits, together with the objects that it is about. For sealed things that are no runs:
//! what people bring, rules that changed, documents beside runs.
//!
//! ```text
//! objects/<sha256>.<ext>    the objects
//! entry                     the attempt at the log entry, in a page that was written out beforehand
//! parcel.json               what it is
//! sent                      its objects were seen to be in the store
//! ```
//!
//! It gets its name by one rename once all of it is on the disk, as a bundle does, and shares the one order.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use evidenced_model::digest::Hasher;
use evidenced_model::{AgentId, Digest, Put, Sink, SinkError};
use evidenced_seal::SealError;
use evidenced_seal::log::{Attempt, Draft, EntryKind};
use evidenced_seal::object::{Format, object_path};
use evidenced_seal::statement::Subject;
use serde::{Deserialize, Serialize};

use crate::bundle::{Refusal, keep_page, objects_in, seq_of};
use crate::journal::{PAGE, attempt_in, shortened};
use crate::places::{place, torn};
use crate::remote::LONG;
use crate::{Room, Spool, SpoolError, disk};

/// So many bytes of a large file are in memory at once.
const PIECE: usize = 256 << 10;

/// What a parcel is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Facts {
    pub(crate) agent: AgentId,
    /// The bytes of its objects.
    pub(crate) bytes: u64,
    /// The entry; it is about one of the objects.
    pub(crate) draft: Draft,
    /// The store that it was sealed for.
    pub(crate) store: String,
}

/// Takes the objects of a sealed thing that is no run. What is not enqueued in the end is gone with this.
pub struct ParcelWriter {
    folder: PathBuf,
    room: Room,
    bytes: u64,
    files: u64,
}

/// A file that was copied into the spool as an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub digest: Digest,
}

impl Spool {
    /// Begins a parcel, which [`Spool::enqueue_parcel`] ends.
    pub fn parcel(&self) -> Result<ParcelWriter, SpoolError> {
        let folder = self.0.root.join("new").join(format!("parcel-{}", self.0.number()));
        let failed = SpoolError::io(&folder);
        place("parcel.create").map_err(&failed)?;
        std::fs::create_dir_all(folder.join("objects")).map_err(&failed)?;
        Ok(ParcelWriter { folder, room: self.room(), bytes: 0, files: 0 })
    }

    /// Writes down something that is to be told, with the objects that it is about: each with its path in the store,
    /// `v1/objects/<aa>/<sha256>.<ext>`. The entry is about one of them ([`Draft::about`]), and is appended once all of
    /// them are in the store. When this returns, all of it is on the disk and is never dropped; writing the same object
    /// twice is harmless.
    pub fn enqueue_sealed(&self, draft: Draft, objects: &[(String, Vec<u8>)]) -> Result<(), SpoolError> {
        let mut writer = self.parcel()?;
        for (path, bytes) in objects {
            writer.add(path, bytes)?;
        }
        self.enqueue_parcel(writer, draft)
    }

    /// The same for objects that were written one after another, such as files too large to be held in memory.
    pub fn enqueue_parcel(&self, mut writer: ParcelWriter, draft: Draft) -> Result<(), SpoolError> {
        writer.check(&draft)?;
        let (agent, store) = (self.0.agent.clone(), self.0.store.clone());
        writer.complete(&Facts { agent, bytes: writer.bytes, draft: shortened(draft), store })?;
        let failed = SpoolError::io(&writer.folder);
        let parcels = self.0.root.join("parcels");
        let mut order = self.order();
        let name = parcels.join(format!("{:012}-parcel", order.next));
        place("parcel.rename").map_err(&failed)?;
        std::fs::rename(&writer.folder, &name).map_err(&failed)?;
        order.next += 1;
        drop(order);
        // What follows can fail no more: it has its name, and would come back after a crash.
        let flushed = place("parcel.renamed").and_then(|()| disk::sync_folder(&parcels));
        if let Err(error) = flushed {
            tracing::error!(%error, "the disk did not confirm what was sealed; it is sent nevertheless");
        }
        std::mem::replace(&mut writer.room, self.room()).keep(disk::size(&name));
        let _ = place("parcel.sealed");
        Ok(())
    }

    /// The parcels that wait, in order.
    pub(crate) fn parcels(&self) -> Result<Vec<Parcel>, SpoolError> {
        Parcel::all(&self.0.root.join("parcels")).map(|(parcels, _)| parcels)
    }
}

impl ParcelWriter {
    /// Adds an object.
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SpoolError> {
        let file = self.place(path, &Digest::of(bytes))?;
        if file.exists() {
            return Ok(Put::AlreadyThere);
        }
        let failed = SpoolError::io(&file);
        place("parcel.object").map_err(&failed)?;
        self.room.take(bytes.len() as u64)?;
        let written = File::create(&file).and_then(|mut file| {
            torn("parcel.object", &mut file, bytes)?;
            file.write_all(bytes)
        });
        if let Err(error) = written {
            // What was torn must not be taken for the object.
            let _ = std::fs::remove_file(&file);
            return Err(failed(error));
        }
        self.bytes += bytes.len() as u64;
        place("parcel.object.written").map_err(&failed)?;
        Ok(Put::Written)
    }

    /// Copies a file as an object of plain bytes (`.bin`), a piece at a time.
    pub fn copy(&mut self, file: &mut dyn Read) -> Result<Copied, SpoolError> {
        self.files += 1;
        let temporary = self.folder.join(format!("copy-{}", self.files));
        let failed = SpoolError::io(&temporary);
        place("parcel.copy").map_err(&failed)?;
        let mut out = File::create(&temporary).map_err(&failed)?;
        let (mut hasher, mut bytes, mut piece) = (Hasher::new(), 0, vec![0; PIECE]);
        loop {
            let count = match file.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SpoolError::Source { reason: error.to_string() }),
            };
            self.room.take(count as u64)?;
            torn("parcel.copy", &mut out, &piece[..count]).map_err(&failed)?;
            out.write_all(&piece[..count]).map_err(&failed)?;
            hasher.update(&piece[..count]);
            bytes += count as u64;
        }
        let digest = hasher.finish();
        let name = self.place(&object_path(&digest, Format::Binary), &digest)?;
        std::fs::rename(&temporary, &name).map_err(&failed)?;
        self.bytes += bytes;
        place("parcel.copied").map_err(&failed)?;
        Ok(Copied { bytes, digest })
    }

    /// Where an object of this path waits, if the path is that of an object with this digest.
    fn place(&self, path: &str, digest: &Digest) -> Result<PathBuf, SpoolError> {
        let known = [Format::Json, Format::Lines, Format::Binary].map(|format| object_path(digest, format));
        let name = path.rsplit('/').next().filter(|_| known.iter().any(|known| known == path));
        let refused = || {
            let reason = "a sealed object is named by the SHA-256 of its bytes".to_owned();
            SealError::from(SinkError::Refused { path: path.to_owned(), reason })
        };
        Ok(self.folder.join("objects").join(name.ok_or_else(refused)?))
    }

    /// The entry is about one of the objects, and its kind is none that has another way.
    fn check(&self, draft: &Draft) -> Result<(), SpoolError> {
        let subject = draft.subject().map(|subject| subject.name.clone()).unwrap_or_default();
        let refused = |reason: &str| {
            SpoolError::from(SealError::from(SinkError::Refused { path: subject.clone(), reason: reason.to_owned() }))
        };
        if matches!(
            draft.kind(),
            EntryKind::Genesis | EntryKind::Started | EntryKind::Run | EntryKind::Abandoned | EntryKind::Obstructed
        ) {
            return Err(refused("an entry of this kind is not about an object"));
        }
        let Some(about) = draft.subject() else { return Err(refused("the entry is about no object")) };
        match self.place(&about.name, &about.sha256()) {
            Ok(file) if file.exists() => Ok(()),
            _ => Err(refused("the entry is about an object that is not among those which are sealed with it")),
        }
    }

    /// Writes the rest and flushes all of it; it does not have its name yet.
    fn complete(&self, facts: &Facts) -> Result<(), SpoolError> {
        let failed = SpoolError::io(&self.folder);
        let file = |name: &str, bytes: &[u8]| disk::create(&self.folder.join(name), bytes).map_err(&failed);
        place("parcel.files").map_err(&failed)?;
        file("entry", &[0; PAGE])?;
        file("parcel.json", &serde_json::to_vec(facts).unwrap_or_default())?;
        place("parcel.flush").map_err(&failed)?;
        disk::sync_files(&self.folder.join("objects")).map_err(&failed)?;
        disk::sync_files(&self.folder).map_err(&failed)?;
        place("parcel.flushed").map_err(&failed)
    }
}

fn is_long(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.len() > LONG)
}

impl Sink for ParcelWriter {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        self.add(path, bytes).map_err(|error| match error {
            SpoolError::Seal(SealError::Sink(error)) => error,
            error => SinkError::Away { path: path.to_owned(), reason: error.to_string() },
        })
    }
}

impl Drop for ParcelWriter {
    /// What was not enqueued was not sealed.
    fn drop(&mut self) {
        let _ = disk::remove(&self.folder);
    }
}

/// A parcel that has its name.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) seq: u64,
    pub(crate) folder: PathBuf,
    pub(crate) facts: Facts,
}

impl Parcel {
    /// The parcels of a folder, in order. What cannot be read is named, and left where it is.
    pub(crate) fn all(folder: &Path) -> Result<(Vec<Self>, Vec<SpoolError>), SpoolError> {
        let failed = SpoolError::io(folder);
        let (mut parcels, mut damaged) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(folder).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            match Self::open(&path) {
                Ok(parcel) => parcels.push(parcel),
                Err(error) => damaged.push(error),
            }
        }
        parcels.sort_by_key(|parcel| parcel.seq);
        Ok((parcels, damaged))
    }

    /// The first parcel behind this place of the order. What cannot be read is passed over.
    pub(crate) fn next(folder: &Path, after: u64) -> Result<Option<Self>, SpoolError> {
        Ok(Self::all(folder)?.0.into_iter().find(|parcel| parcel.seq > after))
    }

    fn open(folder: &Path) -> Result<Self, SpoolError> {
        let damaged = |what: String| SpoolError::Damaged { path: folder.display().to_string(), what };
        let seq = seq_of(folder).ok_or_else(|| damaged("its name is not one of ours".to_owned()))?;
        let bytes = std::fs::read(folder.join("parcel.json")).map_err(|error| damaged(error.to_string()))?;
        let facts = serde_json::from_slice(&bytes).map_err(|error| damaged(format!("parcel.json: {error}")))?;
        Ok(Self { seq, folder: folder.to_owned(), facts })
    }

    /// What its entry is about.
    pub(crate) fn subject(&self) -> Subject {
        self.facts.draft.subject().cloned().unwrap_or_else(|| Subject::new("", Digest::ZERO))
    }

    /// Where its objects belong, and where they are; of long ones, those that are not in the store already.
    pub(crate) fn objects(&self) -> Result<Vec<(String, PathBuf)>, SpoolError> {
        let mut objects = objects_in(&self.folder.join("objects"))?;
        if self.folder.join("sent").exists() {
            objects.retain(|(_, file)| !is_long(file));
        }
        Ok(objects)
    }

    /// Remembers that all its objects are in the store. Only of long ones is it known that they will stay there: a
    /// store may keep others in its hands until the log entry is written, so that they are sent again with it.
    pub(crate) fn set_sent(&self) {
        disk::note(&self.folder.join("sent"), b"");
    }

    /// The attempt at its log entry that was kept.
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        attempt_in(&std::fs::read(self.folder.join("entry")).ok()?)
    }

    /// Keeps an attempt at its log entry.
    pub(crate) fn keep(&self, attempt: &Attempt) -> Result<(), SpoolError> {
        let path = self.folder.join("entry");
        place("parcel.keep").map_err(SpoolError::io(&path))?;
        keep_page(&path, attempt, "parcel.keep")?;
        place("parcel.kept").map_err(SpoolError::io(&path))
    }

    /// Why it is still here.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        serde_json::from_slice(&std::fs::read(self.folder.join("refusal.json")).ok()?).ok()
    }

    /// Remembers why it is still here.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        disk::note(&self.folder.join("refusal.json"), &serde_json::to_vec(refusal).unwrap_or_default());
    }
}
