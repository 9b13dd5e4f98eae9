//! Weeks of a daemon's life in simulated time: a store that is away for longer than anybody likes, a spool that is full.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evidenced_model::{Archive, FixedClock};
use evidenced_seal::log::EntryKind;
use evidenced_seal::{Log, PublicKey, PublicKeys};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

/// A daemon's folder.
struct Place(TempDir);

impl Place {
    fn new(more: &str) -> Self {
        let folder = TempDir::with_prefix("evidenced-").unwrap();
        let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("kinds");
        let config = format!(
            "agent: {{ id: test, state_dir: ./state }}\ntargets: [{{ synthetic: {{ resources: 5 }} }}]\n\
             store: {{ url: ./evidence }}\nseal: {{ key: \"file:./key.pem\" }}\nchecks: {{ dirs: [{}] }}\n\
             schedules: [{{ name: hourly, cron: \"0 0 * * * *\" }}]\nserve: {{ listen: \"127.0.0.1:0\" }}\n{more}",
            kinds.display()
        );
        std::fs::write(folder.path().join("evidenced.yaml"), config).unwrap();
        let place = Self(folder);
        place.run(&["keygen", "key.pem"], &[]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evidenced-bench"));
        command.args(arguments).current_dir(self.0.path()).env_clear().envs(environment.iter().copied());
        let done = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// The daemon lives for so many hours.
    #[track_caller]
    fn live(&self, from: Timestamp, hours: i64) -> Timestamp {
        let until = from + SignedDuration::from_hours(hours);
        let (from, end) = (from.to_string(), until.to_string());
        self.run(&["run", "-q"], &[("SIMULATED_FROM", &from), ("SIMULATED_UNTIL", &end)]);
        until
    }

    /// A file stands in the place of the store's folder while it is away.
    fn set_store(&self, there: bool) {
        let (store, elsewhere) = (self.path("evidence/v1"), self.path("elsewhere"));
        if there {
            std::fs::remove_file(&store).unwrap();
            std::fs::rename(elsewhere, store).unwrap();
        } else {
            std::fs::rename(&store, elsewhere).unwrap();
            std::fs::write(store, "").unwrap();
        }
    }

    /// What the log says of each slot.
    fn slots(&self) -> BTreeMap<Timestamp, Vec<EntryKind>> {
        self.run(&["verify"], &[]);
        let options = evidenced_store::Options::new(std::sync::Arc::new(FixedClock(Timestamp::UNIX_EPOCH)));
        let archive = evidenced_store::open_archive(&self.path("evidence").display().to_string(), &options).unwrap();
        let archive: &dyn Archive = &*archive;
        let keys = PublicKeys::from(&PublicKey::open(&self.path("key.pub.pem")).unwrap());
        let log = Log::new(archive, "test".parse().unwrap(), keys);
        let (mut slots, mut runs) = (BTreeMap::<Timestamp, Vec<EntryKind>>::new(), BTreeMap::new());
        for index in 0..=log.last_index().unwrap().unwrap() {
            let entry = log.entry(index).unwrap().unwrap().0.predicate;
            // One that is given up is named by its run.
            let due = entry.slot.map(|slot| slot.due).or_else(|| runs.get(&entry.run?).copied());
            if let Some(due) = due {
                runs.extend(entry.run.map(|run| (run, due)));
                slots.entry(due).or_default().push(entry.kind);
            }
        }
        slots
    }
}

fn begin() -> Timestamp {
    "2026-01-01T00:30:00Z".parse().unwrap()
}

#[test]
fn a_week_without_a_store_is_a_week_of_runs_once_it_is_back() {
    let place = Place::new("");
    let now = place.live(begin(), 5);
    place.set_store(false);
    let now = place.live(now, 7 * 24);
    place.set_store(true);
    place.live(now, 5);
    let slots = place.slots();
    assert_eq!(slots.len(), 7 * 24 + 10);
    for (slot, kinds) in &slots {
        assert_eq!(*kinds, [EntryKind::Started, EntryKind::Run], "{slot}");
    }
}

#[test]
fn a_full_spool_leaves_slots_out_and_says_so_and_keeps_what_it_has() {
    let place = Place::new("limits: { spool_bytes: 100KiB }\n");
    let now = place.live(begin(), 5);
    place.set_store(false);
    let now = place.live(now, 48);
    place.set_store(true);
    place.live(now, 5);
    let slots = place.slots();
    let count = |kind: EntryKind| slots.values().filter(|kinds| kinds.contains(&kind)).count();
    assert_eq!(slots.len(), 58, "every slot is in the log");
    assert!((10..58).contains(&count(EntryKind::Run)), "{slots:?}");
    let ended = |kinds: &&Vec<EntryKind>| {
        matches!(kinds.last(), Some(EntryKind::Run | EntryKind::Abandoned | EntryKind::Skipped))
    };
    assert_eq!(slots.values().filter(ended).count(), 58, "{slots:?}");
    assert!(count(EntryKind::Abandoned) + count(EntryKind::Skipped) > 0, "{slots:?}");
    let last = slots.values().last().unwrap();
    assert_eq!(*last, [EntryKind::Started, EntryKind::Run], "and then it goes on");
}
