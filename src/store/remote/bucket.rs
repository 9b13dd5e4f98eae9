//! A store in a cloud's object store: create-only, tried again while it is away, read from the oldest version.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use evidenced_model::{Archive, ArchiveError, Clock, Put, Remark, SinkError};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::history::{Histories, History};
use super::prove::days_from;
use super::read::Reader;
use super::retry::{patience, retry};
use super::runtime::Runtime;
use super::{Got, Hold, Remote, Shown, Trouble};
use crate::{Lock, Options, Probe, Retention, Store, StoreError, valid_path};

/// A store in a bucket or container, below a prefix. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Bucket(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    histories: Histories,
    location: String,
    /// Empty, or with a slash at the end.
    prefix: String,
    /// The bucket was asked, and can lock.
    pub(super) lockable: OnceCell<()>,
    /// A file was written and seen to be locked.
    pub(super) proved: OnceCell<()>,
    pub(super) remote: Arc<dyn Remote>,
    pub(super) retention: Option<Retention>,
    runtime: Runtime,
    timeout: Duration,
}

impl Bucket {
    /// A store below a prefix of a bucket. Asks the bucket nothing yet.
    pub(crate) fn new(
        location: String,
        prefix: &str,
        options: &Options,
        remote: Arc<dyn Remote>,
    ) -> Result<Self, StoreError> {
        let runtime = Runtime::start()
            .map_err(|error| StoreError::Unusable { path: location.clone(), reason: error.to_string() })?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self(Arc::new(Shared {
            clock: Arc::clone(&options.clock),
            histories: Histories::default(),
            location,
            prefix,
            lockable: OnceCell::new(),
            proved: OnceCell::new(),
            remote,
            retention: options.retention,
            runtime,
            timeout: options.timeout,
        })))
    }

    /// Does something on the store's own threads.
    async fn on_runtime<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Shared>) -> F,
    ) -> T {
        self.0.runtime.run(work(Arc::clone(&self.0))).await
    }

    fn wait<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Shared>) -> F,
    ) -> T {
        self.0.runtime.wait(work(Arc::clone(&self.0)))
    }
}

#[async_trait]
impl Store for Bucket {
    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<Put, SinkError> {
        let path = path.to_owned();
        self.on_runtime(|shared| async move { shared.put(&path, bytes.into()).await }).await
    }

    fn archive(&self) -> Arc<dyn Archive> {
        Arc::new(self.clone())
    }

    async fn lock(&self) -> Result<Lock, SinkError> {
        self.on_runtime(|shared| async move { shared.lock().await }).await
    }

    async fn renew(&self, path: &str) -> Result<(), SinkError> {
        let path = path.to_owned();
        self.on_runtime(|shared| async move { shared.renew(&path).await }).await
    }

    async fn probe(&self, name: &str) -> Result<Probe, SinkError> {
        let path = format!("doctor/{name}");
        self.on_runtime(|shared| async move { shared.probe(path).await }).await
    }
}

impl Archive for Bucket {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        let path = path.to_owned();
        let reader = self.wait(|shared| async move {
            let opened = shared.open(&path).await;
            opened.map_err(|trouble| unread(&path, trouble))
        })?;
        Ok(reader.map(|reader| Box::new(reader) as Box<dyn Read + Send>))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        let folder = folder.trim_end_matches('/').to_owned();
        self.wait(|shared| async move {
            let listed = shared.list(&folder).await;
            listed.map_err(|trouble| unread(&folder, trouble))
        })
    }

    fn location(&self) -> String {
        self.0.location.clone()
    }

    fn original(&self, path: &str, limit: u64, valid: &dyn Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>, ArchiveError> {
        let asked = path.to_owned();
        let history = self.wait(|shared| async move { shared.history(&asked).await });
        let history = history.map_err(|trouble| unread(path, trouble))?;
        let mut oldest = None;
        for version in history.versions.into_iter().take(MOST_VERSIONS) {
            let asked = path.to_owned();
            let reader = self.wait(|shared| async move { shared.open_version(&asked, version).await });
            let Some(reader) = reader.map_err(|trouble| unread(path, trouble))? else { continue };
            let mut bytes = Vec::new();
            reader.take(limit + 1).read_to_end(&mut bytes).map_err(|error| ArchiveError::reading(path, &error))?;
            if bytes.len() as u64 > limit {
                continue;
            }
            if valid(&bytes) {
                return Ok(Some(bytes));
            }
            oldest.get_or_insert(bytes);
        }
        Ok(oldest)
    }

    fn remarks(&self) -> Vec<Remark> {
        self.0.histories.remarks()
    }
}

/// So many versions of one file are looked at.
const MOST_VERSIONS: usize = 100;

impl Shared {
    /// Writes a file that is not there yet.
    pub(super) async fn put(&self, path: &str, bytes: Bytes) -> Result<Put, SinkError> {
        let key = self.key(path).map_err(|trouble| sink(path, trouble))?;
        let hold = match self.retention {
            Some(retention) => {
                self.must_lock().await.map_err(|trouble| sink(path, trouble))?;
                Some(self.hold(retention).map_err(|trouble| sink(path, trouble))?)
            }
            None => None,
        };
        let written = retry(path, patience(self.timeout, bytes.len()), || async {
            match self.remote.put(&key, bytes.clone(), hold).await {
                Ok(()) => Ok(Put::Written),
                // Perhaps by ourselves, in an attempt whose answer was lost.
                Err(Trouble::Exists) => self.compare(path, &key, &bytes).await,
                Err(trouble) => Err(trouble),
            }
        });
        let put = match written.await {
            Err(Trouble::Exists) => return Err(SinkError::Exists { path: path.to_owned() }),
            written => written.map_err(|trouble| sink(path, trouble))?,
        };
        match put {
            Put::Written => self.must_hold(&key).await.map_err(|trouble| sink(path, trouble))?,
            Put::AlreadyThere => self.hold_on(path, &key).await?,
        }
        Ok(put)
    }

    /// What a write of these bytes comes to, as there is an object of that name.
    async fn compare(&self, path: &str, key: &str, bytes: &Bytes) -> Result<Put, Trouble> {
        match self.remote.get(key, None, 0).await? {
            Got::Found(body, _) => {
                if equal(body, bytes).await? {
                    return Ok(Put::AlreadyThere);
                }
            }
            Got::Missing | Got::Hidden => return Err(Trouble::Away("somebody else is just writing it".to_owned())),
        }
        // Somebody may have written over what we had written.
        let history = self.history(path).await?;
        for version in history.versions.iter().flatten().take(MOST_VERSIONS) {
            if let Got::Found(body, _) = self.remote.get(key, Some(version), 0).await?
                && equal(body, bytes).await?
            {
                return Ok(Put::AlreadyThere);
            }
        }
        Err(Trouble::Exists)
    }

    /// Opens a file at its oldest version, as far as its versions are known.
    async fn open(self: &Arc<Self>, path: &str) -> Result<Option<Reader>, Trouble> {
        if let Some(history) = self.histories.known(path) {
            let Some(oldest) = history.versions.into_iter().next() else { return Ok(None) };
            return self.open_version(path, oldest).await;
        }
        let key = self.key(path)?;
        match retry(path, self.timeout, || self.remote.get(&key, None, 0)).await? {
            Got::Found(body, shown) => {
                self.look_at(path, shown);
                Ok(Some(self.reader(key, None, body)))
            }
            Got::Missing => Ok(None),
            Got::Hidden => match self.history(path).await?.versions.into_iter().next() {
                Some(oldest) => self.open_version(path, oldest).await,
                None => Ok(None),
            },
        }
    }

    async fn open_version(self: &Arc<Self>, path: &str, version: Option<String>) -> Result<Option<Reader>, Trouble> {
        let key = self.key(path)?;
        match retry(path, self.timeout, || self.remote.get(&key, version.as_deref(), 0)).await? {
            Got::Found(body, shown) => {
                self.look_at(path, shown);
                Ok(Some(self.reader(key, version, body)))
            }
            Got::Missing | Got::Hidden => Ok(None),
        }
    }

    fn reader(&self, key: String, version: Option<String>, body: Box<dyn super::Body>) -> Reader {
        Reader::start(&self.runtime, Arc::clone(&self.remote), key, version, self.timeout, body)
    }

    /// Remarks on a lock that is weaker than what was asked for when the file was written.
    fn look_at(&self, path: &str, shown: Shown) {
        let (Some(retention), Shown::Lock(hold, written)) = (&self.retention, shown) else { return };
        let now = self.clock.now();
        let over = |until: Timestamp| until <= now;
        match (hold, days_from(written, retention.days)) {
            // Its time is over, or would be.
            (_, Err(_)) => {}
            (_, Ok(least)) if over(least) => {}
            (Some(hold), Ok(least)) if hold.mode >= retention.mode && hold.until >= least => {}
            (Some(Hold { mode, until }), Ok(least)) => {
                let what = format!(
                    "its lock is {mode:?} until {until}, and with store.retention it would be {:?} until {least} at \
                     least: it was shortened, or written under another retention",
                    retention.mode
                );
                self.histories.remark(path, what);
            }
            (None, Ok(_)) => {
                let what = "files show no lock, though store.retention asks for one: they were written without, or this \
                            identity may not see locks";
                self.histories.remark("v1/", what.to_owned());
            }
        }
    }

    /// All versions of one file.
    pub(super) async fn history(&self, path: &str) -> Result<History, Trouble> {
        if let Some(history) = self.histories.known(path) {
            return Ok(history);
        }
        let key = self.key(path)?;
        let mut versions = Vec::new();
        let mut after: Option<String> = None;
        // Names that begin with this one follow it; those of the file itself come first.
        loop {
            let page = retry(path, self.timeout, || self.remote.list(&key, false, after.as_deref())).await?;
            let others = page.versions.iter().any(|version| version.key != key);
            versions.extend(page.versions.into_iter().filter(|version| version.key == key));
            after = page.next;
            if others || after.is_none() || versions.len() > MOST_LISTED {
                break;
            }
        }
        let history = History::of(versions).remove(&key).unwrap_or_default();
        self.histories.learn(path, history.clone());
        Ok(history)
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, Trouble> {
        let prefix = if folder.is_empty() { self.prefix.clone() } else { format!("{}/", self.key(folder)?) };
        let mut names = BTreeSet::new();
        let mut versions = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = retry(folder, self.timeout, || self.remote.list(&prefix, true, after.as_deref())).await?;
            names.extend(page.folders.iter().filter_map(|key| Some(key.strip_prefix(&prefix)?.to_owned())));
            versions.extend(page.versions);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for (key, history) in History::of(versions) {
            let Some(name) = key.strip_prefix(&prefix) else { continue };
            if !history.is_plain()
                && let Some(path) = key.strip_prefix(&self.prefix)
            {
                self.histories.learn(path, history.clone());
            }
            if !history.versions.is_empty() {
                names.insert(name.to_owned());
            }
        }
        let (ours, foreign): (Vec<String>, Vec<String>) =
            names.into_iter().partition(|name| valid_path(name.strip_suffix('/').unwrap_or(name)));
        for name in foreign.iter().filter(|name| !name.is_empty()) {
            let what = format!("it holds {name:?}, which is no name of ours and is not read");
            self.histories.remark(&format!("{folder}/"), what);
        }
        Ok(ours)
    }

    /// Where a file of this name stands.
    pub(super) fn key(&self, path: &str) -> Result<String, Trouble> {
        if !valid_path(path) {
            return Err(Trouble::Refused("that is not a name of a stored file".to_owned()));
        }
        Ok(format!("{}{path}", self.prefix))
    }

    pub(super) async fn ask<T, F: Future<Output = Result<T, Trouble>> + Send>(
        &self,
        what: &str,
        request: impl Fn() -> F + Send,
    ) -> Result<T, Trouble> {
        retry(what, self.timeout, request).await
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }
}

/// So many versions of one file are listed.
const MOST_LISTED: usize = 10_000;

/// Whether an object has exactly these bytes.
async fn equal(mut body: Box<dyn super::Body>, bytes: &Bytes) -> Result<bool, Trouble> {
    let mut rest = &bytes[..];
    while let Some(piece) = body.next().await {
        match rest.strip_prefix(&piece?[..]) {
            Some(after) => rest = after,
            None => return Ok(false),
        }
    }
    Ok(rest.is_empty())
}

/// What a read's trouble is to whoever reads.
fn unread(path: &str, trouble: Trouble) -> ArchiveError {
    let path = path.to_owned();
    match trouble {
        Trouble::Away(reason) => ArchiveError::Away { path, reason },
        trouble => ArchiveError::Io { path, reason: trouble.reason() },
    }
}

/// What a write's trouble is to whoever writes.
pub(super) fn sink(path: &str, trouble: Trouble) -> SinkError {
    let path = path.to_owned();
    match trouble {
        Trouble::Exists => SinkError::Exists { path },
        Trouble::Away(reason) => SinkError::Away { path, reason },
        trouble => SinkError::Refused { path, reason: trouble.reason() },
    }
}
