//! One agent with its key, its spool and a store in memory that can be made to fail.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use evidenced_model::manifest::LockMode;
use evidenced_model::{
    AgentId, Archive, ArchiveError, AttachedTo, Attachment, Clock, Digest, LogHead, Memory, Put, RunId, RunStatus,
    Sink as _, SinkError, Window,
};
use evidenced_seal::log::{Draft, EntryKind, LogStatement, entry_path};
use evidenced_seal::object::{Format, ObjectWriter, object_path};
use evidenced_seal::statement::Subject;
use evidenced_seal::write::sign_run;
use evidenced_seal::{
    Document, Log, PemSigner, Previous, PublicKeys, RunHeader, RunWriter, SealError, Signer, UnsignedRun,
};
use evidenced_spool::{Base, Pushed, Pusher, Remote, Sealing, Spool, SpoolError};
use evidenced_store::{Lock, Probe, Store};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What a store does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers.
    Nothing,
    /// 500, 503, a reset: it does not do it, and says so.
    Away,
    /// 403, 400: it will never do it.
    Refused,
    /// Does it, and the answer is lost.
    AnswerLost,
    /// Never answers.
    Hangs,
    /// Gives half of what was asked for, and says that it is all.
    Truncates,
}

/// What was asked of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Get,
    List,
    Put,
    Renew,
}

type Plan = Box<dyn FnMut(Request, &str) -> Fault + Send>;

/// A store in memory that does as it is told. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) memory: Memory,
    plan: Arc<Mutex<Plan>>,
    pub(crate) requests: Arc<Mutex<Vec<(Request, String)>>>,
}

impl Faulty {
    pub(crate) fn new() -> Self {
        Self {
            memory: Memory::default(),
            plan: Arc::new(Mutex::new(Box::new(|_, _| Fault::Nothing))),
            requests: Arc::default(),
        }
    }

    pub(crate) fn plan(&self, plan: impl FnMut(Request, &str) -> Fault + Send + 'static) {
        *self.plan.lock().unwrap() = Box::new(plan);
    }

    pub(crate) fn heal(&self) {
        self.plan(|_, _| Fault::Nothing);
    }

    fn asked(&self, request: Request, path: &str) -> Fault {
        self.requests.lock().unwrap().push((request, path.to_owned()));
        (self.plan.lock().unwrap())(request, path)
    }
}

#[async_trait]
impl Store for Faulty {
    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<Put, SinkError> {
        let (path_, reason) = (path.to_owned(), "503 SlowDown".to_owned());
        match self.asked(Request::Put, path) {
            Fault::Nothing | Fault::Truncates => self.memory.clone().put(path, &bytes),
            Fault::Away => Err(SinkError::Away { path: path_, reason }),
            Fault::Refused => Err(SinkError::Refused { path: path_, reason: "403 AccessDenied".to_owned() }),
            Fault::AnswerLost => {
                let _ = self.memory.clone().put(path, &bytes);
                Err(SinkError::Away { path: path_, reason })
            }
            Fault::Hangs => std::future::pending().await,
        }
    }

    fn archive(&self) -> Arc<dyn Archive> {
        Arc::new(self.clone())
    }

    async fn lock(&self) -> Result<Lock, SinkError> {
        Ok(Lock { days: None, mode: LockMode::None, store: "memory" })
    }

    async fn renew(&self, path: &str) -> Result<(), SinkError> {
        let (path_, reason) = (path.to_owned(), "403 AccessDenied".to_owned());
        match self.asked(Request::Renew, path) {
            Fault::Nothing | Fault::Truncates => Ok(()),
            Fault::Refused => Err(SinkError::Refused { path: path_, reason }),
            Fault::Away | Fault::AnswerLost => Err(SinkError::Away { path: path_, reason }),
            Fault::Hangs => std::future::pending().await,
        }
    }

    async fn probe(&self, name: &str) -> Result<Probe, SinkError> {
        let path = format!("doctor/{name}");
        Ok(Probe { path, delete_refused: false, overwrite_refused: true, locked_until: None, mode: LockMode::None })
    }
}

impl Archive for Faulty {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        let failed = |reason: &str| ArchiveError::Io { path: path.to_owned(), reason: reason.to_owned() };
        match self.asked(Request::Get, path) {
            Fault::Nothing => Archive::open(&self.memory, path),
            Fault::Truncates => Ok(self.memory.read(path, u64::MAX - 1)?.map(|mut bytes| {
                bytes.truncate(bytes.len() / 2);
                Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read + Send>
            })),
            Fault::Hangs => {
                std::thread::park_timeout(Duration::from_secs(20));
                Err(failed("it hung"))
            }
            _ => Err(failed("connection reset")),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        match self.asked(Request::List, folder) {
            Fault::Nothing | Fault::Truncates => self.memory.list(folder),
            _ => Err(ArchiveError::Io { path: folder.to_owned(), reason: "connection reset".to_owned() }),
        }
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }
}

/// A clock that is set by hand. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Hands(Arc<AtomicI64>);

impl Hands {
    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// A key whose service can be away.
pub(crate) struct Key {
    pub(crate) inner: PemSigner,
    pub(crate) away: Mutex<bool>,
    pub(crate) signed: AtomicUsize,
}

impl Signer for Key {
    fn public_key(&self) -> &evidenced_seal::PublicKey {
        self.inner.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, evidenced_seal::KeyError> {
        if *self.away.lock().unwrap() {
            let (key, reason) = ("awskms:example".to_owned(), "503".to_owned());
            return Err(evidenced_seal::KeyError::Away { key, reason });
        }
        self.signed.fetch_add(1, Ordering::Relaxed);
        self.inner.sign(message)
    }

    fn home(&self) -> &'static str {
        "test"
    }
}

/// What the agents of a test share: time, key, store, runtime.
pub(crate) struct World {
    pub(crate) agent: AgentId,
    pub(crate) clock: Hands,
    pub(crate) folder: TempDir,
    pub(crate) key: Key,
    pub(crate) runtime: Runtime,
    pub(crate) store: Faulty,
    serial: AtomicUsize,
    /// The envelope of every run that was sealed and signed.
    pub(crate) sealed: Mutex<BTreeMap<RunId, Option<Vec<u8>>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = PemSigner::generate(&folder.path().join("key.pem")).unwrap();
        Self {
            agent: "test".parse().unwrap(),
            clock: Hands(Arc::new(AtomicI64::new(1_767_225_600))),
            folder,
            key: Key { inner, away: Mutex::new(false), signed: AtomicUsize::new(0) },
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
            store: Faulty::new(),
            serial: AtomicUsize::new(0),
            sealed: Mutex::default(),
        }
    }

    pub(crate) fn keys(&self) -> PublicKeys {
        PublicKeys::from(self.key.public_key())
    }

    pub(crate) fn root(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn open(&self, name: &str) -> Spool {
        Spool::open(&self.root(name), self.agent.clone(), "memory".to_owned(), 1 << 30).unwrap()
    }

    pub(crate) fn remote(&self) -> Remote {
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        Remote::new(store, self.runtime.handle().clone()).patient_for(Duration::from_millis(200))
    }

    pub(crate) fn push(&self, spool: &Spool) -> Pushed {
        let keys = self.keys();
        let by = Pusher { clock: &self.clock, keys: &keys, signer: &self.key, stamper: None };
        spool.push(&self.remote(), &by)
    }

    /// Pushes until nothing waits.
    pub(crate) fn drain(&self, spool: &Spool) {
        let pushed = self.push(spool);
        assert!(pushed.stopped.is_none(), "{:?}", pushed.stopped);
        assert!(pushed.refused.is_empty(), "{:?}", pushed.refused);
        assert_eq!((pushed.runs_left, pushed.entries_left), (0, 0));
    }

    pub(crate) fn new_run(&self) -> RunId {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        RunId::from_parts(u64::try_from(self.clock.now().as_millisecond()).unwrap(), serial as u128 + 1)
    }

    /// A whole run of a company with this state, as the agent does it: begun, pushed, sealed, pushed.
    pub(crate) fn run(&self, spool: &Spool, state: u64) -> RunId {
        let run = self.new_run();
        spool.begin(run, None).unwrap();
        self.push(spool);
        self.seal(spool, run, state).unwrap();
        self.push(spool);
        run
    }

    /// Seals a run into the spool.
    pub(crate) fn seal(&self, spool: &Spool, run: RunId, state: u64) -> Result<(), SpoolError> {
        let overlay = spool.overlay(Some(self.remote())).unwrap();
        let base = spool.base().unwrap();
        let previous = base.as_ref().map_or_else(Previous::none, |base| Previous::of(&overlay, &base.statement));
        let mut writer = spool.writer(run)?;
        if let Some(base) = &base {
            writer = writer.following(base.statement.predicate.window.end, self.clock.now());
        }
        let unsigned = write(&mut writer, previous, &self.agent, run, self.clock.now(), state)?;
        let payload = unsigned.statement.to_bytes();
        let envelope = match sign_run(&unsigned.path, &payload, &self.key) {
            Err(error) if error.is_away() => None,
            signed => Some(signed?),
        };
        self.sealed.lock().unwrap().insert(run, envelope.clone());
        let sealing = Sealing {
            agent: &self.agent,
            base: base.and_then(|base: Base| base.run),
            envelope,
            now: self.clock.now(),
            rests: overlay.touched(),
            unsigned: &unsigned,
        };
        spool.seal(writer, &sealing)
    }

    /// The entries of the log, in order.
    pub(crate) fn log(&self) -> Vec<(EntryKind, Option<RunId>)> {
        self.entries().into_iter().map(|entry| (entry.predicate.kind, entry.predicate.run)).collect()
    }

    pub(crate) fn entries(&self) -> Vec<LogStatement> {
        let log = Log::new(&self.store.memory, self.agent.clone(), self.keys());
        let end = self.store.memory.list(&evidenced_seal::log::folder(&self.agent)).unwrap().len() as u64;
        (0..end).filter_map(|index| Some(log.entry(index).unwrap()?.0)).collect()
    }

    pub(crate) fn head(&self) -> Option<LogHead> {
        Log::new(&self.store.memory, self.agent.clone(), self.keys()).head().unwrap()
    }

    /// Every sealed run is in the log once, byte-equal, and everything verifies.
    pub(crate) fn everything_arrived(&self) {
        let log = self.log();
        for (run, envelope) in self.sealed.lock().unwrap().iter() {
            let entries = log.iter().filter(|entry| **entry == (EntryKind::Run, Some(*run))).count();
            assert_eq!(entries, 1, "{run} is in the log {entries} times: {log:?}");
            let stored = self.store.memory.read(&evidenced_seal::statement::run_path(&self.agent, *run), 1 << 20);
            let stored = stored.unwrap();
            assert!(stored.is_some(), "{run} is not stored");
            assert!(envelope.is_none() || *envelope == stored, "{run} is stored otherwise than it was sealed");
        }
        let runs = log.iter().filter(|entry| entry.0 == EntryKind::Run).count();
        assert_eq!(runs, self.sealed.lock().unwrap().len(), "{log:?}");
        self.verified();
    }

    pub(crate) fn verified(&self) -> usize {
        use evidenced_seal::verify::{Options, verify};
        let options = Options { keys: self.keys(), ..Options::default() };
        let report = verify(&self.store.memory, &options, &mut |_, _| {}).unwrap();
        assert_eq!(report.problems, [], "{:?}", self.log());
        usize::try_from(report.runs).unwrap()
    }

    pub(crate) fn entry_path(&self, index: u64) -> String {
        entry_path(&self.agent, index)
    }
}

/// A file that somebody brings, and its record as an entry names it: path and bytes of both, the record last.
pub(crate) fn attachment(agent: &AgentId, number: u64) -> (Draft, Vec<(String, Vec<u8>)>) {
    let file = format!("minutes of meeting {number}\n").into_bytes();
    let mut memory = Memory::default();
    let sha256 = Digest::of(&file);
    let draft = record(&mut memory, agent, sha256, file.len() as u64).unwrap();
    let (path, stored) = memory.files().into_iter().next().unwrap();
    (draft, vec![(object_path(&sha256, Format::Binary), file), (path, stored)])
}

/// Writes the record of an attached file, and gives the entry about it.
pub(crate) fn record(
    sink: &mut dyn evidenced_model::Sink,
    agent: &AgentId,
    sha256: Digest,
    bytes: u64,
) -> Result<Draft, SealError> {
    let control = AttachedTo { catalog: "iso27001-2022".parse().unwrap(), control: "A.6.3".parse().unwrap() };
    let record = Attachment {
        agent: agent.clone(),
        at: Timestamp::from_second(1_767_225_600).unwrap(),
        by: "Jo Example".to_owned(),
        bytes,
        controls: vec![control],
        file: "minutes.txt".to_owned(),
        media_type: "text/plain".to_owned(),
        note: None,
        sha256,
        title: "Minutes".to_owned(),
        valid_from: None,
        valid_until: None,
    };
    let stored = ObjectWriter::new(sink)?.document(&record)?;
    let subject = Subject::new(object_path(&stored.digest, Format::Json), stored.digest);
    Ok(Draft::new(EntryKind::Attachment, None).about(subject))
}

/// Writes a small company: what changes with `state`, and what never does.
pub(crate) fn write(
    sink: &mut dyn evidenced_model::Sink,
    previous: Previous<'_>,
    agent: &AgentId,
    run: RunId,
    now: Timestamp,
    state: u64,
) -> Result<UnsignedRun, SealError> {
    let mut writer = RunWriter::new(sink, previous)?;
    writer.begin_group("aws:123456789012", "eu-central-1", "aws.s3.bucket")?;
    let mut ids: Vec<String> = (0..20).map(|number| format!("bucket-{number}")).collect();
    ids.sort_by_key(|id| Digest::of(id.as_bytes()));
    for id in &ids {
        let state = if id == "bucket-7" { state } else { 0 };
        let scope = json!({"account": "123456789012", "provider": "aws", "region": "eu-central-1"});
        let line = json!({"fields": {"state": state}, "id": id, "kind": "aws.s3.bucket", "scope": scope, "unread": {}});
        writer.resource(id, format!("{line}\n").as_bytes())?;
    }
    writer.end_group()?;
    writer.coverage(&coverage(ids.len() as u64))?;
    let roots = writer.roots()?;
    let totals = evidenced_model::Totals { calls: 3, ..writer.totals() };
    let window = Window { start: now, end: now };
    let manifest = crate::support::manifest(agent, run, window, totals);
    writer.document(Document::Manifest, &manifest)?;
    writer.document(Document::Calls, &calls(now))?;
    let controls = evidenced_model::Controls { controls: Vec::new(), findings: roots.findings.digest };
    writer.document(Document::Controls, &controls)?;
    writer.document(Document::Mappings, &json!({"checks": [], "pad": "m".repeat(500)}))?;
    writer.document(Document::Config, &json!({"agent": {"id": agent}}))?;
    let header = RunHeader { agent: agent.clone(), run, slot: None, status: RunStatus::Complete, window };
    writer.finish(header, 3)
}

fn coverage(resources: u64) -> evidenced_model::AccountCoverage {
    use evidenced_model::coverage::{Cell, CellState};
    let cell = Cell {
        gaps: Vec::new(),
        kind: "aws.s3.bucket".parse().unwrap(),
        reason: None,
        region: "eu-central-1".parse().unwrap(),
        resources,
        state: CellState::Complete,
        total: None,
        vanished: 0,
    };
    evidenced_model::AccountCoverage {
        account: "123456789012".parse().unwrap(),
        cells: vec![cell],
        gaps: Vec::new(),
        provider: "aws".parse().unwrap(),
        regions: vec!["eu-central-1".parse().unwrap()],
    }
}

/// What changes with every run.
fn calls(now: Timestamp) -> evidenced_model::Calls {
    let call = evidenced_model::CallStats {
        account: "123456789012".parse().unwrap(),
        captured: None,
        captured_before: None,
        denied: 0,
        error: 0,
        first: now,
        last: now,
        ok: 3,
        operation: "s3:ListBuckets".to_owned(),
        provider: "aws".parse().unwrap(),
        region: "global".parse().unwrap(),
        retries: 0,
        samples: Vec::new(),
        throttled: 0,
    };
    evidenced_model::Calls { operations: vec![call] }
}

fn manifest(agent: &AgentId, run: RunId, window: Window, totals: evidenced_model::Totals) -> evidenced_model::Manifest {
    use evidenced_model::manifest::{Assurance, Binary, ClockCheck, FORMAT, Manifest, Shard};
    Manifest {
        accounts: Vec::new(),
        agent: agent.clone(),
        assurance: Assurance {
            account_owns_key: None,
            account_owns_store: None,
            key: "file".to_owned(),
            lock: LockMode::None,
            lock_days: None,
            store: "memory".to_owned(),
            timestamped: false,
        },
        binary: Binary { sha256: None, version: "0.1.0".to_owned() },
        clock: ClockCheck::default(),
        excluded: Vec::new(),
        format: FORMAT.to_owned(),
        principals: Vec::new(),
        run,
        shard: Shard::default(),
        slot: None,
        totals,
        window,
    }
}

/// The bytes of all files below a folder.
pub(crate) fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { size(&path) } else { path.metadata().unwrap().len() })
        .sum()
}
