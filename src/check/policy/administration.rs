//! Full administrators, and administrators of keys.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Known;
use super::conditions::strip;
use super::glob::{covers, covers_folded};
use super::parse::{Condition, Policy, Set, Statement, Who};
use super::principals::{is_root_of, is_unique_id};

/// Actions and resources that only a pattern for everything covers at once.
const ANY_ACTION: &[&str] = &["iam:CreatePolicyVersion", "s3:DeleteBucket", "x:y"];
const ANY_RESOURCE: &[&str] = &["iam::123456789012:role/r", "s3:::b/k", "ec2:eu-west-1:123456789012:instance/i"];
const PARTITIONS: &[&str] = &["aws", "aws-cn", "aws-us-gov"];

/// Conditions that say under which circumstances an administrator acts, not how far he reaches.
const CIRCUMSTANCES: &[&str] = &[
    "aws:securetransport",
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:currenttime",
    "aws:epochtime",
    "aws:tokenissuetime",
    "aws:useragent",
    "aws:referer",
    "s3:tlsversion",
];

const KEY_ADMINISTRATION: &[&str] = &["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"];
const KEY_USE: &[&str] = &[
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GenerateDataKeyPair",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:Sign",
    "kms:GenerateMac",
];

/// Whether one Allow statement gives every action on every resource.
///
/// `NotAction` counts unless it leaves out IAM, and `NotResource` unless it leaves out roles: who may change IAM may
/// become anything. Conditions on circumstances (MFA, TLS, time) do not make a full administrator a lesser one; other
/// conditions do. Deny statements are not weighed.
pub fn grants_admin(document: &Value) -> Result<bool, String> {
    let policy = Policy::parse(document)?;
    Ok(policy.allows().any(|statement| {
        every_action(&statement.actions)
            && every_resource(&statement.resources)
            && !statement.conditions.iter().any(|condition| restricts(condition, statement))
    }))
}

/// The principals whom a key policy lets both administer and use the key, sorted; the account's own root, which
/// only leaves the matter to IAM, and deleted principals are left out.
pub fn key_admin_users(document: &Value, known: &Known<'_>) -> Result<Vec<String>, String> {
    let policy = Policy::parse(document)?;
    let mut rights: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for statement in policy.allows() {
        let holds = |actions: &[&str]| actions.iter().any(|action| statement.touches_action(action));
        let (administers, uses) = (holds(KEY_ADMINISTRATION), holds(KEY_USE));
        let anyone = statement.names_anyone().then_some("*");
        let named = statement.principals.iter().filter_map(|who| match who {
            Who::Aws(name) if !is_root_of(name, known) && !is_unique_id(name) => Some(*name),
            _ => None,
        });
        for name in named.chain(anyone) {
            let entry = rights.entry(name).or_default();
            entry.0 |= administers;
            entry.1 |= uses;
        }
    }
    let both: BTreeSet<String> =
        rights.into_iter().filter(|(_, rights)| *rights == (true, true)).map(|(name, _)| name.to_owned()).collect();
    Ok(both.into_iter().collect())
}

fn every_action(actions: &Set<'_>) -> bool {
    match actions {
        Set::Only(patterns) => {
            patterns.iter().any(|pattern| ANY_ACTION.iter().all(|action| covers_folded(pattern, action)))
        }
        Set::AllBut(patterns) => !patterns.iter().any(|pattern| covers_folded(pattern, "iam:*")),
    }
}

fn every_resource(resources: &Set<'_>) -> bool {
    let all = |pattern: &str, samples: &[&str]| {
        PARTITIONS
            .iter()
            .any(|partition| samples.iter().all(|rest| covers(pattern, &format!("arn:{partition}:{rest}"))))
    };
    match resources {
        Set::Only(patterns) => patterns.iter().any(|pattern| all(pattern, ANY_RESOURCE)),
        Set::AllBut(patterns) => !patterns.iter().any(|pattern| all(pattern, &ANY_RESOURCE[..1])),
    }
}

fn restricts(condition: &Condition<'_>, statement: &Statement<'_>) -> bool {
    let (operator, binding) = strip(condition, &statement.conditions);
    let open = |value: &str| {
        value.is_empty() || value.bytes().all(|byte| byte == b'*') || matches!(value, "0.0.0.0/0" | "::/0")
    };
    binding
        && operator != "null"
        && !CIRCUMSTANCES.contains(&condition.key.as_str())
        && !condition.values.is_empty()
        && !condition.values.iter().any(|value| open(value))
}
