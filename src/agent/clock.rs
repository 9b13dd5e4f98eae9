//! The door through which wall-clock time and randomness come in.

use std::time::Duration;

use evidenced_model::{Clock, RunId};
use futures::future::BoxFuture;
use jiff::Timestamp;

/// A clock that can be waited for. Tests bring one that runs ahead.
pub trait Time: Clock + 'static {
    /// Waits until this clock shows the moment, also where it is put forward or back meanwhile.
    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'_, ()>;
}

/// A clock that is put forward is noticed after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one door through which the wall clock comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Time for SystemClock {
    fn sleep_until(&self, moment: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let left = moment.duration_since(self.now());
                match Duration::try_from(left) {
                    Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(LOOK_AGAIN)).await,
                    _ => return,
                }
            }
        })
    }
}

/// A new run id: the time and 80 random bits.
pub(crate) fn new_run(clock: &dyn Clock) -> RunId {
    let millis = u64::try_from(clock.now().as_millisecond()).unwrap_or_default();
    let mut random = [0; 16];
    fill_random(&mut random);
    RunId::from_parts(millis, u128::from_le_bytes(random) >> 48)
}

/// Random bytes from the operating system.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    #[expect(clippy::expect_used, reason = "without the operating system's randomness nothing can be signed either")]
    getrandom::fill(bytes).expect("the operating system has no randomness");
}
