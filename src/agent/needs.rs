//! What collectors need: the permissions of their operations, but for those that only kinds need which are left out.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_check::Library;
use evidenced_kit::{Manifest, Operation};
use evidenced_model::{KindDecl, KindId, Region};
use serde_json::Value;

use crate::plan::excluded;

/// What every one of these targets leaves out (`scopes.excluded`).
pub(crate) fn left_out<'t>(targets: impl Iterator<Item = &'t Value>) -> impl Fn(&KindId) -> bool {
    let targets: Vec<BTreeMap<String, String>> = targets.map(declared).collect();
    move |kind| {
        !targets.is_empty() && targets.iter().all(|reasons| excluded(reasons, kind, &Region::global()).is_some())
    }
}

/// What one target leaves out, by name; it was checked when the config was loaded.
fn declared(target: &Value) -> BTreeMap<String, String> {
    let entries = target.pointer("/scopes/excluded").and_then(Value::as_array);
    let names = entries.into_iter().flatten().filter_map(|entry| {
        let name = ["kind", "service"].iter().find_map(|sort| entry.get(sort)?.as_str())?;
        Some((name.to_owned(), String::new()))
    });
    names.collect()
}

/// The permissions that these collectors ask for. An operation that no kind names serves all of its collector's kinds.
pub(crate) fn permissions<'m>(
    manifests: impl IntoIterator<Item = &'m Manifest>,
    library: &Library,
    left_out: impl Fn(&KindId) -> bool,
) -> BTreeSet<&'static str> {
    let mut needed = BTreeSet::new();
    for manifest in manifests {
        let ids = manifest.kinds.iter().filter_map(|kind| KindId::parse(*kind).ok());
        let (out, read): (Vec<KindId>, Vec<KindId>) = ids.partition(&left_out);
        if read.is_empty() {
            continue;
        }
        let decls = |ids: &[KindId]| -> Vec<&KindDecl> {
            ids.iter().filter_map(|id| library.kind(id)).map(|kind| &kind.decl).collect()
        };
        let (out, read) = (decls(&out), decls(&read));
        let wanted = |operation: &&&'static Operation| {
            let tells = |kind: &&KindDecl| tells(kind, operation.call);
            read.iter().any(&tells) || !out.iter().any(tells)
        };
        needed.extend(manifest.operations.iter().filter(wanted).map(|operation| operation.permission));
    }
    needed
}

/// Whether an operation tells of a kind: it lists it, or says one of its fields.
fn tells(kind: &KindDecl, call: &str) -> bool {
    let mut said = kind.fields.values().flat_map(|field| field.call.iter());
    kind.lists.iter().any(|one| one == call) || said.any(|one| one == call)
}

#[cfg(test)]
mod tests {
    use evidenced_kit::{Per, Reach};
    use serde_json::json;

    use super::*;

    const fn operation(call: &'static str, permission: &'static str) -> Operation {
        Operation { call, permission, absent: &[], per: Per::Start }
    }

    static LIST: Operation = operation("s3:ListBuckets", "list");
    static POLICY: Operation = operation("s3:GetBucketPolicy", "policy");
    static USERS: Operation = operation("iam:GetAccountAuthorizationDetails", "users");
    static RIGHTS: Operation = operation("nobody:NamesThis", "rights");
    static MANIFEST: Manifest = Manifest {
        id: "aws.test",
        title: "",
        kinds: &["aws.s3.bucket", "aws.iam.user"],
        reach: Reach::Account,
        operations: &[&LIST, &POLICY, &USERS, &RIGHTS],
    };

    fn needed(targets: &[Value]) -> Vec<&'static str> {
        let library = crate::catalogue::builtin();
        permissions([&MANIFEST], &library, left_out(targets.iter())).into_iter().collect()
    }

    #[test]
    fn what_every_target_leaves_out_needs_nothing() {
        let target = |excluded: Value| json!({"scopes": {"excluded": excluded}});
        let all = ["list", "policy", "rights", "users"];
        assert_eq!(needed(&[]), all);
        assert_eq!(needed(&[Value::Null]), all);
        let kind = target(json!([{"kind": "aws.s3.bucket", "reason": "x"}]));
        assert_eq!(needed(std::slice::from_ref(&kind)), ["rights", "users"]);
        assert_eq!(needed(&[kind.clone(), target(json!([{"service": "iam", "reason": "x"}]))]), all);
        let both = target(json!([{"service": "aws.iam", "reason": "x"}, {"service": "s3", "reason": "x"}]));
        assert_eq!(needed(&[both.clone(), both]), Vec::<&str>::new());
        // A region is no kind.
        assert_eq!(needed(&[target(json!([{"region": "eu-west-1", "reason": "x"}]))]), all);
    }
}
