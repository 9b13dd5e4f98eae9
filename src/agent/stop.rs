//! The wish to stop: set once by a signal, seen by every stage.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Set when somebody asked to stop.
#[derive(Default)]
pub(crate) struct Stop {
    set: AtomicBool,
    notify: Notify,
}

impl Stop {
    /// Asks everybody to stop.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Relaxed);
        self.notify.notify_waiters();
    }

    /// Whether somebody asked.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    /// Waits until somebody asks.
    pub(crate) async fn wait(&self) {
        let notified = self.notify.notified();
        if !self.is_set() {
            notified.await;
        }
    }
}
