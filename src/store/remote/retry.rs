//! Trying again: few times, each bounded, with growing pauses.

use std::future::Future;
use std::time::Duration;

use super::Trouble;

/// Pauses between attempts; one more attempt than these is made.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1600)];
/// The slowest line that is waited for, in bytes a second.
const SLOWEST: u64 = 128 << 10;

/// How long one attempt may take to move so many bytes.
pub(crate) fn patience(timeout: Duration, bytes: usize) -> Duration {
    timeout + Duration::from_secs(bytes as u64 / SLOWEST)
}

/// Makes a request, and makes it again while the store is away.
pub(crate) async fn retry<T, F>(what: &str, patience: Duration, request: impl Fn() -> F + Send) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>> + Send,
{
    for pause in PAUSES {
        match once(patience, request()).await {
            Err(Trouble::Away(reason)) => {
                tracing::debug!(file = what, reason, "the store is away; trying again");
                tokio::time::sleep(spread(pause, what)).await;
            }
            done => return done,
        }
    }
    once(patience, request()).await
}

/// Makes a request once, within its time.
pub(crate) async fn once<T>(
    patience: Duration,
    request: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    tokio::time::timeout(patience, request)
        .await
        .unwrap_or_else(|_| Err(Trouble::Away(format!("no answer within {} s", patience.as_secs_f64()))))
}

/// A pause before the attempt of this number; `None` if there is none left.
pub(crate) fn pause(attempt: usize, what: &str) -> Option<Duration> {
    PAUSES.get(attempt).map(|pause| spread(*pause, what))
}

/// A pause of one to two times its length, other for each file, so that many do not come back at once.
fn spread(pause: Duration, what: &str) -> Duration {
    let sum = what.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    pause + pause * (sum % 256) / 256
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn attempts(answer: impl Fn(usize) -> Result<(), Trouble> + Send + Sync) -> (usize, Result<(), Trouble>) {
        let count = AtomicUsize::new(0);
        let done = retry("x", Duration::from_secs(1), || {
            let answer = answer(count.fetch_add(1, Ordering::Relaxed));
            async { answer }
        });
        let done = done.await;
        (count.into_inner(), done)
    }

    #[tokio::test]
    async fn only_what_is_away_is_tried_again_and_not_for_ever() {
        let away = || Err(Trouble::Away("503".into()));
        let hangs = retry("y", Duration::from_millis(10), std::future::pending::<Result<(), Trouble>>);
        let (for_ever, twice, hangs) =
            tokio::join!(attempts(|_| away()), attempts(|count| if count < 2 { away() } else { Ok(()) }), hangs);
        assert_eq!(for_ever, (4, away()));
        assert_eq!(twice, (3, Ok(())));
        assert!(matches!(hangs, Err(Trouble::Away(reason)) if reason.contains("0.01 s")), "what hangs is given up");
        for trouble in [Trouble::Exists, Trouble::Refused("403".into()), Trouble::Unsupported("501".into())] {
            assert_eq!(attempts(|_| Err(trouble.clone())).await, (1, Err(trouble.clone())));
        }
    }
}
