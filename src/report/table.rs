//! Every finding in little room: what the page filters and turns the pages of, beside the few that it shows whole.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use evidenced_model::{Because, Finding, Severity, Verdict};

use crate::visible::cut;
use crate::words;
use crate::{Evidence, Limits};

/// The longest values that are kept of one finding, in bytes of JSON. Longer ones stand in the stored line.
const LONGEST: usize = 400;
/// Bytes of different values and reasons that are kept in all.
const ROOM: usize = 4 << 20;
/// What has no place in a list of words.
pub(crate) const NOTHING: u32 = 0;

/// In this order findings are shown, and from the end of it they are left out where there are too many.
pub(crate) const ORDER: [&str; 5] = ["fail", "unknown", "waived", "pass", "not_applicable"];

/// Findings, a few words and numbers each. What is equal is kept once.
#[derive(Debug, Clone, Default)]
pub struct Table {
    most: usize,
    pub(crate) groups: [Group; 5],
    pub(crate) checks: Words,
    pub(crate) places: Words,
    pub(crate) kinds: Words,
    pub(crate) objects: Words,
    pub(crate) waivers: Words,
    pub(crate) values: Words,
    pub(crate) reasons: Words,
}

/// The findings of one verdict.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pub(crate) rows: Vec<Row>,
    pub(crate) left_out: u64,
}

/// One finding.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) severity: Severity,
    pub(crate) check: u32,
    /// Provider, account and region.
    pub(crate) place: u32,
    pub(crate) kind: u32,
    pub(crate) resource: Box<str>,
    pub(crate) object: u32,
    pub(crate) waiver: u32,
    /// The values that decided as JSON; [`NOTHING`] if they are too long.
    pub(crate) values: u32,
    pub(crate) reasons: u32,
}

/// Different texts, each with a number. Number 0 is no text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    index: BTreeMap<Arc<str>, u32>,
    list: Vec<Arc<str>>,
    bytes: usize,
}

impl Table {
    /// Keeps so many findings.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// How many findings are in it.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.rows.len()).sum()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn add(&mut self, finding: &Finding, evidence: Option<Evidence<'_>>, limits: &Limits) {
        let at = match finding.verdict {
            Verdict::Fail if finding.waiver.is_some() => 2,
            Verdict::Fail => 0,
            Verdict::Unknown => 1,
            Verdict::Pass => 3,
            Verdict::NotApplicable => 4,
        };
        if self.len() >= self.most {
            let last = (0..ORDER.len()).rev().find(|group| !self.groups[*group].rows.is_empty());
            match last {
                Some(last) if last > at => {
                    self.groups[last].rows.pop();
                    self.groups[last].left_out += 1;
                }
                _ => {
                    self.groups[at].left_out += 1;
                    return;
                }
            }
        }
        let scope = &finding.scope;
        let mut values = Short(Vec::new());
        let values = serde_json::to_writer(&mut values, &finding.observed)
            .ok()
            .and_then(|()| String::from_utf8(values.0).ok())
            .unwrap_or_default();
        let reasons: Vec<String> = finding.because.iter().take(5).map(because).collect();
        let row = Row {
            severity: finding.severity,
            check: self.checks.number(finding.check.as_str()),
            place: self.places.number(&format!("{}\t{}\t{}", scope.provider, scope.account, scope.region)),
            kind: self.kinds.number(finding.kind.as_str()),
            resource: cut(&finding.resource, limits.value_bytes).into(),
            object: evidence.map_or(NOTHING, |evidence| self.objects.number(evidence.object)),
            waiver: finding.waiver.as_ref().map_or(NOTHING, |waiver| self.waivers.number(&waiver.id)),
            values: self.values.number_within(&values),
            reasons: self.reasons.number_within(&reasons.join("\n")),
        };
        self.groups[at].rows.push(row);
    }

    /// The rows of a group, the gravest first, then by check and place.
    pub(crate) fn sorted(&self, group: usize) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.groups[group].rows.iter().collect();
        rows.sort_by(|a, b| {
            let key = |row: &Row| (Reverse(row.severity), row.check, row.place);
            key(a).cmp(&key(b)).then_with(|| a.resource.cmp(&b.resource))
        });
        rows
    }
}

impl Words {
    /// The number of a text.
    fn number(&mut self, text: &str) -> u32 {
        if let Some(known) = self.index.get(text) {
            return *known;
        }
        let text: Arc<str> = text.into();
        self.bytes += text.len();
        self.list.push(Arc::clone(&text));
        let number = u32::try_from(self.list.len()).unwrap_or(NOTHING);
        self.index.insert(text, number);
        number
    }

    /// The number of a text that is not too long, while there is room.
    fn number_within(&mut self, text: &str) -> u32 {
        let known = self.index.contains_key(text);
        if text.is_empty() || text.len() > LONGEST || (!known && self.bytes + text.len() > ROOM) {
            return NOTHING;
        }
        self.number(text)
    }

    /// The texts in the order of their numbers, from 1.
    pub(crate) fn list(&self) -> &[Arc<str>] {
        &self.list
    }

    /// The text of a number.
    pub(crate) fn word(&self, number: u32) -> &str {
        (number as usize).checked_sub(1).and_then(|at| self.list.get(at)).map_or("", |text| text)
    }
}

/// Takes what is short, and refuses the rest before it was written out.
struct Short(Vec<u8>);

impl std::io::Write for Short {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One reason for `unknown`, in words.
pub(crate) fn because(because: &Because) -> String {
    let needs = match (&because.permission, &because.call) {
        (Some(permission), _) => format!(" (needs {permission})"),
        (None, Some(call)) => format!(" ({call})"),
        (None, None) => String::new(),
    };
    format!("{}: {}{needs}", because.field, words::cause(because.cause))
}
