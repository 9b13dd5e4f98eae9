//! Recovery Services vaults and what they back up, in bulk.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, id, text};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;

const VAULT: &str = "azure.backup.vault";
const ITEM: &str = "azure.backup.item";

static VAULTS: Operation = Operation {
    call: "resourcegraph:RecoveryServicesVaults",
    permission: "Microsoft.RecoveryServices/vaults/read",
    absent: &[],
    per: Per::Page(1000),
};
static ITEMS: Operation = Operation {
    call: "resourcegraph:BackupProtectedItems",
    permission: "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of backups reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.backup",
    title: "Recovery Services vaults and what they back up",
    kinds: &[VAULT, ITEM],
    reach: Reach::Together,
    operations: &[&VAULTS, &ITEMS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[
    Part {
        kind: VAULT,
        frame: Frame::Located,
        below: &[],
        operation: &VAULTS,
        source: Source::Graph(Query::resources(&["microsoft.recoveryservices/vaults"])),
        shape: vault,
        details: None,
    },
    Part {
        kind: ITEM,
        frame: Frame::Located,
        below: &[],
        operation: &ITEMS,
        source: Source::Graph(Query {
            table: "recoveryservicesresources",
            types: &["microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems"],
            narrowed: "",
        }),
        shape: item,
        details: None,
    },
];

fn vault(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("immutability_state", of("properties.securitySettings.immutabilitySettings.state"));
    draft.text("soft_delete_state", of("properties.securitySettings.softDeleteSettings.softDeleteState"));
    let days = of("properties.securitySettings.softDeleteSettings.softDeleteRetentionPeriodInDays");
    draft.int("soft_delete_days", days);
    draft.text("storage_redundancy", of("properties.redundancySettings.standardTierStorageRedundancy"));
    draft.text("cross_region_restore", of("properties.redundancySettings.crossRegionRestore"));
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
    draft.text("multi_user_authorization", of("properties.securitySettings.multiUserAuthorization"));
}

fn item(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.id("vault", text(row, "id").and_then(vault_of).map(Value::from).as_ref());
    let source = of("properties.sourceResourceId").or_else(|| of("properties.dataSourceInfo.resourceID"));
    draft.id("source", source.filter(|source| source.as_str().is_none_or(|source| source.starts_with('/'))));
    draft.text("workload", of("properties.workloadType")).id("policy", of("properties.policyId"));
    draft.text("protection_state", of("properties.protectionState"));
    draft.text("last_backup_status", of("properties.lastBackupStatus").filter(|status| status.as_str() != Some("")));
    draft.day("last_recovery_point", of("properties.lastRecoveryPoint").filter(|time| !never(time)));
    draft.must(&["vault", "protection_state"]);
}

/// An instant before there was Azure stands for none.
fn never(time: &Value) -> bool {
    time.as_str().is_some_and(|time| time.is_empty() || time.starts_with("0001-") || time.starts_with("1601-"))
}

/// The vault in the id of what it backs up.
fn vault_of(own: &str) -> Option<String> {
    let own = id(own);
    let ends = ["/backupfabrics/", "/protectioncontainers/"].iter().filter_map(|below| own.find(below)).min()?;
    Some(own[..ends].to_owned())
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_vault_is_found_in_both_forms_of_an_id() {
        let vault = "/subscriptions/s/resourcegroups/g/providers/microsoft.recoveryservices/vaults/v";
        let long = "/Subscriptions/S/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/backupFabrics/Azure/\
            protectionContainers/c/protectedItems/i";
        assert_eq!(vault_of(long).as_deref(), Some(vault));
        assert_eq!(vault_of(&long.replace("/backupFabrics/Azure", "")).as_deref(), Some(vault));
        assert_eq!(vault_of("/subscriptions/s"), None);
    }

    #[test]
    fn what_was_never_backed_up_has_no_recovery_point() {
        let of =
            |properties: Value| shaped(&PARTS[1], &json!({"id": "/v/backupFabrics/Azure", "properties": properties}));
        let draft = of(json!({"protectionState": "IRPending", "lastBackupStatus": "",
            "lastRecoveryPoint": "0001-01-01T00:00:00Z", "sourceResourceId": "server.example.com", "policyId": ""}));
        for name in ["last_backup_status", "last_recovery_point", "source", "policy"] {
            assert_eq!(draft.resource.field(name), &Field::Absent, "{name}");
        }
        assert!(matches!(of(json!({})).resource.field("protection_state"), Field::Unread(_)));
        let late = of(json!({"protectionState": "Protected", "lastRecoveryPoint": "2025-11-22T12:25:32.048723Z"}));
        assert_eq!(late.resource.field("last_recovery_point"), &Field::Read(json!("2025-11-22T00:00:00Z")));
    }
}
