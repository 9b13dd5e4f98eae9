//! The slots of one schedule.

use chrono::{DateTime, Duration, NaiveDateTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;
use evidenced_model::AgentId;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::ScheduleError;

/// Clocks on walls are put forward or back by no more than this.
const SHIFT: Duration = Duration::hours(3);

/// When a schedule's runs are due.
///
/// A wall clock that is put forward leaves out moments: a slot there is due as long after the change as it would have been
/// before (02:30 becomes 03:30). A clock that is put back shows moments twice: both are slots, so that an hourly schedule
/// stays hourly.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: cron::Schedule,
    zone: Tz,
    jitter: SignedDuration,
    rule: String,
}

impl Timetable {
    /// From a cron expression: six fields (seconds first, days of the week from 1 = Sunday or by name), five fields (as
    /// of Unix: days of the week from 0 = Sunday), or a word such as `@daily`; in an IANA time zone.
    pub fn new(expression: &str, zone: &str, jitter: SignedDuration) -> Result<Self, ScheduleError> {
        let wrong = |what: String| ScheduleError::Cron { expression: expression.to_owned(), what };
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let six = match fields[..] {
            [minute, hour, day, month, weekday] => {
                if !is_any(day) && !is_any(weekday) {
                    let what =
                        "it names days of the month and of the week; Unix means either, others mean both: name one";
                    return Err(wrong(what.to_owned()));
                }
                format!("0 {minute} {hour} {day} {month} {}", weekdays(weekday).map_err(wrong)?)
            }
            [_] | [_, _, _, _, _, _] => fields.join(" "),
            _ => return Err(wrong(format!("it has {} fields, and not five or six", fields.len()))),
        };
        let cron: cron::Schedule = six.parse().map_err(|error: cron::error::Error| wrong(error.to_string()))?;
        let zone: Tz = zone.parse().map_err(|_| ScheduleError::Zone { zone: zone.to_owned() })?;
        let rule = format!("{six} {zone}");
        Ok(Self { cron, zone, jitter: jitter.abs(), rule })
    }

    /// What decides its slots, in one line: where it changes, other slots are due.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The first slot after a moment; `None` if there is none any more.
    pub fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        let moment = utc(moment)?;
        let local = self.local(moment);
        if let Some(next) = self.cron.after(&local.and_utc()).next()
            && let [slot] = self.instants(next.naive_utc())[..]
            && self.is_quiet(moment, slot)
        {
            return timestamp(slot);
        }
        // Near a change: what is later on the wall may be earlier in time.
        let mut first: Option<DateTime<Utc>> = None;
        for next in self.cron.after(&(local - SHIFT).and_utc()) {
            let wall = next.naive_utc();
            if first.is_some_and(|first| wall > self.local(first) + SHIFT) {
                break;
            }
            for slot in self.instants(wall).into_iter().filter(|slot| *slot > moment) {
                first = Some(first.map_or(slot, |first| first.min(slot)));
            }
        }
        first.and_then(timestamp)
    }

    /// The slots after one moment, until another and including it.
    pub fn between(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.after(after), |slot| self.after(*slot)).take_while(move |slot| *slot <= until)
    }

    /// When the run of a slot begins: up to the jitter later, and for one agent and slot always the same.
    pub fn begins(&self, agent: &AgentId, name: &str, slot: Timestamp) -> Timestamp {
        let hash = Sha256::digest(format!("{agent}\n{name}\n{}", slot.as_millisecond()));
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        let most = u64::try_from(self.jitter.as_millis()).unwrap_or(0);
        let late = u64::from_be_bytes(first) % most.saturating_add(1);
        let late = SignedDuration::from_millis(i64::try_from(late).unwrap_or(0));
        slot.checked_add(late).unwrap_or(slot)
    }

    /// The most that a run may begin after its slot.
    pub fn jitter(&self) -> SignedDuration {
        self.jitter
    }

    fn local(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&self.zone).naive_local()
    }

    /// The moments at which walls show this: none is left out, and up to two are meant.
    fn instants(&self, wall: NaiveDateTime) -> Vec<DateTime<Utc>> {
        match self.zone.from_local_datetime(&wall) {
            chrono::LocalResult::Single(one) => vec![one.with_timezone(&Utc)],
            chrono::LocalResult::Ambiguous(one, other) => vec![one.with_timezone(&Utc), other.with_timezone(&Utc)],
            chrono::LocalResult::None => {
                let before = self.zone.offset_from_utc_datetime(&(wall - Duration::days(1))).fix();
                vec![(wall - before).and_utc()]
            }
        }
    }

    /// No clock is changed from shortly before one moment until shortly after another.
    fn is_quiet(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        let offset = |moment: DateTime<Utc>| self.zone.offset_from_utc_datetime(&moment.naive_utc()).fix();
        let first = offset(from - SHIFT);
        [from, to, to + SHIFT].into_iter().all(|moment| offset(moment) == first)
    }
}

fn is_any(field: &str) -> bool {
    matches!(field, "*" | "?")
}

/// Unix counts days of the week from 0 = Sunday (and 7 is Sunday too): by name, everybody means the same.
fn weekdays(field: &str) -> Result<String, String> {
    const NAMES: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
    let name = |word: &str| -> Result<String, String> {
        match word.parse::<usize>() {
            Ok(number) => NAMES
                .get(number)
                .map(|name| (*name).to_owned())
                .ok_or_else(|| format!("{number} is no day of the week")),
            Err(_) => Ok(word.to_owned()),
        }
    };
    let part = |part: &str| -> Result<String, String> {
        let (days, step) = part.split_once('/').map_or((part, None), |(days, step)| (days, Some(step)));
        let days = match days.split_once('-') {
            // A week that ends on Sunday wraps where weeks begin with it: named day by day.
            Some((first, last)) => {
                let index = |word: &str| match word.parse::<usize>() {
                    Ok(number) if number <= 7 => Ok(number),
                    _ => NAMES
                        .iter()
                        .position(|name| word.to_uppercase().starts_with(name))
                        .ok_or_else(|| format!("{word:?} is no day of the week")),
                };
                let (first, mut last) = (index(first)?, index(last)?);
                if last < first {
                    last += 7;
                }
                let step = step.map_or(Ok(1), str::parse).map_err(|_| format!("{part:?} has no step"))?.max(1);
                return Ok((first..=last).step_by(step).map(|day| NAMES[day % 7]).collect::<Vec<_>>().join(","));
            }
            None => name(days)?,
        };
        Ok(step.map_or_else(|| days.clone(), |step| format!("{days}/{step}")))
    };
    Ok(field.split(',').map(part).collect::<Result<Vec<_>, _>>()?.join(","))
}

fn utc(moment: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(moment.as_second(), moment.subsec_nanosecond().unsigned_abs())
}

fn timestamp(moment: DateTime<Utc>) -> Option<Timestamp> {
    Timestamp::from_second(moment.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(expression: &str, zone: &str) -> Timetable {
        Timetable::new(expression, zone, SignedDuration::ZERO).unwrap()
    }

    fn slots(expression: &str, zone: &str, after: &str, until: &str) -> Vec<String> {
        let (after, until): (Timestamp, Timestamp) = (after.parse().unwrap(), until.parse().unwrap());
        table(expression, zone).between(after, until).map(|slot| slot.to_string()).collect()
    }

    #[test]
    fn an_hourly_schedule_stays_hourly_when_clocks_change() {
        for (after, until) in
            [("2026-03-28T20:59:00Z", "2026-03-29T05:00:00Z"), ("2026-10-24T20:59:00Z", "2026-10-25T05:00:00Z")]
        {
            let slots = slots("0 0 * * * *", "Europe/Berlin", after, until);
            assert_eq!(slots.len(), 9, "{slots:?}");
            assert!(slots.is_sorted());
        }
    }

    #[test]
    fn a_slot_that_walls_do_not_show_is_due_later_and_one_that_they_show_twice_is_due_twice() {
        let spring = slots("0 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        assert_eq!(spring, ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
        let autumn = slots("0 30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
        assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"]);
        // Half an hour, on an island.
        let island = slots("0 15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-04T20:00:00Z");
        assert_eq!(island, ["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"]);
    }

    #[test]
    fn leap_days_are_days() {
        assert_eq!(
            slots("0 0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2033-01-01T00:00:00Z"),
            ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]
        );
    }

    #[test]
    fn five_fields_count_the_week_as_unix_does() {
        // 2026-11-22 is a Sunday.
        let of = |field: &str| {
            let found = slots(&format!("0 12 * * {field}"), "UTC", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z");
            found.iter().map(|slot| slot[8..10].parse().unwrap()).collect::<Vec<u32>>()
        };
        assert_eq!((of("0"), of("7"), of("1"), of("sat")), (vec![22], vec![22], vec![23], vec![28]));
        assert_eq!(of("1-5"), [23, 24, 25, 26, 27]);
        assert_eq!(of("5-7"), [22, 27, 28]);
        assert_eq!(of("fri-mon"), [22, 23, 27, 28]);
        assert_eq!(of("1-5/2"), [23, 25, 27]);
        assert_eq!(of("1,3"), [23, 25]);
        assert_eq!(of("*").len(), 7);
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        for (expression, zone, part) in [
            ("0 0 * *", "UTC", "4 fields"),
            ("", "UTC", "0 fields"),
            ("61 * * * *", "UTC", "61"),
            ("0 0 1 * 1", "UTC", "name one"),
            ("0 0 * * 9", "UTC", "9 is no day"),
            ("0 0 * * * *", "Europe/Berlin2", "no time zone"),
            ("@sometimes", "UTC", "@sometimes"),
        ] {
            let error = Timetable::new(expression, zone, SignedDuration::ZERO).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(table("0 0 0 30 2 *", "UTC").after("2026-01-01T00:00:00Z".parse().unwrap()), None);
        assert_eq!(slots("@daily", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), ["2026-01-02T00:00:00Z"]);
    }

    #[test]
    fn jitter_is_the_same_each_time_and_spreads_agents() {
        let table = Timetable::new("@hourly", "UTC", SignedDuration::from_mins(5)).unwrap();
        let slot: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let late = |agent: &str| {
            let begins = table.begins(&agent.parse().unwrap(), "hourly", slot);
            begins.duration_since(slot).as_secs()
        };
        assert_eq!(late("a"), late("a"));
        let all: std::collections::BTreeSet<i64> = (0..100).map(|n| late(&format!("agent-{n}"))).collect();
        assert!(all.len() > 60 && all.iter().all(|late| (0..=300).contains(late)), "{all:?}");
    }

    proptest::proptest! {
        /// Whatever the zone and the moment: slots grow, and none lies between two that follow each other.
        #[test]
        fn slots_follow_each_other(second in 1_700_000_000_i64..1_900_000_000, zone in 0_usize..6, rule in 0_usize..4) {
            let zone = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
                "Antarctica/Troll"][zone];
            let rule = ["0 0 * * * *", "0 */20 * * * *", "0 30 2 * * *", "0 15 1-3 * * 1"][rule];
            let table = table(rule, zone);
            let moment = Timestamp::from_second(second).unwrap();
            let first = table.after(moment).unwrap();
            proptest::prop_assert!(first > moment);
            let second = table.after(first).unwrap();
            proptest::prop_assert!(second > first);
            // From anywhere before it, the same slot comes next.
            let halfway = first.checked_sub(SignedDuration::from_secs(1)).unwrap().max(moment);
            proptest::prop_assert_eq!(table.after(halfway).unwrap(), first);
        }
    }
}
