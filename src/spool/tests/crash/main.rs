//! Ends the process, and fills the disk, at every named place of the spool.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use evidenced_model::{AgentId, Clock, FixedClock, RunId};
use evidenced_seal::history::entries_from;
use evidenced_seal::log::{Draft, EntryKind};
use evidenced_seal::verify::{Options, verify};
use evidenced_seal::write::sign_run;
use evidenced_seal::{Log, PemSigner, Previous, PublicKeys, Signer as _, select_run};
use evidenced_spool::places::PLACES;
use evidenced_spool::{Lease, Pusher, Remote, Sealing, Spool, SpoolError, Taken};
use evidenced_store::{Folder, Store};
use jiff::Timestamp;
use tempfile::TempDir;

#[expect(dead_code, reason = "most of it is for the other tests")]
#[path = "../spool/support.rs"]
mod support;

/// Where a child process works; without it the child's test does nothing.
const FOLDER: &str = "EVIDENCED_CRASH_TEST";

/// One agent over a folder, of which nothing but the disk survives.
struct Agent {
    id: AgentId,
    folder: PathBuf,
    key: PemSigner,
    runtime: tokio::runtime::Runtime,
    store: Folder,
}

impl Agent {
    fn at(folder: &Path) -> Self {
        Self {
            id: "test".parse().unwrap(),
            folder: folder.to_owned(),
            key: PemSigner::open_or_generate(&folder.join("key.pem")).unwrap().0,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
            store: Folder::create(folder.join("store").to_str().unwrap()).unwrap(),
        }
    }

    fn keys(&self) -> PublicKeys {
        PublicKeys::from(self.key.public_key())
    }

    fn spool(&self) -> Result<Spool, SpoolError> {
        Spool::open(&self.folder.join("spool"), self.id.clone(), "store".to_owned(), 1 << 30)
    }

    fn remote(&self) -> Remote {
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        Remote::new(store, self.runtime.handle().clone())
    }

    fn push(&self, spool: &Spool) -> Result<(), SpoolError> {
        let (keys, clock) = (self.keys(), clock());
        let pushed =
            spool.push(&self.remote(), &Pusher { clock: &clock, keys: &keys, signer: &self.key, stamper: None });
        assert_eq!(pushed.refused, []);
        pushed.stopped.map_or(Ok(()), Err)
    }

    /// A run as the agent makes it. What waits is sent first.
    fn run(&self, number: u64) -> Result<(), SpoolError> {
        let (spool, clock) = (self.spool()?, clock());
        self.push(&spool)?;
        let run = RunId::from_parts(1_767_225_600_000 + number, u128::from(number));
        let Taken::Held(lease) = Lease::take(&self.remote(), &self.id, "one", run, &clock) else {
            return Err(full());
        };
        spool.begin(run, None)?;
        let sealed = self.push(&spool).and_then(|()| self.seal(&spool, run, number));
        if sealed.is_err() {
            spool.abandon(run, "failed")?;
        }
        lease.end(&self.remote());
        sealed.and_then(|()| self.push(&spool))
    }

    fn seal(&self, spool: &Spool, run: RunId, number: u64) -> Result<(), SpoolError> {
        let overlay = spool.overlay(Some(self.remote()))?;
        let base = spool.base()?;
        let previous = base.as_ref().map_or_else(Previous::none, |base| Previous::of(&overlay, &base.statement));
        let mut writer = spool.writer(run)?;
        let now = clock().now();
        let unsigned = support::write(&mut writer, previous, &self.id, run, now, number)?;
        let envelope = Some(sign_run(&unsigned.path, &unsigned.statement.to_bytes(), &self.key)?);
        let (agent, base, rests) = (&self.id, base.and_then(|base| base.run), overlay.touched());
        spool.seal(writer, &Sealing { agent, base, envelope, now, rests, unsigned: &unsigned })
    }

    /// Writes down more than the journal has room for.
    fn fill_journal(&self) -> Result<(), SpoolError> {
        let spool = self.spool()?;
        for number in 1000..1070 {
            spool.enqueue(Draft::skipped(RunId::from_parts(number, 1), None, "the disk is full"))?;
        }
        Ok(())
    }

    /// What somebody brings, sealed as the agent does it: a file, its record, and the entry about it.
    fn attach(&self, number: u64) -> Result<(), SpoolError> {
        let spool = self.spool()?;
        let mut writer = spool.parcel()?;
        let file = format!("minutes of meeting {number}\n").repeat(100);
        let copied = writer.copy(&mut file.as_bytes())?;
        let draft = support::record(&mut writer, &self.id, copied.digest, copied.bytes)?;
        spool.enqueue_parcel(writer, draft)?;
        self.push(&spool)
    }

    /// The objects that entries in parcels are about, of those that have their names.
    fn parcels(&self) -> Vec<String> {
        let listed = evidenced_spool::list_parcels(&self.folder.join("spool")).unwrap();
        listed.into_iter().map(|parcel| parcel.object).collect()
    }

    /// The envelopes of the bundles that have their names.
    fn sealed(&self) -> BTreeMap<String, Vec<u8>> {
        let Ok(bundles) = std::fs::read_dir(self.folder.join("spool/bundles")) else { return BTreeMap::new() };
        let envelope = |path: PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name.split_once('-').unwrap().1.to_owned(), std::fs::read(path.join("run.dsse.json")).unwrap())
        };
        bundles.map(|entry| envelope(entry.unwrap().path())).collect()
    }

    /// Everything that was sealed is in the store once and byte-equal, nothing else is, and it verifies.
    fn arrived(&self, sealed: &BTreeMap<String, Vec<u8>>, what: &str) {
        let archive = self.store.archive();
        let log = Log::new(&*archive, self.id.clone(), self.keys());
        let entries: Vec<_> = (0..).map_while(|index| Some(log.entry(index).unwrap()?.0.predicate)).collect();
        let of = |kind: EntryKind| -> Vec<RunId> {
            entries.iter().filter(|entry| entry.kind == kind).filter_map(|entry| entry.run).collect()
        };
        let (runs, started, abandoned) = (of(EntryKind::Run), of(EntryKind::Started), of(EntryKind::Abandoned));
        let mut ended = [runs.clone(), abandoned].concat();
        ended.sort();
        assert_eq!(
            ended,
            {
                let mut started = started;
                started.sort();
                started
            },
            "{what}: {entries:?}"
        );
        assert_eq!(ended.iter().collect::<BTreeSet<_>>().len(), ended.len(), "{what}: {entries:?}");
        for (run, envelope) in sealed {
            let run: RunId = run.parse().unwrap();
            assert!(runs.contains(&run), "{what}: the sealed run {run} is not in the log");
            let found = select_run(&*archive, &self.id, &run.to_string(), Some(&self.keys())).unwrap();
            assert_eq!(archive.read(&found.path, 1 << 20).unwrap().as_ref(), Some(envelope), "{what}: {run}");
        }
        let options = Options { keys: self.keys(), ..Options::default() };
        let report = verify(&*archive, &options, &mut |_, _| {}).unwrap();
        assert_eq!(report.problems, [], "{what}");
        assert_eq!(self.sealed().len(), 0, "{what}: the spool is empty");
        assert_eq!(self.parcels(), <Vec<String>>::new(), "{what}: the spool is empty");
        assert_eq!(self.spool().unwrap().used(), 0, "{what}: nothing is taken");
    }

    /// What had its name in the spool is in the log once, with all its objects; what had none is nowhere.
    fn attached(&self, waited: &[String], before: usize, what: &str) {
        let archive = self.store.archive();
        let keys = self.keys();
        let entries = entries_from(&*archive, &self.id, Some(&keys), 0).unwrap().map(Result::unwrap);
        let named: Vec<String> = entries
            .filter(|logged| logged.entry.kind == EntryKind::Attachment)
            .map(|logged| logged.subject.unwrap().name)
            .collect();
        for object in waited {
            assert_eq!(named.iter().filter(|name| *name == object).count(), 1, "{what}: {named:?}");
            assert!(archive.open(object).unwrap().is_some(), "{what}: {object}");
        }
        assert_eq!(named.len(), named.iter().collect::<BTreeSet<_>>().len(), "{what}: nothing is there twice");
        assert!(named.len() >= before + waited.len() && named.len() <= before + 1, "{what}: {named:?}");
    }
}

fn clock() -> FixedClock {
    FixedClock(Timestamp::from_second(1_767_225_600).unwrap())
}

fn full() -> SpoolError {
    SpoolError::Io { path: "lease".to_owned(), reason: "no lease".to_owned(), full: true }
}

/// The places of the spool itself; `cargo xtask crash-matrix` has them all.
fn places() -> impl Iterator<Item = &'static str> {
    PLACES.iter().copied().filter(|place| !place.starts_with("cycle."))
}

/// What stands between the beginning and the place: nothing where a spool is made, else one run.
fn prepare(agent: &Agent, place: &str) {
    if place != "journal.create" {
        agent.run(1).unwrap();
    }
    if is_of_parcels(place) {
        agent.attach(1).unwrap();
    }
}

/// What passes the place.
fn pass(agent: &Agent, place: &str) -> Result<(), SpoolError> {
    if place.contains("journal.grow") {
        agent.fill_journal()
    } else if is_of_parcels(place) {
        agent.attach(2)
    } else {
        agent.run(2)
    }
}

/// Whether only what is sealed beside runs passes the place.
fn is_of_parcels(place: &str) -> bool {
    place.starts_with("parcel.") || place.starts_with("push.parcel")
}

/// Not a test: what the processes do that end in the middle.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test tells its child what to do")]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let _armed = fail::FailScenario::setup();
    let agent = Agent::at(Path::new(&folder));
    pass(&agent, &std::env::var("FAILPOINTS").unwrap()).unwrap();
}

/// Runs the child with a place armed; whether it died there.
fn killed(folder: &Path, armed: &str) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .env("FAILPOINTS", armed)
        .output()
        .unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    assert!(signal == Some(6) || output.status.success(), "{armed}: {}", String::from_utf8_lossy(&output.stderr));
    signal.is_some()
}

#[test]
fn a_process_that_ends_anywhere_loses_nothing() {
    assert!(places().count() >= 25);
    for place in places() {
        for (turn, action) in [(1, "return(abort)"), (2, "1*off->return(abort)")] {
            let folder = TempDir::new().unwrap();
            let agent = Agent::at(folder.path());
            prepare(&agent, place);
            let died = killed(folder.path(), &format!("{place}={action}"));
            assert!(died || turn > 1, "{place} is never passed");
            if !died {
                break;
            }
            let (sealed, waited) = (agent.sealed(), agent.parcels());
            agent.run(3).unwrap();
            agent.arrived(&sealed, &format!("{place}, turn {turn}"));
            if is_of_parcels(place) {
                agent.attached(&waited, 1, &format!("{place}, turn {turn}"));
            }
        }
    }
}

#[test]
fn a_disk_that_is_full_anywhere_loses_nothing() {
    for place in places() {
        let folder = TempDir::new().unwrap();
        let agent = Agent::at(folder.path());
        prepare(&agent, place);
        let scenario = fail::FailScenario::setup();
        fail::cfg(place, "return(full)").unwrap();
        // Whether the run gets through is not the question.
        let _ = pass(&agent, place);
        let (sealed, waited) = (agent.sealed(), agent.parcels());
        scenario.teardown();
        agent.run(3).unwrap();
        agent.arrived(&sealed, place);
        if is_of_parcels(place) {
            agent.attached(&waited, 1, place);
        }
    }
}

#[test]
fn a_full_disk_has_room_for_what_must_be_told() {
    let folder = TempDir::new().unwrap();
    let agent = Agent::at(folder.path());
    let spool = agent.spool().unwrap();
    let journal = folder.path().join("spool/journal");
    let size = std::fs::metadata(&journal).unwrap().len();
    let scenario = fail::FailScenario::setup();
    fail::cfg("journal.grow", "return(full)").unwrap();
    let skip = |spool: &Spool, number: u64| {
        spool
            .enqueue(Draft::skipped(RunId::from_parts(1_767_225_600_000 + number, 1), None, "the disk is full"))
            .unwrap();
    };
    (0..30).for_each(|number| skip(&spool, number));
    // Another process goes on.
    drop(spool);
    let spool = agent.spool().unwrap();
    (30..200).for_each(|number| skip(&spool, number));
    let refused = spool.begin(RunId::from_parts(1_767_225_900_000, 1), None).unwrap_err();
    assert!(refused.is_full(), "what can be left out has no right to the last room");
    scenario.teardown();
    assert_eq!(std::fs::metadata(&journal).unwrap().len(), size, "nothing is written but in place");
    drop(spool);
    agent.push(&agent.spool().unwrap()).unwrap();
    let archive = agent.store.archive();
    let log = Log::new(&*archive, agent.id.clone(), agent.keys());
    let entries = (0..).map_while(|index| Some(log.entry(index).unwrap()?.0.predicate));
    let reasons: Vec<String> = entries.filter_map(|entry| entry.reason).collect();
    let more = |reason: &String| {
        let count = reason.split_once("and ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
        1 + count.unwrap_or(0)
    };
    assert_eq!(reasons.iter().map(more).sum::<usize>(), 200, "every skipped run is counted: {reasons:?}");
    assert!(reasons.len() > 50);
    agent.run(3).unwrap();
    agent.arrived(&BTreeMap::new(), "after a full disk");
}

#[test]
fn every_place_in_the_code_is_in_the_list() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let places = text.split("place(\"").skip(1).filter_map(|rest| rest.split_once('"'));
            found.extend(places.map(|(name, _)| name.to_owned()));
        }
    }
    let torn = ["journal.enqueue", "journal.keep", "bundle.object", "bundle.keep"];
    found.extend(torn.map(|name| format!("{name}.torn")));
    found.extend(["parcel.object", "parcel.copy", "parcel.keep"].map(|name| format!("{name}.torn")));
    let listed: BTreeSet<String> = places().map(str::to_owned).collect();
    assert_eq!(found, listed);
}
