//! A small synthetic company, sealed run after run into a store in memory.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::coverage::{Cell, CellState};
use evidenced_model::manifest::{Binary, ClockCheck, FORMAT, LockMode};
use evidenced_model::{
    Account, AccountCoverage, AgentId, Assurance, AttachedTo, Attachment, CallStats, Calls, Controls, Digest, Finding,
    KindId, Manifest, Memory, Resource, RunId, RunStatus, Scope, Severity, Shard, Sink, Totals, Verdict, Window,
};
use evidenced_seal::log::{Draft, EntryKind};
use evidenced_seal::object::{Format, ObjectWriter, object_path};
use evidenced_seal::partition::{GroupKey, Partitioner};
use evidenced_seal::statement::Subject;
use evidenced_seal::verify::{Options, VerifyReport, verify};
use evidenced_seal::{
    Document, Log, PemSigner, Previous, PublicKeys, RunHeader, RunReader, RunWriter, SealedRun, Signer as _, select_run,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Resources by account, region and kind, then by id.
pub(crate) type Population = BTreeMap<(&'static str, &'static str, &'static str), BTreeMap<String, Value>>;

/// One agent with its key and its store.
pub(crate) struct World {
    pub(crate) agent: AgentId,
    pub(crate) folder: TempDir,
    pub(crate) signer: PemSigner,
    pub(crate) store: Memory,
    pub(crate) runs: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = PemSigner::generate(&folder.path().join("key.pem")).unwrap();
        Self { agent: "test".parse().unwrap(), folder, signer, store: Memory::default(), runs: 0 }
    }

    pub(crate) fn keys(&self) -> PublicKeys {
        PublicKeys::from(self.signer.public_key())
    }

    pub(crate) fn log(&self) -> Log<'_> {
        Log::new(&self.store, self.agent.clone(), self.keys())
    }

    /// The moment of a run: one an hour.
    pub(crate) fn time(run: u64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + 3600 * i64::try_from(run).unwrap()).unwrap()
    }

    pub(crate) fn run_id(run: u64) -> RunId {
        RunId::from_parts(u64::try_from(Self::time(run).as_millisecond()).unwrap(), u128::from(run) + 1)
    }

    pub(crate) fn append(&self, draft: &Draft) -> evidenced_model::LogHead {
        let mut sink = self.store.clone();
        self.log().append(&mut sink, &self.signer, draft, Self::time(self.runs)).unwrap()
    }

    /// Collects, judges, seals and logs this population.
    pub(crate) fn run(&mut self, population: &Population) -> SealedRun {
        self.append(&Draft::started(Self::run_id(self.runs), None));
        let sealed = self.seal(population, |_| {});
        self.append(&Draft::run(&sealed));
        self.runs += 1;
        sealed
    }

    /// The same without the log; `bend` may change the manifest.
    pub(crate) fn seal(&self, population: &Population, bend: impl FnOnce(&mut Manifest)) -> SealedRun {
        let mut sink = self.store.clone();
        seal(self, &mut sink, population, bend)
    }

    /// Stores a file that somebody brings for a control with its record, and has the log name it.
    pub(crate) fn attach(&self, file: &[u8], control: &str) -> Attachment {
        let record = attachment(&self.agent, file, control);
        let mut sink = self.store.clone();
        sink.put(&object_path(&record.sha256, Format::Binary), file).unwrap();
        self.append(&Draft::new(EntryKind::Attachment, None).about(self.document(&record)));
        record
    }

    /// Stores a document, and gives what an entry about it names.
    pub(crate) fn document(&self, document: &impl serde::Serialize) -> Subject {
        let mut sink = self.store.clone();
        let stored = ObjectWriter::new(&mut sink).unwrap().document(document).unwrap();
        Subject::new(object_path(&stored.digest, Format::Json), stored.digest)
    }

    pub(crate) fn reader(&self, which: &str) -> RunReader<'_> {
        let run = select_run(&self.store, &self.agent, which, Some(&self.keys())).unwrap();
        RunReader::open(&self.store, &run, Some(&self.keys())).unwrap()
    }

    pub(crate) fn verify(&self) -> VerifyReport {
        let options = Options { keys: self.keys(), ..Options::default() };
        verify(&self.store, &options, &mut |_, _| {}).unwrap()
    }
}

fn seal(world: &World, sink: &mut dyn Sink, population: &Population, bend: impl FnOnce(&mut Manifest)) -> SealedRun {
    let before = select_run(&world.store, &world.agent, "latest", Some(&world.keys())).ok();
    let reader = before.map(|run| RunReader::open(&world.store, &run, Some(&world.keys())).unwrap());
    let previous = reader.map_or_else(Previous::none, |reader| Previous::of(&world.store, reader.statement()));
    let mut writer = RunWriter::new(sink, previous).unwrap();
    write_groups(world, &mut writer, population);
    let roots = writer.roots().unwrap();
    let totals = Totals { calls: 3, ..writer.totals() };
    let (run, start) = (World::run_id(world.runs), World::time(world.runs));
    let window = Window { start, end: start };
    let agent = world.agent.clone();
    let mut manifest = manifest(agent.clone(), run, window, totals);
    bend(&mut manifest);
    let calls = Calls { operations: vec![call(start)] };
    let controls = Controls { controls: Vec::new(), findings: roots.findings.digest };
    writer.document(Document::Manifest, &manifest).unwrap();
    writer.document(Document::Calls, &calls).unwrap();
    writer.document(Document::Controls, &controls).unwrap();
    writer.document(Document::Mappings, &json!({"checks": ["aws.s3.encryption"], "pad": "m".repeat(1000)})).unwrap();
    writer.document(Document::Config, &json!({"agent": {"id": "test"}})).unwrap();
    let header = RunHeader { agent, run, slot: None, status: RunStatus::Complete, window };
    writer.seal(&world.store, &world.signer, header, 3).unwrap()
}

fn write_groups(world: &World, writer: &mut RunWriter<'_>, population: &Population) {
    let accounts: BTreeSet<&str> = population.keys().map(|(account, ..)| *account).collect();
    for account in accounts {
        let mut partitioner = Partitioner::new(world.folder.path(), 256 * 1024).unwrap();
        let mut cells = Vec::new();
        for ((_, region, kind), resources) in population.iter().filter(|(key, _)| key.0 == account) {
            cells.push(cell(region, kind, resources.len() as u64));
            let group = GroupKey { account: format!("aws:{account}"), region: (*region).into(), kind: (*kind).into() };
            for (id, value) in resources {
                let mut resource = Resource::new(kind.parse().unwrap(), id.clone(), scope(account, region));
                resource.read("value", value.clone()).absent("nothing");
                if let Some(tags) = value.get("tags") {
                    resource.read("tags", tags.clone());
                }
                let mut line = Vec::new();
                resource.write_line(&mut line);
                partitioner.push(&group, id, &line).unwrap();
            }
        }
        write_account(writer, account, partitioner);
        let regions = vec!["eu-central-1".parse().unwrap(), "eu-west-1".parse().unwrap()];
        let provider = "aws".parse().unwrap();
        let account = account.parse().unwrap();
        writer.coverage(&AccountCoverage { account, cells, gaps: Vec::new(), provider, regions }).unwrap();
    }
}

fn write_account(writer: &mut RunWriter<'_>, account: &str, partitioner: Partitioner) {
    let mut partitions = partitioner.finish().unwrap();
    while let Some(mut group) = partitions.next_group().unwrap() {
        let GroupKey { account: key, region, kind } = group.key().clone();
        let scope = scope(account, &region);
        writer.begin_group(&key, &region, &kind).unwrap();
        while let Some(record) = group.next().unwrap() {
            writer.resource(record.id, record.line).unwrap();
            let line: Value = serde_json::from_slice(record.line).unwrap();
            for finding in judge(record.id, &kind, &scope, &line["fields"]["value"]) {
                writer.finding(&finding).unwrap();
            }
        }
        writer.end_group().unwrap();
    }
    let place = scope(account, "global");
    writer.begin_group(&format!("aws:{account}"), "global", "place.account").unwrap();
    writer.finding(&finding("aws.account.contact", account, "place.account", &place, Verdict::Unknown)).unwrap();
    writer.end_group().unwrap();
}

fn judge(id: &str, kind: &str, scope: &Scope, value: &Value) -> Vec<Finding> {
    let encrypted = if value["encrypted"] == json!(true) { Verdict::Pass } else { Verdict::Fail };
    [("aws.s3.logging", Verdict::NotApplicable), ("aws.s3.encryption", encrypted)]
        .map(|(check, verdict)| finding(check, id, kind, scope, verdict))
        .into()
}

fn finding(check: &str, resource: &str, kind: &str, scope: &Scope, verdict: Verdict) -> Finding {
    Finding {
        because: Vec::new(),
        check: check.parse().unwrap(),
        check_sha256: Digest::of(check.as_bytes()),
        kind: kind.parse().unwrap(),
        objective: "crypto.at-rest".parse().unwrap(),
        observed: Map::new(),
        resource: resource.to_owned(),
        rests_on: Vec::new(),
        revision: 1,
        scope: scope.clone(),
        severity: Severity::Medium,
        verdict,
        waiver: None,
    }
}

fn cell(region: &str, kind: &str, resources: u64) -> Cell {
    Cell {
        gaps: Vec::new(),
        kind: kind.parse::<KindId>().unwrap(),
        reason: None,
        region: region.parse().unwrap(),
        resources,
        state: CellState::Complete,
        total: None,
        vanished: 0,
    }
}

fn call(at: Timestamp) -> CallStats {
    CallStats {
        account: Account::parse("123456789012").unwrap(),
        captured: None,
        captured_before: None,
        denied: 0,
        error: 0,
        first: at,
        last: at,
        ok: 3,
        operation: "s3:ListBuckets".to_owned(),
        provider: "aws".parse().unwrap(),
        region: "global".parse().unwrap(),
        retries: 0,
        samples: Vec::new(),
        throttled: 0,
    }
}

fn manifest(agent: AgentId, run: RunId, window: Window, totals: Totals) -> Manifest {
    let assurance = Assurance {
        account_owns_key: None,
        account_owns_store: None,
        key: "file".to_owned(),
        lock: LockMode::None,
        lock_days: None,
        store: "memory".to_owned(),
        timestamped: false,
    };
    Manifest {
        accounts: Vec::new(),
        agent,
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

/// The record of a file that somebody brings for a control.
pub(crate) fn attachment(agent: &AgentId, file: &[u8], control: &str) -> Attachment {
    let control = AttachedTo { catalog: "iso27001-2022".parse().unwrap(), control: control.parse().unwrap() };
    Attachment {
        agent: agent.clone(),
        at: World::time(0),
        by: "Jo Example".to_owned(),
        bytes: file.len() as u64,
        controls: vec![control],
        file: "minutes.txt".to_owned(),
        media_type: "text/plain".to_owned(),
        note: Some("signed by all".to_owned()),
        sha256: Digest::of(file),
        title: "Minutes".to_owned(),
        valid_from: None,
        valid_until: None,
    }
}

pub(crate) fn scope(account: &str, region: &str) -> Scope {
    Scope { account: account.parse().unwrap(), provider: "aws".parse().unwrap(), region: region.parse().unwrap() }
}

/// Two accounts; one with enough buckets for several chunks, with hostile names among them.
pub(crate) fn company() -> Population {
    let mut large = BTreeMap::new();
    for number in 0..300_u32 {
        let pad = "p".repeat(1000);
        large.insert(format!("bucket-{number}"), json!({"encrypted": number % 7 != 0, "pad": pad}));
    }
    large.insert("b\u{fffd}\n\"<script>".to_owned(), json!({"encrypted": true}));
    let small: BTreeMap<String, Value> =
        (0..5).map(|number| (format!("key-{number}"), json!({"encrypted": true}))).collect();
    Population::from([
        (("123456789012", "eu-central-1", "aws.s3.bucket"), large),
        (("123456789012", "eu-west-1", "aws.kms.key"), small.clone()),
        (("111122223333", "eu-central-1", "aws.kms.key"), small),
        (("111122223333", "eu-west-1", "aws.s3.bucket"), BTreeMap::new()),
    ])
}
