//! How long files are locked, and when a lock is renewed.

use evidenced_model::Digest;
use evidenced_model::manifest::LockMode;
use jiff::Timestamp;

/// A lock that the config asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How firmly; never [`LockMode::None`].
    pub mode: LockMode,
    /// For how many days at least, from the time that the file is written or renewed.
    pub days: u32,
}

/// Files are locked for so many days longer than the retention, so that they need not be renewed with every run.
pub const GRACE_DAYS: u32 = 90;

/// Whether a re-used object's lock is to be renewed by a run at `now`, when the last run that looked was at `last`.
///
/// Each object has a moment of its own, by its digest, in every [`GRACE_DAYS`]: so the runs share the work evenly
/// (with hourly runs, one renewal in about two runs for each 1000 objects), no lock is ever shorter than the
/// retention, and nobody has to ask the store how long a lock still is.
pub fn due(digest: &Digest, last: Timestamp, now: Timestamp) -> bool {
    let period = i64::from(GRACE_DAYS) * 24 * 3600;
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    let moment = i64::try_from(u64::from_be_bytes(first) % period.unsigned_abs()).unwrap_or_default();
    let round = |at: Timestamp| (at.as_second() - moment).div_euclid(period);
    round(now) > round(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_renewed_once_in_the_grace_and_the_runs_share_the_work() {
        let digests: Vec<Digest> = (0..1000_u32).map(|n| Digest::of(&n.to_le_bytes())).collect();
        let start = 1_800_000_000;
        let at = |hour: i64| Timestamp::from_second(start + hour * 3600).unwrap();
        let mut renewals = vec![0; digests.len()];
        let mut most = 0;
        for hour in 0..2160 {
            let due: Vec<usize> =
                (0..digests.len()).filter(|&index| due(&digests[index], at(hour), at(hour + 1))).collect();
            most = most.max(due.len());
            for index in due {
                renewals[index] += 1;
            }
        }
        assert!(renewals.iter().all(|&times| times == 1), "each once in 90 days of hourly runs");
        assert!(most <= 6, "{most} at once");
        let missed = digests.iter().filter(|digest| due(digest, at(0), at(2160))).count();
        assert_eq!(missed, digests.len(), "an agent that was away for 90 days renews everything");
        assert!(!digests.iter().any(|digest| due(digest, at(5), at(5))));
    }
}
