//! Makes a cassette from an emulator: `cargo run -p evidenced-aws --example record -- COLLECTOR ENDPOINT OUT.json [ABOUT]`.
//!
//! Everything that looks like a secret is redacted before the file is written. Regions: eu-west-1 and us-east-1.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use evidenced_aws::transport::Tape;
use evidenced_aws::{ClientOptions, Session, collectors};
use evidenced_kit::cassette::Recorder;
use evidenced_kit::redact::Redactor;
use evidenced_kit::{Job, Limits, LimitsConfig, Mine, OpenContext, Reach, Stats, Wants, drive};
use evidenced_model::{FixedClock, Region, RunId, Scope};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, id, endpoint, out, about @ ..] = &arguments[..] else {
        return Err("usage: record COLLECTOR ENDPOINT OUT.json [ABOUT]".into());
    };
    let account = "123456789012".parse()?;
    let context = OpenContext {
        run: RunId::from_parts(0, 0),
        limits: Arc::new(Limits::new(LimitsConfig::default())),
        stats: Arc::new(Stats::default()),
        clock: Arc::new(FixedClock("2026-01-15T12:00:00Z".parse()?)),
        mine: Mine::default(),
        environment: Arc::default(),
    };
    let recorder = Arc::new(Recorder::default());
    let inner = aws_smithy_http_client::Builder::new().build_http();
    let options = ClientOptions {
        endpoint_url: Some(endpoint.clone()),
        http_client: Some(SharedHttpClient::new(Tape { inner, recorder: Arc::clone(&recorder) })),
        credentials: Some(SharedCredentialsProvider::new(Credentials::new(
            "AKIDEXAMPLE",
            "not-a-secret",
            None,
            None,
            "example",
        ))),
    };
    let session = Arc::new(Session::detached(&options, &context, account).await);
    let regions: Vec<Region> = vec!["eu-west-1".parse()?, "us-east-1".parse()?];
    let mut all = collectors(&session, &regions).into_iter();
    let collector = all.find(|c| c.manifest().id == id).ok_or("no such collector")?;
    let places = match collector.manifest().reach {
        Reach::Account | Reach::Together => vec![Region::global()],
        Reach::Region => regions,
    };
    for region in places {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1024);
        let scope = Scope { account: session.account().clone(), provider: "aws".parse()?, region };
        let wants = Arc::new(Wants { all: true, ..Wants::default() });
        let job = Job {
            number: 0,
            collector: Arc::clone(&collector),
            scope,
            others: Vec::new(),
            wants,
            timeout: Duration::from_mins(5),
        };
        let work = tokio::spawn(drive(job, sender));
        while receiver.recv().await.is_some() {}
        work.await?.map_err(|cause| format!("the collector did not come to its end: {cause}"))?;
    }
    let redactor = Redactor::new(&[0; 32]);
    let cassette = recorder.finish(&about.join(" "), |text| redactor.redact_text(text));
    std::fs::write(out, serde_json::to_string_pretty(&cassette)? + "\n")?;
    Ok(())
}
