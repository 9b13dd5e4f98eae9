//! Whether an authority stamped a run: at least one good token for each that was to be stamped.

use jiff::{SignedDuration, Timestamp};

use super::Checker;
use crate::SealError;
use crate::select::RunRef;
use crate::timestamp::{MAX_TOKEN, Stamp, check as check_token, token_path};

/// A stamp may be this much earlier than the run says of itself before somebody wonders about its clock.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// A stamp that is this much later proves less than one might think.
const LATE: SignedDuration = SignedDuration::from_hours(24);

/// What is known of a run before its tokens are looked at.
pub(super) struct Signed<'s> {
    /// When it says that it ended.
    pub(super) ended: Timestamp,
    /// Its signature's bytes.
    pub(super) signature: &'s [u8],
    /// Whether it was to be stamped; `None` if its manifest cannot be seen.
    pub(super) wanted: Option<bool>,
}

/// Checks the tokens of a run.
pub(super) fn check(
    checker: &mut Checker<'_>,
    run: &RunRef,
    signed: &Signed<'_>,
    tokens: &[String],
) -> Result<(), SealError> {
    let wanted = signed.wanted.unwrap_or_default();
    if tokens.is_empty() {
        match (wanted, checker.anchors) {
            (true, Some(_)) => {
                let what =
                    "it has no timestamp token, and was to be stamped; `evidenced timestamp --pending` fetches it";
                checker.problem(&run.path, what);
                checker.report.stamps.pending += 1;
            }
            (true, None) => {
                checker.note(&run.path, "it has no timestamp token yet, and is to be stamped");
                checker.report.stamps.pending += 1;
            }
            (false, _) => checker.report.stamps.without += 1,
        }
        return Ok(());
    }
    if checker.anchors.is_none() {
        checker.report.stamps.unchecked += 1;
        return Ok(());
    }
    let mut good: Option<Stamp> = None;
    let mut bad = Vec::new();
    for path in tokens {
        match one(checker, run, signed.signature, path)? {
            Some(Ok(stamp)) => {
                let first = good.as_ref().is_none_or(|known| stamp.time < known.time);
                good = if first { Some(stamp) } else { good };
            }
            Some(Err(what)) => bad.push((path, what)),
            None => {}
        }
    }
    match &good {
        Some(stamp) => {
            checker.report.stamps.good += 1;
            compare(checker, run, signed.ended, stamp);
        }
        None if wanted => checker.report.stamps.pending += 1,
        None => checker.report.stamps.without += 1,
    }
    for (path, what) in bad {
        // Whoever can write to the store can put a file beside a run; that takes nothing from a good token.
        if good.is_some() || !wanted {
            checker.note(path, format!("a token that is not believed: {what}"));
        } else {
            checker.problem(path, what);
        }
    }
    Ok(())
}

/// One token; `None` if it cannot be read, which is told.
fn one(
    checker: &mut Checker<'_>,
    run: &RunRef,
    signature: &[u8],
    path: &str,
) -> Result<Option<Result<Stamp, String>>, SealError> {
    let read = checker.archive.read(path, MAX_TOKEN).map_err(SealError::from);
    let Some(Some(bytes)) = checker.tolerate(read)? else { return Ok(None) };
    if token_path(&run.path, &bytes) != path {
        return Ok(Some(Err("its SHA-256 is not its name: it was edited, truncated or swapped".to_owned())));
    }
    Ok(Some(check_token(&bytes, signature, checker.anchors).map_err(|error| error.to_string())))
}

/// The authority's time beside the run's own.
fn compare(checker: &mut Checker<'_>, run: &RunRef, ended: Timestamp, stamp: &Stamp) {
    let later = stamp.time.duration_since(ended);
    if later < -AHEAD {
        let what =
            format!("it says that it ended at {ended}, and was stamped at {} already: its clock was ahead", stamp.time);
        checker.note(&run.path, what);
    } else if later > LATE {
        let what = format!("it was stamped at {} only; by itself it says that it ended at {ended}", stamp.time);
        checker.note(&run.path, what);
    }
}
