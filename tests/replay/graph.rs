//! Resource Graph, as far as this server speaks it: a table, types, subscriptions, pages, its quota.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Reply, Subscription};

/// The quota as it is documented for one identity.
const QUERIES: usize = 15;
const WINDOW: Duration = Duration::from_secs(5);

/// The tables.
#[derive(Default)]
pub(crate) struct Tables {
    /// By table and type, both in lower case.
    rows: BTreeMap<(String, String), Vec<Row>>,
    hidden: BTreeSet<String>,
    /// Rows on a page, at most.
    pub(crate) page: Option<usize>,
    /// When the last queries came, where the quota is held.
    pub(crate) quota: Option<Mutex<VecDeque<Instant>>>,
    counts: Mutex<Counts>,
}

/// A row, and how many there are of it: each copy has a name of its own.
struct Row {
    row: Value,
    copies: usize,
}

/// Queries that were asked, those that were refused, and the most that were refused one after the other.
#[derive(Default, Clone, Copy)]
struct Counts {
    queries: u64,
    refused: u64,
    running: u64,
    in_a_row: u64,
}

impl Tables {
    pub(crate) fn add(&mut self, table: &str, row: Value) {
        self.add_many(table, row, 1);
    }

    pub(crate) fn add_many(&mut self, table: &str, row: Value, copies: usize) {
        let kind = row["type"].as_str().unwrap_or_default().to_lowercase();
        self.rows.entry((table.to_lowercase(), kind)).or_default().push(Row { row, copies });
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    pub(crate) fn hide(&mut self, subscription: &str) {
        self.hidden.insert(subscription.to_lowercase());
    }

    /// Queries, how many of them were refused, and how many in a row at most.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let Counts { queries, refused, in_a_row, .. } = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (queries, refused, in_a_row)
    }

    fn count(&self, refused: bool) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.queries += 1;
        counts.refused += u64::from(refused);
        counts.running = if refused { counts.running + 1 } else { 0 };
        counts.in_a_row = counts.in_a_row.max(counts.running);
    }

    pub(crate) fn answer(&self, body: &[u8], subscriptions: &[Subscription]) -> Reply {
        let within = self.within_quota();
        self.count(within.is_err());
        let mut reply = if let Ok(left) = within {
            let mut reply = self.rows(body, subscriptions);
            if let Some(left) = left {
                reply.headers.insert("x-ms-user-quota-remaining".into(), left.to_string());
            }
            reply
        } else {
            let mut reply = Reply::error(429, "RateLimiting", "please wait");
            reply.headers.insert("x-ms-user-quota-remaining".into(), "0".into());
            reply
        };
        if self.quota.is_some() {
            reply.headers.insert("x-ms-user-quota-resets-after".into(), "00:00:05".into());
        }
        reply
    }

    /// How many queries are left in the window; `None` where nobody counts.
    fn within_quota(&self) -> Result<Option<usize>, ()> {
        let Some(quota) = &self.quota else { return Ok(None) };
        let mut times = quota.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while times.front().is_some_and(|time| now.duration_since(*time) > WINDOW) {
            times.pop_front();
        }
        if times.len() >= QUERIES {
            return Err(());
        }
        times.push_back(now);
        Ok(Some(QUERIES - times.len()))
    }

    fn rows(&self, body: &[u8], subscriptions: &[Subscription]) -> Reply {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Reply::error(400, "BadRequest", "no JSON") };
        let query = body["query"].as_str().unwrap_or_default();
        let table = query.split('|').next().unwrap_or_default().trim().to_lowercase();
        let Some(kinds) = types(query) else {
            return Reply::error(400, "InvalidQuery", "this server understands `where type in~ ('…')` or no `where`");
        };
        let asked: Vec<String> = match body["subscriptions"].as_array() {
            Some(named) => named.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
            None => subscriptions.iter().map(|one| one.id.to_lowercase()).collect(),
        };
        let asked: BTreeSet<String> = asked.into_iter().filter(|one| !self.hidden.contains(one)).collect();
        let of_kind = |(own, kind): &(String, String)| own == &table && (kinds.is_empty() || kinds.contains(kind));
        let of_kinds = self.rows.iter().filter(|(key, _)| of_kind(key)).flat_map(|(_, rows)| rows);
        let own = |row: &&Row| {
            let own = row.row["subscriptionId"].as_str().unwrap_or_default().to_lowercase();
            own.is_empty() || asked.contains(&own)
        };
        let found = of_kinds.filter(own).flat_map(|row| (0..row.copies).map(move |number| (row, number)));
        let found: Vec<(&Row, usize)> = found.collect();
        let options = &body["options"];
        let top = options["$top"].as_u64().and_then(|top| usize::try_from(top).ok()).unwrap_or(100).min(1000);
        let top = self.page.map_or(top, |page| page.min(top));
        let from: usize = options["$skipToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
        let page: Vec<Value> = found.iter().skip(from).take(top).map(|(row, number)| row.copy(*number)).collect();
        let mut answer = json!({"totalRecords": found.len(), "count": page.len(), "resultTruncated": "false",
            "facets": [], "data": page});
        if from + top < found.len() {
            answer["$skipToken"] = json!((from + top).to_string());
            answer["resultTruncated"] = json!("true");
        }
        Reply::json(200, &answer)
    }
}

impl Row {
    /// One of the copies.
    fn copy(&self, number: usize) -> Value {
        let mut row = self.row.clone();
        if self.copies > 1 {
            for member in ["id", "name"] {
                if let Some(text) = row.get(member).and_then(Value::as_str) {
                    row[member] = json!(format!("{text}-{number:06}"));
                }
            }
        }
        row
    }
}

/// The types that a query asks for, in lower case; none for all.
fn types(query: &str) -> Option<Vec<String>> {
    if !query.contains("where") {
        return Some(Vec::new());
    }
    let list = query.split("type in~ (").nth(1)?.split(')').next()?;
    Some(list.split(',').map(|one| one.trim().trim_matches('\'').to_lowercase()).collect())
}
