//! The S3 and S3 Control operations: permissions, which are often named otherwise, and what "there is none" looks like.
//!
//! Source: the error codes of each operation in the Amazon S3 API reference; the permissions in "Actions, resources,
//! and condition keys for Amazon S3" of the Service Authorization Reference.

use evidenced_kit::{Operation, Per};

use super::BUCKET;

pub(crate) static LIST_BUCKETS: Operation =
    Operation { call: "s3:ListBuckets", permission: "s3:ListAllMyBuckets", absent: &[], per: Per::Page(1000) };
pub(super) static GET_BUCKET_LOCATION: Operation = on_demand("s3:GetBucketLocation", "s3:GetBucketLocation", &[]);
pub(crate) static HEAD_BUCKET: Operation =
    on_demand("s3:HeadBucket", "s3:ListBucket", &["NotFound", "NoSuchBucket", "Http404"]);
pub(super) static GET_BUCKET_POLICY: Operation =
    each("s3:GetBucketPolicy", "s3:GetBucketPolicy", &["NoSuchBucketPolicy"]);
pub(super) static GET_BUCKET_POLICY_STATUS: Operation =
    on_demand("s3:GetBucketPolicyStatus", "s3:GetBucketPolicyStatus", &["NoSuchBucketPolicy"]);
pub(super) static GET_BUCKET_ACL: Operation = each("s3:GetBucketAcl", "s3:GetBucketAcl", &[]);
pub(super) static GET_BUCKET_OWNERSHIP_CONTROLS: Operation =
    each("s3:GetBucketOwnershipControls", "s3:GetBucketOwnershipControls", &["OwnershipControlsNotFoundError"]);
pub(super) static GET_PUBLIC_ACCESS_BLOCK: Operation =
    each("s3:GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock", &["NoSuchPublicAccessBlockConfiguration"]);
pub(super) static GET_BUCKET_ENCRYPTION: Operation = each(
    "s3:GetBucketEncryption",
    "s3:GetEncryptionConfiguration",
    &["ServerSideEncryptionConfigurationNotFoundError"],
);
pub(super) static GET_BUCKET_VERSIONING: Operation = each("s3:GetBucketVersioning", "s3:GetBucketVersioning", &[]);
pub(super) static GET_BUCKET_LOGGING: Operation = each("s3:GetBucketLogging", "s3:GetBucketLogging", &[]);
pub(super) static GET_BUCKET_LIFECYCLE: Operation =
    each("s3:GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration", &["NoSuchLifecycleConfiguration"]);
pub(super) static GET_OBJECT_LOCK: Operation = each(
    "s3:GetObjectLockConfiguration",
    "s3:GetBucketObjectLockConfiguration",
    &["ObjectLockConfigurationNotFoundError"],
);
pub(super) static GET_BUCKET_REPLICATION: Operation =
    each("s3:GetBucketReplication", "s3:GetReplicationConfiguration", &["ReplicationConfigurationNotFoundError"]);
pub(super) static GET_BUCKET_TAGGING: Operation =
    each("s3:GetBucketTagging", "s3:GetBucketTagging", &["NoSuchTagSet", "NoSuchTagSetError"]);
/// Only for default keys that are named by an alias.
pub(super) static DESCRIBE_KEY: Operation = on_demand("kms:DescribeKey", "kms:DescribeKey", &["NotFoundException"]);

pub(super) static GET_ACCOUNT_BLOCK: Operation = Operation {
    call: "s3control:GetPublicAccessBlock",
    permission: "s3:GetAccountPublicAccessBlock",
    absent: &["NoSuchPublicAccessBlockConfiguration"],
    per: Per::Start,
};
pub(super) static LIST_ACCESS_POINTS: Operation = on_demand("s3control:ListAccessPoints", "s3:ListAccessPoints", &[]);
pub(super) static GET_ACCESS_POINT: Operation = on_demand("s3control:GetAccessPoint", "s3:GetAccessPoint", &[]);
pub(super) static GET_ACCESS_POINT_POLICY_STATUS: Operation = on_demand(
    "s3control:GetAccessPointPolicyStatus",
    "s3:GetAccessPointPolicyStatus",
    &["NoSuchAccessPointPolicy", "NoSuchAccessPoint"],
);

pub(super) static ALL: &[&Operation] = &[
    &LIST_BUCKETS,
    &GET_BUCKET_LOCATION,
    &HEAD_BUCKET,
    &GET_BUCKET_POLICY,
    &GET_BUCKET_POLICY_STATUS,
    &GET_BUCKET_ACL,
    &GET_BUCKET_OWNERSHIP_CONTROLS,
    &GET_PUBLIC_ACCESS_BLOCK,
    &GET_BUCKET_ENCRYPTION,
    &GET_BUCKET_VERSIONING,
    &GET_BUCKET_LOGGING,
    &GET_BUCKET_LIFECYCLE,
    &GET_OBJECT_LOCK,
    &GET_BUCKET_REPLICATION,
    &GET_BUCKET_TAGGING,
    &DESCRIBE_KEY,
    &GET_ACCOUNT_BLOCK,
    &LIST_ACCESS_POINTS,
    &GET_ACCESS_POINT,
    &GET_ACCESS_POINT_POLICY_STATUS,
];

const fn each(call: &'static str, permission: &'static str, absent: &'static [&'static str]) -> Operation {
    Operation { call, permission, absent, per: Per::Resource(BUCKET) }
}

const fn on_demand(call: &'static str, permission: &'static str, absent: &'static [&'static str]) -> Operation {
    Operation { call, permission, absent, per: Per::Demand }
}
