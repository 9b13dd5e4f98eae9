//! Files that are on the disk when a function returns.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::places::{place, torn};

/// Up to so many files are flushed one by one; more of them together, with everything else on their disk.
const ONE_BY_ONE: usize = 24;

/// Writes a new file, and does not flush it. A file that is there already is an error.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(bytes)
}

/// Writes a file whole, durably, over what was there.
pub(crate) fn replace(path: &Path, bytes: &[u8], name: &'static str) -> std::io::Result<()> {
    place(name)?;
    let temporary = beside(path);
    let mut file = File::create(&temporary)?;
    torn(name, &mut file, bytes)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Writes a file whole, and leaves it to the system when: for what can be found out again.
pub(crate) fn note(path: &Path, bytes: &[u8]) {
    let temporary = beside(path);
    let noted = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = noted {
        tracing::debug!(path = %path.display(), %error, "a note could not be kept; it will be found out again");
    }
}

fn beside(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

/// Flushes a folder: the names in it.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Flushes the name of a file.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Flushes every file of a folder, then their names.
pub(crate) fn sync_files(folder: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        if files.len() > ONE_BY_ONE {
            break;
        }
        files.push(entry?.path());
    }
    if files.len() > ONE_BY_ONE {
        flush_all(folder)?;
    } else {
        files.iter().try_for_each(|path| File::open(path)?.sync_all())?;
    }
    sync_folder(folder)
}

#[cfg(target_os = "linux")]
fn flush_all(folder: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn flush_all(folder: &Path) -> std::io::Result<()> {
    std::fs::read_dir(folder)?.try_for_each(|entry| File::open(entry?.path())?.sync_all())
}

/// Bytes that are free for us on a folder's disk.
pub(crate) fn free(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Removes a folder and all in it, if it is there.
pub(crate) fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The bytes of all files below a folder.
pub(crate) fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
