//! Key vaults, in bulk; and of each its keys and secrets as Resource Manager tells them: never what they hold.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, id, last, members, parent, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::session::malformed;
use crate::values::{DIAGNOSTIC_SETTINGS, diagnostics, gone, private_endpoints, skipped};

const VAULT: &str = "azure.keyvault.vault";
const KEY: &str = "azure.keyvault.key";
const SECRET: &str = "azure.keyvault.secret";

static VAULTS: Operation = Operation {
    call: "resourcegraph:KeyVaults",
    permission: "Microsoft.KeyVault/vaults/read",
    absent: &[],
    per: Per::Page(1000),
};
static KEYS: Operation = Operation {
    call: "keyvault:ListKeys",
    permission: "Microsoft.KeyVault/vaults/keys/read",
    absent: &[],
    per: Per::Resource(VAULT),
};
static ONE_KEY: Operation = Operation {
    call: "keyvault:GetKey",
    permission: "Microsoft.KeyVault/vaults/keys/read",
    absent: &[],
    per: Per::Demand,
};
static SECRETS: Operation = Operation {
    call: "keyvault:ListSecrets",
    permission: "Microsoft.KeyVault/vaults/secrets/read",
    absent: &[],
    per: Per::Resource(VAULT),
};

/// What the collector of key vaults reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.keyvault",
    title: "Key vaults, their keys and secrets, without what those hold",
    kinds: &[VAULT, KEY, SECRET],
    reach: Reach::Together,
    operations: &[&VAULTS, &KEYS, &ONE_KEY, &SECRETS, &DIAGNOSTIC_SETTINGS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: VAULT,
    frame: Frame::Located,
    below: &[KEY, SECRET],
    operation: &VAULTS,
    source: Source::Graph(Query::resources(&["microsoft.keyvault/vaults"])),
    shape: vault,
    details: Some(&Contents),
}];

/// The version of the key vault provider's API.
const API: &str = "api-version=2023-07-01";

fn vault(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("sku", of("properties.sku.name")).flag("purge_protection", of("properties.enablePurgeProtection"));
    draft.flag("soft_delete", of("properties.enableSoftDelete"));
    draft.int("soft_delete_days", of("properties.softDeleteRetentionInDays"));
    draft.flag("rbac", of("properties.enableRbacAuthorization"));
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
    draft.text("default_action", of("properties.networkAcls.defaultAction"));
    draft.text("network_bypass", of("properties.networkAcls.bypass"));
    draft.list_or_empty("ip_rules", of("properties.networkAcls.ipRules"), |rule| text(rule, "value").map(Value::from));
    draft.list_or_empty("vnet_rules", of("properties.networkAcls.virtualNetworkRules"), |rule| {
        text(rule, "id").map(id).map(Value::from)
    });
    private_endpoints(draft, "private_endpoints", of("properties.privateEndpointConnections"));
}

struct Contents;

#[async_trait]
impl Details for Contents {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        keys(item, draft).await;
        secrets(item, draft).await;
        diagnostics(item, draft, VAULT, "diagnostic_settings").await;
    }
}

/// What is in a vault stands where the vault stands.
fn inside(
    item: &Item<'_>,
    kind: &'static str,
    row: &Value,
    vault: &Draft,
    operation: &'static Operation,
) -> Option<Draft> {
    let mut draft = item.below(kind, row, vault, operation)?;
    draft.resource.fields.insert("location".to_owned(), vault.resource.field("location").clone());
    draft.id("vault", parent(&draft.resource.id.clone()).map(Value::from).as_ref());
    lifetime(row, &mut draft);
    Some(draft)
}

fn lifetime(row: &Value, draft: &mut Draft) {
    draft.flag("enabled", at(row, "properties.attributes.enabled"));
    draft.epoch("created", at(row, "properties.attributes.created"));
    draft.epoch("expires", at(row, "properties.attributes.exp"));
    draft.must(&["vault", "enabled"]);
}

async fn keys(item: &Item<'_>, vault: &Draft) {
    if !item.reads(KEY) {
        return;
    }
    let (found, refusal) = item.list(&KEYS, &format!("/keys?{API}")).await;
    match refusal {
        Some(refusal) if gone(&refusal) => item.vanished(vault),
        Some(refusal) => item.gap(KEY, refusal),
        None => {}
    }
    for row in &found {
        let Some(mut draft) = inside(item, KEY, row, vault, &KEYS) else {
            item.gap(KEY, malformed(&KEYS));
            continue;
        };
        draft.epoch("not_before", at(row, "properties.attributes.nbf"));
        one_key(item, row, &mut draft).await;
        item.emit(draft.resource).await;
    }
}

/// A listing tells neither what kind of key it is, nor whether it rotates.
async fn one_key(item: &Item<'_>, row: &Value, draft: &mut Draft) {
    const FIELDS: &[&str] = &["key_type", "rotation"];
    if !FIELDS.iter().any(|field| item.wants(KEY, field)) {
        for field in FIELDS {
            draft.resource.unread(field, skipped(&ONE_KEY));
        }
        return;
    }
    let name = last(text(row, "id").unwrap_or_default());
    match item.get(&ONE_KEY, &format!("/keys/{name}?{API}")).await {
        Ok(Some(answer)) if at(&answer, "properties").is_some() => rotation(&answer, draft.from(&ONE_KEY)),
        Ok(_) => draft.from(&ONE_KEY).malformed(FIELDS),
        Err(refusal) => draft.unread(FIELDS, &refusal),
    }
}

fn rotation(answer: &Value, draft: &mut Draft) {
    draft.text("key_type", at(answer, "properties.kty"));
    let Some(policy) = at(answer, "properties.rotationPolicy") else {
        draft.absent("rotation");
        return;
    };
    draft.list_or_empty("rotation", at(policy, "lifetimeActions"), |one| {
        let of = |path: &str| text(one, path).map(Value::from);
        let action = of("action.type")?;
        let (after, before) = (of("trigger.timeAfterCreate"), of("trigger.timeBeforeExpiry"));
        Some(members([("action", Some(action)), ("after_create", after), ("before_expiry", before)]))
    });
}

async fn secrets(item: &Item<'_>, vault: &Draft) {
    if !item.reads(SECRET) {
        return;
    }
    let (found, refusal) = item.list(&SECRETS, &format!("/secrets?{API}")).await;
    if let Some(refusal) = refusal.filter(|refusal| !gone(refusal)) {
        item.gap(SECRET, refusal);
    }
    for row in &found {
        let Some(mut draft) = inside(item, SECRET, row, vault, &SECRETS) else {
            item.gap(SECRET, malformed(&SECRETS));
            continue;
        };
        draft.text("content_type", at(row, "properties.contentType"));
        item.emit(draft.resource).await;
    }
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn an_old_vault_says_little_and_that_is_absent() {
        let draft = shaped(&PARTS[0], &json!({"id": "/a/vaults/b", "properties": {"networkAcls": null}}));
        for name in ["purge_protection", "soft_delete", "rbac", "public_network_access", "default_action"] {
            assert_eq!(draft.resource.field(name), &Field::Absent, "{name}");
        }
        assert_eq!(draft.resource.field("ip_rules"), &Field::Read(json!([])));
    }

    #[test]
    fn no_rotation_policy_is_not_an_empty_one() {
        let rotated = |properties: Value| {
            let mut draft = shaped(&PARTS[0], &json!({"id": "/a"}));
            rotation(&json!({"properties": properties}), &mut draft);
            draft.resource.field("rotation").clone()
        };
        assert_eq!(rotated(json!({"kty": "RSA"})), Field::Absent);
        assert_eq!(rotated(json!({"rotationPolicy": {"lifetimeActions": null}})), Field::Read(json!([])));
        let actions = json!([{"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "rotate"}}]);
        let read = json!([{"action": "rotate", "after_create": "P90D", "before_expiry": null}]);
        assert_eq!(rotated(json!({"rotationPolicy": {"lifetimeActions": actions}})), Field::Read(read));
        let nameless = rotated(json!({"rotationPolicy": {"lifetimeActions": [{"action": {}}]}}));
        assert!(matches!(nameless, Field::Unread(_)));
    }
}
