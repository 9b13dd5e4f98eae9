//! Flexible servers of Azure Database for `PostgreSQL`, in bulk; and of each what its own settings say about TLS.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::gone;

const SERVER: &str = "azure.postgres.server";

static SERVERS: Operation = Operation {
    call: "resourcegraph:PostgresFlexibleServers",
    permission: "Microsoft.DBforPostgreSQL/flexibleServers/read",
    absent: &[],
    per: Per::Page(1000),
};
static CONFIGURATIONS: Operation = Operation {
    call: "postgres:ListConfigurations",
    permission: "Microsoft.DBforPostgreSQL/flexibleServers/configurations/read",
    absent: &[],
    per: Per::Resource(SERVER),
};

/// What the collector of `PostgreSQL` reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.postgres",
    title: "Flexible servers of Azure Database for PostgreSQL",
    kinds: &[SERVER],
    reach: Reach::Together,
    operations: &[&SERVERS, &CONFIGURATIONS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: SERVER,
    frame: Frame::Located,
    below: &[],
    operation: &SERVERS,
    source: Source::Graph(Query::resources(&["microsoft.dbforpostgresql/flexibleservers"])),
    shape: server,
    details: Some(&Configuration),
}];

fn server(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("version", of("properties.version"));
    draft.text("public_network_access", of("properties.network.publicNetworkAccess"));
    draft.int("backup_days", of("properties.backup.backupRetentionDays"));
    draft.text("geo_backup", of("properties.backup.geoRedundantBackup"));
    draft.text("ha_mode", of("properties.highAvailability.mode"));
    draft.text("password_auth", of("properties.authConfig.passwordAuth"));
    draft.text("entra_auth", of("properties.authConfig.activeDirectoryAuth"));
}

struct Configuration;

#[async_trait]
impl Details for Configuration {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        let (found, refusal) = item.list(&CONFIGURATIONS, "/configurations?api-version=2024-08-01").await;
        match refusal {
            Some(refusal) if gone(&refusal) => item.vanished(draft),
            Some(refusal) => draft.unread(&["secure_transport", "min_tls"], &refusal),
            None => settings(&found, draft.from(&CONFIGURATIONS)),
        }
    }
}

fn settings(found: &[Value], draft: &mut Draft) {
    let setting = |name: &str| {
        let named = found.iter().find(|one| text(one, "name").is_some_and(|own| own.eq_ignore_ascii_case(name)));
        named.and_then(|one| at(one, "properties.value")).filter(|value| value.as_str() != Some(""))
    };
    draft.text("secure_transport", setting("require_secure_transport"));
    draft.text("min_tls", setting("ssl_min_protocol_version")).must(&["secure_transport"]);
    // Another name than is asked for may be the one that cannot be read.
    if found.iter().any(|one| text(one, "name").is_none()) && setting("ssl_min_protocol_version").is_none() {
        draft.malformed(&["min_tls"]);
    }
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    fn set(found: &Value) -> Draft {
        let mut draft = shaped(&PARTS[0], &json!({"id": "/a", "properties": {"highAvailability": null}}));
        settings(found.as_array().unwrap(), &mut draft);
        draft
    }

    #[test]
    fn an_empty_setting_is_none() {
        let draft = set(&json!([{"name": "Require_Secure_Transport", "properties": {"value": "ON"}},
            {"name": "ssl_min_protocol_version", "properties": {"value": ""}}]));
        assert_eq!(draft.resource.field("secure_transport"), &Field::Read(json!("ON")));
        assert_eq!(draft.resource.field("min_tls"), &Field::Absent);
        assert_eq!(draft.resource.field("ha_mode"), &Field::Absent);
    }

    #[test]
    fn a_listing_without_the_setting_does_not_say_off() {
        assert!(matches!(set(&json!([])).resource.field("secure_transport"), Field::Unread(_)));
    }
}
