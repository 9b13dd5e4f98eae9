//! Accounts of Azure Cosmos DB, in bulk.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, text};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::{private_endpoints, reference};

const ACCOUNT: &str = "azure.cosmosdb.account";

static ACCOUNTS: Operation = Operation {
    call: "resourcegraph:CosmosDbAccounts",
    permission: "Microsoft.DocumentDB/databaseAccounts/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of Cosmos DB reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.cosmosdb",
    title: "Accounts of Azure Cosmos DB",
    kinds: &[ACCOUNT],
    reach: Reach::Together,
    operations: &[&ACCOUNTS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: ACCOUNT,
    frame: Frame::Located,
    below: &[],
    operation: &ACCOUNTS,
    source: Source::Graph(Query::resources(&["microsoft.documentdb/databaseaccounts"])),
    shape: account,
    details: None,
}];

fn account(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("account_kind", of("kind"));
    draft.list_or_empty("capabilities", of("properties.capabilities"), |one| text(one, "name").map(Value::from));
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
    ip_rules(row, draft);
    draft.flag("vnet_filter", of("properties.isVirtualNetworkFilterEnabled"));
    draft.list_or_empty("vnet_rules", of("properties.virtualNetworkRules"), |rule| reference(rule, "id"));
    draft.flag("local_auth_disabled", of("properties.disableLocalAuth"));
    private_endpoints(draft, "private_endpoints", of("properties.privateEndpointConnections"));
    draft.text("key_url", of("properties.keyVaultKeyUri").filter(|key| key.as_str() != Some("")));
    draft.text("backup_type", of("properties.backupPolicy.type"));
}

/// A list of rules; in the oldest form one text with commas.
fn ip_rules(row: &Value, draft: &mut Draft) {
    let old = text(row, "properties.ipRangeFilter").filter(|old| !old.trim().is_empty());
    match (at(row, "properties.ipRules"), old) {
        (None, Some(old)) => {
            draft.read("ip_rules", old.split(',').map(str::trim).map(Value::from).collect::<Value>());
        }
        (rules, _) => {
            draft.list_or_empty("ip_rules", rules, |rule| text(rule, "ipAddressOrRange").map(Value::from));
        }
    }
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    fn rules(properties: &Value) -> Field {
        shaped(&PARTS[0], &json!({"id": "/a", "properties": properties})).resource.field("ip_rules").clone()
    }

    #[test]
    fn rules_come_in_two_forms() {
        assert_eq!(
            rules(&json!({"ipRangeFilter": "203.0.113.1, 0.0.0.0"})),
            Field::Read(json!(["203.0.113.1", "0.0.0.0"]))
        );
        assert_eq!(rules(&json!({"ipRangeFilter": "", "ipRules": null})), Field::Read(json!([])));
        let listed = json!({"ipRules": [{"ipAddressOrRange": "203.0.113.0/24"}]});
        assert_eq!(rules(&listed), Field::Read(json!(["203.0.113.0/24"])));
        assert!(matches!(rules(&json!({"ipRules": [{"address": "203.0.113.0"}]})), Field::Unread(_)));
    }
}
