//! When checks, or what they compare with, are others than in the run before: that run is judged again by the new rules,
//! and the log says what came of it. So a reader can tell what an upgrade changed from what the cloud did.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_check::{Judge, Settings};
use evidenced_model::rejudgement::{CheckChange, Rejudged};
use evidenced_model::{CheckId, Digest, Finding, Rejudgement, Scope, canon};
use evidenced_seal::log::Draft;
use evidenced_seal::object::{Format, MAX_CONTENT};
use evidenced_seal::read::RunGroup;
use evidenced_seal::statement::{Subject, subject};
use evidenced_seal::{Document, RunReader};
use serde_json::Value;

use crate::declaring::stored;
use crate::exit::{Ended, Exit};
use crate::judging;
use crate::keeper::Keeper;
use crate::opened::{Judged, failed};
use crate::period::judged_by;
use crate::reevaluate::{judge_again, observe};

/// What the new rules make of the run before; `None` if they mean the same.
fn rejudge(before: &RunReader<'_>, judge: &Judge, mappings: &Value) -> Result<Option<Rejudgement>, Ended> {
    let digest = before.subject(subject::MAPPINGS).map_err(failed)?;
    let content = before.objects().content(&digest, Format::Json, MAX_CONTENT, before.path()).map_err(failed)?;
    if content == canon::to_vec(mappings) {
        return Ok(None);
    }
    let document: Value = before.document(Document::Mappings).map_err(failed)?;
    if canon::to_vec(&document["checks"]) == canon::to_vec(&mappings["checks"]) {
        return Ok(None);
    }
    let old = Judged::of(document, before)?;
    let was = Judge::compile(&old.library, old.settings.clone());
    let was = was.map_err(|error| Ended::new(Exit::Verification, error.to_string()))?;
    let ((old_checks, old_params), (new_checks, new_params)) = (judged_by(&was), judged_by(judge));
    let ids: BTreeSet<&CheckId> = old_checks.keys().chain(new_checks.keys()).collect();
    let checks: Vec<CheckChange> = ids
        .into_iter()
        .filter(|id| old_checks.get(*id).map(|rule| rule.sha256) != new_checks.get(*id).map(|rule| rule.sha256))
        .map(|id| CheckChange {
            after: new_checks.get(id).map(|rule| rule.revision),
            before: old_checks.get(id).map(|rule| rule.revision),
            check: id.clone(),
        })
        .collect();
    let read: BTreeSet<&String> =
        old_checks.values().chain(new_checks.values()).flat_map(|rule| &rule.params).collect();
    let params = read.into_iter().filter(|name| old_params.get(*name) != new_params.get(*name)).cloned();
    let params: Vec<String> = params.collect();
    if checks.is_empty() && params.is_empty() {
        return Ok(None);
    }
    // As if it had been judged then.
    let settings = Settings { now: old.settings.now, ..judge.settings().clone() };
    let now = Judge::compile(judge.library(), settings);
    let now = now.map_err(|error| Ended::new(Exit::Usage, error.to_string()))?;
    let coverage = before.coverage().map_err(failed)?;
    let mut joins = now.join_index();
    observe(before, &mut joins)?;
    let joins = joins.seal(&coverage);
    let mut verdicts = Vec::new();
    let waivers = evidenced_isms::InForce::default();
    let by = judging::By { judge: &now, joins: &joins, waivers: &waivers };
    let left =
        judge_again(before, &by, &coverage, &mut |group, fresh, _| compare(before, group, fresh, &mut verdicts))?;
    verdicts.extend(left.into_values().flatten().filter_map(|finding| another(None, Some(finding))));
    Ok(Some(Rejudgement {
        agent: before.statement().predicate.agent.clone(),
        checks,
        params,
        run: before.statement().predicate.run,
        rules: before.subject(subject::MAPPINGS).map_err(failed)?,
        verdicts,
    }))
}

/// Writes down for the log that the run before is judged otherwise from here on, if it is. What fails is said, and keeps
/// no run from being sealed.
pub(crate) fn tell(keeper: &Keeper<'_>, before: &RunReader<'_>, judge: &Judge, mappings: &Value) {
    let told = rejudge(before, judge, mappings).and_then(|document| {
        let Some(document) = document else { return Ok(()) };
        let reason = in_words(&document);
        tracing::info!(reason, "checks have changed; the log will say so");
        let (path, bytes) = stored(&document).map_err(failed)?;
        let about = Subject::new(&path, Digest::of(&bytes));
        let draft = Draft::semantics_changed(document.run, reason).about(about);
        let kept = keeper.spool.enqueue_sealed(draft, &[(path, bytes)]);
        kept.map_err(|error| Ended::new(Exit::Spooled, error.to_string()))
    });
    if let Err(error) = told {
        tracing::error!(
            error = error.message,
            "the last run could not be judged again by the new checks; the log will not tell their changes from the cloud's"
        );
    }
}

/// What the log says of it.
fn in_words(document: &Rejudgement) -> String {
    let checks = document.checks.iter().map(|change| {
        let what = match (change.before, change.after) {
            (Some(before), Some(after)) => format!("revision {before} to {after}"),
            (None, _) => "new".to_owned(),
            (_, None) => "gone".to_owned(),
        };
        format!("{} ({what})", change.check)
    });
    let mut what: Vec<String> = checks.chain(document.params.iter().map(|name| format!("params.{name}"))).collect();
    let left = what.len().saturating_sub(10);
    what.truncate(10);
    if left > 0 {
        what.push(format!("and {left} more"));
    }
    format!(
        "judged otherwise from here on: {}; {} verdicts of the last run change by it",
        what.join(", "),
        document.verdicts.len()
    )
}

fn compare(
    before: &RunReader<'_>,
    group: &RunGroup,
    fresh: Vec<Finding>,
    out: &mut Vec<Rejudged>,
) -> Result<(), Ended> {
    let key = |finding: &Finding| (finding.resource.clone(), finding.check.clone());
    let mut fresh: BTreeMap<_, Finding> = fresh.into_iter().map(|finding| (key(&finding), finding)).collect();
    for stored in before.findings(group).map_err(failed)? {
        let stored = stored.map_err(failed)?;
        let again = fresh.remove(&key(&stored));
        out.extend(another(Some(stored), again));
    }
    out.extend(fresh.into_values().filter_map(|finding| another(None, Some(finding))));
    Ok(())
}

/// A finding whose verdict is another.
fn another(stored: Option<Finding>, fresh: Option<Finding>) -> Option<Rejudged> {
    let (before, after) = (stored.as_ref().map(|one| one.verdict), fresh.as_ref().map(|one| one.verdict));
    let place = |one: Finding| -> (CheckId, String, Scope) { (one.check, one.resource, one.scope) };
    let (check, resource, scope) = place(fresh.or(stored)?);
    (before != after).then_some(Rejudged { after, before, check, resource, scope })
}
