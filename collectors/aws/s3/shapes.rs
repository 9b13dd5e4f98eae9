//! From the SDK's types to the fields of a bucket: plain JSON, names of our own, nothing that names a person.

use aws_sdk_s3::types::{
    BucketVersioningStatus, ExpirationStatus, Grant, LifecycleRule, ObjectLockConfiguration, ObjectLockEnabled,
    ReplicationRule, ReplicationRuleStatus, ServerSideEncryptionRule, Tag,
};
use evidenced_model::{Refusal, Resource};
use serde_json::{Map, Value, json};

use crate::values::instant;

/// The four parts of a block, in the order in which they are written.
pub(super) const BLOCK: [&str; 4] =
    ["block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets"];

/// Writes a block of public access. A part that was never set is off, and so are all where there is no block.
pub(super) fn block(resource: &mut Resource, configured: &str, told: Result<(bool, [Option<bool>; 4]), Refusal>) {
    match told {
        Ok((there, parts)) => {
            resource.read(configured, there);
            for (name, part) in BLOCK.into_iter().zip(parts) {
                resource.read(name, part.unwrap_or(false));
            }
        }
        Err(refusal) => {
            resource.unread(configured, &refusal);
            for name in BLOCK {
                resource.unread(name, &refusal);
            }
        }
    }
}

/// Grants of an access list: the grantee's group, or its account's canonical id. Names and addresses stay out.
pub(super) fn grants(grants: &[Grant]) -> Value {
    let grant = |grant: &Grant| {
        let grantee = grant.grantee.as_ref();
        let name = grantee.and_then(|grantee| grantee.uri.as_deref().or(grantee.id.as_deref()));
        json!({
            "type": grantee.map(|grantee| grantee.r#type.as_str()),
            "grantee": name,
            "permission": grant.permission.as_ref().map(aws_sdk_s3::types::Permission::as_str),
        })
    };
    grants.iter().map(grant).collect()
}

/// Writes the default encryption but for the resolved key, and returns the key as it was configured.
pub(super) fn encryption(resource: &mut Resource, rules: &[ServerSideEncryptionRule]) -> Option<String> {
    let rule = rules.iter().find(|rule| rule.apply_server_side_encryption_by_default.is_some());
    let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref());
    resource.optional("sse_algorithm", default.map(|default| default.sse_algorithm.as_str()));
    let key = default.and_then(|default| default.kms_master_key_id.clone()).filter(|key| !key.is_empty());
    resource.optional("kms_key", key.as_deref());
    resource.optional("bucket_key", rule.map(|rule| rule.bucket_key_enabled.unwrap_or(false)));
    key
}

/// Writes versioning: nothing at all means that it was never switched on.
pub(super) fn versioning(resource: &mut Resource, status: Option<&BucketVersioningStatus>, mfa_delete: Option<&str>) {
    resource.optional("versioning", status.map(BucketVersioningStatus::as_str));
    resource.optional("mfa_delete", mfa_delete);
}

/// Writes Object Lock and its default retention.
pub(super) fn object_lock(resource: &mut Resource, lock: Option<&ObjectLockConfiguration>) {
    let enabled = lock.is_some_and(|lock| lock.object_lock_enabled == Some(ObjectLockEnabled::Enabled));
    let retention = lock.and_then(|lock| lock.rule.as_ref()).and_then(|rule| rule.default_retention.as_ref());
    let mode = retention.and_then(|retention| retention.mode.as_ref());
    resource.read("object_lock", enabled);
    resource.optional("retention_mode", mode.map(aws_sdk_s3::types::ObjectLockRetentionMode::as_str));
    resource.optional("retention_days", retention.and_then(|retention| retention.days).filter(|days| *days > 0));
    resource.optional("retention_years", retention.and_then(|retention| retention.years).filter(|years| *years > 0));
}

/// Lifecycle rules: what goes away, and when. A rule that only removes delete markers removes nothing that was kept.
pub(super) fn lifecycle(rules: &[LifecycleRule]) -> Value {
    rules.iter().map(lifecycle_rule).collect()
}

fn lifecycle_rule(rule: &LifecycleRule) -> Value {
    let expiration = rule.expiration.as_ref();
    let days = expiration.and_then(|expiration| expiration.days).filter(|days| *days > 0);
    let date = expiration.and_then(|expiration| expiration.date.as_ref()).and_then(instant);
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    let narrowed = rule.filter.as_ref().is_some_and(|filter| {
        filter.tag.is_some()
            || filter.and.is_some()
            || filter.object_size_greater_than.is_some()
            || filter.object_size_less_than.is_some()
    });
    #[expect(deprecated, reason = "old rules still carry their prefix outside of the filter")]
    let prefix = rule.filter.as_ref().and_then(|filter| filter.prefix.as_deref()).or(rule.prefix.as_deref());
    let prefix = prefix.filter(|prefix| !prefix.is_empty());
    let mut shape = Map::new();
    shape.insert("id".into(), rule.id.as_deref().into());
    shape.insert("enabled".into(), (rule.status == ExpirationStatus::Enabled).into());
    shape.insert("expires".into(), (days.is_some() || date.is_some()).into());
    shape.insert("expires_noncurrent".into(), noncurrent.is_some().into());
    shape.insert("whole_bucket".into(), (prefix.is_none() && !narrowed).into());
    let mut add = |name: &str, value: Option<Value>| value.and_then(|value| shape.insert(name.to_owned(), value));
    add("prefix", prefix.map(Into::into));
    add("days", days.map(Into::into));
    add("date", date.map(Into::into));
    add("noncurrent_days", noncurrent.and_then(|noncurrent| noncurrent.noncurrent_days).map(Into::into));
    add("newer_versions", noncurrent.and_then(|noncurrent| noncurrent.newer_noncurrent_versions).map(Into::into));
    Value::Object(shape)
}

/// Replication rules.
pub(super) fn replication(rules: &[ReplicationRule]) -> Value {
    let rule = |rule: &ReplicationRule| {
        json!({
            "id": rule.id,
            "enabled": enabled(rule),
            "destination": rule.destination.as_ref().map(|destination| destination.bucket.as_str()),
        })
    };
    rules.iter().map(rule).collect()
}

/// The names of the buckets that enabled rules copy to, sorted.
pub(super) fn destinations(rules: &[ReplicationRule]) -> Vec<&str> {
    let buckets = rules.iter().filter(|rule| enabled(rule)).filter_map(|rule| rule.destination.as_ref());
    let mut names: Vec<&str> =
        buckets.map(|destination| destination.bucket.rsplit(':').next().unwrap_or(&destination.bucket)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn enabled(rule: &ReplicationRule) -> bool {
    rule.status == ReplicationRuleStatus::Enabled
}

/// Tags by key.
pub(super) fn tags(tags: Vec<Tag>) -> Value {
    Value::Object(tags.into_iter().map(|tag| (tag.key, tag.value.into())).collect())
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{LifecycleExpiration, NoncurrentVersionExpiration};

    use super::*;

    fn rule() -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
        LifecycleRule::builder().id("rule").status(ExpirationStatus::Enabled)
    }

    #[test]
    fn only_expirations_delete() {
        let days = LifecycleExpiration::builder().days(30).build();
        let markers = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
        let noncurrent = NoncurrentVersionExpiration::builder().noncurrent_days(7).build();
        let rules = [
            rule().expiration(days).build().unwrap(),
            rule().expiration(markers).build().unwrap(),
            rule().noncurrent_version_expiration(noncurrent).build().unwrap(),
        ];
        let shaped = lifecycle(&rules);
        let told = |index: usize| (shaped[index]["expires"].clone(), shaped[index]["expires_noncurrent"].clone());
        assert_eq!(told(0), (true.into(), false.into()));
        assert_eq!(told(1), (false.into(), false.into()));
        assert_eq!(told(2), (false.into(), true.into()));
    }
}
