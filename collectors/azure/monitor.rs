//! Where the activity log of a subscription goes, and the alerts on its entries with who is told.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use evidenced_model::Refusal;
use serde_json::Value;

use crate::draft::{Draft, at, flag, id, items, members, text, texts};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::NOT_REGISTERED;

const SETTING: &str = "azure.monitor.diagnostic_setting";
const ALERT: &str = "azure.monitor.activity_alert";

static SETTINGS: Operation = Operation {
    call: "insights:ListSubscriptionDiagnosticSettings",
    permission: "Microsoft.Insights/diagnosticSettings/read",
    absent: NOT_REGISTERED,
    per: Per::Start,
};
static ALERTS: Operation = Operation {
    call: "resourcegraph:ActivityLogAlerts",
    permission: "Microsoft.Insights/activityLogAlerts/read",
    absent: &[],
    per: Per::Page(1000),
};
static ACTION_GROUPS: Operation = Operation {
    call: "resourcegraph:ActionGroups",
    permission: "Microsoft.Insights/actionGroups/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of the monitor reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.monitor",
    title: "Where the activity log goes, and who is told of its entries",
    kinds: &[SETTING, ALERT],
    reach: Reach::Together,
    operations: &[&SETTINGS, &ALERTS, &ACTION_GROUPS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[
    Part {
        kind: SETTING,
        frame: Frame::Bare,
        below: &[],
        operation: &SETTINGS,
        source: Source::Listing("/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview"),
        shape: setting,
        details: None,
    },
    Part {
        kind: ALERT,
        frame: Frame::Located,
        below: &[],
        operation: &ALERTS,
        source: Source::Graph(Query::resources(&["microsoft.insights/activitylogalerts"])),
        shape: alert,
        details: Some(&Receivers),
    },
];

/// An id of Resource Manager with the slash in front that some answers leave out.
fn rooted(text: &str) -> String {
    format!("/{}", id(text).trim_start_matches('/'))
}

fn setting(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    let own = rooted(&draft.resource.id);
    draft.resource.id.clone_from(&own);
    draft.read("id", own).text("name", of("name"));
    draft.list("logs", of("properties.logs"), |log| {
        let lower =
            |member: &str| text(log, member).filter(|name| !name.is_empty()).map(|name| name.to_lowercase().into());
        let enabled = Value::from(flag(log, "enabled")?);
        let (category, group) = (lower("category"), lower("categoryGroup"));
        Some(members([("category", category), ("category_group", group), ("enabled", Some(enabled))]))
    });
    draft.id("workspace_id", of("properties.workspaceId"));
    draft.id("storage_account_id", of("properties.storageAccountId"));
    draft.id("event_hub_rule_id", of("properties.eventHubAuthorizationRuleId"));
    draft.id("partner_id", of("properties.marketplacePartnerId"));
    draft.must(&["name", "logs"]);
}

fn alert(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    let own = Value::from(draft.resource.scope.account.as_str());
    draft.read("subscription", own).flag("enabled", of("properties.enabled"));
    draft.list("watches", of("properties.scopes"), |scope| scope.as_str().map(rooted).map(Value::from));
    draft.list("conditions", of("properties.condition.allOf"), condition);
    draft.must(&["enabled", "watches", "conditions"]);
}

/// A condition that has to hold: one of its leaves is enough.
fn condition(one: &Value) -> Option<Value> {
    let any = match at(one, "anyOf") {
        Some(leaves) => leaves.as_array()?.iter().map(leaf).collect::<Option<Vec<_>>>()?,
        None => vec![leaf(one)?],
    };
    Some(members([("any", Some(any.into()))]))
}

fn leaf(one: &Value) -> Option<Value> {
    let field = text(one, "field")?.to_lowercase();
    let equals = at(one, "equals").map(Value::as_str);
    // What is set and is no text is not "not set".
    let equals = equals.map(|text| text.map(str::to_lowercase)).map_or(Some(None), |text| text.map(Some))?;
    let contains: Vec<String> = texts(one, "containsAny").iter().map(|text| text.to_lowercase()).collect();
    let (field, equals) = (Some(field.into()), equals.map(Value::from));
    Some(members([("field", field), ("equals", equals), ("contains_any", Some(contains.into()))]))
}

/// The lists of receivers in an action group, and what each kind is called.
const RECEIVERS: &[(&str, &str)] = &[
    ("armRoleReceivers", "armrole"),
    ("automationRunbookReceivers", "automationrunbook"),
    ("azureAppPushReceivers", "azureapp"),
    ("azureFunctionReceivers", "azurefunction"),
    ("emailReceivers", "email"),
    ("eventHubReceivers", "eventhub"),
    ("incidentReceivers", "incident"),
    ("itsmReceivers", "itsm"),
    ("logicAppReceivers", "logicapp"),
    ("smsReceivers", "sms"),
    ("voiceReceivers", "voice"),
    ("webhookReceivers", "webhook"),
];

struct Receivers;

#[async_trait]
impl Details for Receivers {
    fn beside(&self) -> Option<(&'static Operation, Query)> {
        Some((&ACTION_GROUPS, Query::resources(&["microsoft.insights/actiongroups"])))
    }

    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        const FIELD: &str = "receivers";
        let mut told = Vec::new();
        for action in items(item.row, "properties.actions.actionGroups") {
            let Some(own) = text(action, "actionGroupId").map(rooted) else {
                draft.malformed(&[FIELD]);
                return;
            };
            match group(item, &own).await {
                Ok(Some(group)) => told.extend(receivers(&own, group)),
                // A group that is gone tells nobody.
                Ok(None) => {}
                Err(refusal) => {
                    draft.unread(&[FIELD], &refusal);
                    return;
                }
            }
        }
        draft.from(&ACTION_GROUPS).list(FIELD, Some(&Value::from(told)), |one| one.is_object().then(|| one.clone()));
    }
}

/// An action group, which may be in another subscription.
async fn group<'i>(item: &'i Item<'_>, own: &str) -> Result<Option<&'i Value>, Refusal> {
    let subscription = own.strip_prefix("/subscriptions/").and_then(|rest| rest.split('/').next());
    Ok(item.found(own, subscription.unwrap_or_default()).await?.first())
}

/// Who is told through a group: of what kind, and whether they take part. Their addresses stay where they are.
fn receivers(own: &str, group: &Value) -> Vec<Value> {
    let Some(enabled) = flag(group, "properties.enabled") else { return vec![Value::Null] };
    let of_kind = |(list, kind): &(&str, &'static str)| {
        let path = format!("properties.{list}");
        let told = items(group, &path).map(|one| {
            let status = text(one, "status").map(Value::from);
            let (own, on) = (Some(own.into()), Some(enabled.into()));
            members([("action_group", own), ("group_enabled", on), ("kind", Some((*kind).into())), ("status", status)])
        });
        told.collect::<Vec<_>>()
    };
    RECEIVERS.iter().flat_map(of_kind).collect()
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn ids_have_a_slash_in_front() {
        let logs = json!([{"category": "Administrative", "categoryGroup": null, "enabled": true},
            {"categoryGroup": "allLogs", "enabled": "False"}]);
        let row = json!({"id": "subscriptions/S/providers/AzureResourceManager/diagnosticSettings/D", "name": "D",
            "properties": {"logs": logs, "workspaceId": ""}});
        let draft = shaped(&PARTS[0], &row);
        let own = "/subscriptions/s/providers/azureresourcemanager/diagnosticsettings/d";
        assert_eq!(draft.resource.id, own);
        assert_eq!(draft.resource.field("id"), &Field::Read(json!(own)));
        assert_eq!(draft.resource.field("workspace_id"), &Field::Absent);
        let read = json!([{"category": "administrative", "category_group": null, "enabled": true},
            {"category": null, "category_group": "alllogs", "enabled": false}]);
        assert_eq!(draft.resource.field("logs"), &Field::Read(read));
    }

    #[test]
    fn a_leaf_by_itself_is_a_list_of_one() {
        let one = json!({"field": "operationName", "equals": null, "containsAny": ["Microsoft.X/Write"]});
        let read = json!({"field": "operationname", "equals": null, "contains_any": ["microsoft.x/write"]});
        assert_eq!(condition(&one), Some(json!({"any": [read]})));
        let other = json!({"field": "Level", "equals": "Error"});
        let level = json!({"field": "level", "equals": "error", "contains_any": []});
        assert_eq!(condition(&json!({"anyOf": [one, other], "field": null})), Some(json!({"any": [read, level]})));
        assert_eq!(condition(&json!({"anyOf": [{}]})), None);
        assert_eq!(condition(&json!({"field": "x", "equals": 1})), None);
    }

    #[test]
    fn of_receivers_only_their_kind_is_kept() {
        let group = json!({"properties": {"enabled": true, "smsReceivers": [],
            "emailReceivers": [{"name": "x", "emailAddress": "alice@example.com", "status": "Enabled"}],
            "webhookReceivers": [{"name": "y", "serviceUri": "https://example.com/?secret"}]}});
        let told = receivers("/g", &group);
        let of = |kind: &str, status: Value| json!({"action_group": "/g", "group_enabled": true, "kind": kind, "status": status});
        assert_eq!(told, [of("email", json!("Enabled")), of("webhook", Value::Null)]);
        assert_eq!(receivers("/g", &json!({"properties": {}})), [Value::Null]);
    }
}
