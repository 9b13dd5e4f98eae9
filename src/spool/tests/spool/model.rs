//! Random schedules of runs, crashes, outages and competing agents. The oracle: everything that was sealed is in the
//! log once, in the order in which each agent sealed it, byte-equal, and all of it verifies.

use std::sync::{Arc, Mutex};

use evidenced_model::{RunId, Sink as _};
use evidenced_seal::log::EntryKind;
use evidenced_spool::Spool;
use proptest::prelude::*;

use crate::support::{Fault, Request, World};

/// One step of the schedule. The first number says which agent.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A whole run.
    Run(usize, u64),
    /// A run begins, and its process ends.
    Dies(usize),
    /// A run is sealed, and its process ends before anything is sent.
    SealsAndDies(usize, u64),
    /// A run is given up.
    GivesUp(usize),
    /// A process ends, and another one begins.
    Restarts(usize),
    /// What waits is sent.
    Pushes(usize),
    /// The answers to requests, from here on: each number is one request.
    Weather(u8),
    /// The key service goes away, or comes back.
    Key(bool),
    /// Somebody throws junk at the log's end.
    Junk,
    /// The clock jumps.
    Jumps(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..AGENTS;
    let step = prop_oneof![
        6 => (who(), 0..3_u64).prop_map(|(who, state)| Step::Run(who, state)),
        2 => who().prop_map(Step::Dies),
        2 => (who(), 0..3_u64).prop_map(|(who, state)| Step::SealsAndDies(who, state)),
        1 => who().prop_map(Step::GivesUp),
        2 => who().prop_map(Step::Restarts),
        3 => who().prop_map(Step::Pushes),
        4 => (0..9_u8).prop_map(Step::Weather),
        1 => any::<bool>().prop_map(Step::Key),
        1 => Just(Step::Junk),
        1 => (-4000..4000_i64).prop_map(Step::Jumps),
    ];
    prop::collection::vec(step, 1..24)
}

const AGENTS: usize = 2;

/// Sets how the store answers: well, not at all, or well and badly by turns.
fn weather(world: &World, weather: u8) {
    let mut count: u32 = 0;
    world.store.plan(move |request, _| {
        count += 1;
        match weather {
            3 => Fault::Away,
            4 if count.is_multiple_of(2) => Fault::AnswerLost,
            5 if count.is_multiple_of(3) => Fault::Away,
            6 if request == Request::Put => Fault::AnswerLost,
            7 if request == Request::Get => Fault::Away,
            8 if count.is_multiple_of(3) => Fault::Truncates,
            _ => Fault::Nothing,
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn whatever_happens_every_sealed_run_arrives_once(steps in steps()) {
        let world = World::new();
        let name = |who: usize| format!("spool-{who}");
        let mut spools: Vec<Spool> = (0..AGENTS).map(|who| world.open(&name(who))).collect();
        let order: Arc<Mutex<Vec<Vec<RunId>>>> = Arc::new(Mutex::new(vec![Vec::new(); AGENTS]));
        let sealed = |who: usize, run: RunId| order.lock().unwrap()[who].push(run);
        for step in steps {
            world.clock.forward(60);
            match step {
                Step::Run(who, state) => sealed(who, world.run(&spools[who], state)),
                Step::Dies(who) => {
                    spools[who].begin(world.new_run(), None).unwrap();
                    world.push(&spools[who]);
                    spools[who] = world.open(&name(who));
                }
                Step::SealsAndDies(who, state) => {
                    let run = world.new_run();
                    spools[who].begin(run, None).unwrap();
                    world.seal(&spools[who], run, state).unwrap();
                    sealed(who, run);
                    spools[who] = world.open(&name(who));
                }
                Step::GivesUp(who) => {
                    let run = world.new_run();
                    spools[who].begin(run, None).unwrap();
                    spools[who].abandon(run, "interrupted").unwrap();
                }
                Step::Restarts(who) => spools[who] = world.open(&name(who)),
                Step::Pushes(who) => drop(world.push(&spools[who])),
                Step::Weather(how) => weather(&world, how),
                Step::Key(away) => *world.key.away.lock().unwrap() = away,
                Step::Junk => {
                    // Before there is a log, nobody can tell junk from its beginning.
                    if let Some(head) = world.head() {
                        let _ = world.store.memory.clone().put(&world.entry_path(head.index + 1), b"junk");
                    }
                }
                Step::Jumps(seconds) => world.clock.forward(seconds),
            }
        }
        world.store.heal();
        *world.key.away.lock().unwrap() = false;
        for (who, spool) in spools.iter_mut().enumerate() {
            *spool = world.open(&name(who));
            world.drain(spool);
            prop_assert_eq!(spool.used(), 0);
        }
        // What follows junk at the very end makes it part of the log.
        world.run(&spools[0], 0);
        world.everything_arrived();
        let log = world.log();
        let logged: Vec<RunId> = log.iter().filter(|entry| entry.0 == EntryKind::Run).filter_map(|e| e.1).collect();
        for runs in order.lock().unwrap().iter() {
            let in_log: Vec<RunId> = logged.iter().copied().filter(|run| runs.contains(run)).collect();
            prop_assert_eq!(runs, &in_log, "in the order of sealing");
        }
        let begun = log.iter().filter(|entry| entry.0 == EntryKind::Started).count();
        let ended = log.iter().filter(|e| matches!(e.0, EntryKind::Run | EntryKind::Abandoned)).count();
        prop_assert_eq!(begun, ended, "{:?}", log);
    }
}
