//! A sign of life that one part of the program gives, and another looks for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A sign of life: whoever has to make progress beats it, and `/livez` looks when that was last.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    last: AtomicU64,
}

impl Pulse {
    /// A pulse that has just been beaten.
    pub fn new() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Gives a sign of life.
    pub fn beat(&self) {
        self.last.store(self.millis(), Ordering::Relaxed);
    }

    /// How long ago the last sign of life was.
    pub fn silent_for(&self) -> Duration {
        Duration::from_millis(self.millis().saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}
