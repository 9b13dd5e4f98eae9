//! The words of a report: standings, causes, counts and moments, said the same way in every form.

use evidenced_model::{Cause, CellState, Standing, Strength, Tally, Verdict};
use jiff::Timestamp;

use crate::document::{CheckReport, LaggingSource};

/// Standings in the order in which they want attention, in whatever shows them.
pub const STANDINGS: [Standing; 7] = [
    Standing::Contradicted,
    Standing::Incomplete,
    Standing::SupportedWithExceptions,
    Standing::Supported,
    Standing::NoSubject,
    Standing::Manual,
    Standing::Excluded,
];

pub(crate) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::SupportedWithExceptions => "supported with exceptions",
        Standing::NoSubject => "no subject",
        other => other.as_str(),
    }
}

pub(crate) fn standing_means(standing: Standing) -> &'static str {
    match standing {
        Standing::Contradicted => "something that was read speaks against it",
        Standing::Incomplete => "not enough was read or declared to say",
        Standing::SupportedWithExceptions => "what was read speaks for it, apart from fails that are waived",
        Standing::Supported => "what was read speaks for it, nothing against it, and nothing is unknown",
        Standing::NoSubject => "everything was read, and nothing that it could apply to is there",
        Standing::Manual => "no configuration can show it: people bring the evidence",
        Standing::Excluded => "left out by the statement of applicability",
    }
}

pub(crate) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Denied => "permission denied",
        Cause::Barred => "barred by a policy of the organisation",
        Cause::Throttled => "throttled by the provider",
        Cause::TimedOut => "no answer in time",
        Cause::Failed => "the call failed",
        Cause::Unsupported => "not offered there",
        Cause::Malformed => "the answer could not be understood",
        Cause::Panicked => "a fault of evidenced itself",
        Cause::Silent => "nobody answered for it",
        Cause::Skipped => "left out of this run",
    }
}

pub(crate) fn cell(state: CellState) -> &'static str {
    match state {
        CellState::Complete => "read completely",
        CellState::Partial => "read in part",
        CellState::Denied => "denied",
        CellState::Barred => "barred",
        CellState::Throttled => "throttled",
        CellState::Failed => "failed",
        CellState::Skipped => "left out",
        CellState::Unsupported => "not offered",
    }
}

pub(crate) fn strength(strength: Strength) -> &'static str {
    match strength {
        Strength::Strong => "strong",
        Strength::Partial => "partial",
        Strength::Supporting => "supporting",
    }
}

pub(crate) fn strength_means(strength: Strength) -> &'static str {
    match strength {
        Strength::Strong => "shows the technical side of the control",
        Strength::Partial => "shows part of the control",
        Strength::Supporting => "a hint; it decides nothing by itself",
    }
}

/// How many findings a tally is about: those that apply.
pub(crate) fn applicable(counts: &Tally) -> u64 {
    counts.total() - counts.not_applicable
}

/// Numerator and denominator, and what is between them.
pub(crate) fn tally(counts: &Tally) -> String {
    let applicable = applicable(counts);
    let mut parts = Vec::new();
    if applicable > 0 {
        parts.push(format!("{} of {} pass", number(counts.pass), number(applicable)));
    }
    let rest = [
        (counts.fail, "fail"),
        (counts.fail_below, "fail below the severity that counts"),
        (counts.waived, "fail and are waived"),
        (counts.unknown, "unknown"),
        (counts.not_applicable, "not applicable"),
    ];
    parts.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", number(*count))));
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(" · ") }
}

/// Numerator and denominator of a check.
pub(crate) fn check_tally(check: &CheckReport) -> String {
    tally(&Tally {
        fail: check.fails.count,
        fail_below: 0,
        not_applicable: check.counts.not_applicable,
        pass: check.counts.pass,
        unknown: check.counts.unknown,
        waived: check.waived.count,
    })
}

/// Checks with fails that nobody waived: the worst severity first, then the most fails.
pub(crate) fn failing(checks: &[CheckReport]) -> Vec<&CheckReport> {
    let mut failing: Vec<&CheckReport> = checks.iter().filter(|check| check.fails.count > 0).collect();
    failing.sort_by_key(|check| std::cmp::Reverse((check.severity, check.fails.count)));
    failing
}

/// A number with its thousands set apart.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 gap`, `2 gaps`.
pub(crate) fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A moment, to the second, in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A source whose data lags, e.g. `azure:resourcegraph`.
pub(crate) fn lagging_source(source: &LaggingSource) -> String {
    format!("{}:{}", source.provider, source.service)
}

/// From when is what it answered.
pub(crate) fn lagging(source: &LaggingSource) -> String {
    let exact = source.captured.map(|at| format!("captured by the provider at {}", moment(at)));
    let bound = |at| format!("its data can lag, and it does not say by how much; {} at the latest", moment(at));
    let said: Vec<String> = exact.into_iter().chain(source.captured_before.map(bound)).collect();
    said.join("; ")
}

/// A moment, to the minute, in UTC, where there is little room.
pub(crate) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// A day.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// How long something took or stands, in the unit that says it best.
pub(crate) fn long(seconds: u64) -> String {
    match seconds {
        0..120 => count(seconds, "second", "seconds"),
        120..7200 => count(seconds / 60, "minute", "minutes"),
        7200..172_800 => count(seconds / 3600, "hour", "hours"),
        _ => count(seconds / 86_400, "day", "days"),
    }
}

/// Bytes, in the unit that says it best.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    while whole >= 10_240 && unit + 1 < units.len() {
        whole /= 1024;
        unit += 1;
    }
    format!("{whole} {}", units[unit])
}

/// The state of a verdict, as pages say it.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotApplicable => "not applicable",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_and_sizes_for_people() {
        assert_eq!(
            [1, 119, 120, 7199, 7200, 172_800].map(long),
            ["1 second", "119 seconds", "2 minutes", "119 minutes", "2 hours", "2 days"]
        );
        assert_eq!([0, 10_239, 10_240, 10 << 30].map(size), ["0 B", "10239 B", "10 KiB", "10 GiB"]);
    }

    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(number), ["0", "12", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_tally_names_its_denominator() {
        let counts = Tally { pass: 14, fail: 3, unknown: 2, waived: 1, not_applicable: 5, fail_below: 0 };
        assert_eq!(tally(&counts), "14 of 20 pass · 3 fail · 1 fail and are waived · 2 unknown · 5 not applicable");
        assert_eq!(tally(&Tally::default()), "no findings");
    }
}
