//! Members of the groups that matter here: those that hold a role, and those that a policy leaves out.

use evidenced_kit::Out;
use evidenced_model::Scope;
use serde_json::Value;

use super::operations::{MEMBERS, SUBSCRIPTION_ROLES};
use super::{Entra, GROUP_MEMBER, Groups, is_group, type_of};
use crate::draft::{Draft, at, text};
use crate::inventory::named;
use crate::query::{Pages, Query};
use crate::session::malformed;

/// Owner, Contributor, User Access Administrator, Role Based Access Control Administrator.
const POWERFUL: [&str; 4] = [
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
];

/// Assignments to groups.
const ASSIGNMENTS: Query = Query {
    table: "authorizationresources",
    types: &["microsoft.authorization/roleassignments"],
    narrowed: " | where properties.principalType =~ 'Group'",
};

impl Entra {
    /// The members of groups that roles, policies or subscriptions speak of.
    pub(super) async fn members(&self, scope: &Scope, out: &mut Out, mut groups: Groups) {
        let mut pages = Pages::below(&self.session, &SUBSCRIPTION_ROLES, &ASSIGNMENTS, None);
        while let Some(page) = pages.next().await {
            match page {
                Ok(rows) => {
                    for row in rows {
                        match row {
                            Ok(row) => groups.ids.extend(powerful(&row)),
                            Err(refusal) => groups.miss(&refusal),
                        }
                    }
                }
                Err(refusal) => groups.miss(&refusal),
            }
        }
        let mut refusal = groups.refusal;
        for group in &groups.ids {
            let path = format!("/v1.0/groups/{group}/transitiveMembers?$select=id,userType,accountEnabled&$top=999");
            let (found, refused) = self.list(scope, &MEMBERS, &path).await;
            // A group that is gone has no members; what speaks of it speaks of nobody.
            let gone = |code: &str| code.eq_ignore_ascii_case("Request_ResourceNotFound");
            let refused = refused.filter(|one| !one.code.as_deref().is_some_and(gone));
            refusal = refusal.or(refused);
            for item in found.iter().filter(|item| !is_group(item)) {
                match member(scope, group, item) {
                    Some(draft) => out.resource(draft.resource).await,
                    None => refusal = refusal.or_else(|| Some(malformed(&MEMBERS))),
                }
            }
        }
        match refusal {
            Some(refusal) => out.gap(GROUP_MEMBER, refusal).await,
            None => out.complete(GROUP_MEMBER).await,
        }
    }
}

/// The group that holds a powerful role.
fn powerful(row: &Value) -> Option<String> {
    let role = text(row, "properties.roleDefinitionId")?.to_lowercase();
    let group = text(row, "properties.principalType")?.eq_ignore_ascii_case("Group");
    let strong = POWERFUL.iter().any(|id| role.ends_with(id));
    (group && strong).then(|| text(row, "properties.principalId").map(str::to_owned)).flatten()
}

fn member(scope: &Scope, group: &str, item: &Value) -> Option<Draft> {
    let own = text(item, "id")?;
    let mut draft = Draft::new(named(GROUP_MEMBER), format!("{group}/{own}"), scope.clone(), &MEMBERS);
    draft.read("group_id", group).read("member_id", own);
    match type_of(item).rsplit('.').next() {
        Some("user") => draft.read("member_type", "User"),
        Some("serviceprincipal") => draft.read("member_type", "ServicePrincipal"),
        Some("device") => draft.read("member_type", "Device"),
        _ => draft.text("member_type", None),
    };
    let guest = text(item, "userType").is_some_and(|kind| kind.eq_ignore_ascii_case("Guest"));
    draft.read("guest", guest).flag("enabled", at(item, "accountEnabled")).must(&["member_type"]);
    Some(draft)
}
