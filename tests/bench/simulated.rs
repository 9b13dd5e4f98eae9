//! A time that runs ahead, for the daemon: its waits take none, and on the way misfortunes happen.
//!
//! `SIMULATED_FROM` and `SIMULATED_UNTIL` (RFC 3339) say from when until when. With `SIMULATED_SEED`, the store is away
//! now and then, clocks jump, and the process is killed or told to end; whoever started it starts it again from the
//! moment in `now.txt`. Everything stands in the working directory.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use evidenced_agent::Time;
use evidenced_model::{Clock, Digest};
use jiff::Timestamp;

/// Where the moment is kept.
const NOW: &str = "now.txt";
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A time that is its own master.
pub(crate) struct Ahead {
    /// In milliseconds.
    now: AtomicI64,
    until: i64,
    /// The hour that was looked at last for misfortunes.
    hour: AtomicI64,
    seed: Option<u64>,
}

/// The simulated time that the environment asks for.
pub(crate) fn asked_for() -> Option<Arc<dyn Time>> {
    let get = |wanted: &str| std::env::vars().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let moment = |name: &str| get(name)?.parse::<Timestamp>().ok();
    let from = moment("SIMULATED_FROM")?;
    let until = moment("SIMULATED_UNTIL")?;
    Some(Arc::new(Ahead {
        now: from.as_millisecond().into(),
        until: until.as_millisecond(),
        hour: (from.as_millisecond() / HOUR).into(),
        seed: get("SIMULATED_SEED").and_then(|seed| seed.parse().ok()),
    }))
}

impl Clock for Ahead {
    /// A little later each time, as real ones are.
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.fetch_add(1, Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }
}

impl Time for Ahead {
    fn sleep_until(&self, moment: Timestamp) -> futures::future::BoxFuture<'_, ()> {
        let moment = moment.as_millisecond().min(self.until);
        Box::pin(async move {
            let before = self.now.fetch_max(moment, Ordering::Relaxed).max(moment);
            let _ = std::fs::write(NOW, Timestamp::from_millisecond(before).unwrap_or_default().to_string());
            if before >= self.until {
                terminate();
                return std::future::pending().await;
            }
            if let Some(seed) = self.seed {
                self.misfortunes(seed, before);
            }
            // Whatever else there is to do goes first.
            tokio::task::yield_now().await;
        })
    }
}

impl Ahead {
    fn misfortunes(&self, seed: u64, now: i64) {
        let hour = now / HOUR;
        if self.hour.swap(hour, Ordering::Relaxed) == hour {
            return;
        }
        set_store(!is_away(seed, now));
        match roll(seed, "hour", hour) % 100 {
            // In the middle of the run that is about to begin.
            0..4 => {
                let wait = Duration::from_millis(roll(seed, "wait", hour) % 60);
                std::thread::spawn(move || {
                    std::thread::sleep(wait);
                    std::process::abort();
                });
            }
            4..6 => terminate(),
            6 => drop(self.now.fetch_add(HOUR, Ordering::Relaxed)),
            7 => drop(self.now.fetch_sub(HOUR, Ordering::Relaxed)),
            _ => {}
        }
    }
}

/// Whether the store is away: on some days for some hours, and once in a while for three days.
fn is_away(seed: u64, now: i64) -> bool {
    (0..4).any(|back| {
        let day = now / DAY - back;
        let lasts = match roll(seed, "away", day) % 12 {
            0 => 72,
            1..4 => 1 + roll(seed, "lasts", day) % 9,
            _ => return false,
        };
        let begins = day * DAY + i64::try_from(roll(seed, "begins", day) % 24).unwrap_or_default() * HOUR;
        (begins..begins + i64::try_from(lasts).unwrap_or_default() * HOUR).contains(&now)
    })
}

/// A file stands in the place of the store's folder while it is away.
pub(crate) fn set_store(there: bool) {
    let (store, elsewhere) = (Path::new("evidence/v1"), Path::new("elsewhere"));
    let moved = match (there, store.is_dir(), elsewhere.is_dir()) {
        (false, true, _) => std::fs::rename(store, elsewhere).and_then(|()| std::fs::write(store, "")),
        (true, false, true) => std::fs::remove_file(store).and_then(|()| std::fs::rename(elsewhere, store)),
        _ => Ok(()),
    };
    if let Err(error) = moved {
        tracing::error!(%error, "the store cannot be moved");
    }
}

fn terminate() {
    let ended = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
    if let Err(error) = ended {
        tracing::error!(%error, "this process cannot be told to end");
    }
}

/// A number for a seed, a word and a moment: always the same.
fn roll(seed: u64, word: &str, at: i64) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Digest::of(format!("{seed} {word} {at}").as_bytes()).as_bytes()[..8]);
    u64::from_be_bytes(first)
}
