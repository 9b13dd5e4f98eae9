//! What a run will read: one job for each collector and place, one cell for each kind and place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evidenced_check::{Judge, Library};
use evidenced_kit::{AccountSession, CoverageBuilder, Job, Manifest, Reach, Wants};
use evidenced_model::{KindId, Region, Scope, glob};

use crate::config::CollectConfig;

/// The jobs and cells of a run.
pub(crate) struct Plan {
    /// The accounts, in the order of their keys.
    pub(crate) accounts: Vec<PlannedAccount>,
    /// Every start of every collector.
    pub(crate) jobs: Vec<Job>,
    /// What each number of a job stands for: a start, or an account that a start reads together with others.
    pub(crate) places: Vec<Place>,
}

/// One account and its cells.
pub(crate) struct PlannedAccount {
    /// Its cells while it is read.
    pub(crate) coverage: CoverageBuilder,
    /// `aws:123456789012`.
    pub(crate) key: String,
    excluded: BTreeMap<String, String>,
}

/// One collector in one place.
#[derive(Clone)]
pub(crate) struct Place {
    /// The account, by its place in [`Plan::accounts`].
    pub(crate) account: usize,
    /// The collector's manifest.
    pub(crate) manifest: &'static Manifest,
    /// The region, or `global`.
    pub(crate) region: Region,
}

/// What the operator asked for beyond the targets.
#[derive(Debug, Clone)]
pub(crate) struct Scoping {
    /// Globs over collector ids, e.g. `aws.s3`, `aws.*`; empty is all.
    pub(crate) collectors: Vec<String>,
    /// How much is read.
    pub(crate) collect: CollectConfig,
    /// The longest a job may take.
    pub(crate) timeout: Duration,
}

impl Scoping {
    /// Whether a collector is asked for.
    pub(crate) fn includes(&self, id: &str) -> bool {
        self.collectors.is_empty() || self.collectors.iter().any(|pattern| glob(pattern, id))
    }
}

impl Plan {
    /// Plans the run of these accounts. `manifests` names the collectors of a provider, also where an account could
    /// not be opened: its cells are planned all the same.
    pub(crate) fn new(
        sessions: Vec<AccountSession>,
        manifests: impl Fn(&str) -> Vec<&'static Manifest>,
        library: &Library,
        judge: &Judge,
        scoping: &Scoping,
    ) -> Self {
        let wants = Arc::new(wants(library, judge, scoping.collect));
        let mut plan = Self { accounts: Vec::new(), jobs: Vec::new(), places: Vec::new() };
        let mut sessions = sessions;
        sessions.sort_by_key(|session| format!("{}:{}", session.provider, session.account));
        for session in sessions {
            let scope = Scope {
                account: session.account.clone(),
                provider: session.provider.clone(),
                region: Region::global(),
            };
            let mut account = PlannedAccount {
                coverage: CoverageBuilder::new(&scope, session.regions.clone(), session.gaps),
                key: scope.account_key(),
                excluded: session.excluded,
            };
            let wants = account.wants(&wants, library);
            for manifest in session.manifests.unwrap_or_else(|| manifests(session.provider.as_str())) {
                if scoping.includes(manifest.id) {
                    account.plan_cells(manifest, library);
                }
            }
            for collector in session.collectors {
                let manifest = collector.manifest();
                if !scoping.includes(manifest.id) || account.skips_collector(manifest) {
                    continue;
                }
                for region in places(manifest, &session.regions) {
                    if account.excluded.contains_key(region.as_str()) {
                        continue;
                    }
                    let (number, scope) = (plan.places.len(), scope.in_region(region.clone()));
                    plan.places.push(Place { account: plan.accounts.len(), manifest, region });
                    if manifest.reach == Reach::Together
                        && let Some(job) = plan.jobs.iter_mut().find(|job| Arc::ptr_eq(&job.collector, &collector))
                    {
                        job.others.push((number, scope));
                        continue;
                    }
                    let (collector, others, wants) = (Arc::clone(&collector), Vec::new(), Arc::clone(&wants));
                    plan.jobs.push(Job { number, collector, scope, others, wants, timeout: scoping.timeout });
                }
            }
            plan.accounts.push(account);
        }
        plan
    }
}

impl PlannedAccount {
    /// The operator's reason for leaving out a kind in a region.
    pub(crate) fn excluded(&self, kind: &KindId, region: &Region) -> Option<String> {
        excluded(&self.excluded, kind, region)
    }

    /// What is worth a call in this account.
    fn wants(&self, wants: &Arc<Wants>, library: &Library) -> Arc<Wants> {
        if self.excluded.is_empty() {
            return Arc::clone(wants);
        }
        let left_out = |kind: &&KindId| self.excluded(kind, &Region::global()).is_some();
        let excluded = library.kinds().map(|kind| &kind.decl.kind).filter(left_out).map(ToString::to_string).collect();
        Arc::new(Wants { excluded, ..Wants::clone(wants) })
    }

    fn skips_collector(&self, manifest: &Manifest) -> bool {
        // `global` stands for no region here: only the kind or its service can exclude a whole collector.
        let mut kinds = manifest.kinds.iter().filter_map(|kind| KindId::parse(*kind).ok());
        kinds.all(|kind| self.excluded(&kind, &Region::global()).is_some())
    }

    fn plan_cells(&mut self, manifest: &Manifest, library: &Library) {
        for kind in manifest.kinds.iter().filter_map(|kind| KindId::parse(*kind).ok()) {
            let Some(declared) = library.kind(&kind) else {
                tracing::error!(%kind, "a collector writes a kind that is not declared; it is left out");
                continue;
            };
            let reason = |kind: &KindId, region: &Region| excluded(&self.excluded, kind, region);
            self.coverage.plan(&kind, declared.decl.span, reason);
        }
    }
}

/// By kind, by region, or by service, long (`aws.s3`) or short (`s3`).
pub(crate) fn excluded(reasons: &BTreeMap<String, String>, kind: &KindId, region: &Region) -> Option<String> {
    let service = kind.as_str().rsplit_once('.').map_or(kind.as_str(), |(service, _)| service);
    let short = service.split_once('.').map_or(service, |(_, short)| short);
    [kind.as_str(), region.as_str(), service, short].iter().find_map(|name| reasons.get(*name)).cloned()
}

fn places(manifest: &Manifest, regions: &[Region]) -> Vec<Region> {
    match manifest.reach {
        Reach::Account | Reach::Together => vec![Region::global()],
        Reach::Region => regions.to_vec(),
    }
}

/// The fields marked `on_demand` that a check reads.
fn wants(library: &Library, judge: &Judge, collect: CollectConfig) -> Wants {
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for kind in library.kinds() {
        let read = judge.reads(&kind.decl.kind);
        let demanded = kind.decl.fields.iter().filter(|(name, field)| field.on_demand && read.contains(name.as_str()));
        let demanded: BTreeSet<String> = demanded.map(|(name, _)| name.clone()).collect();
        if !demanded.is_empty() {
            fields.insert(kind.decl.kind.to_string(), demanded);
        }
    }
    Wants { all: collect == CollectConfig::All, fields, excluded: BTreeSet::new() }
}
