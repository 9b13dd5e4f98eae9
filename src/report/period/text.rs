//! A period for a terminal: what has to be known first, then controls, then what stands and what changed.

use evidenced_model::{Scope, Severity};

use super::document::{
    AgentPeriod, CatalogPeriod, ChangeCause, ControlPeriod, ControlSpan, FailEnd, FailPeriod, Looked, Period, Saw,
    SchedulePeriod, SlotState, VerdictChange,
};
use crate::text::page::{Page, Paint, Style};
use crate::words::{self, count, moment, number};

/// So much of each list is shown; the other forms hold more.
const LISTED: usize = 20;

/// The period for a terminal.
pub fn text(period: &Period, style: &Style) -> String {
    let mut page = Page::new(style);
    let line = page.say().painted(Paint::Bold, &format!("{} to {}", moment(period.from), moment(period.to)));
    page.line(0, &line);
    let line = page.say().plain("from ").plain(&period.store);
    page.line(0, &line);
    cautions(&mut page, period);
    page.heading("Who looked");
    period.agents.iter().for_each(|agent| who(&mut page, agent));
    period.schedules.iter().for_each(|schedule| slots(&mut page, schedule));
    period.catalogs.iter().for_each(|catalog| controls(&mut page, catalog));
    fails(&mut page, period);
    changes(&mut page, period);
    holes(&mut page, period);
    declared(&mut page, period);
    page.finish()
}

fn cautions(page: &mut Page, period: &Period) {
    page.heading("To know first");
    for caution in &period.cautions {
        let line = page.say().plain("- ").plain(caution);
        page.put(2, 4, &line);
    }
    for upgrade in &period.upgrades {
        let mut what = Vec::new();
        if let Some((old, new)) = &upgrade.versions {
            what.push(format!("version {old} became {new}"));
        }
        let checks = [
            (upgrade.checks.len(), "check means something else", "checks mean something else"),
            (upgrade.added.len(), "check is new", "checks are new"),
            (upgrade.removed.len(), "check is gone", "checks are gone"),
            (upgrade.params.len(), "parameter changed", "parameters changed"),
        ];
        what.extend(
            checks.iter().filter(|(many, ..)| *many > 0).map(|(many, one, more)| count(*many as u64, one, more)),
        );
        let again = if upgrade.rejudged { "the run before was judged again" } else { "nothing was judged again" };
        let line = page.say().plain("- ").plain(&format!(
            "from {} on, {} judged otherwise: {}; {again}, and {} for that reason alone",
            moment(upgrade.at),
            upgrade.agent,
            what.join(", "),
            count(upgrade.verdicts, "verdict changed", "verdicts changed")
        ));
        page.put(2, 4, &line);
    }
}

fn who(page: &mut Page, agent: &AgentPeriod) {
    let numbers = [
        (agent.partial, "with gaps"),
        (agent.asked_for, "asked for by somebody"),
        (agent.abandoned, "given up"),
        (agent.open, "without an end"),
    ];
    let numbers: Vec<String> =
        numbers.iter().filter(|(many, _)| *many > 0).map(|(many, what)| format!("{} {what}", number(*many))).collect();
    let more = if numbers.is_empty() { String::new() } else { format!(" ({})", numbers.join(", ")) };
    let line = page.say().painted(Paint::Bold, agent.agent.as_str()).plain(&format!(
        ": {}{more}, {}",
        count(agent.sealed, "sealed run", "sealed runs"),
        count(agent.entries, "log entry", "log entries")
    ));
    page.put(2, 4, &line);
    if let Some(head) = &agent.head {
        let line = page.say().painted(Paint::Dim, &format!("head of its log {head}"));
        page.put(4, 6, &line);
    }
}

fn slots(page: &mut Page, schedule: &SchedulePeriod) {
    let parts = [
        (schedule.in_time, "in time"),
        (schedule.late, "late"),
        (schedule.missed, "missed"),
        (schedule.skipped, "skipped"),
        (schedule.abandoned, "given up"),
        (schedule.unaccounted, "of which the log says nothing"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(many, _)| *many > 0).map(|(many, what)| format!("{} {what}", number(*many))).collect();
    let name = format!("{} of {}", schedule.schedule, schedule.agent);
    let line =
        page.say().plain(&name).plain(&format!(": {}: {}", count(schedule.slots, "slot", "slots"), parts.join(", ")));
    page.put(2, 4, &line);
    for hole in schedule.holes.iter().take(LISTED) {
        let what = match hole.what {
            SlotState::Missed => "missed",
            SlotState::Skipped => "skipped",
            SlotState::Abandoned => "given up",
            SlotState::Unaccounted => "no word in the log",
        };
        let reason = hole.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let line = page.say().painted(Paint::Yellow, "hole ").plain(&format!(
            "{} to {}: {}, {what}{reason}",
            moment(hole.from),
            moment(hole.until),
            count(hole.slots, "slot", "slots")
        ));
        page.put(4, 6, &line);
    }
    if schedule.holes.len() > LISTED {
        more(page, 4, schedule.holes.len() - LISTED, "holes");
    }
}

fn controls(page: &mut Page, catalog: &CatalogPeriod) {
    page.heading(&catalog.title);
    if let Some(provisional) = &catalog.provisional {
        let line = page.say().painted(Paint::Yellow, "provisional: ").plain(provisional);
        page.put(2, 4, &line);
    }
    let people = |control: &&ControlPeriod| control.together.saw == Saw::Manual;
    for control in catalog.controls.iter().filter(|control| !people(control)) {
        let span = &control.together;
        let line = page
            .say()
            .painted(Paint::Bold, control.control.as_str())
            .column(10)
            .painted(saw_paint(span.saw), saw(span.saw))
            .column(36)
            .painted(looked_paint(span), looked(span.looked))
            .column(50)
            .plain(&control.label);
        page.put(2, 12, &line);
        if span.looks > 0 {
            detail(page, control);
        }
    }
    for clause in catalog.clauses.iter().filter(|clause| !clause.facts.is_empty()) {
        let line = page.say().painted(Paint::Bold, clause.clause.as_str()).column(10).plain(&clause.label);
        page.put(2, 12, &line);
        for fact in &clause.facts {
            let line = page.say().painted(Paint::Dim, fact);
            page.put(12, 14, &line);
        }
    }
    let manual: Vec<&str> = catalog.controls.iter().filter(people).map(|control| control.control.as_str()).collect();
    if !manual.is_empty() {
        let many = count(manual.len() as u64, "control is left to people", "controls are left to people");
        let line = page.say().painted(Paint::Dim, &format!("{many}: {}", manual.join(", ")));
        page.put(2, 4, &line);
    }
}

fn detail(page: &mut Page, control: &ControlPeriod) {
    let span = &control.together;
    let seen: Vec<String> = span
        .seen
        .iter()
        .map(|(standing, looks)| format!("{} {}", words::standing(*standing), number(*looks)))
        .collect();
    let line = page.say().painted(
        Paint::Dim,
        &format!(
            "{} from {} to {}: {}; at the last: {}",
            count(span.looks, "look", "looks"),
            span.first.map(moment).unwrap_or_default(),
            span.last.map(moment).unwrap_or_default(),
            seen.join(", "),
            span.counts.as_ref().map(words::tally).unwrap_or_default(),
        ),
    );
    page.put(12, 14, &line);
    if control.clouds.len() > 1 {
        for (cloud, span) in &control.clouds {
            let line = page.say().painted(Paint::Dim, &format!("{cloud}: {}, {}", saw(span.saw), looked(span.looked)));
            page.put(12, 14, &line);
        }
    }
}

fn fails(page: &mut Page, period: &Period) {
    if period.fails.count == 0 {
        return;
    }
    page.heading(&count(period.fails.count, "fail stood at some time", "fails stood at some time"));
    for fail in period.fails.shown.iter().take(LISTED) {
        let line = page
            .say()
            .painted(severity_paint(fail.severity), fail.severity.as_str())
            .column(10)
            .plain(fail.check.as_str())
            .plain(" ")
            .plain(&fail.resource);
        page.put(2, 4, &line);
        let line = page.say().painted(Paint::Dim, &place(&fail.scope)).plain(&format!(", {}", stood(fail)));
        page.put(12, 14, &line);
    }
    let shown = period.fails.shown.len().min(LISTED) as u64;
    if period.fails.count > shown {
        more(page, 2, usize::try_from(period.fails.count - shown).unwrap_or(usize::MAX), "fails");
    }
}

fn stood(fail: &FailPeriod) -> String {
    let since = if fail.from_before { "stood already at the first look, " } else { "since " };
    let waived: Vec<&str> = fail.waived.iter().map(|(id, _)| id.as_str()).collect();
    let waived = if waived.is_empty() { String::new() } else { format!("; waived by {}", waived.join(", ")) };
    let end = match (fail.until, fail.end) {
        (Some(until), Some(end)) => format!("until {}: {}", moment(until), end_words(end)),
        _ => format!("and still at {}", moment(fail.seen_last)),
    };
    format!("{since}{} {end}; {} at least{waived}", moment(fail.since), duration(fail.seconds))
}

fn end_words(end: FailEnd) -> &'static str {
    match end {
        FailEnd::Passed => "it passes",
        FailEnd::NotApplicable => "the question does not arise any more",
        FailEnd::Gone => "the resource is gone",
        FailEnd::Unread => "it could not be read any more",
        FailEnd::Rejudged => "it is judged otherwise",
    }
}

fn changes(page: &mut Page, period: &Period) {
    if period.changes.count == 0 {
        return;
    }
    page.heading(&count(period.changes.count, "verdict changed", "verdicts changed"));
    for change in period.changes.shown.iter().rev().take(LISTED) {
        let line = page.say().painted(Paint::Dim, &moment(change.at)).plain(" ").plain(change.check.as_str());
        let line = line.plain(" ").plain(&change.resource).plain(&format!(" {}", from_to(change)));
        page.put(2, 4, &line);
    }
    let shown = period.changes.shown.len().min(LISTED) as u64;
    if period.changes.count > shown {
        more(page, 2, usize::try_from(period.changes.count - shown).unwrap_or(usize::MAX), "earlier changes");
    }
}

fn from_to(change: &VerdictChange) -> String {
    let word = |verdict: Option<evidenced_model::Verdict>| verdict.map_or("nothing", evidenced_model::Verdict::as_str);
    let why = match change.cause {
        ChangeCause::Cloud => "the cloud changed",
        ChangeCause::Reading => "more or less could be read",
        ChangeCause::Check => "the check changed",
        ChangeCause::Params => "parameters changed",
        ChangeCause::Time => "time passed",
    };
    format!("{} became {}: {why}", word(change.before), word(change.after))
}

fn holes(page: &mut Page, period: &Period) {
    if period.holes.is_empty() {
        return;
    }
    page.heading("What could not be read");
    for hole in period.holes.iter().take(LISTED) {
        let what = hole.kind.as_ref().map_or("the account", |kind| kind.as_str());
        let region = hole.region.as_ref().map_or_else(String::new, |region| format!(" {region}"));
        let fields = if hole.fields.is_empty() { String::new() } else { format!(" ({})", hole.fields.join(", ")) };
        let cause = hole.cause.map_or_else(|| words::cell(hole.state), words::cause);
        let until = hole.until.map_or_else(|| "still".to_owned(), moment);
        let missing = if hole.permissions.is_empty() {
            String::new()
        } else {
            format!("; needs {}", hole.permissions.join(", "))
        };
        let line = page.say().plain(what).plain(&fields).plain(&format!(
            " in {}:{}{region}: {cause}, {} to {until}{missing}",
            hole.provider,
            hole.account,
            moment(hole.from)
        ));
        page.put(2, 4, &line);
    }
    if period.holes.len() > LISTED {
        more(page, 2, period.holes.len() - LISTED, "holes");
    }
}

fn declared(page: &mut Page, period: &Period) {
    if !period.waivers.is_empty() {
        page.heading("Waivers");
    }
    for waiver in &period.waivers {
        let end = match (&waiver.until, &waiver.end) {
            (Some(until), Some(end)) => format!("{end} on {}", moment(*until)),
            _ => format!("in force until the end of {}", waiver.expires),
        };
        let line = page.say().painted(Paint::Bold, &waiver.id).plain(&format!(
            " from {}, {end}; approved by {}; over {}: ",
            moment(waiver.from),
            waiver.approved_by,
            count(waiver.fails, "fail", "fails")
        ));
        page.put(2, 4, &line.plain(&waiver.reason));
    }
    if !period.attachments.is_empty() {
        page.heading("What people brought");
    }
    for attached in &period.attachments {
        let controls: Vec<String> = attached.controls.iter().map(|(_, control)| control.to_string()).collect();
        let until = attached.valid_until.as_ref().map_or_else(String::new, |until| format!(", valid until {until}"));
        let expired = if attached.expired { " (expired)" } else { "" };
        let line = page.say().painted(Paint::Bold, &controls.join(", ")).plain(" ").plain(&attached.title);
        let line = line.plain(&format!(", by {} on {}{until}{expired}", attached.by, moment(attached.at)));
        page.put(2, 4, &line);
    }
}

fn more(page: &mut Page, indent: usize, left: usize, what: &str) {
    let line = page.say().painted(Paint::Dim, &format!("and {} more {what}; see --format json", number(left as u64)));
    page.line(indent, &line);
}

fn place(scope: &Scope) -> String {
    format!("{}:{} {}", scope.provider, scope.account, scope.region)
}

/// What was seen, in words.
pub(crate) fn saw(saw: Saw) -> &'static str {
    match saw {
        Saw::Contradicted => "contradicted",
        Saw::Incomplete => "incomplete",
        Saw::SupportedWithExceptions => "supported with exceptions",
        Saw::Supported => "supported",
        Saw::NoSubject => "no subject",
        Saw::Manual => "manual",
        Saw::Excluded => "excluded",
        Saw::Nothing => "nothing seen",
    }
}

/// Whether somebody looked through the whole period, in words.
pub(crate) fn looked(looked: Looked) -> &'static str {
    match looked {
        Looked::Continuous => "continuous",
        Looked::Gapped => "gapped",
        Looked::NotLookedAt => "not looked at",
    }
}

/// A duration, in its two largest units.
pub(crate) fn duration(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        let many = left / size;
        left %= size;
        if many > 0 && parts.len() < 2 {
            parts.push(format!("{} {unit}", number(many)));
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

fn saw_paint(saw: Saw) -> Paint {
    match saw {
        Saw::Contradicted => Paint::Red,
        Saw::Incomplete | Saw::Nothing => Paint::Yellow,
        Saw::Supported | Saw::SupportedWithExceptions => Paint::Green,
        Saw::NoSubject | Saw::Manual | Saw::Excluded => Paint::Dim,
    }
}

fn looked_paint(span: &ControlSpan) -> Paint {
    if span.looked == Looked::Gapped { Paint::Yellow } else { Paint::Dim }
}

fn severity_paint(severity: Severity) -> Paint {
    if severity >= Severity::High { Paint::Red } else { Paint::Yellow }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_two_units() {
        let said: Vec<String> = [0, 59, 60, 3_661, 90_000, 864_000].map(duration).into();
        assert_eq!(said, ["0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h", "10 d"]);
    }
}
