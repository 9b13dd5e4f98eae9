//! Which subscriptions there are, who we are in them, and what Resource Graph shows of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidenced_kit::{AccountSession, Collector, Listed, OpenContext, Opened, Operation, Per, Principal};
use evidenced_model::{Account, Cause, Refusal, Region};
use serde_json::Value;

use crate::draft::{id, items, last, text};
use crate::query::{Pages, Query};
use crate::rights::{Consented, Effective};
use crate::session::{Api, Ask, Session, SessionOptions, malformed, provider, whole};
use crate::target::{Target, Wanted};

/// Subscriptions REST API, `List`.
pub(crate) static LIST_SUBSCRIPTIONS: Operation = Operation {
    call: "resources:ListSubscriptions",
    permission: "Microsoft.Resources/subscriptions/read",
    absent: &[],
    per: Per::Page(1000),
};
/// What Resource Graph shows of subscriptions.
pub(crate) static SHOWN_SUBSCRIPTIONS: Operation = Operation {
    call: "resourcegraph:ShownSubscriptions",
    permission: "Microsoft.Resources/subscriptions/read",
    absent: &[],
    per: Per::Page(1000),
};

/// The subscriptions, with the management groups above them.
const SUBSCRIPTIONS: Query =
    Query { table: "resourcecontainers", types: &["microsoft.resources/subscriptions"], narrowed: "" };

/// A subscription that exists.
struct Subscription {
    account: Account,
    name: Option<String>,
    tenant: Option<Account>,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled` or `Deleted`.
    state: String,
}

/// Opens every subscription of a target, and its tenant.
pub(crate) async fn open(target: &Target, options: &SessionOptions, context: &OpenContext) -> Opened {
    let named = target.tenant.clone().or_else(|| {
        let tenant = context.environment.get("AZURE_TENANT_ID")?;
        Account::parse(tenant.to_ascii_lowercase()).ok()
    });
    let mut session = Session::open(target, named.clone().unwrap_or_else(unknown), options, context);
    let listed = subscriptions(&session).await;
    let told = || listed.as_ref().ok()?.iter().find_map(|subscription| subscription.tenant.clone());
    if let (None, Some(tenant)) = (&named, told()) {
        session = Session::open(target, tenant, &session.same_identity(options), context);
    }
    let called = listed.iter().flatten().filter_map(|one| Some((one.account.clone(), one.name.clone()?)));
    let called = called.collect();
    let mut opening = Opening { target, context, session, names: called, opened: Opened::default() };
    opening.tenant(listed.as_ref().err()).await;
    opening.subscriptions(listed).await;
    opening.opened
}

struct Opening<'a> {
    target: &'a Target,
    context: &'a OpenContext,
    session: Arc<Session>,
    /// What people call the subscriptions.
    names: BTreeMap<Account, String>,
    opened: Opened,
}

impl Opening<'_> {
    /// The tenant is an account of its own: people, applications and policies belong to no subscription.
    async fn tenant(&mut self, refusal: Option<&Refusal>) {
        let account = self.session.tenant().clone();
        if !self.context.mine.has(&provider(), &account) {
            self.list(account, "elsewhere", None);
            return;
        }
        match who(&self.session).await {
            Ok(id) => {
                self.opened.principals.push(Principal { account: account.clone(), id, provider: provider() });
                let collectors = crate::tenant_collectors(&self.session);
                self.open(account, Vec::new(), collectors, crate::tenant_manifests(), None);
            }
            Err(error) => {
                tracing::error!("no token for Azure: {error}");
                let unanswered = || Refusal {
                    call: LIST_SUBSCRIPTIONS.call.to_owned(),
                    cause: Cause::Failed,
                    code: Some("CredentialsNotLoaded".into()),
                    permission: None,
                };
                let refusal = refusal.cloned().unwrap_or_else(unanswered);
                self.open(account, Vec::new(), Vec::new(), crate::tenant_manifests(), Some(refusal));
            }
        }
    }

    async fn subscriptions(&mut self, listed: Result<Vec<Subscription>, Refusal>) {
        for (account, reason) in &self.target.exclude {
            self.list(account.clone(), "excluded", Some(reason.clone()));
        }
        let (known, refusal) = match listed {
            Ok(known) => (known.into_iter().map(|one| (one.account, one.state)).collect(), None),
            Err(refusal) => (BTreeMap::new(), Some(refusal)),
        };
        let mut known: BTreeMap<Account, String> = known;
        let groups = match &self.target.subscriptions {
            Wanted::Below(groups) => Some(groups.as_slice()),
            Wanted::All | Wanted::These(_) => None,
        };
        let shown = Pages::below(&self.session, &SHOWN_SUBSCRIPTIONS, &SUBSCRIPTIONS, groups).all().await;
        let mut visible = BTreeSet::new();
        for row in shown.iter().flatten() {
            let Some(account) = text(row, "subscriptionId").and_then(|id| Account::parse(id.to_lowercase()).ok())
            else {
                continue;
            };
            let above = items(row, "properties.managementGroupAncestorsChain");
            let above = above.filter_map(|group| text(group, "name")).map(str::to_lowercase).collect();
            self.session.place(account.clone(), above);
            visible.insert(account);
        }
        let wanted: BTreeSet<Account> = match &self.target.subscriptions {
            Wanted::All => known.keys().cloned().collect(),
            Wanted::These(named) => named.iter().cloned().collect(),
            Wanted::Below(_) => visible.clone(),
        };
        if let (Wanted::Below(groups), Err(refusal)) = (&self.target.subscriptions, &shown) {
            // Which subscriptions are below them is not known: the tenant's own place says so.
            tracing::error!(
                ?groups,
                call = refusal.call,
                "the subscriptions of the management groups cannot be listed"
            );
            if let Some(tenant) = self.opened.accounts.first_mut() {
                tenant.gaps.push(refusal.clone());
            }
        }
        // One collector for all of them: the plan starts it once.
        let shared = crate::subscription_collectors(&self.session);
        for account in wanted.into_iter().filter(|account| !self.target.exclude.contains_key(account)) {
            if !self.context.mine.has(&provider(), &account) {
                self.list(account, "elsewhere", None);
                continue;
            }
            match (known.remove(&account), &refusal) {
                (Some(state), _) if matches!(state.as_str(), "disabled" | "deleted") => {
                    self.list(account, "suspended", Some(state));
                }
                (None, None) if !visible.contains(&account) => {
                    self.open(account, home(), Vec::new(), crate::subscription_manifests(), Some(not_listed()));
                }
                (None, Some(refusal)) if !visible.contains(&account) => {
                    self.open(account, home(), Vec::new(), crate::subscription_manifests(), Some(refusal.clone()));
                }
                _ => {
                    match &shown {
                        Err(refusal) => self.session.hide(account.clone(), refusal.clone()),
                        Ok(_) if !visible.contains(&account) => self.session.hide(account.clone(), not_shown()),
                        Ok(_) => {}
                    }
                    self.open(account, home(), shared.clone(), crate::subscription_manifests(), None);
                }
            }
        }
    }

    fn open(
        &mut self,
        account: Account,
        regions: Vec<Region>,
        collectors: Vec<Arc<dyn Collector>>,
        manifests: Vec<&'static evidenced_kit::Manifest>,
        refusal: Option<Refusal>,
    ) {
        let state = if refusal.is_none() { "read" } else { "unreachable" };
        let reason = refusal.as_ref().map(|gap| match &gap.code {
            Some(code) => format!("{}: {}, {code}", gap.call, gap.cause),
            None => format!("{}: {}", gap.call, gap.cause),
        });
        self.list(account.clone(), state, reason);
        let session = Arc::clone(&self.session);
        let rights: Option<Arc<dyn evidenced_kit::Rights>> = match (&refusal, regions.is_empty()) {
            (Some(_), _) => None,
            (None, true) => Some(Arc::new(Consented { session })),
            (None, false) => Some(Arc::new(Effective { session, subscription: account.clone() })),
        };
        self.opened.accounts.push(AccountSession {
            account,
            provider: provider(),
            regions,
            excluded: self.target.excluded.clone(),
            collectors,
            manifests: Some(manifests),
            rights,
            gaps: refusal.into_iter().collect(),
        });
    }

    fn list(&mut self, account: Account, state: &str, reason: Option<String>) {
        let name = self.names.get(&account).cloned();
        self.opened.listing.push(Listed { account, name, provider: provider(), state: state.to_owned(), reason });
    }
}

/// Resources are found by subscription, wherever they are; `global` is the place of those that are nowhere.
fn home() -> Vec<Region> {
    vec![Region::global()]
}

fn unknown() -> Account {
    #[expect(clippy::expect_used, reason = "a constant")]
    Account::parse("unknown").expect("a constant")
}

fn not_listed() -> Refusal {
    Refusal {
        call: LIST_SUBSCRIPTIONS.call.to_owned(),
        cause: Cause::Denied,
        code: Some("SubscriptionNotFound".into()),
        permission: Some(LIST_SUBSCRIPTIONS.permission.to_owned()),
    }
}

/// Resource Graph leaves out what the identity may not read, without a word.
fn not_shown() -> Refusal {
    Refusal {
        call: SHOWN_SUBSCRIPTIONS.call.to_owned(),
        cause: Cause::Denied,
        code: Some("SubscriptionNotShown".into()),
        permission: Some(SHOWN_SUBSCRIPTIONS.permission.to_owned()),
    }
}

async fn subscriptions(session: &Session) -> Result<Vec<Subscription>, Refusal> {
    let scope = whole(session.tenant());
    let ask = Ask::manager("/subscriptions?api-version=2022-12-01");
    let (found, refusal) = session.list(&scope, &LIST_SUBSCRIPTIONS, &ask).await;
    if let Some(refusal) = refusal {
        // Half a list is no list: what is missing would never be missed.
        return Err(refusal);
    }
    let read = |item: &Value| {
        let own = text(item, "subscriptionId").or_else(|| Some(last(text(item, "id")?)))?;
        let account = Account::parse(id(own)).ok()?;
        let tenant = text(item, "tenantId").and_then(|tenant| Account::parse(tenant.to_lowercase()).ok());
        let name = text(item, "displayName").map(str::to_owned);
        Some(Subscription { account, name, tenant, state: text(item, "state").unwrap_or("Enabled").to_lowercase() })
    };
    found.iter().map(read).collect::<Option<_>>().ok_or_else(|| malformed(&LIST_SUBSCRIPTIONS))
}

/// What a token says of itself, where it can be read.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let part = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&part).ok().filter(Value::is_object)
}

/// Who the token speaks of: the application, and its object in the tenant. Nothing is believed of it.
async fn who(session: &Session) -> azure_core::Result<String> {
    let claims = claims(&session.token(Api::Manager).await?).unwrap_or_default();
    let named = [("application", "appid"), ("application", "azp"), ("object", "oid")];
    let mut parts: Vec<String> =
        named.iter().filter_map(|(what, claim)| Some(format!("{what} {}", text(&claims, claim)?))).collect();
    parts.dedup();
    Ok(if parts.is_empty() { "an identity that its token does not name".to_owned() } else { parts.join(", ") })
}
