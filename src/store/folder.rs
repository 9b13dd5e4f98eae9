//! A folder on a disk: files are read-only once written, and appear under their name only as a whole.
//!
//! Objects wait under a temporary name and get their own names in batches, after one flush of the disk for
//! all of them; any other file is flushed by itself, after all objects before it. So a name never holds
//! anything but its whole bytes, also after a power failure. A folder is no WORM: whoever owns it can
//! change it, which verification then shows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use evidenced_model::manifest::LockMode;
use evidenced_model::{Archive, ArchiveError, Put, Sink, SinkError};
use percent_encoding::percent_decode_str;
use tempfile::TempPath;

use crate::{Lock, Probe, Store, StoreError, valid_path};

/// So many objects, or [`BATCH_BYTES`], wait for one flush.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 32 << 20;

/// A store in a folder. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Folder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    waiting: Mutex<Waiting>,
}

/// Objects that are written and do not have their names yet.
#[derive(Debug, Default)]
struct Waiting {
    files: BTreeMap<String, TempPath>,
    bytes: usize,
}

impl Folder {
    /// Opens a folder that is there: `file:///path`, or a plain path.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let root = folder_of(url)?;
        match std::fs::metadata(&root) {
            Ok(metadata) if metadata.is_dir() => Ok(Self::at(&root)),
            Ok(_) => Err(StoreError::Unusable { path: root.display().to_string(), reason: "it is a file".to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(StoreError::Missing { path: root.display().to_string() })
            }
            Err(error) => Err(StoreError::Unusable { path: root.display().to_string(), reason: error.to_string() }),
        }
    }

    /// Opens a folder for writing, and makes it if need be.
    pub fn create(url: &str) -> Result<Self, StoreError> {
        let root = folder_of(url)?;
        let unusable = |error: std::io::Error| StoreError::Unusable {
            path: root.display().to_string(),
            reason: error.to_string(),
        };
        std::fs::create_dir_all(&root).map_err(unusable)?;
        // That it cannot be written to is told now, not at the end of a run.
        drop(tempfile::tempfile_in(&root).map_err(unusable)?);
        Ok(Self::at(&root))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0.root
    }

    /// Writes a file that is not there yet: see [`Store::put`].
    pub fn put_bytes(&self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        let store = &*self.0;
        let file = store.place(path).map_err(|reason| SinkError::Refused { path: path.to_owned(), reason })?;
        let mut waiting = store.waiting();
        let there = waiting.files.get(path).map_or(file.as_path(), |temporary| temporary);
        if let Some(put) = compare(there, bytes, path)? {
            return Ok(put);
        }
        let failed = |error: std::io::Error| away(path, &error);
        let folder = file.parent().unwrap_or(&store.root);
        store.make_folders(folder).map_err(failed)?;
        let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(failed)?;
        temporary.write_all(bytes).map_err(failed)?;
        read_only(temporary.as_file()).map_err(failed)?;
        if !path.starts_with("v1/objects/") {
            store.name_all(&mut waiting)?;
            temporary.as_file().sync_all().map_err(failed)?;
            let put = name(temporary.into_temp_path(), &file, path)?;
            sync_folder(folder).map_err(failed)?;
            return Ok(put);
        }
        waiting.bytes += bytes.len();
        waiting.files.insert(path.to_owned(), temporary.into_temp_path());
        if waiting.files.len() >= BATCH || waiting.bytes >= BATCH_BYTES {
            store.name_all(&mut waiting)?;
        }
        Ok(Put::Written)
    }

    /// Copies a file that is not there yet, a piece at a time: see [`Store::put_file`].
    pub fn put_copy(&self, path: &str, from: &Path) -> Result<Put, SinkError> {
        let store = &*self.0;
        let place = store.place(path).map_err(|reason| SinkError::Refused { path: path.to_owned(), reason })?;
        let failed = |error: std::io::Error| away(path, &error);
        store.flush()?;
        if place.exists() {
            return if same(&place, from).map_err(failed)? {
                Ok(Put::AlreadyThere)
            } else {
                Err(SinkError::Exists { path: path.to_owned() })
            };
        }
        let folder = place.parent().unwrap_or(&store.root);
        store.make_folders(folder).map_err(failed)?;
        let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(failed)?;
        std::io::copy(&mut File::open(from).map_err(failed)?, temporary.as_file_mut()).map_err(failed)?;
        read_only(temporary.as_file()).map_err(failed)?;
        temporary.as_file().sync_all().map_err(failed)?;
        let put = name(temporary.into_temp_path(), &place, path)?;
        sync_folder(folder).map_err(failed)?;
        Ok(put)
    }

    /// Gives all objects that wait their names, durably.
    pub fn flush(&self) -> Result<(), SinkError> {
        self.0.flush()
    }

    fn at(root: &Path) -> Self {
        Self(Arc::new(Shared { root: root.to_owned(), waiting: Mutex::default() }))
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) -> Result<(), SinkError> {
        self.name_all(&mut self.waiting())
    }

    fn name_all(&self, waiting: &mut Waiting) -> Result<(), SinkError> {
        if waiting.files.is_empty() {
            return Ok(());
        }
        flush_disk(&self.root, waiting.files.values()).map_err(|error| away("v1/objects", &error))?;
        waiting.bytes = 0;
        let mut folders = std::collections::BTreeSet::new();
        while let Some((path, temporary)) = waiting.files.pop_first() {
            let file = self.root.join(&path);
            name(temporary, &file, &path)?;
            folders.extend(file.parent().map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| sync_folder(folder)).map_err(|error| away("v1/objects", &error))
    }

    /// Makes the folders on the way to a file, durably.
    fn make_folders(&self, folder: &Path) -> std::io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(&self.root);
        if folder != self.root {
            self.make_folders(parent)?;
        }
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            made => made.and_then(|()| sync_folder(parent)),
        }
    }

    /// Where a file of this name stands, if nothing on the way to it leads out of the folder.
    fn place(&self, path: &str) -> Result<PathBuf, String> {
        if !valid_path(path) {
            return Err("that is not a name of a stored file".to_owned());
        }
        let mut place = self.root.clone();
        for word in path.split('/') {
            place.push(word);
            match std::fs::symlink_metadata(&place) {
                Ok(metadata) if metadata.is_symlink() => {
                    return Err(format!("{} is a symbolic link, which is not followed", place.display()));
                }
                Err(error) if !absent(&error) => return Err(error.to_string()),
                _ => {}
            }
        }
        Ok(place)
    }
}

impl Archive for Folder {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        let io = |reason: String| ArchiveError::Io { path: path.to_owned(), reason };
        self.flush().map_err(|error| io(error.to_string()))?;
        let file = self.0.place(path).map_err(io)?;
        match File::open(&file) {
            Ok(file) => match file.metadata() {
                Ok(metadata) if metadata.is_file() => Ok(Some(Box::new(file))),
                Ok(_) => Err(io("it is not a file".to_owned())),
                Err(error) => Err(io(error.to_string())),
            },
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(io(error.to_string())),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        let io = |reason: String| ArchiveError::Io { path: folder.to_owned(), reason };
        self.flush().map_err(|error| io(error.to_string()))?;
        let trimmed = folder.trim_end_matches('/');
        let place = if trimmed.is_empty() { self.0.root.clone() } else { self.0.place(trimmed).map_err(io)? };
        let entries = match std::fs::read_dir(place) {
            Ok(entries) => entries,
            Err(error) if absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(io(error.to_string())),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| io(error.to_string()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let is_folder = entry.file_type().map_err(|error| io(error.to_string()))?.is_dir();
            names.push(if is_folder { format!("{name}/") } else { name });
        }
        names.sort();
        Ok(names)
    }

    fn location(&self) -> String {
        self.0.root.display().to_string()
    }
}

impl Sink for Folder {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        self.put_bytes(path, bytes)
    }
}

#[async_trait]
impl Store for Folder {
    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<Put, SinkError> {
        let (folder, path) = (self.clone(), path.to_owned());
        let task = tokio::task::spawn_blocking(move || folder.put_bytes(&path, &bytes));
        match task.await {
            Ok(put) => put,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(SinkError::Away { path: self.location(), reason: error.to_string() }),
        }
    }

    async fn put_file(&self, path: &str, file: &Path) -> Result<Put, SinkError> {
        let (folder, path, file) = (self.clone(), path.to_owned(), file.to_owned());
        let task = tokio::task::spawn_blocking(move || folder.put_copy(&path, &file));
        match task.await {
            Ok(put) => put,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(SinkError::Away { path: self.location(), reason: error.to_string() }),
        }
    }

    fn archive(&self) -> Arc<dyn Archive> {
        Arc::new(self.clone())
    }

    async fn lock(&self) -> Result<Lock, SinkError> {
        Ok(Lock { days: None, mode: LockMode::None, store: "folder" })
    }

    async fn renew(&self, _path: &str) -> Result<(), SinkError> {
        Ok(())
    }

    async fn probe(&self, name: &str) -> Result<Probe, SinkError> {
        let path = format!("doctor/{name}");
        self.put(&path, b"one".to_vec()).await?;
        let overwrite_refused = matches!(self.put(&path, b"two".to_vec()).await, Err(SinkError::Exists { .. }));
        Ok(Probe { path, overwrite_refused, delete_refused: false, locked_until: None, mode: LockMode::None })
    }
}

impl Drop for Shared {
    /// Objects that nobody waited for get their names, if they can.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// Whether a URL names a folder.
pub(crate) fn check_url(url: &str) -> Result<(), StoreError> {
    folder_of(url).map(|_| ())
}

/// Files that do not have their name yet.
const TEMPORARY: &str = ".new-";

/// `file:///path` or a plain path.
fn folder_of(url: &str) -> Result<PathBuf, StoreError> {
    let wrong = |what: &str| StoreError::Url { url: url.to_owned(), what: what.to_owned() };
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.is_empty() { Err(wrong("it is empty; give a path")) } else { Ok(PathBuf::from(url)) };
    };
    if scheme != "file" {
        return Err(wrong("a folder is file:///path, or a plain path"));
    }
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(wrong("a file URL has three slashes: file:///path"));
    }
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| wrong("its path is not UTF-8"))?;
    Ok(PathBuf::from(decoded.into_owned()))
}

/// Whether two files hold the same bytes.
fn same(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    loop {
        let (a, b) = (one.fill_buf()?, other.fill_buf()?);
        let count = a.len().min(b.len());
        if count == 0 || a[..count] != b[..count] {
            return Ok(a.is_empty() && b.is_empty());
        }
        one.consume(count);
        other.consume(count);
    }
}

/// What a write of these bytes comes to if the file is there; `None` if it is not.
fn compare(file: &Path, bytes: &[u8], path: &str) -> Result<Option<Put>, SinkError> {
    let mut there = match File::open(file) {
        Ok(there) => there,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(away(path, &error)),
    };
    let mut buffer = vec![0; 64 * 1024];
    let mut rest = bytes;
    loop {
        let count = there.read(&mut buffer).map_err(|error| away(path, &error))?;
        if count == 0 && rest.is_empty() {
            return Ok(Some(Put::AlreadyThere));
        }
        match rest.strip_prefix(&buffer[..count]) {
            Some(after) if count > 0 => rest = after,
            _ => return Err(SinkError::Exists { path: path.to_owned() }),
        }
    }
}

/// Gives a file its name, unless there is one of that name.
fn name(temporary: TempPath, file: &Path, path: &str) -> Result<Put, SinkError> {
    let Err(refused) = temporary.persist_noclobber(file) else { return Ok(Put::Written) };
    let bytes = std::fs::read(&refused.path).map_err(|error| away(path, &error))?;
    compare(file, &bytes, path)?.ok_or_else(|| away(path, &refused.error))
}

/// Whether a file is not there, perhaps because a file stands where a folder would be.
fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn away(path: &str, error: &std::io::Error) -> SinkError {
    SinkError::Away { path: path.to_owned(), reason: error.to_string() }
}

fn read_only(file: &File) -> std::io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    #[cfg(unix)]
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o444);
    #[cfg(not(unix))]
    permissions.set_readonly(true);
    file.set_permissions(permissions)
}

#[cfg(target_os = "linux")]
fn flush_disk<'a>(root: &Path, _files: impl Iterator<Item = &'a TempPath>) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

#[cfg(not(target_os = "linux"))]
fn flush_disk<'a>(_root: &Path, files: impl Iterator<Item = &'a TempPath>) -> std::io::Result<()> {
    files.map(File::open).try_for_each(|file| file?.sync_all())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::create(temporary.path().join("evidence").to_str().unwrap()).unwrap();
        (temporary, folder)
    }

    #[tokio::test]
    async fn a_folder_is_a_store() {
        let (_temporary, folder) = folder();
        crate::conformance::suite(&folder).await;
    }

    #[test]
    fn objects_get_their_names_before_anything_that_refers_to_them() {
        let (_temporary, folder) = folder();
        let object = folder.path().join("v1/objects/ab/x.bin");
        folder.put_bytes("v1/objects/ab/x.bin", b"x").unwrap();
        assert!(!object.exists(), "it waits");
        folder.put_bytes("v1/runs/x.json", b"x").unwrap();
        assert!(object.exists());
    }

    #[test]
    fn objects_get_their_names_at_the_end_at_the_latest() {
        let (_temporary, folder) = folder();
        let object = folder.path().join("v1/objects/ab/x.bin");
        folder.put_bytes("v1/objects/ab/x.bin", b"x").unwrap();
        drop(folder);
        assert!(object.exists());
    }

    #[test]
    fn a_batch_is_named_when_it_is_full() {
        let (_temporary, folder) = folder();
        for index in 0..BATCH {
            folder.put_bytes(&format!("v1/objects/ab/{index}.bin"), b"x").unwrap();
        }
        assert!(folder.path().join("v1/objects/ab/0.bin").exists());
    }

    #[cfg(unix)]
    #[test]
    fn files_are_read_only_and_links_are_not_followed() {
        use std::os::unix::fs::PermissionsExt as _;
        let (temporary, folder) = folder();
        for path in ["v1/objects/ab/x.bin", "v1/log/a/0.json"] {
            folder.put_bytes(path, b"x").unwrap();
            folder.flush().unwrap();
            let mode = std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o444, "{path}");
        }
        std::fs::write(temporary.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(temporary.path(), folder.path().join("v1/out")).unwrap();
        std::os::unix::fs::symlink(temporary.path().join("secret"), folder.path().join("v1/link")).unwrap();
        for path in ["v1/out/secret", "v1/link"] {
            let refused = folder.put_bytes(path, b"x").unwrap_err();
            assert!(refused.to_string().contains("symbolic link"), "{refused}");
            assert!(Archive::open(&folder, path).is_err());
        }
        assert!(folder.list("v1/out").is_err());
    }

    #[test]
    fn a_folder_is_named_by_path_or_url() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("with space");
        let url = format!("file://{}", path.to_str().unwrap().replace(' ', "%20"));
        assert_eq!(Folder::open(&url).unwrap_err(), StoreError::Missing { path: path.display().to_string() });
        assert_eq!(Folder::create(&url).unwrap().path(), path);
        assert_eq!(Folder::open(path.to_str().unwrap()).unwrap().path(), path);
        for wrong in ["", "s3://bucket", "file://relative"] {
            assert!(matches!(Folder::create(wrong), Err(StoreError::Url { .. })), "{wrong}");
        }
        let file = temporary.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Folder::open(file.to_str().unwrap()), Err(StoreError::Unusable { .. })));
        assert!(matches!(Folder::create(file.to_str().unwrap()), Err(StoreError::Unusable { .. })));
    }
}
