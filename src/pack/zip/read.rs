//! Reading: a pack in one file is a store like any other, if it is written as packs are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Take};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use evidenced_model::{Archive, ArchiveError, valid_path};

use super::{CENTRAL_LEN, END_LEN, END64_LEN, LOCAL_LEN, LOCATOR_LEN, Place, central, end, local};
use crate::PackError;

/// What can be read from anywhere: a file, or bytes in memory.
pub trait Source: Read + io::Seek + Send {}

impl<T: Read + io::Seek + Send> Source for T {}

/// A pack in one file, as an archive. Memory holds the directory; names and places in it were checked.
pub struct Zip {
    file: Arc<Mutex<Box<dyn Source>>>,
    location: String,
    places: BTreeMap<String, Place>,
}

impl Zip {
    /// Opens a file and checks its directory.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let location = path.display().to_string();
        let file =
            File::open(path).map_err(|error| PackError::Zip { path: location.clone(), what: error.to_string() })?;
        Self::new(Box::new(file), location)
    }

    /// Checks the directory of a zip file; `location` is for messages.
    pub fn new(mut file: Box<dyn Source>, location: String) -> Result<Self, PackError> {
        match directory(&mut *file) {
            Ok(places) => Ok(Self { file: Arc::new(Mutex::new(file)), location, places }),
            Err(error) => Err(PackError::Zip { path: location, what: error.to_string() }),
        }
    }

    /// The names of its files, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }
}

impl Archive for Zip {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        let Some((name, place)) = self.places.get_key_value(path) else { return Ok(None) };
        let mut reader = Part { file: Arc::clone(&self.file), at: place.offset }
            .take(LOCAL_LEN + name.len() as u64 + u64::from(place.size));
        let io = |reason: String| ArchiveError::Io { path: path.to_owned(), reason };
        let mut header = vec![0; local(place, name).len() + name.len()];
        reader.read_exact(&mut header).map_err(|error| io(error.to_string()))?;
        if header != [&local(place, name), name.as_bytes()].concat() {
            return Err(io("its own header says something else than the directory".to_owned()));
        }
        Ok(Some(Box::new(reader)))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        Ok(crate::names::list(&self.places, folder))
    }

    fn location(&self) -> String {
        self.location.clone()
    }
}

/// Reads on from a place in a file that others read too.
struct Part {
    file: Arc<Mutex<Box<dyn Source>>>,
    at: u64,
}

impl Part {
    fn take(self, limit: u64) -> Take<Self> {
        Read::take(self, limit)
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The entries of a zip file that is written exactly as ours are.
fn directory(file: &mut dyn Source) -> io::Result<BTreeMap<String, Place>> {
    let length = file.seek(SeekFrom::End(0))?;
    let (count, size, offset) = find_directory(file, length)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut reader = BufReader::new(file.take(size));
    let mut places = BTreeMap::new();
    let mut last: Option<String> = None;
    for _ in 0..count {
        let (name, place) = entry(&mut reader)?;
        if last.as_ref().is_some_and(|last| *last >= name) {
            return Err(wrong(format!("{name:?} is there twice, or not in order")));
        }
        last = Some(name.clone());
        places.insert(name, place);
    }
    if reader.read(&mut [0])? != 0 {
        return Err(wrong("its directory holds more than it says"));
    }
    check_places(&places, offset)?;
    Ok(places)
}

/// How many entries there are, and where their headers are, in bytes and from where.
fn find_directory(file: &mut dyn Source, length: u64) -> io::Result<(u64, u64, u64)> {
    let not_ours = || wrong("it is not a zip file as packs are: it does not end as one");
    let most = END_LEN + LOCATOR_LEN + END64_LEN;
    let tail_length = length.min(most);
    file.seek(SeekFrom::Start(length - tail_length))?;
    let mut tail = vec![0; usize::try_from(tail_length).unwrap_or_default()];
    file.read_exact(&mut tail)?;
    let small = tail.len().checked_sub(22).ok_or_else(not_ours)?;
    let last = &tail[small..];
    let mut found = (u64::from(u16_at(last, 10)), u64::from(u32_at(last, 12)), u64::from(u32_at(last, 16)));
    let large = found.0 == u64::from(u16::MAX) || [found.1, found.2].contains(&u64::from(u32::MAX));
    if large {
        if tail_length < most {
            return Err(not_ours());
        }
        found = (u64_at(&tail, 32), u64_at(&tail, 40), u64_at(&tail, 48));
    }
    let (count, size, offset) = found;
    let expected = end(count, size, offset);
    let fits = offset.checked_add(size).and_then(|end| end.checked_add(expected.len() as u64)) == Some(length);
    if !fits || !tail.ends_with(&expected) || count > size / CENTRAL_LEN as u64 {
        return Err(not_ours());
    }
    Ok(found)
}

/// The next entry of the directory.
pub(super) fn entry(reader: &mut dyn Read) -> io::Result<(String, Place)> {
    let mut header = [0; CENTRAL_LEN];
    reader.read_exact(&mut header)?;
    let mut name = vec![0; usize::from(u16_at(&header, 28))];
    reader.read_exact(&mut name)?;
    let mut extra = vec![0; usize::from(u16_at(&header, 30))];
    reader.read_exact(&mut extra)?;
    let name = String::from_utf8(name).ok().filter(|name| valid_path(name));
    let name = name.ok_or_else(|| wrong("it holds a file whose name no pack has: it could lead out of the folder"))?;
    let small = u32_at(&header, 42);
    let offset = if small == u32::MAX && extra.len() == 12 { u64_at(&extra, 4) } else { u64::from(small) };
    let place = Place { crc: u32_at(&header, 16), offset, size: u32_at(&header, 20) };
    if central(&place, &name) != [&header[..], name.as_bytes(), &extra].concat() {
        let what = "is not stored as packs store files (compressed, encrypted, a link, or with extras)";
        return Err(wrong(format!("{name:?} {what}")));
    }
    Ok((name, place))
}

/// Entries stand one behind the other, from the beginning to the directory, and no file is also a folder.
fn check_places(places: &BTreeMap<String, Place>, directory: u64) -> io::Result<()> {
    let mut by_offset: Vec<(&String, &Place)> = places.iter().collect();
    by_offset.sort_by_key(|(_, place)| place.offset);
    let mut at = 0;
    for (name, place) in by_offset {
        if place.offset != at {
            return Err(wrong(format!("{name:?} overlaps another file, or something stands before it")));
        }
        at += LOCAL_LEN + name.len() as u64 + u64::from(place.size);
    }
    if at != directory {
        return Err(wrong("something stands between its last file and its directory"));
    }
    for name in places.keys() {
        let mut folders = name.match_indices('/').map(|(slash, _)| &name[..slash]);
        if let Some(folder) = folders.find(|folder| places.contains_key(*folder)) {
            return Err(wrong(format!("{folder:?} is a file and a folder")));
        }
    }
    Ok(())
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(part(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(part(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(part(bytes, at))
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
