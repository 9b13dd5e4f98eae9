//! Registries of container images, in bulk.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, text};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::private_endpoints;

const REGISTRY: &str = "azure.acr.registry";

static REGISTRIES: Operation = Operation {
    call: "resourcegraph:ContainerRegistries",
    permission: "Microsoft.ContainerRegistry/registries/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of registries reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.acr",
    title: "Registries of container images",
    kinds: &[REGISTRY],
    reach: Reach::Together,
    operations: &[&REGISTRIES, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: REGISTRY,
    frame: Frame::Located,
    below: &[],
    operation: &REGISTRIES,
    source: Source::Graph(Query::resources(&["microsoft.containerregistry/registries"])),
    shape: registry,
    details: None,
}];

fn registry(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("sku", of("sku.name")).flag("admin_user", of("properties.adminUserEnabled"));
    draft.flag("anonymous_pull", of("properties.anonymousPullEnabled"));
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
    draft.text("default_action", of("properties.networkRuleSet.defaultAction"));
    draft.list_or_empty("ip_rules", of("properties.networkRuleSet.ipRules"), |rule| {
        text(rule, "value").map(Value::from)
    });
    private_endpoints(draft, "private_endpoints", of("properties.privateEndpointConnections"));
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_basic_registry_has_no_firewall() {
        let row = json!({"id": "/a", "sku": {"name": "Basic"},
            "properties": {"adminUserEnabled": false, "networkRuleSet": null}});
        let draft = shaped(&PARTS[0], &row);
        for name in ["default_action", "anonymous_pull", "public_network_access"] {
            assert_eq!(draft.resource.field(name), &Field::Absent, "{name}");
        }
        assert_eq!(draft.resource.field("ip_rules"), &Field::Read(json!([])));
        let row = json!({"id": "/a", "properties": {"networkRuleSet": {"ipRules": [{"action": "Allow"}]}}});
        assert!(matches!(shaped(&PARTS[0], &row).resource.field("ip_rules"), Field::Unread(_)));
    }
}
