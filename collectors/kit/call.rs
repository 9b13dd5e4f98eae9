//! One call to a cloud: limits, timeout, retries with backoff and jitter, and a name for each way it can end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use evidenced_model::{Cause, Clock, Refusal, Scope};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use crate::{Captured, Limits, Operation, Stats};

tokio::task_local! {
    static CURRENT: (Scope, &'static str);
}

/// The scope and operation of the call that this task is in, for transports that sample answers.
pub fn current_operation() -> Option<(Scope, &'static str)> {
    CURRENT.try_with(Clone::clone).ok()
}

/// How one attempt failed, as the cloud's own crate understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub cause: Cause,
    /// The provider's error code.
    pub code: Option<String>,
    /// Whether another attempt may succeed.
    pub retry: bool,
    /// The provider's own wish for how long to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure that no further attempt will mend.
    pub fn for_good(cause: Cause, code: Option<String>) -> Self {
        Self { cause, code, retry: false, retry_after: None }
    }
}

/// What a call told: `Ok(None)` is a documented "there is none".
pub type Answered<T> = Result<Option<T>, Refusal>;

/// The door to a cloud's API for one account: shared limits, counted calls.
#[derive(Clone)]
pub struct Calls {
    limits: Arc<Limits>,
    stats: Arc<Stats>,
    clock: Arc<dyn Clock>,
}

impl Calls {
    /// A door with these limits.
    pub fn new(limits: Arc<Limits>, stats: Arc<Stats>, clock: Arc<dyn Clock>) -> Self {
        Self { limits, stats, clock }
    }

    /// The time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Notes that what an operation answered is older than the answer.
    pub fn captured(&self, scope: &Scope, operation: &Operation, when: Captured) {
        self.stats.captured(scope, operation.call, when);
    }

    /// The first wait before another attempt.
    pub fn backoff(&self) -> Duration {
        self.limits.config().backoff
    }

    /// Makes one call. `classify` says what an error of the cloud's client means.
    pub async fn call<T, E, F>(
        &self,
        scope: &Scope,
        operation: &'static Operation,
        attempt: impl Fn() -> F,
        classify: impl Fn(&E) -> Failure,
    ) -> Result<T, Refusal>
    where
        F: Future<Output = Result<T, E>>,
    {
        match self.call_optional(scope, operation, attempt, classify).await? {
            Some(answer) => Ok(answer),
            // The operation has documented codes for "none", but its caller needs an answer.
            None => Err(refusal(operation, Failure::for_good(Cause::Failed, None))),
        }
    }

    /// Makes one call whose documented error codes ([`Operation::absent`]) mean "there is none".
    pub async fn call_optional<T, E, F>(
        &self,
        scope: &Scope,
        operation: &'static Operation,
        attempt: impl Fn() -> F,
        classify: impl Fn(&E) -> Failure,
    ) -> Answered<T>
    where
        F: Future<Output = Result<T, E>>,
    {
        let began = self.clock.now();
        let config = self.limits.config();
        let mut tried = 0;
        let failure = loop {
            let permit = self.limits.acquire(scope, operation.service()).await;
            let (account, region) = (&scope.account, &scope.region);
            let span = tracing::debug_span!("call", operation = operation.call, %account, %region, tried);
            let attempt = CURRENT.scope((scope.clone(), operation.call), attempt());
            let answer = timeout(config.attempt_timeout, attempt).instrument(span).await;
            drop(permit);
            let failure = match answer {
                Ok(Ok(answer)) => {
                    self.count(scope, operation, began, tried, |c| &mut c.ok);
                    return Ok(Some(answer));
                }
                Ok(Err(error)) => classify(&error),
                Err(_elapsed) => Failure { cause: Cause::TimedOut, code: None, retry: true, retry_after: None },
            };
            if failure.code.as_deref().is_some_and(|code| operation.absent.contains(&code)) {
                self.count(scope, operation, began, tried, |c| &mut c.ok);
                return Ok(None);
            }
            tried += 1;
            if !failure.retry || tried >= config.attempts {
                break failure;
            }
            sleep(failure.retry_after.unwrap_or_else(|| jittered(config.backoff, tried))).await;
        };
        self.count(scope, operation, began, tried - 1, |c| match failure.cause {
            Cause::Denied | Cause::Barred => &mut c.denied,
            Cause::Throttled => &mut c.throttled,
            _ => &mut c.error,
        });
        Err(refusal(operation, failure))
    }

    fn count(
        &self,
        scope: &Scope,
        operation: &'static Operation,
        began: jiff::Timestamp,
        retries: u32,
        outcome: impl FnOnce(&mut crate::CallCounts) -> &mut u64,
    ) {
        self.stats.count(scope, operation.call, began, u64::from(retries), outcome);
    }
}

fn refusal(operation: &Operation, failure: Failure) -> Refusal {
    let refused = matches!(failure.cause, Cause::Denied | Cause::Barred);
    Refusal {
        call: operation.call.to_owned(),
        cause: failure.cause,
        code: failure.code,
        permission: refused.then(|| operation.permission.to_owned()),
    }
}

/// Full jitter: a random wait up to the doubled backoff, at most 20 s.
fn jittered(base: Duration, tried: u32) -> Duration {
    let ceiling = base.saturating_mul(1 << tried.min(8)).min(Duration::from_secs(20));
    ceiling.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use evidenced_model::FixedClock;

    use super::*;
    use crate::{LimitsConfig, Per};

    static OPERATION: Operation = Operation {
        call: "s3:GetBucketPolicy",
        permission: "s3:GetBucketPolicy",
        absent: &["NoSuchBucketPolicy"],
        per: Per::Start,
    };

    fn calls() -> (Calls, Arc<Stats>) {
        // No waiting between attempts: the tests are about what is tried again, not about when.
        let config = LimitsConfig {
            backoff: Duration::ZERO,
            attempt_timeout: Duration::from_millis(5),
            ..LimitsConfig::default()
        };
        let stats = Arc::new(Stats::default());
        let clock = Arc::new(FixedClock(jiff::Timestamp::UNIX_EPOCH));
        (Calls::new(Arc::new(Limits::new(config)), Arc::clone(&stats), clock), stats)
    }

    fn scope() -> Scope {
        serde_json::from_value(serde_json::json!({"provider": "aws", "account": "123456789012", "region": "eu-west-1"}))
            .unwrap()
    }

    #[tokio::test]
    async fn a_throttled_call_is_tried_again_and_counted_once() {
        let (calls, stats) = calls();
        let tries = AtomicU32::new(0);
        let attempt = || async { if tries.fetch_add(1, Ordering::Relaxed) < 2 { Err("slow") } else { Ok(7) } };
        let throttled = |_: &&str| Failure { cause: Cause::Throttled, code: None, retry: true, retry_after: None };
        assert_eq!(calls.call(&scope(), &OPERATION, attempt, throttled).await, Ok(7));
        let counts = &stats.report()[&scope()]["s3:GetBucketPolicy"];
        assert_eq!((counts.ok, counts.retries, counts.throttled), (1, 2, 0));
    }

    #[tokio::test]
    async fn a_denied_call_names_the_permission_and_is_not_tried_again() {
        let (calls, stats) = calls();
        let denied = |_: &&str| Failure::for_good(Cause::Denied, Some("AccessDenied".into()));
        let refusal = calls.call(&scope(), &OPERATION, || async { Err::<(), _>("no") }, denied).await.unwrap_err();
        assert_eq!(refusal.permission.as_deref(), Some("s3:GetBucketPolicy"));
        let counts = &stats.report()[&scope()]["s3:GetBucketPolicy"];
        assert_eq!((counts.denied, counts.retries), (1, 0));
    }

    #[tokio::test]
    async fn a_documented_code_is_absent_and_any_other_is_not() {
        let (calls, _) = calls();
        let code = |code: &&str| Failure::for_good(Cause::Failed, Some((*code).to_owned()));
        let none =
            calls.call_optional(&scope(), &OPERATION, || async { Err::<(), _>("NoSuchBucketPolicy") }, code).await;
        assert_eq!(none, Ok(None));
        let other = calls.call_optional(&scope(), &OPERATION, || async { Err::<(), _>("NoSuchKey") }, code).await;
        assert_eq!(other.unwrap_err().code.as_deref(), Some("NoSuchKey"));
    }

    #[tokio::test]
    async fn a_call_that_never_answers_is_timed_out() {
        let (calls, _) = calls();
        let never = || std::future::pending::<Result<(), ()>>();
        let refusal = calls.call(&scope(), &OPERATION, never, |()| Failure::for_good(Cause::Failed, None)).await;
        assert_eq!(refusal.unwrap_err().cause, Cause::TimedOut);
    }
}
