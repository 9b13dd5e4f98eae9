//! Clusters of Azure Kubernetes Service, in bulk.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;

const CLUSTER: &str = "azure.aks.cluster";

static CLUSTERS: Operation = Operation {
    call: "resourcegraph:ManagedClusters",
    permission: "Microsoft.ContainerService/managedClusters/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of Kubernetes clusters reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.aks",
    title: "Clusters of Azure Kubernetes Service",
    kinds: &[CLUSTER],
    reach: Reach::Together,
    operations: &[&CLUSTERS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: CLUSTER,
    frame: Frame::Located,
    below: &[],
    operation: &CLUSTERS,
    source: Source::Graph(Query::resources(&["microsoft.containerservice/managedclusters"])),
    shape: cluster,
    details: None,
}];

fn cluster(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    // What runs, and not the alias (`1.33`) that was asked for.
    draft.text("version", of("properties.currentKubernetesVersion").or_else(|| of("properties.kubernetesVersion")));
    draft.flag("private_cluster", of("properties.apiServerAccessProfile.enablePrivateCluster"));
    let word = |value: &Value| value.as_str().map(Value::from);
    draft.list_or_empty("authorized_ranges", of("properties.apiServerAccessProfile.authorizedIPRanges"), word);
    draft.flag("entra_managed", of("properties.aadProfile.managed"));
    draft.flag("azure_rbac", of("properties.aadProfile.enableAzureRBAC"));
    draft.list_or_empty("admin_groups", of("properties.aadProfile.adminGroupObjectIDs"), word);
    draft.flag("local_accounts_disabled", of("properties.disableLocalAccounts"));
    draft.flag("kubernetes_rbac", of("properties.enableRBAC"));
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_cluster_without_a_directory_lets_in_nobody_of_it() {
        let profile = json!({"managed": true, "adminGroupObjectIDs": null});
        let properties =
            json!({"kubernetesVersion": "1.33", "currentKubernetesVersion": "1.33.5", "aadProfile": profile});
        let draft = shaped(&PARTS[0], &json!({"id": "/a", "properties": properties}));
        assert_eq!(draft.resource.field("version"), &Field::Read(json!("1.33.5")));
        assert_eq!(draft.resource.field("admin_groups"), &Field::Read(json!([])));
        let draft = shaped(&PARTS[0], &json!({"id": "/a", "properties": {"aadProfile": null}}));
        for name in ["entra_managed", "azure_rbac", "private_cluster", "local_accounts_disabled", "version"] {
            assert_eq!(draft.resource.field(name), &Field::Absent, "{name}");
        }
        assert_eq!(draft.resource.field("authorized_ranges"), &Field::Read(json!([])));
    }
}
