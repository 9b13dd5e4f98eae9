//! What was called, how often, and how it ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use evidenced_model::{Digest, Scope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The calls of one operation in one account and region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCounts {
    /// When the provider had what it answered, by its own word; the oldest of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Timestamp>,
    /// The latest bound of that, where a source lags without saying by how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_before: Option<Timestamp>,
    /// Refused for want of a permission.
    pub denied: u64,
    /// Failed otherwise, after all attempts.
    pub error: u64,
    /// When the first began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// When the last began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// Answered, "there is none" included.
    pub ok: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// The first few answers, so that the provider's own records can be found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<CallSample>,
    /// Still throttled after the last attempt.
    pub throttled: u64,
}

impl CallCounts {
    /// All calls, however they ended, without retries.
    pub fn total(&self) -> u64 {
        self.ok + self.denied + self.throttled + self.error
    }
}

/// One answer's request id and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSample {
    /// SHA-256 of the answer's body.
    pub answer: Digest,
    /// The provider's request id.
    pub request_id: String,
}

/// When the provider had what it answered, where that is not the moment of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Captured {
    /// By its own word.
    At(Timestamp),
    /// It does not say: no later than it answered.
    Before(Timestamp),
}

/// Counted by account and region, then by operation.
pub type StatsReport = BTreeMap<Scope, BTreeMap<String, CallCounts>>;

/// The counts of a run.
#[derive(Default)]
pub struct Stats {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<Scope, BTreeMap<&'static str, CallCounts>>,
    skew_seconds: BTreeMap<String, i64>,
}

const SAMPLES: usize = 1;

impl Stats {
    /// Counts one call; `outcome` picks the counter.
    pub(crate) fn count(
        &self,
        scope: &Scope,
        call: &'static str,
        at: Timestamp,
        retries: u64,
        outcome: impl FnOnce(&mut CallCounts) -> &mut u64,
    ) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.counts.contains_key(scope) {
            inner.counts.insert(scope.clone(), BTreeMap::new());
        }
        let Some(operations) = inner.counts.get_mut(scope) else { return };
        let counts = operations.entry(call).or_default();
        counts.retries += retries;
        counts.first = counts.first.or(Some(at));
        counts.last = Some(at);
        *outcome(counts) += 1;
    }

    /// Whether another sample of this operation is wanted.
    pub fn wants_sample(&self, scope: &Scope, call: &'static str) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.counts.get(scope).and_then(|operations| operations.get(call)).is_none_or(|c| c.samples.len() < SAMPLES)
    }

    /// Keeps a sample, up to a few an operation.
    pub fn sample(&self, scope: &Scope, call: &'static str, sample: CallSample) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = inner.counts.entry(scope.clone()).or_default().entry(call).or_default();
        if counts.samples.len() < SAMPLES {
            counts.samples.push(sample);
        }
    }

    /// Notes that what an operation answered is older than the answer.
    pub fn captured(&self, scope: &Scope, call: &'static str, when: Captured) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = inner.counts.entry(scope.clone()).or_default().entry(call).or_default();
        match when {
            Captured::At(at) => counts.captured = Some(counts.captured.map_or(at, |known| known.min(at))),
            Captured::Before(at) => counts.captured_before = counts.captured_before.max(Some(at)),
        }
    }

    /// Notes how far our clock is ahead of a provider's, in seconds; the largest difference is kept.
    pub fn skew(&self, provider: &str, seconds: i64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = inner.skew_seconds.entry(provider.to_owned()).or_default();
        if seconds.abs() > kept.abs() {
            *kept = seconds;
        }
    }

    /// How far our clock was ahead, by provider, in seconds.
    pub fn skews(&self) -> BTreeMap<String, i64> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).skew_seconds.clone()
    }

    /// Everything counted so far.
    pub fn report(&self) -> StatsReport {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |operations: &BTreeMap<&'static str, CallCounts>| {
            operations.iter().map(|(call, counts)| ((*call).to_owned(), counts.clone())).collect()
        };
        inner.counts.iter().map(|(scope, operations)| (scope.clone(), named(operations))).collect()
    }

    /// Calls by operation, over all accounts and regions, retries left out.
    pub fn totals(&self) -> BTreeMap<&'static str, u64> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut totals = BTreeMap::new();
        for (call, counts) in inner.counts.values().flatten() {
            *totals.entry(*call).or_default() += counts.total();
        }
        totals
    }

    /// All calls so far, retries left out.
    pub fn total(&self) -> u64 {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.counts.values().flat_map(BTreeMap::values).map(CallCounts::total).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_answers_the_oldest_word_and_the_latest_bound_are_kept() {
        let scope: Scope =
            serde_json::from_value(serde_json::json!({"provider": "aws", "account": "1", "region": "global"})).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let stats = Stats::default();
        for second in [20, 10, 30] {
            stats.captured(&scope, "iam:GetCredentialReport", Captured::At(at(second)));
            stats.captured(&scope, "resourcegraph:Disks", Captured::Before(at(second)));
        }
        let report = &stats.report()[&scope];
        let kept = |call: &str| (report[call].captured, report[call].captured_before);
        assert_eq!(kept("iam:GetCredentialReport"), (Some(at(10)), None));
        assert_eq!(kept("resourcegraph:Disks"), (None, Some(at(30))));
    }
}
