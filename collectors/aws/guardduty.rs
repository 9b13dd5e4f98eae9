//! GuardDuty: the detector of a region, and its serious findings that nobody has archived.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_guardduty::Client;
use aws_sdk_guardduty::operation::get_detector::GetDetectorOutput;
use aws_sdk_guardduty::types::{Condition, DetectorFeatureConfigurationResult, Finding, FindingCriteria};
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach, Write as _};
use evidenced_model::{Refusal, Resource, Scope};
use serde_json::{Value, json};

use crate::Session;
use crate::values::{Requires, day_of_text, instant_of_text, kind, pages, required};

const DETECTOR: &str = "aws.guardduty.detector";
const FINDING: &str = "aws.guardduty.finding";

/// From here on a finding is of high severity.
const HIGH: i64 = 7;
/// The most findings that one call describes.
const BATCH: usize = 50;

static LIST_DETECTORS: Operation = operation("guardduty:ListDetectors", Per::Start);
static GET_DETECTOR: Operation = operation("guardduty:GetDetector", Per::Resource(DETECTOR));
static LIST_FILTERS: Operation = operation("guardduty:ListFilters", Per::Demand);
static LIST_FINDINGS: Operation = operation("guardduty:ListFindings", Per::Resource(DETECTOR));
static GET_FINDINGS: Operation = operation("guardduty:GetFindings", Per::Page(50));

pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.guardduty",
    title: "GuardDuty",
    kinds: &[DETECTOR, FINDING],
    reach: Reach::Region,
    operations: &[&LIST_DETECTORS, &GET_DETECTOR, &LIST_FILTERS, &LIST_FINDINGS, &GET_FINDINGS],
};

const fn operation(call: &'static str, per: Per) -> Operation {
    Operation { call, permission: call, absent: &[], per }
}

/// Reads GuardDuty.
pub(crate) struct GuardDuty {
    session: Arc<Session>,
}

#[async_trait]
impl Collector for GuardDuty {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let client = &self.session.guardduty(&scope.region);
        let (detectors, refusal) = pages(&LIST_DETECTORS, |token| async move {
            let ask = || {
                let ask = client.list_detectors().max_results(50).set_next_token(token.clone());
                ask.customize().interceptor(Requires("detectorIds")).send()
            };
            let page = self.session.call(scope, &LIST_DETECTORS, ask).await?;
            Ok((page.detector_ids, page.next_token))
        })
        .await;
        let mut findings_refusal = refusal.clone();
        for detector in &detectors {
            let resource = self.detector(client, scope, detector, out).await;
            out.resource(resource).await;
            let refused = self.findings(client, scope, detector, out).await;
            findings_refusal = findings_refusal.or(refused);
        }
        for (kind, refusal) in [(DETECTOR, refusal), (FINDING, findings_refusal)] {
            match refusal {
                Some(refusal) => out.gap(kind, refusal).await,
                None => out.complete(kind).await,
            }
        }
    }
}

impl GuardDuty {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    async fn detector(&self, client: &Client, scope: &Scope, detector: &str, out: &Out) -> Resource {
        let mut resource = Resource::new(kind(DETECTOR), detector, scope.clone());
        resource.read("id", detector);
        let ask = || {
            let ask = client.get_detector().detector_id(detector);
            ask.customize().interceptor(Requires("status")).send()
        };
        match self.session.call(scope, &GET_DETECTOR, ask).await {
            Ok(answer) => read_detector(&mut resource, answer),
            Err(refusal) => {
                resource.unread_all(&["status", "features", "publishing_frequency", "created"], &refusal);
            }
        }
        if out.wants(DETECTOR, "filters") {
            match self.filters(client, scope, detector).await {
                Ok(names) => resource.read("filters", names),
                Err(refusal) => resource.unread("filters", &refusal),
            };
        }
        resource
    }

    async fn filters(&self, client: &Client, scope: &Scope, detector: &str) -> Result<Vec<String>, Refusal> {
        let (mut names, refusal) = pages(&LIST_FILTERS, |token| async move {
            let ask = || {
                let ask = client.list_filters().detector_id(detector).max_results(50).set_next_token(token.clone());
                ask.customize().interceptor(Requires("filterNames")).send()
            };
            let page = self.session.call(scope, &LIST_FILTERS, ask).await?;
            Ok((page.filter_names, page.next_token))
        })
        .await;
        names.sort();
        refusal.map_or(Ok(names), Err)
    }

    /// Writes a detector's serious findings that are not archived; says why the listing broke off.
    async fn findings(&self, client: &Client, scope: &Scope, detector: &str, out: &mut Out) -> Option<Refusal> {
        let serious = FindingCriteria::builder()
            .criterion("severity", Condition::builder().greater_than_or_equal(HIGH).build())
            .criterion("service.archived", Condition::builder().equals("false").build())
            .build();
        let serious = &serious;
        let (ids, refusal) = pages(&LIST_FINDINGS, |token| async move {
            let ask = || {
                let ask = client.list_findings().detector_id(detector).finding_criteria(serious.clone());
                let ask = ask.max_results(50).set_next_token(token.clone());
                ask.customize().interceptor(Requires("findingIds")).send()
            };
            let page = self.session.call(scope, &LIST_FINDINGS, ask).await?;
            Ok((page.finding_ids, page.next_token))
        })
        .await;
        for batch in ids.chunks(BATCH) {
            self.describe(client, scope, detector, batch, out).await;
        }
        refusal
    }

    async fn describe(&self, client: &Client, scope: &Scope, detector: &str, ids: &[String], out: &mut Out) {
        let ask = || {
            let ask = client.get_findings().detector_id(detector).set_finding_ids(Some(ids.to_vec()));
            ask.customize().interceptor(Requires("findings")).send()
        };
        let answer = self.session.call(scope, &GET_FINDINGS, ask).await;
        let mut told = answer.map(|answer| answer.findings.unwrap_or_default());
        for id in ids {
            let mut resource = Resource::new(kind(FINDING), id.as_str(), scope.clone());
            resource.read("id", id.as_str()).read("detector", detector);
            match &mut told {
                Ok(findings) => {
                    let at = findings.iter().position(|finding| finding.id.as_deref() == Some(id));
                    let Some(at) = at else {
                        // Expired or removed since it was listed.
                        out.vanished(FINDING, &scope.region).await;
                        continue;
                    };
                    read_finding(&mut resource, findings.swap_remove(at));
                }
                Err(refusal) => resource
                    .unread_all(&["type", "severity", "archived", "created", "updated", "resource_type"], refusal),
            }
            out.resource(resource).await;
        }
    }
}

fn read_detector(resource: &mut Resource, answer: GetDetectorOutput) {
    required(resource, "status", answer.status.map(|status| status.as_str().to_owned()), &GET_DETECTOR);
    required(resource, "features", features(answer.features.unwrap_or_default()), &GET_DETECTOR);
    resource
        .optional("publishing_frequency", answer.finding_publishing_frequency.map(|often| often.as_str().to_owned()))
        .optional("created", answer.created_at.as_deref().and_then(instant_of_text));
}

/// The protection plans by name, with those that stand below another under it.
fn features(features: Vec<DetectorFeatureConfigurationResult>) -> Option<Value> {
    let mut listed = Vec::new();
    for feature in features {
        let name = feature.name?.as_str().to_owned();
        for part in feature.additional_configuration.unwrap_or_default() {
            listed.push((format!("{name}/{}", part.name?.as_str()), part.status?.as_str().to_owned()));
        }
        listed.push((name, feature.status?.as_str().to_owned()));
    }
    listed.sort();
    Some(listed.into_iter().map(|(name, status)| json!({ "name": name, "status": status })).collect())
}

fn read_finding(resource: &mut Resource, finding: Finding) {
    let archived = finding.service.and_then(|service| service.archived);
    for (field, value) in [
        ("type", finding.r#type.map(Value::from)),
        ("severity", finding.severity.map(|severity| whole(severity).into())),
        ("archived", archived.map(Value::from)),
        ("created", finding.created_at.as_deref().and_then(instant_of_text).map(Value::from)),
        ("updated", finding.updated_at.as_deref().and_then(day_of_text).map(Value::from)),
    ] {
        required(resource, field, value, &GET_FINDINGS);
    }
    resource.optional("resource_type", finding.resource.and_then(|resource| resource.resource_type));
}

/// Severities are from 1 to 10.
fn whole(severity: f64) -> i32 {
    (1..=10).rev().find(|bound| severity >= f64::from(*bound)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_lose_their_decimals_only() {
        for (severity, expected) in [(8.9, 8), (7.0, 7), (6.99, 6), (10.0, 10), (0.5, 0)] {
            assert_eq!(whole(severity), expected);
        }
    }
}
