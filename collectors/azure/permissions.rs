//! The least that the collectors need: a custom role for Resource Manager, and application permissions of Microsoft Graph.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use evidenced_kit::PermissionForm;
use serde_json::{Value, json};

const NAME: &str = "Evidenced reader";
const ABOUT: &str = "Reads how resources are configured, as evidence. It changes nothing and reads no content.";
/// Microsoft Graph's own application.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
/// The one permission that no role on subscriptions can grant.
const TENANT: &str = "microsoft.aadiam/";
const EVERYTHING: &str = "*/read";
/// Why a role is as wide as it is.
const WIDE: &str = "*/read makes this role as wide as Reader. The list of all resources needs it: Resource Graph shows only \
                    types that may be read. Leave the kind azure.resources.resource out in the config \
                    (scopes.excluded), and it is not asked for.";

/// Names of permissions that no provider has registered, though Resource Graph asks for them. Azure refuses a whole role
/// for one of them (`InvalidActionOrNotAction`), and takes a wildcard that covers them.
const UNREGISTERED: &[(&str, &str)] = &[(
    "Microsoft.Compute/virtualMachines/patchAssessmentResults/read",
    "Microsoft.Compute/virtualMachines/patchAssessmentResults/*",
)];

/// The application permissions of Microsoft Graph that collectors ask for, with the ids of their app roles in the public
/// cloud ("Microsoft Graph permissions reference"). Other clouds have other ids for some.
const APP_ROLES: &[(&str, &str)] = &[
    ("Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"),
    ("AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da"),
    ("Domain.Read.All", "dbb9058a-0e50-45d7-ae91-66909b5d4664"),
    ("GroupMember.Read.All", "98830695-27a2-44f7-8c18-0c3ebc9698f6"),
    ("Organization.Read.All", "498476ce-e0fe-48b0-b801-37ba7e2685c6"),
    ("Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68"),
    ("RoleAssignmentSchedule.Read.Directory", "d5fe8ce8-684c-4c83-a52c-46e882ce4be1"),
    ("RoleEligibilitySchedule.Read.Directory", "ff278e11-4a33-4d0c-83d2-d01dc58929a5"),
    ("RoleManagement.Read.Directory", "483bed4a-2ad3-4361-a73b-c83ccdbdc53c"),
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
];

/// What is needed, by who grants it.
struct Needed<'a> {
    /// Actions of a custom role.
    actions: Vec<&'a str>,
    /// At the tenant, outside of subscriptions.
    tenant: Vec<&'a str>,
    /// Application permissions of Microsoft Graph.
    graph: Vec<&'a str>,
}

/// Prints what is needed; `None` for a form that Azure does not know.
pub(crate) fn print(needed: &BTreeSet<&'static str>, form: PermissionForm) -> Option<String> {
    let needed = Needed::of(needed);
    match form {
        PermissionForm::Json => Some(needed.json()),
        PermissionForm::Bicep => Some(needed.bicep()),
        PermissionForm::Terraform => Some(needed.terraform()),
        PermissionForm::Cloudformation => None,
    }
}

/// How a role names a permission.
fn action(permission: &str) -> &str {
    UNREGISTERED.iter().find(|(name, _)| *name == permission).map_or(permission, |(_, wildcard)| wildcard)
}

/// The id of an application permission.
fn app_role(permission: &str) -> Option<&'static str> {
    APP_ROLES.iter().find(|(name, _)| *name == permission).map(|(_, id)| *id)
}

impl<'a> Needed<'a> {
    fn of(needed: &BTreeSet<&'a str>) -> Self {
        let (manager, graph): (Vec<&str>, Vec<&str>) = needed.iter().copied().partition(|one| one.contains('/'));
        let (tenant, manager): (Vec<&str>, Vec<&str>) = manager.into_iter().partition(|one| one.starts_with(TENANT));
        Self { actions: manager.into_iter().map(action).collect(), tenant, graph }
    }

    fn wide(&self) -> bool {
        self.actions.contains(&EVERYTHING)
    }

    fn json(&self) -> String {
        let role = json!({"Name": NAME, "IsCustom": true, "Description": ABOUT, "Actions": self.actions, "NotActions": [],
            "DataActions": [], "NotDataActions": [],
            "AssignableScopes": ["/providers/Microsoft.Management/managementGroups/MANAGEMENT-GROUP"]});
        let graph = |name: &&str| json!({"value": name, "id": app_role(name), "type": "Role"});
        let graph: Vec<Value> = self.graph.iter().map(graph).collect();
        let mut all = json!({"role": role, "atTheTenant": self.tenant, "graphApplicationPermissions": {
            "resourceAppId": GRAPH, "adminConsent": "required", "resourceAccess": graph}});
        if self.wide() {
            all["about"] = json!(WIDE);
        }
        serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
    }

    /// What a custom role cannot say, as comments.
    fn beside(&self, mark: &str) -> String {
        let mut text = String::new();
        if self.wide() {
            let _ = writeln!(text, "{mark} {WIDE}");
        }
        if !self.graph.is_empty() {
            let _ = writeln!(
                text,
                "{mark} Application permissions of Microsoft Graph ({GRAPH}), which an administrator has to consent to:"
            );
        }
        for one in &self.graph {
            let _ = writeln!(text, "{mark}   {one:<40} {}", app_role(one).unwrap_or_default());
        }
        if !self.tenant.is_empty() {
            let _ = writeln!(
                text,
                "{mark} At the tenant, where a role on subscriptions does not reach (see docs/azure.md):"
            );
        }
        for one in &self.tenant {
            let _ = writeln!(text, "{mark}   {one}");
        }
        text.push('\n');
        text
    }

    fn bicep(&self) -> String {
        let mut text = self.beside("//");
        text.push_str(
            "targetScope = 'managementGroup'\n\n@description('Object id of the identity that collects evidence')\n",
        );
        text.push_str("param principalId string\n\n");
        if self.actions.is_empty() {
            return text;
        }
        text.push_str("resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {\n");
        text.push_str("  name: guid(managementGroup().id, 'evidenced-reader')\n  properties: {\n");
        let _ = writeln!(text, "    roleName: '{NAME}'\n    description: '{ABOUT}'\n    type: 'CustomRole'");
        text.push_str(
            "    assignableScopes: [managementGroup().id]\n    permissions: [\n      {\n        actions: [\n",
        );
        for one in &self.actions {
            let _ = writeln!(text, "          '{one}'");
        }
        text.push_str("        ]\n        notActions: []\n        dataActions: []\n        notDataActions: []\n      }\n    ]\n  }\n}\n\n");
        text.push_str("resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n");
        text.push_str("  name: guid(managementGroup().id, principalId, 'evidenced-reader')\n  properties: {\n");
        text.push_str("    roleDefinitionId: role.id\n    principalId: principalId\n");
        text.push_str("    principalType: 'ServicePrincipal'\n  }\n}\n");
        text
    }

    fn terraform(&self) -> String {
        let mut text = self.beside("#");
        let variable = |text: &mut String, name: &str, about: &str| {
            let _ = writeln!(text, "variable \"{name}\" {{\n  description = \"{about}\"\n  type        = string\n}}\n");
        };
        if !self.actions.is_empty() {
            variable(&mut text, "scope", "The id of the management group or subscription that is read");
        }
        variable(&mut text, "principal_id", "The object id of the identity that collects evidence");
        if !self.actions.is_empty() {
            let _ = writeln!(text, "resource \"azurerm_role_definition\" \"evidenced\" {{\n  name        = \"{NAME}\"");
            let _ = writeln!(
                text,
                "  scope       = var.scope\n  description = \"{ABOUT}\"\n\n  permissions {{\n    actions = ["
            );
            for one in &self.actions {
                let _ = writeln!(text, "      \"{one}\",");
            }
            text.push_str("    ]\n  }\n\n  assignable_scopes = [var.scope]\n}\n\n");
            text.push_str("resource \"azurerm_role_assignment\" \"evidenced\" {\n  scope              = var.scope\n");
            text.push_str("  role_definition_id = azurerm_role_definition.evidenced.role_definition_resource_id\n");
            text.push_str("  principal_id       = var.principal_id\n}\n");
        }
        if !self.graph.is_empty() {
            let _ =
                writeln!(text, "\ndata \"azuread_service_principal\" \"graph\" {{\n  client_id = \"{GRAPH}\"\n}}\n");
            text.push_str("# Whoever applies this consents: a Privileged Role Administrator, or an application with\n");
            text.push_str("# AppRoleAssignment.ReadWrite.All.\n");
            text.push_str("resource \"azuread_app_role_assignment\" \"evidenced\" {\n  for_each = toset([\n");
            for one in &self.graph {
                let _ = writeln!(text, "    \"{one}\",");
            }
            text.push_str(
                "  ])\n\n  app_role_id         = data.azuread_service_principal.graph.app_role_ids[each.value]\n",
            );
            text.push_str("  principal_object_id = var.principal_id\n");
            text.push_str("  resource_object_id  = data.azuread_service_principal.graph.object_id\n}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [PermissionForm; 3] = [PermissionForm::Json, PermissionForm::Bicep, PermissionForm::Terraform];

    fn needed() -> BTreeSet<&'static str> {
        let manifests = crate::manifests();
        let operations = manifests.iter().flat_map(|manifest| manifest.operations.iter());
        operations.map(|operation| operation.permission).collect()
    }

    /// What stands in quotes in the lines that are no comments, and is no property.
    fn quoted(text: &str) -> Vec<String> {
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '/']));
        let alone =
            code.filter_map(|line| line.trim_end_matches(',').strip_prefix(['"', '\''])?.strip_suffix(['"', '\'']));
        alone.map(str::to_owned).collect()
    }

    /// What is printed is the union of the manifests, in whatever form: no more and no less.
    #[test]
    fn every_form_holds_each_permission_of_the_manifests_once() {
        let needed = needed();
        let manager = needed.iter().filter(|one| one.contains('/') && !one.starts_with(TENANT));
        let manager: Vec<String> = manager.map(|one| action(one).to_owned()).collect();
        let graph: Vec<String> = needed.iter().filter(|one| !one.contains('/')).map(ToString::to_string).collect();
        assert!(manager.len() > 60 && graph.len() == 10, "{} {}", manager.len(), graph.len());

        let json: Value = serde_json::from_str(&print(&needed, PermissionForm::Json).unwrap()).unwrap();
        assert_eq!(json["role"]["Actions"], json!(manager));
        let access = json["graphApplicationPermissions"]["resourceAccess"].as_array().unwrap();
        assert_eq!(access.iter().map(|one| one["value"].as_str().unwrap()).collect::<Vec<_>>(), graph);
        assert_eq!(json["atTheTenant"], json!(["microsoft.aadiam/diagnosticSettings/read"]));

        assert_eq!(quoted(&print(&needed, PermissionForm::Bicep).unwrap()), manager);
        let both: Vec<String> = manager.into_iter().chain(graph.clone()).collect();
        assert_eq!(quoted(&print(&needed, PermissionForm::Terraform).unwrap()), both);
        // What Bicep cannot grant is said.
        let bicep = print(&needed, PermissionForm::Bicep).unwrap();
        assert!(graph.iter().all(|one| bicep.contains(&format!("//   {one} "))), "{bicep}");
        assert!(print(&needed, PermissionForm::Cloudformation).is_none());
    }

    #[test]
    fn a_narrow_role_is_not_called_wide() {
        let mut needed = needed();
        for form in FORMS {
            assert!(print(&needed, form).unwrap().contains("as wide as Reader"), "{form:?}");
        }
        assert!(needed.remove(EVERYTHING));
        for form in FORMS {
            let text = print(&needed, form).unwrap();
            assert!(!text.contains("as wide as Reader") && !text.contains("*/read"), "{form:?}");
        }
        // Of one side only.
        let storage = BTreeSet::from(["Microsoft.Storage/storageAccounts/read"]);
        assert!(!print(&storage, PermissionForm::Terraform).unwrap().contains("azuread"));
        let people = BTreeSet::from(["User.Read.All"]);
        for form in [PermissionForm::Bicep, PermissionForm::Terraform] {
            let text = print(&people, form).unwrap();
            assert!(!text.contains("roleDefinitions@") && !text.contains("azurerm"), "{text}");
        }
    }

    /// Azure takes only letters, digits, dots, slashes, and one wildcard, which here covers nothing but reading.
    #[test]
    fn nothing_but_reading_is_asked_for() {
        for manifest in crate::manifests() {
            for operation in manifest.operations {
                let permission = operation.permission;
                assert!(permission.ends_with("/read") || permission.contains(".Read."), "{permission}");
                assert!(permission.contains('/') || app_role(permission).is_some(), "{permission} has no app role");
                let action = action(permission);
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '*');
                assert!(action.chars().all(plain) && action.matches('*').count() <= 1, "{action}");
                let wild = action != EVERYTHING && action.contains('*');
                assert!(!wild || UNREGISTERED.iter().any(|(_, wildcard)| *wildcard == action), "{action}");
            }
        }
        assert!(APP_ROLES.is_sorted());
    }
}
