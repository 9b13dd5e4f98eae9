//! Answers that look well and are not: without a required member, with a page refused, with a message that decides.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use evidenced_aws::transport::Replay;
use evidenced_aws::{ClientOptions, Session, collectors};
use evidenced_kit::cassette::{Cassette, Fault, Player, Response};
use evidenced_kit::{CoverageBuilder, Event, Job, Limits, LimitsConfig, Mine, OpenContext, Stats, Wants, drive};
use evidenced_model::{Cause, Cell, CellState, Field, FixedClock, KindId, Region, Resource, RunId, Scope, Span};
use serde_json::json;

const JSON_SERVICES: [&str; 6] = ["accessanalyzer", "config", "guardduty", "logs", "securityhub", "sso"];

#[tokio::test]
async fn an_answer_without_its_members_is_never_nothing() {
    for service in JSON_SERVICES {
        let tape = cassette(service, "full");
        let mut operations: Vec<String> = tape.exchanges.iter().map(|e| e.request.operation.clone()).collect();
        operations.sort();
        operations.dedup();
        let whole = play(service, Player::new(tape.clone())).await;
        for operation in operations.iter().filter(|operation| !speaks_otherwise(operation)) {
            let wanted = operation.clone();
            let bare: Fault = Box::new(move |request, _| (request.operation == wanted).then(|| answer(200, "{}")));
            let said = play(service, Player::with_fault(tape.clone(), bare)).await;
            assert!(said.names(operation, Cause::Malformed), "{operation}: nothing says that its answer was empty");
            for (id, resource) in &said.resources {
                for (name, field) in &resource.fields {
                    let same = Some(field) == whole.resources[id].fields.get(name);
                    assert!(same || matches!(field, Field::Unread(_)), "{operation}: {id} {name} became {field:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn security_hub_is_off_only_if_the_message_says_so() {
    let hub = |message: &'static str| async move {
        let fault: Fault = Box::new(move |request, _| {
            (request.operation == "securityhub:DescribeHub").then(|| {
                let mut response = answer(401, &format!("{{\"message\":\"{message}\"}}"));
                response.headers.insert("x-amzn-errortype".into(), "InvalidAccessException".into());
                response
            })
        });
        play("securityhub", Player::with_fault(cassette("securityhub", "full"), fault)).await
    };
    let off = hub("Account 123456789012 is not subscribed to AWS Security Hub").await;
    assert_eq!((off.cells[0].state, off.cells[0].resources), (CellState::Complete, 0));
    let refused = hub("The account doesn't have permission to perform this action").await;
    assert_eq!(refused.cells[0].state, CellState::Denied);
    assert!(refused.names("securityhub:DescribeHub", Cause::Denied));
}

#[tokio::test]
async fn what_came_before_a_refused_page_stays() {
    let second: Fault = Box::new(|request, _| {
        let refused = request.operation == "logs:DescribeLogGroups" && request.body.contains("nextToken");
        refused.then(|| {
            let mut response = answer(400, "{\"message\":\"no\"}");
            response.headers.insert("x-amzn-errortype".into(), "AccessDeniedException".into());
            response
        })
    });
    let said = play("logs", Player::with_fault(cassette("logs", "paged"), second)).await;
    let groups = said.cells.iter().find(|cell| cell.kind.as_str() == "aws.logs.group").unwrap();
    assert_eq!((groups.state, groups.resources), (CellState::Partial, 50));
    let filters = said.cells.iter().find(|cell| cell.kind.as_str() == "aws.logs.metric_filter").unwrap();
    assert_eq!((filters.state, filters.resources), (CellState::Complete, 3));
}

#[tokio::test]
async fn a_topic_that_is_gone_has_no_subscribers() {
    let gone: Fault = Box::new(|request, _| {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist</Message></Error></ErrorResponse>";
        (request.operation == "sns:ListSubscriptionsByTopic").then(|| Response {
            status: 404,
            headers: [("content-type".to_owned(), "text/xml".to_owned())].into(),
            body: body.to_owned(),
        })
    });
    let said = play("logs", Player::with_fault(cassette("logs", "full"), gone)).await;
    let root = said.resources.iter().find(|(id, _)| id.ends_with(":root-use")).unwrap().1;
    let Field::Read(subscriptions) = root.field("subscriptions") else { panic!("{:?}", root.field("subscriptions")) };
    assert_eq!(subscriptions[0]["confirmed"], 0);
}

#[tokio::test]
async fn subscriptions_are_counted_by_whether_somebody_confirmed_them() {
    let said = play("logs", Player::new(cassette("logs", "full"))).await;
    let field = |filter: &str, name: &str| {
        let found = said.resources.iter().find(|(id, _)| id.ends_with(&format!(":metric-filter:{filter}")));
        match found.map(|(_, resource)| resource.field(name)) {
            Some(Field::Read(value)) => value.clone(),
            other => panic!("{filter} {name}: {other:?}"),
        }
    };
    let topic = "arn:aws:sns:eu-west-1:123456789012:security";
    assert_eq!(field("root-use", "subscriptions"), json!([{ "topic": topic, "confirmed": 1, "pending": 1 }]));
    assert_eq!(
        field("root-use", "alarms"),
        json!([{ "name": "root-use", "actions_enabled": true, "actions": [topic] }])
    );
    assert_eq!(field("trail-changes", "alarms")[0]["actions_enabled"], false);
    assert_eq!(field("denied", "alarms"), json!([]));
}

/// What was said of eu-west-1.
struct Said {
    resources: BTreeMap<String, Resource>,
    cells: Vec<Cell>,
}

impl Said {
    fn names(&self, operation: &str, cause: Cause) -> bool {
        let gaps = self.cells.iter().flat_map(|cell| &cell.gaps);
        gaps.into_iter().any(|gap| gap.refusal.call == operation && gap.refusal.cause == cause)
    }
}

async fn play(service: &str, player: Player) -> Said {
    let region: Region = "eu-west-1".parse().unwrap();
    let scope =
        Scope { account: "123456789012".parse().unwrap(), provider: "aws".parse().unwrap(), region: region.clone() };
    let limits =
        LimitsConfig { default_calls_per_second: 1_000_000, backoff: Duration::ZERO, ..LimitsConfig::default() };
    let context = OpenContext {
        run: RunId::from_parts(0, 0),
        limits: Arc::new(Limits::new(limits)),
        stats: Arc::new(Stats::default()),
        clock: Arc::new(FixedClock("2026-01-15T12:00:00Z".parse().unwrap())),
        mine: Mine::default(),
        environment: Arc::default(),
    };
    let options = ClientOptions {
        endpoint_url: Some("http://127.0.0.1:1".into()),
        http_client: Some(SharedHttpClient::new(Replay(Arc::new(player)))),
        credentials: Some(SharedCredentialsProvider::new(Credentials::new(
            "AKIDEXAMPLE",
            "not-a-secret",
            None,
            None,
            "example",
        ))),
    };
    let session = Arc::new(Session::detached(&options, &context, scope.account.clone()).await);
    let id = format!("aws.{service}");
    let regions = std::slice::from_ref(&region);
    let collector = collectors(&session, regions).into_iter().find(|c| c.manifest().id == id).unwrap();
    let mut coverage = CoverageBuilder::new(&scope, vec![region.clone()], Vec::new());
    for kind in collector.manifest().kinds {
        coverage.plan(&KindId::parse(*kind).unwrap(), Span::Regional, |_, _| None);
    }
    let (sender, mut receiver) = tokio::sync::mpsc::channel(16);
    let wants = Arc::new(Wants { all: true, ..Wants::default() });
    let job = Job { number: 0, collector, scope, others: Vec::new(), wants, timeout: Duration::from_hours(1) };
    let work = tokio::spawn(drive(job, sender));
    let mut resources = BTreeMap::new();
    while let Some((_, event)) = receiver.recv().await {
        coverage.observe(&region, &event);
        if let Event::Resource(resource) = event {
            resources.insert(resource.id.clone(), *resource);
        }
    }
    work.await.unwrap().unwrap();
    Said { resources, cells: coverage.finish().cells }
}

fn cassette(service: &str, name: &str) -> Cassette {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "cassettes", service, &format!("{name}.json")].iter().collect();
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// `CloudWatch` speaks CBOR, SNS XML.
fn speaks_otherwise(operation: &str) -> bool {
    operation.starts_with("cloudwatch:") || operation.starts_with("sns:")
}

fn answer(status: u16, body: &str) -> Response {
    let headers = [("content-type".to_owned(), "application/x-amz-json-1.1".to_owned())].into();
    Response { status, headers, body: body.to_owned() }
}
