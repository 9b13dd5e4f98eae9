//! Web apps, function apps and their slots, in bulk; their settings too, as far as Resource Graph holds them.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, last, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::{gone, identity};

const SITE: &str = "azure.appservice.site";

static SITES: Operation = Operation {
    call: "resourcegraph:WebSites",
    permission: "Microsoft.Web/sites/read",
    absent: &[],
    per: Per::Page(1000),
};
static CONFIGS: Operation = Operation {
    call: "resourcegraph:WebSiteConfigs",
    permission: "Microsoft.Web/sites/config/read",
    absent: &[],
    per: Per::Page(1000),
};
static SLOT_CONFIG: Operation = Operation {
    call: "web:GetSlotConfiguration",
    permission: "Microsoft.Web/sites/slots/config/read",
    absent: &[],
    per: Per::Resource(SITE),
};

/// What the collector of App Service reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.appservice",
    title: "Web apps, function apps and their slots",
    kinds: &[SITE],
    reach: Reach::Together,
    operations: &[&SITES, &CONFIGS, &SLOT_CONFIG, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: SITE,
    frame: Frame::Located,
    below: &[],
    operation: &SITES,
    source: Source::Graph(Query::resources(&["microsoft.web/sites", "microsoft.web/sites/slots"])),
    shape: site,
    details: Some(&Settings),
}];

fn site(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("site_kind", of("kind")).text("slot", text(row, "id").and_then(slot).map(Value::from).as_ref());
    draft.text("state", of("properties.state")).flag("https_only", of("properties.httpsOnly"));
    draft.text("public_network_access", of("properties.publicNetworkAccess").filter(|word| word.as_str() != Some("")));
    draft.flag("client_certificates", of("properties.clientCertEnabled"));
    identity(draft, "identity_type", row);
}

/// The name of the slot in the id of one: `…/sites/<app>/slots/<slot>`.
fn slot(id: &str) -> Option<&str> {
    let above = id.rsplit('/').nth(1)?;
    above.eq_ignore_ascii_case("slots").then(|| last(id))
}

const FIELDS: &[&str] = &["min_tls", "ftps_state"];

struct Settings;

#[async_trait]
impl Details for Settings {
    fn beside(&self) -> Option<(&'static Operation, Query)> {
        // The documentation names both types.
        let types = &["microsoft.web/sites/config", "microsoft.web/sites/config/web"];
        Some((&CONFIGS, Query { table: "appserviceresources", types, narrowed: "" }))
    }

    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        if slot(item.path()).is_some() {
            slot_settings(item, draft).await;
            return;
        }
        match item.beside("/config/web").await {
            Ok(row) => settings(row, draft.from(&CONFIGS)),
            Err(refusal) => draft.unread(FIELDS, &refusal),
        }
    }
}

async fn slot_settings(item: &Item<'_>, draft: &mut Draft) {
    match item.get(&SLOT_CONFIG, "/config/web?api-version=2023-12-01").await {
        Ok(Some(answer)) => settings(&answer, draft.from(&SLOT_CONFIG)),
        Ok(None) => draft.from(&SLOT_CONFIG).malformed(FIELDS),
        Err(refusal) if gone(&refusal) => item.vanished(draft),
        Err(refusal) => draft.unread(FIELDS, &refusal),
    }
}

fn settings(config: &Value, draft: &mut Draft) {
    let Some(properties) = at(config, "properties") else {
        draft.malformed(FIELDS);
        return;
    };
    draft.text("min_tls", at(properties, "minTlsVersion")).text("ftps_state", at(properties, "ftpsState"));
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_slot_is_known_by_its_id() {
        let app = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/app";
        assert_eq!(slot(app), None);
        assert_eq!(slot(&format!("{app}/Slots/staging")), Some("staging"));
        let draft = shaped(&PARTS[0], &json!({"id": app, "properties": {"publicNetworkAccess": null}}));
        for name in ["slot", "https_only", "public_network_access", "identity_type"] {
            assert_eq!(draft.resource.field(name), &Field::Absent, "{name}");
        }
    }

    #[test]
    fn settings_are_read_in_both_castings() {
        let read = |config: Value| {
            let mut draft = shaped(&PARTS[0], &json!({"id": "/a"}));
            settings(&config, &mut draft);
            draft.resource.field("min_tls").clone()
        };
        assert_eq!(read(json!({"properties": {"MinTlsVersion": "1.2"}})), Field::Read(json!("1.2")));
        assert_eq!(read(json!({"properties": {"minTlsVersion": null}})), Field::Absent);
        assert!(matches!(read(json!({"properties": null})), Field::Unread(_)));
    }
}
