//! Subscriptions themselves, with the management groups above them.

use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, text};
use crate::inventory::{Frame, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;

const SUBSCRIPTION: &str = "azure.subscription";

static SUBSCRIPTIONS: Operation = Operation {
    call: "resourcegraph:Subscriptions",
    permission: "Microsoft.Resources/subscriptions/read",
    absent: &[],
    per: Per::Page(1000),
};

/// What the collector of subscriptions reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.subscription",
    title: "Subscriptions, and the management groups above them",
    kinds: &[SUBSCRIPTION],
    reach: Reach::Together,
    operations: &[&SUBSCRIPTIONS, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: SUBSCRIPTION,
    frame: Frame::Bare,
    below: &[],
    operation: &SUBSCRIPTIONS,
    source: Source::Graph(Query {
        table: "resourcecontainers",
        types: &["microsoft.resources/subscriptions"],
        narrowed: "",
    }),
    shape: subscription,
    details: None,
}];

fn subscription(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.id("subscription", of("subscriptionId")).text("name", of("name")).text("state", of("properties.state"));
    draft.id("tenant_id", of("tenantId"));
    // Without the right to read management groups their chain is null: that is not none.
    draft.list("management_groups", of("properties.managementGroupAncestorsChain"), |group| {
        text(group, "name").map(Value::from)
    });
    draft.map("tags", of("tags").filter(|tags| tags.as_object().is_none_or(|tags| !tags.is_empty())));
    draft.must(&["subscription", "name", "state", "tenant_id", "management_groups"]);
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn a_chain_that_is_not_told_is_not_an_empty_one() {
        let of = |chain: Value| {
            let row = json!({"id": "/subscriptions/S", "subscriptionId": "S", "name": "x", "tenantId": "T",
                "tags": {}, "properties": {"state": "Enabled", "managementGroupAncestorsChain": chain}});
            shaped(&PARTS[0], &row).resource
        };
        assert!(matches!(of(Value::Null).field("management_groups"), Field::Unread(_)));
        assert!(matches!(of(json!([{}])).field("management_groups"), Field::Unread(_)));
        let told = of(json!([{"name": "near"}, {"name": "root"}]));
        assert_eq!(told.field("management_groups"), &Field::Read(json!(["near", "root"])));
        assert_eq!(told.field("tags"), &Field::Absent);
        assert_eq!(told.field("subscription"), &Field::Read(json!("s")));
    }
}
