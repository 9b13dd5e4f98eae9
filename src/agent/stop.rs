//! The wish to end a run early: set by a signal or a time limit, seen by every stage.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// How early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// What was read is sealed, the rest is a gap.
    Seal = 1,
    /// The run is given up.
    Leave,
}

/// Set when somebody asked to end early. It is never taken back.
#[derive(Default)]
pub(crate) struct Stop {
    wish: AtomicU8,
    notify: Notify,
}

impl Stop {
    /// Asks every stage; a stronger wish stands.
    pub(crate) fn ask(&self, wish: Wish) {
        self.wish.fetch_max(wish as u8, Ordering::Relaxed);
        self.notify.notify_waiters();
    }

    /// Whether the run is given up.
    pub(crate) fn is_set(&self) -> bool {
        self.wish.load(Ordering::Relaxed) >= Wish::Leave as u8
    }

    /// Waits until somebody asks for this much.
    pub(crate) async fn wait(&self, wish: Wish) {
        loop {
            let notified = self.notify.notified();
            tokio::pin!(notified);
            // From here on no call is missed.
            notified.as_mut().enable();
            if self.wish.load(Ordering::Relaxed) >= wish as u8 {
                return;
            }
            notified.await;
        }
    }
}
