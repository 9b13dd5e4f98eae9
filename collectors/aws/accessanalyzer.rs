//! IAM Access Analyzer: the analyzers of a region, and the access from outside that they have found.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_accessanalyzer::Client;
use aws_sdk_accessanalyzer::types::{AnalyzerSummary, Criterion, FindingSummaryV2, Type};
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach};
use evidenced_model::{Refusal, Resource, Scope};

use crate::Session;
use crate::values::{Requires, instant, kind, malformed, pages, required};

const ANALYZER: &str = "aws.accessanalyzer.analyzer";
const FINDING: &str = "aws.accessanalyzer.finding";

static LIST_ANALYZERS: Operation = Operation {
    call: "accessanalyzer:ListAnalyzers",
    permission: "access-analyzer:ListAnalyzers",
    absent: &[],
    per: Per::Start,
};
static LIST_FINDINGS: Operation = Operation {
    call: "accessanalyzer:ListFindingsV2",
    permission: "access-analyzer:ListFindings",
    absent: &[],
    per: Per::Resource(ANALYZER),
};
static LIST_ARCHIVE_RULES: Operation = Operation {
    call: "accessanalyzer:ListArchiveRules",
    permission: "access-analyzer:ListArchiveRules",
    absent: &[],
    per: Per::Demand,
};

pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.accessanalyzer",
    title: "IAM Access Analyzer",
    kinds: &[ANALYZER, FINDING],
    reach: Reach::Region,
    operations: &[&LIST_ANALYZERS, &LIST_FINDINGS, &LIST_ARCHIVE_RULES],
};

/// Reads IAM Access Analyzer.
pub(crate) struct AccessAnalyzer {
    session: Arc<Session>,
}

#[async_trait]
impl Collector for AccessAnalyzer {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let client = &self.session.accessanalyzer(&scope.region);
        let (analyzers, mut refusal) = pages(&LIST_ANALYZERS, |token| async move {
            let ask = || {
                let ask = client.list_analyzers().max_results(100).set_next_token(token.clone());
                ask.customize().interceptor(Requires("analyzers")).send()
            };
            let page = self.session.call(scope, &LIST_ANALYZERS, ask).await?;
            Ok((Some(page.analyzers), page.next_token))
        })
        .await;
        // Findings of an analyzer that was not listed are not listed either.
        let mut findings_refusal = refusal.clone();
        for analyzer in analyzers {
            let rules = self.archive_rules(client, scope, &analyzer, out).await;
            let (arn, from_outside) = (analyzer.arn.clone(), searches_from_outside(&analyzer));
            let Some(resource) = read_analyzer(analyzer, rules, scope) else {
                refusal = refusal.or_else(|| Some(malformed(&LIST_ANALYZERS)));
                findings_refusal = findings_refusal.or_else(|| refusal.clone());
                continue;
            };
            out.resource(resource).await;
            if from_outside {
                let refused = self.findings(client, scope, &arn, out).await;
                findings_refusal = findings_refusal.or(refused);
            }
        }
        for (kind, refusal) in [(ANALYZER, refusal), (FINDING, findings_refusal)] {
            match refusal {
                Some(refusal) => out.gap(kind, refusal).await,
                None => out.complete(kind).await,
            }
        }
    }
}

impl AccessAnalyzer {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    /// The names of an analyzer's archive rules, if somebody asks for them.
    async fn archive_rules(
        &self,
        client: &Client,
        scope: &Scope,
        analyzer: &AnalyzerSummary,
        out: &Out,
    ) -> Option<Result<Vec<String>, Refusal>> {
        if !out.wants(ANALYZER, "archive_rules") {
            return None;
        }
        let (rules, refusal) = pages(&LIST_ARCHIVE_RULES, |token| async move {
            let ask = || {
                let ask = client.list_archive_rules().analyzer_name(&analyzer.name).set_next_token(token.clone());
                ask.customize().interceptor(Requires("archiveRules")).send()
            };
            let page = self.session.call(scope, &LIST_ARCHIVE_RULES, ask).await?;
            Ok((Some(page.archive_rules), page.next_token))
        })
        .await;
        let mut names: Vec<String> = rules.into_iter().map(|rule| rule.rule_name).collect();
        names.sort();
        Some(refusal.map_or(Ok(names), Err))
    }

    /// Writes an analyzer's open and archived findings; says why it broke off.
    async fn findings(&self, client: &Client, scope: &Scope, analyzer: &str, out: &mut Out) -> Option<Refusal> {
        // Resolved findings are history, and many.
        let unresolved = Criterion::builder().eq("ACTIVE").eq("ARCHIVED").build();
        let unresolved = &unresolved;
        let (findings, mut refusal) = pages(&LIST_FINDINGS, |token| async move {
            let ask = || {
                let ask = client.list_findings_v2().analyzer_arn(analyzer).max_results(100);
                let ask = ask.filter("status", unresolved.clone()).set_next_token(token.clone());
                ask.customize().interceptor(Requires("findings")).send()
            };
            let page = self.session.call(scope, &LIST_FINDINGS, ask).await?;
            Ok((Some(page.findings), page.next_token))
        })
        .await;
        for finding in findings {
            match read_finding(finding, analyzer, scope) {
                Some(resource) => out.resource(resource).await,
                None => refusal = refusal.or_else(|| Some(malformed(&LIST_FINDINGS))),
            }
        }
        refusal
    }
}

/// The other types of analyzers search for unused and for internal access.
fn searches_from_outside(analyzer: &AnalyzerSummary) -> bool {
    matches!(analyzer.r#type, Type::Account | Type::Organization)
}

/// `None` for an analyzer without an ARN, which the SDK shows as an empty one.
fn read_analyzer(
    analyzer: AnalyzerSummary,
    rules: Option<Result<Vec<String>, Refusal>>,
    scope: &Scope,
) -> Option<Resource> {
    if analyzer.arn.is_empty() {
        return None;
    }
    let mut resource = Resource::new(kind(ANALYZER), analyzer.arn.as_str(), scope.clone());
    resource.read("arn", analyzer.arn);
    for (field, value) in [
        ("name", Some(analyzer.name)),
        ("type", Some(analyzer.r#type.as_str().to_owned())),
        ("status", Some(analyzer.status.as_str().to_owned())),
        ("created", instant(&analyzer.created_at)),
    ] {
        required(&mut resource, field, value, &LIST_ANALYZERS);
    }
    match rules {
        Some(Ok(names)) => {
            resource.read("archive_rules", names);
        }
        Some(Err(refusal)) => {
            resource.unread("archive_rules", &refusal);
        }
        None => {}
    }
    Some(resource)
}

fn read_finding(finding: FindingSummaryV2, analyzer: &str, scope: &Scope) -> Option<Resource> {
    if finding.id.is_empty() {
        return None;
    }
    let mut resource = Resource::new(kind(FINDING), finding.id, scope.clone());
    resource
        .read("analyzer_arn", analyzer)
        .optional("type", finding.finding_type.map(|found| found.as_str().to_owned()))
        .optional("resource", finding.resource);
    for (field, value) in [
        ("status", Some(finding.status.as_str().to_owned())),
        ("resource_type", Some(finding.resource_type.as_str().to_owned())),
        ("owner", Some(finding.resource_owner_account)),
        ("created", instant(&finding.created_at)),
        ("updated", instant(&finding.updated_at)),
    ] {
        required(&mut resource, field, value, &LIST_FINDINGS);
    }
    Some(resource)
}
