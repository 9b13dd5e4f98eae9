//! Writing many files beside each other: one request each, in any order, within a bound of memory.

use std::fmt;
use std::io;
use std::path::PathBuf;

use evidenced_model::{Put, SinkError};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::Store;

/// How much is under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files.
    pub files: usize,
    /// Bytes of files that are held in memory; a file that is larger goes alone.
    pub bytes: u64,
}

impl Default for Limits {
    /// 32 files, 32 MiB: with what an SDK holds of each, well within 64 MiB.
    fn default() -> Self {
        Self { files: 32, bytes: 32 << 20 }
    }
}

/// A file that is to be written. Its bytes are fetched when it is its turn.
pub struct Upload {
    path: String,
    size: u64,
    source: Box<dyn FnOnce() -> io::Result<Vec<u8>> + Send>,
}

impl Upload {
    /// A file of so many bytes, from wherever they come; `source` may block.
    pub fn new(
        path: impl Into<String>,
        size: u64,
        source: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
    ) -> Self {
        Self { path: path.into(), size, source: Box::new(source) }
    }

    /// A file from a file on disk.
    pub fn file(path: impl Into<String>, file: impl Into<PathBuf>) -> io::Result<Self> {
        let file = file.into();
        let size = std::fs::metadata(&file)?.len();
        Ok(Self::new(path, size, move || std::fs::read(file)))
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("path", &self.path).field("size", &self.size).finish_non_exhaustive()
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// New files.
    pub written: u64,
    /// Files that were there already.
    pub already_there: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Writes files, many at once and in no order; `done` is told of each that is in the store. After the first failure
/// no other file is begun, those under way are waited for, and that failure is returned: writing again is harmless.
pub async fn put_all(
    store: &dyn Store,
    files: impl IntoIterator<Item = Upload>,
    limits: Limits,
    done: &mut (dyn FnMut(&str, Put) + Send),
) -> Result<Uploaded, SinkError> {
    let mut files = files.into_iter();
    let mut next = files.next();
    let mut under_way = FuturesUnordered::new();
    let (mut uploaded, mut held, mut failed) = (Uploaded::default(), 0, None);
    loop {
        let fits = |file: &Upload| {
            under_way.len() < limits.files.max(1) && (under_way.is_empty() || held + file.size <= limits.bytes)
        };
        if let Some(file) = next.take_if(|file| failed.is_none() && fits(file)) {
            held += file.size;
            under_way.push(put(store, file));
            next = files.next();
            continue;
        }
        let Some((path, size, put)) = under_way.next().await else { break };
        held -= size;
        match put {
            Ok(put) => {
                uploaded.bytes += size;
                match put {
                    Put::Written => uploaded.written += 1,
                    Put::AlreadyThere => uploaded.already_there += 1,
                }
                done(&path, put);
            }
            Err(error) => drop(failed.get_or_insert(error)),
        }
    }
    failed.map_or(Ok(uploaded), Err)
}

async fn put(store: &dyn Store, file: Upload) -> (String, u64, Result<Put, SinkError>) {
    let Upload { path, size, source } = file;
    let bytes = match tokio::task::spawn_blocking(source).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(io::Error::other(error)),
    };
    let put = match bytes {
        Ok(bytes) => store.put(&path, bytes).await,
        Err(error) => Err(SinkError::Away { path: path.clone(), reason: format!("its bytes cannot be read: {error}") }),
    };
    (path, size, put)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;
    use evidenced_model::Archive;

    use super::*;
    use crate::{Lock, Probe};

    /// Counts what it is given at once; holds nothing; fails at a file of this name.
    #[derive(Default)]
    struct Counting {
        now: AtomicU64,
        most: AtomicU64,
        bytes: AtomicU64,
        most_bytes: AtomicU64,
        total: AtomicU64,
    }

    #[async_trait]
    impl Store for Counting {
        async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<Put, SinkError> {
            let size = bytes.len() as u64;
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            self.most_bytes.fetch_max(self.bytes.fetch_add(size, Ordering::SeqCst) + size, Ordering::SeqCst);
            self.total.fetch_add(1, Ordering::SeqCst);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            self.bytes.fetch_sub(size, Ordering::SeqCst);
            self.now.fetch_sub(1, Ordering::SeqCst);
            match path {
                "broken" => Err(SinkError::Away { path: path.into(), reason: "503".into() }),
                _ => Ok(Put::Written),
            }
        }

        fn archive(&self) -> Arc<dyn Archive> {
            Arc::new(evidenced_model::Memory::default())
        }

        async fn lock(&self) -> Result<Lock, SinkError> {
            unreachable!("it is not asked")
        }

        async fn renew(&self, _: &str) -> Result<(), SinkError> {
            unreachable!("it is not asked")
        }

        async fn probe(&self, _: &str) -> Result<Probe, SinkError> {
            unreachable!("it is not asked")
        }
    }

    fn files(count: u64, size: u64) -> impl Iterator<Item = Upload> {
        (0..count).map(move |number| Upload::new(format!("v1/{number}"), size, move || Ok(vec![0; 1000])))
    }

    #[tokio::test]
    async fn many_go_at_once_and_no_more_than_was_allowed() {
        let store = Counting::default();
        let mut names = Vec::new();
        let limits = Limits { files: 8, bytes: 1 << 20 };
        let uploaded = put_all(&store, files(100, 1000), limits, &mut |path, _| names.push(path.to_owned())).await;
        assert_eq!(uploaded, Ok(Uploaded { written: 100, already_there: 0, bytes: 100_000 }));
        assert_eq!((names.len(), store.most.into_inner()), (100, 8));

        let store = Counting::default();
        let limits = Limits { files: 50, bytes: 3000 };
        put_all(&store, files(20, 1000), limits, &mut |_, _| ()).await.unwrap();
        assert!(store.most_bytes.into_inner() <= 3000);

        let store = Counting::default();
        let larger_than_all = files(3, 1 << 40);
        put_all(&store, larger_than_all, limits, &mut |_, _| ()).await.unwrap();
        assert_eq!(store.most.into_inner(), 1, "what is too large goes alone");
    }

    #[tokio::test]
    async fn a_failure_begins_nothing_more_and_is_told() {
        let store = Counting::default();
        let broken = Upload::new("broken", 1, || Ok(vec![0]));
        let unread = Upload::new("v1/gone", 1, || Err(io::Error::other("gone")));
        let limits = Limits { files: 2, bytes: 1 << 20 };
        let all = files(3, 1).chain([broken]).chain(files(1000, 1));
        let error = put_all(&store, all, limits, &mut |_, _| ()).await.unwrap_err();
        assert!(matches!(error, SinkError::Away { path, .. } if path == "broken"));
        assert!(store.total.into_inner() < 10);
        let error = put_all(&Counting::default(), [unread], limits, &mut |_, _| ()).await.unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
