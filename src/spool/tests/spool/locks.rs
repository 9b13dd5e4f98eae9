//! Locks of objects that run after run uses again.

use std::collections::BTreeMap;

use evidenced_spool::Spool;

use crate::support::{Fault, Request, World};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How often the lock of each object was renewed, or was tried to be.
fn renewals(world: &World) -> BTreeMap<String, usize> {
    let mut renewals = BTreeMap::new();
    for (request, path) in world.store.requests.lock().unwrap().iter() {
        if *request == Request::Renew {
            *renewals.entry(path.clone()).or_default() += 1;
        }
    }
    renewals
}

/// So many objects are renewed in 90 days: what the first run wrote and does not change.
fn run_for_days(world: &World, spool: &Spool, days: i64) {
    for _ in 0..days {
        world.clock.forward(DAY);
        world.run(spool, 0);
    }
}

#[test]
fn what_is_used_again_is_renewed_once_in_ninety_days_and_nothing_else_is() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    world.clock.forward(HOUR);
    world.run(&spool, 0);
    assert!(renewals(&world).len() < 3, "the runs share the work: {:?}", renewals(&world));
    run_for_days(&world, &spool, 90);
    let renewed = renewals(&world);
    // Chunk, group, account and root of the inventory; the cells and root of coverage; findings, controls, mappings,
    // config. What is new in every run (manifest, calls) is written with a lock of its own.
    assert_eq!(renewed.len(), 10, "{renewed:?}");
    assert!(renewed.values().all(|&times| times <= 2), "{renewed:?}");
    assert!(renewed.keys().all(|path| path.starts_with("v1/objects/")));
    world.everything_arrived();
}

#[test]
fn a_renewal_that_fails_is_owed_and_does_not_hold_up_the_runs() {
    for fault in [Fault::Refused, Fault::Away, Fault::Hangs] {
        let world = World::new();
        let spool = world.open("spool");
        world.run(&spool, 0);
        world.store.plan(move |request, _| if request == Request::Renew { fault } else { Fault::Nothing });
        world.clock.forward(91 * DAY);
        world.run(&spool, 0);
        world.everything_arrived();
        let tried = renewals(&world);
        assert!(!tried.is_empty());
        world.store.heal();
        world.store.requests.lock().unwrap().clear();
        // Another process, and no new run.
        drop(spool);
        let spool = world.open("spool");
        world.drain(&spool);
        let renewed = renewals(&world);
        assert_eq!(renewed.len(), 10, "{fault:?}: {renewed:?}");
        world.drain(&spool);
        assert_eq!(renewals(&world), renewed, "{fault:?}: once is enough");
    }
}

#[test]
fn while_the_store_is_away_the_renewals_of_every_run_wait_with_it() {
    let world = World::new();
    let spool = world.open("spool");
    world.run(&spool, 0);
    world.store.plan(|_, _| Fault::Away);
    run_for_days(&world, &spool, 91);
    world.store.heal();
    world.drain(&spool);
    assert_eq!(renewals(&world).len(), 10);
    world.everything_arrived();
}
