//! Services of Azure AI Search, in bulk.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, text};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::private_endpoints;

const SERVICE: &str = "azure.search.service";

static SERVICES: Operation = Operation {
    call: "resourcegraph:SearchServices",
    permission: "Microsoft.Search/searchServices/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of search services reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.search",
    title: "Services of Azure AI Search",
    kinds: &[SERVICE],
    reach: Reach::Together,
    operations: &[&SERVICES, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: SERVICE,
    frame: Frame::Located,
    below: &[],
    operation: &SERVICES,
    source: Source::Graph(Query::resources(&["microsoft.search/searchservices"])),
    shape: service,
    details: None,
}];

fn service(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("sku", of("sku.name")).text("public_network_access", of("properties.publicNetworkAccess"));
    draft.list_or_empty("ip_rules", of("properties.networkRuleSet.ipRules"), |rule| {
        text(rule, "value").map(Value::from)
    });
    draft.text("network_bypass", of("properties.networkRuleSet.bypass"));
    draft.flag("local_auth_disabled", of("properties.disableLocalAuth"));
    private_endpoints(draft, "private_endpoints", of("properties.privateEndpointConnections"));
    draft.text("identity_type", of("identity.type"));
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_service_that_was_never_told_anything_says_nothing() {
        let row = json!({"id": "/a", "identity": null, "properties": {"networkRuleSet": {"ipRules": null}}});
        let draft = shaped(&PARTS[0], &row);
        for name in ["public_network_access", "local_auth_disabled", "network_bypass", "identity_type", "sku"] {
            assert_eq!(draft.resource.field(name), &Field::Absent, "{name}");
        }
        assert_eq!(draft.resource.field("ip_rules"), &Field::Read(json!([])));
    }
}
