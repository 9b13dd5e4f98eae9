//! The spill file: records of sorted runs, one after another.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use evidenced_model::Digest;

use crate::SealError;

/// SHA-256(id), then the lengths of id and line.
pub(super) const HEADER: usize = 32 + 4 + 4;

/// The one file behind all groups.
pub(super) struct Spill {
    folder: PathBuf,
    file: Option<File>,
    end: u64,
    /// How much memory reading back may take.
    pub(super) share: usize,
}

impl Spill {
    /// A file in this folder, made when it is needed. A folder that cannot be used is told now, not when the
    /// memory is full.
    pub(super) fn new(folder: &Path, share: usize) -> Result<Self, SealError> {
        let spill = Self { folder: folder.to_owned(), file: None, end: 0, share };
        drop(tempfile::tempfile_in(folder).map_err(|error| spill.failed(&error))?);
        Ok(spill)
    }

    /// Appends records that are in order; gives where they stand.
    pub(super) fn append<'a>(&mut self, records: impl Iterator<Item = &'a [u8]>) -> Result<(u64, u64), SealError> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.folder).map_err(|error| self.failed(&error))?);
        }
        let start = self.end;
        let written = self.file.as_ref().map_or(Ok(0), |file| {
            let mut out = BufWriter::with_capacity(64 * 1024, file);
            out.seek(SeekFrom::Start(start))?;
            let mut written = 0;
            for record in records {
                out.write_all(record)?;
                written += record.len() as u64;
            }
            out.flush()?;
            Ok(written)
        });
        self.end += written.map_err(|error: std::io::Error| self.failed(&error))?;
        Ok((start, self.end))
    }

    pub(super) fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), SealError> {
        let Some(mut file) = self.file.as_ref() else { return Ok(()) };
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(into)).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> SealError {
        SealError::Spool { folder: self.folder.display().to_string(), reason: error.to_string() }
    }
}

/// A record with its header, of which the header gives the length.
pub(super) fn record_bytes(bytes: &[u8]) -> &[u8] {
    &bytes[..record_len(bytes)]
}

pub(super) fn record_len(header: &[u8]) -> usize {
    let (id, line) = lengths(header);
    HEADER + id + line
}

pub(super) fn lengths(header: &[u8]) -> (usize, usize) {
    let at = |start: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&header[start..start + 4]);
        u32::from_le_bytes(bytes) as usize
    };
    (at(32), at(36))
}

/// SHA-256(id).
pub(super) fn hash_of(bytes: &[u8]) -> Digest {
    let mut hash = [0; 32];
    hash.copy_from_slice(&bytes[..32]);
    Digest::from_bytes(hash)
}
