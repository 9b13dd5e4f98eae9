//! One bucket: eleven questions, one more where it has a policy, and what its neighbours tell about it.

use std::future::Future;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{LoggingEnabled, MfaDeleteStatus};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use evidenced_kit::Operation;
use evidenced_model::{Cause, Refusal, Region, Resource, Scope, Unread};

use super::access_points::{self, Delegation};
use super::buckets::Owner;
use super::operations::{
    DESCRIBE_KEY, GET_BUCKET_ACL, GET_BUCKET_ENCRYPTION, GET_BUCKET_LIFECYCLE, GET_BUCKET_LOGGING,
    GET_BUCKET_OWNERSHIP_CONTROLS, GET_BUCKET_POLICY, GET_BUCKET_POLICY_STATUS, GET_BUCKET_REPLICATION,
    GET_BUCKET_TAGGING, GET_BUCKET_VERSIONING, GET_OBJECT_LOCK, GET_PUBLIC_ACCESS_BLOCK, HEAD_BUCKET,
    LIST_ACCESS_POINTS,
};
use super::{BUCKET, Clients, Context, shapes};
use crate::shape::{account_of, document, place};
use crate::values::{instant, kind, malformed};

/// Every field beyond those of the listing.
const ASKED: &[&[&str]] = &[
    POLICY,
    &["grants", "object_ownership", "block_configured"],
    &shapes::BLOCK,
    ENCRYPTION,
    VERSIONING,
    LOGGING,
    &["lifecycle", "tags"],
    LOCK,
    REPLICATION,
];
const POLICY: &[&str] = &["policy", "policy_public", "public_access_points"];
const ENCRYPTION: &[&str] = &["sse_algorithm", "kms_key", "own_kms_key", "bucket_key"];
const VERSIONING: &[&str] = &["versioning", "mfa_delete"];
const LOGGING: &[&str] = &["log_target", "log_prefix"];
const LOCK: &[&str] = &["object_lock", "retention_mode", "retention_days", "retention_years"];
const REPLICATION: &[&str] = &["replication", "replica_regions", "foreign_replica_regions"];

/// What reading a bucket came to.
pub(super) enum Read {
    /// The bucket, with what could and could not be read of it.
    There(Box<Resource>),
    /// It was deleted after the listing.
    Gone(Region),
}

/// Reads one bucket in its own region. Where the region is not known, nobody can be asked.
pub(super) async fn read(context: &Context<'_>, name: &str, created: Option<&DateTime>) -> Read {
    let session = context.session;
    let located = context.regions.get(name);
    let region = located.and_then(|located| located.as_ref().ok()).cloned().unwrap_or_else(Region::unknown);
    let arn = format!("arn:{}:s3:::{name}", session.partition().as_str());
    let mut resource = Resource::new(kind(BUCKET), arn.as_str(), place(session, region));
    resource.read("name", name);
    resource.read("arn", arn);
    resource.optional("created", created.and_then(instant));
    let clients = match located {
        Some(Ok(region)) => context.clients.get(region),
        None => None,
        Some(Err(refusal)) if gone(refusal) => return Read::Gone(Region::unknown()),
        Some(Err(refusal)) => {
            for field in ASKED.iter().copied().flatten() {
                resource.unread(field, refusal);
            }
            None
        }
    };
    let Some(Clients { s3, scope }) = clients else { return Read::There(Box::new(resource)) };
    let mut bucket = Bucket { context, s3, scope, name, resource, gone: false };
    bucket.ask_all().await;
    if bucket.gone { Read::Gone(bucket.resource.scope.region) } else { Read::There(Box::new(bucket.resource)) }
}

/// A bucket that is being read.
struct Bucket<'a> {
    context: &'a Context<'a>,
    s3: &'a Client,
    scope: &'a Scope,
    name: &'a str,
    resource: Resource,
    gone: bool,
}

impl Bucket<'_> {
    async fn ask_all(&mut self) {
        self.policy().await;
        // A bucket that is gone need not be asked ten more times.
        if self.gone {
            return;
        }
        self.access().await;
        self.block().await;
        self.encryption().await;
        self.versions().await;
        self.logging().await;
        self.lifecycle().await;
        self.replication().await;
        self.tags().await;
    }

    async fn policy(&mut self) {
        let (s3, name) = (self.s3, self.name);
        let attempt = || s3.get_bucket_policy().bucket(name).send();
        let Some(answer) = self.ask(&GET_BUCKET_POLICY, POLICY, attempt).await else { return };
        let Some(answer) = answer else {
            for field in POLICY {
                self.resource.absent(field);
            }
            return;
        };
        if let Some(policy) = answer.policy().and_then(document) {
            let delegation = Delegation::of(&policy, self.context.session.account().as_str());
            self.resource.read("policy", policy);
            self.access_points(delegation).await;
        } else {
            let why = malformed(&GET_BUCKET_POLICY);
            self.resource.unread("policy", &why).unread("public_access_points", &why);
        }
        let status = || s3.get_bucket_policy_status().bucket(name).send();
        match self.ask(&GET_BUCKET_POLICY_STATUS, &["policy_public"], status).await {
            Some(Some(answer)) => {
                let public = answer.policy_status.and_then(|status| status.is_public);
                self.required("policy_public", public, &GET_BUCKET_POLICY_STATUS);
            }
            Some(None) => {
                self.resource.absent("policy_public");
            }
            None => {}
        }
    }

    async fn access_points(&mut self, delegation: Delegation) {
        const FIELD: &str = "public_access_points";
        if delegation == Delegation::default() {
            self.resource.absent(FIELD);
            return;
        }
        let session = self.context.session;
        let open = if delegation.own {
            let client = session.s3control(&self.scope.region);
            access_points::open(session, &client, self.scope, self.name).await
        } else {
            Ok(Vec::new())
        };
        match open {
            // One open door decides; with none, those that cannot be seen from here may still be open.
            Ok(names) if names.is_empty() && delegation.foreign => {
                self.resource.unread(FIELD, elsewhere(&LIST_ACCESS_POINTS));
            }
            Ok(names) => {
                self.resource.read(FIELD, names);
            }
            Err(refusal) => {
                self.resource.unread(FIELD, &refusal);
            }
        }
    }

    async fn access(&mut self) {
        let (s3, name) = (self.s3, self.name);
        if let Some(Some(answer)) =
            self.ask(&GET_BUCKET_ACL, &["grants"], || s3.get_bucket_acl().bucket(name).send()).await
        {
            let grants = answer.grants.as_deref().map(shapes::grants);
            self.required("grants", grants, &GET_BUCKET_ACL);
        }
        let attempt = || s3.get_bucket_ownership_controls().bucket(name).send();
        match self.ask(&GET_BUCKET_OWNERSHIP_CONTROLS, &["object_ownership"], attempt).await {
            Some(Some(answer)) => {
                let rules = answer.ownership_controls.map(|controls| controls.rules);
                let first = rules.as_deref().and_then(|rules| rules.first());
                let ownership = first.map(|rule| rule.object_ownership.as_str());
                self.required("object_ownership", ownership, &GET_BUCKET_OWNERSHIP_CONTROLS);
            }
            Some(None) => {
                self.resource.absent("object_ownership");
            }
            None => {}
        }
    }

    async fn block(&mut self) {
        let (s3, name) = (self.s3, self.name);
        let attempt = || s3.get_public_access_block().bucket(name).send();
        let told = match self.ask_plainly(&GET_PUBLIC_ACCESS_BLOCK, attempt).await {
            Ok(Some(answer)) => match answer.public_access_block_configuration {
                Some(block) => Ok((
                    true,
                    [
                        block.block_public_acls,
                        block.ignore_public_acls,
                        block.block_public_policy,
                        block.restrict_public_buckets,
                    ],
                )),
                None => Err(malformed(&GET_PUBLIC_ACCESS_BLOCK)),
            },
            Ok(None) => Ok((false, [None; 4])),
            Err(refusal) => Err(refusal),
        };
        shapes::block(&mut self.resource, "block_configured", told);
    }

    async fn encryption(&mut self) {
        let (s3, name) = (self.s3, self.name);
        let attempt = || s3.get_bucket_encryption().bucket(name).send();
        match self.ask(&GET_BUCKET_ENCRYPTION, ENCRYPTION, attempt).await {
            Some(Some(answer)) => {
                let Some(rules) = answer
                    .server_side_encryption_configuration
                    .map(|told| told.rules)
                    .filter(|rules| !rules.is_empty())
                else {
                    return self.unread_all(ENCRYPTION, &malformed(&GET_BUCKET_ENCRYPTION));
                };
                let key = shapes::encryption(&mut self.resource, &rules);
                self.own_key(key).await;
            }
            Some(None) => self.absent_all(ENCRYPTION),
            None => {}
        }
    }

    /// The key's ARN, if it is this account's: what joins a bucket to its key.
    async fn own_key(&mut self, key: Option<String>) {
        const FIELD: &str = "own_kms_key";
        let session = self.context.session;
        let Some(key) = key else {
            self.resource.absent(FIELD);
            return;
        };
        if account_of(&key).is_some_and(|account| account != session.account().as_str()) {
            self.resource.unread(FIELD, elsewhere(&DESCRIBE_KEY));
        } else if key.starts_with("alias/") || key.contains(":alias/") {
            match self.behind_alias(key).await {
                Ok(arn) => {
                    self.resource.optional(FIELD, arn);
                }
                Err(refusal) => {
                    self.resource.unread(FIELD, &refusal);
                }
            }
        } else if key.starts_with("arn:") {
            self.resource.read(FIELD, key);
        } else {
            // A bare id means a key of the caller's account and the bucket's region.
            let (partition, region) = (session.partition().as_str(), &self.scope.region);
            self.resource.read(FIELD, format!("arn:{partition}:kms:{region}:{}:key/{key}", session.account()));
        }
    }

    async fn behind_alias(&self, alias: String) -> Result<Option<String>, Refusal> {
        let session = self.context.session;
        let mut known = self.context.aliases.lock().await;
        let entry = (self.scope.region.clone(), alias);
        if let Some(answer) = known.get(&entry) {
            return answer.clone();
        }
        let client = session.kms(&self.scope.region);
        let attempt = || client.describe_key().key_id(&entry.1).send();
        let answer = match session.call_optional(self.scope, &DESCRIBE_KEY, attempt).await {
            Ok(Some(answer)) => {
                let arn = answer.key_metadata.and_then(|metadata| metadata.arn);
                arn.map(Some).ok_or_else(|| malformed(&DESCRIBE_KEY))
            }
            Ok(None) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        known.insert(entry, answer.clone());
        answer
    }

    async fn versions(&mut self) {
        let (s3, name) = (self.s3, self.name);
        let attempt = || s3.get_bucket_versioning().bucket(name).send();
        if let Some(Some(answer)) = self.ask(&GET_BUCKET_VERSIONING, VERSIONING, attempt).await {
            let mfa_delete = answer.mfa_delete().map(MfaDeleteStatus::as_str);
            shapes::versioning(&mut self.resource, answer.status(), mfa_delete);
        }
        let attempt = || s3.get_object_lock_configuration().bucket(name).send();
        match self.ask(&GET_OBJECT_LOCK, LOCK, attempt).await {
            Some(Some(answer)) => match &answer.object_lock_configuration {
                Some(lock) if lock.object_lock_enabled.is_some() => shapes::object_lock(&mut self.resource, Some(lock)),
                _ => self.unread_all(LOCK, &malformed(&GET_OBJECT_LOCK)),
            },
            Some(None) => shapes::object_lock(&mut self.resource, None),
            None => {}
        }
    }

    async fn logging(&mut self) {
        let (s3, name) = (self.s3, self.name);
        let attempt = || s3.get_bucket_logging().bucket(name).send();
        if let Some(Some(answer)) = self.ask(&GET_BUCKET_LOGGING, LOGGING, attempt).await {
            let logging = answer.logging_enabled();
            self.resource.optional("log_target", logging.map(LoggingEnabled::target_bucket));
            self.resource.optional("log_prefix", logging.map(LoggingEnabled::target_prefix));
        }
    }

    async fn lifecycle(&mut self) {
        let (s3, name) = (self.s3, self.name);
        let attempt = || s3.get_bucket_lifecycle_configuration().bucket(name).send();
        match self.ask(&GET_BUCKET_LIFECYCLE, &["lifecycle"], attempt).await {
            Some(Some(answer)) => {
                let rules = answer.rules.as_deref().map(shapes::lifecycle);
                self.required("lifecycle", rules, &GET_BUCKET_LIFECYCLE);
            }
            Some(None) => {
                self.resource.absent("lifecycle");
            }
            None => {}
        }
    }

    async fn replication(&mut self) {
        let (s3, name) = (self.s3, self.name);
        let attempt = || s3.get_bucket_replication().bucket(name).send();
        match self.ask(&GET_BUCKET_REPLICATION, REPLICATION, attempt).await {
            Some(Some(answer)) => {
                let Some(rules) =
                    answer.replication_configuration.map(|told| told.rules).filter(|rules| !rules.is_empty())
                else {
                    return self.unread_all(REPLICATION, &malformed(&GET_BUCKET_REPLICATION));
                };
                self.resource.read("replication", shapes::replication(&rules));
                self.replicas(&shapes::destinations(&rules)).await;
            }
            Some(None) => self.absent_all(REPLICATION),
            None => {}
        }
    }

    /// Where the copies go: our own buckets' regions are listed, of foreign ones S3 may tell the region.
    async fn replicas(&mut self, names: &[&str]) {
        let (mut own, mut foreign) = (Ok(Vec::new()), Ok(Vec::new()));
        for name in names {
            let (side, region) = match self.context.regions.get(*name) {
                Some(region) => (&mut own, region.clone().map(Some).map_err(|refusal| Unread::from(&refusal))),
                None => (&mut foreign, self.foreign_region(name).await),
            };
            match (side.as_mut(), region) {
                (Ok(regions), Ok(region)) => regions.extend(region.map(|region| region.to_string())),
                (Ok(_), Err(unread)) => *side = Err(unread),
                (Err(_), _) => {}
            }
        }
        if foreign.as_ref().is_ok_and(Vec::is_empty) {
            self.resource.absent("foreign_replica_regions");
        } else {
            self.regions("foreign_replica_regions", foreign);
        }
        self.regions("replica_regions", own);
    }

    /// `None` where there is no such bucket: nothing is copied there.
    async fn foreign_region(&self, name: &str) -> Result<Option<Region>, Unread> {
        match self.context.buckets.owner(name).await {
            Ok(Owner::Foreign(Some(region))) => Ok(Some(region)),
            Ok(Owner::Nobody) => Ok(None),
            Ok(Owner::Foreign(None) | Owner::Own) => Err(elsewhere(&HEAD_BUCKET)),
            Err(refusal) => Err(Unread::from(&refusal)),
        }
    }

    fn regions(&mut self, field: &str, told: Result<Vec<String>, Unread>) {
        match told {
            Ok(mut regions) => {
                regions.sort();
                regions.dedup();
                self.resource.read(field, regions);
            }
            Err(unread) => {
                self.resource.unread(field, unread);
            }
        }
    }

    async fn tags(&mut self) {
        let (s3, name) = (self.s3, self.name);
        let attempt = || s3.get_bucket_tagging().bucket(name).send();
        match self.ask(&GET_BUCKET_TAGGING, &["tags"], attempt).await {
            Some(Some(answer)) => {
                self.resource.read("tags", shapes::tags(answer.tag_set));
            }
            Some(None) => {
                self.resource.absent("tags");
            }
            None => {}
        }
    }

    /// Asks; a refusal is written to the fields that the answer would have told, and gives `None`.
    async fn ask<T, E, F>(
        &mut self,
        operation: &'static Operation,
        fields: &[&str],
        attempt: impl Fn() -> F,
    ) -> Option<Option<T>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        match self.ask_plainly(operation, attempt).await {
            Ok(answer) => Some(answer),
            Err(refusal) => {
                self.unread_all(fields, &refusal);
                None
            }
        }
    }

    async fn ask_plainly<T, E, F>(
        &mut self,
        operation: &'static Operation,
        attempt: impl Fn() -> F,
    ) -> Result<Option<T>, Refusal>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let answer = self.context.session.call_optional(self.scope, operation, attempt).await;
        self.gone |= answer.as_ref().err().is_some_and(gone);
        answer
    }

    fn required(&mut self, field: &str, value: Option<impl Into<serde_json::Value>>, operation: &Operation) {
        match value {
            Some(value) => self.resource.read(field, value),
            None => self.resource.unread(field, &malformed(operation)),
        };
    }

    fn unread_all(&mut self, fields: &[&str], why: &Refusal) {
        for field in fields {
            self.resource.unread(field, why);
        }
    }

    fn absent_all(&mut self, fields: &[&str]) {
        for field in fields {
            self.resource.absent(field);
        }
    }
}

fn gone(refusal: &Refusal) -> bool {
    refusal.code.as_deref() == Some("NoSuchBucket")
}

/// Something of another account, which this account's run does not look into.
fn elsewhere(operation: &Operation) -> Unread {
    Unread { call: Some(operation.call.to_owned()), cause: Cause::Skipped, permission: None }
}
