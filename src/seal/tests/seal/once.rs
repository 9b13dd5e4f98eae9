//! Verification reads each file once, however many runs refer to it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

use evidenced_model::{Archive, ArchiveError, Memory};
use evidenced_seal::verify::{Options, verify};
use serde_json::json;

use crate::support::{World, company};

/// Counts how often each file is opened.
struct Counting {
    store: Memory,
    opened: Mutex<BTreeMap<String, u64>>,
}

impl Archive for Counting {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        *self.opened.lock().unwrap().entry(path.to_owned()).or_default() += 1;
        self.store.open(path)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        self.store.list(folder)
    }

    fn location(&self) -> String {
        self.store.location()
    }
}

/// Verifies twenty runs and counts how often each file is opened.
fn opened(changes_at: Option<u64>) -> (BTreeMap<String, u64>, World) {
    let mut world = World::new();
    let mut population = company();
    for run in 0..20 {
        let keys = population.get_mut(&("123456789012", "eu-west-1", "aws.kms.key")).unwrap();
        keys.insert("key-0".to_owned(), json!({"encrypted": Some(run) != changes_at}));
        world.run(&population);
    }
    let archive = Counting { store: world.store.clone(), opened: Mutex::default() };
    let options = Options { keys: world.keys(), ..Options::default() };
    let report = verify(&archive, &options, &mut |_, _| {}).unwrap();
    assert_eq!((report.problems, report.runs), (Vec::new(), 20));
    let opened = archive.opened.into_inner().unwrap();
    assert!(world.store.files().keys().all(|path| opened.contains_key(path)), "all were read");
    (opened, world)
}

#[test]
fn every_file_of_unchanged_runs_is_read_once() {
    let (opened, world) = opened(None);
    let twice: Vec<_> = opened.iter().filter(|(_, times)| **times != 1).collect();
    // Where the log ends is seen by asking for one entry more.
    assert_eq!(twice, []);
    assert_eq!(opened.len(), world.store.files().len() + 1);
}

#[test]
fn a_change_makes_nothing_large_be_read_again() {
    let (opened, _) = opened(Some(7));
    let twice: Vec<_> = opened.iter().filter(|(_, times)| **times != 1).collect();
    // The coverage beside what changed: its root, and that of the account.
    assert!(twice.len() <= 2 && twice.iter().all(|(path, _)| path.ends_with(".json.zst")), "{twice:?}");
}
