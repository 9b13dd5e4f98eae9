//! The connections that are open: how many, what each is about, and which one makes room for another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

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
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.since.store(now, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Begins another phase, if it is in this one.
    pub(crate) fn pass(&self, from: Phase, to: Phase) {
        if self.phase.load(Ordering::Relaxed) == from as u8 {
            self.enter(to);
        }
    }

    /// What goes first: the phase that is least worth keeping, and in it who came first.
    fn worth(&self) -> (u8, u64) {
        (self.phase.load(Ordering::Relaxed), self.since.load(Ordering::Relaxed))
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
        let least = taken.seats.iter().map(|(number, (seat, _))| (seat.worth(), *number)).min();
        match least {
            Some(((phase, _), number)) if phase != Phase::Answering as u8 => {
                if let Some((_, task)) = taken.seats.remove(&number) {
                    task.abort();
                }
                true
            }
            _ => false,
        }
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
        for (_, task) in taken.seats.values().filter(|(seat, _)| seat.worth().0 <= Phase::Heading as u8) {
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

impl Drop for Ticket {
    fn drop(&mut self) {
        self.seats.taken().seats.remove(&self.number);
        self.seats.left.notify_waiters();
    }
}
