//! What IAM says of the account as a whole: root, the password policy, identity providers.

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{AssignmentStatusType, SummaryKeyType, VirtualMfaDevice};
use evidenced_kit::{Out, Write as _};
use evidenced_model::{Refusal, Resource, Scope};

use super::operations::{
    ACCOUNT_SUMMARY, OIDC_PROVIDERS, ORGANIZATIONS_FEATURES, PASSWORD_POLICY, SAML_PROVIDERS, VIRTUAL_MFA_DEVICES,
};
use super::report::{self, Report};
use super::{ACCOUNT, CERTIFICATE, GROUP, POLICY, ROLE, USER};
use crate::Session;
use crate::values::{kind, malformed, pages};

/// Populations of which the summary holds a count of its own.
const TOTALS: [(&str, SummaryKeyType); 5] = [
    (USER, SummaryKeyType::Users),
    (GROUP, SummaryKeyType::Groups),
    (ROLE, SummaryKeyType::Roles),
    (POLICY, SummaryKeyType::Policies),
    (CERTIFICATE, SummaryKeyType::ServerCertificates),
];

const PASSWORD_FIELDS: &[&str] = &[
    "password_min_length",
    "password_reuse_prevention",
    "password_max_age",
    "password_symbols",
    "password_numbers",
    "password_uppercase",
    "password_lowercase",
    "password_change_allowed",
];

/// To whom policies of AWS are attached that reach far: names, sorted.
#[derive(Default)]
pub(super) struct Holders {
    pub(super) admin_users: Vec<String>,
    pub(super) admin_groups: Vec<String>,
    pub(super) admin_roles: Vec<String>,
    pub(super) cloudshell: Vec<String>,
}

/// The account's resource, but for what the bulk listing adds ([`holders`]).
pub(super) async fn read(
    session: &Session,
    client: &Client,
    scope: &Scope,
    report: &Result<Report, Refusal>,
    out: &mut Out,
) -> Resource {
    let account = session.account().as_str();
    let mut resource = Resource::new(kind(ACCOUNT), account, scope.clone());
    resource.read("account_id", account);
    report::write_account(&mut resource, report);
    let reader = Reader { session, client, scope };
    reader.summary(&mut resource, out).await;
    reader.password_policy(&mut resource).await;
    reader.root_devices(&mut resource).await;
    reader.features(&mut resource).await;
    reader.providers(&mut resource).await;
    resource
}

/// Adds the holders of far-reaching policies, or why they are not known.
pub(super) fn holders(resource: &mut Resource, holders: Holders, refusal: Option<&Refusal>) {
    let lists = [
        ("admin_users", holders.admin_users),
        ("admin_groups", holders.admin_groups),
        ("admin_roles", holders.admin_roles),
        ("cloudshell_holders", holders.cloudshell),
    ];
    for (name, mut names) in lists {
        if let Some(refusal) = refusal {
            resource.unread(name, refusal);
        } else {
            names.sort_unstable();
            names.dedup();
            resource.read(name, names);
        }
    }
}

struct Reader<'a> {
    session: &'a Session,
    client: &'a Client,
    scope: &'a Scope,
}

impl Reader<'_> {
    async fn summary(&self, resource: &mut Resource, out: &mut Out) {
        let attempt = || self.client.get_account_summary().send();
        let answer = self.session.call(self.scope, &ACCOUNT_SUMMARY, attempt).await;
        let summary = answer.and_then(|answer| answer.summary_map.ok_or_else(|| malformed(&ACCOUNT_SUMMARY)));
        let summary = match summary {
            Ok(summary) => summary,
            Err(refusal) => {
                return resource.unread_all(&["root_mfa", "root_password", "root_access_keys"], &refusal);
            }
        };
        let flag = |key: SummaryKeyType| summary.get(&key).map(|count| *count > 0);
        for (name, key) in [
            ("root_mfa", SummaryKeyType::AccountMfaEnabled),
            ("root_access_keys", SummaryKeyType::AccountAccessKeysPresent),
        ] {
            match flag(key) {
                Some(value) => resource.read(name, value),
                None => resource.unread(name, &malformed(&ACCOUNT_SUMMARY)),
            };
        }
        resource.optional("root_password", flag(SummaryKeyType::AccountPasswordPresent));
        for (kind, key) in TOTALS {
            if let Some(count) = summary.get(&key).and_then(|count| u64::try_from(*count).ok()) {
                out.total(kind, ACCOUNT_SUMMARY.call, count).await;
            }
        }
    }

    async fn password_policy(&self, resource: &mut Resource) {
        let attempt = || self.client.get_account_password_policy().send();
        let answer = match self.session.call_optional(self.scope, &PASSWORD_POLICY, attempt).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return resource.absent_all(PASSWORD_FIELDS),
            Err(refusal) => return resource.unread_all(PASSWORD_FIELDS, &refusal),
        };
        let Some(policy) = answer.password_policy else {
            return resource.unread_all(PASSWORD_FIELDS, &malformed(&PASSWORD_POLICY));
        };
        resource.optional("password_min_length", policy.minimum_password_length);
        resource.optional("password_reuse_prevention", policy.password_reuse_prevention.filter(|count| *count > 0));
        resource.optional("password_max_age", policy.max_password_age.filter(|days| *days > 0));
        resource.read("password_symbols", policy.require_symbols);
        resource.read("password_numbers", policy.require_numbers);
        resource.read("password_uppercase", policy.require_uppercase_characters);
        resource.read("password_lowercase", policy.require_lowercase_characters);
        resource.read("password_change_allowed", policy.allow_users_to_change_password);
    }

    /// Root's virtual devices: by the owner's ARN, for a device can have any name.
    async fn root_devices(&self, resource: &mut Resource) {
        let (devices, refusal) = pages(&VIRTUAL_MFA_DEVICES, |marker| async move {
            let attempt = || {
                let ask = self.client.list_virtual_mfa_devices().assignment_status(AssignmentStatusType::Assigned);
                ask.max_items(1000).set_marker(marker.clone()).send()
            };
            let answer = self.session.call(self.scope, &VIRTUAL_MFA_DEVICES, attempt).await?;
            Ok((Some(answer.virtual_mfa_devices), answer.marker))
        })
        .await;
        if let Some(refusal) = refusal {
            resource.unread("root_virtual_mfa_devices", &refusal);
            return;
        }
        let root = format!("arn:{}:iam::{}:root", self.session.partition().as_str(), self.session.account());
        let of_root = |device: &&VirtualMfaDevice| device.user.as_ref().is_some_and(|user| user.arn == root);
        let mut serials: Vec<&str> =
            devices.iter().filter(of_root).map(|device| device.serial_number.as_str()).collect();
        serials.sort_unstable();
        resource.read("root_virtual_mfa_devices", serials);
    }

    async fn features(&self, resource: &mut Resource) {
        let attempt = || self.client.list_organizations_features().send();
        let answer = self.session.call_optional(self.scope, &ORGANIZATIONS_FEATURES, attempt).await;
        let name = "organization_features";
        match answer {
            Ok(answer) => {
                let features = answer.map(|answer| {
                    let mut names: Vec<String> =
                        answer.enabled_features.unwrap_or_default().iter().map(|one| one.as_str().to_owned()).collect();
                    names.sort_unstable();
                    names
                });
                resource.optional(name, features);
            }
            // Without trusted access for IAM in the organisation no feature can be on.
            Err(refusal) if refusal.code.as_deref() == Some("ServiceAccessNotEnabledException") => {
                resource.read(name, Vec::<String>::new());
            }
            Err(refusal) => {
                resource.unread(name, &refusal);
            }
        }
    }

    async fn providers(&self, resource: &mut Resource) {
        let attempt = || self.client.list_saml_providers().send();
        let answer = self.session.call(self.scope, &SAML_PROVIDERS, attempt).await;
        let arns = answer
            .and_then(|answer| answer.saml_provider_list.ok_or_else(|| malformed(&SAML_PROVIDERS)))
            .map(|list| list.into_iter().filter_map(|one| one.arn).collect());
        arn_list(resource, "saml_providers", arns);
        let attempt = || self.client.list_open_id_connect_providers().send();
        let answer = self.session.call(self.scope, &OIDC_PROVIDERS, attempt).await;
        let arns = answer
            .and_then(|answer| answer.open_id_connect_provider_list.ok_or_else(|| malformed(&OIDC_PROVIDERS)))
            .map(|list| list.into_iter().filter_map(|one| one.arn).collect());
        arn_list(resource, "oidc_providers", arns);
    }
}

fn arn_list(resource: &mut Resource, name: &str, arns: Result<Vec<String>, Refusal>) {
    match arns {
        Ok(mut arns) => {
            arns.sort_unstable();
            resource.read(name, arns);
        }
        Err(refusal) => drop(resource.unread(name, &refusal)),
    }
}
