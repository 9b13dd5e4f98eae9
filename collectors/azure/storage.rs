//! Storage accounts, in bulk; and of each what Resource Graph lacks: its blob and file services, its containers.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use evidenced_model::Field;
use serde_json::Value;

use crate::draft::{Draft, at, flag, id, last, members, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::{gone, private_endpoints, skipped};

const ACCOUNT: &str = "azure.storage.account";
const CONTAINER: &str = "azure.storage.container";

static ACCOUNTS: Operation = Operation {
    call: "resourcegraph:StorageAccounts",
    permission: "Microsoft.Storage/storageAccounts/read",
    absent: &[],
    per: Per::Page(1000),
};
static BLOB_SERVICE: Operation = Operation {
    call: "storage:GetBlobService",
    permission: "Microsoft.Storage/storageAccounts/blobServices/read",
    absent: &[],
    per: Per::Demand,
};
static FILE_SERVICE: Operation = Operation {
    call: "storage:GetFileService",
    permission: "Microsoft.Storage/storageAccounts/fileServices/read",
    absent: &[],
    per: Per::Demand,
};
static CONTAINERS: Operation = Operation {
    call: "storage:ListContainers",
    permission: "Microsoft.Storage/storageAccounts/blobServices/containers/read",
    absent: &[],
    per: Per::Resource(ACCOUNT),
};
static IMMUTABILITY: Operation = Operation {
    call: "storage:GetImmutabilityPolicy",
    permission: "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/read",
    absent: &[],
    per: Per::Demand,
};

/// What the collector of storage reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.storage",
    title: "Storage accounts, their blob services and containers",
    kinds: &[ACCOUNT, CONTAINER],
    reach: Reach::Together,
    operations: &[&ACCOUNTS, &BLOB_SERVICE, &FILE_SERVICE, &CONTAINERS, &IMMUTABILITY, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: ACCOUNT,
    frame: Frame::Located,
    below: &[CONTAINER],
    operation: &ACCOUNTS,
    source: Source::Graph(Query::resources(&["microsoft.storage/storageaccounts"])),
    shape: account,
    details: Some(&Services),
}];

/// The version of the storage provider's API.
const API: &str = "api-version=2023-05-01";

fn account(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft
        .text("account_kind", of("kind"))
        .text("sku", of("sku.name"))
        .instant("created", of("properties.creationTime"));
    draft.flag("https_only", of("properties.supportsHttpsTrafficOnly"));
    draft.text("min_tls", of("properties.minimumTlsVersion"));
    draft.flag("blob_public_access", of("properties.allowBlobPublicAccess"));
    draft.flag("shared_key_access", of("properties.allowSharedKeyAccess"));
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
    draft.text("default_action", of("properties.networkAcls.defaultAction"));
    let entry = |value: &Value, name: &str| text(value, name).map(Value::from);
    draft.list_or_empty("ip_rules", of("properties.networkAcls.ipRules"), |rule| entry(rule, "value"));
    draft.list_or_empty("vnet_rules", of("properties.networkAcls.virtualNetworkRules"), |rule| {
        text(rule, "id").map(id).map(Value::from)
    });
    draft.list_or_empty("resource_rules", of("properties.networkAcls.resourceAccessRules"), |rule| {
        let resource = text(rule, "resourceId").map(id).map(Value::from);
        Some(members([("tenant", entry(rule, "tenantId")), ("resource", resource)]))
    });
    draft.text("network_bypass", of("properties.networkAcls.bypass"));
    private_endpoints(draft, "private_endpoints", of("properties.privateEndpointConnections"));
    draft.text("key_source", of("properties.encryption.keySource"));
    key_url(row, draft);
    draft.flag("infrastructure_encryption", of("properties.encryption.requireInfrastructureEncryption"));
    draft.instant("key1_created", of("properties.keyCreationTime.key1"));
    draft.instant("key2_created", of("properties.keyCreationTime.key2"));
    draft.int("key_expiry_days", of("properties.keyPolicy.keyExpirationPeriodInDays"));
    draft.flag("cross_tenant_replication", of("properties.allowCrossTenantReplication"));
    draft.flag("hierarchical_namespace", of("properties.isHnsEnabled")).flag("nfs_v3", of("properties.isNfsV3Enabled"));
    draft.text("immutability_state", of("properties.immutableStorageWithVersioning.immutabilityPolicy.state"));
    draft.must(&["account_kind", "sku", "created"]);
}

fn key_url(row: &Value, draft: &mut Draft) {
    let key = at(row, "properties.encryption.keyvaultproperties");
    let part = |name: &str| key.and_then(|key| text(key, name)).filter(|part| !part.is_empty());
    match (part("keyvaulturi"), part("keyname")) {
        (Some(vault), Some(name)) => draft.read("key_url", format!("{}/keys/{name}", vault.trim_end_matches('/'))),
        _ => draft.absent("key_url"),
    };
}

/// Accounts of these kinds hold no blobs; the others hold no files.
fn kind_is(draft: &Draft, kind: &str) -> Option<bool> {
    match draft.resource.field("account_kind") {
        Field::Read(Value::String(own)) => Some(own.eq_ignore_ascii_case(kind)),
        _ => None,
    }
}

const BLOB_FIELDS: &[&str] = &["blob_delete_days", "container_delete_days", "versioning"];

struct Services;

#[async_trait]
impl Details for Services {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        if kind_is(draft, "FileStorage") == Some(true) {
            draft.absent_all(BLOB_FIELDS);
        } else {
            blobs(item, draft).await;
            containers(item, draft).await;
        }
        files(item, draft).await;
    }
}

async fn blobs(item: &Item<'_>, draft: &mut Draft) {
    if !BLOB_FIELDS.iter().any(|field| item.wants(ACCOUNT, field)) {
        for field in BLOB_FIELDS {
            draft.resource.unread(field, skipped(&BLOB_SERVICE));
        }
        return;
    }
    match item.get(&BLOB_SERVICE, &format!("/blobServices/default?{API}")).await {
        Ok(Some(answer)) => {
            draft.from(&BLOB_SERVICE);
            if at(&answer, "properties").is_none() {
                draft.malformed(BLOB_FIELDS);
                return;
            }
            days(draft, "blob_delete_days", at(&answer, "properties.deleteRetentionPolicy"));
            days(draft, "container_delete_days", at(&answer, "properties.containerDeleteRetentionPolicy"));
            draft.flag("versioning", at(&answer, "properties.isVersioningEnabled"));
        }
        Ok(None) => draft.from(&BLOB_SERVICE).malformed(BLOB_FIELDS),
        Err(refusal) if gone(&refusal) => item.vanished(draft),
        Err(refusal) => draft.unread(BLOB_FIELDS, &refusal),
    }
}

/// The days of a policy that is on; absent where it is off.
fn days(draft: &mut Draft, field: &str, policy: Option<&Value>) {
    match policy.filter(|policy| !policy.is_object() || at(policy, "enabled").is_some()) {
        Some(policy) => match flag(policy, "enabled") {
            Some(on) => draft.int(field, at(policy, "days").filter(|_| on)),
            None => draft.derive(field, || None::<i64>),
        },
        None => draft.absent(field),
    };
}

async fn files(item: &Item<'_>, draft: &mut Draft) {
    const FIELD: &str = "share_delete_days";
    if !item.wants(ACCOUNT, FIELD) {
        draft.resource.unread(FIELD, skipped(&FILE_SERVICE));
        return;
    }
    if kind_is(draft, "BlobStorage") == Some(true) || kind_is(draft, "BlockBlobStorage") == Some(true) {
        draft.absent(FIELD);
        return;
    }
    match item.get(&FILE_SERVICE, &format!("/fileServices/default?{API}")).await {
        Ok(Some(answer)) if at(&answer, "properties").is_some() => {
            days(draft.from(&FILE_SERVICE), FIELD, at(&answer, "properties.shareDeleteRetentionPolicy"));
        }
        Ok(_) => draft.from(&FILE_SERVICE).malformed(&[FIELD]),
        Err(refusal) => draft.unread(&[FIELD], &refusal),
    }
}

async fn containers(item: &Item<'_>, above: &Draft) {
    if !item.reads(CONTAINER) {
        return;
    }
    let (found, refusal) = item.list(&CONTAINERS, &format!("/blobServices/default/containers?{API}")).await;
    if let Some(refusal) = refusal.filter(|refusal| !gone(refusal)) {
        item.gap(CONTAINER, refusal);
    }
    for row in &found {
        let Some(mut draft) = item.below(CONTAINER, row, above, &CONTAINERS) else {
            item.gap(CONTAINER, crate::session::malformed(&CONTAINERS));
            continue;
        };
        for (name, own) in [("location", "location"), ("tags", "tags"), ("account", "id"), ("account_name", "name")] {
            draft.resource.fields.insert(name.to_owned(), above.resource.field(own).clone());
        }
        draft.text("public_access", at(row, "properties.publicAccess"));
        draft.flag("legal_hold", at(row, "properties.hasLegalHold")).must(&["legal_hold"]);
        let versions = at(row, "properties.immutableStorageWithVersioning.enabled");
        draft.flag("version_immutability", versions);
        immutability(item, row, &mut draft).await;
        item.emit(draft.resource).await;
    }
}

/// A listing says that there is a policy; what it demands is read beside it.
async fn immutability(item: &Item<'_>, row: &Value, draft: &mut Draft) {
    const FIELDS: &[&str] = &["immutability_state", "immutability_days"];
    match flag(row, "properties.hasImmutabilityPolicy") {
        Some(false) => draft.absent_all(FIELDS),
        None => draft.malformed(FIELDS),
        Some(true) => {
            let name = last(text(row, "id").unwrap_or_default());
            let path = format!("/blobServices/default/containers/{name}/immutabilityPolicies/default?{API}");
            match item.get(&IMMUTABILITY, &path).await {
                Ok(Some(answer)) => {
                    draft.from(&IMMUTABILITY).text("immutability_state", at(&answer, "properties.state"));
                    draft.int("immutability_days", at(&answer, "properties.immutabilityPeriodSinceCreationInDays"));
                    draft.must(FIELDS);
                }
                Ok(None) => draft.from(&IMMUTABILITY).malformed(FIELDS),
                Err(refusal) => draft.unread(FIELDS, &refusal),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::named;
    use crate::session::whole;

    fn shaped(row: &Value) -> Draft {
        let account_id = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        let mut draft = Draft::of_row(named(ACCOUNT), &whole(&account_id), row, &ACCOUNTS).unwrap();
        account(row, &mut draft);
        draft
    }

    #[test]
    fn an_old_account_says_little_and_that_is_absent() {
        let row = json!({"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
            "kind": "Storage", "sku": {"name": "Standard_LRS"},
            "properties": {"creationTime": "2017-05-24T13:28:53.4540398Z", "allowBlobPublicAccess": null}});
        let draft = shaped(&row);
        for name in ["https_only", "min_tls", "blob_public_access", "default_action", "key_url", "key1_created"] {
            assert_eq!(draft.resource.field(name), &Field::Absent, "{name}");
        }
        assert_eq!(draft.resource.field("ip_rules"), &Field::Read(json!([])));
        assert_eq!(draft.resource.field("created"), &Field::Read(json!("2017-05-24T13:28:53.4540398Z")));
    }

    #[test]
    fn what_must_be_there_and_is_not_is_unread() {
        let draft = shaped(&json!({"id": "/a", "properties": {}}));
        for name in ["account_kind", "sku", "created"] {
            assert!(matches!(draft.resource.field(name), Field::Unread(_)), "{name}");
        }
    }
}
