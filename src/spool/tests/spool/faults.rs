//! A store that fails in every way at every request.

use std::sync::{Arc, Mutex};

use evidenced_model::Sink as _;
use evidenced_seal::log::EntryKind;
use evidenced_spool::{State, list};

use crate::support::{Fault, Request, World};

/// Two runs, where the request of this number fails; then everything is made well again.
fn one_fault(number: usize, fault: Fault) -> bool {
    let world = World::new();
    let count = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&count);
    world.store.plan(move |_, _| {
        let mut count = seen.lock().unwrap();
        *count += 1;
        if *count == number { fault } else { Fault::Nothing }
    });
    let spool = world.open("spool");
    for state in 0..2 {
        world.run(&spool, state);
        world.clock.forward(3600);
    }
    let met = *count.lock().unwrap() >= number;
    world.store.heal();
    // The same process goes on in one half of the cases, another one in the other.
    if number.is_multiple_of(2) {
        world.drain(&spool);
    } else {
        drop(spool);
        world.drain(&world.open("spool"));
    }
    world.everything_arrived();
    let begun = world.log().iter().filter(|entry| entry.0 == EntryKind::Started).count();
    assert_eq!(begun, 2, "request {number} {fault:?}: {:?}", world.log());
    met
}

#[test]
fn one_request_fails() {
    std::thread::scope(|scope| {
        for fault in [Fault::Away, Fault::AnswerLost, Fault::Truncates] {
            scope.spawn(move || {
                let met = (1..100).take_while(|number| one_fault(*number, fault)).count();
                assert!(met > 20, "{met} requests failed");
            });
        }
    });
}

#[test]
fn one_request_hangs() {
    let met = (1..100).step_by(4).take_while(|number| one_fault(*number, Fault::Hangs)).count();
    assert!(met > 5, "{met} requests hung");
}

#[test]
fn a_refused_run_waits_and_later_ones_go_on_without_it() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    world.store.plan(|request, path| {
        if request == Request::Put && path.starts_with("v1/objects/") { Fault::Refused } else { Fault::Nothing }
    });
    world.clock.forward(3600);
    let refused = world.run(&spool, 1);
    let listed = list(&world.root("spool")).unwrap();
    assert_eq!((listed.len(), listed[0].state), (1, State::Refused));
    assert!(listed[0].error.as_deref().unwrap().contains("403"), "{listed:?}");

    world.store.heal();
    // The store takes everything but one object of the refused run.
    let poison = std::fs::read_dir(world.root("spool/bundles")).unwrap().next().unwrap().unwrap().path();
    let poison = std::fs::read_dir(poison.join("objects")).unwrap().next().unwrap().unwrap().file_name();
    let poison = poison.into_string().unwrap();
    world.store.plan(move |_, path| if path.ends_with(&poison) { Fault::Refused } else { Fault::Nothing });
    for _ in 0..3 {
        world.clock.forward(3600);
        let run = world.run(&spool, 2);
        assert!(world.log().contains(&(EntryKind::Run, Some(run))), "a later run goes on");
    }
    assert!(!world.log().contains(&(EntryKind::Run, Some(refused))));
    assert_eq!(list(&world.root("spool")).unwrap().len(), 1, "and the refused one is kept");

    world.store.heal();
    drop(spool);
    world.drain(&world.open("spool"));
    world.everything_arrived();
    assert_eq!(world.log().last(), Some(&(EntryKind::Run, Some(refused))));
}

#[test]
fn what_rests_on_a_refused_run_waits_with_it() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    world.store.plan(|_, _| Fault::Away);
    world.clock.forward(3600);
    world.run(&spool, 1);
    world.clock.forward(3600);
    world.run(&spool, 1);
    let bundles = list(&world.root("spool")).unwrap();
    assert_eq!(bundles.len(), 2);
    world.store.plan(|request, path| {
        if request == Request::Put && path.starts_with("v1/objects/") { Fault::Refused } else { Fault::Nothing }
    });
    let pushed = world.push(&spool);
    assert_eq!(pushed.refused.len(), 2);
    assert!(pushed.refused[1].1.contains("rests on"), "{:?}", pushed.refused);
    world.store.heal();
    world.drain(&spool);
    world.everything_arrived();
}

#[test]
fn a_bundle_for_another_store_is_not_sent_to_this_one() {
    let world = World::new();
    {
        let root = world.root("spool");
        let spool =
            evidenced_spool::Spool::open(&root, world.agent.clone(), "s3://example-old".to_owned(), 1 << 30).unwrap();
        let run = world.new_run();
        spool.begin(run, None).unwrap();
        world.seal(&spool, run, 0).unwrap();
    }
    let spool = world.open("spool");
    let pushed = world.push(&spool);
    assert!(pushed.refused[0].1.contains("s3://example-old"), "{:?}", pushed.refused);
    assert!(pushed.stopped.is_none());
    let objects = world.store.memory.files().into_keys().filter(|path| path.starts_with("v1/objects/")).count();
    assert_eq!(objects, 0);
}

#[test]
fn another_signature_over_the_same_run_is_adopted() {
    let world = World::new();
    let spool = world.open("spool");
    world.store.plan(|_, _| Fault::Away);
    let run = world.run(&spool, 0);
    world.store.heal();
    // A copy of this spool was sent from elsewhere, and signed there.
    let bundle = std::fs::read_dir(world.root("spool/bundles")).unwrap().next().unwrap().unwrap().path();
    let path = evidenced_seal::statement::run_path(&world.agent, run);
    let mut other = std::fs::read(bundle.join("run.dsse.json")).unwrap();
    other.push(b'\n');
    world.store.memory.clone().put(&path, &other).unwrap();
    world.drain(&spool);
    world.sealed.lock().unwrap().insert(run, Some(other));
    world.everything_arrived();
}

#[test]
fn a_clock_that_jumps_breaks_nothing() {
    let world = World::new();
    let spool = world.open("spool");
    for jump in [3600, -7200, 3600, 0, -3600] {
        world.clock.forward(jump);
        world.run(&spool, 0);
    }
    world.everything_arrived();
    assert_eq!(world.verified(), 5);
}
