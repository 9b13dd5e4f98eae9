//! What the identity may read in a subscription, as Resource Manager says.
//!
//! Resource Graph leaves out, without a word, what the caller may not read. So the actions that the identity was granted
//! are asked for once a subscription, and a kind whose action is not among them is a gap.

use async_trait::async_trait;
use evidenced_kit::{Operation, Per, Rights, Weighed};
use evidenced_model::{Account, Cause, Refusal, glob};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::scopes::claims;
use crate::session::{Api, Ask, Session, malformed, whole};

/// The effective actions of the caller (Authorization REST API, `Permissions`).
pub(crate) static LIST_PERMISSIONS: Operation = Operation {
    call: "authorization:ListPermissions",
    permission: "Microsoft.Authorization/permissions/read",
    absent: &["InvalidResourceType", "NotFound", "ResourceNotFound"],
    per: Per::Start,
};

/// What is known of an identity's rights in a subscription.
#[derive(Debug, Clone)]
pub(crate) enum Allowed {
    /// Each grant: its actions, and what is taken out of them again; in lower case.
    Known(Arc<Vec<Grant>>),
    /// The endpoint does not tell. What is listed then stands on its own.
    Untold,
    /// It could not be read.
    Unread(Refusal),
}

/// One grant of a role.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

impl Allowed {
    /// Why what an operation lists cannot be taken for all there is.
    pub(crate) fn gap(&self, operation: &Operation) -> Option<Refusal> {
        match self {
            Self::Known(grants) if permits(grants, operation.permission) => None,
            Self::Known(_) => Some(Refusal {
                call: operation.call.to_owned(),
                cause: Cause::Denied,
                code: Some("NotAmongThePermissions".into()),
                permission: Some(operation.permission.to_owned()),
            }),
            Self::Untold => None,
            Self::Unread(refusal) => Some(refusal.clone()),
        }
    }
}

fn permits(grants: &[Grant], action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let any = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, &action));
    grants.iter().any(|grant| any(&grant.actions) && !any(&grant.not_actions))
}

/// Asks for the rights of the identity in a subscription.
pub(crate) async fn allowed(session: &Session, subscription: &Account) -> Allowed {
    let path =
        format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01");
    let scope = whole(subscription);
    // A missing endpoint is told apart from an empty list: an identity without any grant may read nothing.
    match session.ask(&scope, &LIST_PERMISSIONS, &Ask::manager(&path)).await {
        Ok(None) => return Allowed::Untold,
        Err(refusal) => return Allowed::Unread(refusal),
        Ok(Some(first)) if first.body.get("nextLink").is_none_or(Value::is_null) => match first.body.get("value") {
            Some(Value::Array(items)) => return Allowed::Known(Arc::new(items.iter().map(grant).collect())),
            _ => return Allowed::Unread(malformed(&LIST_PERMISSIONS)),
        },
        Ok(Some(_)) => {}
    }
    match session.list(&scope, &LIST_PERMISSIONS, &Ask::manager(&path)).await {
        (_, Some(refusal)) => Allowed::Unread(refusal),
        (items, None) => Allowed::Known(Arc::new(items.iter().map(grant).collect())),
    }
}

fn grant(item: &Value) -> Grant {
    let texts = |name: &str| {
        let items = item.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect()
    };
    Grant { actions: texts("actions"), not_actions: texts("notActions") }
}

/// Tells `doctor` what the identity lacks in a subscription.
pub(crate) struct Effective {
    pub(crate) session: Arc<Session>,
    pub(crate) subscription: Account,
}

#[async_trait]
impl Rights for Effective {
    async fn weigh(&self, permissions: &BTreeSet<&'static str>) -> Result<Weighed, Refusal> {
        let mut weighed = match self.session.allowed(&self.subscription).await {
            Allowed::Known(grants) => {
                let lacks = |permission: &&&'static str| !permits(&grants, permission);
                Weighed { lacking: permissions.iter().filter(lacks).copied().collect(), untold: BTreeSet::new() }
            }
            Allowed::Untold => return Err(malformed(&LIST_PERMISSIONS)),
            Allowed::Unread(refusal) => return Err(refusal),
        };
        // Whatever is granted: what Resource Graph does not show is not read.
        match self.session.hidden(&self.subscription) {
            Some(refusal) if refusal.cause == Cause::Denied => {
                weighed.lacking.insert(crate::scopes::SHOWN_SUBSCRIPTIONS.permission);
            }
            Some(refusal) => return Err(refusal),
            None => {}
        }
        Ok(weighed)
    }
}

/// Tells `doctor` which application permissions of Microsoft Graph were consented to: the token names them.
pub(crate) struct Consented {
    pub(crate) session: Arc<Session>,
}

#[async_trait]
impl Rights for Consented {
    async fn weigh(&self, permissions: &BTreeSet<&'static str>) -> Result<Weighed, Refusal> {
        let unreadable = |cause| Refusal { call: "graph:Token".to_owned(), cause, code: None, permission: None };
        let token = self.session.token(Api::Graph).await.map_err(|_| unreadable(Cause::Failed))?;
        let claims = claims(&token).ok_or_else(|| unreadable(Cause::Unsupported))?;
        Ok(consented(&claims, permissions))
    }
}

/// What the claims of a token for Microsoft Graph say of these permissions.
fn consented(claims: &Value, permissions: &BTreeSet<&'static str>) -> Weighed {
    let roles = claims.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    // A person has scopes, not roles; what is behind them is a matter of the person's own roles in the directory.
    let scopes = claims.get("scp").and_then(Value::as_str).unwrap_or_default().split_ascii_whitespace();
    let granted: BTreeSet<&str> = roles.chain(scopes).collect();
    let person = granted.contains("Directory.AccessAsUser.All");
    let mut weighed = Weighed::default();
    for permission in permissions {
        if permission.contains('/') || (person && !covered(&granted, permission)) {
            weighed.untold.insert(permission);
        } else if !covered(&granted, permission) {
            weighed.lacking.insert(permission);
        }
    }
    weighed
}

/// Whether a permission of Microsoft Graph was granted, or one that its reference names as more than that.
fn covered(granted: &BTreeSet<&str>, permission: &str) -> bool {
    const DIRECTORY: &[&str] = &[
        "Application.Read.All",
        "Domain.Read.All",
        "GroupMember.Read.All",
        "Organization.Read.All",
        "RoleManagement.Read.Directory",
        "User.Read.All",
    ];
    let writes = permission.replace(".Read.", ".ReadWrite.");
    granted.contains(permission)
        || granted.contains(writes.as_str())
        || (DIRECTORY.contains(&permission)
            && ["Directory.Read.All", "Directory.ReadWrite.All"].iter().any(|one| granted.contains(one)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_names_what_was_consented_to() {
        let asked =
            BTreeSet::from(["AuditLog.Read.All", "Policy.Read.All", "User.Read.All", "microsoft.aadiam/x/read"]);
        let of = |claims: Value| {
            let Weighed { lacking, untold } = consented(&claims, &asked);
            [lacking, untold].map(|set| set.into_iter().collect::<Vec<_>>().join(" "))
        };
        let tenant = "microsoft.aadiam/x/read".to_owned();
        // What covers more counts, as far as the reference says so.
        let wide = of(json!({"roles": ["Directory.Read.All", "Policy.Read.All"]}));
        assert_eq!(wide, ["AuditLog.Read.All".to_owned(), tenant.clone()]);
        let all = of(json!({"roles": ["AuditLog.Read.All", "Policy.ReadWrite.All", "User.Read.All"]}));
        assert_eq!(all, [String::new(), tenant.clone()]);
        // An application without any permission has a token without roles.
        assert_eq!(of(json!({"appid": "x"})), ["AuditLog.Read.All Policy.Read.All User.Read.All".to_owned(), tenant]);
        // A person may do what the person may do.
        let person = of(json!({"scp": "AuditLog.Read.All Directory.AccessAsUser.All"}));
        assert_eq!(person, [String::new(), "Policy.Read.All User.Read.All microsoft.aadiam/x/read".to_owned()]);
    }

    #[test]
    fn wildcards_and_exceptions_count() {
        let reader = grant(&json!({"actions": ["*/read"], "notActions": []}));
        let narrow = grant(
            &json!({"actions": ["Microsoft.Storage/*"], "notActions": ["Microsoft.Storage/storageAccounts/read"]}),
        );
        let may = |grants: &[Grant], action: &str| permits(grants, action);
        assert!(may(std::slice::from_ref(&reader), "Microsoft.KeyVault/vaults/read"));
        assert!(!may(std::slice::from_ref(&reader), "Microsoft.Web/sites/config/list/action"));
        assert!(!may(std::slice::from_ref(&narrow), "Microsoft.Storage/storageAccounts/read"));
        assert!(may(std::slice::from_ref(&narrow), "microsoft.storage/storageaccounts/blobservices/read"));
        // What one grant takes out, another may give.
        assert!(may(&[reader, narrow], "Microsoft.Storage/storageAccounts/read"));
        assert!(!may(&[], "Microsoft.KeyVault/vaults/read"));
    }
}
