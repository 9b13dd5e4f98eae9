//! Servers and databases of Azure SQL, in bulk; and of each what Resource Graph lacks: sign-in, firewall, audit log and
//! encryption.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, last, members, parent, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::{gone, private_endpoints, skipped};

const SERVER: &str = "azure.sql.server";
const DATABASE: &str = "azure.sql.database";

static SERVERS: Operation = Operation {
    call: "resourcegraph:SqlServers",
    permission: "Microsoft.Sql/servers/read",
    absent: &[],
    per: Per::Page(1000),
};
static DATABASES: Operation = Operation {
    call: "resourcegraph:SqlDatabases",
    permission: "Microsoft.Sql/servers/databases/read",
    absent: &[],
    per: Per::Page(1000),
};
static ENTRA_ONLY: Operation = Operation {
    call: "sql:ListEntraOnlyAuthentications",
    permission: "Microsoft.Sql/servers/azureADOnlyAuthentications/read",
    absent: &[],
    per: Per::Resource(SERVER),
};
static FIREWALL: Operation = Operation {
    call: "sql:ListFirewallRules",
    permission: "Microsoft.Sql/servers/firewallRules/read",
    absent: &[],
    per: Per::Resource(SERVER),
};
static AUDITING: Operation = Operation {
    call: "sql:GetAuditingSettings",
    permission: "Microsoft.Sql/servers/auditingSettings/read",
    absent: &[],
    per: Per::Resource(SERVER),
};
static PROTECTOR: Operation = Operation {
    call: "sql:GetEncryptionProtector",
    permission: "Microsoft.Sql/servers/encryptionProtector/read",
    absent: &[],
    per: Per::Demand,
};
static ENCRYPTION: Operation = Operation {
    call: "sql:GetTransparentDataEncryption",
    permission: "Microsoft.Sql/servers/databases/transparentDataEncryption/read",
    absent: &[],
    per: Per::Resource(DATABASE),
};

/// What the collector of Azure SQL reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.sql",
    title: "Servers and databases of Azure SQL",
    kinds: &[SERVER, DATABASE],
    reach: Reach::Together,
    operations: &[&SERVERS, &DATABASES, &ENTRA_ONLY, &FIREWALL, &AUDITING, &PROTECTOR, &ENCRYPTION, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[
    Part {
        kind: SERVER,
        frame: Frame::Located,
        below: &[],
        operation: &SERVERS,
        source: Source::Graph(Query::resources(&["microsoft.sql/servers"])),
        shape: server,
        details: Some(&Settings),
    },
    Part {
        kind: DATABASE,
        frame: Frame::Located,
        below: &[],
        operation: &DATABASES,
        source: Source::Graph(Query::resources(&["microsoft.sql/servers/databases"])),
        shape: database,
        details: Some(&AtRest),
    },
];

/// The version of the provider's API.
const API: &str = "api-version=2023-08-01";

fn server(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("public_network_access", of("properties.publicNetworkAccess"));
    draft.text("min_tls", of("properties.minimalTlsVersion"));
    private_endpoints(draft, "private_endpoints", of("properties.privateEndpointConnections"));
    draft.switch("outbound_restricted", of("properties.restrictOutboundNetworkAccess"));
}

fn database(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    // `…/servers/<server>/databases/<database>`
    let above = text(row, "id").and_then(parent);
    draft.id("server", above.map(Value::from).as_ref());
    draft.text("server_name", above.map(last).map(Value::from).as_ref());
    draft.text("status", of("properties.status")).text("own_protector", of("properties.encryptionProtector"));
    draft.text("backup_redundancy", of("properties.currentBackupStorageRedundancy"));
    draft.must(&["server", "server_name"]);
}

struct Settings;

#[async_trait]
impl Details for Settings {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        entra_only(item, draft).await;
        firewall(item, draft).await;
        auditing(item, draft).await;
        protector(item, draft).await;
    }
}

async fn entra_only(item: &Item<'_>, draft: &mut Draft) {
    const FIELD: &str = "entra_only";
    let (found, refusal) = item.list(&ENTRA_ONLY, &format!("/azureADOnlyAuthentications?{API}")).await;
    match refusal {
        Some(refusal) if gone(&refusal) => item.vanished(draft),
        Some(refusal) => draft.unread(&[FIELD], &refusal),
        None => {
            let only = found.first().and_then(|one| at(one, "properties.azureADOnlyAuthentication"));
            draft.from(&ENTRA_ONLY).flag(FIELD, only);
            if !found.is_empty() {
                draft.must(&[FIELD]);
            }
        }
    }
}

async fn firewall(item: &Item<'_>, draft: &mut Draft) {
    const FIELD: &str = "firewall_rules";
    match item.list(&FIREWALL, &format!("/firewallRules?{API}")).await {
        (_, Some(refusal)) => draft.unread(&[FIELD], &refusal),
        (found, None) => {
            draft.from(&FIREWALL).list(FIELD, Some(&Value::from(found)), |rule| {
                let of = |path: &str| text(rule, path).map(Value::from);
                let (first, last) = (of("properties.startIpAddress")?, of("properties.endIpAddress")?);
                Some(members([("name", of("name")), ("first", Some(first)), ("last", Some(last))]))
            });
        }
    }
}

async fn auditing(item: &Item<'_>, draft: &mut Draft) {
    const FIELDS: &[&str] = &["audit_state", "audit_retention_days", "audit_to_monitor", "audit_groups"];
    match item.get(&AUDITING, &format!("/auditingSettings/default?{API}")).await {
        Ok(Some(answer)) if at(&answer, "properties").is_some() => audit(&answer, draft.from(&AUDITING)),
        Ok(_) => draft.from(&AUDITING).malformed(FIELDS),
        Err(refusal) => draft.unread(FIELDS, &refusal),
    }
}

fn audit(answer: &Value, draft: &mut Draft) {
    let of = |path: &str| at(answer, path);
    draft
        .text("audit_state", of("properties.state"))
        .flag("audit_to_monitor", of("properties.isAzureMonitorTargetEnabled"));
    // Without a storage account, the days mean nothing.
    match of("properties.storageEndpoint").filter(|endpoint| endpoint.as_str() != Some("")) {
        Some(Value::String(_)) => draft.int("audit_retention_days", of("properties.retentionDays")),
        Some(_) => draft.derive("audit_retention_days", || None::<i64>),
        None => draft.absent("audit_retention_days"),
    };
    let groups = of("properties.auditActionsAndGroups");
    draft.list_or_empty("audit_groups", groups, |group| group.as_str().map(Value::from)).must(&["audit_state"]);
}

async fn protector(item: &Item<'_>, draft: &mut Draft) {
    const FIELDS: &[&str] = &["protector_type", "protector_key"];
    if !FIELDS.iter().any(|field| item.wants(SERVER, field)) {
        for field in FIELDS {
            draft.resource.unread(field, skipped(&PROTECTOR));
        }
        return;
    }
    match item.get(&PROTECTOR, &format!("/encryptionProtector/current?{API}")).await {
        Ok(Some(answer)) if at(&answer, "properties").is_some() => {
            draft.from(&PROTECTOR).text("protector_type", at(&answer, "properties.serverKeyType"));
            draft.text("protector_key", at(&answer, "properties.uri").filter(|uri| uri.as_str() != Some("")));
        }
        Ok(_) => draft.from(&PROTECTOR).malformed(FIELDS),
        Err(refusal) => draft.unread(FIELDS, &refusal),
    }
}

struct AtRest;

#[async_trait]
impl Details for AtRest {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        const FIELD: &str = "tde_state";
        match item.get(&ENCRYPTION, &format!("/transparentDataEncryption/current?{API}")).await {
            Ok(Some(answer)) => {
                draft.from(&ENCRYPTION).text(FIELD, at(&answer, "properties.state")).must(&[FIELD]);
            }
            Ok(None) => draft.from(&ENCRYPTION).malformed(&[FIELD]),
            Err(refusal) if gone(&refusal) => item.vanished(draft),
            Err(refusal) => draft.unread(&[FIELD], &refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_database_knows_its_server() {
        let id = "/subscriptions/S/resourceGroups/g/providers/Microsoft.Sql/servers/Example/databases/Master";
        let draft = shaped(&PARTS[1], &json!({"id": id, "name": "Master", "properties": {}}));
        let server = "/subscriptions/s/resourcegroups/g/providers/microsoft.sql/servers/example";
        assert_eq!(draft.resource.field("server"), &Field::Read(json!(server)));
        assert_eq!(draft.resource.field("server_name"), &Field::Read(json!("Example")));
        assert_eq!(draft.resource.field("own_protector"), &Field::Absent);
    }

    #[test]
    fn days_without_a_storage_account_are_none() {
        let audited = |properties: Value| {
            let mut draft = shaped(&PARTS[0], &json!({"id": "/a"}));
            audit(&json!({"properties": properties}), &mut draft);
            draft
        };
        let draft = audited(json!({"state": "Enabled", "storageEndpoint": "", "retentionDays": 0}));
        assert_eq!(draft.resource.field("audit_retention_days"), &Field::Absent);
        assert_eq!(draft.resource.field("audit_groups"), &Field::Read(json!([])));
        let draft = audited(json!({"state": null, "storageEndpoint": "https://example.com", "retentionDays": 0}));
        assert_eq!(draft.resource.field("audit_retention_days"), &Field::Read(json!(0)));
        assert!(matches!(draft.resource.field("audit_state"), Field::Unread(_)));
    }

    #[test]
    fn an_unknown_word_is_no_switch() {
        let draft = shaped(&PARTS[0], &json!({"id": "/a", "properties": {"restrictOutboundNetworkAccess": "Perhaps"}}));
        assert!(matches!(draft.resource.field("outbound_restricted"), Field::Unread(_)));
        let draft = shaped(&PARTS[0], &json!({"id": "/a", "properties": {"minimalTlsVersion": null}}));
        assert_eq!(draft.resource.field("min_tls"), &Field::Absent);
    }
}
