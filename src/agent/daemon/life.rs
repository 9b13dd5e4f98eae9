//! What comes from outside while the daemon lives: signals, a changed config, runs that are asked for.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::config::OnStop;
use crate::stop::{Stop, Wish};

/// So often it is looked whether the config has changed.
const LOOK: Duration = Duration::from_secs(5);
/// Runs that may wait to be begun.
const ORDERS: usize = 4;
/// So long before the grace is over, a run that is still being sealed is given up.
const RESERVE: Duration = Duration::from_secs(3);

/// A run that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// With the collectors and the timeout of this schedule.
    pub(crate) schedule: Option<String>,
}

/// What comes from outside. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<Inner>);

#[derive(Default)]
struct Inner {
    ending: AtomicBool,
    reload: AtomicBool,
    wake: Notify,
    orders: Mutex<VecDeque<Order>>,
    /// Of the run that is under way.
    stop: Mutex<Option<Arc<Stop>>>,
    on_stop: Mutex<(OnStop, Duration)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Life {
    /// How it ends, as the config says.
    pub(crate) fn ends(&self, on_stop: OnStop, grace: Duration) {
        *locked(&self.0.on_stop) = (on_stop, grace);
    }

    /// Whether it is to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.0.ending.load(Ordering::Relaxed)
    }

    /// Whether the config is to be read again; asked once.
    pub(crate) fn takes_reload(&self) -> bool {
        self.0.reload.swap(false, Ordering::Relaxed)
    }

    /// The next run that was asked for.
    pub(crate) fn takes_order(&self) -> Option<Order> {
        locked(&self.0.orders).pop_front()
    }

    /// Asks for a run; says how many go before it, or `None` if too many wait.
    pub(crate) fn order(&self, order: Order) -> Option<u64> {
        let mut orders = locked(&self.0.orders);
        if orders.len() >= ORDERS {
            return None;
        }
        let before = orders.len() as u64 + u64::from(locked(&self.0.stop).is_some());
        orders.push_back(order);
        drop(orders);
        self.0.wake.notify_one();
        Some(before)
    }

    /// A run begins: what comes from outside ends it early. `None`: it is over.
    pub(crate) fn under_way(&self, stop: Option<Arc<Stop>>) {
        if let (true, Some(stop)) = (self.is_ending(), &stop) {
            stop.ask(Wish::Leave);
        }
        *locked(&self.0.stop) = stop;
    }

    /// Something has come. What came before it was waited for counts.
    pub(crate) async fn woken(&self) {
        self.0.wake.notified().await;
    }

    /// Asks for the config to be read again.
    pub(crate) fn reload(&self) {
        self.0.reload.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
    }

    /// Begins to end; called again, it gives up the run that is under way.
    pub(crate) fn end(&self) -> Duration {
        let again = self.0.ending.swap(true, Ordering::Relaxed);
        let (on_stop, grace) = *locked(&self.0.on_stop);
        let wish = if again || on_stop == OnStop::Abandon { Wish::Leave } else { Wish::Seal };
        self.wish(wish);
        self.0.wake.notify_one();
        grace
    }

    fn wish(&self, wish: Wish) {
        if let Some(stop) = &*locked(&self.0.stop) {
            stop.ask(wish);
        }
    }

    /// Hears signals until the process ends: SIGTERM and SIGINT end it within the grace, SIGHUP reads the config again.
    pub(crate) fn hear(&self) {
        let heard = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
        let (Ok(terminate), Ok(interrupt), Ok(hangup)) = heard else {
            tracing::warn!("signals cannot be heard; only SIGKILL will end this process");
            return;
        };
        tokio::spawn(self.clone().listen(terminate, interrupt, hangup));
    }

    async fn listen(self, mut terminate: Signal, mut interrupt: Signal, mut hangup: Signal) {
        loop {
            tokio::select! {
                _ = hangup.recv() => self.reload(),
                _ = terminate.recv() => self.clone().end_in_time(),
                _ = interrupt.recv() => self.clone().end_in_time(),
            }
        }
    }

    fn end_in_time(self) {
        super::systemd::stopping();
        let grace = self.end();
        tokio::spawn(async move {
            tokio::time::sleep(grace.saturating_sub(RESERVE)).await;
            self.wish(Wish::Leave);
            tokio::time::sleep(RESERVE.min(grace)).await;
            // What is sealed is in the spool, and what began is known there: nothing is lost.
            tracing::warn!("the time to end is over; what is under way is left as it is");
            std::process::exit(0);
        });
    }

    /// Watches a file, and asks for the config to be read again when it has changed.
    pub(crate) fn watch(&self, path: PathBuf) {
        let life = self.clone();
        tokio::spawn(async move {
            let mut known = changed(&path);
            loop {
                tokio::time::sleep(LOOK).await;
                let now = changed(&path);
                if now.is_some() && now != known {
                    known = now;
                    life.reload();
                }
            }
        });
    }
}

/// What changes with a file; a link is followed, as a config of Kubernetes is one.
fn changed(path: &Path) -> Option<(SystemTime, u64)> {
    let facts = std::fs::metadata(path).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_are_asked_for_wait_in_order_and_not_without_end() {
        let life = Life::default();
        for before in 0..4 {
            assert_eq!(life.order(Order { schedule: Some(before.to_string()) }), Some(before));
        }
        assert_eq!(life.order(Order::default()), None);
        assert_eq!(life.takes_order().unwrap().schedule.unwrap(), "0");
        life.under_way(Some(Arc::new(Stop::default())));
        assert_eq!(life.order(Order::default()), Some(4));
    }

    #[test]
    fn ending_seals_first_and_gives_up_when_asked_again() {
        let life = Life::default();
        life.ends(OnStop::Seal, Duration::from_secs(25));
        let stop = Arc::new(Stop::default());
        life.under_way(Some(Arc::clone(&stop)));
        life.end();
        assert!(life.is_ending() && !stop.is_set());
        life.end();
        assert!(stop.is_set());
        // A run that would begin now does not.
        let late = Arc::new(Stop::default());
        life.under_way(Some(Arc::clone(&late)));
        assert!(late.is_set());
    }
}
