//! Resource groups and resources of any type, in bulk; locks on them; and where the logs of a resource go.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, group, id, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::{diagnostic_setting, gone, skipped};

const GROUP: &str = "azure.resources.group";
const LOCK: &str = "azure.resources.lock";
const RESOURCE: &str = "azure.resources.resource";

static GROUPS: Operation = Operation {
    call: "resourcegraph:ResourceGroups",
    permission: "Microsoft.Resources/subscriptions/resourceGroups/read",
    absent: &[],
    per: Per::Page(1000),
};
static LOCKS: Operation = Operation {
    call: "authorization:ListLocks",
    permission: "Microsoft.Authorization/locks/read",
    absent: &[],
    per: Per::Start,
};
static RESOURCES: Operation = Operation {
    call: "resourcegraph:Resources",
    // Of each type only who may read it is shown it.
    permission: "*/read",
    absent: &[],
    per: Per::Page(1000),
};

static LOG_SETTINGS: Operation = Operation {
    call: "insights:ListDiagnosticSettings",
    permission: "Microsoft.Insights/diagnosticSettings/read",
    absent: &[
        "MissingSubscriptionRegistration",
        "ResourceTypeNotSupported",
        "Subscription Not Registered",
        "SubscriptionNotRegistered",
    ],
    per: Per::Demand,
};

/// What the collector of resources reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.resources",
    title: "Resource groups, resources of any type, and locks",
    kinds: &[GROUP, LOCK, RESOURCE],
    reach: Reach::Together,
    operations: &[&GROUPS, &LOCKS, &RESOURCES, &LOG_SETTINGS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[
    Part {
        kind: GROUP,
        frame: Frame::Located,
        below: &[],
        operation: &GROUPS,
        source: Source::Graph(Query {
            table: "resourcecontainers",
            types: &["microsoft.resources/subscriptions/resourcegroups"],
            narrowed: "",
        }),
        shape: managed,
        details: None,
    },
    Part {
        kind: LOCK,
        frame: Frame::Bare,
        below: &[],
        operation: &LOCKS,
        source: Source::Listing("/providers/Microsoft.Authorization/locks?api-version=2020-05-01"),
        shape: lock,
        details: None,
    },
    Part {
        kind: RESOURCE,
        frame: Frame::Located,
        below: &[],
        operation: &RESOURCES,
        source: Source::Graph(Query::resources(&[])),
        shape: resource,
        details: Some(&Logs),
    },
];

fn managed(row: &Value, draft: &mut Draft) {
    draft.id("managed_by", at(row, "managedBy"));
}

fn resource(row: &Value, draft: &mut Draft) {
    managed(row, draft);
    draft.id("type", at(row, "type")).must(&["type"]);
}

/// Types that are many and have no logs of their own: nothing is asked of them.
const WITHOUT_LOGS: &[&str] = &[
    "microsoft.alertsmanagement/smartdetectoralertrules",
    "microsoft.compute/availabilitysets",
    "microsoft.compute/disks",
    "microsoft.compute/images",
    "microsoft.compute/restorepointcollections",
    "microsoft.compute/snapshots",
    "microsoft.compute/sshpublickeys",
    "microsoft.compute/virtualmachines/extensions",
    "microsoft.insights/actiongroups",
    "microsoft.insights/activitylogalerts",
    "microsoft.insights/metricalerts",
    "microsoft.insights/scheduledqueryrules",
    "microsoft.insights/workbooks",
    "microsoft.managedidentity/userassignedidentities",
    "microsoft.network/applicationsecuritygroups",
    "microsoft.network/networkwatchers",
    "microsoft.network/networkwatchers/flowlogs",
    "microsoft.network/privatednszones/virtualnetworklinks",
    "microsoft.network/privateendpoints",
    "microsoft.network/routetables",
    "microsoft.portal/dashboards",
];

/// Where a resource's own logs go.
struct Logs;

#[async_trait]
impl Details for Logs {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        const FIELD: &str = "log_settings";
        let kind = text(item.row, "type").unwrap_or_default().to_lowercase();
        if WITHOUT_LOGS.contains(&kind.as_str()) {
            draft.absent(FIELD);
            return;
        }
        if !item.wants(RESOURCE, FIELD) {
            draft.resource.unread(FIELD, skipped(&LOG_SETTINGS));
            return;
        }
        // An account itself has metrics only: who reads and writes is in the logs of its services.
        let service = if kind == "microsoft.storage/storageaccounts" { "/blobServices/default" } else { "" };
        let path = "/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview";
        match item.get(&LOG_SETTINGS, &format!("{service}{path}")).await {
            Ok(Some(answer)) => {
                draft.from(&LOG_SETTINGS).list(FIELD, at(&answer, "value"), diagnostic_setting).must(&[FIELD]);
            }
            Ok(None) => {
                draft.absent(FIELD);
            }
            Err(refusal) if gone(&refusal) => item.vanished(draft),
            Err(refusal) => draft.unread(&[FIELD], &refusal),
        }
    }
}

fn lock(row: &Value, draft: &mut Draft) {
    let own = text(row, "id").map(id).unwrap_or_default();
    let target = own.split_once("/providers/microsoft.authorization/locks").map(|(above, _)| above);
    draft.text("name", at(row, "name")).text("target", target.map(Value::from).as_ref());
    draft.text("resource_group", target.and_then(group).map(Value::from).as_ref());
    draft.id("subscription_id", at(row, "subscriptionId")).text("level", at(row, "properties.level"));
    draft.must(&["name", "subscription_id", "level", "target"]);
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_lock_is_on_what_stands_before_it() {
        let of = |above: &str| {
            let id = format!("{above}/providers/Microsoft.Authorization/locks/L");
            let row = json!({"id": id, "name": "L", "subscriptionId": "S", "properties": {"level": "CanNotDelete"}});
            let draft = shaped(&PARTS[1], &row);
            (draft.resource.field("target").clone(), draft.resource.field("resource_group").clone())
        };
        assert_eq!(of("/subscriptions/S"), (Field::Read(json!("/subscriptions/s")), Field::Absent));
        let vault = "/subscriptions/s/resourcegroups/g/providers/microsoft.keyvault/vaults/v";
        assert_eq!(of(&vault.to_uppercase()), (Field::Read(json!(vault)), Field::Read(json!("g"))));
    }

    #[test]
    fn what_people_manage_is_managed_by_nothing() {
        let draft =
            shaped(&PARTS[2], &json!({"id": "/a", "managedBy": "", "type": "Microsoft.Storage/StorageAccounts"}));
        assert_eq!(draft.resource.field("managed_by"), &Field::Absent);
        assert_eq!(draft.resource.field("type"), &Field::Read(json!("microsoft.storage/storageaccounts")));
    }
}
