//! The connections that are open: how many, what each is about, and which one makes room for another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// For how long, in microseconds, a connection has the benefit of the doubt.
const FRESH: u64 = 1_000_000;

/// What a connection is about, the least worth keeping first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It asks for nothing.
    Idle,
    /// The head of a request is on its way.
    Heading,
    /// Its answer is on its way.
    Writing,
    /// Its request is being answered.
    Answering,
}

/// What one connection is about, and since when.
#[derive(Debug)]
pub(crate) struct Seat {
    phase: AtomicU8,
    /// Microseconds since the seats were set up.
    since: AtomicU64,
    began: Instant,
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Seats {
    most: usize,
    began: Instant,
    taken: Mutex<Taken>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, (Arc<Seat>, AbortHandle)>,
}

/// Gives the seat back when its connection ends, however it ends.
#[derive(Debug)]
pub(crate) struct Ticket {
    seats: Arc<Seats>,
    number: u64,
}

impl Seat {
    fn new(began: Instant) -> Arc<Self> {
        let seat = Self { phase: AtomicU8::new(0), since: AtomicU64::new(0), began };
        seat.enter(Phase::Idle);
        Arc::new(seat)
    }

    /// Begins another phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.since.store(micros(self.began), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Begins another phase, if it is in this one.
    pub(crate) fn pass(&self, from: Phase, to: Phase) {
        if self.phase.load(Ordering::Relaxed) == from as u8 {
            self.enter(to);
        }
    }

    /// What goes first: of those that have been as they are for a while, the phase that is least worth keeping, and in
    /// it who came first; then whoever came first. So a probe that has just come in is the last to go, whatever others
    /// are about. Nothing for a request that is being answered: it stays.
    fn worth(&self, now: u64) -> Option<(bool, u8, u64)> {
        let (phase, since) = (self.phase.load(Ordering::Relaxed), self.since.load(Ordering::Relaxed));
        let fresh = now.saturating_sub(since) < FRESH;
        (phase != Phase::Answering as u8).then_some((fresh, if fresh { 0 } else { phase }, since))
    }

    /// Whether it has asked for nothing yet, or not to the end.
    pub(crate) fn is_quiet(&self) -> bool {
        self.phase.load(Ordering::Relaxed) <= Phase::Heading as u8
    }
}

impl Seats {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let taken = Mutex::new(Taken::default());
        Arc::new(Self { most: most.max(1), began: Instant::now(), taken, left: Notify::new() })
    }

    /// Makes room for one more; `false` if every connection is being answered.
    pub(crate) fn make_room(&self) -> bool {
        let mut taken = self.taken();
        if taken.seats.len() < self.most {
            return true;
        }
        let now = micros(self.began);
        let worth = |(number, (seat, _)): (&u64, &(Arc<Seat>, _))| seat.worth(now).map(|worth| (worth, *number));
        let least = taken.seats.iter().filter_map(worth).min();
        let leaves = least.and_then(|(_, number)| taken.seats.remove(&number));
        leaves.map(|(_, task)| task.abort()).is_some()
    }

    /// Seats a connection. `task` begins it: it gets the seat, and a ticket that it keeps to its end.
    pub(crate) fn seat(self: &Arc<Self>, task: impl FnOnce(Arc<Seat>, Ticket) -> AbortHandle) {
        let seat = Seat::new(self.began);
        let number = {
            let mut taken = self.taken();
            taken.next += 1;
            taken.next
        };
        // On the one thread that everything here runs on, the task cannot end before it is listed.
        let handle = task(Arc::clone(&seat), Ticket { seats: Arc::clone(self), number });
        self.taken().seats.insert(number, (seat, handle));
    }

    /// Ends every connection that asks for nothing yet.
    pub(crate) fn end_idle(&self) {
        let taken = self.taken();
        for (_, task) in taken.seats.values().filter(|(seat, _)| seat.is_quiet()) {
            task.abort();
        }
    }

    /// Waits until every seat is empty.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.taken().seats.is_empty() {
                return;
            }
            left.await;
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.seats.taken().seats.remove(&self.number);
        self.seats.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Connections in these phases, each for so many seconds, for whom there is no more room.
    fn full(phases: &[(Phase, u64)]) -> Arc<Seats> {
        let began = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        let seats = Seats { most: phases.len(), began, taken: Mutex::default(), left: Notify::new() };
        let seats = Arc::new(seats);
        for (phase, seconds) in phases {
            seats.seat(|seat, ticket| {
                seat.enter(*phase);
                seat.since.fetch_sub(seconds * 1_000_000, Ordering::Relaxed);
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(ticket);
                })
                .abort_handle()
            });
        }
        seats
    }

    /// In which order they leave when others come, by their place.
    fn order(seats: &Seats) -> Vec<u64> {
        let mut left = Vec::new();
        loop {
            let before: Vec<u64> = seats.taken().seats.keys().copied().collect();
            if !seats.make_room() {
                return left;
            }
            let taken = seats.taken();
            left.extend(before.iter().filter(|number| !taken.seats.contains_key(number)));
            let Some(filler) = left.last().copied() else { return left };
            drop(taken);
            // Whoever comes is answered at once, and stays.
            seats.seat_answering(1000 + filler);
        }
    }

    impl Seats {
        fn seat_answering(&self, number: u64) {
            let seat = Seat::new(self.began);
            seat.enter(Phase::Answering);
            let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
            self.taken().seats.insert(number, (seat, task));
        }
    }

    #[tokio::test]
    async fn what_asks_for_nothing_goes_first_and_what_has_just_come_last() {
        let seats = full(&[
            (Phase::Answering, 30),
            (Phase::Writing, 20),
            (Phase::Heading, 2),
            (Phase::Heading, 3),
            (Phase::Idle, 2),
            (Phase::Idle, 5),
            (Phase::Idle, 0),
            (Phase::Heading, 0),
        ]);
        assert_eq!(order(&seats), [6, 5, 4, 3, 2, 7, 8], "the first is being answered, and stays");
    }

    #[tokio::test]
    async fn a_probe_that_has_just_come_outlives_all_that_hold_on() {
        let mut phases = vec![(Phase::Writing, 2); 20];
        phases.extend(vec![(Phase::Heading, 4); 20]);
        phases.push((Phase::Idle, 0));
        assert_eq!(order(&full(&phases)).last(), Some(&41));
    }
}
