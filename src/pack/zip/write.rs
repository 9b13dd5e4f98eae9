//! Writing: entries as they come, then the directory, sorted by name.

use std::collections::BTreeMap;
use std::io::Write;

use super::{LOCAL_LEN, Place, central, end, local};
use crate::PackError;

/// Writes a zip file into a stream. Memory holds the directory.
pub(crate) struct Writer<'w> {
    out: &'w mut dyn Write,
    at: u64,
    places: BTreeMap<String, Place>,
}

impl<'w> Writer<'w> {
    pub(crate) fn new(out: &'w mut dyn Write) -> Self {
        Self { out, at: 0, places: BTreeMap::new() }
    }

    /// Adds a file; each name once.
    pub(crate) fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), PackError> {
        let too_large = || PackError::TooLarge { file: name.to_owned() };
        let size = u32::try_from(bytes.len()).ok().filter(|size| *size < u32::MAX).ok_or_else(too_large)?;
        let place = Place { crc: crc32fast::hash(bytes), offset: self.at, size };
        self.out.write_all(&local(&place, name))?;
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(bytes)?;
        self.at += LOCAL_LEN + name.len() as u64 + u64::from(size);
        self.places.insert(name.to_owned(), place);
        Ok(())
    }

    /// Writes the directory.
    pub(crate) fn finish(self) -> Result<(), PackError> {
        let mut size = 0;
        for (name, place) in &self.places {
            let header = central(place, name);
            self.out.write_all(&header)?;
            size += header.len() as u64;
        }
        self.out.write_all(&end(self.places.len() as u64, size, self.at))?;
        Ok(self.out.flush()?)
    }
}
