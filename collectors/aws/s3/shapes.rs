//! From S3's answers to the fields of a bucket: plain JSON, names of our own, nothing that names a person.
//!
//! Members and which of them an answer must have: the operations' "Response Elements" in the Amazon S3 API reference.

use evidenced_model::{Field, Refusal, Resource};
use roxmltree::Node;
use serde_json::{Map, Value, json};

use crate::values::instant_of_text;

/// What an answer told, by field; `None` where it lacks what it must have.
pub(super) type Told = Option<Fields>;

/// Fields by name.
pub(super) type Fields = Vec<(&'static str, Field)>;

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
pub(super) fn grants(root: Node<'_, '_>) -> Told {
    const TYPE: (&str, &str) = ("http://www.w3.org/2001/XMLSchema-instance", "type");
    let grants = children(child(root, "AccessControlList")?, "Grant").map(|grant| {
        let grantee = child(grant, "Grantee");
        let name = grantee.and_then(|grantee| text(grantee, "URI").or_else(|| text(grantee, "ID")));
        json!({
            "type": grantee.and_then(|grantee| grantee.attribute(TYPE)),
            "grantee": name,
            "permission": text(grant, "Permission"),
        })
    });
    Some(vec![("grants", Field::Read(grants.collect()))])
}

/// Who owns new objects.
pub(super) fn ownership(root: Node<'_, '_>) -> Told {
    Some(vec![("object_ownership", read(text(child(root, "Rule")?, "ObjectOwnership")?))])
}

/// The bucket's own block of public access.
pub(super) fn own_block(root: Node<'_, '_>) -> Told {
    const MEMBERS: [&str; 4] = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
    let mut told = vec![("block_configured", read(true))];
    for (field, member) in BLOCK.into_iter().zip(MEMBERS) {
        told.push((field, read(flag(root, member)?.unwrap_or(false))));
    }
    Some(told)
}

/// A bucket without a block of its own: all four parts are off.
pub(super) fn no_block() -> Fields {
    let parts = BLOCK.into_iter().map(|field| (field, read(false)));
    std::iter::once(("block_configured", read(false))).chain(parts).collect()
}

/// The default encryption, with its key as it was configured.
pub(super) fn encryption(root: Node<'_, '_>) -> Told {
    let mut rules = children(root, "Rule").peekable();
    rules.peek()?;
    let Some(rule) = rules.find(|rule| child(*rule, "ApplyServerSideEncryptionByDefault").is_some()) else {
        return Some(["sse_algorithm", "kms_key", "bucket_key"].map(|field| (field, Field::Absent)).into());
    };
    let default = child(rule, "ApplyServerSideEncryptionByDefault")?;
    let key = text(default, "KMSMasterKeyID").filter(|key| !key.is_empty());
    Some(vec![
        ("sse_algorithm", read(text(default, "SSEAlgorithm")?)),
        ("kms_key", optional(key)),
        ("bucket_key", read(flag(rule, "BucketKeyEnabled")?.unwrap_or(false))),
    ])
}

/// Versioning: nothing at all means that it was never switched on.
#[expect(clippy::unnecessary_wraps, reason = "one of many that can lack something")]
pub(super) fn versioning(root: Node<'_, '_>) -> Told {
    Some(vec![("versioning", optional(text(root, "Status"))), ("mfa_delete", optional(text(root, "MfaDelete")))])
}

/// Object Lock and its default retention.
pub(super) fn object_lock(root: Node<'_, '_>) -> Told {
    let enabled = text(root, "ObjectLockEnabled")? == "Enabled";
    let retention = child(root, "Rule").and_then(|rule| child(rule, "DefaultRetention"));
    let length = |member: &str| match retention {
        Some(retention) => number(retention, member).map(|told| told.filter(|length| *length > 0)),
        None => Some(None),
    };
    Some(vec![
        ("object_lock", read(enabled)),
        ("retention_mode", optional(retention.and_then(|retention| text(retention, "Mode")))),
        ("retention_days", optional(length("Days")?)),
        ("retention_years", optional(length("Years")?)),
    ])
}

/// A bucket without Object Lock.
pub(super) fn no_lock() -> Fields {
    let rest = ["retention_mode", "retention_days", "retention_years"].map(|field| (field, Field::Absent));
    std::iter::once(("object_lock", read(false))).chain(rest).collect()
}

/// Where access logs go.
pub(super) fn logging(root: Node<'_, '_>) -> Told {
    let Some(enabled) = child(root, "LoggingEnabled") else {
        return Some(vec![("log_target", Field::Absent), ("log_prefix", Field::Absent)]);
    };
    Some(vec![
        ("log_target", read(text(enabled, "TargetBucket")?)),
        ("log_prefix", read(text(enabled, "TargetPrefix")?)),
    ])
}

/// Whether S3 calls the policy public.
pub(super) fn policy_status(root: Node<'_, '_>) -> Told {
    Some(vec![("policy_public", read(flag(root, "IsPublic")??))])
}

/// Lifecycle rules: what goes away, and when. A rule that only removes delete markers removes nothing that was kept.
pub(super) fn lifecycle(root: Node<'_, '_>) -> Told {
    let rules: Option<Vec<Value>> = children(root, "Rule").map(lifecycle_rule).collect();
    let rules = rules.filter(|rules| !rules.is_empty())?;
    Some(vec![("lifecycle", read(rules))])
}

fn lifecycle_rule(rule: Node<'_, '_>) -> Option<Value> {
    let within = |name: &str, member: &str| child(rule, name).map_or(Some(None), |part| number(part, member));
    let days = within("Expiration", "Days")?.filter(|days| *days > 0);
    let date = child(rule, "Expiration").and_then(|expiration| text(expiration, "Date")).and_then(instant_of_text);
    let noncurrent = child(rule, "NoncurrentVersionExpiration");
    let filter = child(rule, "Filter");
    let narrowed = filter.is_some_and(|filter| {
        ["Tag", "And", "ObjectSizeGreaterThan", "ObjectSizeLessThan"].iter().any(|name| child(filter, name).is_some())
    });
    // Old rules still carry their prefix outside of the filter.
    let prefix = filter.and_then(|filter| text(filter, "Prefix")).or_else(|| text(rule, "Prefix"));
    let prefix = prefix.filter(|prefix| !prefix.is_empty());
    let mut shape = Map::new();
    shape.insert("id".into(), text(rule, "ID").into());
    shape.insert("enabled".into(), (text(rule, "Status")? == "Enabled").into());
    shape.insert("expires".into(), (days.is_some() || date.is_some()).into());
    shape.insert("expires_noncurrent".into(), noncurrent.is_some().into());
    shape.insert("whole_bucket".into(), (prefix.is_none() && !narrowed).into());
    let mut add = |name: &str, value: Option<Value>| value.and_then(|value| shape.insert(name.to_owned(), value));
    add("prefix", prefix.map(Into::into));
    add("days", days.map(Into::into));
    add("date", date.map(Into::into));
    add("noncurrent_days", within("NoncurrentVersionExpiration", "NoncurrentDays")?.map(Into::into));
    add("newer_versions", within("NoncurrentVersionExpiration", "NewerNoncurrentVersions")?.map(Into::into));
    Some(Value::Object(shape))
}

/// Replication rules.
pub(super) fn replication(root: Node<'_, '_>) -> Told {
    let rules: Option<Vec<Value>> = children(root, "Rule")
        .map(|rule| {
            Some(json!({
                "id": text(rule, "ID"),
                "enabled": text(rule, "Status")? == "Enabled",
                "destination": text(child(rule, "Destination")?, "Bucket")?,
            }))
        })
        .collect();
    let rules = rules.filter(|rules| !rules.is_empty())?;
    Some(vec![("replication", read(rules))])
}

/// The names of the buckets that enabled rules copy to, sorted.
pub(super) fn destinations(rules: &Value) -> Vec<String> {
    let enabled = rules.as_array().into_iter().flatten().filter(|rule| rule["enabled"] == true);
    let mut names: Vec<String> = enabled
        .filter_map(|rule| rule["destination"].as_str())
        .map(|bucket| bucket.rsplit(':').next().unwrap_or(bucket).to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Tags by key.
pub(super) fn tags(root: Node<'_, '_>) -> Told {
    let tags: Option<Map<String, Value>> = children(child(root, "TagSet")?, "Tag")
        .map(|tag| Some((text(tag, "Key")?.to_owned(), text(tag, "Value")?.into())))
        .collect();
    Some(vec![("tags", Field::Read(Value::Object(tags?)))])
}

fn read(value: impl Into<Value>) -> Field {
    Field::Read(value.into())
}

fn optional<V: Into<Value>>(value: Option<V>) -> Field {
    value.map_or(Field::Absent, read)
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

/// Elements of this name, in whatever namespace.
fn children<'a, 'i, 'n>(node: Node<'a, 'i>, name: &'n str) -> impl Iterator<Item = Node<'a, 'i>> + use<'a, 'i, 'n> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

/// The text of a member; empty where it is there and holds nothing.
fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name).map(|child| child.text().unwrap_or_default())
}

/// A member that is true or false, if it is there; `None` where it is something else.
#[expect(clippy::option_option, reason = "not told, told and told wrongly are three things")]
fn flag(node: Node<'_, '_>, name: &str) -> Option<Option<bool>> {
    text(node, name).map(|told| told.trim().to_ascii_lowercase().parse().ok()).map_or(Some(None), |told| told.map(Some))
}

/// A member that is a whole number, if it is there; `None` where it is something else.
#[expect(clippy::option_option, reason = "not told, told and told wrongly are three things")]
fn number(node: Node<'_, '_>, name: &str) -> Option<Option<i64>> {
    text(node, name).map(|told| told.trim().parse().ok()).map_or(Some(None), |told| told.map(Some))
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;

    fn told(shape: fn(Node<'_, '_>) -> Told, xml: &str) -> Option<Value> {
        let document = Document::parse(xml).unwrap();
        let value = |field: Field| match field {
            Field::Read(value) => value,
            Field::Absent => Value::Null,
            Field::Unread(why) => panic!("{why:?}"),
        };
        let told = shape(document.root_element())?;
        Some(told.into_iter().map(|(name, field)| (name.to_owned(), value(field))).collect())
    }

    #[test]
    fn only_expirations_delete() {
        let rule = |inner: &str| format!("<Rule><ID>r</ID><Filter/><Status>Enabled</Status>{inner}</Rule>");
        let xml = format!(
            "<L xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>{}{}{}</L>",
            rule("<Expiration><Days>30</Days></Expiration>"),
            rule("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"),
            rule("<NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration>"),
        );
        let shaped = told(lifecycle, &xml).unwrap()["lifecycle"].take();
        let of = |index: usize| (shaped[index]["expires"].clone(), shaped[index]["expires_noncurrent"].clone());
        assert_eq!(of(0), (true.into(), false.into()));
        assert_eq!(of(1), (false.into(), false.into()));
        assert_eq!(of(2), (false.into(), true.into()));
        assert_eq!(shaped[2]["noncurrent_days"], 7);
    }

    #[test]
    fn what_an_answer_must_have_is_missed() {
        for (shape, xml) in [
            (grants as fn(Node<'_, '_>) -> Told, "<A><Owner/></A>"),
            (ownership, "<O><Rule/></O>"),
            (own_block, "<P><BlockPublicAcls>perhaps</BlockPublicAcls></P>"),
            (encryption, "<S/>"),
            (encryption, "<S><Rule><ApplyServerSideEncryptionByDefault/></Rule></S>"),
            (object_lock, "<O/>"),
            (logging, "<B><LoggingEnabled/></B>"),
            (logging, "<B><LoggingEnabled><TargetBucket>b</TargetBucket></LoggingEnabled></B>"),
            (policy_status, "<P/>"),
            (lifecycle, "<L><Rule><ID>r</ID></Rule></L>"),
            (lifecycle, "<L><Rule><Status>Enabled</Status><Expiration><Days>x</Days></Expiration></Rule></L>"),
            (lifecycle, "<L/>"),
            (replication, "<R/>"),
            (replication, "<R><Rule><Status>Enabled</Status></Rule></R>"),
            (tags, "<T/>"),
            (tags, "<T><TagSet><Tag><Key>k</Key></Tag></TagSet></T>"),
        ] {
            assert_eq!(told(shape, xml), None, "{xml}");
        }
    }

    #[test]
    fn what_may_be_missing_is_absent_or_off() {
        assert_eq!(told(versioning, "<V/>"), Some(json!({"versioning": null, "mfa_delete": null})));
        assert_eq!(told(logging, "<B/>"), Some(json!({"log_target": null, "log_prefix": null})));
        assert_eq!(told(tags, "<T><TagSet/></T>"), Some(json!({"tags": {}})));
        assert_eq!(told(grants, "<A><AccessControlList/></A>"), Some(json!({"grants": []})));
        let block = told(own_block, "<P><BlockPublicAcls>TRUE</BlockPublicAcls></P>").unwrap();
        assert_eq!((&block["block_public_acls"], &block["block_public_policy"]), (&json!(true), &json!(false)));
        let rule = "<S><Rule><BucketKeyEnabled>true</BucketKeyEnabled></Rule></S>";
        assert_eq!(told(encryption, rule), Some(json!({"sse_algorithm": null, "kms_key": null, "bucket_key": null})));
    }
}
