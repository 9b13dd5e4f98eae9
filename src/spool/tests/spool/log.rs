//! Agents that compete for one log.

use evidenced_model::Sink as _;
use evidenced_seal::log::EntryKind;
use evidenced_store::{Folder, Store};

use crate::support::{Fault, World};

#[test]
fn agents_of_one_id_make_one_log_together() {
    let world = World::new();
    std::thread::scope(|scope| {
        for agent in 0..4 {
            let world = &world;
            scope.spawn(move || {
                for state in 0..6 {
                    // Each run in a process of its own.
                    let spool = world.open(&format!("spool-{agent}"));
                    world.run(&spool, state);
                    world.drain(&spool);
                }
            });
        }
    });
    world.everything_arrived();
    assert_eq!(world.verified(), 24);
    assert_eq!(world.log().len(), 1 + 48);
}

#[test]
fn threads_append_to_one_log_in_a_folder() {
    let world = World::new();
    let root = world.root("store");
    let folder = Folder::create(root.to_str().unwrap()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (folder, world) = (folder.clone(), &world);
            scope.spawn(move || {
                let mut log = evidenced_seal::Log::new(&folder, world.agent.clone(), world.keys());
                for number in 0..8 {
                    let draft = evidenced_seal::log::Draft::new(EntryKind::Late, Some(format!("{writer}.{number}")));
                    let now = evidenced_model::Clock::now(&world.clock);
                    log.append(&mut folder.clone(), &world.key, &draft, now).unwrap();
                }
            });
        }
    });
    let archive = Store::archive(&folder);
    let log = evidenced_seal::Log::new(&*archive, world.agent.clone(), world.keys());
    let entries: Vec<_> = (0..).map_while(|index| log.entry(index).unwrap()).collect();
    assert_eq!(entries.len(), 1 + 64);
    let mut said: Vec<_> = entries.iter().filter_map(|entry| entry.0.predicate.reason.clone()).collect();
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 64, "nothing is lost and nothing is there twice");
    for pair in entries.windows(2) {
        assert_eq!(pair[1].0.predicate.previous, pair[0].1, "one chain");
    }
}

#[test]
fn junk_at_the_next_index_does_not_jam_it() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    let next = world.head().unwrap().index + 1;
    for index in next..next + 300 {
        world.store.memory.clone().put(&world.entry_path(index), b"junk").unwrap();
    }
    world.run(&spool, 1);
    world.everything_arrived();
    let obstructed: Vec<_> =
        world.entries().into_iter().filter(|entry| entry.predicate.kind == EntryKind::Obstructed).collect();
    assert_eq!(obstructed.len(), 1);
    assert_eq!(obstructed[0].predicate.obstructions.len(), 300);
}

#[test]
fn more_junk_than_an_entry_can_name_keeps_everything_in_the_spool() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    let before = world.store.memory.files().len();
    let next = world.head().unwrap().index + 1;
    for index in next..next + 5000 {
        world.store.memory.clone().put(&world.entry_path(index), b"junk").unwrap();
    }
    let run = world.new_run();
    spool.begin(run, None).unwrap();
    let stopped = world.push(&spool).stopped.unwrap().to_string();
    assert!(stopped.contains("5000 files of somebody else"), "{stopped}");
    assert_eq!(world.store.memory.files().len(), before + 5000, "and nothing is added to the heap");
    assert_eq!(spool.waiting().unwrap(), (0, 1), "the beginning waits");
}

#[test]
fn a_log_that_was_cut_back_is_noticed_and_goes_on() {
    let mut world = World::new();
    world.run(&world.open("spool"), 0);
    let full = world.head().unwrap();
    world.run(&world.open("spool"), 1);
    let mut files = world.store.memory.files();
    for index in full.index + 1..=world.head().unwrap().index {
        files.remove(&world.entry_path(index));
    }
    world.store.memory = evidenced_model::Memory::of(files);
    world.run(&world.open("spool"), 2);
    let head = world.head().unwrap();
    assert_eq!(head.index, full.index + 2, "it goes on where the log ends now");
    assert_eq!(world.log().last().unwrap().0, EntryKind::Run);
}

#[test]
fn two_who_lose_every_answer_fork_nothing() {
    let world = World::new();
    let spools = [world.open("one"), world.open("two")];
    let mut count = 0;
    // Every third request is done without an answer, and every fifth is not done.
    world.store.plan(move |_, _| {
        count += 1;
        if count % 3 == 0 {
            Fault::AnswerLost
        } else if count % 5 == 0 {
            Fault::Away
        } else {
            Fault::Nothing
        }
    });
    for state in 0..8 {
        for spool in &spools {
            world.run(spool, state);
        }
    }
    world.store.heal();
    for spool in &spools {
        world.drain(spool);
    }
    world.everything_arrived();
}
