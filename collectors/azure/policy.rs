//! Policies that are assigned to a subscription, and what was exempted from them.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::{Map, Value};

use crate::draft::{Draft, at, id, instant, last, members, text, texts};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;

const ASSIGNMENT: &str = "azure.policy.assignment";

static ASSIGNMENTS: Operation = Operation {
    call: "resourcegraph:PolicyAssignments",
    permission: "Microsoft.Authorization/policyAssignments/read",
    absent: &[],
    per: Per::Page(1000),
};
static EXEMPTIONS: Operation = Operation {
    call: "resourcegraph:PolicyExemptions",
    permission: "Microsoft.Authorization/policyExemptions/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of policies reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.policy",
    title: "Policies that are assigned, and exemptions from them",
    kinds: &[ASSIGNMENT],
    reach: Reach::Together,
    operations: &[&ASSIGNMENTS, &EXEMPTIONS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: ASSIGNMENT,
    frame: Frame::Bare,
    below: &[],
    operation: &ASSIGNMENTS,
    source: Source::Graph(Query {
        table: "policyresources",
        types: &["microsoft.authorization/policyassignments"],
        narrowed: "",
    }),
    shape: assignment,
    details: Some(&Exemptions),
}];

fn assignment(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("name", of("name")).text("title", of("properties.displayName"));
    draft.id("definition_id", of("properties.policyDefinitionId"));
    draft.id("definition", text(row, "properties.policyDefinitionId").map(|own| last(own).into()).as_ref());
    draft.id("scope_id", scope(row).map(Value::from).as_ref());
    draft.list_or_empty("excluded_scopes", of("properties.notScopes"), |one| one.as_str().map(id).map(Value::from));
    draft.text("enforcement", of("properties.enforcementMode"));
    parameters(of("properties.parameters"), draft);
    draft.must(&["name", "definition_id", "definition", "scope_id"]);
}

/// What an assignment is for; it says so, and its own id does.
fn scope(row: &Value) -> Option<String> {
    let said = text(row, "properties.scope").filter(|scope| !scope.is_empty()).map(id);
    said.or_else(|| Some(id(text(row, "id")?).split_once("/providers/microsoft.authorization/")?.0.to_owned()))
}

fn parameters(value: Option<&Value>, draft: &mut Draft) {
    let none = Map::new();
    let Some(given) = value.map_or(Some(&none), Value::as_object) else {
        draft.malformed(&["parameters"]);
        return;
    };
    let values = given.iter().map(|(name, given)| (name.clone(), at(given, "value").cloned().unwrap_or_default()));
    let values: Map<String, Value> = values.collect();
    draft.read("parameters", values);
}

struct Exemptions;

#[async_trait]
impl Details for Exemptions {
    fn beside(&self) -> Option<(&'static Operation, Query)> {
        let types = &["microsoft.authorization/policyexemptions"];
        Some((&EXEMPTIONS, Query { table: "policyresources", types, narrowed: "" }))
    }

    fn key(&self, row: &Value) -> Option<String> {
        text(row, "properties.policyAssignmentId").map(id)
    }

    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        let account = &item.scope.account;
        match scope(item.row) {
            Some(scope) => {
                let excluded = texts(item.row, "properties.notScopes");
                let covers = |scope: &str| item.session.covers(scope, account);
                draft.read("covers_subscription", covers(&scope) && !excluded.iter().any(|scope| covers(scope)));
            }
            None => draft.malformed(&["covers_subscription"]),
        }
        match item.found(&draft.resource.id, account.as_str()).await {
            Err(refusal) => draft.unread(&["exemptions"], &refusal),
            Ok(rows) => {
                let own = |row: &&Value| !item.session.owners(row, std::iter::once(account)).is_empty();
                let mut found: Vec<&Value> = rows.iter().filter(own).collect();
                found.sort_by_key(|row| (text(row, "name").map(str::to_owned), text(row, "id").map(id)));
                let found = found.into_iter().map(exemption).collect();
                draft
                    .from(&EXEMPTIONS)
                    .list("exemptions", Some(&Value::Array(found)), |one| (!one.is_null()).then(|| one.clone()));
            }
        }
    }
}

/// What was exempted, and until when; null where the row does not say it.
fn exemption(row: &Value) -> Value {
    let read = || {
        let own = id(text(row, "id")?);
        let expires = match at(row, "properties.expiresOn") {
            None => None,
            Some(time) => Some(instant(time.as_str()?)?.into()),
        };
        let (scope, _) = own.rsplit_once("/providers/microsoft.authorization/")?;
        let category = text(row, "properties.exemptionCategory").map(Value::from);
        let name = text(row, "name").map(Value::from);
        Some(members([("name", name), ("category", category), ("scope_id", Some(scope.into())), ("expires", expires)]))
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn parameters_are_their_values() {
        let of = |parameters: Value| {
            let row = json!({"id": "/A/providers/Microsoft.Authorization/policyAssignments/B",
                "properties": {"parameters": parameters, "policyDefinitionId": "/providers/P/Q"}});
            shaped(&PARTS[0], &row).resource
        };
        let given = of(json!({"listOfAllowedLocations": {"value": ["westeurope"]}, "other": {}}));
        let read = json!({"listOfAllowedLocations": ["westeurope"], "other": null});
        assert_eq!(given.field("parameters"), &Field::Read(read));
        assert_eq!(of(Value::Null).field("parameters"), &Field::Read(json!({})));
        assert!(matches!(of(json!([])).field("parameters"), Field::Unread(_)));
        assert_eq!(given.field("scope_id"), &Field::Read(json!("/a")));
        assert_eq!(given.field("definition"), &Field::Read(json!("q")));
        assert_eq!(given.field("enforcement"), &Field::Absent);
    }

    #[test]
    fn an_exemption_says_of_what_and_until_when() {
        let own = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Authorization/policyExemptions/E";
        let of = |properties: Value| exemption(&json!({"id": own, "name": "E", "properties": properties}));
        let never = json!({"name": "E", "category": "Waiver", "scope_id": "/subscriptions/s/resourcegroups/g",
            "expires": null});
        assert_eq!(of(json!({"exemptionCategory": "Waiver", "expiresOn": null})), never);
        assert_eq!(of(json!({"expiresOn": "2030-01-01T00:00:00Z"}))["expires"], "2030-01-01T00:00:00Z");
        assert_eq!(of(json!({"expiresOn": "soon"})), Value::Null);
    }
}
