//! The state folder: one lock, the redaction key, and the spool.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::clock::fill_random;
use crate::config::Loaded;
use crate::exit::{Ended, Exit};

/// The state folder of one agent, held by one process at a time.
pub(crate) struct State {
    root: PathBuf,
    _lock: File,
}

impl State {
    /// Opens the folder and locks it: a second process with the same state waits for nobody and says so.
    pub(crate) fn open(loaded: &Loaded) -> Result<Self, Ended> {
        let root = loaded.config.agent.state_dir.clone();
        let wrong = |what: &str, error: std::io::Error| {
            let message = format!("{} {what}: {error}; name a folder that this user can write", root.display());
            loaded.wrong(&["agent", "state_dir"], &message)
        };
        std::fs::create_dir_all(&root).map_err(|error| wrong("cannot be made", error))?;
        let path = root.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| wrong("cannot be written", error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root, _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => {
                let message = format!(
                    "another evidenced works in {}; wait for it, or give this one a state_dir of its own",
                    root.display()
                );
                Err(Ended::new(Exit::Usage, message))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(wrong("cannot be locked", error)),
        }
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps a small file whole, over what was there.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let (path, new) = (self.root.join(name), self.root.join(format!("{name}.new")));
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(&self.root)?.sync_all()
    }

    /// The key that keeps digests of redacted values comparable between runs; made on first use.
    pub(crate) fn redaction_key(&self) -> Result<[u8; 32], Ended> {
        let path = self.root.join("redaction.key");
        let failed = |error: std::io::Error| {
            Ended::new(Exit::Usage, format!("{} cannot be used: {error}; see agent.state_dir", path.display()))
        };
        if let Ok(bytes) = std::fs::read(&path)
            && let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice())
        {
            return Ok(key);
        }
        let mut key = [0; 32];
        fill_random(&mut key);
        let mut file = private(&path).map_err(failed)?;
        file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(key)
    }
}

#[cfg(unix)]
fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)
}
