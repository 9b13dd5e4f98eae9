//! Answers that are not those of the examples: each member of each answer is left out, null, of another type, of a value
//! that nobody knows, in another casing. Whatever comes, a collector reads nothing that the answer does not hold.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "shared with tests that read the kinds")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use common::token::Token;
use evidenced_azure::{Session, SessionOptions};
use evidenced_kit::{Event, Job, Wants, drive};
use evidenced_model::{Field, Region, Resource, Scope};
use evidenced_replay::{Asked, World};
use serde_json::{Value, json};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const TENANT: &str = "00000000-0000-0000-0000-0000000000ff";
/// A value that no enumeration has.
const UNKNOWN: &str = "Evidenced-Unknown";

static WORLD: LazyLock<Arc<World>> = LazyLock::new(|| {
    Arc::new(World::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/replay/azure"), "world"))
});

/// What a question is known by: method, path and query, body.
type Key = (String, String, Vec<u8>);

/// The world, with one answer replaced.
struct Spoiling {
    instead: Option<(Key, Value)>,
    answers: Mutex<BTreeMap<Key, Value>>,
}

impl std::fmt::Debug for Spoiling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spoiling")
    }
}

#[async_trait]
impl HttpClient for Spoiling {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::SeekableStream(_) => Vec::new(),
        };
        let (method, path) = (request.method().as_str().to_owned(), request.path_and_query());
        let reply = WORLD.answer(&Asked::new(&method, &path, &body));
        let mut headers = Headers::new();
        for (name, value) in reply.headers {
            headers.insert(name, value);
        }
        let key = (method, path, body);
        let answer = match &self.instead {
            Some((spoilt, instead)) if spoilt == &key => instead.to_string().into_bytes(),
            _ => reply.body,
        };
        if reply.status == 200 {
            self.answers.lock().unwrap().insert(key, serde_json::from_slice(&answer).unwrap());
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(reply.status), headers, answer))
    }
}

/// What a start said.
struct Said {
    resources: BTreeMap<(String, String), Resource>,
    /// Kinds of which something is not known.
    open: BTreeSet<String>,
    answers: BTreeMap<Key, Value>,
}

async fn collect(id: &str, instead: Option<(Key, Value)>) -> Said {
    let client = Arc::new(Spoiling { instead, answers: Mutex::default() });
    let options = SessionOptions { http_client: Some(client.clone()), credential: Some(Arc::new(Token)) };
    let session = Session::detached(TENANT.parse().unwrap(), &options, &common::context());
    let tenant = evidenced_azure::tenant_manifests().iter().any(|manifest| manifest.id == id);
    let collectors = if tenant {
        evidenced_azure::tenant_collectors(&session)
    } else {
        evidenced_azure::subscription_collectors(&session)
    };
    let collector = collectors.into_iter().find(|one| one.manifest().id == id).unwrap();
    let account = if tenant { TENANT } else { SUBSCRIPTION }.parse().unwrap();
    let scope = Scope { account, provider: "azure".parse().unwrap(), region: Region::global() };
    let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
    let wants = Arc::new(Wants { all: true, ..Wants::default() });
    let job = Job { number: 0, collector, scope, others: Vec::new(), wants, timeout: Duration::from_mins(1) };
    let work = tokio::spawn(drive(job, sender));
    let (mut resources, mut open) = (BTreeMap::new(), BTreeSet::new());
    while let Some((_, event)) = receiver.recv().await {
        match event {
            Event::Resource(resource) => {
                resources.insert((resource.kind.to_string(), resource.id.clone()), *resource);
            }
            Event::Gap { kind, .. } | Event::Vanished { kind, .. } => {
                open.insert(kind.to_string());
            }
            Event::Complete { .. } | Event::Total { .. } => {}
        }
    }
    work.await.unwrap().unwrap_or_else(|cause| panic!("{id} did not come to its end: {cause:?}"));
    let answers = std::mem::take(&mut *client.answers.lock().unwrap());
    Said { resources, open, answers }
}

/// What a member that is left out, null or unknown means by the provider's documentation, or by what a kind's file says of
/// its field: kind and field, and why the field then has another value.
const DOCUMENTED: &[(&str, &str)] = &[
    ("azure.ai.deployment capabilities", "a capability that is not said, or is no `true`, is none"),
    ("azure.aks.cluster version", "the version that was asked for, where the current one is not told"),
    ("azure.compute.patch_assessment other_missing", "a class without a count has no patches"),
    ("azure.compute.vm patch_mode", "the platform's default by the system of the machine"),
    ("azure.defender.contact emails", "what has no @ is told to nobody"),
    ("azure.defender.contact phone", "no number is none"),
    ("azure.defender.contact roles", "roles are told where the state is On"),
    ("azure.defender.plan deprecated", "only deprecated plans say so"),
    ("azure.defender.plan trial", "a remaining time that is not zero is one"),
    ("azure.entra.ca_policy exclude_users", "the word for guests is a field of its own"),
    ("azure.entra.ca_policy excludes_guests", "the word for guests is in the list, or is not"),
    ("azure.entra.group_member guest", "only guests say Guest"),
    ("azure.entra.named_location trusted", "trusted is what says so"),
    ("azure.entra.role_assignment held", "what has no end is permanent"),
    ("azure.entra.tenant licences", "a licence counts while it is enabled or in grace"),
    (
        "azure.loganalytics.workspace own_tables",
        "a table that does not follow the workspace's default has its own days",
    ),
    ("azure.ai.account diagnostic_settings", "a category without a name is none"),
    ("azure.keyvault.vault diagnostic_settings", "a category without a name is none"),
    (
        "azure.resources.resource log_settings",
        "a category without a name is none; types without logs are known by name",
    ),
    ("azure.monitor.activity_alert receivers", "each kind of receiver has a list of its own, which may be missing"),
    ("azure.network.application_gateway on_internet", "a front without a public address is private"),
    ("azure.network.application_gateway part_policy_ids", "patterns that are not /* cover a part"),
    ("azure.network.flow_log retention_days", "without a policy nothing is deleted"),
    ("azure.network.flow_log retention_on", "without a policy nothing is deleted"),
    ("azure.network.subnet in_use", "nothing that uses it is listed"),
    ("azure.network.vnet ddos_plan", "left out where nobody asked for it"),
    ("azure.network.vnet encrypted", "left out where nobody asked for it"),
    ("azure.network.vnet subnets", "nothing that uses the subnet is listed"),
    ("azure.network.waf_policy exclusions", "none are listed"),
    ("azure.policy.assignment covers_subscription", "another scope is not the subscription"),
    ("azure.policy.assignment exemptions", "an exemption of another assignment, or of another subscription"),
    ("azure.rbac.eligible_assignment covers_subscription", "another scope is not the subscription"),
    ("azure.rbac.role_assignment covers_subscription", "another scope is not the subscription"),
    ("azure.sql.server audit_retention_days", "with a storage account, the days mean something"),
    ("azure.ai.content_policy vanished", "policies beside the listing are found by the deployments that name them"),
    ("azure.entra.group_member vanished", "members are read of groups that roles and exclusions name"),
    ("azure.network.application_gateway vanished", "a profile of another tier than Front Door's has nothing of it"),
];

/// What a wrong type still does that it should not: the field is absent, or has less in it, in place of unread.
const OPEN: &[&str] = &[
    "azure.ai.account key_url",
    "azure.ai.content_policy vanished",
    "azure.compute.patch_assessment other_missing",
    "azure.defender.contact alerts_from",
    "azure.defender.contact attack_paths_from",
    "azure.defender.contact roles",
    "azure.entra.application principal_credentials",
    "azure.entra.application single_sign_on",
    "azure.entra.ca_policy narrowed_by",
    "azure.entra.group_member guest",
    "azure.entra.group_member vanished",
    "azure.entra.role_assignment ends",
    "azure.entra.role_assignment held",
    "azure.entra.tenant domains",
    "azure.entra.user last_attempt",
    "azure.entra.user last_success",
    "azure.entra.user methods",
    "azure.loganalytics.workspace own_tables",
    "azure.monitor.activity_alert receivers",
    "azure.network.application_gateway on_internet",
    "azure.network.application_gateway waf_policy_id",
    "azure.network.flow_log workspace_id",
    "azure.network.waf_policy exclusions",
    "azure.policy.assignment exemptions",
    "azure.resources.resource log_settings",
    "azure.storage.account key_url",
];

/// Whether it is known what becomes of a field, and why.
fn known(spoil: Spoil, place: &str, subject: &str) -> bool {
    let field = subject.rsplit(' ').next().unwrap_or_default();
    // Names fall back to the id, tags and locations to what is above; policies' parameters are kept as they are.
    let falls_back = matches!(field, "name" | "tags" | "location");
    // A row with another id or of another subscription is another row.
    let another = spoil == Spoil::Unknown && ["/id", "/subscriptionId"].iter().any(|end| place.ends_with(end));
    let documented = spoil != Spoil::Type && DOCUMENTED.iter().any(|(known, _)| *known == subject);
    let methods = subject == "azure.entra.user methods" && spoil == Spoil::Null;
    let kept = subject == "azure.policy.assignment parameters";
    let open = spoil == Spoil::Type && OPEN.contains(&subject);
    falls_back || another || documented || methods || kept || open
}

/// How one member of an answer is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoil {
    /// It is not there.
    Dropped,
    /// It is null.
    Null,
    /// It has a type that the API does not document for it.
    Type,
    /// It is a text that nobody knows.
    Unknown,
}

impl Spoil {
    /// The answer with the member at a place spoilt, if that can be.
    fn apply(self, answer: &Value, place: &str) -> Option<Value> {
        let mut answer = answer.clone();
        let (above, name) = place.rsplit_once('/')?;
        match self {
            Self::Dropped => {
                answer.pointer_mut(above)?.as_object_mut()?.remove(&unescaped(name))?;
            }
            Self::Null => *answer.pointer_mut(place).filter(|value| !value.is_null())? = Value::Null,
            Self::Type => {
                let value = answer.pointer_mut(place)?;
                *value = match value {
                    Value::Null => return None,
                    Value::Array(_) | Value::Object(_) => json!("of another type"),
                    _ => json!({"of": "another type"}),
                };
            }
            Self::Unknown => {
                let value = answer.pointer_mut(place).filter(|value| value.is_string())?;
                *value = json!(UNKNOWN);
            }
        }
        Some(answer)
    }
}

fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

/// Every place in an answer, as a JSON pointer. Of long lists, the first items.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                places(value, &place, found);
                found.push(place);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate().take(8) {
                let place = format!("{at}/{index}");
                places(value, &place, found);
                found.push(place);
            }
        }
        _ => {}
    }
}

/// The same answer with every id and type in capitals, and with every member's name in another casing.
fn recased(value: &Value, names: bool) -> Value {
    match value {
        Value::Object(members) => {
            let recase = |(name, value): (&String, &Value)| {
                let is_type = name == "type" && value.as_str().is_some_and(|kind| kind.contains('/'));
                let value = match value {
                    Value::String(text) if is_type && !names => json!(text.to_uppercase()),
                    other => recased(other, names),
                };
                (if names { name.to_uppercase() } else { name.clone() }, value)
            };
            members.iter().map(recase).collect()
        }
        Value::Array(items) => items.iter().map(|item| recased(item, names)).collect(),
        Value::String(text) if !names => {
            let lower = text.to_lowercase();
            let is_id = ["/subscriptions/", "/providers/"].iter().any(|start| lower.starts_with(start));
            json!(if is_id { text.to_uppercase() } else { text.clone() })
        }
        other => other.clone(),
    }
}

/// One member that was spoilt: how, and what it was.
struct Spoilt<'a> {
    how: Spoil,
    was: &'a Value,
}

impl Spoilt<'_> {
    /// What is wrong with what became of a field.
    fn field(&self, before: &Field, after: &Field) -> Option<&'static str> {
        match (before, after) {
            _ if before == after => None,
            (_, Field::Absent) if self.how == Spoil::Type => Some("absent, though something is there"),
            (_, Field::Absent | Field::Unread(_)) => None,
            (Field::Read(before), Field::Read(after)) => self.value(before, after),
            (_, Field::Read(after)) if self.how == Spoil::Unknown && holds(after) => None,
            (_, Field::Read(_)) => Some("read, and was not before"),
        }
    }

    fn value(&self, before: &Value, after: &Value) -> Option<&'static str> {
        let missing = matches!(self.how, Spoil::Dropped | Spoil::Null);
        match (before, after) {
            _ if before == after => None,
            (_, Value::Null) if missing => None,
            (_, Value::Null) => Some("null, though something is there"),
            (Value::Object(before), Value::Object(after)) => {
                let known = |name: &&String| before.contains_key(*name);
                if let Some(new) = after.keys().find(|name| !known(name)) {
                    return (self.how != Spoil::Unknown || !new.contains(UNKNOWN)).then_some("a new member");
                }
                before.iter().find_map(|(name, before)| match after.get(name) {
                    Some(after) => self.value(before, after),
                    None if missing => None,
                    None => Some("a member less"),
                })
            }
            (Value::Array(before), Value::Array(after)) => self.list(before, after),
            (Value::String(before), Value::String(after)) if before.eq_ignore_ascii_case(after) => None,
            _ if self.how == Spoil::Unknown && holds(after) => None,
            _ => Some("another value"),
        }
    }

    /// What was spoilt may leave a list out as a whole, and never one of its elements.
    fn list(&self, before: &[Value], after: &[Value]) -> Option<&'static str> {
        let missing = matches!(self.how, Spoil::Dropped | Spoil::Null);
        if after.is_empty() && missing && (self.was.is_array() || self.was.is_object()) {
            return None;
        }
        if before.len() != after.len() {
            return Some(if before.len() > after.len() { "elements less" } else { "elements more" });
        }
        // The order may follow from what was spoilt.
        let changed: Vec<&Value> = before.iter().filter(|one| !after.contains(one)).collect();
        let instead: Vec<&Value> = after.iter().filter(|one| !before.contains(one)).collect();
        changed.into_iter().zip(instead).find_map(|(before, after)| self.value(before, after))
    }
}

fn holds(value: &Value) -> bool {
    value.to_string().to_lowercase().contains(&UNKNOWN.to_lowercase())
}

async fn robust(id: &str) {
    let whole = collect(id, None).await;
    let (mut tried, mut wrong) = (0, BTreeSet::new());
    let mut seen = BTreeSet::new();
    for (key, answer) in &whole.answers {
        // Examples stand in for several resources; each is spoilt once.
        if !seen.insert(answer.to_string()) {
            continue;
        }
        let mut found = Vec::new();
        places(answer, "", &mut found);
        let short = key.1.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
        for place in found {
            for spoil in [Spoil::Dropped, Spoil::Null, Spoil::Type, Spoil::Unknown] {
                let Some(spoilt) = spoil.apply(answer, &place) else { continue };
                let judge = Spoilt { how: spoil, was: answer.pointer(&place).unwrap() };
                tried += 1;
                let said = collect(id, Some((key.clone(), spoilt))).await;
                for (name, before) in &whole.resources {
                    let Some(after) = said.resources.get(name) else {
                        let lost = !said.open.contains(&name.0) && said.resources.len() < whole.resources.len();
                        if lost && !known(spoil, &place, &format!("{} vanished", name.0)) {
                            wrong.insert(format!("{short} {} {spoil:?}: {} vanished", anonymous(&place), name.0));
                        }
                        continue;
                    };
                    for (field, before) in &before.fields {
                        let after = after.field(field);
                        let Some(what) = judge.field(before, after) else { continue };
                        let subject = format!("{} {field}", name.0);
                        if !known(spoil, &place, &subject) {
                            let (place, before, after) = (anonymous(&place), shown(before), shown(after));
                            wrong.insert(format!("{short} {place} {spoil:?}: {subject}: {what}: {before} -> {after}"));
                        }
                    }
                }
            }
        }
        // Microsoft Graph writes its members' names in one way; the others do not agree.
        for names in if id == "azure.entra" { &[false][..] } else { &[false, true] } {
            let names = *names;
            // The envelopes of listings are those of the API; only what is in them differs between its parts.
            let list = if answer["data"].is_array() { "data" } else { "value" };
            let mut spoilt = answer.clone();
            if spoilt[list].is_array() {
                spoilt[list] = recased(&answer[list], names);
            } else {
                spoilt = recased(answer, names);
            }
            tried += 1;
            let said = collect(id, Some((key.clone(), spoilt))).await;
            for (name, before) in &whole.resources {
                let Some(after) = said.resources.get(name) else {
                    wrong.insert(format!("{short} recased (names: {names}): {} vanished: {}", name.0, name.1));
                    continue;
                };
                for (field, before) in &before.fields {
                    let after = after.field(field);
                    let same = |a: &Field, b: &Field| match (a, b) {
                        (Field::Read(a), Field::Read(b)) => {
                            a.to_string().to_lowercase() == b.to_string().to_lowercase()
                        }
                        // Where a name is not found, that is said.
                        (_, Field::Unread(_)) if names => true,
                        _ => a == b,
                    };
                    if !same(before, after) {
                        let (before, after) = (shown(before), shown(after));
                        wrong.insert(format!(
                            "{short} recased (names: {names}): {} {field}: {before} -> {after}",
                            name.0
                        ));
                    }
                }
            }
        }
    }
    println!("{id}: {tried} spoilt answers");
    assert!(wrong.is_empty(), "{} things\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

fn shown(field: &Field) -> String {
    match field {
        Field::Read(value) => value.to_string().chars().take(160).collect(),
        Field::Absent => "absent".into(),
        Field::Unread(_) => "unread".into(),
    }
}

/// A place without the numbers of items.
fn anonymous(place: &str) -> String {
    let parts = place.split('/').map(|part| if part.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// One test for each collector.
macro_rules! robust {
    ($($name:ident => $id:literal;)*) => {
        $(#[tokio::test]
        async fn $name() {
            robust($id).await;
        })*
    };
}

robust! {
    acr => "azure.acr";
    ai => "azure.ai";
    aks => "azure.aks";
    appservice => "azure.appservice";
    backup => "azure.backup";
    compute => "azure.compute";
    cosmosdb => "azure.cosmosdb";
    defender => "azure.defender";
    entra => "azure.entra";
    keyvault => "azure.keyvault";
    loganalytics => "azure.loganalytics";
    ml => "azure.ml";
    monitor => "azure.monitor";
    network => "azure.network";
    policy => "azure.policy";
    postgres => "azure.postgres";
    rbac => "azure.rbac";
    resources => "azure.resources";
    search => "azure.search";
    sql => "azure.sql";
    storage => "azure.storage";
    subscription => "azure.subscription";
}

#[test]
fn every_collector_has_a_test() {
    let here = include_str!("robust.rs");
    for manifest in evidenced_azure::manifests() {
        assert!(here.contains(&format!("=> \"{}\"", manifest.id)), "{} is not spoilt", manifest.id);
    }
}
