//! The log under races, junk and restarts.

use evidenced_model::{Archive, LogHead, Memory, Put, Sink, SinkError};
use evidenced_seal::log::{Draft, EntryKind, entry_path};
use evidenced_seal::{Log, PemSigner, Signer as _};
use proptest::prelude::*;

use crate::support::World;

/// A sink whose next write another writer forestalls.
struct Forestalled<'f> {
    store: Memory,
    other: Box<dyn FnMut(&str) + Send + 'f>,
}

impl Sink for Forestalled<'_> {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        (self.other)(path);
        self.store.put(path, bytes)
    }
}

/// One step of one of two writers, or of somebody who throws junk.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append(usize),
    /// Writer `.0` appends, and the other one is faster.
    Lose(usize),
    Restart(usize),
    Junk(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..2_usize).prop_map(Step::Append),
        3 => (0..2_usize).prop_map(Step::Lose),
        1 => (0..2_usize).prop_map(Step::Restart),
        2 => (0..3_u64).prop_map(Step::Junk),
    ];
    prop::collection::vec(step, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn two_writers_and_junk_make_one_log_that_verifies(steps in steps()) {
        let world = World::new();
        let mut logs = [world.log(), world.log()];
        let mut appended: Vec<LogHead> = Vec::new();
        let draft = |number: usize| Draft::new(EntryKind::Skipped, Some(format!("entry {number}")));
        for (number, step) in steps.into_iter().enumerate() {
            let (draft, now) = (draft(number), World::time(number as u64));
            match step {
                Step::Append(who) => {
                    appended.push(logs[who].append(&mut world.store.clone(), &world.signer, &draft, now).unwrap());
                }
                Step::Lose(who) => {
                    let [one, two] = &mut logs;
                    let (loser, winner) = if who == 0 { (one, two) } else { (two, one) };
                    let mut won = None;
                    let mut sink = Forestalled {
                        store: world.store.clone(),
                        other: Box::new(|_| {
                            if won.is_none() {
                                let faster = Draft::new(EntryKind::Late, Some(format!("faster {number}")));
                                won = Some(winner.append(&mut world.store.clone(), &world.signer, &faster, now).unwrap());
                            }
                        }),
                    };
                    let lost = loser.append(&mut sink, &world.signer, &draft, now).unwrap();
                    drop(sink);
                    let won = won.unwrap();
                    prop_assert!(won.index < lost.index);
                    appended.extend([won, lost]);
                }
                Step::Restart(who) => logs[who] = world.log(),
                Step::Junk(ahead) => {
                    let next = world.log().head().unwrap().map_or(0, |head| head.index + 1);
                    // Junk before the genesis is another test; there is no log yet to pass over it.
                    if next > 0 {
                        let _ = world.store.clone().put(&entry_path(&world.agent, next + ahead), b"junk");
                    }
                }
            }
        }
        let mut log = world.log();
        // Pass over junk that stands at the end, and fill up to islands further behind.
        for number in 0..4 {
            appended.push(log.append(&mut world.store.clone(), &world.signer, &draft(100 + number), World::time(99)).unwrap());
        }
        for head in &appended {
            prop_assert_eq!(world.log().entry(head.index).unwrap().map(|(_, digest)| digest), Some(head.digest));
        }
        let report = world.verify();
        prop_assert_eq!(&report.problems, &[]);
        prop_assert_eq!(report.heads[0].1, *appended.last().unwrap());
    }
}

#[test]
fn an_entry_that_is_there_already_is_adopted() {
    let world = World::new();
    world.append(&Draft::new(EntryKind::Skipped, None));
    let draft = Draft::new(EntryKind::Late, None);
    // The answer to the first write is lost; the writer comes again with the same entry.
    let mut log = world.log();
    log.head().unwrap();
    let mut stale = world.log();
    stale.head().unwrap();
    let mut first = None;
    let mut sink = Forestalled {
        store: world.store.clone(),
        other: Box::new(|_| {
            first = Some(log.append(&mut world.store.clone(), &world.signer, &draft, World::time(5)).unwrap());
        }),
    };
    let second = stale.append(&mut sink, &world.signer, &draft, World::time(5)).unwrap();
    drop(sink);
    assert_eq!(first, Some(second));
    assert_eq!(world.verify().entries, 3);
}

#[test]
fn the_head_is_found_with_few_reads() {
    let world = World::new();
    let mut log = world.log();
    for number in 0..100 {
        let draft = Draft::new(EntryKind::Skipped, None);
        log.append(&mut world.store.clone(), &world.signer, &draft, World::time(number)).unwrap();
    }
    let counting = Counting { store: world.store.clone(), reads: std::sync::atomic::AtomicUsize::new(0) };
    let mut fresh = Log::new(&counting, world.agent.clone(), world.keys());
    assert_eq!(fresh.head().unwrap(), log.head().unwrap());
    let reads = counting.reads.load(std::sync::atomic::Ordering::Relaxed);
    assert!(reads < 20, "{reads} reads for 101 entries");
}

struct Counting {
    store: Memory,
    reads: std::sync::atomic::AtomicUsize,
}

impl Archive for Counting {
    fn open(&self, path: &str) -> Result<Option<Box<dyn std::io::Read + Send>>, evidenced_model::ArchiveError> {
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.store.open(path)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, evidenced_model::ArchiveError> {
        panic!("{folder} is listed");
    }

    fn location(&self) -> String {
        self.store.location()
    }
}

#[test]
fn a_log_of_another_key_is_left_alone() {
    let world = World::new();
    world.append(&Draft::new(EntryKind::Skipped, None));
    let other = PemSigner::generate(&world.folder.path().join("other")).unwrap();
    let mut log = Log::new(&world.store, world.agent.clone(), (&other.public_key().clone()).into());
    let draft = Draft::new(EntryKind::Skipped, None);
    let error = log.append(&mut world.store.clone(), &other, &draft, World::time(0)).unwrap_err();
    assert!(error.to_string().contains("agent.id"), "{error}");
    assert_eq!(world.verify().entries, 2);
}

#[test]
fn a_log_without_its_beginning_is_not_continued() {
    let world = World::new();
    world.append(&Draft::new(EntryKind::Skipped, None));
    let mut files = world.store.files();
    files.remove(&entry_path(&world.agent, 0));
    let store = Memory::of(files);
    let error = Log::new(&store, world.agent.clone(), world.keys()).head().unwrap_err();
    assert!(error.to_string().contains("entry 0 is missing"), "{error}");
}
