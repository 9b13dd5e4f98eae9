//! The bulk listing: users, groups, roles and policies, a page at a time.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::types::{EntityType, GroupDetail, ManagedPolicyDetail, RoleDetail, UserDetail};
use evidenced_kit::{Operation, Out, Write as _};
use evidenced_model::{Cause, Field, Refusal, Resource, Scope, Unread};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::account::Holders;
use super::credential_report::Told;
use super::operations::{ACCESS_KEYS, AUTHORIZATION_DETAILS, MFA_DEVICES};
use super::report::{Report, write_user};
use super::{GROUP, INLINE_POLICY, POLICY, ROLE, USER, shapes};
use crate::Session;
use crate::values::{instant, kind, malformed, pages};

/// Users asked about at once, where something asks about each.
const CONCURRENT: usize = 16;

/// What only the bulk listing tells of a user.
const BULK_FIELDS: &[&str] = &["path", "user_id", "tags", "groups", "managed_policies", "inline_policies", "boundary"];

/// What the listing came to.
pub(super) struct Listed {
    /// Who holds far-reaching policies of AWS.
    pub(super) holders: Holders,
    /// Why it broke off.
    pub(super) refusal: Option<Refusal>,
}

/// Reads the listing to its end and writes its resources. Where it breaks off, the credential report still names users.
pub(super) async fn read(
    session: &Session,
    client: &Client,
    scope: &Scope,
    report: &Result<Report, Refusal>,
    out: &mut Out,
) -> Listed {
    let mut lister = Lister {
        session,
        client,
        scope,
        report,
        holders: Holders::default(),
        seen: BTreeSet::new(),
        documents: out.wants(ROLE, "documents").then(Documents::default),
        lost: false,
    };
    let mut marker: Option<String> = None;
    let refusal = loop {
        let page = match lister.page(marker.as_deref()).await {
            Ok(page) => page,
            Err(refusal) => break Some(refusal),
        };
        let next = page.marker.clone();
        let truncated = page.is_truncated;
        lister.write(page, out).await;
        match (truncated, next) {
            (false, _) => break None,
            (true, Some(next)) if Some(&next) != marker.as_ref() => marker = Some(next),
            (true, _) => break Some(malformed(&AUTHORIZATION_DETAILS)),
        }
    };
    let refusal = refusal.or_else(|| lister.lost.then(|| malformed(&AUTHORIZATION_DETAILS)));
    lister.waiting_roles(refusal.as_ref(), out).await;
    if let Some(refusal) = &refusal {
        lister.users_of_report(refusal, out).await;
    }
    for kind in [USER, GROUP, ROLE, POLICY, INLINE_POLICY] {
        match &refusal {
            Some(refusal) => out.gap(kind, refusal.clone()).await,
            None => out.complete(kind).await,
        }
    }
    Listed { holders: lister.holders, refusal }
}

struct Lister<'a> {
    session: &'a Session,
    client: &'a Client,
    scope: &'a Scope,
    report: &'a Result<Report, Refusal>,
    holders: Holders,
    seen: BTreeSet<String>,
    /// Where somebody wants the documents of roles: they are complete only at the listing's end.
    documents: Option<Documents>,
    /// The listing holds something without a name.
    lost: bool,
}

/// Documents of managed policies, and the roles that wait for them with those of their inline policies.
#[derive(Default)]
struct Documents {
    managed: BTreeMap<String, Option<Value>>,
    roles: Vec<Waiting>,
}

/// A role, the ARNs of its managed policies, and the documents of its inline ones if they could be read.
type Waiting = (Resource, Vec<String>, Option<Vec<Value>>);

impl Lister<'_> {
    async fn page(&self, marker: Option<&str>) -> Result<GetAccountAuthorizationDetailsOutput, Refusal> {
        let attempt = || {
            let mut ask = self.client.get_account_authorization_details().max_items(1000);
            for entity in [EntityType::User, EntityType::Group, EntityType::Role, EntityType::LocalManagedPolicy] {
                ask = ask.filter(entity);
            }
            ask.set_marker(marker.map(ToOwned::to_owned)).send()
        };
        self.session.call(self.scope, &AUTHORIZATION_DETAILS, attempt).await
    }

    async fn write(&mut self, page: GetAccountAuthorizationDetailsOutput, out: &mut Out) {
        self.users(&page.user_detail_list.unwrap_or_default(), out).await;
        self.groups(&page.group_detail_list.unwrap_or_default(), out).await;
        self.policies(&page.policies.unwrap_or_default(), out).await;
        self.roles(&page.role_detail_list.unwrap_or_default(), out).await;
    }

    async fn users(&mut self, users: &[UserDetail], out: &mut Out) {
        let mut shaped = Vec::with_capacity(users.len());
        for user in users {
            let Some(mut resource) = shapes::user(user, self.scope) else {
                self.lost = true;
                continue;
            };
            let arn = resource.id.clone();
            write_user(&mut resource, self.report, &arn, user.create_date.as_ref());
            let name = user.user_name.as_deref().unwrap_or_default();
            hold(&mut self.holders.admin_users, &mut self.holders.cloudshell, name, user.attached_managed_policies());
            self.lost |= user.user_policy_list().iter().any(|policy| policy.policy_name.is_none());
            for policy in shapes::inline_policies(&resource.id, "user", user.user_policy_list(), self.scope) {
                out.resource(policy).await;
            }
            self.seen.insert(arn);
            shaped.push((resource, name.to_owned()));
        }
        self.ask_each(shaped, out).await;
    }

    async fn groups(&mut self, groups: &[GroupDetail], out: &mut Out) {
        for group in groups {
            let Some(resource) = shapes::group(group, self.scope) else {
                self.lost = true;
                continue;
            };
            let name = group.group_name.as_deref().unwrap_or_default();
            hold(&mut self.holders.admin_groups, &mut self.holders.cloudshell, name, group.attached_managed_policies());
            self.lost |= group.group_policy_list().iter().any(|policy| policy.policy_name.is_none());
            for policy in shapes::inline_policies(&resource.id, "group", group.group_policy_list(), self.scope) {
                out.resource(policy).await;
            }
            out.resource(resource).await;
        }
    }

    async fn roles(&mut self, roles: &[RoleDetail], out: &mut Out) {
        for role in roles {
            let Some(mut resource) = shapes::role(role, self.scope) else {
                self.lost = true;
                continue;
            };
            let name = role.role_name.as_deref().unwrap_or_default();
            let attached = role.attached_managed_policies();
            hold(&mut self.holders.admin_roles, &mut self.holders.cloudshell, name, attached);
            self.lost |= role.role_policy_list().iter().any(|policy| policy.policy_name.is_none());
            for policy in shapes::inline_policies(&resource.id, "role", role.role_policy_list(), self.scope) {
                out.resource(policy).await;
            }
            if let Some(documents) = &mut self.documents {
                let arns = shapes::arns(attached).into_iter().map(ToOwned::to_owned).collect();
                documents.roles.push((resource, arns, shapes::documents(role.role_policy_list())));
            } else {
                resource.unread("documents", skipped(&AUTHORIZATION_DETAILS));
                out.resource(resource).await;
            }
        }
    }

    async fn policies(&mut self, policies: &[ManagedPolicyDetail], out: &mut Out) {
        for policy in policies {
            let Some(resource) = shapes::managed_policy(policy, self.scope) else {
                self.lost = true;
                continue;
            };
            if let Some(documents) = &mut self.documents {
                let document =
                    if let Field::Read(document) = resource.field("document") { Some(document.clone()) } else { None };
                documents.managed.insert(resource.id.clone(), document);
            }
            out.resource(resource).await;
        }
    }

    /// Writes the roles that wait for the documents of their managed policies. Those of AWS are not among them.
    async fn waiting_roles(&mut self, refusal: Option<&Refusal>, out: &mut Out) {
        let Some(Documents { managed, roles }) = self.documents.take() else { return };
        for (mut resource, attached, inline) in roles {
            let own = attached.into_iter().filter(|arn| !arn.contains(":iam::aws:policy/"));
            let found: Option<Vec<Value>> =
                own.map(|arn| managed.get(&arn)?.as_ref().map(|document| shapes::document(&arn, document))).collect();
            match (refusal, inline, found) {
                (Some(refusal), ..) => drop(resource.unread("documents", refusal)),
                (None, Some(mut documents), Some(found)) => {
                    documents.extend(found);
                    resource.read("documents", documents);
                }
                _ => drop(resource.unread("documents", &malformed(&AUTHORIZATION_DETAILS))),
            }
            out.resource(resource).await;
        }
    }

    /// Users that the report names and the listing does not.
    async fn users_of_report(&mut self, refusal: &Refusal, out: &mut Out) {
        let Ok(report) = self.report else { return };
        let rest = report.rows.users.values().filter(|row| !self.seen.contains(&row.arn));
        let users = rest.map(|row| {
            let mut resource = Resource::new(kind(USER), row.arn.clone(), self.scope.clone());
            resource.read("arn", row.arn.as_str()).read("name", row.user.as_str());
            match row.created {
                Told::This(created) => resource.read("created", created.to_string()),
                _ => resource.unread("created", refusal),
            };
            resource.unread_all(BULK_FIELDS, refusal);
            write_user(&mut resource, self.report, &row.arn, None);
            (resource, row.user.clone())
        });
        let users = users.collect();
        self.ask_each(users, out).await;
    }

    /// Asks for each user what somebody wants of each, and writes the users.
    async fn ask_each(&self, users: Vec<(Resource, String)>, out: &mut Out) {
        let keys = out.wants(USER, "access_keys");
        let devices = out.wants(USER, "mfa_devices");
        let mut asking = futures::stream::iter(users)
            .map(|(resource, name)| self.ask(resource, name, keys, devices))
            .buffer_unordered(CONCURRENT);
        while let Some(answer) = asking.next().await {
            match answer {
                Some(resource) => out.resource(resource).await,
                None => out.vanished(USER, &self.scope.region).await,
            }
        }
    }

    /// `None` if the user is gone.
    async fn ask(&self, mut resource: Resource, name: String, keys: bool, devices: bool) -> Option<Resource> {
        let name = name.as_str();
        if keys {
            let (found, refusal) = pages(&ACCESS_KEYS, |marker| async move {
                let attempt = || self.client.list_access_keys().user_name(name).set_marker(marker.clone()).send();
                let answer = self.session.call_optional(self.scope, &ACCESS_KEYS, attempt).await?;
                Ok(answer.map_or((Some(vec![None]), None), |answer| {
                    (Some(answer.access_key_metadata.into_iter().map(Some).collect()), answer.marker)
                }))
            })
            .await;
            let shape = |key: aws_sdk_iam::types::AccessKeyMetadata| {
                let status = key.status.as_ref().map(aws_sdk_iam::types::StatusType::as_str);
                json!({ "id": key.access_key_id, "status": status, "created": key.create_date.as_ref().and_then(instant) })
            };
            write_list(&mut resource, "access_keys", found, refusal, shape)?;
        } else {
            resource.unread("access_keys", skipped(&ACCESS_KEYS));
        }
        if devices {
            let (found, refusal) = pages(&MFA_DEVICES, |marker| async move {
                let attempt = || self.client.list_mfa_devices().user_name(name).set_marker(marker.clone()).send();
                let answer = self.session.call_optional(self.scope, &MFA_DEVICES, attempt).await?;
                Ok(answer.map_or((Some(vec![None]), None), |answer| {
                    (Some(answer.mfa_devices.into_iter().map(Some).collect()), answer.marker)
                }))
            })
            .await;
            let shape = |device: aws_sdk_iam::types::MfaDevice| json!({ "serial": device.serial_number, "enabled": instant(&device.enable_date) });
            write_list(&mut resource, "mfa_devices", found, refusal, shape)?;
        } else {
            resource.unread("mfa_devices", skipped(&MFA_DEVICES));
        }
        Some(resource)
    }
}

/// Writes a list of what was found; `None` among it says that the user is gone.
fn write_list<T>(
    resource: &mut Resource,
    field: &str,
    found: Vec<Option<T>>,
    refusal: Option<Refusal>,
    shape: impl Fn(T) -> Value,
) -> Option<()> {
    match refusal {
        Some(refusal) => resource.unread(field, &refusal),
        None => resource.read(field, found.into_iter().map(|one| one.map(&shape)).collect::<Option<Vec<Value>>>()?),
    };
    Some(())
}

/// Notes who holds `AdministratorAccess` and `AWSCloudShellFullAccess`, in any partition.
fn hold(
    admins: &mut Vec<String>,
    cloudshell: &mut Vec<String>,
    name: &str,
    attached: &[aws_sdk_iam::types::AttachedPolicy],
) {
    for arn in shapes::arns(attached) {
        if arn.ends_with(":iam::aws:policy/AdministratorAccess") {
            admins.push(name.to_owned());
        } else if arn.ends_with(":iam::aws:policy/AWSCloudShellFullAccess") {
            cloudshell.push(name.to_owned());
        }
    }
}

fn skipped(operation: &Operation) -> Unread {
    Unread { call: Some(operation.call.to_owned()), cause: Cause::Skipped, permission: None }
}
