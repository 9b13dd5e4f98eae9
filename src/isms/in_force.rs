//! The waivers that hold at a moment, and the voice of those that end.

use evidenced_model::{Finding, Verdict, WaiverRef, glob};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Map, Value};

use crate::{Isms, Waiver};

/// So many days before its end a waiver is spoken of.
const NOTICE_DAYS: i64 = 14;

/// The waivers that hold at a moment.
#[derive(Debug, Clone, Default)]
pub struct InForce<'a> {
    waivers: Vec<&'a Waiver>,
}

impl Isms {
    /// The waivers that hold at a moment: written down before it, begun, and not expired.
    pub fn in_force(&self, at: Timestamp) -> InForce<'_> {
        InForce { waivers: self.waivers.iter().filter(|waiver| waiver.is_in_force(at)).collect() }
    }

    /// What has to be said at a moment of waivers that end soon or have ended, each a sentence without a full stop.
    pub fn voices(&self, at: Timestamp) -> Vec<String> {
        let today = day(at);
        let soon = today.checked_add(NOTICE_DAYS.days()).unwrap_or(Date::MAX);
        let waivers = self.waivers.iter().filter_map(|waiver| {
            let Waiver { id, approved_by, expires, .. } = waiver;
            if *expires < today {
                let what = format!("the waiver {id} (approved by {approved_by}) expired on {expires} and has no force");
                Some(format!("{what}; remove it from isms.yaml, or have it approved again"))
            } else if *expires <= soon {
                let what = format!("the waiver {id} (approved by {approved_by}) expires on {expires}");
                Some(format!("{what}; mend what it covers, or have it approved again"))
            } else {
                None
            }
        });
        waivers.collect()
    }
}

impl Waiver {
    /// Whether it holds at a moment.
    pub fn is_in_force(&self, at: Timestamp) -> bool {
        let today = day(at);
        self.since.is_some_and(|since| since <= at)
            && self.from.is_none_or(|from| from <= today)
            && today <= self.expires
    }

    fn covers(&self, finding: &Finding, tags: Option<&Map<String, Value>>) -> bool {
        self.checks.iter().any(|pattern| glob(pattern, finding.check.as_str()))
            && self.resources.covers(&finding.resource, &finding.scope, tags)
    }
}

impl<'a> InForce<'a> {
    /// Marks a fail with the first waiver, by id, that covers it. Nothing else of a finding is touched.
    pub fn mark(&self, finding: &mut Finding, tags: Option<&Map<String, Value>>) {
        if finding.verdict == Verdict::Fail && finding.waiver.is_none() {
            let waiver = self.waivers.iter().find(|waiver| waiver.covers(finding, tags));
            finding.waiver = waiver.map(|waiver| WaiverRef { id: waiver.id.clone() });
        }
    }

    /// Whether any of them asks for tags.
    pub fn reads_tags(&self) -> bool {
        self.waivers.iter().any(|waiver| !waiver.resources.tags.is_empty())
    }

    /// The waivers, by id.
    pub fn waivers(&self) -> impl Iterator<Item = &'a Waiver> {
        self.waivers.iter().copied()
    }
}

/// The day of a moment, in UTC.
pub(crate) fn day(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}
