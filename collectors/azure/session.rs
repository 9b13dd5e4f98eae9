//! The door to Azure: one identity, three endpoints (Resource Manager, Resource Graph, Microsoft Graph), and for each
//! call the pace that the provider's answers ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use azure_core::cloud::CloudConfiguration;
use azure_core::credentials::TokenCredential;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{
    ClientOptions, Context, HttpClient, Method, Pipeline, PipelineStreamOptions, Request, RetryOptions, Transport, Url,
};
use bytes::Bytes;
use evidenced_kit::{Answered, Calls, OpenContext, Operation, Out};
use evidenced_model::{Account, Cause, Provider, Refusal, Region, Scope};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::credential::Identity;
use crate::draft::{id, text, texts};
use crate::error::{Wrong, classify, clock_span, code, seconds};
use crate::pace::{Pace, RESETS};
use crate::query::{Page, QueryResponse};
use crate::rights::Allowed;
use crate::target::{Sovereign, Target, Wanted};
use crate::transport::{Tap, gather, real};

/// How to reach Azure.
#[derive(Clone, Default)]
pub struct SessionOptions {
    /// Stands in for the network: cassettes in tests.
    pub http_client: Option<Arc<dyn HttpClient>>,
    /// Stands in for what the environment offers.
    pub credential: Option<Arc<dyn TokenCredential>>,
}

/// Which endpoint a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// Azure Resource Manager.
    Manager,
    /// Microsoft Graph.
    Graph,
}

/// One question.
pub(crate) struct Ask<'a> {
    /// Which endpoint.
    pub(crate) api: Api,
    /// Path and query, or for a further page the link that the provider gave.
    pub(crate) path: &'a str,
    /// A body makes it a POST.
    pub(crate) body: Option<&'a Value>,
    /// Headers beside the usual, names in lower case.
    pub(crate) headers: &'a [(&'static str, &'static str)],
}

impl<'a> Ask<'a> {
    /// A GET of Resource Manager.
    pub(crate) fn manager(path: &'a str) -> Self {
        Self { api: Api::Manager, path, body: None, headers: &[] }
    }

    /// A GET of Microsoft Graph.
    pub(crate) fn graph(path: &'a str) -> Self {
        Self { api: Api::Graph, path, body: None, headers: &[] }
    }
}

/// The identity and the endpoints of a target, shared by everything that reads it.
pub struct Session {
    tenant: Account,
    manager: Endpoint,
    graph: Endpoint,
    /// Where a test server or a proxy stands in.
    elsewhere: Option<Url>,
    calls: Calls,
    pace: Pace,
    credential: Arc<dyn TokenCredential>,
    allowed: Mutex<HashMap<Account, Arc<OnceCell<Allowed>>>>,
    /// Subscriptions that Resource Graph does not show, and why.
    hidden: Mutex<BTreeMap<Account, Refusal>>,
    /// The management groups above each subscription, by name in lower case.
    above: Mutex<HashMap<Account, BTreeSet<String>>>,
}

struct Endpoint {
    base: Url,
    pipeline: Pipeline,
}

/// An answer of the provider.
pub(crate) struct Answer {
    /// A JSON object.
    pub(crate) body: Value,
}

/// How the id of a management group begins, in lower case.
const MANAGEMENT_GROUPS: &str = "/providers/microsoft.management/managementgroups/";

/// Whether an id is that of a management group, or of something that belongs to one.
pub(crate) fn is_group(place: &str) -> bool {
    id(place).starts_with(MANAGEMENT_GROUPS)
}

/// Azure's name in evidence.
pub(crate) fn provider() -> Provider {
    #[expect(clippy::expect_used, reason = "a constant")]
    Provider::parse("azure").expect("a constant")
}

/// A place in an account that stands for the account as a whole.
pub(crate) fn whole(account: &Account) -> Scope {
    Scope { account: account.clone(), provider: provider(), region: Region::global() }
}

impl Session {
    /// A session with the identity that the environment offers, or the one of `options`. Nothing is asked yet.
    pub(crate) fn open(target: &Target, tenant: Account, options: &SessionOptions, context: &OpenContext) -> Arc<Self> {
        let elsewhere = target.endpoint_url.as_deref().and_then(|url| Url::parse(url).ok());
        let inner = options.http_client.clone().unwrap_or_else(|| real(elsewhere.clone()));
        let (stats, clock) = (Arc::clone(&context.stats), Arc::clone(&context.clock));
        let tap: Arc<dyn HttpClient> = Arc::new(Tap { inner, stats, clock });
        let client = client_options(target.cloud, tap);
        let credential = options.credential.clone().unwrap_or_else(|| {
            Arc::new(Identity::new(&context.environment, &client, target.cloud.authority(), &context.clock))
        });
        let endpoint = |base: &str| {
            let scope = format!("{base}/.default");
            let bearer = BearerTokenAuthorizationPolicy::new(Arc::clone(&credential), [scope]);
            let version = Some(env!("CARGO_PKG_VERSION"));
            let tries = vec![Arc::new(bearer) as _];
            let pipeline = Pipeline::new(Some("evidenced"), version, client.clone(), Vec::new(), tries, None);
            #[expect(clippy::expect_used, reason = "a constant of Sovereign")]
            let base = Url::parse(base).expect("a constant");
            Endpoint { base, pipeline }
        };
        let calls = Calls::new(Arc::clone(&context.limits), Arc::clone(&context.stats), Arc::clone(&context.clock));
        Arc::new(Self {
            tenant,
            manager: endpoint(target.cloud.manager()),
            graph: endpoint(target.cloud.graph()),
            elsewhere,
            calls,
            pace: Pace::new(),
            credential,
            allowed: Mutex::default(),
            hidden: Mutex::default(),
            above: Mutex::default(),
        })
    }

    /// A session of a tenant of the public cloud, for tests and recordings.
    pub fn detached(tenant: Account, options: &SessionOptions, context: &OpenContext) -> Arc<Self> {
        let target = Target {
            tenant: Some(tenant.clone()),
            subscriptions: Wanted::All,
            exclude: BTreeMap::new(),
            excluded: BTreeMap::new(),
            cloud: Sovereign::Public,
            endpoint_url: None,
        };
        Self::open(&target, tenant, options, context)
    }

    /// The same way in, for another session.
    pub(crate) fn same_identity(&self, options: &SessionOptions) -> SessionOptions {
        SessionOptions { credential: Some(Arc::clone(&self.credential)), ..options.clone() }
    }

    /// The tenant.
    pub(crate) fn tenant(&self) -> &Account {
        &self.tenant
    }

    /// The token that an endpoint is asked with, for what it says of who we are.
    pub(crate) async fn token(&self, api: Api) -> azure_core::Result<String> {
        let endpoint = match api {
            Api::Manager => &self.manager,
            Api::Graph => &self.graph,
        };
        let scope = format!("{}/.default", endpoint.base.as_str().trim_end_matches('/'));
        let token = self.credential.get_token(&[&scope], None).await?;
        Ok(token.token.secret().to_owned())
    }

    /// Asks; what the operation documents as "there is none" is `None`.
    pub(crate) async fn ask(&self, scope: &Scope, operation: &'static Operation, ask: &Ask<'_>) -> Answered<Answer> {
        let url = self.url(ask).ok_or_else(|| foreign(operation))?;
        let attempt = || async {
            let body = self.attempt(scope, url.clone(), ask).await?;
            serde_json::from_slice(&body).map(|body| Answer { body }).map_err(|_| Wrong::Malformed(None))
        };
        self.calls.call_optional(scope, operation, attempt, classify).await
    }

    /// Asks for what has to be there.
    pub(crate) async fn get(
        &self,
        scope: &Scope,
        operation: &'static Operation,
        ask: &Ask<'_>,
    ) -> Result<Answer, Refusal> {
        let gone = || Refusal { call: operation.call.to_owned(), cause: Cause::Failed, code: None, permission: None };
        self.ask(scope, operation, ask).await?.ok_or_else(gone)
    }

    /// Every item of a listing, page after page. What came before a refusal stays; "there is none" is an empty listing.
    pub(crate) async fn list(
        &self,
        scope: &Scope,
        operation: &'static Operation,
        ask: &Ask<'_>,
    ) -> (Vec<Value>, Option<Refusal>) {
        let (mut items, mut link) = (Vec::new(), ask.path.to_owned());
        let mut seen = BTreeSet::new();
        loop {
            if !seen.insert(link.clone()) {
                // The same page for ever.
                return (items, Some(malformed(operation)));
            }
            let ask = Ask { path: &link, ..*ask };
            let mut answer = match self.ask(scope, operation, &ask).await {
                Ok(Some(answer)) => answer,
                Ok(None) => return (items, None),
                Err(refusal) => return (items, Some(refusal)),
            };
            match answer.body.get_mut("value").map(Value::take) {
                Some(Value::Array(page)) if page.iter().all(Value::is_object) => items.extend(page),
                _ => return (items, Some(malformed(operation))),
            }
            let next = ["nextLink", "@odata.nextLink"].iter().find_map(|name| answer.body.get(name)?.as_str());
            match next.filter(|next| !next.is_empty()) {
                Some(next) => next.clone_into(&mut link),
                None => return (items, None),
            }
        }
    }

    /// Sends a query to Resource Graph when its quota has room.
    pub(crate) async fn query(
        &self,
        operation: &'static Operation,
        path: &str,
        body: &Value,
    ) -> Result<Page<'_>, Refusal> {
        const OPEN: &str = "the semaphores are never closed";
        #[expect(clippy::expect_used, reason = "the semaphores are never closed")]
        let (room, _turn) =
            (self.pace.pages.acquire().await.expect(OPEN), self.pace.queries.acquire().await.expect(OPEN));
        let ask = Ask { api: Api::Manager, path, body: Some(body), headers: &[] };
        let url = self.url(&ask).ok_or_else(|| foreign(operation))?;
        let whole = whole(&self.tenant);
        let attempt = || async { QueryResponse::parse(&self.attempt(&whole, url.clone(), &ask).await?) };
        match self.calls.call_optional(&whole, operation, attempt, classify).await? {
            Some(body) => Ok(Page { body, room }),
            None => {
                Err(Refusal { call: operation.call.to_owned(), cause: Cause::Failed, code: None, permission: None })
            }
        }
    }

    /// Notes that Resource Graph does not show a subscription.
    pub(crate) fn hide(&self, subscription: Account, refusal: Refusal) {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).insert(subscription, refusal);
    }

    /// Why Resource Graph does not show a subscription, if it does not.
    pub(crate) fn hidden(&self, subscription: &Account) -> Option<Refusal> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).get(subscription).cloned()
    }

    /// Notes the management groups above a subscription.
    pub(crate) fn place(&self, subscription: Account, groups: BTreeSet<String>) {
        self.above.lock().unwrap_or_else(PoisonError::into_inner).insert(subscription, groups);
    }

    /// Of these subscriptions, those that a row of Resource Graph speaks of: its own, or all below the management group
    /// that it belongs to. What belongs to the whole tenant belongs to each.
    pub(crate) fn owners<'s>(&self, row: &Value, among: impl Iterator<Item = &'s Account>) -> Vec<Account> {
        let own = text(row, "subscriptionId").filter(|own| !own.is_empty());
        // A role of one's own belongs to every subscription that it can be given in.
        let assignable = texts(row, "properties.assignableScopes");
        if own.is_some() || !assignable.is_empty() {
            let owns = |account: &Account| own.is_some_and(|own| account.as_str().eq_ignore_ascii_case(own));
            let below = |account: &Account| assignable.iter().any(|scope| self.reaches(scope, account));
            return among.filter(|account| owns(account) || below(account)).cloned().collect();
        }
        let place = text(row, "properties.scope").or_else(|| text(row, "id")).unwrap_or_default();
        among.filter(|account| !is_group(place) || self.covers(place, account)).cloned().collect()
    }

    /// Whether what holds for a scope holds for all of a subscription: it is the subscription itself, a management group
    /// above it (also as the start of the id of something that belongs to the group), or the root.
    pub(crate) fn covers(&self, place: &str, account: &Account) -> bool {
        let place = id(place);
        let group = place.strip_prefix(MANAGEMENT_GROUPS).and_then(|rest| rest.split('/').next());
        let Some(group) = group else {
            return place.is_empty() || place.strip_prefix("/subscriptions/") == Some(account.as_str());
        };
        let above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        above.get(account).is_some_and(|groups| groups.contains(group))
    }

    /// Whether a scope covers a subscription, or is in it.
    fn reaches(&self, place: &str, account: &Account) -> bool {
        let own = format!("/subscriptions/{account}/");
        self.covers(place, account) || id(place).starts_with(&own)
    }

    /// What the identity may read in a subscription; asked once, whoever needs it.
    pub(crate) async fn allowed(&self, subscription: &Account) -> Allowed {
        let cell = {
            let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(allowed.entry(subscription.clone()).or_default())
        };
        cell.get_or_init(|| crate::rights::allowed(self, subscription)).await.clone()
    }

    /// One attempt; the body of a good answer, which is a JSON object as far as its first byte tells.
    async fn attempt(&self, scope: &Scope, url: Url, ask: &Ask<'_>) -> Result<Bytes, Wrong> {
        let query = ask.body.is_some();
        self.pace.wait(&scope.account, query).await;
        let method = if query { Method::Post } else { Method::Get };
        let mut request = Request::new(url, method);
        request.insert_header("accept", "application/json");
        for (name, value) in ask.headers {
            request.insert_header(*name, *value);
        }
        if let Some(body) = ask.body {
            request.insert_header("content-type", "application/json");
            request.set_body(body.to_string());
        }
        let pipeline = match ask.api {
            Api::Manager => &self.manager.pipeline,
            Api::Graph => &self.graph.pipeline,
        };
        let options = PipelineStreamOptions { skip_checks: true, ..PipelineStreamOptions::default() };
        let answer = pipeline.stream(&Context::new(), &mut request, Some(options)).await.map_err(Wrong::Unanswered)?;
        let (status, headers, body) = answer.deconstruct();
        let body = gather(&headers, body).await.map_err(Wrong::Unanswered)?;
        self.pace.learn(&scope.account, query, &headers);
        let status = u16::from(status);
        if !(200..300).contains(&status) {
            let wait = headers.get_optional_str(&"retry-after".into());
            let reset = headers.get_optional_str(&RESETS.into()).and_then(clock_span).filter(|_| status == 429);
            let retry_after = wait.and_then(seconds).or(reset);
            return Err(Wrong::Answer { status, code: code(&body), retry_after });
        }
        if body.trim_ascii_start().starts_with(b"{") { Ok(body) } else { Err(Wrong::Malformed(None)) }
    }

    /// The URL of a question. A link that leads to another host is none: the token would go there.
    fn url(&self, ask: &Ask<'_>) -> Option<Url> {
        let base = match ask.api {
            Api::Manager => &self.manager.base,
            Api::Graph => &self.graph.base,
        };
        if ask.path.starts_with('/') {
            return base.join(ask.path).ok().filter(|url| url.origin() == base.origin());
        }
        let mut link = Url::parse(ask.path).ok()?;
        if let Some(elsewhere) = &self.elsewhere
            && link.origin() == elsewhere.origin()
        {
            // The server that stands in for Azure names itself.
            let (path, query) = (link.path().to_owned(), link.query().map(str::to_owned));
            link = base.clone();
            link.set_path(path.strip_prefix(elsewhere.path().trim_end_matches('/')).unwrap_or(&path));
            link.set_query(query.as_deref());
        }
        (link.origin() == base.origin()).then_some(link)
    }
}

fn client_options(cloud: Sovereign, client: Arc<dyn HttpClient>) -> ClientOptions {
    let cloud = match cloud {
        // The environment may name another authority, as with Azure's own tools.
        Sovereign::Public => None,
        Sovereign::Government => Some(Arc::new(CloudConfiguration::AzureGovernment)),
        Sovereign::China => Some(Arc::new(CloudConfiguration::AzureChina)),
    };
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(client)),
        cloud,
        ..ClientOptions::default()
    }
}

/// A good answer that lacks what it must have.
pub(crate) fn malformed(operation: &Operation) -> Refusal {
    Refusal { call: operation.call.to_owned(), cause: Cause::Malformed, code: None, permission: None }
}

fn foreign(operation: &Operation) -> Refusal {
    Refusal { code: Some("ForeignNextLink".into()), ..malformed(operation) }
}

/// The ends of a start that reads several subscriptions, by subscription.
pub(crate) fn ends(out: &Out) -> BTreeMap<Account, (Scope, Out)> {
    out.together().map(|(scope, end)| (scope.account.clone(), (scope.clone(), end))).collect()
}

#[cfg(test)]
mod tests {
    use evidenced_kit::{Limits, LimitsConfig, Mine, Stats};
    use evidenced_model::{FixedClock, RunId};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_belongs_to_a_group_belongs_to_the_subscriptions_below_it() {
        let context = OpenContext {
            run: RunId::from_parts(0, 0),
            limits: Arc::new(Limits::new(LimitsConfig::default())),
            stats: Arc::new(Stats::default()),
            clock: Arc::new(FixedClock("2026-01-15T12:00:00Z".parse().unwrap())),
            mine: Mine::default(),
            environment: Arc::default(),
        };
        let session = Session::detached("t".parse().unwrap(), &SessionOptions::default(), &context);
        let [one, two]: [Account; 2] = ["s1", "s2"].map(|name| name.parse().unwrap());
        session.place(one.clone(), BTreeSet::from(["near".to_owned(), "top".to_owned()]));
        session.place(two.clone(), BTreeSet::from(["top".to_owned()]));
        let owners = |row: Value| session.owners(&row, [&one, &two].into_iter());
        let groups = "/providers/Microsoft.Management/managementGroups";
        let (first, both) = (vec![one.clone()], vec![one.clone(), two.clone()]);
        assert_eq!(owners(json!({"subscriptionId": "S1", "id": "/x"})), first);
        assert_eq!(owners(json!({"subscriptionId": "", "properties": {"scope": format!("{groups}/Near")}})), first);
        assert_eq!(owners(json!({"id": format!("{groups}/Top/providers/a/b/c")})), both);
        assert_eq!(owners(json!({"id": "/providers/a/b/c", "properties": {"scope": "/"}})), both);
        // A role is where it can be given, whoever made it.
        let role = |scopes: Value| json!({"id": "/providers/a/b/c", "properties": {"assignableScopes": scopes}});
        assert_eq!(owners(role(json!(["/subscriptions/S1/resourceGroups/g"]))), first);
        assert_eq!(owners(role(json!([format!("{groups}/Near"), "/subscriptions/s2"]))), both);
        assert_eq!(owners(role(json!(["/subscriptions/s10"]))), Vec::<Account>::new());
    }
}
