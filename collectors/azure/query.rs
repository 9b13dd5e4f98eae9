//! Azure Resource Graph: one query for many subscriptions, by page, with its own counts held against what came.

use bytes::Bytes;
use evidenced_kit::Operation;
use evidenced_model::{Account, Cause, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::SemaphorePermit;

use crate::error::Wrong;
use crate::session::{Session, malformed};

/// The endpoint (Resource Graph REST API, `Resources`).
const PATH: &str = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01";
/// The widest page.
const PAGE: u32 = 1000;
/// Subscriptions in one query, at most.
const SUBSCRIPTIONS: usize = 1000;

/// A query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    /// The table.
    pub(crate) table: &'static str,
    /// The types of resources, in lower case; none for all, of which only the common columns are asked for.
    pub(crate) types: &'static [&'static str],
    /// Further lines of the query, each with its leading bar; empty for none.
    pub(crate) narrowed: &'static str,
}

/// The columns that every row has.
const COLUMNS: &str =
    "id, name, type, location, resourceGroup, subscriptionId, managedBy, tags, sku, kind, identity, zones, properties";

impl Query {
    /// The resources of one type.
    pub(crate) const fn resources(types: &'static [&'static str]) -> Self {
        Self { table: "resources", types, narrowed: "" }
    }

    /// The query in its own language. Without `id` there is no next page, and without an order pages may overlap.
    pub(crate) fn text(&self) -> String {
        let Self { table, types, narrowed } = self;
        if types.is_empty() {
            return format!("{table}{narrowed} | project {COMMON_COLUMNS} | order by id asc");
        }
        let types: Vec<String> = types.iter().map(|name| format!("'{name}'")).collect();
        // Tables without resources of their own lack the columns of those.
        let columns = match *table {
            "resources" => COLUMNS,
            "resourcecontainers" => CONTAINER_COLUMNS,
            _ => OTHER_COLUMNS,
        };
        format!("{table} | where type in~ ({}){narrowed} | project {columns} | order by id asc", types.join(", "))
    }
}

const COMMON_COLUMNS: &str = "id, name, type, location, resourceGroup, subscriptionId, managedBy, tags";
const CONTAINER_COLUMNS: &str =
    "id, name, type, location, resourceGroup, subscriptionId, tenantId, managedBy, tags, properties";

const OTHER_COLUMNS: &str = "id, name, type, location, resourceGroup, subscriptionId, tags, kind, properties";

/// A query under way: page after page.
pub(crate) struct Pages<'a> {
    session: &'a Session,
    operation: &'static Operation,
    /// The questions that are still to be asked, the next one last.
    bodies: Vec<Value>,
    /// What the question that is asked now has brought so far.
    came: u64,
    last: Option<String>,
}

impl<'a> Pages<'a> {
    /// A query over these subscriptions.
    pub(crate) fn over(
        session: &'a Session,
        operation: &'static Operation,
        query: &Query,
        subscriptions: &[Account],
    ) -> Self {
        let text = query.text();
        let body = |part: &[Account]| {
            let names: Vec<&str> = part.iter().map(Account::as_str).collect();
            json!({"subscriptions": names, "query": text, "options": options(query)})
        };
        let bodies = subscriptions.chunks(SUBSCRIPTIONS).rev().map(body).collect();
        Self { session, operation, bodies, came: 0, last: None }
    }

    /// A query over what is below management groups, or all that the identity sees.
    pub(crate) fn below(
        session: &'a Session,
        operation: &'static Operation,
        query: &Query,
        groups: Option<&[String]>,
    ) -> Self {
        let mut body = json!({"query": query.text(), "options": options(query)});
        if let Some(groups) = groups {
            body["managementGroups"] = json!(groups);
        }
        Self { session, operation, bodies: vec![body], came: 0, last: None }
    }

    /// The next page; `None` when everything came. An error says why what came is not all, and ends it.
    pub(crate) async fn next(&mut self) -> Option<Result<Rows<'a>, Refusal>> {
        let mut body = self.bodies.pop()?;
        let page = self.page(&mut body).await;
        match page {
            Ok((rows, more)) => {
                if more {
                    self.bodies.push(body);
                } else {
                    (self.came, self.last) = (0, None);
                }
                Some(Ok(rows))
            }
            Err(refusal) => {
                self.bodies.clear();
                Some(Err(refusal))
            }
        }
    }

    /// Every row, or why they are not all.
    pub(crate) async fn all(mut self) -> Result<Vec<Value>, Refusal> {
        let mut rows = Vec::new();
        while let Some(page) = self.next().await {
            for row in page? {
                rows.push(row?);
            }
        }
        Ok(rows)
    }

    /// The rows of a page, and whether there are more; the body then asks for those.
    async fn page(&mut self, body: &mut Value) -> Result<(Rows<'a>, bool), Refusal> {
        let operation = self.operation;
        let Page { body: answer, room } = self.session.query(operation, PATH, body).await?;
        let Some(rows) = answer.rows.filter(|rows| rows.iter().all(|row| row.starts_with(b"{"))) else {
            return Err(malformed(operation));
        };
        self.came += rows.len() as u64;
        let token = answer.token.filter(|token| !token.is_empty());
        if let Some(token) = token {
            // The same page for ever.
            if rows.is_empty() || self.last.as_ref() == Some(&token) {
                return Err(short(operation, "SamePageAgain"));
            }
            body["options"]["$skipToken"] = json!(token);
            self.last = Some(token);
            return Ok((Rows { left: rows.into_iter(), operation, _room: room }, true));
        }
        let truncated = answer.truncated.is_some_and(|flag| flag == "true" || flag == json!(true));
        match answer.total {
            _ if truncated => Err(short(operation, "ResultTruncated")),
            Some(total) if self.came < total => Err(short(operation, "FewerThanTotalRecords")),
            Some(_) => Ok((Rows { left: rows.into_iter(), operation, _room: room }, false)),
            None => Err(malformed(operation)),
        }
    }
}

/// A page of Resource Graph, and its room in memory.
pub(crate) struct Page<'a> {
    /// What it says.
    pub(crate) body: QueryResponse,
    /// Given back when it is dropped.
    pub(crate) room: SemaphorePermit<'a>,
}

/// What a query answers (Resource Graph REST API, `QueryResponse`).
pub(crate) struct QueryResponse {
    /// Rows on all pages.
    total: Option<u64>,
    /// The rows of this page, each a piece of the answer's own bytes.
    rows: Option<Vec<Bytes>>,
    /// Leads to the next page.
    token: Option<String>,
    /// `true` or `false`, as text in the version that is asked for.
    truncated: Option<Value>,
}

impl QueryResponse {
    /// Reads what is around the rows, and where each of them is.
    pub(crate) fn parse(body: &Bytes) -> Result<Self, Wrong> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(rename = "totalRecords")]
            total: Option<u64>,
            #[serde(borrow)]
            data: Option<Vec<&'a RawValue>>,
            #[serde(rename = "$skipToken")]
            token: Option<String>,
            #[serde(rename = "resultTruncated")]
            truncated: Option<Value>,
        }
        let raw: Raw<'_> = serde_json::from_slice(body).map_err(|_| Wrong::Malformed(None))?;
        let rows = raw.data.map(|rows| rows.iter().map(|row| body.slice_ref(row.get().as_bytes())).collect());
        Ok(Self { total: raw.total, rows, token: raw.token, truncated: raw.truncated })
    }
}

/// The rows of a page. Each is taken apart when its turn comes: a page of large resources takes many times its bytes
/// otherwise.
pub(crate) struct Rows<'a> {
    left: std::vec::IntoIter<Bytes>,
    operation: &'static Operation,
    _room: SemaphorePermit<'a>,
}

impl Iterator for Rows<'_> {
    type Item = Result<Value, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        // What is nested too deeply for anybody is no row.
        self.left.next().map(|row| serde_json::from_slice(&row).map_err(|_| malformed(self.operation)))
    }
}

fn options(query: &Query) -> Value {
    let mut options = json!({"$top": PAGE, "resultFormat": "objectArray"});
    if query.table == "authorizationresources" || query.table == "policyresources" {
        // Assignments that are inherited from management groups are left out otherwise.
        options["authorizationScopeFilter"] = json!("AtScopeAboveAndBelow");
    }
    options
}

/// Resource Graph says itself that this is not all.
fn short(operation: &Operation, code: &str) -> Refusal {
    Refusal { call: operation.call.to_owned(), cause: Cause::Failed, code: Some(code.to_owned()), permission: None }
}
