//! Room in the spool: what waits and what is under way stay under one limit together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::SpoolError;

/// How much is in use, and how much may be.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) folder: String,
    pub(crate) limit: u64,
    pub(crate) used: AtomicU64,
}

impl Meter {
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn full(&self) -> SpoolError {
        SpoolError::Full { folder: self.folder.clone(), used: self.used(), limit: self.limit }
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// Room that was taken; it is given back when this is dropped.
#[derive(Debug)]
pub struct Room {
    pub(crate) meter: Arc<Meter>,
    pub(crate) taken: u64,
}

impl Room {
    /// Takes more room, unless that would go over the limit.
    pub fn take(&mut self, bytes: u64) -> Result<(), SpoolError> {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.meter.limit);
        match self.meter.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => {
                self.taken += bytes;
                Ok(())
            }
            Err(_) => Err(self.meter.full()),
        }
    }

    /// The room stays taken, by this many bytes, after this is gone.
    pub(crate) fn keep(mut self, bytes: u64) {
        self.meter.used.fetch_add(bytes, Ordering::Relaxed);
        self.meter.give_back(std::mem::take(&mut self.taken));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.meter.give_back(self.taken);
    }
}
