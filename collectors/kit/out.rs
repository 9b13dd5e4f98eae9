//! Where a collector writes: a bounded channel, so that a slow disk slows the reader and does not fill the memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidenced_model::{Field, KindId, Refusal, Region, Resource, Scope, Unread};
use tokio::sync::mpsc;

/// What a collector says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A resource, with what could and could not be read of it.
    Resource(Box<Resource>),
    /// A listing was refused, or broke off.
    Gap {
        /// The kind whose population is not known.
        kind: KindId,
        /// Where; `None` for every region of a located kind.
        region: Option<Region>,
        /// Why.
        refusal: Refusal,
    },
    /// The listing was read to its end.
    Complete {
        /// The kind.
        kind: KindId,
    },
    /// An independent count by the provider.
    Total {
        /// The kind.
        kind: KindId,
        /// The operation that said so.
        source: &'static str,
        /// How many there are.
        count: u64,
    },
    /// A resource was gone between listing and reading.
    Vanished {
        /// The kind.
        kind: KindId,
        /// Where.
        region: Region,
    },
}

/// Which fields are wanted: those that an enabled check reads, and all that come without a call of their own.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    /// Everything (`collect: all`).
    pub all: bool,
    /// Fields marked `on_demand` that a check reads, by kind.
    pub fields: BTreeMap<String, BTreeSet<String>>,
    /// Kinds that the operator leaves out.
    pub excluded: BTreeSet<String>,
}

/// A collector's hand on the channel.
#[derive(Clone)]
pub struct Out {
    sender: mpsc::Sender<(usize, Event)>,
    job: usize,
    wants: Arc<Wants>,
    scope: Scope,
    others: Arc<[(usize, Scope)]>,
}

impl Out {
    /// An end that writes into `sender` for one start of a collector in `scope`; `job` goes along with each event.
    pub fn new(sender: mpsc::Sender<(usize, Event)>, job: usize, wants: Arc<Wants>, scope: Scope) -> Self {
        Self { sender, job, wants, scope, others: Arc::new([]) }
    }

    /// The same for a start that reads other accounts as well.
    #[must_use]
    pub fn with(self, others: Vec<(usize, Scope)>) -> Self {
        Self { others: others.into(), ..self }
    }

    /// An end for each account that this start reads ([`crate::Reach::Together`]), with its place.
    pub fn together(&self) -> impl Iterator<Item = (&Scope, Self)> {
        let own = std::iter::once((&self.scope, self.clone()));
        let others = self.others.iter().map(|(job, scope)| {
            let (sender, wants) = (self.sender.clone(), Arc::clone(&self.wants));
            (scope, Self { sender, job: *job, wants, scope: scope.clone(), others: Arc::new([]) })
        });
        own.chain(others)
    }

    /// Whether a field marked `on_demand` is worth its call.
    pub fn wants(&self, kind: &str, field: &str) -> bool {
        self.wants.all || self.wants.fields.get(kind).is_some_and(|fields| fields.contains(field))
    }

    /// Whether a kind is worth its calls: the operator may have left it out, and what is said of it is not kept then.
    pub fn reads(&self, kind: &str) -> bool {
        !self.wants.excluded.contains(kind)
    }

    /// Writes a resource. Waits while the channel is full.
    pub async fn resource(&mut self, resource: Resource) {
        self.send(Event::Resource(Box::new(resource))).await;
    }

    /// Writes that a listing was refused or broke off, in the place of this start.
    pub async fn gap(&mut self, kind: &str, refusal: Refusal) {
        let region = Some(self.scope.region.clone());
        self.send_for(kind, |kind| Event::Gap { kind, region, refusal }).await;
    }

    /// Writes that a located kind's one listing was refused or broke off, for every region.
    pub async fn gap_everywhere(&mut self, kind: &str, refusal: Refusal) {
        self.send_for(kind, |kind| Event::Gap { kind, region: None, refusal }).await;
    }

    /// Writes that the listing was read to its end, also if there was nothing. Without it the kind is unread.
    pub async fn complete(&mut self, kind: &str) {
        self.send_for(kind, |kind| Event::Complete { kind }).await;
    }

    /// Writes the provider's own count of a kind.
    pub async fn total(&mut self, kind: &str, source: &'static str, count: u64) {
        self.send_for(kind, |kind| Event::Total { kind, source, count }).await;
    }

    /// Writes that a resource was gone between listing and reading.
    pub async fn vanished(&mut self, kind: &str, region: &Region) {
        let region = region.clone();
        self.send_for(kind, |kind| Event::Vanished { kind, region }).await;
    }

    async fn send_for(&mut self, kind: &str, event: impl FnOnce(KindId) -> Event) {
        // A kind that is no kind id is a bug that the conformance suite finds: the cell then stays silent.
        match KindId::parse(kind) {
            Ok(kind) => self.send(event(kind)).await,
            Err(error) => tracing::error!(%error, "a collector names a kind that cannot be; its cells stay unread"),
        }
    }

    async fn send(&mut self, event: Event) {
        // The receiver goes only when the run is given up; what is read after that is not wanted.
        let _ = self.sender.send((self.job, event)).await;
    }
}

/// Writes a call's outcome into fields: shorthands for collectors.
pub trait Write {
    /// Writes several fields as unread for the same reason.
    fn unread_all(&mut self, names: &[&str], why: &Refusal);
    /// Writes several fields as absent.
    fn absent_all(&mut self, names: &[&str]);
}

impl Write for Resource {
    fn unread_all(&mut self, names: &[&str], why: &Refusal) {
        for name in names {
            self.fields.insert((*name).to_owned(), Field::Unread(Unread::from(why)));
        }
    }

    fn absent_all(&mut self, names: &[&str]) {
        for name in names {
            self.absent(name);
        }
    }
}
