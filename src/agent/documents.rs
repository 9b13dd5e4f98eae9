//! The documents of a run, from what the stages left: manifest parts, calls, mappings, standings.

use evidenced_check::{Judge, Settings};
use evidenced_isms::Isms;
use evidenced_kit::{Listed, Principal, Stats};
use evidenced_map::{Applicability, Basis, Mapping, Plan as MapPlan, PlannedCheck};
use evidenced_model::manifest::{Calls, ClockCheck, ListedAccount, Listing};
use evidenced_model::{ControlStanding, Coverage, Manifest, Severity, manifest, owned_by};
use serde_json::{Value, json};

use crate::config::Loaded;
use crate::judging::Judged;

/// What standings depend on beside findings.
pub(crate) struct Standings<'a> {
    /// The controls that are excluded.
    pub(crate) applicability: &'a Applicability,
    /// The least severity of a fail that contradicts.
    pub(crate) threshold: Severity,
}

/// The standing of every control.
pub(crate) fn standings(
    judge: &Judge,
    mapping: &Mapping,
    judged: &Judged,
    coverage: &Coverage,
    by: &Standings<'_>,
) -> Vec<ControlStanding> {
    let active = judge.checks().map(|(kind, check, _)| PlannedCheck {
        check: check.id.clone(),
        kind: kind.clone(),
        objective: check.objective.clone(),
        provider: provider_of(kind.provider()),
        population: check.per.is_some(),
        undeclared: Vec::new(),
    });
    let waiting = judge.undeclared().iter().filter_map(|undeclared| {
        let (kind, check) = judge.library().check(&undeclared.check)?;
        Some(PlannedCheck {
            check: undeclared.check.clone(),
            kind: kind.decl.kind.clone(),
            objective: undeclared.objective.clone(),
            provider: provider_of(kind.decl.kind.provider()),
            population: check.per.is_some(),
            undeclared: undeclared.params.clone(),
        })
    });
    let plan = MapPlan::new(active.chain(waiting), coverage);
    let Standings { applicability, threshold } = *by;
    mapping.standings(&Basis { plan: &plan, counts: &judged.counts, applicability, threshold })
}

/// The cloud of a kind.
pub(crate) fn provider_of(name: &str) -> evidenced_model::Provider {
    #[expect(clippy::expect_used, reason = "the first segment of a parsed kind is a provider")]
    evidenced_model::Provider::parse(name).expect("the first segment of a parsed kind is a provider")
}

/// Everything needed to judge again, equal from run to run: `now` is the start of each run's own window.
/// A declaration stands in it only where there is one.
pub(crate) fn mappings(judge: &Judge, mapping: &Mapping, loaded: &Loaded, isms: Option<&Isms>) -> Value {
    let settings = Settings { now: jiff::Timestamp::UNIX_EPOCH, ..judge.settings().clone() };
    let mut document = json!({
        "checks": judge.library().to_json(&settings),
        "contradict_from": loaded.config.checks.contradict_from.0,
        "mapping": mapping.to_json(),
    });
    if let Some(isms) = isms {
        document["isms"] = json!(isms);
    }
    document
}

/// Calls by operation.
pub(crate) fn calls(stats: &Stats) -> Calls {
    let operations = stats.report().into_iter().flat_map(|(scope, operations)| {
        operations.into_iter().filter_map(move |(operation, counts)| {
            Some(manifest::CallStats {
                account: scope.account.clone(),
                captured: counts.captured,
                captured_before: counts.captured_before,
                denied: counts.denied,
                error: counts.error,
                first: counts.first?,
                last: counts.last?,
                ok: counts.ok,
                operation,
                provider: scope.provider.clone(),
                region: scope.region.clone(),
                retries: counts.retries,
                samples: counts
                    .samples
                    .into_iter()
                    .map(|sample| manifest::Sample {
                        answer_sha256: Some(sample.answer),
                        request_id: sample.request_id,
                    })
                    .collect(),
                throttled: counts.throttled,
            })
        })
    });
    Calls { operations: operations.collect() }
}

/// Our clock against the providers'.
pub(crate) fn clock_check(stats: &Stats) -> ClockCheck {
    let largest = stats.skews().into_values().max_by_key(|skew| skew.abs());
    match largest {
        Some(skew) if skew.abs() > 300 => {
            tracing::warn!(
                seconds = skew,
                "our clock differs by minutes from the provider's; the run is marked suspect"
            );
        }
        Some(skew) if skew.abs() > 5 => tracing::warn!(seconds = skew, "our clock differs from the provider's"),
        _ => {}
    }
    ClockCheck {
        skew_ms: largest.map(|skew| skew.saturating_mul(1000)),
        suspect: largest.is_some_and(|skew| skew.abs() > 300),
    }
}

/// The accounts as the manifest lists them.
pub(crate) fn listed(listing: Vec<Listed>) -> Vec<ListedAccount> {
    let mut accounts: Vec<ListedAccount> = listing
        .into_iter()
        .map(|one| ListedAccount {
            account: one.account,
            name: one.name,
            provider: one.provider,
            reason: one.reason,
            state: match one.state.as_str() {
                "read" => Listing::Read,
                "excluded" => Listing::Excluded,
                "elsewhere" => Listing::Elsewhere,
                _ => Listing::Unreachable,
            },
        })
        .collect();
    accounts.sort();
    accounts
}

/// Who we were, as the manifest says it.
pub(crate) fn named(principals: Vec<Principal>) -> Vec<manifest::Principal> {
    let named = |one: Principal| manifest::Principal { account: Some(one.account), id: one.id, provider: one.provider };
    let mut principals: Vec<_> = principals.into_iter().map(named).collect();
    principals.sort();
    principals
}

/// The manifest with whether the accounts that were read, or those of the identities that read them, own key and
/// store, as far as their URLs tell.
pub(crate) fn owners(mut manifest: Manifest, loaded: &Loaded) -> Manifest {
    let read = manifest.accounts.iter().filter(|account| account.state == Listing::Read);
    let read = read.map(|account| (&account.provider, &account.account));
    let own = manifest.principals.iter().filter_map(|one| Some((&one.provider, one.account.as_ref()?)));
    let accounts: Vec<_> = read.chain(own).collect();
    let owned = |url: &str| owned_by(url, accounts.iter().copied());
    let (key, store) = (loaded.config.seal.key.as_deref().and_then(owned), owned(&loaded.config.store.url));
    manifest.assurance.account_owns_key = key;
    manifest.assurance.account_owns_store = store;
    manifest
}

/// What the operator declared as out of scope.
pub(crate) fn exclusions(accounts: &[evidenced_kit::AccountSession]) -> Vec<manifest::Exclusion> {
    let mut out: Vec<manifest::Exclusion> = accounts
        .iter()
        .flat_map(|account| {
            account.excluded.iter().map(|(name, reason)| {
                let kind = evidenced_model::KindId::parse(name.clone())
                    .ok()
                    .filter(|kind| kind.as_str().matches('.').count() > 1);
                let region = account.regions.iter().find(|region| region.as_str() == name).cloned();
                manifest::Exclusion {
                    account: Some(account.account.clone()),
                    service: (kind.is_none() && region.is_none()).then(|| name.clone()),
                    kind,
                    provider: account.provider.clone(),
                    reason: reason.clone(),
                    region,
                }
            })
        })
        .collect();
    out.sort();
    out
}
