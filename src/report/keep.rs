//! Cutting a finding to what a report can hold.

use std::collections::BTreeMap;

use evidenced_model::{Because, CheckId, Finding, RestsOn, WaiverRef};
use serde_json::{Map, Value};

use crate::document::{EvidenceRef, Shown, ShownFinding};
use crate::visible::{cut, is_object_path, quoted_json};
use crate::{Evidence, Limits};

/// Reasons and joined resources kept of one finding, so many of each.
const MOST: usize = 20;

/// A finding as a report keeps it.
pub(crate) fn shown(finding: &Finding, evidence: Option<Evidence<'_>>, limits: &Limits) -> ShownFinding {
    let short = |text: &str| cut(text, limits.value_bytes).into_owned();
    let because = |because: &Because| Because {
        call: because.call.as_deref().map(short),
        cause: because.cause,
        field: short(&because.field),
        permission: because.permission.as_deref().map(short),
    };
    let rests_on = |rest: &RestsOn| RestsOn { id: short(&rest.id), kind: rest.kind.clone(), scope: rest.scope.clone() };
    ShownFinding {
        verdict: finding.verdict,
        severity: finding.severity,
        resource: short(&finding.resource),
        kind: finding.kind.clone(),
        scope: finding.scope.clone(),
        revision: finding.revision,
        observed: observed(&finding.observed, limits),
        because: finding.because.iter().take(MOST).map(because).collect(),
        rests_on: finding.rests_on.iter().take(MOST).map(rests_on).collect(),
        waiver: finding.waiver.as_ref().map(|waiver| WaiverRef { id: short(&waiver.id) }),
        evidence: evidence.map(|evidence| reference(evidence, &finding.check, &finding.resource, limits)),
    }
}

/// The values that decided, cut.
pub(crate) fn observed(values: &Map<String, Value>, limits: &Limits) -> BTreeMap<String, Shown> {
    let mut left = limits.finding_bytes;
    let mut kept = BTreeMap::new();
    for (index, (name, value)) in values.iter().enumerate() {
        if left == 0 {
            kept.insert("…".to_owned(), Shown::Cut { cut: format!("{} more", values.len() - index), bytes: 0 });
            break;
        }
        let text = value.to_string();
        let room = limits.value_bytes.min(left);
        let value = if text.len() <= room {
            Shown::Whole(value.clone())
        } else {
            Shown::Cut { cut: text[..text.floor_char_boundary(room)].to_owned(), bytes: text.len() as u64 }
        };
        kept.insert(cut(name, limits.value_bytes).into_owned(), value);
        left = left.saturating_sub(text.len() + name.len());
    }
    kept
}

/// Where a finding's line stands.
pub(crate) fn reference(evidence: Evidence<'_>, check: &CheckId, resource: &str, limits: &Limits) -> EvidenceRef {
    let show = is_object_path(evidence.object).then(|| {
        // A resource whose id is too long for a command line is looked for among the check's lines.
        let and = if resource.len() <= limits.value_bytes {
            format!(" and .resource == {}", quoted_json(resource))
        } else {
            String::new()
        };
        format!("zstd -dc {} | jq -c 'select(.check == {}{and})'", evidence.object, quoted_json(check.as_str()))
    });
    let short = |text: &str| cut(text, limits.value_bytes).into_owned();
    EvidenceRef { object: short(evidence.object), resource_object: evidence.resource_object.map(short), show }
}
