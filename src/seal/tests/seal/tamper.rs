//! Stored files are edited, truncated, swapped, removed, reordered and signed again; each is caught, and named.

use evidenced_model::Digest;
use evidenced_seal::object::{Format, object_path};
use evidenced_seal::verify::{Options, VerifyReport, verify};
use evidenced_seal::{PemSigner, PublicKeys, Signer as _, dsse};
use serde_json::json;

use crate::forge::Forger;
use crate::support::{World, company};

const ACCOUNT: &str = "aws:123456789012";
const BUCKETS: &str = "eu-central-1/aws.s3.bucket";
const KEYS: &str = "eu-west-1/aws.kms.key";

/// What is done, and the file that verification has to name.
type Way = (&'static str, fn(&mut Forger<'_>) -> String);

fn world() -> World {
    let mut world = World::new();
    let mut population = company();
    for run in 0..3 {
        let buckets = population.get_mut(&("123456789012", "eu-central-1", "aws.s3.bucket")).unwrap();
        buckets.insert("bucket-0".to_owned(), json!({"encrypted": run == 1}));
        world.run(&population);
    }
    world
}

fn check(forger: &Forger<'_>, keys: PublicKeys, options: Options) -> VerifyReport {
    verify(&forger.store(), &Options { keys, ..options }, &mut |_, _| {}).unwrap()
}

fn all_are_caught(ways: &[Way]) {
    let world = world();
    assert_eq!(world.verify().problems, []);
    for (name, way) in ways {
        let mut forger = Forger::new(&world);
        let file = way(&mut forger);
        assert_ne!(forger.files, world.store.files(), "{name}: nothing was done");
        let report = check(&forger, world.keys(), Options::default());
        let named = report.problems.iter().any(|problem| problem.file == file && !problem.what.is_empty());
        assert!(named, "{name}: expected {file} among {:#?}", report.problems);
    }
}

fn first_chunk(forger: &Forger<'_>) -> String {
    let group = forger.entry("inventory", &[ACCOUNT, BUCKETS]);
    let chunk = &forger.tree(&group.digest).entries[0];
    object_path(&chunk.digest, Format::Lines)
}

fn tree_path(forger: &Forger<'_>, way: &[&str]) -> String {
    object_path(&forger.entry("inventory", way).digest, Format::Json)
}

fn subject_path(forger: &Forger<'_>, name: &str) -> String {
    object_path(&forger.run().digest_of(name).unwrap(), Format::Json)
}

fn small_chunk(forger: &Forger<'_>, subject: &str) -> String {
    object_path(&forger.entry(subject, &[ACCOUNT, KEYS, "b"]).digest, Format::Lines)
}

/// Somebody with the disk, and no key.
const DISK: &[Way] = &[
    ("a byte of a chunk is edited", |forger| {
        let path = first_chunk(forger);
        forger.change(&path, |bytes| bytes[100] ^= 1)
    }),
    ("a chunk is truncated", |forger| {
        let path = first_chunk(forger);
        forger.change(&path, |bytes| bytes.truncate(100))
    }),
    ("a chunk is emptied", |forger| {
        let path = first_chunk(forger);
        forger.change(&path, Vec::clear)
    }),
    ("something is appended to a chunk", |forger| {
        let path = first_chunk(forger);
        forger.change(&path, |bytes| bytes.push(0))
    }),
    ("a chunk is removed", |forger| {
        let path = first_chunk(forger);
        forger.files.remove(&path);
        path
    }),
    ("two chunks are swapped between their names", |forger| {
        let (one, other) = (first_chunk(forger), small_chunk(forger, "inventory"));
        let (a, b) = (forger.files[&one].clone(), forger.files[&other].clone());
        forger.files.insert(one, b);
        forger.files.insert(other.clone(), a);
        other
    }),
    ("a chunk of findings is edited", |forger| {
        let path = small_chunk(forger, "findings");
        forger.change(&path, |bytes| bytes[50] ^= 0x80)
    }),
    ("a chunk stands under the name of another content", |forger| {
        let other = forger.object(b"{}\n", Format::Lines);
        let (path, bytes) =
            (small_chunk(forger, "inventory"), forger.files[&object_path(&other, Format::Lines)].clone());
        forger.change(&path, |there| *there = bytes)
    }),
    ("a tree is edited", |forger| {
        let path = tree_path(forger, &[ACCOUNT, BUCKETS]);
        forger.change(&path, |bytes| *bytes.last_mut().unwrap() ^= 1)
    }),
    ("a tree is removed", |forger| {
        let path = tree_path(forger, &[ACCOUNT]);
        forger.files.remove(&path);
        path
    }),
    ("a root is removed", |forger| {
        let path = subject_path(forger, "findings");
        forger.files.remove(&path);
        path
    }),
    ("the manifest is edited", |forger| {
        let path = subject_path(forger, "manifest");
        forger.change(&path, |bytes| bytes[30] ^= 1)
    }),
    ("the mappings are removed", |forger| {
        let path = subject_path(forger, "mappings");
        forger.files.remove(&path);
        path
    }),
    ("the coverage of an account is removed", |forger| {
        let path = object_path(&forger.entry("coverage", &[ACCOUNT]).digest, Format::Json);
        forger.files.remove(&path);
        path
    }),
    ("the payload of a run is edited", |forger| {
        let path = forger.run_path();
        let opened = dsse::parse(&forger.files[&path]).unwrap();
        let payload = String::from_utf8(opened.payload).unwrap().replace("\"complete\"", "\"partial\"");
        let forged = dsse::sign(payload.as_bytes(), &forger.world.signer).unwrap();
        let [old, new] =
            [&forger.files[&path], &forged].map(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap());
        let mixed =
            json!({"payload": new["payload"], "payloadType": old["payloadType"], "signatures": old["signatures"]});
        forger.change(&path, |bytes| *bytes = mixed.to_string().into_bytes())
    }),
    ("a run's statement is removed", |forger| {
        let path = forger.run_path();
        forger.files.remove(&path);
        path
    }),
    ("a run's statement is that of another run", |forger| {
        let path = forger.run_path();
        let other = forger.log_entry(2).subject[0].name.clone();
        let bytes = forger.files[&other].clone();
        forger.change(&path, |there| *there = bytes)
    }),
    ("a log entry is removed from the middle", |forger| {
        let path = forger.log_path(3);
        forger.files.remove(&path);
        path
    }),
    ("two log entries are swapped", |forger| {
        let (one, other) = (forger.log_path(2), forger.log_path(4));
        let (a, b) = (forger.files[&one].clone(), forger.files[&other].clone());
        forger.files.insert(one, b);
        forger.files.insert(other.clone(), a);
        other
    }),
    ("the log loses a run, and the rest moves up", |forger| {
        for index in 3..=4 {
            let bytes = forger.files[&forger.log_path(index + 2)].clone();
            forger.files.insert(forger.log_path(index), bytes);
            forger.files.remove(&forger.log_path(index + 2));
        }
        forger.log_path(3)
    }),
    ("a log entry is replayed at the end", |forger| {
        let bytes = forger.files[&forger.log_path(2)].clone();
        let path = forger.log_path(7);
        forger.files.insert(path.clone(), bytes);
        path
    }),
    ("an unsigned entry is added", |forger| {
        let bytes = forger.files[&forger.log_path(6)].clone();
        let envelope: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let unsigned =
            json!({"payload": envelope["payload"], "payloadType": envelope["payloadType"], "signatures": []});
        let path = forger.log_path(7);
        forger.files.insert(path.clone(), unsigned.to_string().into_bytes());
        path
    }),
    ("junk is added to the log", |forger| {
        let path = forger.log_path(7);
        forger.files.insert(path.clone(), b"junk".to_vec());
        path
    }),
    ("junk of enormous size is added to the log", |forger| {
        let path = forger.log_path(7);
        forger.files.insert(path.clone(), vec![b'x'; 2 << 20]);
        path
    }),
    ("a log entry is edited", |forger| {
        let path = forger.log_path(4);
        forger.change(&path, |bytes| bytes[40] ^= 1)
    }),
    ("the genesis is removed", |forger| {
        let path = forger.log_path(0);
        forger.files.remove(&path);
        path
    }),
    ("the signature of one entry stands under another", |forger| {
        let [one, two] = [4, 5]
            .map(|index| serde_json::from_slice::<serde_json::Value>(&forger.files[&forger.log_path(index)]).unwrap());
        let mixed =
            json!({"payload": one["payload"], "payloadType": one["payloadType"], "signatures": two["signatures"]});
        let path = forger.log_path(4);
        forger.change(&path, |bytes| *bytes = mixed.to_string().into_bytes())
    }),
    ("the tail of the log is cut, and the runs are left", |forger| {
        let path = forger.run_path();
        for index in 3..=6 {
            forger.files.remove(&forger.log_path(index));
        }
        path
    }),
    ("the whole log is removed", |forger| {
        forger.files.retain(|path, _| !path.starts_with("v1/log/"));
        "v1/log/".to_owned()
    }),
];

#[test]
fn the_disk_alone_does_not_suffice() {
    all_are_caught(DISK);
}

/// Somebody with a key that is not pinned.
const OTHER_KEY: &[Way] = &[
    ("a run is signed again by another key", |forger| {
        let other = PemSigner::generate(&forger.world.folder.path().join("other-1")).unwrap();
        let path = forger.run_path();
        let bytes = dsse::sign(&forger.run().to_bytes(), &other).unwrap();
        forger.change(&path, |there| *there = bytes)
    }),
    ("a run and its entry are signed again by another key", |forger| {
        let other = PemSigner::generate(&forger.world.folder.path().join("other-2")).unwrap();
        forger.resign(&other, |statement| statement.predicate.totals.calls = 9);
        forger.log_path(6)
    }),
    ("the whole log is signed again by another key", |forger| {
        let other = PemSigner::generate(&forger.world.folder.path().join("other-3")).unwrap();
        let entries = (0..=6).map(|index| forger.log_entry(index)).collect();
        forger.rewrite_log(&other, entries);
        forger.log_path(0)
    }),
    ("another key signs under the name of ours", |forger| {
        let other = PemSigner::generate(&forger.world.folder.path().join("other-4")).unwrap();
        let path = forger.run_path();
        let text = String::from_utf8(dsse::sign(&forger.run().to_bytes(), &other).unwrap()).unwrap();
        let id = |signer: &PemSigner| signer.public_key().id().to_string();
        let text = text.replace(&id(&other), &id(&forger.world.signer));
        forger.change(&path, |bytes| *bytes = text.into_bytes())
    }),
];

#[test]
fn another_key_does_not_suffice() {
    all_are_caught(OTHER_KEY);
}

/// Somebody with the agent's own key, who leaves something inconsistent.
const OWN_KEY: &[Way] = &[
    ("an account is left out of a tree", |forger| {
        forger.plant("inventory", &[], |_, tree| drop(tree.entries.remove(0)));
        // Its findings are left, without their resources.
        small_chunk_of(forger, "aws:111122223333")
    }),
    ("a chunk is left out of a tree", |forger| {
        forger.plant("inventory", &[ACCOUNT, BUCKETS], |_, tree| drop(tree.entries.remove(0)));
        object_path(&forger.entry("coverage", &[ACCOUNT]).digest, Format::Json)
    }),
    ("a count is changed and hashed again", |forger| {
        forger.plant("inventory", &[ACCOUNT, KEYS], |_, tree| tree.entries[0].count += 1);
        small_chunk(forger, "inventory")
    }),
    ("a Merkle root is changed and hashed again", |forger| {
        forger.plant("inventory", &[ACCOUNT, KEYS], |_, tree| tree.entries[0].lines = Digest::of(b"x"));
        small_chunk(forger, "inventory")
    }),
    ("a content digest is changed and hashed again", |forger| {
        forger.plant("findings", &[ACCOUNT, KEYS], |_, tree| tree.entries[0].content = Digest::of(b"x"));
        small_chunk(forger, "findings")
    }),
    ("a verdict is changed and hashed again", |forger| {
        forger.plant_lines("findings", &[ACCOUNT, KEYS, "b"], |lines| lines.replacen("\"pass\"", "\"fail\"", 1));
        forger.run_path()
    }),
    ("lines are reordered and hashed again", |forger| {
        forger.plant_lines("inventory", &[ACCOUNT, KEYS, "b"], |lines| lines.split_inclusive('\n').rev().collect());
        small_chunk(forger, "inventory")
    }),
    ("a line is there twice", |forger| {
        forger.plant_lines("inventory", &[ACCOUNT, KEYS, "b"], |lines| {
            let first = lines.lines().next().unwrap().to_owned();
            format!("{first}\n{lines}")
        });
        small_chunk(forger, "inventory")
    }),
    ("a resource is left out, and its findings are not", |forger| {
        forger.plant_lines("inventory", &[ACCOUNT, KEYS, "b"], |lines| lines.split_inclusive('\n').skip(1).collect());
        small_chunk(forger, "findings")
    }),
    ("a resource stands in another region", |forger| {
        forger.plant_lines("inventory", &[ACCOUNT, KEYS, "b"], |lines| lines.replacen("eu-west-1", "eu-west-2", 1));
        small_chunk(forger, "inventory")
    }),
    ("a resource stands in a chunk of another prefix", |forger| {
        let group = forger.entry("inventory", &[ACCOUNT, BUCKETS]);
        let chunks = forger.tree(&group.digest).entries;
        let (name, foreign) = (chunks[0].name.clone(), forger.content(&chunks[1].digest, Format::Lines));
        forger.plant_lines("inventory", &[ACCOUNT, BUCKETS, &name], |_| String::from_utf8(foreign).unwrap());
        object_path(&forger.entry("inventory", &[ACCOUNT, BUCKETS, &name]).digest, Format::Lines)
    }),
    ("chunks are cut finer than the format says", |forger| {
        forger.plant("inventory", &[ACCOUNT, KEYS], |_, tree| tree.entries[0].name = "b0".to_owned());
        tree_path(forger, &[ACCOUNT, KEYS])
    }),
    ("the last line has no LF", |forger| {
        forger.plant_lines("inventory", &[ACCOUNT, KEYS, "b"], |lines| lines.trim_end().to_owned());
        small_chunk(forger, "inventory")
    }),
    ("a tree is not canonical", |forger| {
        let old = forger.run().digest_of("findings").unwrap();
        let content = String::from_utf8(forger.content(&old, Format::Json)).unwrap().replace(":[", ": [");
        let new = forger.object(content.as_bytes(), Format::Json);
        let world = forger.world;
        forger.resign(&world.signer, |statement| {
            for subject in statement.subject.iter_mut().filter(|subject| subject.name == "findings") {
                subject.digest.sha256 = new;
            }
        });
        subject_path(forger, "findings")
    }),
    ("the manifest has other totals", |forger| {
        forger.plant_document("manifest", |manifest| manifest["totals"]["resources"] = json!(1));
        forger.run_path()
    }),
    ("the statement has other totals", |forger| {
        let world = forger.world;
        forger.resign(&world.signer, |statement| statement.predicate.totals.findings.fail = 0);
        forger.run_path()
    }),
    ("the controls rest on other findings", |forger| {
        forger.plant_document("controls", |controls| controls["findings"] = json!(Digest::of(b"x")));
        forger.run_path()
    }),
    ("a subject is missing", |forger| {
        let world = forger.world;
        forger.resign(&world.signer, |statement| statement.subject.truncate(7));
        forger.run_path()
    }),
    ("the coverage counts other resources", |forger| {
        let old = forger.entry("coverage", &[ACCOUNT]);
        let content = String::from_utf8(forger.content(&old.digest, Format::Json)).unwrap();
        let lie = content.replace("\"resources\":5", "\"resources\":4");
        assert_ne!(lie, content);
        let digest = forger.object(lie.as_bytes(), Format::Json);
        forger.plant("coverage", &[], |_, tree| {
            let entry = tree.entries.iter_mut().find(|entry| entry.name == ACCOUNT).unwrap();
            (entry.digest, entry.content) = (digest, Digest::of(lie.as_bytes()));
        });
        object_path(&digest, Format::Json)
    }),
    ("a run is dropped from the rewritten log", |forger| {
        let dropped = forger.log_entry(4).subject[0].name.clone();
        let entries = [0, 1, 2, 5, 6].map(|index| forger.log_entry(index)).into();
        let world = forger.world;
        forger.rewrite_log(&world.signer, entries);
        dropped
    }),
    ("only the end of a run is dropped from the rewritten log", |forger| {
        let entries = [0, 1, 2, 3, 5, 6].map(|index| forger.log_entry(index)).into();
        let world = forger.world;
        forger.rewrite_log(&world.signer, entries);
        forger.log_path(3)
    }),
    ("a run is in the rewritten log twice", |forger| {
        let entries = [0, 1, 2, 2, 3, 4, 5, 6].map(|index| forger.log_entry(index)).into();
        let world = forger.world;
        forger.rewrite_log(&world.signer, entries);
        forger.log_path(3)
    }),
    ("a run that never started is in the rewritten log", |forger| {
        let entries = [0, 1, 2, 4, 5, 6].map(|index| forger.log_entry(index)).into();
        let world = forger.world;
        forger.rewrite_log(&world.signer, entries);
        forger.log_path(3)
    }),
    ("an entry says that another was obstructed", |forger| {
        let head = evidenced_model::LogHead { digest: Digest::of(&forger.files[&forger.log_path(5)]), index: 5 };
        let world = forger.world;
        forger.resign_entry(6, &world.signer, |entry| entry.predicate.obstructions = vec![head]);
        forger.log_path(6)
    }),
    ("an entry of another agent stands in the log", |forger| {
        let world = forger.world;
        forger.resign_entry(6, &world.signer, |entry| entry.predicate.agent = "other".parse().unwrap());
        forger.log_path(6)
    }),
];

fn small_chunk_of(forger: &Forger<'_>, account: &str) -> String {
    let way = [account, "eu-central-1/aws.kms.key", "b"];
    object_path(&forger.entry("findings", &way).digest, Format::Lines)
}

#[test]
fn the_own_key_does_not_make_things_consistent() {
    all_are_caught(OWN_KEY);
}

#[test]
fn a_cut_tail_is_caught_by_a_known_head() {
    let world = world();
    let head = world.log().head().unwrap().unwrap();
    let known = || Options { expect_head: Some(head), ..Options::default() };
    let mut forger = Forger::new(&world);
    assert!(check(&forger, world.keys(), known()).is_good());
    let run = forger.run_path();
    forger.files.remove(&run);
    for index in 5..=6 {
        forger.files.remove(&forger.log_path(index));
    }
    assert!(check(&forger, world.keys(), Options::default()).is_good(), "without the head nobody can know");
    let report = check(&forger, world.keys(), known());
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].what.contains("tail"), "{:?}", report.problems);
    // A rewritten log with the own key does not have the head either.
    let mut forger = Forger::new(&world);
    let entries = (0..=6).map(|index| forger.log_entry(index)).map(|mut entry| {
        entry.predicate.reason = Some("other".to_owned());
        entry
    });
    let entries = entries.collect();
    forger.rewrite_log(&world.signer, entries);
    assert!(!check(&forger, world.keys(), known()).is_good());
}

#[test]
fn no_key_believes_nobody() {
    let world = world();
    let report = check(&Forger::new(&world), PublicKeys::default(), Options::default());
    assert!(report.problems.iter().any(|problem| problem.what.contains("not among the pinned keys")));
    assert_eq!(report.runs, 0);
}

#[test]
fn an_untouched_copy_elsewhere_passes() {
    let world = world();
    let report = check(&Forger::new(&world), world.keys(), Options::default());
    assert_eq!((report.problems, report.notes), (Vec::new(), Vec::new()));
    assert_eq!((report.runs, report.entries), (3, 7));
    assert_eq!(report.heads, [(world.agent.clone(), world.log().head().unwrap().unwrap())]);
}
