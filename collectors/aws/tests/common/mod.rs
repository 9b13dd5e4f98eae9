//! Cassettes, kinds and AWS's own error answers, for the conformance suite.

use std::path::PathBuf;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use evidenced_aws::transport::Replay;
use evidenced_aws::{ClientOptions, Session, collectors};
use evidenced_kit::cassette::{Cassette, Player, Request, Response, encode};
use evidenced_kit::conformance::{Suite, Trouble};
use evidenced_kit::{Collector, Limits, LimitsConfig, Mine, OpenContext, Stats};
use evidenced_model::{Account, FixedClock, KindDecl, Region, RunId, Scope};

/// The regions of every cassette.
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

/// Runs the suite for one collector.
pub(crate) async fn conform(id: &str, folder: &str, singletons: &[&str]) {
    let context = context();
    let manifest = evidenced_aws::manifests().into_iter().find(|m| m.id == id).expect("the collector is in the list");
    let kinds: Vec<KindDecl> = manifest.kinds.iter().map(|kind| declaration(kind)).collect();
    // Sessions are made beforehand for each player: opening one is asynchronous, binding a collector is not.
    let handle = tokio::runtime::Handle::current();
    let open = |player: Arc<Player>| -> Arc<dyn Collector> {
        let (context, handle, id) = (context.clone(), handle.clone(), id.to_owned());
        let opening = async move { Session::detached(&replay(player), &context, account()).await };
        let session = std::thread::spawn(move || handle.block_on(opening)).join().expect("the session opens");
        let regions = regions();
        collectors(&Arc::new(session), &regions)
            .into_iter()
            .find(|c| c.manifest().id == id)
            .expect("the collector is in the list")
    };
    let suite = Suite {
        kinds: &kinds,
        scope: Scope { account: account(), provider: "aws".parse().unwrap(), region: Region::global() },
        regions: regions(),
        open: &open,
        answer: &answer,
        full: cassette(folder, "full"),
        empty: cassette(folder, "empty"),
        paged: cassette(folder, "paged"),
        singletons,
    };
    suite.run().await;
}

fn regions() -> Vec<Region> {
    REGIONS.iter().map(|region| region.parse().unwrap()).collect()
}

fn account() -> Account {
    "123456789012".parse().unwrap()
}

fn context() -> OpenContext {
    // No waiting between attempts: the suite is about what is tried again, not about when.
    let limits = LimitsConfig {
        default_calls_per_second: 1_000_000,
        calls_per_second: std::collections::BTreeMap::new(),
        backoff: std::time::Duration::ZERO,
        ..LimitsConfig::default()
    };
    OpenContext {
        run: RunId::from_parts(0, 0),
        limits: Arc::new(Limits::new(limits)),
        stats: Arc::new(Stats::default()),
        clock: Arc::new(FixedClock("2026-01-15T12:00:00Z".parse().unwrap())),
        mine: Mine::default(),
        environment: Arc::default(),
    }
}

fn replay(player: Arc<Player>) -> ClientOptions {
    let credentials = Credentials::new("AKIDEXAMPLE", "not-a-secret", None, None, "example");
    ClientOptions {
        endpoint_url: Some("http://127.0.0.1:1".into()),
        http_client: Some(SharedHttpClient::new(Replay(player))),
        credentials: Some(SharedCredentialsProvider::new(credentials)),
    }
}

fn cassette(folder: &str, name: &str) -> Cassette {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "cassettes", folder, &format!("{name}.json")].iter().collect();
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn declaration(kind: &str) -> KindDecl {
    let (path, text) = evidenced_mappings::kinds()
        .iter()
        .find(|(path, _)| path.ends_with(&format!("/{kind}.yaml")))
        .unwrap_or_else(|| panic!("no kind file for {kind}"));
    let value: serde_json::Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let declared = ["kind", "title", "span", "lists", "fields"];
    let members = value.as_object().unwrap().iter().filter(|(name, _)| declared.contains(&name.as_str()));
    let value = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    serde_json::from_value(serde_json::Value::Object(value)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What AWS says when it refuses, in the protocol of the service that was asked.
fn answer(request: &Request, trouble: Trouble) -> Response {
    let denied = trouble == Trouble::Denied;
    let service = request.operation.split(':').next().unwrap();
    let xml = |code: &str, status, wrapped: bool| {
        let error = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        let body =
            if wrapped { format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>") } else { error };
        Response { status, headers: [("content-type".into(), "application/xml".into())].into(), body }
    };
    if request.path.contains("/operation/") {
        // Smithy RPC v2 CBOR: a map with `__type`.
        let code = if denied { "AccessDeniedException" } else { "ThrottlingException" };
        let mut body = vec![0xa1, 0x66];
        body.extend_from_slice(b"__type");
        body.extend_from_slice(&[0x78, u8::try_from(code.len()).unwrap()]);
        body.extend_from_slice(code.as_bytes());
        let headers = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        return Response { status: 400, headers, body: encode(&body) };
    }
    match service {
        "s3control" => {
            if denied {
                xml("AccessDenied", 403, true)
            } else {
                xml("SlowDown", 503, true)
            }
        }
        "s3" => {
            if denied {
                xml("AccessDenied", 403, false)
            } else {
                xml("SlowDown", 503, false)
            }
        }
        "iam" | "sts" | "sns" => {
            if denied {
                xml("AccessDenied", 403, true)
            } else {
                xml("Throttling", 400, true)
            }
        }
        _ => {
            let code = if denied { "AccessDeniedException" } else { "ThrottlingException" };
            let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amzn-errortype", code)];
            Response {
                status: 400,
                headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
                body: format!("{{\"__type\":\"{code}\",\"message\":\"no\"}}"),
            }
        }
    }
}
