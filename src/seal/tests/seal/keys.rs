//! Keys hand over to each other, are revoked, and are pinned for a time.

use evidenced_model::{LogHead, Memory, Put, Sink, SinkError};
use evidenced_seal::log::{Draft, EntryKind, LogStatement, entry_path};
use evidenced_seal::statement::Subject;
use evidenced_seal::verify::{Options, VerifyReport, verify};
use evidenced_seal::{KeyLog, Log, PemSigner, PublicKeys, Signer as _, Validity, dsse};
use jiff::Timestamp;

use crate::support::{World, company};

fn key(world: &World, name: &str) -> PemSigner {
    PemSigner::generate(&world.folder.path().join(name)).unwrap()
}

fn pinned(keys: &[&PemSigner]) -> PublicKeys {
    PublicKeys::new(keys.iter().map(|key| key.public_key().clone()))
}

fn check(world: &World, keys: PublicKeys) -> VerifyReport {
    verify(&world.store, &Options { keys, ..Options::default() }, &mut |_, _| {}).unwrap()
}

fn key_log<'a>(world: &'a World, keys: &[&PemSigner]) -> KeyLog<'a> {
    KeyLog { archive: &world.store, agent: world.agent.clone(), keys: pinned(keys) }
}

/// A run, a rotation, and another run; gives the old key.
fn rotated(world: &mut World) -> PemSigner {
    world.run(&company());
    let new = key(world, "new.pem");
    let now = World::time(world.runs);
    key_log(world, &[]).rotate(&mut world.store.clone(), (&world.signer, &new), now).unwrap();
    let old = std::mem::replace(&mut world.signer, new);
    world.run(&company());
    old
}

/// An entry that follows the head, signed by anybody.
fn plant(world: &World, signer: &PemSigner, kind: EntryKind, subject: Option<Subject>) -> LogHead {
    let mut log = Log::new(&world.store, world.agent.clone(), world.keys());
    let head = log.head().unwrap().unwrap();
    let (mut entry, digest): (LogStatement, _) = log.entry(head.index).unwrap().unwrap();
    entry.predicate.kind = kind;
    (entry.predicate.index, entry.predicate.previous, entry.predicate.run) = (head.index + 1, digest, None);
    entry.subject = vec![subject.unwrap_or_else(|| Subject::new(entry_path(&world.agent, head.index), digest))];
    let envelope = dsse::sign(&entry.to_bytes(), signer).unwrap();
    world.store.clone().put(&entry_path(&world.agent, head.index + 1), &envelope).unwrap();
    LogHead { digest: evidenced_model::Digest::of(&envelope), index: head.index + 1 }
}

fn named(report: &VerifyReport, file: &str, word: &str) -> bool {
    report.problems.iter().any(|problem| problem.file == file && problem.what.contains(word))
}

#[test]
fn a_key_hands_over_and_the_next_is_believed() {
    let mut world = World::new();
    let old = rotated(&mut world);
    let report = check(&world, pinned(&[&old]));
    assert_eq!((&report.problems[..], report.runs), (&[][..], 2));
    let why = |key: &PemSigner| &report.keys.iter().find(|one| one.id == key.public_key().id()).unwrap().why;
    assert_eq!(why(&old), "pinned, at any time; it handed over to another in entry 3");
    assert_eq!(why(&world.signer), &format!("key {} handed over to it in entry 3", old.public_key().id()));
    assert_eq!(report.believed[&world.agent], pinned(&[&old, &world.signer]));
    // Whoever pins both needs no rotation; whoever pins the new one alone has never heard of the old one.
    assert_eq!(check(&world, pinned(&[&old, &world.signer])).problems, []);
    assert!(named(&check(&world, pinned(&[&world.signer])), &entry_path(&world.agent, 0), "not among the pinned keys"));
}

#[test]
fn a_key_that_handed_over_signs_nothing_more() {
    let mut world = World::new();
    let old = rotated(&mut world);
    let draft = Draft::new(EntryKind::Skipped, None);
    for keys in [pinned(&[&old]), pinned(&[&old, &world.signer])] {
        let mut log = Log::new(&world.store, world.agent.clone(), keys);
        let error = log.append(&mut world.store.clone(), &old, &draft, World::time(9)).unwrap_err();
        assert!(error.to_string().contains("evidenced keys rotate"), "{error}");
    }
    // Somebody who stole it does not ask the log.
    let stolen = plant(&world, &old, EntryKind::Skipped, None);
    let path = entry_path(&world.agent, stolen.index);
    assert!(named(&check(&world, pinned(&[&old])), &path, "handed over to another in entry 3"));
    // The agent passes over it, and then nothing is wrong.
    world.run(&company());
    let report = check(&world, pinned(&[&old]));
    assert_eq!((&report.problems[..], report.runs), (&[][..], 3));
    assert!(report.notes.iter().any(|note| note.file == path), "{:?}", report.notes);
}

#[test]
fn an_end_that_is_known_from_before_a_rotation_is_no_obstacle() {
    let mut world = World::new();
    world.run(&company());
    let before = world.log().head().unwrap().unwrap();
    let old = rotated(&mut world);
    let log = Log::new(&world.store, world.agent.clone(), pinned(&[&old, &world.signer]));
    let mut log = log.resume_at(before).unwrap().unwrap();
    let draft = Draft::new(EntryKind::Skipped, None);
    log.append(&mut world.store.clone(), &world.signer, &draft, World::time(9)).unwrap();
    assert_eq!(check(&world, pinned(&[&old])).problems, []);
}

#[test]
fn only_a_believed_key_hands_over() {
    let world = World::new();
    world.append(&Draft::new(EntryKind::Skipped, None));
    let thief = key(&world, "thief.pem");
    let id = thief.public_key().id();
    let object = format!("v1/objects/{}/{id}.bin", &id.to_string()[..2]);
    world.store.clone().put(&object, thief.public_key().der()).unwrap();
    let planted = plant(&world, &thief, EntryKind::KeyRotated, Some(Subject::new(&object, id)));
    let path = entry_path(&world.agent, planted.index);
    assert!(named(&check(&world, world.keys()), &path, "not among the pinned keys"));
    // The right key, and an object that is no key.
    let world = World::new();
    world.append(&Draft::new(EntryKind::Skipped, None));
    let digest = evidenced_model::Digest::of(b"no key");
    let object = format!("v1/objects/{}/{digest}.bin", &digest.to_string()[..2]);
    world.store.clone().put(&object, b"no key").unwrap();
    let planted = plant(&world, &world.signer, EntryKind::KeyRotated, Some(Subject::new(&object, digest)));
    assert!(named(&check(&world, world.keys()), &entry_path(&world.agent, planted.index), "hands over to no key"));
}

#[test]
fn a_handing_over_that_broke_off_is_finished() {
    let mut world = World::new();
    world.run(&company());
    let new = key(&world, "new.pem");
    for allowed in 0..2 {
        let mut sink = Limited { store: world.store.clone(), left: allowed };
        let error = key_log(&world, &[]).rotate(&mut sink, (&world.signer, &new), World::time(1)).unwrap_err();
        assert!(error.is_away(), "{error}");
        assert_eq!(check(&world, world.keys()).problems, []);
    }
    let mut sink = Limited { store: world.store.clone(), left: 2 };
    key_log(&world, &[]).rotate(&mut sink, (&world.signer, &new), World::time(1)).unwrap_err();
    let head = key_log(&world, &[]).rotate(&mut world.store.clone(), (&world.signer, &new), World::time(1)).unwrap();
    assert_eq!(head.index, 4, "genesis, started, run, two of the rotation");
    let old = std::mem::replace(&mut world.signer, new);
    world.run(&company());
    assert_eq!(check(&world, pinned(&[&old])).problems, []);
}

/// A sink that is away after some writes.
struct Limited {
    store: Memory,
    left: usize,
}

impl Sink for Limited {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        if self.left == 0 {
            return Err(SinkError::Away { path: path.to_owned(), reason: "a test".to_owned() });
        }
        self.left -= 1;
        self.store.put(path, bytes)
    }
}

#[test]
fn a_revoked_key_is_not_believed_any_more() {
    let mut world = World::new();
    let old = rotated(&mut world);
    let revoke = |world: &World, since: Option<Timestamp>| {
        let what = (old.public_key().id(), "stolen", since);
        key_log(world, &[&old, &world.signer])
            .revoke(&mut world.store.clone(), &world.signer, what, World::time(world.runs))
            .unwrap()
    };
    let head = revoke(&world, None);
    let report = check(&world, pinned(&[&old]));
    assert_eq!(report.problems, []);
    assert!(report.keys.iter().any(|key| key.why.ends_with(&format!("revoked in entry {}", head.index))));
    // Since before its first run: what it signed then is a problem, each entry and the run by name.
    revoke(&world, Some(World::time(0)));
    let report = check(&world, pinned(&[&old]));
    for index in 0..=3 {
        assert!(named(&report, &entry_path(&world.agent, index), "revoked"), "entry {index}: {:#?}", report.problems);
    }
    // A key does not revoke itself.
    let (new, id) = (&world.signer, world.signer.public_key().id());
    let itself = plant(&world, new, EntryKind::KeyRevoked, Some(Subject::new("public-key", id)));
    assert!(named(&check(&world, pinned(&[&old])), &entry_path(&world.agent, itself.index), "signed by another"));
}

#[test]
fn a_run_of_a_key_that_was_revoked_since_is_a_problem() {
    let mut world = World::new();
    let first = world.run(&company());
    let old = rotated(&mut world);
    let what = (old.public_key().id(), "stolen", Some(World::time(1)));
    let log = key_log(&world, &[&old, &world.signer]);
    log.revoke(&mut world.store.clone(), &world.signer, what, World::time(9)).unwrap();
    let report = check(&world, pinned(&[&old]));
    let runs: Vec<_> = report.problems.iter().filter(|problem| problem.file.ends_with("run.dsse.json")).collect();
    assert_eq!(runs.len(), 1, "{:#?}", report.problems);
    assert_ne!(runs[0].file, first.path, "the first run was before");
}

#[test]
fn pinned_keys_have_their_time() {
    let mut world = World::new();
    let run = world.run(&company());
    let at = World::time(0);
    let with = |from: Option<Timestamp>, until: Option<Timestamp>| {
        let mut keys = PublicKeys::default();
        assert!(keys.pin(world.signer.public_key().clone(), Validity { from, until }));
        assert!(!keys.pin(world.signer.public_key().clone(), Validity::default()), "pinned twice");
        check(&world, keys)
    };
    let later = World::time(1);
    assert_eq!(with(Some(at), Some(later)).problems, []);
    for report in [with(Some(later), None), with(None, Some(at))] {
        assert!(named(&report, &entry_path(&world.agent, 2), "believed"), "{:#?}", report.problems);
        assert!(named(&report, &run.path, "believed"), "{:#?}", report.problems);
    }
}
