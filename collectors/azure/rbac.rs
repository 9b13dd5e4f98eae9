//! Who may do what in a subscription: role assignments and roles of one's own, in bulk, and those that can be taken on
//! request.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, id, last, members, text, texts};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::session::is_group;

const ASSIGNMENT: &str = "azure.rbac.role_assignment";
const DEFINITION: &str = "azure.rbac.role_definition";
const ELIGIBLE: &str = "azure.rbac.eligible_assignment";

static ASSIGNMENTS: Operation = Operation {
    call: "resourcegraph:RoleAssignments",
    permission: "Microsoft.Authorization/roleAssignments/read",
    absent: &[],
    per: Per::Page(1000),
};
static DEFINITIONS: Operation = Operation {
    call: "resourcegraph:RoleDefinitions",
    permission: "Microsoft.Authorization/roleDefinitions/read",
    absent: &[],
    per: Per::Page(1000),
};
static ELIGIBLES: Operation = Operation {
    call: "authorization:ListRoleEligibilityScheduleInstances",
    permission: "Microsoft.Authorization/roleEligibilityScheduleInstances/read",
    // Without the licence nobody can be eligible.
    absent: &["AadPremiumLicenseRequired"],
    per: Per::Start,
};

/// What the collector of roles reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.rbac",
    title: "Role assignments, roles of one's own, and roles that can be taken on request",
    kinds: &[ASSIGNMENT, DEFINITION, ELIGIBLE],
    reach: Reach::Together,
    operations: &[&ASSIGNMENTS, &DEFINITIONS, &ELIGIBLES, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[
    Part {
        kind: ASSIGNMENT,
        frame: Frame::Bare,
        below: &[],
        operation: &ASSIGNMENTS,
        source: Source::Graph(Query {
            table: "authorizationresources",
            types: &["microsoft.authorization/roleassignments"],
            narrowed: "",
        }),
        shape: assignment,
        details: None,
    },
    Part {
        kind: DEFINITION,
        frame: Frame::Bare,
        below: &[],
        operation: &DEFINITIONS,
        source: Source::Graph(Query {
            table: "authorizationresources",
            types: &["microsoft.authorization/roledefinitions"],
            // Roles of Microsoft's are the same everywhere.
            narrowed: " | where properties.type !~ 'BuiltInRole'",
        }),
        shape: definition,
        details: None,
    },
    Part {
        kind: ELIGIBLE,
        frame: Frame::Bare,
        below: &[],
        operation: &ELIGIBLES,
        source: Source::Listing(
            "/providers/Microsoft.Authorization/roleEligibilityScheduleInstances?api-version=2020-10-01",
        ),
        shape: eligible,
        details: None,
    },
];

fn assignment(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("name", of("name")).text("condition", of("properties.condition").filter(|text| !is_empty(text)));
    draft.instant("created", of("properties.createdOn").filter(|time| !never(time)));
    held(row, draft);
    draft.must(&["name"]);
}

fn eligible(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("member_type", of("properties.memberType")).instant("ends", of("properties.endDateTime"));
    held(row, draft);
}

/// Which role, who, and on what.
fn held(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.id("role_id", text(row, "properties.roleDefinitionId").map(|role| last(role).into()).as_ref());
    draft.id("principal_id", of("properties.principalId")).text("principal_type", of("properties.principalType"));
    let Some(scope) = text(row, "properties.scope").map(scope) else {
        draft.malformed(&["role_id", "principal_id", "principal_type", "scope_id", "covers_subscription"]);
        return;
    };
    let own = format!("/subscriptions/{}", draft.resource.scope.account);
    // What comes from a management group comes from one above.
    draft.read("covers_subscription", scope == "/" || scope == own || is_group(&scope));
    draft.read("scope_id", scope).must(&["role_id", "principal_id", "principal_type"]);
}

/// A scope in lower case; the root is `/`. Some answers name the subscription with its provider.
fn scope(text: &str) -> String {
    let scope = id(text);
    let plain = scope.strip_prefix("/providers/microsoft.subscription").unwrap_or(&scope);
    if plain.is_empty() { "/".to_owned() } else { plain.to_owned() }
}

fn definition(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("name", of("properties.roleName")).text("role_type", of("properties.type"));
    let own = last(&draft.resource.id).to_owned();
    draft.read("role_id", own);
    draft.list("permissions", of("properties.permissions"), |grant| {
        grant.as_object()?;
        let names = |member: &str| {
            let names: Vec<String> = texts(grant, member).iter().map(|name| name.to_lowercase()).collect();
            Some(Value::from(names))
        };
        Some(members([
            ("actions", names("actions")),
            ("not_actions", names("notActions")),
            ("data_actions", names("dataActions")),
            ("not_data_actions", names("notDataActions")),
        ]))
    });
    draft.list("assignable_scopes", of("properties.assignableScopes"), |one| one.as_str().map(scope).map(Value::from));
    draft.must(&["name", "role_type", "permissions", "assignable_scopes"]);
}

fn is_empty(text: &Value) -> bool {
    text.as_str() == Some("")
}

/// An instant before there was Azure stands for none.
fn never(time: &Value) -> bool {
    time.as_str().is_some_and(|time| time.is_empty() || time.starts_with("0001-"))
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    fn assigned(scope: &str) -> Draft {
        let role = "/subscriptions/S/providers/Microsoft.Authorization/roleDefinitions/8E3AF657-A8FF";
        shaped(
            &PARTS[0],
            &json!({"id": "/A", "name": "a", "properties": {"roleDefinitionId": role, "principalId": "ABC",
            "principalType": "User", "scope": scope, "createdOn": "0001-01-01T00:00:00", "condition": ""}}),
        )
    }

    #[test]
    fn a_role_from_above_covers_the_subscription_and_one_on_a_part_does_not() {
        let own = "/subscriptions/00000000-0000-0000-0000-000000000001";
        let group = "/providers/Microsoft.Management/managementGroups/Example";
        let named = format!("/providers/Microsoft.Subscription{own}");
        for (scope, covers) in
            [("/", true), (own, true), (group, true), (&named, true), (&format!("{own}/resourceGroups/G"), false)]
        {
            assert_eq!(assigned(scope).resource.field("covers_subscription"), &Field::Read(json!(covers)), "{scope}");
        }
        let draft = assigned("/");
        assert_eq!(draft.resource.field("scope_id"), &Field::Read(json!("/")));
        assert_eq!(draft.resource.field("role_id"), &Field::Read(json!("8e3af657-a8ff")));
        assert_eq!(draft.resource.field("created"), &Field::Absent);
        assert_eq!(draft.resource.field("condition"), &Field::Absent);
    }

    #[test]
    fn a_role_without_its_grants_is_unread() {
        let draft = shaped(&PARTS[1], &json!({"id": "/A/b", "properties": {"roleName": "x", "permissions": null}}));
        assert!(matches!(draft.resource.field("permissions"), Field::Unread(_)));
        let grants = json!([{"actions": ["Microsoft.X/*"], "notActions": null}]);
        let draft = shaped(&PARTS[1], &json!({"id": "/A/b", "properties": {"permissions": grants}}));
        let read =
            json!([{"actions": ["microsoft.x/*"], "not_actions": [], "data_actions": [], "not_data_actions": []}]);
        assert_eq!(draft.resource.field("permissions"), &Field::Read(read));
    }
}
