//! From the members of the bulk listing to resources.

use aws_sdk_iam::types::{
    AttachedPermissionsBoundary, AttachedPolicy, GroupDetail, ManagedPolicyDetail, PolicyDetail, RoleDetail, Tag,
    UserDetail,
};
use aws_smithy_types::DateTime;
use evidenced_model::{Resource, Scope};
use serde_json::{Value, json};

use super::operations::AUTHORIZATION_DETAILS;
use super::{GROUP, INLINE_POLICY, POLICY, ROLE, USER};
use crate::policy;
use crate::shape::day;
use crate::values::{instant, kind, malformed};

/// A user; `None` if it has no ARN.
pub(super) fn user(user: &UserDetail, scope: &Scope) -> Option<Resource> {
    let mut resource = named(USER, user.arn.as_deref()?, scope);
    required(&mut resource, "name", user.user_name.as_deref());
    required(&mut resource, "path", user.path.as_deref());
    required(&mut resource, "user_id", user.user_id.as_deref());
    created(&mut resource, "created", user.create_date.as_ref());
    resource.read("tags", tags(user.tags.as_deref()));
    let mut groups: Vec<&str> = user.group_list().iter().map(String::as_str).collect();
    groups.sort_unstable();
    resource.read("groups", groups);
    resource.read("managed_policies", arns(user.attached_managed_policies()));
    resource.read("inline_policies", names(user.user_policy_list()));
    resource.optional("boundary", boundary(user.permissions_boundary.as_ref()));
    Some(resource)
}

/// A group; `None` if it has no ARN.
pub(super) fn group(group: &GroupDetail, scope: &Scope) -> Option<Resource> {
    let mut resource = named(GROUP, group.arn.as_deref()?, scope);
    required(&mut resource, "name", group.group_name.as_deref());
    required(&mut resource, "path", group.path.as_deref());
    created(&mut resource, "created", group.create_date.as_ref());
    resource.read("managed_policies", arns(group.attached_managed_policies()));
    resource.read("inline_policies", names(group.group_policy_list()));
    Some(resource)
}

/// A role, but for its documents; `None` if it has no ARN.
pub(super) fn role(role: &RoleDetail, scope: &Scope) -> Option<Resource> {
    let mut resource = named(ROLE, role.arn.as_deref()?, scope);
    required(&mut resource, "name", role.role_name.as_deref());
    required(&mut resource, "path", role.path.as_deref());
    required(&mut resource, "role_id", role.role_id.as_deref());
    created(&mut resource, "created", role.create_date.as_ref());
    match role.path.as_deref() {
        Some(path) => resource.read("service_linked", path.starts_with("/aws-service-role/")),
        None => resource.unread("service_linked", &malformed(&AUTHORIZATION_DETAILS)),
    };
    match role.assume_role_policy_document.as_deref().and_then(policy::decode) {
        Some(trust) => {
            resource.read("federated", federated(&trust));
            resource.read("trust", trust);
        }
        None => {
            for name in ["federated", "trust"] {
                resource.unread(name, &malformed(&AUTHORIZATION_DETAILS));
            }
        }
    }
    resource.read("managed_policies", arns(role.attached_managed_policies()));
    resource.read("inline_policies", names(role.role_policy_list()));
    resource.optional("boundary", boundary(role.permissions_boundary.as_ref()));
    resource.read("tags", tags(role.tags.as_deref()));
    let used = role.role_last_used.as_ref().and_then(|used| used.last_used_date.as_ref());
    resource.optional("last_used", used.and_then(day));
    Some(resource)
}

/// A customer managed policy; `None` if it has no ARN.
pub(super) fn managed_policy(policy: &ManagedPolicyDetail, scope: &Scope) -> Option<Resource> {
    let mut resource = named(POLICY, policy.arn.as_deref()?, scope);
    required(&mut resource, "name", policy.policy_name.as_deref());
    required(&mut resource, "path", policy.path.as_deref());
    created(&mut resource, "created", policy.create_date.as_ref());
    created(&mut resource, "updated", policy.update_date.as_ref());
    required(&mut resource, "attachments", policy.attachment_count);
    // The count of boundaries is left out where it is none.
    resource.read("boundary_uses", policy.permissions_boundary_usage_count.unwrap_or(0));
    required(&mut resource, "default_version", policy.default_version_id.as_deref());
    let default = policy.policy_version_list().iter().find(|version| version.is_default_version);
    let document = default.and_then(|version| version.document.as_deref()).and_then(policy::decode);
    required(&mut resource, "document", document);
    Some(resource)
}

/// The inline policies of a user, group or role.
pub(super) fn inline_policies<'a>(
    holder: &'a str,
    holder_type: &'a str,
    policies: &'a [PolicyDetail],
    scope: &'a Scope,
) -> impl Iterator<Item = Resource> + 'a {
    policies.iter().filter_map(move |policy| {
        let name = policy.policy_name.as_deref()?;
        let mut resource = Resource::new(kind(INLINE_POLICY), format!("{holder}#{name}"), scope.clone());
        resource.read("name", name);
        resource.read("holder", holder);
        resource.read("holder_type", holder_type);
        required(&mut resource, "document", policy.policy_document.as_deref().and_then(policy::decode));
        Some(resource)
    })
}

/// The documents of inline policies, sorted by name; `None` if one cannot be read.
pub(super) fn documents(policies: &[PolicyDetail]) -> Option<Vec<Value>> {
    let mut policies: Vec<&PolicyDetail> = policies.iter().collect();
    policies.sort_unstable_by_key(|policy| policy.policy_name.as_deref());
    let shape = |policy: &PolicyDetail| {
        Some(document(policy.policy_name.as_deref()?, &policy.policy_document.as_deref().and_then(policy::decode)?))
    };
    policies.into_iter().map(shape).collect()
}

/// A policy's name or ARN with its document.
pub(super) fn document(name: &str, document: &Value) -> Value {
    json!({ "name": name, "document": document })
}

/// The ARNs of attached policies, sorted.
pub(super) fn arns(policies: &[AttachedPolicy]) -> Vec<&str> {
    let mut arns: Vec<&str> = policies.iter().filter_map(|policy| policy.policy_arn.as_deref()).collect();
    arns.sort_unstable();
    arns
}

fn named(what: &'static str, arn: &str, scope: &Scope) -> Resource {
    let mut resource = Resource::new(kind(what), arn, scope.clone());
    resource.read("arn", arn);
    resource
}

fn required<V: Into<Value>>(resource: &mut Resource, name: &str, value: Option<V>) {
    match value {
        Some(value) => resource.read(name, value),
        None => resource.unread(name, &malformed(&AUTHORIZATION_DETAILS)),
    };
}

fn created(resource: &mut Resource, name: &str, time: Option<&DateTime>) {
    required(resource, name, time.and_then(instant));
}

fn names(policies: &[PolicyDetail]) -> Vec<&str> {
    let mut names: Vec<&str> = policies.iter().filter_map(|policy| policy.policy_name.as_deref()).collect();
    names.sort_unstable();
    names
}

fn boundary(boundary: Option<&AttachedPermissionsBoundary>) -> Option<&str> {
    boundary.and_then(|boundary| boundary.permissions_boundary_arn.as_deref())
}

fn tags(tags: Option<&[Tag]>) -> Value {
    Value::Object(tags.unwrap_or_default().iter().map(|tag| (tag.key.clone(), tag.value.as_str().into())).collect())
}

/// The identity providers that Allow statements of a trust policy name, sorted.
fn federated(trust: &Value) -> Vec<&str> {
    let statements = trust.get("Statement").and_then(Value::as_array).into_iter().flatten();
    let allows = statements.filter(|statement| statement.get("Effect").and_then(Value::as_str) == Some("Allow"));
    let lists = allows.filter_map(|statement| statement.get("Principal")?.get("Federated")?.as_array());
    let mut providers: Vec<&str> = lists.flatten().filter_map(Value::as_str).collect();
    providers.sort_unstable();
    providers.dedup();
    providers
}
