//! Workspaces of Log Analytics, in bulk; and tables that keep their rows for a time of their own.

use async_trait::async_trait;
use evidenced_kit::{Manifest, Operation, Per, Reach};
use serde_json::Value;

use crate::draft::{Draft, at, flag, members, number, text};
use crate::inventory::{Details, Frame, Item, Part, Source};
use crate::query::Query;
use crate::rights::LIST_PERMISSIONS;
use crate::values::{gone, skipped};

const WORKSPACE: &str = "azure.loganalytics.workspace";

static WORKSPACES: Operation = Operation {
    call: "resourcegraph:Workspaces",
    permission: "Microsoft.OperationalInsights/workspaces/read",
    absent: &[],
    per: Per::Page(1000),
};
static TABLES: Operation = Operation {
    call: "operationalinsights:ListTables",
    permission: "Microsoft.OperationalInsights/workspaces/tables/read",
    absent: &[],
    per: Per::Demand,
};

/// What the collector of Log Analytics reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "azure.loganalytics",
    title: "Workspaces of Log Analytics, and how long they keep what",
    kinds: &[WORKSPACE],
    reach: Reach::Together,
    operations: &[&WORKSPACES, &TABLES, &LIST_PERMISSIONS],
};

/// Its kinds.
pub(crate) static PARTS: &[Part] = &[Part {
    kind: WORKSPACE,
    frame: Frame::Located,
    below: &[],
    operation: &WORKSPACES,
    source: Source::Graph(Query::resources(&["microsoft.operationalinsights/workspaces"])),
    shape: workspace,
    details: Some(&Tables),
}];

fn workspace(row: &Value, draft: &mut Draft) {
    let of = |path: &str| at(row, path);
    draft.text("sku", of("properties.sku.name")).int("retention_days", of("properties.retentionInDays"));
    cap(of("properties.workspaceCapping.dailyQuotaGb"), draft);
    draft.must(&["retention_days"]);
}

/// Whole gigabytes, rounded up; -1 is no cap.
fn cap(value: Option<&Value>, draft: &mut Draft) {
    const FIELD: &str = "daily_cap_gb";
    match value.map(Value::as_f64) {
        None => draft.absent(FIELD),
        Some(Some(none)) if none < 0.0 => draft.absent(FIELD),
        #[expect(clippy::cast_possible_truncation, reason = "a cap is far below what a whole number holds")]
        Some(Some(cap)) => draft.read(FIELD, cap.ceil() as i64),
        Some(None) => {
            draft.malformed(&[FIELD]);
            draft
        }
    };
}

struct Tables;

#[async_trait]
impl Details for Tables {
    async fn read(&self, item: &Item<'_>, draft: &mut Draft) {
        const FIELD: &str = "own_tables";
        if !item.wants(WORKSPACE, FIELD) {
            draft.resource.unread(FIELD, skipped(&TABLES));
            return;
        }
        match item.list(&TABLES, "/tables?api-version=2023-09-01").await {
            (_, Some(refusal)) if gone(&refusal) => item.vanished(draft),
            (_, Some(refusal)) => draft.unread(&[FIELD], &refusal),
            (mut found, None) => {
                found.retain(|table| !keeps_to_workspace(table));
                found.sort_by_key(|table| text(table, "name").map(str::to_owned));
                draft.from(&TABLES).list(FIELD, Some(&Value::from(found)), table);
            }
        }
    }
}

/// Whether a table has the workspace's own retention, and no archive beside it.
fn keeps_to_workspace(table: &Value) -> bool {
    let own = |path: &str| flag(table, path) == Some(true);
    own("properties.retentionInDaysAsDefault") && own("properties.totalRetentionInDaysAsDefault")
}

fn table(table: &Value) -> Option<Value> {
    let days = |path: &str| number(table, path).map(Value::from);
    let plan = text(table, "properties.plan").map(Value::from);
    let name = Value::from(text(table, "name")?);
    let (retention, total) = (days("properties.retentionInDays"), days("properties.totalRetentionInDays"));
    Some(members([("name", Some(name)), ("plan", plan), ("retention_days", retention), ("total_days", total)]))
}

#[cfg(test)]
mod tests {
    use evidenced_model::Field;
    use serde_json::json;

    use super::*;
    use crate::inventory::shaped;

    #[test]
    fn minus_one_is_no_cap_and_parts_of_a_gigabyte_count() {
        let of = |cap: Value| {
            let row = json!({"id": "/a", "properties": {"workspaceCapping": {"dailyQuotaGb": cap}}});
            shaped(&PARTS[0], &row).resource.field("daily_cap_gb").clone()
        };
        assert_eq!(of(json!(-1.0)), Field::Absent);
        assert_eq!(of(Value::Null), Field::Absent);
        assert_eq!(of(json!(0.023)), Field::Read(json!(1)));
        assert_eq!(of(json!(5)), Field::Read(json!(5)));
        assert!(matches!(of(json!("much")), Field::Unread(_)));
    }

    #[test]
    fn a_table_that_does_not_say_whose_retention_it_has_is_kept() {
        let of = |own: Value, total: Value| {
            keeps_to_workspace(
                &json!({"properties": {"retentionInDaysAsDefault": own, "totalRetentionInDaysAsDefault": total}}),
            )
        };
        assert!(of(json!(true), json!(true)));
        assert!(!of(json!(true), json!(false)));
        assert!(!of(Value::Null, json!(true)));
    }
}
