//! Shapes that several services share.

use evidenced_kit::{Operation, Per};
use evidenced_model::{Cause, Refusal, Unread};
use serde_json::Value;

use crate::draft::{Draft, at, flag, id, items, members, text};
use crate::inventory::Item;

/// What Resource Manager says where a subscription does not use a provider: there is nothing of it.
pub(crate) const NOT_REGISTERED: &[&str] =
    &["MissingSubscriptionRegistration", "Subscription Not Registered", "SubscriptionNotRegistered"];

/// Where a resource sends its logs (Monitor REST API, `Diagnostic Settings`).
pub(crate) static DIAGNOSTIC_SETTINGS: Operation = Operation {
    call: "insights:ListDiagnosticSettings",
    permission: "Microsoft.Insights/diagnosticSettings/read",
    absent: NOT_REGISTERED,
    per: Per::Demand,
};

/// Why a field is unread that costs a call of its own, and that nothing asked for.
pub(crate) fn skipped(operation: &Operation) -> Unread {
    Unread { call: Some(operation.call.to_owned()), cause: Cause::Skipped, permission: None }
}

/// Private endpoint connections: `id`, `endpoint` and `status` of each; an empty list where there are none.
pub(crate) fn private_endpoints(draft: &mut Draft, field: &str, connections: Option<&Value>) {
    draft.list_or_empty(field, connections, |one| {
        let status = text(one, "properties.privateLinkServiceConnectionState.status").map(Value::from);
        let endpoint = text(one, "properties.privateEndpoint.id").map(id).map(Value::from);
        Some(members([("id", text(one, "id").map(id).map(Value::from)), ("endpoint", endpoint), ("status", status)]))
    });
}

/// The resource was deleted after it was listed. Resource Graph lags behind by minutes.
pub(crate) fn gone(refusal: &Refusal) -> bool {
    let codes = ["ResourceNotFound", "ParentResourceNotFound", "ResourceGroupNotFound"];
    refusal.code.as_deref().is_some_and(|code| codes.iter().any(|known| known.eq_ignore_ascii_case(code)))
}

/// An id in an answer, in lower case; none where it is missing or empty.
pub(crate) fn reference(value: &Value, path: &str) -> Option<Value> {
    text(value, path).filter(|text| !text.is_empty()).map(id).map(Value::from)
}

/// The managed identities of a resource, as its row says; absent where it has none.
pub(crate) fn identity(draft: &mut Draft, field: &str, row: &Value) {
    let none = |value: &&Value| !value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("None"));
    draft.text(field, at(row, "identity.type").filter(none));
}

/// Where a resource's logs go, if a check wants to know.
pub(crate) async fn diagnostics(item: &Item<'_>, draft: &mut Draft, kind: &str, field: &str) {
    if !item.wants(kind, field) {
        draft.resource.unread(field, skipped(&DIAGNOSTIC_SETTINGS));
        return;
    }
    let path = "/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview";
    match item.list(&DIAGNOSTIC_SETTINGS, path).await {
        (_, Some(refusal)) => draft.unread(&[field], &refusal),
        (found, None) => {
            draft.from(&DIAGNOSTIC_SETTINGS).list(field, Some(&Value::from(found)), diagnostic_setting);
        }
    }
}

/// `name`, the four places that logs can go to, and the `categories` and `groups` of logs that are enabled.
pub(crate) fn diagnostic_setting(one: &Value) -> Option<Value> {
    at(one, "properties")?;
    let logs: Vec<&Value> = items(one, "properties.logs").collect();
    // What does not say whether it is on is not off.
    let on = logs.iter().map(|log| flag(log, "enabled")).collect::<Option<Vec<bool>>>()?;
    let logs: Vec<&Value> = logs.into_iter().zip(on).filter(|(_, on)| *on).map(|(log, _)| log).collect();
    let names = |member: &str| -> Option<Value> {
        let named = logs.iter().filter_map(|log| text(log, member)).filter(|name| !name.is_empty());
        Some(named.map(Value::from).collect())
    };
    Some(members([
        ("name", text(one, "name").map(Value::from)),
        ("workspace", reference(one, "properties.workspaceId")),
        ("storage_account", reference(one, "properties.storageAccountId")),
        ("event_hub", reference(one, "properties.eventHubAuthorizationRuleId")),
        ("partner", reference(one, "properties.marketplacePartnerId")),
        ("categories", names("category")),
        ("groups", names("categoryGroup")),
    ]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_switched_off_or_empty_is_no_destination() {
        let one = json!({"name": "one", "properties": {"workspaceId": "", "storageAccountId": "/Subscriptions/S/A",
            "logs": [{"category": "AuditEvent", "enabled": true}, {"category": "Other", "enabled": false},
                {"category": null, "categoryGroup": "allLogs", "enabled": "true"}]}});
        let expected = json!({"name": "one", "workspace": null, "storage_account": "/subscriptions/s/a",
            "event_hub": null, "partner": null, "categories": ["AuditEvent"], "groups": ["allLogs"]});
        assert_eq!(diagnostic_setting(&one), Some(expected));
        assert_eq!(diagnostic_setting(&json!({"name": "one"})), None);
    }
}
