//! Directory roles: who holds them, for good, for a time or on request.

use std::collections::BTreeMap;

use evidenced_kit::Out;
use evidenced_model::{Refusal, Scope};
use serde_json::Value;

use super::operations::{ASSIGNMENT_SCHEDULES, ELIGIBILITY_SCHEDULES, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS};
use super::{Entra, Groups, ROLE_ASSIGNMENT, is_group, type_of};
use crate::draft::{Draft, at, text};

/// Names and template ids of roles, by their id.
type Roles = Result<BTreeMap<String, (String, String)>, Refusal>;
/// How an assignment is held, and until when, by the assignment's id and by principal, role and scope.
type Instances = Result<BTreeMap<String, (bool, Option<String>)>, Refusal>;

impl Entra {
    /// Role assignments; groups among those who hold them matter.
    pub(super) async fn roles(&self, scope: &Scope, out: &mut Out, groups: &mut Groups) {
        const AT: &str = "/v1.0/roleManagement/directory";
        let path = format!("{AT}/roleAssignments?$expand=principal");
        let (found, refusal) = self.list(scope, &ROLE_ASSIGNMENTS, &path).await;
        let path = format!("{AT}/roleEligibilitySchedules?$expand=principal");
        let (eligible, not_eligible) = self.list(scope, &ELIGIBILITY_SCHEDULES, &path).await;
        let (definitions, refused) = self.list(scope, &ROLE_DEFINITIONS, &format!("{AT}/roleDefinitions")).await;
        let roles: Roles = refused.map_or_else(|| Ok(definitions.iter().filter_map(definition).collect()), Err);
        let path = format!("{AT}/roleAssignmentScheduleInstances");
        let (instances, refused) = self.list(scope, &ASSIGNMENT_SCHEDULES, &path).await;
        let instances: Instances = refused.map_or_else(|| Ok(instances.iter().flat_map(instance).collect()), Err);
        let mut drafts = Vec::new();
        for item in &found {
            drafts.push(Self::draft(ROLE_ASSIGNMENT, scope, item, &ROLE_ASSIGNMENTS).map(|mut draft| {
                assignment(item, &roles, &mut draft);
                held(item, &instances, &mut draft);
                draft
            }));
        }
        for item in &eligible {
            drafts.push(Self::draft(ROLE_ASSIGNMENT, scope, item, &ELIGIBILITY_SCHEDULES).map(|mut draft| {
                assignment(item, &roles, &mut draft);
                let end = at(item, "scheduleInfo.expiration.endDateTime");
                draft.read("held", "eligible").instant("ends", end);
                draft
            }));
        }
        let by_group = |item: &&Value| at(item, "principal").is_some_and(is_group);
        let held_by = found.iter().chain(&eligible).filter(by_group).filter_map(|item| text(item, "principalId"));
        groups.ids.extend(held_by.map(str::to_owned));
        let refusal = refusal.or(not_eligible);
        if let Some(refusal) = &refusal {
            groups.miss(refusal);
        }
        Self::write(ROLE_ASSIGNMENT, &ROLE_ASSIGNMENTS, drafts, refusal, out).await;
    }
}

fn definition(item: &Value) -> Option<(String, (String, String))> {
    let own = text(item, "id")?.to_lowercase();
    let template = text(item, "templateId").map_or_else(|| own.clone(), str::to_lowercase);
    Some((own, (text(item, "displayName")?.to_owned(), template)))
}

/// An assignment may be named by its origin; where it is not, by what it says.
fn instance(item: &Value) -> Vec<(String, (bool, Option<String>))> {
    let activated = text(item, "assignmentType").is_some_and(|kind| kind.eq_ignore_ascii_case("Activated"));
    let ends = text(item, "endDateTime").and_then(crate::draft::instant);
    let origin = text(item, "roleAssignmentOriginId").map(str::to_lowercase);
    let names = origin.into_iter().chain(said(item));
    names.map(|name| (name, (activated, ends.clone()))).collect()
}

fn said(item: &Value) -> Option<String> {
    let part = |name: &str| text(item, name).map(str::to_lowercase);
    Some(format!("{} {} {}", part("principalId")?, part("roleDefinitionId")?, part("directoryScopeId")?))
}

fn assignment(item: &Value, roles: &Roles, draft: &mut Draft) {
    draft.text("principal_id", at(item, "principalId")).text("directory_scope", at(item, "directoryScopeId"));
    let kind = at(item, "principal").map(type_of).unwrap_or_default();
    let named = [("user", "User"), ("group", "Group"), ("serviceprincipal", "ServicePrincipal")];
    match named.iter().find(|(end, _)| kind.rsplit('.').next() == Some(*end)) {
        Some((_, name)) => {
            draft.read("principal_type", *name);
        }
        None => draft.malformed(&["principal_type"]),
    }
    let role = text(item, "roleDefinitionId").map(str::to_lowercase);
    match (roles, role) {
        (Ok(roles), Some(role)) => {
            if let Some((name, template)) = roles.get(&role) {
                draft.read("role_name", name.as_str()).read("role_template_id", template.as_str());
            } else {
                // A role that the listing does not have: its id is known, and its name is not.
                draft.read("role_template_id", role);
                draft.malformed(&["role_name"]);
            }
        }
        (Err(refusal), Some(role)) => {
            // The id of a built-in role is that of its template.
            draft.read("role_template_id", role);
            draft.unread(&["role_name"], refusal);
        }
        (_, None) => draft.malformed(&["role_name", "role_template_id"]),
    }
    draft.must(&["principal_id", "directory_scope"]);
}

fn held(item: &Value, instances: &Instances, draft: &mut Draft) {
    match instances {
        Err(refusal) => draft.unread(&["held", "ends"], refusal),
        Ok(instances) => {
            let own = text(item, "id").map(str::to_lowercase);
            let found = own.and_then(|own| instances.get(&own)).or_else(|| instances.get(&said(item)?));
            let (activated, ends) = found.cloned().unwrap_or_default();
            let held = match (activated, &ends) {
                (true, _) => "activated",
                (false, Some(_)) => "timed",
                (false, None) => "permanent",
            };
            draft.read("held", held);
            draft.resource.optional("ends", ends);
        }
    }
}
