//! Workspaces of Azure Machine Learning, in bulk; and what each runs code on.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use evidenced_model::{Field, Region};
use serde_json::Value;

use crate::draft::{Draft, at, parent, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::session::malformed;
use crate::values::{gone, private_endpoints};

const WORKSPACE: &str = "azure.ml.workspace";
const COMPUTE: &str = "azure.ml.compute";

static WORKSPACES: Operation = Operation {
    call: "resourcegraph:MachineLearningWorkspaces",
    permission: "Microsoft.MachineLearningServices/workspaces/read",
    absent: &[],
    per: Per::Page(1000),
};
static COMPUTES: Operation = Operation {
    call: "ml:ListComputes",
    permission: "Microsoft.MachineLearningServices/workspaces/computes/read",
    absent: &[],
    per: Per::Resource(WORKSPACE),
};

/// What the collector of Machine Learning reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.ml",
    title: "Workspaces of Azure Machine Learning and what they run code on",
    kinds: &[WORKSPACE, COMPUTE],
    reach: Reach::Together,
    operations: &[&WORKSPACES, &COMPUTES, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: WORKSPACE,
    frame: Frame::Located,
    below: &[COMPUTE],
    operation: &WORKSPACES,
    source: Source::Graph(Query::resources(&["microsoft.machinelearningservices/workspaces"])),
    shape: workspace,
    details: Some(&Computes),
}];

fn workspace(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("workspace_kind", of("kind").filter(|kind| kind.as_str() != Some("")));
    draft.id("hub", of("properties.hubResourceId"));
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
    draft.text("isolation_mode", of("properties.managedNetwork.isolationMode"));
    private_endpoints(draft, "private_endpoints", of("properties.privateEndpointConnections"));
    let key = of("properties.encryption.keyVaultProperties.keyIdentifier");
    draft.text("key_url", key.filter(|key| key.as_str() != Some("")));
    draft.id("storage_account", of("properties.storageAccount")).id("key_vault", of("properties.keyVault"));
}

struct Computes;

#[async_trait]
impl Details for Computes {
    async fn read(&self, item: &Item<'_>, above: &mut Draft) {
        let (found, refusal) = item.list(&COMPUTES, "/computes?api-version=2024-10-01").await;
        match refusal {
            Some(refusal) if gone(&refusal) => item.vanished(above),
            Some(refusal) => item.gap(COMPUTE, refusal),
            None => {}
        }
        for row in &found {
            let Some(mut draft) = item.below(COMPUTE, row, above, &COMPUTES) else {
                item.gap(COMPUTE, malformed(&COMPUTES));
                continue;
            };
            placed(&mut draft, above);
            compute(row, &mut draft);
            item.emit(draft.resource).await;
        }
    }
}

/// A computer has a location of its own; where it says none, it is with its workspace.
fn placed(draft: &mut Draft, above: &Draft) {
    match draft.resource.field("location") {
        Field::Read(Value::String(own)) => {
            if let Ok(region) = Region::parse(own) {
                draft.resource.scope.region = region;
            }
        }
        _ => drop(draft.resource.fields.insert("location".to_owned(), above.resource.field("location").clone())),
    }
}

fn compute(row: &Value, draft: &mut Draft) {
    // What belongs to every type stands in the outer properties, the rest in the inner.
    let outer = |path: &str| at(row, &format!("properties.{path}"));
    let inner = |path: &str| at(row, &format!("properties.properties.{path}"));
    draft.id("workspace", text(row, "id").and_then(parent).map(Value::from).as_ref());
    draft.text("compute_type", outer("computeType")).text("state", inner("state"));
    draft.flag("node_public_ip", inner("enableNodePublicIp"));
    let ssh = inner("sshSettings.sshPublicAccess").or_else(|| inner("remoteLoginPortPublicAccess"));
    draft.text("ssh_public_access", ssh);
    draft.flag("local_auth_disabled", outer("disableLocalAuth"));
    draft.id("subnet", inner("subnet.id")).must(&["workspace", "compute_type"]);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn clusters_and_single_machines_name_the_open_port_differently() {
        let of = |properties: Value| {
            let row = json!({"id": "/W/computes/C", "properties": properties});
            let mut draft = shaped(&PARTS[0], &row);
            compute(&row, &mut draft);
            draft
        };
        let cluster = of(json!({"computeType": "AmlCompute", "properties":
            {"remoteLoginPortPublicAccess": "Enabled", "subnet": {"id": "/Subnet"}, "enableNodePublicIp": false}}));
        assert_eq!(cluster.resource.field("ssh_public_access"), &Field::Read(json!("Enabled")));
        assert_eq!(cluster.resource.field("subnet"), &Field::Read(json!("/subnet")));
        assert_eq!(cluster.resource.field("workspace"), &Field::Read(json!("/w")));
        let single = of(json!({"computeType": "ComputeInstance", "disableLocalAuth": true, "properties":
            {"sshSettings": {"sshPublicAccess": "Disabled", "adminPublicKey": "not to be read"}, "subnet": null}}));
        assert_eq!(single.resource.field("ssh_public_access"), &Field::Read(json!("Disabled")));
        assert_eq!(single.resource.field("local_auth_disabled"), &Field::Read(json!(true)));
        let attached = of(json!({"properties": null}));
        assert_eq!(attached.resource.field("state"), &Field::Absent);
        assert!(matches!(attached.resource.field("compute_type"), Field::Unread(_)));
    }
}
