//! Every operation refused once, over a whole tenant: what that costs in verdicts. Only `unknown` may come of it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; the matrix is for people"
)]

mod common;
#[path = "common/inprocess.rs"]
mod inprocess;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use common::token::Token;
use evidenced_azure::{Azure, SessionOptions};
use evidenced_check::{Judge, Library, Settings};
use evidenced_kit::{Cloud as _, CoverageBuilder, Event, Job, Reach, Wants, current_operation, drive};
use evidenced_model::{Coverage, Finding, Region, Resource, Scope, Verdict};
use evidenced_replay::World;
use inprocess::InProcess;
use serde_json::Value;

/// Refuses one operation, whatever it asks for.
#[derive(Debug)]
struct Refusing {
    inner: InProcess,
    operation: Option<&'static str>,
}

#[async_trait]
impl HttpClient for Refusing {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        if current_operation().is_some_and(|(_, call)| Some(call) == self.operation) {
            let body = br#"{"error":{"code":"AuthorizationFailed","message":"no"}}"#;
            return Ok(AsyncRawResponse::from_bytes(StatusCode::from(403), Headers::new(), body.to_vec()));
        }
        self.inner.execute_request(request).await
    }
}

/// Everything that a run came to.
struct Run {
    findings: BTreeMap<(String, String, String), Finding>,
    coverage: Coverage,
}

async fn run(judge: &Judge, operation: Option<&'static str>) -> Run {
    let world = World::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/replay/azure"), "world");
    let client = Arc::new(Refusing { inner: InProcess::new(world), operation });
    let options = SessionOptions { http_client: Some(client), credential: Some(Arc::new(Token)) };
    let mut context = common::context();
    let tenant = ("AZURE_TENANT_ID".to_owned(), "00000000-0000-0000-0000-0000000000ff".to_owned());
    context.environment = Arc::new(BTreeMap::from([tenant]));
    let opened = Azure(options).open(&Value::Null, &context).await.unwrap();

    let (mut coverages, mut places, mut jobs) = (Vec::new(), Vec::new(), Vec::<Job>::new());
    let wants = Arc::new(Wants { all: true, ..Wants::default() });
    for session in opened.accounts {
        let scope = Scope { account: session.account, provider: session.provider, region: Region::global() };
        let mut coverage = CoverageBuilder::new(&scope, session.regions, session.gaps);
        for kind in session.manifests.unwrap().iter().flat_map(|manifest| manifest.kinds) {
            let decl = common::declaration(kind);
            coverage.plan(&decl.kind, decl.span, |_, _| None);
        }
        for collector in session.collectors {
            let number = places.len();
            places.push(coverages.len());
            let shared = jobs.iter_mut().find(|job| Arc::ptr_eq(&job.collector, &collector));
            if let Some(job) = shared.filter(|_| collector.manifest().reach == Reach::Together) {
                job.others.push((number, scope.clone()));
            } else {
                let (scope, wants, timeout) = (scope.clone(), Arc::clone(&wants), Duration::from_hours(1));
                jobs.push(Job { number, collector, scope, others: Vec::new(), wants, timeout });
            }
        }
        coverages.push(coverage);
    }
    let mut resources: Vec<Resource> = Vec::new();
    let mut joins = judge.join_index();
    for job in jobs {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
        let work = tokio::spawn(drive(job, sender));
        while let Some((number, event)) = receiver.recv().await {
            coverages[places[number]].observe(&Region::global(), &event);
            if let Event::Resource(resource) = event {
                joins.observe(&resource);
                resources.push(*resource);
            }
        }
        work.await.unwrap().unwrap();
    }
    let finished = coverages.into_iter().map(CoverageBuilder::finish);
    let accounts = finished.map(|one| ((one.provider.clone(), one.account.clone()), one)).collect();
    let coverage = Coverage { accounts };
    let joins = joins.seal(&coverage);
    let mut populations = judge.populations();
    let mut findings = BTreeMap::new();
    let mut keep = |finding: Finding| {
        let place = format!("{} {}", finding.scope.account, finding.kind);
        findings.insert((finding.check.to_string(), place, finding.resource.clone()), finding);
    };
    for resource in &resources {
        judge.judge(resource, &joins, &mut populations, &mut keep);
    }
    judge.finish(populations, &coverage, &mut keep);
    Run { findings, coverage }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refused_operation_costs_unknowns_and_nothing_else() {
    let files = evidenced_mappings::kinds().iter().filter(|(path, _)| path.contains("/azure/"));
    let files = files.map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let (path, text) = evidenced_mappings::params();
    let library = Arc::new(Library::load(files, (path.to_owned(), text.to_owned())).unwrap());
    let judge = Judge::compile(&library, Settings::at("2026-01-15T12:00:00Z".parse().unwrap())).unwrap();
    let whole = run(&judge, None).await;
    let verdicts: BTreeSet<Verdict> = whole.findings.values().map(|finding| finding.verdict).collect();
    assert!(verdicts.contains(&Verdict::Pass) && verdicts.contains(&Verdict::Fail), "{verdicts:?}");

    let manifests = evidenced_azure::manifests();
    let operations: BTreeSet<&'static str> =
        manifests.iter().flat_map(|manifest| manifest.operations.iter()).map(|operation| operation.call).collect();
    for operation in operations {
        let refused = run(&judge, Some(operation)).await;
        let mut to_unknown = 0;
        for (key, before) in &whole.findings {
            match refused.findings.get(key) {
                Some(after) if after.verdict == before.verdict => {}
                Some(after) => {
                    assert_eq!(
                        after.verdict,
                        Verdict::Unknown,
                        "{operation} refused: {key:?} was {:?}",
                        before.verdict
                    );
                    to_unknown += 1;
                }
                // Gone with its resource: then its cell is open.
                None => {
                    let cells = refused.coverage.accounts.values().flat_map(|account| &account.cells);
                    let open =
                        cells.filter(|cell| key.1.ends_with(cell.kind.as_str()) && !cell.gaps.is_empty()).count();
                    assert!(open > 0, "{operation} refused: {key:?} vanished from a place that says complete");
                    to_unknown += 1;
                }
            }
        }
        let named = refused.coverage.accounts.values().flat_map(|account| &account.cells).flat_map(|cell| &cell.gaps);
        let named = named.filter(|gap| gap.refusal.call == operation && gap.refusal.permission.is_some()).count();
        assert!(named > 0, "{operation} refused: no gap names it");
        println!("{operation:<48} {to_unknown:>4} verdicts lost, {named:>4} gaps name it");
    }
}
