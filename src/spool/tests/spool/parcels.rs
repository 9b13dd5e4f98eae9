//! What is sealed beside runs: in order with them, once, and never dropped.

use std::io::Read;

use evidenced_model::{Archive as _, Digest, RunId};
use evidenced_seal::log::{Draft, EntryKind};
use evidenced_seal::object::{Format, object_path};
use evidenced_seal::statement::Subject;
use evidenced_spool::{Spool, State, list_parcels};

use crate::support::{Fault, Request, World, attachment, record};

/// The kinds of the log's entries and the objects they are about.
fn attached(world: &World) -> Vec<String> {
    let entries = world.entries().into_iter().filter(|entry| entry.predicate.kind == EntryKind::Attachment);
    entries.map(|entry| entry.subject[0].name.clone()).collect()
}

fn kinds(world: &World) -> Vec<EntryKind> {
    world.log().into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn what_is_sealed_beside_runs_takes_its_turn_among_them() {
    use EntryKind::{Attachment, Genesis, Run, Started};
    let world = World::new();
    let spool = world.open("spool");
    world.store.plan(|_, _| Fault::Away);
    world.run(&spool, 0);
    let (draft, objects) = attachment(&world.agent, 1);
    spool.enqueue_sealed(draft.clone(), &objects).unwrap();
    world.clock.forward(3600);
    world.run(&spool, 1);
    assert_eq!(spool.waiting().unwrap(), (2, 3), "two runs; two beginnings and what was brought");
    assert!(spool.used() > 0);
    let listed = list_parcels(&world.root("spool")).unwrap();
    assert_eq!((listed.len(), listed[0].kind, listed[0].state), (1, EntryKind::Attachment, State::Sealed));
    assert_eq!(listed[0].object, draft.subject().unwrap().name);

    world.store.heal();
    // Another process goes on.
    drop(spool);
    let spool = world.open("spool");
    let pushed = world.push(&spool);
    assert_eq!(pushed.sealed.iter().map(|(subject, _)| subject).collect::<Vec<_>>(), [draft.subject().unwrap()]);
    assert_eq!(kinds(&world), [Genesis, Started, Run, Attachment, Started, Run], "in the order of sealing");
    assert_eq!(pushed.sealed[0].1.index, 3);
    for (path, bytes) in &objects {
        assert_eq!(world.store.memory.read(path, 1 << 20).unwrap().as_ref(), Some(bytes));
    }
    assert_eq!(spool.used(), 0);
    world.everything_arrived();
}

#[test]
fn objects_are_stored_before_the_entry_names_them() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    world.store.requests.lock().unwrap().clear();
    let (draft, objects) = attachment(&world.agent, 1);
    spool.enqueue_sealed(draft, &objects).unwrap();
    world.drain(&spool);
    let requests = world.store.requests.lock().unwrap();
    let put: Vec<&str> =
        requests.iter().filter(|(what, _)| *what == Request::Put).map(|(_, path)| path.as_str()).collect();
    assert_eq!(put.len(), 3);
    assert!(put[..2].iter().all(|path| path.starts_with("v1/objects/")), "{put:?}");
    assert!(put[2].starts_with("v1/log/"), "{put:?}");
}

/// An attachment, where the request of this number fails; then everything is made well again.
fn one_fault(number: usize, fault: Fault) -> bool {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    let mut count = 0;
    let met = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&met);
    world.store.plan(move |_, _| {
        count += 1;
        if count == number {
            seen.store(true, std::sync::atomic::Ordering::Relaxed);
            fault
        } else {
            Fault::Nothing
        }
    });
    let (draft, objects) = attachment(&world.agent, 1);
    spool.enqueue_sealed(draft, &objects).unwrap();
    world.push(&spool);
    world.store.heal();
    drop(spool);
    let spool = world.open("spool");
    world.drain(&spool);
    assert_eq!(attached(&world), [objects[1].0.clone()], "request {number} {fault:?}");
    assert_eq!(spool.used(), 0);
    world.everything_arrived();
    met.load(std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn one_request_fails() {
    for fault in [Fault::Away, Fault::AnswerLost, Fault::Truncates, Fault::Hangs] {
        let met = (1..50).take_while(|number| one_fault(*number, fault)).count();
        assert!(met >= 3, "{met} requests failed");
    }
}

#[test]
fn what_is_refused_waits_and_later_things_go_on_without_it() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    let (draft, objects) = attachment(&world.agent, 1);
    let poison = objects[0].0.clone();
    world.store.plan(move |_, path| if path == poison { Fault::Refused } else { Fault::Nothing });
    spool.enqueue_sealed(draft.clone(), &objects).unwrap();
    let (other, others) = attachment(&world.agent, 2);
    spool.enqueue_sealed(other, &others).unwrap();
    world.clock.forward(3600);
    world.run(&spool, 1);
    assert_eq!(attached(&world), [others[1].0.clone()]);
    let pushed = world.push(&spool);
    assert_eq!(pushed.refused_sealed.len(), 1);
    assert!(pushed.refused_sealed[0].1.contains("403"), "{:?}", pushed.refused_sealed);
    assert_eq!((pushed.runs_left, pushed.entries_left), (0, 1));
    assert_eq!(list_parcels(&world.root("spool")).unwrap()[0].state, State::Refused);

    world.store.heal();
    world.drain(&spool);
    assert_eq!(attached(&world), [others[1].0.clone(), objects[1].0.clone()]);
    world.everything_arrived();
}

#[test]
fn while_the_key_is_away_it_waits() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    *world.key.away.lock().unwrap() = true;
    let (draft, objects) = attachment(&world.agent, 1);
    spool.enqueue_sealed(draft, &objects).unwrap();
    let pushed = world.push(&spool);
    assert!(pushed.stopped.is_some_and(|error| error.is_away()));
    *world.key.away.lock().unwrap() = false;
    world.drain(&spool);
    assert_eq!(attached(&world), [objects[1].0.clone()]);
    world.everything_arrived();
}

#[test]
fn the_same_twice_is_two_entries_about_the_same_objects() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    for _ in 0..2 {
        let (draft, mut objects) = attachment(&world.agent, 1);
        // An object that is named twice is written once.
        objects.push(objects[0].clone());
        spool.enqueue_sealed(draft, &objects).unwrap();
    }
    world.drain(&spool);
    assert_eq!(attached(&world).len(), 2);
    assert_eq!(spool.used(), 0);
    world.everything_arrived();
}

#[test]
fn what_is_no_sealed_thing_is_not_taken() {
    let world = World::new();
    let spool = world.open("spool");
    let (draft, objects) = attachment(&world.agent, 1);
    let refused = |draft: Draft, objects: &[(String, Vec<u8>)], what: &str| {
        let error = spool.enqueue_sealed(draft, objects).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(draft.clone(), &[(objects[1].0.clone(), b"other".to_vec())], "named by the SHA-256");
    let path = format!("v1/objects/../{}.bin", Digest::of(b"x"));
    refused(draft.clone(), &[(path, b"x".to_vec())], "named by the SHA-256");
    refused(draft.clone(), &objects[..1], "not among those");
    refused(Draft::new(EntryKind::Waiver, None), &objects, "about no object");
    let run = RunId::from_parts(1, 1);
    refused(Draft::sealed(run, None, &objects[1].0, Digest::ZERO), &objects, "of this kind");
    let elsewhere = Subject::new("v1/log/x/1", draft.subject().unwrap().sha256());
    refused(draft.about(elsewhere), &objects, "not among those");
    assert_eq!((spool.waiting().unwrap(), spool.used()), ((0, 0), 0), "and nothing is left behind");
    assert_eq!(std::fs::read_dir(world.root("spool/new")).unwrap().count(), 0);
}

#[test]
fn it_counts_against_the_limit() {
    let world = World::new();
    let open = || Spool::open(&world.root("spool"), world.agent.clone(), "memory".to_owned(), 10_000).unwrap();
    let spool = open();
    let full = spool.parcel().unwrap().copy(&mut vec![7; 20_000].as_slice()).unwrap_err();
    assert!(full.is_full(), "{full}");
    assert_eq!(spool.used(), 0, "what was begun gives its room back");
    let mut writer = spool.parcel().unwrap();
    let copied = writer.copy(&mut [7; 9000].as_slice()).unwrap();
    let too_much = writer.add(&object_path(&Digest::of(&[8; 2000]), Format::Binary), &[8; 2000]).unwrap_err();
    assert!(too_much.is_full(), "{too_much}");
    let draft = record(&mut writer, &world.agent, copied.digest, copied.bytes).unwrap();
    spool.enqueue_parcel(writer, draft).unwrap();
    assert!(spool.check_room().is_err(), "a run waits for room");
    let used = spool.used();
    drop(spool);
    let spool = open();
    assert_eq!(spool.used(), used, "after a restart too");
    world.drain(&spool);
    assert_eq!(spool.used(), 0);
    spool.check_room().unwrap();
}

/// Bytes that nobody holds.
struct Long(u64);

impl Read for Long {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = usize::try_from(self.0.min(buffer.len() as u64)).unwrap();
        buffer[..count].fill(b'x');
        self.0 -= count as u64;
        Ok(count)
    }
}

/// A file that ends in an error.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the disk is gone"))
    }
}

#[test]
fn a_long_file_is_copied_piece_by_piece() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    let mut writer = spool.parcel().unwrap();
    let copied = writer.copy(&mut Long(5_000_000)).unwrap();
    assert_eq!((copied.bytes, copied.digest), (5_000_000, Digest::of(&vec![b'x'; 5_000_000])));
    let draft = record(&mut writer, &world.agent, copied.digest, copied.bytes).unwrap();
    spool.enqueue_parcel(writer, draft).unwrap();
    world.drain(&spool);
    let stored = world.store.memory.read(&object_path(&copied.digest, Format::Binary), u64::MAX - 1).unwrap().unwrap();
    assert_eq!(stored.len(), 5_000_000);
    let sent = |world: &World| {
        let requests = world.store.requests.lock().unwrap();
        requests.iter().filter(|(what, path)| *what == Request::Put && path.contains(".bin")).count()
    };
    assert_eq!(sent(&world), 1);
    // While the key is away, what is long is not sent again and again.
    let mut writer = spool.parcel().unwrap();
    let copied = writer.copy(&mut Long(6_000_000)).unwrap();
    let draft = record(&mut writer, &world.agent, copied.digest, copied.bytes).unwrap();
    spool.enqueue_parcel(writer, draft).unwrap();
    *world.key.away.lock().unwrap() = true;
    for _ in 0..3 {
        assert!(world.push(&spool).stopped.is_some());
    }
    *world.key.away.lock().unwrap() = false;
    world.drain(&spool);
    assert_eq!(sent(&world), 2);
    let broken = spool.parcel().unwrap().copy(&mut Broken).unwrap_err();
    assert!(broken.to_string().contains("the disk is gone"), "{broken}");
    world.everything_arrived();
}

#[test]
fn what_was_sealed_for_another_store_is_not_sent_to_this_one() {
    let world = World::new();
    let elsewhere = Spool::open(&world.root("spool"), world.agent.clone(), "s3://example-old".to_owned(), 1 << 30);
    let (draft, objects) = attachment(&world.agent, 1);
    elsewhere.unwrap().enqueue_sealed(draft, &objects).unwrap();
    let spool = world.open("spool");
    let pushed = world.push(&spool);
    assert!(pushed.refused_sealed[0].1.contains("s3://example-old"), "{:?}", pushed.refused_sealed);
    assert_eq!(pushed.entries_left, 1);
}
