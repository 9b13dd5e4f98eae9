//! Objects: files named by the SHA-256 of their own bytes; written once, read back with suspicion.

use std::cell::Cell;
use std::io::Read as _;

use evidenced_model::digest::Hasher;
use evidenced_model::{Archive, ArchiveError, Digest, Put, Sink, canon};
use serde::Serialize;

use crate::SealError;
use crate::tree::Entry;
use crate::withheld::{self, Declaration};

/// The zstd level.
const LEVEL: i32 = 3;
/// No stored object is larger than this, attached files apart, nor its content larger than [`MAX_CONTENT`].
pub const MAX_STORED: u64 = 256 << 20;
/// So much of a file is held at once.
const PIECE: usize = 256 << 10;
/// The largest content of an object that is read as a whole.
pub const MAX_CONTENT: u64 = 1 << 30;

/// What an object holds; the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// One JSON document: `.json.zst`.
    Json,
    /// Lines of JSON: `.jsonl.zst`.
    Lines,
    /// Bytes as they are: `.bin`.
    Binary,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Json => "json.zst",
            Self::Lines => "jsonl.zst",
            Self::Binary => "bin",
        }
    }
}

/// Where an object is stored.
pub fn object_path(digest: &Digest, format: Format) -> String {
    let hex = digest.to_string();
    format!("v1/objects/{}/{hex}.{}", &hex[..2], format.extension())
}

/// An object as it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of the stored bytes.
    pub digest: Digest,
    /// SHA-256 of the content.
    pub content: Digest,
}

/// What was written so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// New objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that an earlier run had written already.
    pub reused: u64,
}

/// Writes objects, with one compressor for all.
pub struct ObjectWriter<'a> {
    sink: &'a mut dyn Sink,
    compressor: zstd::bulk::Compressor<'static>,
    buffer: Vec<u8>,
    written: Written,
}

impl<'a> ObjectWriter<'a> {
    /// Into this store.
    pub fn new(sink: &'a mut dyn Sink) -> Result<Self, SealError> {
        let compressor = zstd::bulk::Compressor::new(LEVEL).map_err(|error| SealError::Compress(error.to_string()))?;
        Ok(Self { sink, compressor, buffer: Vec::new(), written: Written::default() })
    }

    /// Stores content whose digest the caller knows.
    pub fn put(&mut self, content: &[u8], digest: Digest, format: Format) -> Result<Stored, SealError> {
        if format == Format::Binary {
            return self.put_stored(content.to_vec(), digest, format);
        }
        let mut stored = std::mem::take(&mut self.buffer);
        stored.clear();
        stored.reserve(zstd::zstd_safe::compress_bound(content.len()));
        self.compressor
            .compress_to_buffer(content, &mut stored)
            .map_err(|error| SealError::Compress(error.to_string()))?;
        self.put_stored(stored, digest, format)
    }

    /// Stores a JSON document in its canonical bytes.
    pub fn document<T: Serialize>(&mut self, document: &T) -> Result<Stored, SealError> {
        let bytes = canon::to_vec(document);
        self.put(&bytes, Digest::of(&bytes), Format::Json)
    }

    /// Counts an object that need not be written again, and tells the store of it.
    pub fn reuse(&mut self, digest: &Digest, format: Format) {
        self.written.reused += 1;
        self.sink.reused(&object_path(digest, format), digest);
    }

    /// What was written so far.
    pub fn written(&self) -> Written {
        self.written
    }

    pub(crate) fn sink(&mut self) -> &mut dyn Sink {
        self.sink
    }

    fn put_stored(&mut self, bytes: Vec<u8>, content: Digest, format: Format) -> Result<Stored, SealError> {
        let digest = Digest::of(&bytes);
        match self.sink.put(&object_path(&digest, format), &bytes)? {
            Put::Written => {
                self.written.objects += 1;
                self.written.bytes += bytes.len() as u64;
            }
            Put::AlreadyThere => self.written.reused += 1,
        }
        self.buffer = bytes;
        // A large document does not keep its memory for the rest of the run.
        self.buffer.shrink_to(1 << 20);
        Ok(Stored { digest, content })
    }
}

/// Reads objects, and believes none whose bytes do not match its name.
#[derive(Clone, Copy)]
pub struct ObjectReader<'a> {
    archive: &'a dyn Archive,
}

impl<'a> ObjectReader<'a> {
    /// From this store.
    pub fn new(archive: &'a dyn Archive) -> Self {
        Self { archive }
    }

    /// The store.
    pub fn archive(&self) -> &'a dyn Archive {
        self.archive
    }

    /// The content of a compressed object, at most `limit` bytes of it; `referrer` is for messages.
    pub fn content(&self, digest: &Digest, format: Format, limit: u64, referrer: &str) -> Result<Vec<u8>, SealError> {
        self.load(digest, format, limit, referrer).map(|loaded| loaded.content)
    }

    /// The lines of a chunk, as far as they are shown.
    pub fn chunk(&self, chunk: &Entry, referrer: &str) -> Result<Shown, SealError> {
        match self.load(&chunk.digest, Format::Lines, chunk.bytes, referrer) {
            Ok(loaded) => Ok(Shown::Whole(loaded)),
            Err(SealError::Missing { file, referrer }) if Declaration::read(self.archive)?.is_some() => {
                let lines = withheld::lines(self.archive, chunk)?;
                lines.map(Shown::Partly).ok_or(SealError::Missing { file, referrer })
            }
            Err(SealError::Withheld { .. }) => Ok(Shown::Nothing),
            Err(error) => Err(error),
        }
    }

    /// The content of an object, and how large it is as it is stored.
    pub(crate) fn load(
        &self,
        digest: &Digest,
        format: Format,
        limit: u64,
        referrer: &str,
    ) -> Result<Loaded, SealError> {
        let stored = self.packed(digest, format, referrer)?;
        let size = stored.len() as u64;
        let content = if format == Format::Binary { stored } else { unpack(&stored, digest, format, limit, referrer)? };
        Ok(Loaded { content, stored: size })
    }

    /// A JSON document.
    pub fn document<T: serde::de::DeserializeOwned>(&self, digest: &Digest, referrer: &str) -> Result<T, SealError> {
        let content = self.content(digest, Format::Json, MAX_CONTENT, referrer)?;
        serde_json::from_slice(&content).map_err(|error| {
            SealError::wrong(
                object_path(digest, Format::Json),
                format!("it is not the document that {referrer} says: {error}"),
            )
        })
    }

    /// The stored bytes of an object, which are those of its name.
    pub(crate) fn packed(&self, digest: &Digest, format: Format, referrer: &str) -> Result<Vec<u8>, SealError> {
        let file = object_path(digest, format);
        // Hashing is what reading costs; it is done once.
        let right = Cell::new(false);
        let valid = |bytes: &[u8]| {
            right.set(Digest::of(bytes) == *digest);
            right.get()
        };
        let Some(stored) = self.archive.read_valid(&file, MAX_STORED, &valid)? else {
            let referrer = referrer.to_owned();
            // Only what says that it is a pack may leave anything out.
            let withheld =
                Declaration::read(self.archive)?.is_some() && withheld::whole(self.archive, digest)?.is_some();
            return Err(if withheld {
                SealError::Withheld { file, referrer }
            } else {
                SealError::Missing { file, referrer }
            });
        };
        if right.get() {
            Ok(stored)
        } else {
            Err(SealError::wrong(file, "its SHA-256 is not its name: it was edited, truncated or swapped"))
        }
    }
}

/// What a file holds, without holding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub digest: Digest,
}

/// Reads an object of plain bytes to its end, a piece at a time: of several versions, the oldest that is right, as far
/// as they are small enough to be held. `referrer` is for messages.
pub fn sum(archive: &dyn Archive, file: &str, digest: &Digest, referrer: &str) -> Result<Sum, SealError> {
    let Some(mut opened) = archive.open(file)? else {
        let (file, referrer) = (file.to_owned(), referrer.to_owned());
        // Only what says that it is a pack may leave anything out.
        let withheld = Declaration::read(archive)?.is_some() && withheld::whole(archive, digest)?.is_some();
        return Err(if withheld {
            SealError::Withheld { file, referrer }
        } else {
            SealError::Missing { file, referrer }
        });
    };
    let (mut hasher, mut bytes, mut piece) = (Hasher::new(), 0, vec![0; PIECE]);
    loop {
        match opened.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&piece[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::reading(file, &error).into()),
        }
    }
    let there = Sum { bytes, digest: hasher.finish() };
    if there.digest == *digest {
        return Ok(there);
    }
    let right = |bytes: &[u8]| Digest::of(bytes) == *digest;
    let original = archive.original(file, MAX_STORED, &right)?.filter(|bytes| right(bytes));
    Ok(original.map_or(there, |bytes| Sum { bytes: bytes.len() as u64, digest: *digest }))
}

/// What there is to see of a chunk.
#[derive(Debug)]
pub enum Shown {
    /// All of its lines.
    Whole(Loaded),
    /// Its lines, of which some are withheld: see [`crate::withheld::slots`].
    Partly(Vec<u8>),
    /// Nothing: it is withheld as a whole.
    Nothing,
}

/// An object that was read.
#[derive(Debug)]
pub struct Loaded {
    /// What it holds.
    pub content: Vec<u8>,
    /// How many bytes are stored.
    pub stored: u64,
}

/// The content of a compressed object.
pub(crate) fn unpack(
    stored: &[u8],
    digest: &Digest,
    format: Format,
    limit: u64,
    referrer: &str,
) -> Result<Vec<u8>, SealError> {
    let broken =
        |error: std::io::Error| SealError::wrong(object_path(digest, format), format!("it is not zstd: {error}"));
    let mut content = Vec::new();
    zstd::stream::read::Decoder::with_buffer(stored)
        .map_err(broken)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(broken)?;
    if content.len() as u64 > limit {
        let what = format!("its content is longer than the {limit} bytes that {referrer} allows");
        return Err(SealError::wrong(object_path(digest, format), what));
    }
    Ok(content)
}
