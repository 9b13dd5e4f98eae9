//! The config's schedules: when what is read.

use std::time::Duration;

use evidenced_schedule::{ScheduleError, Timetable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Its name: lower-case letters, digits and hyphens.
    pub name: String,
    /// Six fields, seconds first, days of the week from 1 = Sunday or by name; or five as of Unix; or `@hourly`, `@daily`.
    pub cron: String,
    /// An IANA time zone, e.g. `Europe/Berlin`. Default: UTC.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Each run begins up to so much after its slot, for one agent always the same. Default: 5m, and never more than a
    /// tenth of the time between two slots.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub jitter: Option<Span>,
    /// Globs over collector ids, e.g. `aws.*`. Nothing: all.
    #[serde(default)]
    pub collectors: Vec<String>,
    /// So long after it began, what a run has not read is a gap, and the rest is sealed. Default: 50m.
    #[serde(default = "timeout")]
    #[schemars(with = "String")]
    pub timeout: Span,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn timeout() -> Span {
    Span::from_secs(3000)
}

/// The longest jitter that is taken when none is named.
const JITTER: Duration = Duration::from_mins(5);

impl ScheduleConfig {
    /// What a daemon does that nobody has told when to run: everything, every hour.
    pub(crate) fn hourly() -> Self {
        Self {
            name: "hourly".to_owned(),
            cron: "0 0 * * * *".to_owned(),
            timezone: utc(),
            jitter: None,
            collectors: Vec::new(),
            timeout: timeout(),
        }
    }

    /// Its slots.
    pub(crate) fn timetable(&self) -> Result<Timetable, ScheduleError> {
        let table = |jitter: Span| Timetable::new(&self.cron, &self.timezone, jitter.signed());
        if let Some(jitter) = self.jitter {
            return table(jitter);
        }
        let plain = table(Span(Duration::ZERO))?;
        // From a moment that nobody's clock shows any more, so that it is always the same.
        let first = plain.after(jiff::Timestamp::UNIX_EPOCH);
        let apart = first.and_then(|first| Some(plain.after(first)?.duration_since(first).unsigned_abs()));
        table(Span(apart.map_or(JITTER, |apart| JITTER.min(apart / 10))))
    }

    /// What is wrong with it: the member, and what to do.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(valid) {
            return Err(("name", "expected lower-case letters, digits and hyphens, 63 at most".to_owned()));
        }
        if self.timeout.0.is_zero() {
            return Err(("timeout", "at least 1s".to_owned()));
        }
        let table = self.timetable().map_err(|error| match error {
            ScheduleError::Zone { .. } => ("timezone", error.to_string()),
            _ => ("cron", error.to_string()),
        })?;
        match table.after(jiff::Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(()),
            None => Err(("cron", ScheduleError::Never { expression: self.cron.clone() }.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ScheduleConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn jitter_is_a_tenth_of_short_schedules() {
        let jitter =
            |cron: &str| read(&format!("{{\"name\": \"a\", \"cron\": \"{cron}\"}}")).timetable().unwrap().jitter();
        assert_eq!(jitter("@daily").as_secs(), 300);
        assert_eq!(jitter("0 */10 * * * *").as_secs(), 60);
        assert_eq!(jitter("*/5 * * * * *").as_millis(), 500);
    }

    #[test]
    fn slips_name_their_member() {
        for (text, member) in [
            (r#"{"name": "A", "cron": "@daily"}"#, "name"),
            (r#"{"name": "a", "cron": "nightly"}"#, "cron"),
            (r#"{"name": "a", "cron": "0 0 0 30 2 *"}"#, "cron"),
            (r#"{"name": "a", "cron": "@daily", "timezone": "Berlin"}"#, "timezone"),
            (r#"{"name": "a", "cron": "@daily", "timeout": "0s"}"#, "timeout"),
        ] {
            assert_eq!(read(text).check().unwrap_err().0, member, "{text}");
        }
        assert_eq!(ScheduleConfig::hourly().check(), Ok(()));
    }
}
