//! A store, or a key service, that is away; limits; what a run costs.

use evidenced_model::Archive as _;
use evidenced_seal::log::EntryKind;
use evidenced_spool::{Lease, State, Taken, list};

use crate::support::{Fault, Request, World, size};

#[test]
fn a_run_goes_through_the_spool_into_the_store() {
    let world = World::new();
    let spool = world.open("spool");
    let run = world.run(&spool, 0);
    assert_eq!(world.log(), [(EntryKind::Genesis, None), (EntryKind::Started, Some(run)), (EntryKind::Run, Some(run))]);
    world.everything_arrived();
    assert_eq!(spool.used(), 0);
    assert_eq!(list(&world.root("spool")).unwrap(), []);
    assert_eq!(size(&world.root("spool/bundles")), 0);
}

#[test]
fn three_days_without_a_store_lose_nothing_and_write_no_run_twice() {
    let world = World::new();
    let first = {
        let spool = world.open("spool");
        world.run(&spool, 0);
        size(&world.root("spool/cache/objects"))
    };
    assert!(first > 0);
    world.store.plan(|_, _| Fault::Away);
    let mut one = 0;
    for hour in 0..72 {
        world.clock.forward(3600);
        // A scheduled job: another process each hour.
        let spool = world.open("spool");
        let before = spool.used();
        world.run(&spool, hour / 24);
        let grown = spool.used() - before;
        if hour == 1 {
            one = grown;
        }
        assert!(hour % 24 == 0 || grown <= one + 2048, "hour {hour}: {grown} bytes, and {one} in a run before it");
    }
    let listed = list(&world.root("spool")).unwrap();
    assert_eq!(listed.len(), 72);
    assert!(listed.iter().all(|run| run.state == State::Sealed));
    assert_eq!(listed[0].error, None, "nothing is wrong with the run; it is the store that is away");
    world.store.heal();
    let spool = world.open("spool");
    world.drain(&spool);
    assert_eq!(spool.used(), 0);
    world.everything_arrived();
    assert_eq!(world.verified(), 73);
    let order: Vec<_> = world.log().into_iter().filter(|e| e.0 == EntryKind::Run).filter_map(|e| e.1).collect();
    assert!(order.is_sorted(), "runs are in the log in the order in which they were sealed");
}

#[test]
fn a_key_service_that_is_away_keeps_the_run_unsigned() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    *world.key.away.lock().unwrap() = true;
    world.clock.forward(3600);
    world.run(&spool, 1);
    world.clock.forward(3600);
    world.run(&spool, 1);
    let listed = list(&world.root("spool")).unwrap();
    assert_eq!(listed.iter().map(|run| run.state).collect::<Vec<_>>(), [State::Unsigned, State::Unsigned]);
    assert_eq!(world.verified(), 1);
    drop(spool);
    *world.key.away.lock().unwrap() = false;
    world.drain(&world.open("spool"));
    world.everything_arrived();
    assert_eq!(world.verified(), 3);
}

#[test]
fn an_unchanged_run_costs_few_requests() {
    let world = World::new();
    for _ in 0..2 {
        world.run(&world.open("spool"), 0);
        world.clock.forward(3600);
    }
    world.store.requests.lock().unwrap().clear();
    let spool = world.open("spool");
    let run = world.new_run();
    let Taken::Held(lease) = Lease::take(&world.remote(), &world.agent, "one", run, &world.clock) else {
        panic!("nobody else is at work")
    };
    spool.begin(run, None).unwrap();
    world.push(&spool);
    world.seal(&spool, run, 0).unwrap();
    world.push(&spool);
    lease.end(&world.remote());
    let requests = world.store.requests.lock().unwrap().clone();
    // Lease, head, started; manifest, calls; envelope, entry; lease.
    assert_eq!(requests.len(), 8, "{requests:?}");
    assert_eq!(requests.iter().filter(|request| request.0 == Request::Get).count(), 1, "{requests:?}");
    assert!(requests.iter().all(|request| request.0 != Request::List), "{requests:?}");
    let mut puts: Vec<_> = requests.iter().filter(|request| request.0 == Request::Put).collect();
    puts.dedup();
    assert_eq!(puts.len(), 7, "nothing is sent twice");
    world.everything_arrived();
}

#[test]
fn a_lost_cache_costs_reads_and_nothing_else() {
    let world = World::new();
    world.run(&world.open("spool"), 0);
    let before = world.store.memory.files().len();
    std::fs::remove_dir_all(world.root("spool")).unwrap();
    world.clock.forward(3600);
    let spool = world.open("spool");
    world.run(&spool, 0);
    world.everything_arrived();
    // A spool that knows of no earlier run writes everything again; equal objects are stored once.
    let added = world.store.memory.files().len() - before;
    assert_eq!(added, 5, "manifest, calls, envelope, two entries");
}

#[test]
fn a_full_spool_stops_new_runs_and_drops_no_old_one() {
    let world = World::new();
    world.store.plan(|_, _| Fault::Away);
    let open = |limit| {
        evidenced_spool::Spool::open(&world.root("spool"), world.agent.clone(), "memory".to_owned(), limit).unwrap()
    };
    let spool = open(1 << 30);
    world.run(&spool, 0);
    let used = spool.used();
    drop(spool);

    let spool = open(used);
    let error = spool.check_room().unwrap_err();
    assert!(error.is_full() && error.to_string().contains("limits.spool_bytes"), "{error}");
    drop(spool);

    // There is room for a beginning, and not for the end: the run is given up, the old one stays.
    let spool = open(used + 100);
    spool.check_room().unwrap();
    let run = world.new_run();
    spool.begin(run, None).unwrap();
    let error = world.seal(&spool, run, 5).unwrap_err();
    assert!(error.to_string().contains("limits.spool_bytes"), "{error}");
    spool.abandon(run, "the spool is full").unwrap();
    world.sealed.lock().unwrap().remove(&run);
    assert_eq!(spool.used(), used, "what was begun is given back");
    assert!(spool.room().take(101).unwrap_err().is_full());
    spool.room().take(100).unwrap();
    drop(spool);

    world.store.heal();
    let spool = open(used);
    world.drain(&spool);
    spool.check_room().unwrap();
    world.everything_arrived();
    assert_eq!(world.log().iter().filter(|entry| entry.0 == EntryKind::Abandoned).count(), 1);
}

#[test]
fn skipped_runs_are_counted_where_there_is_no_room_to_write_each() {
    let world = World::new();
    world.store.plan(|_, _| Fault::Away);
    let spool = world.open("spool");
    for number in 0..200 {
        let draft = evidenced_seal::log::Draft::skipped(world.new_run(), None, format!("the disk is full ({number})"));
        spool.enqueue(draft).unwrap();
        world.clock.forward(3600);
    }
    world.store.heal();
    drop(spool);
    world.drain(&world.open("spool"));
    let entries = world.entries();
    assert_eq!(entries.iter().filter(|entry| entry.predicate.kind == EntryKind::Skipped).count(), 200);
    let reasons: Vec<_> = entries.iter().filter_map(|entry| entry.predicate.reason.clone()).collect();
    assert!(reasons.is_sorted_by_key(String::len), "in order");
    world.verified();
}

#[test]
fn a_lease_is_held_by_one_until_it_is_given_back_or_over() {
    let world = World::new();
    let remote = world.remote();
    let take = |holder: &str| Lease::take(&remote, &world.agent, holder, world.new_run(), &world.clock);
    let Taken::Held(one) = take("one") else { panic!("it is free") };
    let Taken::Busy { until, .. } = take("two") else { panic!("it is held") };
    assert!(until > evidenced_model::Clock::now(&world.clock));
    // The same state folder after a crash.
    let Taken::Held(again) = take("one") else { panic!("it is ours") };
    again.end(&remote);
    let Taken::Held(two) = take("two") else { panic!("it was given back") };
    drop(one);
    drop(two);
    // He who dies holds it until the window is over.
    assert!(matches!(take("three"), Taken::Busy { .. }));
    world.clock.forward(600);
    let Taken::Held(mut three) = take("three") else { panic!("it is over") };
    three.go_on(&remote);
    world.clock.forward(600);
    assert!(matches!(take("four"), Taken::Busy { .. }), "he who goes on keeps it");
    // Near the end of a window the next one is taken too; both are given back.
    world.clock.forward(600);
    let now = evidenced_model::Clock::now(&world.clock).as_second();
    world.clock.forward(560 - now.rem_euclid(600));
    let Taken::Held(five) = take("five") else { panic!("it is over") };
    assert!(matches!(take("six"), Taken::Busy { .. }));
    five.end(&remote);
    let Taken::Held(six) = take("six") else { panic!("it was given back") };
    world.clock.forward(60);
    assert!(matches!(take("seven"), Taken::Busy { .. }));
    six.end(&remote);
    assert!(matches!(take("seven"), Taken::Held(_)), "it was given back in the next window");
    world.store.plan(|_, _| Fault::Away);
    assert!(matches!(take("five"), Taken::Unknown(_)), "a store that is away keeps nobody");
    world.store.heal();
    assert!(world.store.memory.list("v1/").unwrap().is_empty(), "nothing of it is evidence");
}
