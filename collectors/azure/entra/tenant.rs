//! The directory itself: its name, the settings that hold for all of it, its domains and licences, where its logs go.

use evidenced_kit::Out;
use evidenced_model::Scope;
use serde_json::Value;

use super::operations::{AUTHORIZATION_POLICY, DIAGNOSTICS, DOMAINS, ORGANIZATION, SECURITY_DEFAULTS, SKUS};
use super::{DIAGNOSTIC_SETTING, Entra, TENANT};
use crate::draft::{Draft, at, flag, id, items, members, number, text, texts};
use crate::inventory::named;
use crate::session::{Ask, malformed};

const OF_AUTHORIZATION: &[&str] = &[
    "guest_user_role_id",
    "allow_invites_from",
    "users_create_apps",
    "users_create_tenants",
    "users_create_security_groups",
    "users_read_others",
    "consent_policies",
    "email_join",
    "self_service_reset",
];

impl Entra {
    /// The tenant is there whatever can be read of it: it is what we are in.
    pub(super) async fn tenant(&self, scope: &Scope, out: &mut Out) {
        let (found, refusal) = self.list(scope, &ORGANIZATION, "/v1.0/organization").await;
        let mut draft = Draft::new(named(TENANT), scope.account.to_string(), scope.clone(), &ORGANIZATION);
        draft.read("id", scope.account.as_str());
        let own =
            found.iter().find(|one| text(one, "id").is_none_or(|id| id.eq_ignore_ascii_case(scope.account.as_str())));
        let lacking = refusal.or_else(|| own.is_none().then(|| malformed(&ORGANIZATION)));
        match (own, &lacking) {
            (Some(own), None) => {
                draft.text("name", at(own, "displayName")).instant("created", at(own, "createdDateTime"));
                draft.must(&["name"]);
            }
            (_, Some(refusal)) => draft.unread(&["name", "created"], refusal),
            (None, None) => {}
        }
        match self.get(scope, &SECURITY_DEFAULTS, "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy").await {
            Ok(answer) => draft
                .from(&SECURITY_DEFAULTS)
                .flag("security_defaults", at(&answer, "isEnabled"))
                .must(&["security_defaults"]),
            Err(refusal) => draft.unread(&["security_defaults"], &refusal),
        }
        match self.get(scope, &AUTHORIZATION_POLICY, "/v1.0/policies/authorizationPolicy").await {
            Ok(answer) => authorization(&answer, draft.from(&AUTHORIZATION_POLICY)),
            Err(refusal) => draft.unread(OF_AUTHORIZATION, &refusal),
        }
        self.domains(scope, &mut draft).await;
        self.licences(scope, &mut draft).await;
        out.resource(draft.resource).await;
        match lacking {
            Some(refusal) => out.gap(TENANT, refusal).await,
            None => out.complete(TENANT).await,
        }
    }

    async fn domains(&self, scope: &Scope, draft: &mut Draft) {
        let (found, refusal) = self.list(scope, &DOMAINS, "/v1.0/domains").await;
        if let Some(refusal) = refusal {
            draft.unread(&["domains"], &refusal);
            return;
        }
        let mut domains: Vec<Value> = found.iter().map(domain).collect();
        domains.sort_by_cached_key(|domain| domain["name"].to_string());
        draft.read("domains", domains);
    }

    async fn licences(&self, scope: &Scope, draft: &mut Draft) {
        let (found, refusal) = self.list(scope, &SKUS, "/v1.0/subscribedSkus").await;
        if let Some(refusal) = refusal {
            draft.unread(&["licences"], &refusal);
            return;
        }
        // In grace a licence still works.
        let valid = |sku: &&Value| matches!(text(sku, "capabilityStatus"), Some("Enabled" | "Warning"));
        draft.from(&SKUS).derive("licences", || {
            let plans = found.iter().filter(valid).flat_map(|sku| items(sku, "servicePlans"));
            let on = plans.filter(|plan| text(plan, "provisioningStatus") != Some("Disabled"));
            let mut names = on.map(|plan| text(plan, "servicePlanName")).collect::<Option<Vec<_>>>()?;
            names.sort_unstable();
            names.dedup();
            Some(names)
        });
    }

    /// Where the directory's logs go: an extension of Resource Manager at the tenant.
    pub(super) async fn diagnostics(&self, scope: &Scope, out: &mut Out) {
        let ask = Ask::manager("/providers/microsoft.aadiam/diagnosticSettings?api-version=2017-04-01");
        let (found, refusal) = self.session.list(scope, &DIAGNOSTICS, &ask).await;
        let drafts = found.iter().map(|item| setting(scope, item)).collect();
        Self::write(DIAGNOSTIC_SETTING, &DIAGNOSTICS, drafts, refusal, out).await;
    }
}

fn authorization(answer: &Value, draft: &mut Draft) {
    // One object by the reference; some tenants answer with a list of one.
    let answer = at(answer, "value").and_then(|list| list.get(0)).unwrap_or(answer);
    let role = |name: &str| at(answer, &format!("defaultUserRolePermissions.{name}"));
    draft
        .text("guest_user_role_id", at(answer, "guestUserRoleId"))
        .text("allow_invites_from", at(answer, "allowInvitesFrom"));
    draft
        .flag("users_create_apps", role("allowedToCreateApps"))
        .flag("users_create_tenants", role("allowedToCreateTenants"));
    draft.flag("users_create_security_groups", role("allowedToCreateSecurityGroups"));
    draft.flag("users_read_others", role("allowedToReadOtherUsers"));
    if role("permissionGrantPoliciesAssigned").is_some() {
        draft.derive("consent_policies", || {
            let mut policies = texts(answer, "defaultUserRolePermissions.permissionGrantPoliciesAssigned");
            policies.sort_unstable();
            Some(policies)
        });
    } else {
        draft.absent("consent_policies");
    }
    draft.flag("email_join", at(answer, "allowEmailVerifiedUsersToJoinOrganization"));
    draft.flag("self_service_reset", at(answer, "allowedToUseSSPR"));
    draft.must(&[
        "guest_user_role_id",
        "allow_invites_from",
        "users_create_apps",
        "users_create_security_groups",
        "users_read_others",
        "consent_policies",
    ]);
}

fn domain(item: &Value) -> Value {
    members([
        ("name", text(item, "id").map(Value::from)),
        ("verified", flag(item, "isVerified").map(Value::from)),
        ("default", flag(item, "isDefault").map(Value::from)),
        ("authentication", text(item, "authenticationType").map(Value::from)),
        ("password_validity_days", number(item, "passwordValidityPeriodInDays").map(Value::from)),
    ])
}

fn setting(scope: &Scope, item: &Value) -> Option<Draft> {
    let own = id(text(item, "id")?);
    let mut draft = Draft::new(named(DIAGNOSTIC_SETTING), own.clone(), scope.clone(), &DIAGNOSTICS);
    draft.read("id", own).text("name", at(item, "name"));
    draft.list("logs", at(item, "properties.logs"), |log| {
        let lower =
            |name: &str| text(log, name).filter(|text| !text.is_empty()).map(|text| Value::from(text.to_lowercase()));
        let on = flag(log, "enabled")?;
        Some(members([
            ("category", lower("category")),
            ("category_group", lower("categoryGroup")),
            ("enabled", Some(Value::from(on))),
        ]))
    });
    draft
        .id("workspace_id", at(item, "properties.workspaceId"))
        .id("storage_account_id", at(item, "properties.storageAccountId"));
    draft.id("event_hub_rule_id", at(item, "properties.eventHubAuthorizationRuleId"));
    draft.id("partner_id", at(item, "properties.marketplacePartnerId"));
    draft.must(&["name", "logs"]);
    Some(draft)
}
