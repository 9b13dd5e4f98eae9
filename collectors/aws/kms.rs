//! KMS: the keys of one region, their policies and rotation, and the names that point at them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::types::{GrantListEntry, KeyManagerType, KeyMetadata, KeySpec, MultiRegionKeyType, OriginType};
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach};
use evidenced_model::{Refusal, Resource, Scope};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use crate::Session;
use crate::shape::document;
use crate::values::{Requires, instant, kind, malformed};

const KEY: &str = "aws.kms.key";

static LIST_KEYS: Operation = listed("kms:ListKeys", 1000);
static LIST_ALIASES: Operation = listed("kms:ListAliases", 100);
static DESCRIBE_KEY: Operation = each("kms:DescribeKey");
static GET_KEY_POLICY: Operation = each("kms:GetKeyPolicy");
/// Only for keys that can rotate by themselves.
static GET_KEY_ROTATION_STATUS: Operation = each("kms:GetKeyRotationStatus");
static LIST_GRANTS: Operation =
    Operation { call: "kms:ListGrants", permission: "kms:ListGrants", absent: &[], per: Per::Demand };

const fn listed(call: &'static str, page: u32) -> Operation {
    Operation { call, permission: call, absent: &[], per: Per::Page(page) }
}

const fn each(call: &'static str) -> Operation {
    Operation { call, permission: call, absent: &[], per: Per::Resource(KEY) }
}

/// What the KMS collector reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.kms",
    title: "KMS keys, their policies, rotation and names",
    kinds: &[KEY],
    reach: Reach::Region,
    operations: &[&LIST_KEYS, &LIST_ALIASES, &DESCRIBE_KEY, &GET_KEY_POLICY, &GET_KEY_ROTATION_STATUS, &LIST_GRANTS],
};

/// Keys read at once.
const CONCURRENT: usize = 8;

const DESCRIBED: &[&str] = &[
    "manager",
    "state",
    "spec",
    "usage",
    "origin",
    "multi_region",
    "primary",
    "created",
    "deletes_at",
    "material_expires",
];
const ROTATION: &[&str] = &["rotates", "rotation_days"];

/// Reads the keys of one region.
pub(crate) struct Kms {
    session: Arc<Session>,
}

/// Names by key id, or why they could not be read.
type Aliases = Result<BTreeMap<String, Vec<String>>, Refusal>;

impl Kms {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    /// Ids and ARNs, and why the listing was refused or broke off.
    async fn keys(&self, client: &Client, scope: &Scope) -> (Vec<(String, String)>, Option<Refusal>) {
        let (mut keys, mut marker) = (Vec::new(), None);
        loop {
            let attempt = || client.list_keys().limit(1000).set_marker(marker.clone()).send();
            let page = match self.session.call(scope, &LIST_KEYS, attempt).await {
                Ok(page) => page,
                Err(refusal) => return (keys, Some(refusal)),
            };
            let Some(entries) = page.keys else { return (keys, Some(malformed(&LIST_KEYS))) };
            keys.extend(entries.into_iter().filter_map(|entry| entry.key_id.zip(entry.key_arn)));
            marker = page.next_marker;
            if !page.truncated || marker.is_none() {
                return (keys, None);
            }
        }
    }

    async fn aliases(&self, client: &Client, scope: &Scope) -> Aliases {
        let (mut aliases, mut marker) = (BTreeMap::<String, Vec<String>>::new(), None);
        loop {
            let attempt = || client.list_aliases().limit(100).set_marker(marker.clone()).send();
            let page = self.session.call(scope, &LIST_ALIASES, attempt).await?;
            for entry in page.aliases.ok_or_else(|| malformed(&LIST_ALIASES))? {
                if let (Some(key), Some(name)) = (entry.target_key_id, entry.alias_name) {
                    aliases.entry(key).or_default().push(name);
                }
            }
            marker = page.next_marker;
            if !page.truncated || marker.is_none() {
                for names in aliases.values_mut() {
                    names.sort();
                }
                return Ok(aliases);
            }
        }
    }

    /// Reads one key; `None` if it was deleted after the listing.
    async fn read(
        &self,
        client: &Client,
        scope: &Scope,
        aliases: &Aliases,
        grants: bool,
        key: &(String, String),
    ) -> Option<Resource> {
        let (id, arn) = key;
        let mut resource = Resource::new(kind(KEY), arn.as_str(), scope.clone());
        resource.read("arn", arn.as_str());
        match aliases {
            Ok(aliases) => resource.read("aliases", aliases.get(id).cloned().unwrap_or_default()),
            Err(refusal) => resource.unread("aliases", refusal),
        };
        let attempt = || client.describe_key().key_id(arn).send();
        let described = self.session.call(scope, &DESCRIBE_KEY, attempt).await;
        let described = described.and_then(|answer| answer.key_metadata.ok_or_else(|| malformed(&DESCRIBE_KEY)));
        match described {
            Ok(metadata) => {
                describe(&mut resource, &metadata);
                self.rotation(client, scope, arn, &metadata, &mut resource).await;
            }
            Err(refusal) if refusal.code.as_deref() == Some("NotFoundException") => return None,
            Err(refusal) => {
                // Whether the key could rotate at all is not known either.
                unread(&mut resource, DESCRIBED, &refusal);
                unread(&mut resource, ROTATION, &refusal);
            }
        }
        self.policy(client, scope, arn, &mut resource).await;
        if grants {
            self.grants(client, scope, arn, &mut resource).await;
        }
        Some(resource)
    }

    async fn rotation(
        &self,
        client: &Client,
        scope: &Scope,
        arn: &str,
        metadata: &KeyMetadata,
        resource: &mut Resource,
    ) {
        if !can_rotate(metadata) {
            for field in ROTATION {
                resource.absent(field);
            }
            return;
        }
        let attempt = || {
            let asked = client.get_key_rotation_status().key_id(arn).customize();
            asked.interceptor(Requires("KeyRotationEnabled")).send()
        };
        match self.session.call(scope, &GET_KEY_ROTATION_STATUS, attempt).await {
            Ok(answer) => {
                resource.read("rotates", answer.key_rotation_enabled);
                resource.optional("rotation_days", answer.rotation_period_in_days);
            }
            Err(refusal) => unread(resource, ROTATION, &refusal),
        }
    }

    async fn policy(&self, client: &Client, scope: &Scope, arn: &str, resource: &mut Resource) {
        let attempt = || client.get_key_policy().key_id(arn).policy_name("default").send();
        match self.session.call(scope, &GET_KEY_POLICY, attempt).await {
            Ok(answer) => match answer.policy.as_deref().and_then(document) {
                Some(policy) => resource.read("policy", policy),
                None => resource.unread("policy", &malformed(&GET_KEY_POLICY)),
            },
            Err(refusal) => resource.unread("policy", &refusal),
        };
    }

    async fn grants(&self, client: &Client, scope: &Scope, arn: &str, resource: &mut Resource) {
        let (mut grants, mut marker) = (Vec::new(), None);
        loop {
            let attempt = || client.list_grants().key_id(arn).limit(100).set_marker(marker.clone()).send();
            let page = match self.session.call(scope, &LIST_GRANTS, attempt).await {
                Ok(page) => page,
                Err(refusal) => return unread(resource, &["grants"], &refusal),
            };
            let Some(entries) = page.grants else { return unread(resource, &["grants"], &malformed(&LIST_GRANTS)) };
            grants.extend(entries.iter().map(grant));
            marker = page.next_marker;
            if !page.truncated || marker.is_none() {
                break;
            }
        }
        grants.sort_by_cached_key(Value::to_string);
        resource.read("grants", grants);
    }
}

#[async_trait]
impl Collector for Kms {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let client = self.session.kms(&scope.region);
        let (keys, refusal) = self.keys(&client, scope).await;
        // Names without keys tell nothing.
        let aliases = if keys.is_empty() { Ok(BTreeMap::new()) } else { self.aliases(&client, scope).await };
        let grants = out.wants(KEY, "grants");
        let (mut waiting, mut reading) = (keys.iter(), FuturesUnordered::new());
        loop {
            while reading.len() < CONCURRENT
                && let Some(key) = waiting.next()
            {
                reading.push(self.read(&client, scope, &aliases, grants, key));
            }
            match reading.next().await {
                Some(Some(resource)) => out.resource(resource).await,
                Some(None) => out.vanished(KEY, &scope.region).await,
                None => break,
            }
        }
        match refusal {
            Some(refusal) => out.gap(KEY, refusal).await,
            None => out.complete(KEY).await,
        }
    }
}

fn describe(resource: &mut Resource, metadata: &KeyMetadata) {
    let mut required = |field: &str, value: Option<Value>| {
        match value {
            Some(value) => resource.read(field, value),
            None => resource.unread(field, &malformed(&DESCRIBE_KEY)),
        };
    };
    required("manager", metadata.key_manager.as_ref().map(|value| value.as_str().into()));
    required("state", metadata.key_state.as_ref().map(|value| value.as_str().into()));
    required("spec", metadata.key_spec.as_ref().map(|value| value.as_str().into()));
    required("origin", metadata.origin.as_ref().map(|value| value.as_str().into()));
    required("created", metadata.creation_date.as_ref().and_then(instant).map(Into::into));
    let set = metadata.multi_region_configuration.as_ref();
    let primary = set.and_then(|set| match set.multi_region_key_type {
        Some(MultiRegionKeyType::Primary) => metadata.arn.clone(),
        _ => set.primary_key.as_ref().and_then(|key| key.arn.clone()),
    });
    resource.optional("usage", metadata.key_usage.as_ref().map(aws_sdk_kms::types::KeyUsageType::as_str));
    resource.read("multi_region", metadata.multi_region.unwrap_or(false));
    resource.optional("primary", primary);
    resource.optional("deletes_at", metadata.deletion_date.as_ref().and_then(instant));
    resource.optional("material_expires", metadata.valid_to.as_ref().and_then(instant));
}

/// Whether KMS rotates keys of this type by itself, if asked. Those that AWS manages it rotates unasked.
fn can_rotate(metadata: &KeyMetadata) -> bool {
    metadata.key_manager == Some(KeyManagerType::Customer)
        && metadata.key_spec == Some(KeySpec::SymmetricDefault)
        && metadata.origin == Some(OriginType::AwsKms)
}

/// A grant, without its name and its token.
fn grant(entry: &GrantListEntry) -> Value {
    let mut operations: Vec<&str> = entry.operations().iter().map(aws_sdk_kms::types::GrantOperation::as_str).collect();
    operations.sort_unstable();
    json!({
        "id": entry.grant_id,
        "grantee": entry.grantee_principal.as_ref().or(entry.grantee_service_principal.as_ref()),
        "retiring": entry.retiring_principal.as_ref().or(entry.retiring_service_principal.as_ref()),
        "issuer": entry.issuing_account,
        "operations": operations,
    })
}

fn unread(resource: &mut Resource, fields: &[&str], why: &Refusal) {
    for field in fields {
        resource.unread(field, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_symmetric_keys_of_our_own_with_material_of_kms_rotate() {
        let key = |manager, spec, origin| {
            KeyMetadata::builder().key_id("1").key_manager(manager).key_spec(spec).origin(origin).build().unwrap()
        };
        let customer = || KeyManagerType::Customer;
        assert!(can_rotate(&key(customer(), KeySpec::SymmetricDefault, OriginType::AwsKms)));
        assert!(!can_rotate(&key(KeyManagerType::Aws, KeySpec::SymmetricDefault, OriginType::AwsKms)));
        assert!(!can_rotate(&key(customer(), KeySpec::Rsa2048, OriginType::AwsKms)));
        assert!(!can_rotate(&key(customer(), KeySpec::SymmetricDefault, OriginType::External)));
    }
}
