//! From what collectors say to coverage cells: silence is a gap.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{
    AccountCoverage, Cause, Cell, CellState, ControlTotal, Field, GapCount, KindId, Refusal, Region, Resource, Scope,
    Span,
};

use crate::{Event, Manifest};

/// Resources named in a gap, at most.
const NAMED: usize = 5;

/// The cells of one account while it is read.
pub struct CoverageBuilder {
    scope: Scope,
    regions: Vec<Region>,
    gaps: Vec<Refusal>,
    spans: BTreeMap<KindId, Span>,
    cells: BTreeMap<(Region, KindId), Open>,
    /// Located kinds: what their one listing came to.
    listings: BTreeMap<KindId, Listing>,
}

#[derive(Default, Clone)]
struct Listing {
    complete: bool,
    refusal: Option<Refusal>,
}

#[derive(Default)]
struct Open {
    listing: Listing,
    skipped: Option<String>,
    resources: u64,
    vanished: u64,
    total: Option<ControlTotal>,
    gaps: BTreeMap<Refusal, Gap>,
}

#[derive(Default)]
struct Gap {
    count: u64,
    fields: BTreeSet<String>,
    resources: BTreeSet<String>,
}

impl CoverageBuilder {
    /// An account of which nothing is planned yet.
    pub fn new(scope: &Scope, regions: Vec<Region>, gaps: Vec<Refusal>) -> Self {
        Self {
            scope: scope.global(),
            regions,
            gaps,
            spans: BTreeMap::new(),
            cells: BTreeMap::new(),
            listings: BTreeMap::new(),
        }
    }

    /// Plans the cells of a kind; each is silent until a collector speaks for it.
    pub fn plan(&mut self, kind: &KindId, span: Span, excluded: impl Fn(&KindId, &Region) -> Option<String>) {
        self.spans.insert(kind.clone(), span);
        let regions = match span {
            Span::Global => vec![Region::global()],
            Span::Regional | Span::Located => self.regions.clone(),
        };
        for region in regions {
            let skipped = excluded(kind, &region);
            self.cells.entry((region, kind.clone())).or_default().skipped = skipped;
        }
        if span == Span::Located {
            self.listings.entry(kind.clone()).or_default();
        }
    }

    /// Takes in what a collector said while it was in `region`.
    pub fn observe(&mut self, region: &Region, event: &Event) {
        match event {
            Event::Resource(resource) => self.resource(resource),
            Event::Gap { kind, region: Some(region), refusal } if !self.located(kind) => {
                self.listing(region, kind).refusal.get_or_insert_with(|| refusal.clone());
            }
            Event::Gap { kind, region: None, refusal } if !self.located(kind) => {
                let regions: Vec<Region> =
                    self.cells.keys().filter(|(_, k)| k == kind).map(|(r, _)| r.clone()).collect();
                for region in regions {
                    self.listing(&region, kind).refusal.get_or_insert_with(|| refusal.clone());
                }
            }
            Event::Gap { kind, refusal, .. } => {
                self.listings.entry(kind.clone()).or_default().refusal.get_or_insert_with(|| refusal.clone());
            }
            Event::Complete { kind } if self.located(kind) => {
                self.listings.entry(kind.clone()).or_default().complete = true;
            }
            Event::Complete { kind } => self.listing(region, kind).complete = true,
            Event::Total { kind, source, count } => {
                let total = ControlTotal { count: *count, source: (*source).to_owned() };
                self.open(region, kind).total = Some(total);
            }
            Event::Vanished { kind, region } => self.open(region, kind).vanished += 1,
        }
    }

    /// Writes the same refusal over every cell of a collector's start that has not been answered for.
    pub fn give_up(&mut self, manifest: &Manifest, region: &Region, cause: Cause) {
        for kind in manifest.kinds.iter().filter_map(|kind| KindId::parse(*kind).ok()) {
            let refusal = Refusal { call: manifest.id.to_owned(), cause, code: None, permission: None };
            if self.located(&kind) {
                let listing = self.listings.entry(kind).or_default();
                if !listing.complete {
                    listing.refusal.get_or_insert(refusal);
                }
            } else if self.cells.contains_key(&(region.clone(), kind.clone())) {
                let listing = self.listing(region, &kind);
                if !listing.complete {
                    listing.refusal.get_or_insert(refusal);
                }
            }
        }
    }

    /// The coverage as it is sealed.
    pub fn finish(self) -> AccountCoverage {
        let Self { scope, regions, gaps, cells, listings, .. } = self;
        let whole_account = gaps.first().cloned();
        let cells = cells
            .into_iter()
            .map(|((region, kind), open)| close(region, open, listings.get(&kind), whole_account.as_ref(), kind))
            .collect();
        AccountCoverage { account: scope.account, cells, gaps, provider: scope.provider, regions }
    }

    fn located(&self, kind: &KindId) -> bool {
        self.spans.get(kind) == Some(&Span::Located)
    }

    fn open(&mut self, region: &Region, kind: &KindId) -> &mut Open {
        self.cells.entry((region.clone(), kind.clone())).or_default()
    }

    fn listing(&mut self, region: &Region, kind: &KindId) -> &mut Listing {
        &mut self.open(region, kind).listing
    }

    fn resource(&mut self, resource: &Resource) {
        let open = self.open(&resource.scope.region, &resource.kind);
        open.resources += 1;
        for (name, field) in &resource.fields {
            let Field::Unread(unread) = field else { continue };
            // What nobody asked for is no gap; its line in the evidence says that it was left out.
            if unread.cause == Cause::Skipped {
                continue;
            }
            let refusal = Refusal {
                call: unread.call.clone().unwrap_or_default(),
                cause: unread.cause,
                code: None,
                permission: unread.permission.clone(),
            };
            let gap = open.gaps.entry(refusal).or_default();
            gap.fields.insert(name.clone());
            if gap.resources.len() < NAMED || gap.resources.last().is_some_and(|last| &resource.id < last) {
                gap.resources.insert(resource.id.clone());
            }
            if gap.resources.len() > NAMED {
                gap.resources.pop_last();
            }
            gap.count += 1;
        }
    }
}

fn close(region: Region, open: Open, located: Option<&Listing>, account: Option<&Refusal>, kind: KindId) -> Cell {
    let listing = located.unwrap_or(&open.listing);
    let silent = Refusal { call: kind.to_string(), cause: Cause::Silent, code: None, permission: None };
    let broken = match (&listing.refusal, listing.complete) {
        (Some(refusal), _) => Some(refusal.clone()),
        (None, true) => None,
        (None, false) => Some(account.cloned().unwrap_or(silent)),
    };
    let state = match (&open.skipped, &broken) {
        (Some(_), _) => CellState::Skipped,
        (None, None) => CellState::Complete,
        (None, Some(_)) if open.resources > 0 => CellState::Partial,
        (None, Some(refusal)) => refusal.cause.into(),
    };
    let listing_gap = broken.filter(|_| open.skipped.is_none()).map(|refusal| GapCount {
        count: 1,
        fields: Vec::new(),
        refusal,
        resources: Vec::new(),
    });
    let field_gaps = open.gaps.into_iter().map(|(refusal, gap)| GapCount {
        count: gap.count,
        fields: gap.fields.into_iter().collect(),
        refusal,
        resources: gap.resources.into_iter().collect(),
    });
    Cell {
        gaps: listing_gap.into_iter().chain(field_gaps).collect(),
        kind,
        reason: open.skipped,
        region,
        resources: open.resources,
        state,
        total: open.total,
        vanished: open.vanished,
    }
}

#[cfg(test)]
mod tests {
    use evidenced_model::{Refusal, Unread};

    use super::*;

    fn scope(region: &str) -> Scope {
        serde_json::from_value(serde_json::json!({"provider": "aws", "account": "123456789012", "region": region}))
            .unwrap()
    }

    fn kind() -> KindId {
        "aws.s3.bucket".parse().unwrap()
    }

    fn denied() -> Refusal {
        let call = "s3:ListBuckets".to_owned();
        Refusal { permission: Some(call.clone()), call, cause: Cause::Denied, code: None }
    }

    fn planned(span: Span) -> CoverageBuilder {
        let mut coverage = CoverageBuilder::new(&scope("global"), vec!["eu-west-1".parse().unwrap()], Vec::new());
        coverage.plan(&kind(), span, |_, _| None);
        coverage
    }

    fn bucket(region: &str, field: Field) -> Event {
        let mut resource = Resource::new(kind(), "example-bucket", scope(region));
        resource.fields.insert("policy".into(), field);
        Event::Resource(Box::new(resource))
    }

    #[test]
    fn silence_is_a_gap() {
        let cells = planned(Span::Regional).finish().cells;
        assert_eq!(cells[0].state, CellState::Failed);
        assert_eq!(cells[0].gaps[0].refusal.cause, Cause::Silent);
    }

    #[test]
    fn a_complete_listing_with_an_unread_field_names_the_gap() {
        let mut coverage = planned(Span::Regional);
        let region: Region = "eu-west-1".parse().unwrap();
        coverage.observe(&region, &bucket("eu-west-1", Field::Unread(Unread::from(&denied()))));
        coverage.observe(&region, &Event::Complete { kind: kind() });
        let cells = coverage.finish().cells;
        assert_eq!((cells[0].state, cells[0].resources), (CellState::Complete, 1));
        assert_eq!((cells[0].gaps[0].fields[0].as_str(), cells[0].gaps[0].count), ("policy", 1));
    }

    #[test]
    fn what_nobody_asked_for_is_no_gap() {
        let mut coverage = planned(Span::Regional);
        let region: Region = "eu-west-1".parse().unwrap();
        let skipped = Unread { call: None, cause: Cause::Skipped, permission: None };
        coverage.observe(&region, &bucket("eu-west-1", Field::Unread(skipped)));
        coverage.observe(&region, &Event::Complete { kind: kind() });
        assert!(coverage.finish().cells[0].gaps.is_empty());
    }

    #[test]
    fn a_listing_that_breaks_off_is_partial_and_one_that_is_refused_is_denied() {
        let region: Region = "eu-west-1".parse().unwrap();
        let gap = Event::Gap { kind: kind(), region: Some(region.clone()), refusal: denied() };
        let mut broken = planned(Span::Regional);
        broken.observe(&region, &bucket("eu-west-1", Field::Absent));
        broken.observe(&region, &gap);
        assert_eq!(broken.finish().cells[0].state, CellState::Partial);
        let mut refused = planned(Span::Regional);
        refused.observe(&region, &gap);
        assert_eq!(refused.finish().cells[0].state, CellState::Denied);
    }

    #[test]
    fn a_located_listing_answers_for_every_region_also_those_that_were_not_planned() {
        let mut coverage = planned(Span::Located);
        coverage.observe(&Region::global(), &bucket("sa-east-1", Field::Absent));
        coverage.observe(&Region::global(), &Event::Complete { kind: kind() });
        let states: Vec<_> = coverage.finish().cells.into_iter().map(|c| (c.region.to_string(), c.state)).collect();
        let complete = CellState::Complete;
        assert_eq!(states, [("eu-west-1".to_owned(), complete), ("sa-east-1".to_owned(), complete)]);
    }
}
