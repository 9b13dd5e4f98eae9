//! The door through which wall-clock time and randomness come in.

use evidenced_model::{Clock, RunId};
use jiff::Timestamp;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one door through which the wall clock comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
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
