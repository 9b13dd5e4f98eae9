//! What there is: subscriptions, routes with their answers, rows of Resource Graph.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::graph::Tables;
use crate::token::{consented, token};

/// The host of every link in an answer.
const MANAGER: &str = "https://management.azure.com";
const GRAPH: &str = "https://graph.microsoft.com";

/// A question.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The HTTP method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
    /// The bearer token, where it came over a network and has one.
    pub bearer: Option<String>,
}

impl Asked {
    /// A question by its path and query.
    pub fn new(method: &str, path_and_query: &str, body: &[u8]) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        Self { method, path, query, body: body.to_vec(), bearer: None }
    }

    /// A parameter of the query, its escapes resolved.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(key, _)| unescape(key).eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| unescape(value))
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        if let Some(byte) = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// JSON with a status.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = [("content-type".to_owned(), "application/json; charset=utf-8".to_owned())].into();
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// An error in the usual shape.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"error": {"code": code, "message": message}}))
    }
}

/// Answers instead of the world, where it wants to.
pub type Fault = Arc<dyn Fn(&Asked) -> Option<Reply> + Send + Sync>;

/// Everything that the server knows.
pub struct World {
    tenant: String,
    roles: Vec<String>,
    subscriptions: Vec<Subscription>,
    routes: Vec<Route>,
    pub(crate) tables: Tables,
    fault: Option<Fault>,
}

/// A subscription of the world.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    name: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    tenant: String,
    /// The application permissions of Microsoft Graph that were consented to.
    #[serde(default = "consented")]
    roles: Vec<String>,
    #[serde(default)]
    subscriptions: Vec<Subscription>,
    /// So many subscriptions with numbers for names, beside those that are written out.
    #[serde(default)]
    numbered: usize,
    /// Resource Graph refuses queries beyond its quota.
    #[serde(default)]
    quota: bool,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    rows: Vec<RowsFile>,
    #[serde(default)]
    routes: Vec<RouteFile>,
}

/// A part of a world, in a file of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    #[serde(default)]
    rows: Vec<RowsFile>,
    #[serde(default)]
    routes: Vec<RouteFile>,
}

/// Rows of a table: from a listing of the vendor's (its `value`), or written out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsFile {
    table: String,
    /// Which subscription they are in, by its place in the list; none for what belongs to the tenant.
    #[serde(default)]
    subscription: Option<usize>,
    /// In each subscription there are so many of the first row, each with a name of its own.
    #[serde(default)]
    copies: usize,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    rows: Vec<Value>,
    /// The type of the rows, where the vendor's example does not name it.
    #[serde(default)]
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteFile {
    /// The path; `*` is any one segment.
    path: String,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    body: Option<Value>,
    /// Items beside those of the file.
    #[serde(default)]
    more: Vec<Value>,
    #[serde(default)]
    status: Option<u16>,
    /// Items on a page; all of them where nothing is said.
    #[serde(default)]
    page: Option<usize>,
    /// Each item of the listing is below the path that was asked: its id is that path and its name. An answer that is no
    /// listing has the path itself.
    #[serde(default)]
    below: bool,
    /// It is there in an empty world as well.
    #[serde(default)]
    always: bool,
}

struct Route {
    segments: Vec<String>,
    body: Value,
    status: u16,
    page: Option<usize>,
    below: bool,
    always: bool,
}

impl World {
    /// Reads a world from `<folder>/<name>.json`; the files that it names are relative to the folder.
    ///
    /// # Panics
    ///
    /// With what is wrong with which file: a world is part of a test.
    pub fn read(folder: &Path, name: &str) -> Self {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let main = format!("{name}.json");
        let File { tenant, roles, mut subscriptions, numbered: count, quota, include, mut rows, mut routes, .. } =
            parsed(&main, &text(&main));
        subscriptions.extend(numbered(count));
        for name in include {
            let part: Part = parsed(&name, &text(&name));
            rows.extend(part.rows);
            routes.extend(part.routes);
        }
        let load = |file: &str| parsed::<Value>(file, &text(file));
        let mut world =
            Self { tenant, roles, subscriptions, routes: Vec::new(), tables: Tables::default(), fault: None };
        let mut seen = BTreeSet::new();
        for one in rows {
            let listed = one.file.as_deref().map(load).map(|mut file| file["value"].take());
            let listed = listed.and_then(|value| value.as_array().cloned()).unwrap_or_default();
            if one.copies > 0 {
                let row = listed.into_iter().chain(one.rows).next().unwrap_or_else(|| panic!("{}: no row", one.table));
                for subscription in &world.subscriptions {
                    let row = placed(row.clone(), Some(&subscription.id), one.r#type.as_deref());
                    world.tables.add_many(&one.table, row, one.copies);
                }
                continue;
            }
            for row in listed.into_iter().chain(one.rows) {
                let subscription = one.subscription.map(|place| world.subscriptions[place].id.clone());
                let row = placed(row, subscription.as_deref(), one.r#type.as_deref());
                // Examples use the same placeholder for several resources; Resource Graph has one row for an id.
                if seen.insert((one.table.clone(), row["id"].as_str().map(str::to_lowercase))) {
                    world.tables.add(&one.table, row);
                }
            }
        }
        for subscription in world.subscriptions.clone() {
            world.tables.add("resourcecontainers", container(&world.tenant, &subscription));
        }
        world.routes = routes
            .into_iter()
            .map(|route| {
                let body = route.body.or_else(|| route.file.as_deref().map(load));
                let mut body = body.unwrap_or_else(|| json!({"value": []}));
                if let Some(items) = body.get_mut("value").and_then(Value::as_array_mut) {
                    items.extend(route.more);
                }
                let segments = route.path.split('/').map(str::to_lowercase).collect();
                Route {
                    segments,
                    body,
                    status: route.status.unwrap_or(200),
                    page: route.page,
                    below: route.below,
                    always: route.always,
                }
            })
            .collect();
        if quota {
            world.with_quota();
        }
        world
    }

    /// An empty world with so many subscriptions.
    pub fn of(subscriptions: usize) -> Self {
        let subscriptions: Vec<Subscription> = numbered(subscriptions).collect();
        let tenant = "00000000-0000-0000-0000-0000000000ff".to_owned();
        let mut tables = Tables::default();
        for subscription in &subscriptions {
            tables.add("resourcecontainers", container(&tenant, subscription));
        }
        Self { tenant, roles: consented(), subscriptions, routes: Vec::new(), tables, fault: None }
    }

    /// The ids of its subscriptions.
    pub fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.iter().map(|subscription| subscription.id.as_str())
    }

    /// Its tenant's id.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Puts a row into a table of Resource Graph.
    pub fn add_row(&mut self, table: &str, row: Value) {
        self.tables.add(table, row);
    }

    /// Adds a route that answers 200 with this body, before all others; `*` in the path is any one segment.
    pub fn add_route(&mut self, path: &str, body: Value) {
        let segments = path.split('/').map(str::to_lowercase).collect();
        self.routes.insert(0, Route { segments, body, status: 200, page: None, below: false, always: false });
    }

    /// The application permissions that the token names.
    pub fn consent(&mut self, roles: &[&str]) {
        self.roles = roles.iter().map(ToString::to_string).collect();
    }

    /// Leaves everything of a subscription out of Resource Graph's answers, without a word.
    pub fn hide(&mut self, subscription: &str) {
        self.tables.hide(subscription);
    }

    /// Pages of Resource Graph hold no more rows than this, whatever is asked for.
    pub fn page_rows(&mut self, rows: usize) {
        self.tables.page = Some(rows);
    }

    /// Every listing has pages of so many items.
    pub fn page_all(&mut self, items: usize) {
        self.page_rows(items);
        for route in &mut self.routes {
            route.page = Some(items);
        }
    }

    /// The same world with nothing in its subscriptions: its tables and its listings are empty.
    #[must_use]
    pub fn emptied(mut self) -> Self {
        self.tables.clear();
        for subscription in &self.subscriptions {
            self.tables.add("resourcecontainers", container(&self.tenant, subscription));
        }
        for route in self.routes.iter_mut().filter(|route| !route.always) {
            if let Some(items) = route.body.get_mut("value").and_then(Value::as_array_mut) {
                items.clear();
            }
        }
        self
    }

    /// Resource Graph refuses queries beyond its quota: 15 in 5 seconds.
    pub fn with_quota(&mut self) {
        self.tables.quota = Some(std::sync::Mutex::default());
    }

    /// Something that answers before the world does.
    pub fn with_fault(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// How often Resource Graph refused a query for its quota.
    pub fn refused_queries(&self) -> u64 {
        self.tables.counts().1
    }

    /// Answers.
    pub fn answer(&self, asked: &Asked) -> Reply {
        if let Some(reply) = self.fault.as_ref().and_then(|fault| fault(asked)) {
            return reply;
        }
        let path = asked.path.to_lowercase();
        if path == "/_replay/refused" {
            let (queries, refused, in_a_row) = self.tables.counts();
            return Reply::json(200, &json!({"queries": queries, "refused": refused, "in_a_row": in_a_row}));
        }
        if path.ends_with("/oauth2/v2.0/token") {
            return token(&self.tenant, &self.roles);
        }
        if path == "/providers/microsoft.resourcegraph/resources" {
            return self.tables.answer(&asked.body, &self.subscriptions);
        }
        if let Some(route) = self.routes.iter().find(|route| route.matches(&path)) {
            return route.answer(asked);
        }
        if path == "/subscriptions" {
            let value: Vec<Value> = self.subscriptions.iter().map(|one| listed(&self.tenant, one)).collect();
            return Reply::json(200, &json!({"value": value}));
        }
        if path.ends_with("/providers/microsoft.authorization/permissions") {
            return Reply::json(200, &json!({"value": [{"actions": ["*/read"], "notActions": []}]}));
        }
        Reply::error(404, "ResourceNotFound", &format!("nothing is at {}", asked.path))
    }
}

fn numbered(count: usize) -> impl Iterator<Item = Subscription> {
    (1..=count).map(|number| Subscription {
        id: format!("00000000-0000-0000-0000-{number:012x}"),
        name: format!("example-{number}"),
        groups: vec!["example-group".to_owned()],
        state: None,
    })
}

fn parsed<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

impl Route {
    fn matches(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        parts.len() == self.segments.len()
            && parts.iter().zip(&self.segments).all(|(part, segment)| segment == "*" || segment == part)
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let own = asked.path.split('/').nth(2).filter(|_| asked.path.to_lowercase().starts_with("/subscriptions/"));
        let mut body = self.body.clone();
        if let Some(own) = own {
            body = in_subscription(body, own);
        }
        if self.below {
            let Some(items) = body.get_mut("value").and_then(Value::as_array_mut) else {
                body["id"] = json!(asked.path);
                return Reply::json(self.status, &body);
            };
            for item in items {
                if let Some(name) = item.get("name").and_then(Value::as_str) {
                    item["id"] = json!(format!("{}/{}", asked.path, name.rsplit('/').next().unwrap_or(name)));
                }
            }
        }
        // Links of examples lead to hosts that are not ours.
        for name in ["nextLink", "@odata.nextLink"] {
            if let Some(members) = body.as_object_mut() {
                members.remove(name);
            }
        }
        if let (Some(page), Some(items)) = (self.page, body.get_mut("value").and_then(Value::as_array_mut)) {
            let from: usize = asked.parameter("$skiptoken").and_then(|token| token.parse().ok()).unwrap_or(0);
            let more = from + page < items.len();
            let shown: Vec<Value> = items.iter().skip(from).take(page).cloned().collect();
            body["value"] = Value::from(shown);
            if more {
                let graph = asked.path.starts_with("/v1.0") || asked.path.starts_with("/beta");
                let (host, name) = if graph { (GRAPH, "@odata.nextLink") } else { (MANAGER, "nextLink") };
                let kept = asked.query.split('&').filter(|pair| !pair.starts_with("$skiptoken") && !pair.is_empty());
                let query: Vec<&str> = kept.collect();
                let next = from + page;
                body[name] = json!(format!("{host}{}?{}&$skiptoken={next}", asked.path, query.join("&")));
            }
        }
        Reply::json(self.status, &body)
    }
}

/// A row in its subscription, as Resource Graph shows it: with columns that the vendor's listing has only in the id.
fn placed(row: Value, subscription: Option<&str>, kind: Option<&str>) -> Value {
    let mut row = subscription.map_or(row.clone(), |own| in_subscription(row, own));
    let id = row["id"].as_str().unwrap_or_default().to_owned();
    let mut parts = id.split('/');
    let group = parts.find(|part| part.eq_ignore_ascii_case("resourcegroups")).and_then(|_| parts.next()).unwrap_or("");
    if let Some(kind) = kind.map(str::to_owned).or_else(|| row["type"].as_str().map(str::to_owned)) {
        row["type"] = json!(kind.to_lowercase());
    }
    row["resourceGroup"] = json!(group.to_lowercase());
    row["subscriptionId"] = json!(subscription.unwrap_or(""));
    row
}

/// The same with every id in this subscription: examples write `subid` and the like.
fn in_subscription(value: Value, own: &str) -> Value {
    match value {
        Value::String(text) if text.to_lowercase().starts_with("/subscriptions/") => {
            let mut parts: Vec<&str> = text.split('/').collect();
            if let Some(part) = parts.get_mut(2) {
                *part = own;
            }
            Value::String(parts.join("/"))
        }
        Value::Array(items) => items.into_iter().map(|item| in_subscription(item, own)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, in_subscription(value, own))).collect()
        }
        other => other,
    }
}

fn listed(tenant: &str, one: &Subscription) -> Value {
    json!({"id": format!("/subscriptions/{}", one.id), "subscriptionId": one.id, "displayName": one.name,
        "state": one.state.as_deref().unwrap_or("Enabled"), "tenantId": tenant})
}

fn container(tenant: &str, one: &Subscription) -> Value {
    let above: Vec<Value> = one.groups.iter().map(|group| json!({"name": group, "displayName": group})).collect();
    json!({"id": format!("/subscriptions/{}", one.id), "name": one.name, "subscriptionId": one.id,
        "type": "microsoft.resources/subscriptions", "location": "", "resourceGroup": "", "tenantId": tenant,
        "tags": null, "properties": {"state": one.state.as_deref().unwrap_or("Enabled"),
            "managementGroupAncestorsChain": above}})
}
