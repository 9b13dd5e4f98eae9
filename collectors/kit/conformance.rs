//! The suite that every collector passes, over its cassettes: full, empty, paged; and, made from them, denied,
//! throttled, truncated and garbled for each operation in turn.
//!
//! Laws it holds: each declared field is written for each resource and no other; a kind that was listed is complete,
//! also when there is nothing; one refused operation costs exactly what it would have told, with cause and permission
//! named; nothing that was refused turns into absent or into another value; throttling costs only time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evidenced_model::{Cause, Cell, CellState, Field, KindDecl, KindId, Region, Resource, Scope};
use tokio::sync::mpsc;

use crate::cassette::{Cassette, Fault, Player, Request, Response};
use crate::{Collector, CoverageBuilder, Event, Job, Reach, Wants, drive};

/// What goes wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No permission.
    Denied,
    /// Too fast.
    Throttled,
    /// The body ends in the middle.
    Truncated,
    /// A 200 whose body is not what the API speaks.
    Garbled,
}

/// One collector's cassettes and what they are to show.
pub struct Suite<'a> {
    /// Declarations of all kinds that the collector writes.
    pub kinds: &'a [KindDecl],
    /// The account, and the regions for a collector that is started in each.
    pub scope: Scope,
    /// Regions of the run.
    pub regions: Vec<Region>,
    /// Binds the collector to a player.
    pub open: &'a dyn Fn(Arc<Player>) -> Arc<dyn Collector>,
    /// The cloud's error answer for a request; `None` for trouble that the suite makes itself.
    pub answer: &'a dyn Fn(&Request, Trouble) -> Response,
    /// An account with at least one resource of each kind, and every operation.
    pub full: Cassette,
    /// An account with nothing in it.
    pub empty: Cassette,
    /// An account whose listings have at least two pages.
    pub paged: Cassette,
    /// Kinds that exist once in every account, empty or not (e.g. the account itself).
    pub singletons: &'a [&'a str],
}

/// What a collector said, put in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Resources by kind, region and id.
    pub resources: BTreeMap<(KindId, Region, String), Resource>,
    /// Coverage cells by region and kind.
    pub cells: Vec<Cell>,
    /// How the start ended.
    pub ended: Result<(), Cause>,
}

impl Suite<'_> {
    /// Runs everything; panics with what is wrong, as tests do.
    pub async fn run(&self) {
        let full = self.check_full().await;
        self.check_empty().await;
        self.check_paged().await;
        let mut operations: BTreeSet<String> =
            self.full.exchanges.iter().map(|e| e.request.operation.clone()).collect();
        for operation in &operations {
            self.check_refused(&full, operation).await;
            self.check_slow(&full, operation).await;
            self.check_broken(&full, operation, Trouble::Truncated).await;
            self.check_broken(&full, operation, Trouble::Garbled).await;
        }
        // The operations of the manifest and of the tape are the same set.
        for operation in self.manifest().operations {
            operations.remove(operation.call);
        }
        assert!(operations.is_empty(), "the manifest does not list {operations:?}");
        self.check_all_refused().await;
    }

    fn manifest(&self) -> &'static crate::Manifest {
        (self.open)(Arc::new(Player::new(Cassette::default()))).manifest()
    }

    async fn check_full(&self) -> Said {
        let player = Arc::new(Player::new(self.full.clone()));
        let said = self.play(&player).await;
        assert_eq!(player.unmatched(), [], "full: the tape lacks these questions");
        assert_eq!(said.ended, Ok(()), "full");
        for cell in &said.cells {
            assert_eq!(cell.state, CellState::Complete, "full: {} {}: {:?}", cell.region, cell.kind, cell.gaps);
        }
        for decl in self.kinds {
            let of_kind: Vec<&Resource> = said.resources.values().filter(|r| r.kind == decl.kind).collect();
            assert!(!of_kind.is_empty(), "full: no resource of {}", decl.kind);
            for resource in &of_kind {
                for name in resource.fields.keys() {
                    assert!(decl.fields.contains_key(name), "{} {} writes undeclared {name}", decl.kind, resource.id);
                }
                for (name, field) in &decl.fields {
                    check_field(resource, name, field);
                }
            }
            for (name, field) in &decl.fields {
                let told = of_kind.iter().any(|r| matches!(r.field(name), Field::Read(_)));
                assert!(told || field.nullable, "full: {} never reads {name}", decl.kind);
            }
        }
        let asked: BTreeSet<String> = player.asked().into_keys().map(|request| request.operation).collect();
        for operation in self.manifest().operations {
            assert!(asked.contains(operation.call), "full: {} is in the manifest and never asked", operation.call);
        }
        said
    }

    async fn check_empty(&self) {
        let player = Arc::new(Player::new(self.empty.clone()));
        let said = self.play(&player).await;
        assert_eq!(player.unmatched(), [], "empty: the tape lacks these questions");
        for cell in &said.cells {
            assert_eq!(cell.state, CellState::Complete, "empty: {} {}: {:?}", cell.region, cell.kind, cell.gaps);
            if !self.singletons.contains(&cell.kind.as_str()) {
                assert_eq!(cell.resources, 0, "empty: {} {}", cell.region, cell.kind);
            }
        }
    }

    async fn check_paged(&self) {
        let player = Arc::new(Player::new(self.paged.clone()));
        let said = self.play(&player).await;
        assert_eq!(player.unmatched(), [], "paged: the tape lacks these questions");
        for cell in &said.cells {
            assert_eq!(cell.state, CellState::Complete, "paged: {} {}: {:?}", cell.region, cell.kind, cell.gaps);
        }
        let asked: BTreeMap<String, u32> = player.asked().into_keys().fold(BTreeMap::new(), |mut counts, request| {
            *counts.entry(request.operation).or_default() += 1;
            counts
        });
        assert!(asked.values().any(|count| *count > 1), "paged: no operation is asked for a second page");
    }

    /// One operation denied: what it would have told is unread or listed as a gap, with the permission; the rest stands.
    async fn check_refused(&self, full: &Said, operation: &str) {
        let said = self.play_with(operation, Trouble::Denied, u32::MAX).await;
        let lost = self.compare(full, &said, operation);
        let named = said.cells.iter().flat_map(|cell| &cell.gaps).any(|gap| {
            gap.refusal.call == operation && gap.refusal.cause == Cause::Denied && gap.refusal.permission.is_some()
        });
        assert!(named || lost == 0, "{operation} denied: {lost} losses, and no gap names it");
    }

    /// One operation throttled once: the same as full. Throttled for ever: like denied, with its own cause.
    async fn check_slow(&self, full: &Said, operation: &str) {
        let once = self.play_with(operation, Trouble::Throttled, 1).await;
        assert_eq!(once.resources, full.resources, "{operation} throttled once");
        let always = self.play_with(operation, Trouble::Throttled, u32::MAX).await;
        let lost = self.compare(full, &always, operation);
        let gaps = || always.cells.iter().flat_map(|cell| &cell.gaps);
        let named = gaps().any(|gap| gap.refusal.call == operation && gap.refusal.cause == Cause::Throttled);
        assert!(named || lost == 0, "{operation} throttled: {lost} losses, and no gap names it");
    }

    /// One operation's answers broken: losses are named; nothing turns into absent or into another value.
    async fn check_broken(&self, full: &Said, operation: &str, trouble: Trouble) {
        let said = self.play_with(operation, trouble, u32::MAX).await;
        let lost = self.compare(full, &said, operation);
        let named = said.cells.iter().flat_map(|cell| &cell.gaps).any(|gap| gap.refusal.call == operation);
        assert!(named || lost == 0, "{operation} {trouble:?}: {lost} losses, and no gap names it");
    }

    async fn check_all_refused(&self) {
        let fault: Fault = self.fault(None, Trouble::Denied, u32::MAX);
        let player = Arc::new(Player::with_fault(self.full.clone(), fault));
        let said = self.play(&player).await;
        for cell in &said.cells {
            let singleton = self.singletons.contains(&cell.kind.as_str());
            assert!(singleton || cell.state != CellState::Complete, "everything denied: {} is complete", cell.kind);
            assert!(!cell.gaps.is_empty(), "everything denied: {} {} names no gap", cell.region, cell.kind);
        }
    }

    /// How many resources and fields of the full account are lost. Whatever is not lost must be equal.
    fn compare(&self, full: &Said, said: &Said, operation: &str) -> usize {
        let mut lost = 0;
        for (key, resource) in &said.resources {
            // A resource whose region could not be read stands in `unknown`.
            let known = full.resources.keys().any(|(kind, _, id)| (kind, id) == (&key.0, &key.2));
            assert!(known, "{operation} refused: {key:?} appears from nowhere");
            let _ = resource;
        }
        for ((kind, region, id), resource) in &full.resources {
            let found = said.resources.iter().find(|((k, _, i), _)| (k, i) == (kind, id)).map(|(_, resource)| resource);
            let Some(found) = found else {
                lost += 1;
                let cell = said.cells.iter().find(|cell| &cell.kind == kind && &cell.region == region);
                let open = cell.is_none_or(|cell| cell.state != CellState::Complete);
                assert!(open, "{operation} refused: {kind} {id} vanished from a cell that says complete");
                continue;
            };
            let decl = self.kinds.iter().find(|decl| &decl.kind == kind);
            for name in decl.iter().flat_map(|decl| decl.fields.keys()) {
                match found.field(name) {
                    field if field == resource.field(name) => {}
                    Field::Unread(_) => lost += 1,
                    other => panic!(
                        "{operation} refused: {kind} {id} {name} turns from {:?} into {other:?}",
                        resource.field(name)
                    ),
                }
            }
        }
        lost
    }

    async fn play_with(&self, operation: &str, trouble: Trouble, times: u32) -> Said {
        let fault = self.fault(Some(operation), trouble, times);
        self.play(&Arc::new(Player::with_fault(self.full.clone(), fault))).await
    }

    fn fault(&self, operation: Option<&str>, trouble: Trouble, times: u32) -> Fault {
        // The answers are made beforehand: a fault outlives the borrow of the suite.
        let answers: BTreeMap<Request, Response> = self
            .full
            .exchanges
            .iter()
            .filter(|exchange| operation.is_none_or(|operation| operation == exchange.request.operation))
            .map(|exchange| {
                (
                    exchange.request.clone().canonical(),
                    spoil(&exchange.response, &exchange.request, trouble, self.answer),
                )
            })
            .collect();
        Box::new(move |request, before| (before < times).then(|| answers.get(request).cloned()).flatten())
    }

    /// Plays the collector in every place it is started in.
    pub async fn play(&self, player: &Arc<Player>) -> Said {
        let collector = (self.open)(Arc::clone(player));
        let manifest = collector.manifest();
        let wants = Arc::new(Wants { all: true, ..Wants::default() });
        let places = match manifest.reach {
            Reach::Account | Reach::Together => vec![Region::global()],
            Reach::Region => self.regions.clone(),
        };
        let mut coverage = CoverageBuilder::new(&self.scope, self.regions.clone(), Vec::new());
        for decl in self.kinds {
            coverage.plan(&decl.kind, decl.span, |_, _| None);
        }
        let mut said = Said { resources: BTreeMap::new(), cells: Vec::new(), ended: Ok(()) };
        for region in places {
            let (sender, mut receiver) = mpsc::channel(16);
            let scope = self.scope.in_region(region.clone());
            let job = Job {
                number: 0,
                collector: Arc::clone(&collector),
                scope,
                others: Vec::new(),
                wants: Arc::clone(&wants),
                timeout: Duration::from_hours(24),
            };
            let work = tokio::spawn(drive(job, sender));
            while let Some((_, event)) = receiver.recv().await {
                coverage.observe(&region, &event);
                if let Event::Resource(resource) = event {
                    let key = (resource.kind.clone(), resource.scope.region.clone(), resource.id.clone());
                    let again = said.resources.insert(key, *resource);
                    assert!(again.is_none(), "a resource is written twice: {:?}", again.map(|r| (r.kind, r.id)));
                }
            }
            if let Ok(Err(cause)) = work.await {
                said.ended = Err(cause);
                coverage.give_up(manifest, &region, cause);
            }
        }
        assert_eq!(said.ended, Ok(()), "{} did not come to its end", manifest.id);
        said.cells = coverage.finish().cells;
        said
    }
}

fn check_field(resource: &Resource, name: &str, decl: &evidenced_model::FieldDecl) {
    use evidenced_model::FieldType;
    let what = || format!("full: {} {} {name}", resource.kind, resource.id);
    match resource.field(name) {
        Field::Read(value) => {
            let fits = match decl.shape {
                FieldType::String => value.is_string(),
                FieldType::Bool => value.is_boolean(),
                FieldType::Int => value.is_i64() || value.is_u64(),
                FieldType::Timestamp => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
                FieldType::List => value.is_array(),
                FieldType::Map => value.is_object(),
            };
            assert!(fits, "{}: {value} is no {:?}", what(), decl.shape);
        }
        Field::Absent => assert!(decl.nullable, "{} is absent and not nullable", what()),
        Field::Unread(unread) => panic!("{} is unread: {unread:?}", what()),
    }
}

fn spoil(
    response: &Response,
    request: &Request,
    trouble: Trouble,
    answer: &dyn Fn(&Request, Trouble) -> Response,
) -> Response {
    match trouble {
        Trouble::Denied | Trouble::Throttled => answer(request, trouble),
        Trouble::Truncated => {
            let bytes = response.bytes();
            let mut spoiled = response.clone();
            spoiled.body = crate::cassette::encode(&bytes[..bytes.len() / 2]);
            spoiled
        }
        Trouble::Garbled => {
            let mut spoiled = response.clone();
            spoiled.body = "<<< this is neither XML nor JSON >>>".into();
            spoiled
        }
    }
}
