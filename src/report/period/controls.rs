//! How controls stood, look by look, over all streams.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{AgentId, CatalogId, CheckId, ControlId, Provider, RunId, Standing, Tally};
use jiff::Timestamp;

use super::document::{ControlSpan, Gap, Looked, Saw, StandingSpan};

/// Every control that some run told of.
#[derive(Debug, Default)]
pub(super) struct Controls(BTreeMap<(CatalogId, ControlId), Both>);

#[derive(Debug, Default)]
pub(super) struct Both {
    pub(super) clouds: BTreeMap<Provider, State>,
    pub(super) together: State,
}

/// A control in one cloud, or in all together.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What each stream saw last.
    last: BTreeMap<usize, Standing>,
    /// Streams that looked at any time.
    pub(super) streams: BTreeSet<usize>,
    /// The checks that decided at any time.
    pub(super) checks: BTreeSet<CheckId>,
    first_look: Option<Timestamp>,
    last_look: Option<Timestamp>,
    looks: u64,
    seen: BTreeMap<Standing, u64>,
    spans: Vec<StandingSpan>,
}

/// Who looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) stream: usize,
    pub(super) at: Timestamp,
    pub(super) run: RunId,
    pub(super) agent: &'a AgentId,
    /// Something that belongs to the whole was never looked at.
    pub(super) hole: bool,
}

impl Controls {
    pub(super) fn of(&mut self, catalog: &CatalogId, control: &ControlId) -> &mut Both {
        self.0.entry((catalog.clone(), control.clone())).or_default()
    }
}

impl State {
    /// Whether nobody has looked yet.
    pub(super) fn is_new(&self) -> bool {
        self.looks == 0
    }

    /// Takes in what a run saw; `counts` is asked where the standing is another.
    pub(super) fn look(&mut self, look: &Look<'_>, standing: Standing, counts: impl FnOnce() -> Tally) {
        self.last.insert(look.stream, standing);
        self.streams.insert(look.stream);
        let together = self.last.values().copied().reduce(Standing::beside).unwrap_or(standing);
        let together = if look.hole { together.over_a_hole() } else { together };
        self.first_look.get_or_insert(look.at);
        self.last_look = Some(look.at);
        self.looks += 1;
        *self.seen.entry(together).or_default() += 1;
        if self.spans.last().is_some_and(|span| span.standing == together) {
            return;
        }
        if let Some(span) = self.spans.last_mut() {
            span.until = look.at;
        }
        self.spans.push(StandingSpan {
            standing: together,
            from: look.at,
            until: look.at,
            run: Some(look.run),
            agent: Some(look.agent.clone()),
            counts: counts(),
        });
    }

    /// Notes what a run says of a control at which nobody can look.
    pub(super) fn without_look(&mut self, stream: usize, standing: Standing) {
        self.last.insert(stream, standing);
    }

    /// Puts it together.
    pub(super) fn finish(self, end: Timestamp, gaps: Vec<Gap>, counts: Option<Tally>) -> ControlSpan {
        let mut spans = self.spans;
        if let Some(span) = spans.last_mut() {
            span.until = end.max(span.from);
        }
        let gaps = merged(gaps);
        let looked = match self.looks {
            0 => Looked::NotLookedAt,
            _ if gaps.is_empty() => Looked::Continuous,
            _ => Looked::Gapped,
        };
        ControlSpan {
            looked,
            saw: saw(&self.seen, self.last.values().copied().reduce(Standing::beside)),
            first: self.first_look,
            last: self.last_look,
            looks: self.looks,
            seen: self.seen,
            spans,
            gaps,
            counts: counts.filter(|_| self.looks > 0),
            changes: 0,
            fails: 0,
            open: 0,
        }
    }
}

/// The worst of what was seen, whenever somebody looked.
fn saw(seen: &BTreeMap<Standing, u64>, without: Option<Standing>) -> Saw {
    let was = |standing| seen.contains_key(&standing);
    if was(Standing::Contradicted) {
        Saw::Contradicted
    } else if was(Standing::Incomplete) {
        Saw::Incomplete
    } else if was(Standing::SupportedWithExceptions) {
        Saw::SupportedWithExceptions
    } else if was(Standing::Supported) {
        Saw::Supported
    } else if was(Standing::NoSubject) {
        Saw::NoSubject
    } else if was(Standing::Excluded) {
        Saw::Excluded
    } else {
        match without {
            Some(Standing::Manual) => Saw::Manual,
            Some(Standing::Excluded) => Saw::Excluded,
            _ => Saw::Nothing,
        }
    }
}

/// Gaps for the same reason that touch or overlap are one.
fn merged(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.retain(|gap| gap.from < gap.until);
    gaps.sort_by(|one, other| (&one.what, one.from, one.until).cmp(&(&other.what, other.from, other.until)));
    let mut out: Vec<Gap> = Vec::new();
    for gap in gaps {
        match out.last_mut() {
            Some(last) if last.what == gap.what && gap.from <= last.until => last.until = last.until.max(gap.until),
            _ => out.push(gap),
        }
    }
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn looks(seen: &[(usize, i64, Standing)], hole: bool) -> State {
        let (mut state, agent) = (State::default(), AgentId::parse("prod").unwrap());
        for (stream, second, standing) in seen {
            let run = RunId::from_parts(1_000 + u64::try_from(*second).unwrap(), 1);
            let look = Look { stream: *stream, at: at(*second), run, agent: &agent, hole };
            state.look(&look, *standing, Tally::default);
        }
        state
    }

    #[test]
    fn a_standing_is_what_weighs_more_of_what_each_stream_saw_last() {
        use Standing::{Contradicted, Incomplete, Supported};
        let state = looks(&[(0, 1, Supported), (1, 2, Contradicted), (0, 3, Supported), (1, 4, Supported)], false);
        let span = state.finish(at(9), Vec::new(), None);
        let spans: Vec<_> = span.spans.iter().map(|span| (span.standing, span.from, span.until)).collect();
        assert_eq!(spans, [(Supported, at(1), at(2)), (Contradicted, at(2), at(4)), (Supported, at(4), at(9))]);
        assert_eq!((span.looked, span.saw, span.looks), (Looked::Continuous, Saw::Contradicted, 4));
        let span = looks(&[(0, 1, Supported)], true).finish(at(2), Vec::new(), None);
        assert_eq!((span.saw, span.spans[0].standing), (Saw::Incomplete, Incomplete));
    }

    #[test]
    fn nothing_is_seen_where_nobody_looked() {
        let mut state = State::default();
        assert_eq!(State::default().finish(at(9), Vec::new(), None).saw, Saw::Nothing);
        state.without_look(0, Standing::Manual);
        let span = state.finish(at(9), Vec::new(), Some(Tally::default()));
        assert_eq!((span.looked, span.saw, span.counts), (Looked::NotLookedAt, Saw::Manual, None));
    }

    #[test]
    fn gaps_for_one_reason_are_one_where_they_touch() {
        let gap = |from, until, what: &str| Gap { from: at(from), until: at(until), what: what.to_owned() };
        let gaps = vec![gap(5, 7, "a"), gap(1, 3, "a"), gap(3, 4, "a"), gap(2, 6, "b"), gap(8, 8, "a")];
        assert_eq!(merged(gaps), [gap(1, 4, "a"), gap(2, 6, "b"), gap(5, 7, "a")]);
    }
}
