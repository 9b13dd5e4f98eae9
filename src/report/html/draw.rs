//! Pictures of time as numbers for SVG: bars, lanes and lines, with holes left open. Words stand beside each picture.

use evidenced_model::Standing;
use jiff::Timestamp;
use serde::Serialize;

use crate::period::{AgentPeriod, ControlSpan, Gap, Period, SchedulePeriod, SlotState};
use crate::words::{self, count, day, moment, number};

/// So many points of a line are drawn; of more runs, the worst of each stretch.
const POINTS: usize = 400;
/// In seconds.
const DAY: i64 = 86_400;
/// So many parts of a bar are drawn.
const PARTS: usize = 240;

/// A stretch of time as the width of a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    from: Timestamp,
    to: Timestamp,
}

/// A part of a bar, in percent of its width.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Part {
    x: f64,
    width: f64,
    /// A word for the style sheet.
    what: &'static str,
    title: String,
}

/// A mark under a picture.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Tick {
    x: f64,
    /// Where its text is anchored, so that it does not stick out.
    anchor: &'static str,
    text: String,
}

/// A bar of a control: how it stood, and when nobody looked.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Bar {
    parts: Vec<Part>,
    gaps: Vec<Part>,
    /// The picture in words.
    label: String,
}

/// A row of the time line.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Lane {
    name: String,
    /// What is not a hole was looked at.
    kept: bool,
    parts: Vec<Part>,
    marks: Vec<Part>,
    label: String,
}

/// Lines of fails and unknowns over the runs of one agent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Trend {
    agent: String,
    /// Paths in a field of 1000 by 100.
    fails: String,
    unknowns: String,
    holes: Vec<Part>,
    most: String,
    half: String,
    label: String,
    first: [String; 2],
    last: [String; 2],
    runs: String,
    thinned: bool,
}

impl Axis {
    pub(super) fn new(period: &Period) -> Self {
        Self { from: period.from, to: period.to }
    }

    /// Where a moment stands, in percent.
    fn x(&self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64();
        let part = at.duration_since(self.from).as_secs_f64();
        if whole <= 0.0 { 0.0 } else { round((part * 100.0 / whole).clamp(0.0, 100.0)) }
    }

    fn part(&self, from: Timestamp, until: Timestamp, what: &'static str, title: String) -> Part {
        let x = self.x(from);
        // What is short is still seen.
        let width = round((self.x(until) - x).max(0.15)).min(round(100.0 - x));
        Part { x, width, what, title }
    }

    /// Some days, evenly, from the first midnight on.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let days = self.to.duration_since(self.from).as_hours() / 24;
        let step = (days / 6).max(1) * DAY;
        let mut second = self.from.as_second().div_euclid(DAY) * DAY;
        if second < self.from.as_second() {
            second += DAY;
        }
        let mut ticks = Vec::new();
        while let Ok(at) = Timestamp::from_second(second) {
            if at >= self.to || ticks.len() >= 8 {
                break;
            }
            let x = self.x(at);
            let anchor = if x < 4.0 { "start" } else { "middle" };
            // One at the very end would stick out.
            if x < 96.0 {
                ticks.push(Tick { x, anchor, text: at.strftime("%-d %b").to_string() });
            }
            second += step;
        }
        ticks
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The bar of a control.
pub(super) fn bar(axis: Axis, span: &ControlSpan) -> Bar {
    let mut parts: Vec<Part> = Vec::new();
    let mut spans = span.spans.iter().peekable();
    while let Some(each) = spans.next() {
        // Where there are more parts than can be seen, short ones of good news give way; bad news stay.
        let brief = axis.x(each.until) - axis.x(each.from) < 100.0 / PARTS as f64;
        if span.spans.len() > PARTS && brief && each.standing == Standing::Supported && spans.peek().is_some() {
            continue;
        }
        let word = words::standing(each.standing);
        let title = format!("{word} from {} to {}", moment(each.from), moment(each.until));
        parts.push(axis.part(each.from, each.until, each.standing.as_str(), title));
    }
    let gaps: Vec<Part> = merged(axis, &span.gaps);
    let seen: Vec<String> = span
        .spans
        .iter()
        .take(12)
        .map(|each| format!("{} from {}", words::standing(each.standing), day(each.from)))
        .collect();
    let more = span.spans.len().saturating_sub(12);
    let more = if more > 0 { format!(", and {more} more changes") } else { String::new() };
    let gaps_word = match span.gaps.len() {
        0 => "no gaps".to_owned(),
        many => count(many as u64, "gap", "gaps"),
    };
    let seen = if seen.is_empty() { "nobody looked".to_owned() } else { seen.join(", ") };
    Bar { parts, gaps, label: format!("{seen}{more}; {gaps_word}") }
}

/// Gaps that cannot be told apart in a picture are one.
fn merged(axis: Axis, gaps: &[Gap]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for gap in gaps {
        let part = axis.part(
            gap.from,
            gap.until,
            "gap",
            format!("{}: {} to {}", gap.what, moment(gap.from), moment(gap.until)),
        );
        match parts.last_mut() {
            Some(last) if parts_touch(last, &part) => {
                last.width = round(part.x + part.width - last.x);
                "several gaps".clone_into(&mut last.title);
            }
            _ => parts.push(part),
        }
    }
    parts
}

fn parts_touch(last: &Part, next: &Part) -> bool {
    next.x - (last.x + last.width) < 0.05
}

/// The lane of a schedule: its runs, and its slots without one.
pub(super) fn lane(axis: Axis, period: &Period, schedule: &SchedulePeriod) -> Lane {
    let mut marks = Vec::new();
    let runs = period.agents.iter().filter(|agent| agent.agent == schedule.agent).flat_map(|agent| &agent.runs);
    let late: Vec<_> = runs.filter(|run| run.late).collect();
    for run in late.iter().take(PARTS) {
        let due = run.due.map_or_else(String::new, |due| format!(", due {}", moment(due)));
        marks.push(axis.part(run.at, run.at, "late", format!("late: {}{due}", moment(run.at))));
    }
    let holes = schedule.holes.iter().map(|hole| {
        let what = slot(hole.what);
        let title = format!(
            "{}, {} to {}",
            count(hole.slots, what, &format!("{what} slots")),
            moment(hole.from),
            moment(hole.until)
        );
        axis.part(hole.from, hole.until, slot_key(hole.what), title)
    });
    let parts: Vec<Part> = holes.take(PARTS * 4).collect();
    let kept = schedule.in_time + schedule.late;
    let label = format!(
        "{} of {} slots have a run, {} of them late; {} without one",
        number(kept),
        number(schedule.slots),
        number(schedule.late),
        count(schedule.slots.saturating_sub(kept), "slot", "slots"),
    );
    Lane { name: format!("{} · {}", schedule.agent, schedule.schedule), kept: true, parts, marks, label }
}

/// What became of a slot, in words.
pub(super) fn slot(state: SlotState) -> &'static str {
    match state {
        SlotState::Missed => "missed",
        SlotState::Skipped => "skipped",
        SlotState::Abandoned => "abandoned",
        SlotState::Unaccounted => "unaccounted for",
    }
}

fn slot_key(state: SlotState) -> &'static str {
    match state {
        SlotState::Missed => "missed",
        SlotState::Skipped => "skipped",
        SlotState::Abandoned => "abandoned",
        SlotState::Unaccounted => "unaccounted",
    }
}

/// The lane of what changed in how is judged.
pub(super) fn upgrades(axis: Axis, period: &Period) -> Option<Lane> {
    let marks: Vec<Part> = period
        .upgrades
        .iter()
        .take(PARTS)
        .map(|upgrade| {
            axis.part(upgrade.at, upgrade.at, "upgrade", format!("{}, {}", moment(upgrade.at), upgrade.agent))
        })
        .collect();
    let label = count(period.upgrades.len() as u64, "change in how is judged", "changes in how is judged");
    (!marks.is_empty()).then(|| Lane { name: "how is judged".to_owned(), kept: false, parts: Vec::new(), marks, label })
}

/// The lines of an agent; `None` if it has fewer than two runs.
pub(super) fn trend(axis: Axis, period: &Period, agent: &AgentPeriod) -> Option<Trend> {
    let (first, last) = (agent.runs.first()?, agent.runs.last()?);
    if agent.runs.len() < 2 {
        return None;
    }
    let schedules = || period.schedules.iter().filter(|schedule| schedule.agent == agent.agent);
    let holes: Vec<(Timestamp, Timestamp)> =
        schedules().flat_map(|schedule| &schedule.holes).map(|hole| (hole.from, hole.until)).collect();
    let most = agent.runs.iter().map(|run| run.findings.fail.max(run.findings.unknown)).max().unwrap_or(0);
    let most = nice(most);
    let line = |of: &dyn Fn(&crate::period::RunPoint) -> u64| {
        let points: Vec<(Timestamp, u64)> = agent.runs.iter().map(|run| (run.at, of(run))).collect();
        path(axis, &thin(&points), &holes, most)
    };
    let drawn = schedules()
        .flat_map(|schedule| &schedule.holes)
        .take(PARTS * 4)
        .map(|hole| axis.part(hole.from, hole.until, slot_key(hole.what), slot(hole.what).to_owned()));
    let numbers = |run: &crate::period::RunPoint| [number(run.findings.fail), number(run.findings.unknown)];
    let label = format!(
        "Fails and unknowns over {}: {} fail and {} unknown at the first run, {} fail and {} unknown at the last; {}",
        count(agent.runs.len() as u64, "run", "runs"),
        number(first.findings.fail),
        number(first.findings.unknown),
        number(last.findings.fail),
        number(last.findings.unknown),
        count(holes.len() as u64, "hole", "holes"),
    );
    Some(Trend {
        agent: agent.agent.to_string(),
        fails: line(&|run| run.findings.fail),
        unknowns: line(&|run| run.findings.unknown),
        holes: drawn.collect(),
        most: number(most),
        half: if most.is_multiple_of(2) { number(most / 2) } else { String::new() },
        label,
        first: numbers(first),
        last: numbers(last),
        runs: count(agent.runs.len() as u64, "run", "runs"),
        thinned: agent.runs.len() > POINTS,
    })
}

/// The worst of each stretch, where there are more points than can be seen.
fn thin(points: &[(Timestamp, u64)]) -> Vec<(Timestamp, u64)> {
    let each = points.len().div_ceil(POINTS).max(1);
    let worst = |part: &[(Timestamp, u64)]| part.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
    points.chunks(each).filter_map(worst).collect()
}

/// A line of steps that breaks where a hole is.
fn path(axis: Axis, points: &[(Timestamp, u64)], holes: &[(Timestamp, Timestamp)], most: u64) -> String {
    use std::fmt::Write as _;

    let x = |at: Timestamp| round(axis.x(at) * 10.0);
    let y = |value: u64| if most == 0 { 100.0 } else { round(100.0 - value as f64 * 100.0 / most as f64) };
    let mut line = String::new();
    let mut before: Option<Timestamp> = None;
    for (at, value) in points {
        let broken = before.is_none_or(|before| holes.iter().any(|(from, until)| *from < *at && *until > before));
        // A hole ends the line where the hole begins.
        if let (true, Some(last)) = (broken, before) {
            let end = holes.iter().filter(|(from, until)| *from < *at && *until > last).map(|(from, _)| *from).min();
            if let Some(end) = end.filter(|end| *end > last) {
                _ = write!(line, "H{}", x(end));
            }
        }
        _ = if broken { write!(line, "M{} {}", x(*at), y(*value)) } else { write!(line, "H{}V{}", x(*at), y(*value)) };
        before = Some(*at);
    }
    if let Some(last) = before.filter(|last| holes.iter().all(|(_, until)| until <= last)) {
        _ = write!(line, "H{}", x(last));
    }
    line
}

/// The next round number.
fn nice(value: u64) -> u64 {
    let mut unit = 1;
    while value / 10 >= unit {
        unit *= 10;
    }
    value.max(1).div_ceil(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> Timestamp {
        format!("2026-01-{day:02}T00:00:00Z").parse().unwrap()
    }

    fn axis() -> Axis {
        Axis { from: at(1), to: at(11) }
    }

    #[test]
    fn a_line_breaks_where_nobody_looked() {
        let points = [(at(1), 0), (at(2), 5), (at(6), 10), (at(7), 0)];
        let holes = [(at(3), at(6))];
        assert_eq!(path(axis(), &points, &holes, 10), "M0 100H100V50H200M500 0H600V100H600");
        assert_eq!(path(axis(), &[], &[], 0), "");
    }

    #[test]
    fn of_many_points_the_worst_are_drawn() {
        let points: Vec<_> = (0..2000)
            .map(|second| (at(1) + jiff::SignedDuration::from_secs(second), u64::from(second == 777)))
            .collect();
        let thinned = thin(&points);
        assert_eq!(thinned.len(), POINTS);
        assert_eq!(thinned.iter().filter(|(_, value)| *value == 1).count(), 1);
    }

    #[test]
    fn what_stands_outside_is_drawn_at_the_edge_and_what_is_short_is_seen() {
        let part = axis().part(at(1) - jiff::SignedDuration::from_hours(24), at(1), "gap", String::new());
        assert_eq!((part.x, part.width), (0.0, 0.15));
        let part = axis().part(at(11), at(12), "gap", String::new());
        assert_eq!((part.x, part.width), (100.0, 0.0));
    }

    #[test]
    fn ends_of_scales_are_round() {
        assert_eq!([0, 1, 9, 10, 11, 99, 101, 2_345].map(nice), [1, 1, 9, 10, 20, 100, 200, 3_000]);
    }

    #[test]
    fn days_are_marked_evenly() {
        let ticks = axis().ticks();
        assert!((3..=8).contains(&ticks.len()), "{ticks:?}");
        assert_eq!((ticks[0].x, ticks[0].anchor), (0.0, "start"));
    }
}
