//! A store made of numbers, for measuring `verify`: one company, sealed again and again without a change, and one
//! large attachment. `evidenced-bench make-store FOLDER RUNS RESOURCES ATTACHMENT_BYTES`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use evidenced_model::coverage::{Cell, CellState};
use evidenced_model::manifest::{Binary, ClockCheck, FORMAT};
use evidenced_model::{
    AccountCoverage, AgentId, Archive, Assurance, AttachedTo, Attachment, Calls, Controls, Digest, Finding, LockMode,
    Manifest, Put, RunId, RunStatus, Scope, Severity, Shard, Sink, SinkError, Totals, Verdict, Window,
};
use evidenced_seal::log::{Draft, EntryKind};
use evidenced_seal::object::{Format, ObjectWriter, Written, object_path};
use evidenced_seal::partition::{GroupKey, Partitioner};
use evidenced_seal::signer::write_public_pem;
use evidenced_seal::statement::{RunPredicate, RunStatement, Subject, run_path, subject};
use evidenced_seal::{
    Document, Log, PemSigner, Previous, PublicKeys, RunHeader, RunWriter, SealedRun, Signer as _, dsse,
};
use evidenced_store::Folder;
use jiff::Timestamp;
use serde_json::json;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Writes files without a word to the disk about durability: a store to be measured, and thrown away.
pub(crate) struct Quick(PathBuf);

impl Quick {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }
}

impl Sink for Quick {
    fn put(&mut self, path: &str, bytes: &[u8]) -> std::result::Result<Put, SinkError> {
        let file = self.0.join(path);
        let written = fs::create_dir_all(file.parent().unwrap_or(&self.0)).and_then(|()| fs::write(&file, bytes));
        written
            .map(|()| Put::Written)
            .map_err(|error| SinkError::Refused { path: path.to_owned(), reason: error.to_string() })
    }
}

/// Makes `FOLDER/evidence` and `FOLDER/public.pem`.
pub(crate) fn make(arguments: &[String]) -> Result<()> {
    let [folder, runs, resources, attachment] = arguments else {
        return Err("make-store FOLDER RUNS RESOURCES ATTACHMENT_BYTES".into());
    };
    let folder = Path::new(folder);
    let (runs, resources): (u64, u64) = (runs.parse()?, resources.parse()?);
    fs::create_dir_all(folder.join("evidence"))?;
    let signer = PemSigner::generate(&folder.join("key.pem"))?;
    write_public_pem(&folder.join("public.pem"), signer.public_key())?;
    let store = Folder::open(&folder.join("evidence").display().to_string())?;
    let mut sink = Quick(folder.join("evidence"));
    let agent: AgentId = "bench".parse()?;
    let mut log = Log::new(&store, agent.clone(), PublicKeys::from(signer.public_key()));
    if attachment != "0" {
        let object = attach(&folder.join("evidence"), &mut sink, &agent, attachment.parse()?)?;
        log.append(&mut sink, &signer, &Draft::new(EntryKind::Attachment, None).about(object), moment(0)?)?;
    }
    let mut first: Option<RunStatement> = None;
    for number in 0..runs {
        let at = moment(number)?;
        let run = RunId::from_parts(u64::try_from(at.as_millisecond())?, u128::from(number));
        log.append(&mut sink, &signer, &Draft::started(run, None), at)?;
        let window = Window { start: at, end: at };
        let sealed = match &first {
            None => whole(folder, &mut sink, &store, &signer, (&agent, run, window), resources)?,
            Some(first) => again(&mut sink, &signer, first, (&agent, run, window))?,
        };
        log.append(&mut sink, &signer, &Draft::run(&sealed), at)?;
        first.get_or_insert(sealed.statement);
    }
    Ok(())
}

/// How fast this program hashes, in bytes a second: what verification can reach at most.
pub(crate) fn hashing() -> f64 {
    let block = vec![b'x'; 256 * 1024];
    let mut best: f64 = 0.0;
    for _ in 0..20 {
        let start = Instant::now();
        let mut digest = Digest::ZERO;
        for _ in 0..200 {
            digest = Digest::of_parts(&[digest.as_bytes(), &block]);
        }
        best = best.max(200.0 * block.len() as f64 / start.elapsed().as_secs_f64());
        assert_ne!(digest, Digest::ZERO);
    }
    best
}

fn moment(number: u64) -> Result<Timestamp> {
    Ok(Timestamp::from_second(1_767_225_600 + 3600 * i64::try_from(number)?)?)
}

/// A file of so many bytes that no compression makes smaller, and its record.
fn attach(store: &Path, sink: &mut Quick, agent: &AgentId, bytes: u64) -> Result<Subject> {
    let temporary = store.join("attachment");
    let mut file = fs::File::create(&temporary)?;
    let mut hasher = evidenced_model::digest::Hasher::new();
    let mut block = Digest::of(b"attachment");
    let mut buffer = Vec::with_capacity(1 << 20);
    for _ in 0..bytes >> 20 {
        buffer.clear();
        while buffer.len() < 1 << 20 {
            block = Digest::of(block.as_bytes());
            buffer.extend_from_slice(block.as_bytes());
        }
        hasher.update(&buffer);
        file.write_all(&buffer)?;
    }
    let digest = hasher.finish();
    let path = object_path(&digest, Format::Binary);
    let place = store.join(&path);
    fs::create_dir_all(place.parent().unwrap_or(store))?;
    fs::rename(temporary, place)?;
    let record = Attachment {
        agent: agent.clone(),
        at: moment(0)?,
        by: "Jo Example".to_owned(),
        bytes: bytes >> 20 << 20,
        controls: vec![AttachedTo { catalog: "iso27001-2022".parse()?, control: "A.6.3".parse()? }],
        file: "attachment.bin".to_owned(),
        media_type: "application/octet-stream".to_owned(),
        note: None,
        sha256: digest,
        title: "An attachment".to_owned(),
        valid_from: None,
        valid_until: None,
    };
    let stored = ObjectWriter::new(sink)?.document(&record)?;
    Ok(Subject::new(object_path(&stored.digest, Format::Json), stored.digest))
}

/// Seals the company as `collect` would.
fn whole(
    folder: &Path,
    sink: &mut Quick,
    archive: &dyn Archive,
    signer: &PemSigner,
    (agent, run, window): (&AgentId, RunId, Window),
    resources: u64,
) -> Result<SealedRun> {
    let scope = Scope {
        account: crate::accounts(&serde_json::Value::Null).remove(0),
        provider: crate::provider(),
        region: "global".parse()?,
    };
    let kind = crate::KIND.parse()?;
    let key = GroupKey { account: scope.account_key(), region: "global".to_owned(), kind: crate::KIND.to_owned() };
    let mut partitioner = Partitioner::new(folder, 32 << 20)?;
    let mut line = Vec::new();
    for number in 0..resources {
        let resource = crate::thing(&kind, number, &scope);
        line.clear();
        resource.write_line(&mut line);
        partitioner.push(&key, &resource.id, &line)?;
    }
    let mut writer = RunWriter::new(sink, Previous::none())?;
    let mut partitions = partitioner.finish()?;
    while let Some(mut group) = partitions.next_group()? {
        writer.begin_group(&key.account, &key.region, &key.kind)?;
        while let Some(record) = group.next()? {
            writer.resource(record.id, record.line)?;
            for check in ["synthetic.encrypted", "synthetic.logging"] {
                writer.finding(&finding(check, record.id, &scope)?)?;
            }
        }
        writer.end_group()?;
    }
    let cell = Cell {
        gaps: Vec::new(),
        kind,
        reason: None,
        region: scope.region.clone(),
        resources,
        state: CellState::Complete,
        total: None,
        vanished: 0,
    };
    writer.coverage(&AccountCoverage {
        account: scope.account.clone(),
        cells: vec![cell],
        gaps: Vec::new(),
        provider: scope.provider.clone(),
        regions: Vec::new(),
    })?;
    let roots = writer.roots()?;
    writer.document(Document::Manifest, &manifest(agent, run, window, writer.totals()))?;
    writer.document(Document::Calls, &Calls::default())?;
    writer.document(Document::Controls, &Controls { controls: Vec::new(), findings: roots.findings.digest })?;
    writer.document(Document::Mappings, &json!({"pad": "m".repeat(200_000)}))?;
    writer.document(Document::Config, &json!({}))?;
    let header = RunHeader { agent: agent.clone(), run, slot: None, status: RunStatus::Complete, window };
    Ok(writer.seal(archive, signer, header, 0)?)
}

/// Seals the same company an hour later: only what says when is new.
fn again(
    sink: &mut Quick,
    signer: &PemSigner,
    first: &RunStatement,
    (agent, run, window): (&AgentId, RunId, Window),
) -> Result<SealedRun> {
    let totals = first.predicate.totals;
    let manifest = manifest(agent, run, window, totals);
    let stored = ObjectWriter::new(sink)?.document(&manifest)?;
    let mut subjects = first.subjects();
    subjects.insert(subject::MANIFEST.to_owned(), stored.digest);
    let subjects = subjects.into_iter().map(|(name, digest)| Subject::new(name, digest)).collect();
    let predicate = RunPredicate { agent: agent.clone(), run, slot: None, status: RunStatus::Complete, totals, window };
    let statement = RunStatement::new(predicate, subjects);
    let envelope = dsse::sign(&statement.to_bytes(), signer)?;
    let path = run_path(agent, run);
    sink.put(&path, &envelope)?;
    let digest = Digest::of(&envelope);
    Ok(SealedRun { digest, path, run, slot: None, statement, written: Written::default() })
}

fn manifest(agent: &AgentId, run: RunId, window: Window, totals: Totals) -> Manifest {
    let assurance = Assurance {
        account_owns_key: None,
        account_owns_store: None,
        key: "file".to_owned(),
        lock: LockMode::None,
        lock_days: None,
        store: "folder".to_owned(),
        timestamped: false,
    };
    Manifest {
        accounts: Vec::new(),
        agent: agent.clone(),
        assurance,
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

fn finding(check: &str, resource: &str, scope: &Scope) -> Result<Finding> {
    Ok(Finding {
        because: Vec::new(),
        check: check.parse()?,
        check_sha256: Digest::of(check.as_bytes()),
        kind: crate::KIND.parse()?,
        objective: "crypto.at-rest".parse()?,
        observed: serde_json::Map::new(),
        resource: resource.to_owned(),
        rests_on: Vec::new(),
        revision: 1,
        scope: scope.clone(),
        severity: Severity::Medium,
        verdict: Verdict::Pass,
        waiver: None,
    })
}
