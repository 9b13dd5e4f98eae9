//! Buckets, trails and keys on bad days: gone in the middle, in another account, in a region that nobody tells,
//! answered without what an answer must have.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use evidenced_aws::transport::Replay;
use evidenced_aws::{ClientOptions, Session, collectors};
use evidenced_kit::cassette::{Cassette, Fault, Player, Request, Response};
use evidenced_kit::{Event, Job, Limits, LimitsConfig, Mine, OpenContext, Reach, Stats, Wants, drive};
use evidenced_model::{Cause, Field, FixedClock, Region, Resource, RunId, Scope, Unread};
use serde_json::{Value, json};

const BUCKET: &str = "arn:aws:s3:::example-bucket";
const TRAIL: &str = "arn:aws:cloudtrail:eu-west-1:123456789012:trail/example";

#[tokio::test]
async fn a_bucket_that_is_gone_in_the_middle_is_counted_and_not_written() {
    let gone = |request: &Request| {
        request
            .path
            .starts_with("/example-bucket/")
            .then(|| error(404, "NoSuchBucket"))
            .filter(|_| request.operation != "s3:GetBucketLocation")
    };
    let said = play("s3", "full", gone).await;
    assert_eq!(said.vanished, ["eu-west-1"]);
    assert!(!said.resources.contains_key(BUCKET));
    assert_eq!(said.asked("s3:GetBucketAcl"), 2, "a bucket that is gone is asked no more");
}

#[tokio::test]
async fn a_bucket_without_a_region_stands_in_unknown_and_nothing_is_guessed() {
    let hidden = |request: &Request| {
        let location = request.operation == "s3:GetBucketLocation" && request.path.starts_with("/example-replica/");
        location.then(|| error(403, "AccessDenied"))
    };
    let said = play("s3", "full", hidden).await;
    let replica = &said.resources["arn:aws:s3:::example-replica"];
    assert_eq!(replica.scope.region, Region::unknown());
    assert_eq!(unread(replica, "versioning").permission.as_deref(), Some("s3:GetBucketLocation"));
    // The bucket that is copied there does not know the region either.
    assert_eq!(unread(&said.resources[BUCKET], "replica_regions").cause, Cause::Denied);
}

#[tokio::test]
async fn a_bucket_of_another_account_is_never_taken_for_our_own() {
    let foreign = |request: &Request| {
        (request.operation == "s3:HeadBucket").then(|| {
            let mut response = error(403, "AccessDenied");
            response.headers.insert("x-amz-bucket-region".into(), "eu-central-1".into());
            response
        })
    };
    let said = play("cloudtrail", "full", foreign).await;
    let second = said.resources.values().find(|trail| trail.id.ends_with("/second")).unwrap();
    assert_eq!(unread(second, "own_bucket").cause, Cause::Skipped);
    assert_eq!(said.resources[TRAIL].field("own_bucket"), &Field::Read("example-trail".into()));
    // A copy that goes there is known to leave the region.
    let said = play("s3", "full", foreign).await;
    assert_eq!(said.resources[BUCKET].field("foreign_replica_regions"), &Field::Read(json!(["eu-central-1"])));
}

#[tokio::test]
async fn a_key_of_another_account_is_left_open() {
    let foreign_key = |request: &Request| {
        let wanted = request.operation == "s3:GetBucketEncryption" && request.path.starts_with("/example-bucket/");
        wanted.then(|| {
            let key = "arn:aws:kms:eu-west-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab";
            let default = format!("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{key}</KMSMasterKeyID>");
            let default = format!("<ApplyServerSideEncryptionByDefault>{default}</ApplyServerSideEncryptionByDefault>");
            let rule = format!("<Rule>{default}</Rule>");
            xml(200, &format!("<ServerSideEncryptionConfiguration>{rule}</ServerSideEncryptionConfiguration>"))
        })
    };
    let bucket = &play("s3", "full", foreign_key).await.resources[BUCKET];
    assert_eq!(unread(bucket, "own_kms_key").cause, Cause::Skipped);
    assert!(matches!(bucket.field("kms_key"), Field::Read(Value::String(key)) if key.contains("210987654321")));
}

#[tokio::test]
async fn an_alias_is_followed_to_its_key_once() {
    let said = play("s3", "full", |_| None).await;
    let key = said.resources[BUCKET].field("own_kms_key");
    assert!(
        matches!(key, Field::Read(Value::String(arn)) if arn.starts_with("arn:aws:kms:eu-west-1:123456789012:key/"))
    );
    assert_eq!(said.asked("kms:DescribeKey"), 1);
    assert_eq!(said.asked("s3:GetBucketPolicyStatus"), 1, "only the bucket with a policy is asked for its status");
}

#[tokio::test]
async fn a_trail_that_is_seen_from_two_regions_is_written_once_and_asked_at_home() {
    let said = play("cloudtrail", "full", |_| None).await;
    assert_eq!(said.resources.len(), 2);
    assert_eq!(said.resources[TRAIL].scope.region.as_str(), "eu-west-1");
    assert_eq!(said.asked("cloudtrail:GetTrailStatus"), 2);
    // Its home does not answer: it is still known from the other region, and the listing is not whole.
    let away = |request: &Request| {
        let home = request.operation == "cloudtrail:DescribeTrails" && request.region == "eu-west-1";
        home.then(|| refused_json("AccessDeniedException"))
    };
    let said = play("cloudtrail", "full", away).await;
    assert_eq!(said.resources[TRAIL].scope.region.as_str(), "eu-west-1");
    assert_eq!((said.complete, said.gaps), (false, 1));
}

#[tokio::test]
async fn times_that_move_by_themselves_are_days() {
    let said = play("cloudtrail", "full", |_| None).await;
    assert_eq!(said.resources[TRAIL].field("delivered"), &Field::Read("2026-01-10T00:00:00Z".into()));
}

#[tokio::test]
async fn an_answer_without_its_members_is_never_nothing() {
    for service in ["s3", "cloudtrail", "kms"] {
        let whole = play(service, "full", |_| None).await;
        let operations: Vec<String> = whole.counts.keys().map(|request| request.operation.clone()).collect();
        for operation in operations.iter().filter(|operation| !may_be_bare(operation)) {
            let bare = |request: &Request| (&request.operation == operation).then(|| bare(request));
            let said = play(service, "full", bare).await;
            for (id, resource) in &said.resources {
                for (name, field) in &resource.fields {
                    let same = Some(field) == whole.resources[id].fields.get(name);
                    assert!(same || matches!(field, Field::Unread(_)), "{operation}: {id} {name} became {field:?}");
                }
            }
        }
    }
}

/// Operations whose empty answer means something, or that S3 documents as optional in every member.
fn may_be_bare(operation: &str) -> bool {
    [
        "s3:GetBucketLocation",
        "s3:GetBucketVersioning",
        "s3:GetBucketLogging",
        "s3:GetBucketTagging",
        "s3:GetPublicAccessBlock",
        "s3:HeadBucket",
        "s3control:GetPublicAccessBlock",
    ]
    .contains(&operation)
}

/// The right root or an empty object, and nothing in it.
fn bare(request: &Request) -> Response {
    let root = match request.operation.as_str() {
        "s3:ListBuckets" => "ListAllMyBucketsResult",
        "s3:GetBucketAcl" => "AccessControlPolicy",
        "s3:GetBucketPolicyStatus" => "PolicyStatus",
        "s3:GetBucketOwnershipControls" => "OwnershipControls",
        "s3:GetBucketEncryption" => "ServerSideEncryptionConfiguration",
        "s3:GetBucketLifecycleConfiguration" => "LifecycleConfiguration",
        "s3:GetObjectLockConfiguration" => "ObjectLockConfiguration",
        "s3:GetBucketReplication" => "ReplicationConfiguration",
        "s3control:ListAccessPoints" => "ListAccessPointsResult",
        "s3control:GetAccessPoint" => "GetAccessPointResult",
        "s3control:GetAccessPointPolicyStatus" => "GetAccessPointPolicyStatusResult",
        _ => return json_response(200, "{}"),
    };
    xml(200, &format!("<{root}/>"))
}

/// What a collector said.
#[derive(Default)]
struct Said {
    resources: BTreeMap<String, Resource>,
    vanished: Vec<String>,
    gaps: usize,
    complete: bool,
    counts: BTreeMap<Request, u32>,
}

impl Said {
    fn asked(&self, operation: &str) -> u32 {
        self.counts.iter().filter(|(request, _)| request.operation == operation).map(|(_, count)| count).sum()
    }
}

fn unread<'a>(resource: &'a Resource, field: &str) -> &'a Unread {
    let Field::Unread(unread) = resource.field(field) else { panic!("{field} is {:?}", resource.field(field)) };
    unread
}

async fn play(service: &str, name: &str, fault: impl Fn(&Request) -> Option<Response>) -> Said {
    let tape = cassette(service, name);
    // The answers are made beforehand: a fault outlives the borrow.
    let faults: BTreeMap<Request, Response> =
        tape.exchanges.iter().filter_map(|e| Some((e.request.clone(), fault(&e.request)?))).collect();
    let fault: Fault = Box::new(move |request, _| faults.get(request).cloned());
    let player = Arc::new(Player::with_fault(tape, fault));
    let limits = LimitsConfig {
        default_calls_per_second: 1_000_000,
        calls_per_second: BTreeMap::new(),
        backoff: Duration::ZERO,
        ..LimitsConfig::default()
    };
    let context = OpenContext {
        run: RunId::from_parts(0, 0),
        limits: Arc::new(Limits::new(limits)),
        stats: Arc::new(Stats::default()),
        clock: Arc::new(FixedClock("2026-01-15T12:00:00Z".parse().unwrap())),
        mine: Mine::default(),
        environment: Arc::default(),
    };
    let credentials = Credentials::new("AKIDEXAMPLE", "not-a-secret", None, None, "example");
    let options = ClientOptions {
        endpoint_url: Some("http://127.0.0.1:1".into()),
        http_client: Some(SharedHttpClient::new(Replay(Arc::clone(&player)))),
        credentials: Some(SharedCredentialsProvider::new(credentials)),
    };
    let session = Arc::new(Session::detached(&options, &context, "123456789012".parse().unwrap()).await);
    let regions: Vec<Region> = vec!["eu-west-1".parse().unwrap(), "us-east-1".parse().unwrap()];
    let id = format!("aws.{service}");
    let collector = collectors(&session, &regions).into_iter().find(|c| c.manifest().id == id).unwrap();
    let places = match collector.manifest().reach {
        Reach::Account | Reach::Together => vec![Region::global()],
        Reach::Region => regions,
    };
    let mut said = Said::default();
    for region in places {
        let scope = Scope { account: session.account().clone(), provider: "aws".parse().unwrap(), region };
        let wants = Arc::new(Wants { all: true, ..Wants::default() });
        let (sender, mut receiver) = tokio::sync::mpsc::channel(16);
        let collector = Arc::clone(&collector);
        let work = tokio::spawn(drive(
            Job { number: 0, collector, scope, others: Vec::new(), wants, timeout: Duration::from_hours(1) },
            sender,
        ));
        while let Some((_, event)) = receiver.recv().await {
            match event {
                Event::Resource(resource) => drop(said.resources.insert(resource.id.clone(), *resource)),
                Event::Vanished { region, .. } => said.vanished.push(region.to_string()),
                Event::Gap { .. } => said.gaps += 1,
                Event::Complete { .. } => said.complete = true,
                Event::Total { .. } => {}
            }
        }
        work.await.unwrap().unwrap();
    }
    said.counts = player.asked();
    said
}

fn cassette(service: &str, name: &str) -> Cassette {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "cassettes", service, &format!("{name}.json")].iter().collect();
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn error(status: u16, code: &str) -> Response {
    xml(status, &format!("<Error><Code>{code}</Code><Message>no</Message></Error>"))
}

fn xml(status: u16, body: &str) -> Response {
    let headers = [("content-type".to_owned(), "application/xml".to_owned())].into();
    Response { status, headers, body: body.to_owned() }
}

fn json_response(status: u16, body: &str) -> Response {
    let headers = [("content-type".to_owned(), "application/x-amz-json-1.1".to_owned())].into();
    Response { status, headers, body: body.to_owned() }
}

fn refused_json(code: &str) -> Response {
    let mut response = json_response(400, "{\"message\":\"no\"}");
    response.headers.insert("x-amzn-errortype".into(), code.into());
    response
}
