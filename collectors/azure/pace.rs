//! When the next call may start, by what Azure's earlier answers said of its quotas.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use azure_core::http::headers::Headers;
use evidenced_model::Account;
use tokio::sync::Semaphore;

use crate::error::clock_span;

/// Queries to Resource Graph under way at once: its quota is counted when they are answered.
const QUERIES: usize = 2;
/// Pages of Resource Graph in memory: a page has a thousand resources, some megabytes.
const PAGES: usize = 2;
/// With so many reads left of a subscription's quota, we begin to wait between them.
const FEW_READS: u64 = 50;

/// When the next call may start, by what earlier answers said.
pub(crate) struct Pace {
    pub(crate) queries: Semaphore,
    /// Pages of Resource Graph that are in memory.
    pub(crate) pages: Semaphore,
    /// Until when Resource Graph's quota is spent.
    query_from: Mutex<Option<tokio::time::Instant>>,
    /// Reads left, by subscription.
    reads: Mutex<HashMap<Account, u64>>,
}

/// Resource Graph's word for when its quota is full again.
pub(crate) const RESETS: &str = "x-ms-user-quota-resets-after";

impl Pace {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self {
            queries: Semaphore::new(QUERIES),
            pages: Semaphore::new(PAGES),
            query_from: Mutex::default(),
            reads: Mutex::default(),
        }
    }

    /// Waits until another call may start.
    pub(crate) async fn wait(&self, account: &Account, query: bool) {
        if query {
            let from = *self.query_from.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(from) = from {
                tokio::time::sleep_until(from).await;
            }
            return;
        }
        let left = self.reads.lock().unwrap_or_else(PoisonError::into_inner).get(account).copied();
        if let Some(few) = left.and_then(|left| FEW_READS.checked_sub(left)).filter(|few| *few > 0) {
            tokio::time::sleep(Duration::from_millis(few * 20)).await;
        }
    }

    /// Learns from an answer's headers how much is left.
    pub(crate) fn learn(&self, account: &Account, query: bool, headers: &Headers) {
        let number =
            |name: &'static str| headers.get_optional_str(&name.into()).and_then(|text| text.parse::<u64>().ok());
        if query {
            // As many as are under way may have been answered meanwhile.
            let spent = number("x-ms-user-quota-remaining").is_some_and(|left| left < QUERIES as u64);
            let full = headers.get_optional_str(&RESETS.into()).and_then(clock_span);
            let mut from = self.query_from.lock().unwrap_or_else(PoisonError::into_inner);
            *from = full
                .filter(|_| spent)
                .map(|wait| tokio::time::Instant::now() + wait)
                .max(from.filter(|from| *from > tokio::time::Instant::now()));
        } else if let Some(left) = number("x-ms-ratelimit-remaining-subscription-reads") {
            self.reads.lock().unwrap_or_else(PoisonError::into_inner).insert(account.clone(), left);
        }
    }
}
