//! Microsoft Azure: the list of its collectors, and the door to its tenants and subscriptions.
//!
//! Bulk first: Resource Graph tells in one query what many subscriptions hold; Resource Manager is asked only for what
//! it lacks, and Microsoft Graph for people, applications and their policies.

mod acr;
mod ai;
mod aks;
mod appservice;
mod assertion;
mod backup;
mod cloud;
mod compute;
mod cosmosdb;
mod credential;
mod defender;
mod draft;
mod entra;
mod error;
mod inventory;
mod keyvault;
mod loganalytics;
mod ml;
mod monitor;
mod network;
mod pace;
mod permissions;
mod policy;
mod postgres;
mod query;
mod rbac;
mod resources;
mod rights;
mod scopes;
mod search;
mod session;
mod sql;
mod storage;
mod subscription;
mod target;
pub mod transport;
mod values;

pub use cloud::Azure;
pub use session::{Session, SessionOptions};

use std::sync::Arc;

use evidenced_kit::{Collector, Manifest};
use inventory::{Inventory, Part};

/// Every collector that reads subscriptions, sorted by id: the one list.
static INVENTORIES: &[(&Manifest, &[Part])] = &[
    (&acr::MANIFEST, acr::PARTS),
    (&ai::MANIFEST, ai::PARTS),
    (&aks::MANIFEST, aks::PARTS),
    (&appservice::MANIFEST, appservice::PARTS),
    (&backup::MANIFEST, backup::PARTS),
    (&compute::MANIFEST, compute::PARTS),
    (&cosmosdb::MANIFEST, cosmosdb::PARTS),
    (&defender::MANIFEST, defender::PARTS),
    (&keyvault::MANIFEST, keyvault::PARTS),
    (&loganalytics::MANIFEST, loganalytics::PARTS),
    (&ml::MANIFEST, ml::PARTS),
    (&monitor::MANIFEST, monitor::PARTS),
    (&network::MANIFEST, network::PARTS),
    (&policy::MANIFEST, policy::PARTS),
    (&postgres::MANIFEST, postgres::PARTS),
    (&rbac::MANIFEST, rbac::PARTS),
    (&resources::MANIFEST, resources::PARTS),
    (&search::MANIFEST, search::PARTS),
    (&sql::MANIFEST, sql::PARTS),
    (&storage::MANIFEST, storage::PARTS),
    (&subscription::MANIFEST, subscription::PARTS),
];

/// The collectors of subscriptions, each shared by all of them.
pub fn subscription_collectors(session: &Arc<Session>) -> Vec<Arc<dyn Collector>> {
    let bound = INVENTORIES.iter().map(|(manifest, parts)| Inventory::new(session, manifest, parts));
    bound.map(|collector| Arc::new(collector) as Arc<dyn Collector>).collect()
}

/// The collectors of a tenant.
pub fn tenant_collectors(session: &Arc<Session>) -> Vec<Arc<dyn Collector>> {
    vec![Arc::new(entra::Entra::new(session))]
}

/// What is read of a subscription.
pub fn subscription_manifests() -> Vec<&'static Manifest> {
    INVENTORIES.iter().map(|(manifest, _)| *manifest).collect()
}

/// What is read of a tenant.
pub fn tenant_manifests() -> Vec<&'static Manifest> {
    vec![&entra::MANIFEST]
}

/// The manifests of every collector, sorted by id.
pub fn manifests() -> Vec<&'static Manifest> {
    let mut all = [tenant_manifests(), subscription_manifests()].concat();
    all.sort_by_key(|manifest| manifest.id);
    all
}
