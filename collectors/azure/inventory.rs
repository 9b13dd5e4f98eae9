//! What most collectors of Azure are: kinds whose resources come in bulk, for all subscriptions at once, and what single
//! reads of Resource Manager add to each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use evidenced_kit::{Collector, Manifest, Operation, Out};
use evidenced_model::{Account, Cause, KindId, Refusal, Resource, Scope};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use crate::draft::{Draft, id, text};
use crate::query::{Pages, Query};
use crate::session::{Ask, Session, ends};

/// Resources whose details are read at once.
const CONCURRENT: usize = 24;
/// Subscriptions that are listed one by one, at once.
const SUBSCRIPTIONS: usize = 16;

/// One kind, and how its resources are found.
pub(crate) struct Part {
    /// The kind.
    pub(crate) kind: &'static str,
    /// What every resource of the kind has.
    pub(crate) frame: Frame,
    /// Kinds whose resources are found below those of this one.
    pub(crate) below: &'static [&'static str],
    /// The operation that lists it.
    pub(crate) operation: &'static Operation,
    /// Where the resources come from.
    pub(crate) source: Source,
    /// What an answer's item says.
    pub(crate) shape: fn(&Value, &mut Draft),
    /// What is read beside it.
    pub(crate) details: Option<&'static dyn Details>,
}

/// What every resource of a kind has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// `id`, `name`, `location`, `resource_group` and `tags`; it stands in its location.
    Located,
    /// `id` alone: it belongs to the subscription as a whole.
    Bare,
    /// What is listed is no resource itself: those of the kind are below it.
    Above,
}

/// Where resources come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// Resource Graph, for all subscriptions together.
    Graph(Query),
    /// A listing of Resource Manager in each subscription: the path after `/subscriptions/<id>`.
    Listing(&'static str),
}

/// What single reads add to a resource.
#[async_trait]
pub(crate) trait Details: Send + Sync {
    /// A second query, whose rows say more of the resources: it is asked once, before them.
    fn beside(&self) -> Option<(&'static Operation, Query)> {
        None
    }

    /// Under what a row of the second query is found: its id, where nothing else is said.
    fn key(&self, row: &Value) -> Option<String> {
        text(row, "id").map(id)
    }

    /// Reads more of a resource, and what is below it. Whatever is refused is unread, and named.
    async fn read(&self, item: &Item<'_>, draft: &mut Draft);
}

/// A resource whose details are read.
pub(crate) struct Item<'a> {
    /// The door.
    pub(crate) session: &'a Session,
    /// The subscription.
    pub(crate) scope: &'a Scope,
    /// As it was listed.
    pub(crate) row: &'a Value,
    out: &'a Out,
    below: &'a Below,
}

/// The rows of a second query ([`Details::beside`]), by their keys: ids in lower case.
struct Beside {
    operation: &'static Operation,
    rows: HashMap<String, Vec<Value>>,
    asked: Vec<Account>,
    ended: Option<Refusal>,
}

/// What was found beside and below resources, and what could not be.
#[derive(Default)]
struct Below {
    beside: Option<Beside>,
    gaps: Mutex<BTreeMap<(Account, &'static str), Refusal>>,
    gone: Mutex<BTreeSet<String>>,
}

impl Item<'_> {
    /// Whether a field marked `on_demand` is worth its call.
    pub(crate) fn wants(&self, kind: &str, field: &str) -> bool {
        self.out.wants(kind, field)
    }

    /// Whether a kind below this one is worth its calls.
    pub(crate) fn reads(&self, kind: &str) -> bool {
        self.out.reads(kind)
    }

    /// The id under which Resource Manager knows the resource, as it wrote it.
    pub(crate) fn path(&self) -> &str {
        text(self.row, "id").unwrap_or_default()
    }

    /// A single read below the resource: the path after its id, with the version of the API.
    pub(crate) async fn get(&self, operation: &'static Operation, path: &str) -> Result<Option<Value>, Refusal> {
        let path = format!("{}{path}", self.path());
        Ok(self.session.ask(self.scope, operation, &Ask::manager(&path)).await?.map(|answer| answer.body))
    }

    /// A listing below the resource.
    pub(crate) async fn list(&self, operation: &'static Operation, path: &str) -> (Vec<Value>, Option<Refusal>) {
        let path = format!("{}{path}", self.path());
        self.session.list(self.scope, operation, &Ask::manager(&path)).await
    }

    /// The row of the second query whose id is this one's and `path`; or why there is none, though it should be there.
    pub(crate) async fn beside(&self, path: &str) -> Result<&Value, Refusal> {
        let Some(beside) = &self.below.beside else {
            unreachable!("details that ask for a row name the query");
        };
        if let Some(row) = beside.rows.get(&format!("{}{path}", id(self.path()))).and_then(|rows| rows.first()) {
            return Ok(row);
        }
        // Resource Graph leaves out, without a word, what the caller may not read.
        let barred = self.session.allowed(&self.scope.account).await.gap(beside.operation);
        let none = || Refusal { code: Some("NoSuchRow".into()), ..crate::session::malformed(beside.operation) };
        Err(beside.ended.clone().or(barred).unwrap_or_else(none))
    }

    /// The rows of the second query under a key ([`Details::key`]), as far as they are in this subscription. That there
    /// are none is an answer only where it was asked, may be read, and everything came.
    pub(crate) async fn found(&self, key: &str, subscription: &str) -> Result<&[Value], Refusal> {
        let Some(beside) = self.below.beside.as_ref() else { return Ok(&[]) };
        let Some(account) = beside.asked.iter().find(|one| one.as_str().eq_ignore_ascii_case(subscription)) else {
            let (call, code) = (beside.operation.call.to_owned(), Some("SubscriptionNotRead".to_owned()));
            return Err(Refusal { call, cause: Cause::Skipped, code, permission: None });
        };
        let barred = self.session.allowed(account).await.gap(beside.operation);
        match beside.ended.clone().or(barred) {
            Some(refusal) => Err(refusal),
            None => Ok(beside.rows.get(key).map(Vec::as_slice).unwrap_or_default()),
        }
    }

    /// A draft of a resource below this one, in the place of `above`.
    pub(crate) fn below(
        &self,
        kind: &'static str,
        row: &Value,
        above: &Draft,
        operation: &'static Operation,
    ) -> Option<Draft> {
        let mut draft = Draft::of_row(named(kind), self.scope, row, operation)?;
        // What is below a resource is where the resource is, and does not say so itself.
        draft.resource.scope = above.resource.scope.clone();
        Some(draft)
    }

    /// Writes a resource below this one.
    pub(crate) async fn emit(&self, resource: Resource) {
        self.out.clone().resource(resource).await;
    }

    /// A listing below this resource was refused: the population of that kind is not known in this subscription.
    pub(crate) fn gap(&self, kind: &'static str, refusal: Refusal) {
        let key = (self.scope.account.clone(), kind);
        self.below.gaps.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(refusal);
    }

    /// The resource was gone when its details were read.
    pub(crate) fn vanished(&self, draft: &Draft) {
        self.below.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(draft.resource.id.clone());
    }
}

/// Reads the kinds of its parts in all subscriptions that share it.
pub(crate) struct Inventory {
    session: Arc<Session>,
    manifest: &'static Manifest,
    parts: &'static [Part],
}

impl Inventory {
    /// A collector with this identity.
    pub(crate) fn new(session: &Arc<Session>, manifest: &'static Manifest, parts: &'static [Part]) -> Self {
        Self { session: Arc::clone(session), manifest, parts }
    }

    /// Asks the second query of a part, if it has one.
    async fn beside(&self, part: &Part, ends: &BTreeMap<Account, (Scope, Out)>) -> Option<Beside> {
        let details = part.details?;
        let (operation, query) = details.beside()?;
        let mut beside = Beside { operation, rows: HashMap::new(), asked: self.shown(ends), ended: None };
        let mut pages = Pages::over(&self.session, operation, &query, &beside.asked);
        while let Some(page) = pages.next().await {
            match page {
                Ok(rows) => {
                    for row in rows {
                        // Of whom a row without a key speaks is not known: it may be of anybody.
                        let keyed = |row: Value| details.key(&row).map(|key| (key, row));
                        match row.map(keyed) {
                            Ok(Some((key, row))) => beside.rows.entry(key).or_default().push(row),
                            Ok(None) => beside.ended = Some(crate::session::malformed(operation)),
                            Err(refusal) => beside.ended = Some(refusal),
                        }
                    }
                }
                Err(refusal) => beside.ended = Some(refusal),
            }
        }
        Some(beside)
    }

    /// The subscriptions that Resource Graph shows.
    fn shown(&self, ends: &BTreeMap<Account, (Scope, Out)>) -> Vec<Account> {
        ends.keys().filter(|account| self.session.hidden(account).is_none()).cloned().collect()
    }

    async fn part(&self, part: &Part, ends: &BTreeMap<Account, (Scope, Out)>) {
        let below = Below { beside: self.beside(part, ends).await, ..Below::default() };
        let mut refused: BTreeMap<Account, Refusal> = BTreeMap::new();
        match part.source {
            Source::Graph(asked) => {
                let mut pages = Pages::over(&self.session, part.operation, &asked, &self.shown(ends));
                let mut ended = None;
                while let Some(page) = pages.next().await {
                    match page {
                        Ok(rows) => ended = self.rows(part, ends, rows, &below).await.or(ended),
                        Err(refusal) => ended = Some(refusal),
                    }
                }
                for account in ends.keys() {
                    let why = self.session.hidden(account).map(|refusal| Refusal {
                        call: part.operation.call.to_owned(),
                        permission: Some(part.operation.permission.to_owned()),
                        ..refusal
                    });
                    if let Some(refusal) = why.or_else(|| ended.clone()) {
                        refused.insert(account.clone(), refusal);
                    } else if let Some(refusal) = self.session.allowed(account).await.gap(part.operation) {
                        refused.insert(account.clone(), refusal);
                    }
                }
            }
            Source::Listing(path) => {
                let (mut waiting, mut listing) = (ends.values(), FuturesUnordered::new());
                loop {
                    while listing.len() < SUBSCRIPTIONS
                        && let Some((scope, _)) = waiting.next()
                    {
                        listing.push(self.listing(part, path, scope, ends, &below));
                    }
                    match listing.next().await {
                        Some((account, Some(refusal))) => drop(refused.insert(account, refusal)),
                        Some((_, None)) => {}
                        None => break,
                    }
                }
            }
        }
        let gaps = below.gaps.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (account, (_, out)) in ends {
            let mut out = out.clone();
            let whole = refused.get(account);
            for kind in std::iter::once(&part.kind).chain(part.below) {
                match whole.or_else(|| gaps.get(&(account.clone(), *kind))) {
                    Some(refusal) => out.gap_everywhere(kind, refusal.clone()).await,
                    None => out.complete(kind).await,
                }
            }
        }
    }

    /// Lists a kind in one subscription.
    async fn listing(
        &self,
        part: &Part,
        path: &'static str,
        scope: &Scope,
        ends: &BTreeMap<Account, (Scope, Out)>,
        below: &Below,
    ) -> (Account, Option<Refusal>) {
        let path = format!("/subscriptions/{}{path}", scope.account);
        let (items, refusal) = self.session.list(scope, part.operation, &Ask::manager(&path)).await;
        // An item of a listing does not say whose it is.
        let items = items.into_iter().map(|item| Ok(owned(item, &scope.account)));
        let broken = self.rows(part, ends, items, below).await;
        (scope.account.clone(), refusal.or(broken))
    }

    /// Takes in a page: a resource for each row, with its details. What it gives says why a row could not be taken.
    async fn rows(
        &self,
        part: &Part,
        ends: &BTreeMap<Account, (Scope, Out)>,
        rows: impl Iterator<Item = Result<Value, Refusal>>,
        below: &Below,
    ) -> Option<Refusal> {
        let (mut waiting, mut reading, mut broken) = (rows, FuturesUnordered::new(), None);
        loop {
            while reading.len() < CONCURRENT
                && let Some(row) = waiting.next()
            {
                match row {
                    Ok(row) => reading.push(self.row(part, ends, row, below)),
                    Err(refusal) => broken = Some(refusal),
                }
            }
            if reading.next().await.is_none() {
                return broken;
            }
        }
    }

    async fn row(&self, part: &Part, ends: &BTreeMap<Account, (Scope, Out)>, row: Value, below: &Below) {
        let row = &row;
        for account in self.session.owners(row, ends.keys()) {
            let Some((scope, out)) = ends.get(&account) else { continue };
            let made = match part.frame {
                Frame::Located | Frame::Above => Draft::of_row(named(part.kind), scope, row, part.operation),
                Frame::Bare => Draft::bare(named(part.kind), scope, row, part.operation),
            };
            let Some(mut draft) = made else {
                // A row without an id is a hole in the listing.
                let refusal = crate::session::malformed(part.operation);
                let mut gaps = below.gaps.lock().unwrap_or_else(PoisonError::into_inner);
                for kind in std::iter::once(&part.kind).chain(part.below) {
                    gaps.entry((account.clone(), *kind)).or_insert_with(|| refusal.clone());
                }
                continue;
            };
            shape(part, row, &mut draft);
            if let Some(details) = part.details {
                let item = Item { session: &self.session, scope, row, out, below };
                details.read(&item, &mut draft).await;
            }
            let gone = below.gone.lock().unwrap_or_else(PoisonError::into_inner).remove(&draft.resource.id);
            let mut out = out.clone();
            if gone {
                out.vanished(part.kind, &draft.resource.scope.region).await;
            } else if part.frame != Frame::Above {
                out.resource(draft.resource).await;
            }
        }
    }
}

#[async_trait]
impl Collector for Inventory {
    fn manifest(&self) -> &'static Manifest {
        self.manifest
    }

    async fn collect(&self, _: &Scope, out: &mut Out) {
        let ends = ends(out);
        // Of what the operator leaves out everywhere, nothing is asked.
        let reads = |kind: &str| ends.values().any(|(_, out)| out.reads(kind));
        let wanted = |part: &&Part| std::iter::once(&part.kind).chain(part.below).any(|kind| reads(kind));
        futures::future::join_all(self.parts.iter().filter(wanted).map(|part| self.part(part, &ends))).await;
    }
}

fn owned(mut item: Value, account: &Account) -> Value {
    if let Some(members) = item.as_object_mut() {
        members.insert("subscriptionId".to_owned(), Value::from(account.as_str()));
    }
    item
}

/// Reads a row. One without the properties that every resource has was not read: what the shape takes for left out,
/// nobody left out.
fn shape(part: &Part, row: &Value, draft: &mut Draft) {
    let framed: Vec<String> = draft.resource.fields.keys().cloned().collect();
    (part.shape)(row, draft);
    let common = matches!(part.source, Source::Graph(Query { types: [], .. }));
    if !common && !crate::draft::at(row, "properties").is_some_and(Value::is_object) {
        let shaped: Vec<String> =
            draft.resource.fields.keys().filter(|field| !framed.contains(field)).cloned().collect();
        draft.malformed(&shaped.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// A kind that this crate names itself.
pub(crate) fn named(kind: &'static str) -> KindId {
    #[expect(clippy::expect_used, reason = "a constant, and the conformance suite reads each")]
    KindId::parse(kind).expect("a constant")
}

/// What a part makes of a row, without its details.
#[cfg(test)]
pub(crate) fn shaped(part: &Part, row: &Value) -> Draft {
    let account = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    let mut draft = Draft::of_row(named(part.kind), &crate::session::whole(&account), row, part.operation).unwrap();
    (part.shape)(row, &mut draft);
    draft
}
