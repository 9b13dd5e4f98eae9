//! How fast and how widely we call: a token bucket for each account, region and service, and one limit over all.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evidenced_model::Scope;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The `limits` section of the config, as far as calls go.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// Calls under way at once, over all clouds.
    pub concurrency: usize,
    /// Calls a second by `provider.service` (e.g. `aws.iam`), for each account and region.
    pub calls_per_second: BTreeMap<String, u32>,
    /// Calls a second where nothing is said.
    pub default_calls_per_second: u32,
    /// The longest one attempt may take.
    pub attempt_timeout: Duration,
    /// Attempts of one call.
    pub attempts: u32,
    /// The first wait before another attempt; doubled each time, with full jitter.
    pub backoff: Duration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            concurrency: 32,
            calls_per_second: BTreeMap::from([("aws.s3".to_owned(), 400)]),
            default_calls_per_second: 20,
            attempt_timeout: Duration::from_secs(30),
            attempts: 5,
            backoff: Duration::from_millis(200),
        }
    }
}

/// Shared by every call of a run.
pub struct Limits {
    config: LimitsConfig,
    slots: Semaphore,
    buckets: Mutex<BTreeMap<BucketKey, Arc<DefaultDirectRateLimiter>>>,
}

type BucketKey = (String, String, &'static str);

impl Limits {
    /// Limits that nothing has drawn from yet.
    pub fn new(config: LimitsConfig) -> Self {
        Self { slots: Semaphore::new(config.concurrency.max(1)), config, buckets: Mutex::default() }
    }

    /// The settings.
    pub fn config(&self) -> &LimitsConfig {
        &self.config
    }

    /// Waits until a call may start; it holds its slot until the permit is dropped.
    pub(crate) async fn acquire(&self, scope: &Scope, service: &'static str) -> SemaphorePermit<'_> {
        let bucket = self.bucket(scope, service);
        while let Err(not_until) = bucket.check() {
            tokio::time::sleep(not_until.wait_time_from(DefaultClock::default().now())).await;
        }
        #[expect(clippy::expect_used, reason = "the semaphore is never closed")]
        self.slots.acquire().await.expect("the semaphore is never closed")
    }

    fn bucket(&self, scope: &Scope, service: &'static str) -> Arc<DefaultDirectRateLimiter> {
        let key = (scope.account_key(), scope.region.to_string(), service);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let name = format!("{}.{service}", scope.provider);
            let rate = self.config.calls_per_second.get(&name).copied().unwrap_or(self.config.default_calls_per_second);
            let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
            Arc::new(RateLimiter::direct(Quota::per_second(rate)))
        };
        Arc::clone(buckets.entry(key).or_insert_with(fresh))
    }
}
