//! One bucket: eleven questions, one more where it has a policy, and what its neighbours tell about it.

use aws_smithy_types::DateTime;
use evidenced_kit::Operation;
use evidenced_model::{Cause, Field, Refusal, Region, Resource, Scope, Unread};
use roxmltree::{Document, Node};

use super::access_points::{self, Delegation};
use super::buckets::Owner;
use super::operations::{
    DESCRIBE_KEY, GET_BUCKET_ACL, GET_BUCKET_ENCRYPTION, GET_BUCKET_LIFECYCLE, GET_BUCKET_LOGGING,
    GET_BUCKET_OWNERSHIP_CONTROLS, GET_BUCKET_POLICY, GET_BUCKET_POLICY_STATUS, GET_BUCKET_REPLICATION,
    GET_BUCKET_TAGGING, GET_BUCKET_VERSIONING, GET_OBJECT_LOCK, GET_PUBLIC_ACCESS_BLOCK, HEAD_BUCKET,
    LIST_ACCESS_POINTS,
};
use super::shapes::{Fields, Told};
use super::wire::{Host, malformed as garbled};
use super::{BUCKET, Context, shapes};
use crate::shape::{account_of, document, place};
use crate::values::{instant, kind, malformed};

/// One question about a bucket that is answered in XML.
struct Question {
    operation: &'static Operation,
    /// What stands behind the question mark.
    subresource: &'static str,
    /// The name of the answer's root.
    root: &'static str,
    /// What the answer tells; unread where there is none.
    fields: &'static [&'static str],
    /// What an answer says.
    shape: fn(Node<'_, '_>) -> Told,
    /// What it means that there is none, where that is more than that the fields are absent.
    none: Option<fn() -> Fields>,
}

const POLICY: &[&str] = &["policy", "policy_public", "public_access_points"];
const STATUS: Question =
    ask(&GET_BUCKET_POLICY_STATUS, "policyStatus", "PolicyStatus", &["policy_public"], shapes::policy_status);
const BLOCK: &[&str] =
    &["block_configured", "block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets"];
const ENCRYPTION: &[&str] = &["sse_algorithm", "kms_key", "own_kms_key", "bucket_key"];
const LOCK: &[&str] = &["object_lock", "retention_mode", "retention_days", "retention_years"];
const REPLICATION: &[&str] = &["replication", "replica_regions", "foreign_replica_regions"];

/// The questions that every bucket is asked, beside the one for its policy.
const QUESTIONS: [Question; 10] = [
    ask(&GET_BUCKET_ACL, "acl", "AccessControlPolicy", &["grants"], shapes::grants),
    ask(
        &GET_BUCKET_OWNERSHIP_CONTROLS,
        "ownershipControls",
        "OwnershipControls",
        &["object_ownership"],
        shapes::ownership,
    ),
    Question {
        none: Some(shapes::no_block),
        ..ask(&GET_PUBLIC_ACCESS_BLOCK, "publicAccessBlock", "PublicAccessBlockConfiguration", BLOCK, shapes::own_block)
    },
    ask(&GET_BUCKET_ENCRYPTION, "encryption", "ServerSideEncryptionConfiguration", ENCRYPTION, shapes::encryption),
    ask(
        &GET_BUCKET_VERSIONING,
        "versioning",
        "VersioningConfiguration",
        &["versioning", "mfa_delete"],
        shapes::versioning,
    ),
    Question {
        none: Some(shapes::no_lock),
        ..ask(&GET_OBJECT_LOCK, "object-lock", "ObjectLockConfiguration", LOCK, shapes::object_lock)
    },
    ask(&GET_BUCKET_LOGGING, "logging", "BucketLoggingStatus", &["log_target", "log_prefix"], shapes::logging),
    ask(&GET_BUCKET_LIFECYCLE, "lifecycle", "LifecycleConfiguration", &["lifecycle"], shapes::lifecycle),
    ask(&GET_BUCKET_REPLICATION, "replication", "ReplicationConfiguration", REPLICATION, shapes::replication),
    ask(&GET_BUCKET_TAGGING, "tagging", "Tagging", &["tags"], shapes::tags),
];

const fn ask(
    operation: &'static Operation,
    subresource: &'static str,
    root: &'static str,
    fields: &'static [&'static str],
    shape: fn(Node<'_, '_>) -> Told,
) -> Question {
    Question { operation, subresource, root, fields, shape, none: None }
}

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
    let scope = place(session, region);
    let mut resource = Resource::new(kind(BUCKET), arn.as_str(), scope.clone());
    resource.read("name", name);
    resource.read("arn", arn);
    resource.optional("created", created.and_then(instant));
    let region = match located {
        Some(Ok(region)) => region,
        None => return Read::There(Box::new(resource)),
        Some(Err(refusal)) if gone(refusal) => return Read::Gone(Region::unknown()),
        Some(Err(refusal)) => {
            for field in QUESTIONS.iter().flat_map(|question| question.fields).chain(POLICY) {
                resource.unread(field, refusal);
            }
            return Read::There(Box::new(resource));
        }
    };
    let host = session.wire().host(name, region).await;
    let mut bucket = Bucket { context, scope: &scope, name, host, resource, gone: false };
    bucket.ask_all().await;
    if bucket.gone { Read::Gone(scope.region) } else { Read::There(Box::new(bucket.resource)) }
}

/// A bucket that is being read.
struct Bucket<'a> {
    context: &'a Context<'a>,
    scope: &'a Scope,
    name: &'a str,
    host: Result<Host, evidenced_kit::Failure>,
    resource: Resource,
    gone: bool,
}

impl Bucket<'_> {
    async fn ask_all(&mut self) {
        self.policy().await;
        for question in &QUESTIONS {
            // A bucket that is gone need not be asked ten more times.
            if self.gone {
                return;
            }
            self.ask(question).await;
        }
        self.own_key().await;
        self.replicas().await;
    }

    async fn policy(&mut self) {
        let answer = self.call(&GET_BUCKET_POLICY, "policy", Ok).await;
        let body = match answer {
            Ok(Some(body)) => body,
            Ok(None) => {
                for field in POLICY {
                    self.resource.absent(field);
                }
                return;
            }
            Err(refusal) => return self.unread_all(POLICY, &refusal),
        };
        if let Some(policy) = std::str::from_utf8(&body).ok().and_then(document) {
            let delegation = Delegation::of(&policy, self.context.session.account().as_str());
            self.resource.read("policy", policy);
            self.access_points(delegation).await;
        } else {
            self.unread_all(&["policy", "public_access_points"], &malformed(&GET_BUCKET_POLICY));
        }
        self.ask(&STATUS).await;
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

    /// The key's ARN, if it is this account's: what joins a bucket to its key.
    async fn own_key(&mut self) {
        const FIELD: &str = "own_kms_key";
        let session = self.context.session;
        let key = match self.resource.field("kms_key") {
            Field::Read(key) => key.as_str().unwrap_or_default().to_owned(),
            Field::Absent => {
                self.resource.absent(FIELD);
                return;
            }
            // Written where the question was refused.
            Field::Unread(_) => return,
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

    /// Where the copies go: our own buckets' regions are listed, of foreign ones S3 may tell the region.
    async fn replicas(&mut self) {
        let Field::Read(rules) = self.resource.field("replication") else { return };
        let names = shapes::destinations(rules);
        let (mut own, mut foreign) = (Ok(Vec::new()), Ok(Vec::new()));
        for name in names {
            let (side, region) = match self.context.regions.get(name.as_str()) {
                Some(region) => (&mut own, region.clone().map(Some).map_err(|refusal| Unread::from(&refusal))),
                None => (&mut foreign, self.foreign_region(&name).await),
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

    /// Asks; what is told, or why nothing is, is written to the question's fields.
    async fn ask(&mut self, question: &Question) {
        let answer = self
            .call(question.operation, question.subresource, |body| {
                let text = std::str::from_utf8(&body).map_err(|_| garbled(true))?;
                let document = Document::parse(text).map_err(|_| garbled(true))?;
                let root = document.root_element();
                if root.tag_name().name() != question.root {
                    return Err(garbled(true));
                }
                (question.shape)(root).ok_or_else(|| garbled(false))
            })
            .await;
        let told = match (answer, question.none) {
            (Ok(Some(told)), _) => told,
            (Ok(None), Some(none)) => none(),
            (Ok(None), None) => question.fields.iter().map(|field| (*field, Field::Absent)).collect(),
            (Err(refusal), _) => return self.unread_all(question.fields, &refusal),
        };
        for (field, told) in told {
            self.resource.fields.insert(field.to_owned(), told);
        }
    }

    async fn call<T>(
        &mut self,
        operation: &'static Operation,
        subresource: &str,
        parse: impl Fn(Vec<u8>) -> Result<T, evidenced_kit::Failure>,
    ) -> Result<Option<T>, Refusal> {
        let session = self.context.session;
        let (host, parse) = (&self.host, &parse);
        let attempt = || async move {
            let host = host.as_ref().map_err(Clone::clone)?;
            parse(session.wire().get(host, subresource, session.now()).await?)
        };
        let answer = session.ask(self.scope, operation, attempt).await;
        self.gone |= answer.as_ref().err().is_some_and(gone);
        answer
    }

    fn unread_all(&mut self, fields: &[&str], why: &Refusal) {
        for field in fields {
            self.resource.unread(field, why);
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
