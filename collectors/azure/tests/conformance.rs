//! Every Azure collector passes the kit's suite over its cassettes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "common/suite.rs"]
mod suite;

/// One test for each collector: its cassettes stand in `cassettes/<service>/`.
macro_rules! conform {
    ($($name:ident => $id:literal, $singletons:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            suite::conform($id, stringify!($name), $singletons).await;
        })*
    };
}

// Sorted by id: collector, folder of its cassettes, kinds that every account has once.
conform! {
    acr => "azure.acr", &[];
    ai => "azure.ai", &[];
    aks => "azure.aks", &[];
    appservice => "azure.appservice", &[];
    backup => "azure.backup", &[];
    compute => "azure.compute", &[];
    cosmosdb => "azure.cosmosdb", &[];
    defender => "azure.defender", &[];
    entra => "azure.entra", &["azure.entra.tenant"];
    keyvault => "azure.keyvault", &[];
    loganalytics => "azure.loganalytics", &[];
    ml => "azure.ml", &[];
    monitor => "azure.monitor", &[];
    network => "azure.network", &[];
    policy => "azure.policy", &[];
    postgres => "azure.postgres", &[];
    rbac => "azure.rbac", &[];
    resources => "azure.resources", &[];
    search => "azure.search", &[];
    sql => "azure.sql", &[];
    storage => "azure.storage", &[];
    subscription => "azure.subscription", &["azure.subscription"];
}

#[test]
fn every_collector_has_a_test() {
    let here = include_str!("conformance.rs");
    for manifest in evidenced_azure::manifests() {
        assert!(here.contains(&format!("=> \"{}\"", manifest.id)), "{} has no conformance test", manifest.id);
    }
}
