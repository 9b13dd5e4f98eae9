//! Makes the cassettes of the collectors from the replay server's world: `cargo run -p evidenced-azure --example record
//! [SERVICE]`. The world itself is the vendor's own example answers, see tests/replay.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::HttpClient;
use evidenced_azure::transport::Tape;
use evidenced_azure::{Session, SessionOptions};
use evidenced_kit::cassette::Recorder;
use evidenced_kit::{Collector, Event, Job, Limits, LimitsConfig, Mine, OpenContext, Stats, Wants, drive};
use evidenced_model::{FixedClock, Region, RunId, Scope};
use evidenced_replay::World;
use inprocess::InProcess;
use token::Token;

#[path = "../tests/common/inprocess.rs"]
mod inprocess;
#[path = "../tests/common/token.rs"]
mod token;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const TENANT: &str = "00000000-0000-0000-0000-0000000000ff";

#[tokio::main]
async fn main() {
    let only = std::env::args().nth(1);
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let world = || World::read(&here.join("../../tests/replay/azure"), "world");
    for manifest in evidenced_azure::manifests() {
        let service = manifest.id.trim_start_matches("azure.");
        if only.as_deref().is_some_and(|only| only != service) {
            continue;
        }
        let mut paged = world();
        paged.page_all(1);
        let worlds = [("full", world()), ("empty", world().emptied()), ("paged", paged)];
        for (name, world) in worlds {
            let about = match name {
                "full" => "Azure as the vendor's own examples describe it.",
                "empty" => "The same tenant and subscription, with nothing in it.",
                _ => "The same, with one item on each page.",
            };
            let recorder = Arc::new(Recorder::default());
            play(manifest.id, world, &recorder).await;
            let folder = here.join("cassettes").join(service);
            std::fs::create_dir_all(&folder).unwrap();
            let cassette = recorder.finish(about, str::to_owned);
            let text = serde_json::to_string_pretty(&cassette).unwrap();
            std::fs::write(folder.join(format!("{name}.json")), text + "\n").unwrap();
            println!("{service}/{name}: {} exchanges", cassette.exchanges.len());
        }
    }
}

async fn play(id: &str, world: World, recorder: &Arc<Recorder>) {
    let limits = LimitsConfig { default_calls_per_second: 1_000_000, ..LimitsConfig::default() };
    let context = OpenContext {
        run: RunId::from_parts(0, 0),
        limits: Arc::new(Limits::new(limits)),
        stats: Arc::new(Stats::default()),
        clock: Arc::new(FixedClock("2026-01-15T12:00:00Z".parse().unwrap())),
        mine: Mine::default(),
        environment: Arc::default(),
    };
    let inner: Arc<dyn HttpClient> = Arc::new(InProcess::new(world));
    let tape = Arc::new(Tape { inner, recorder: Arc::clone(recorder) });
    let options = SessionOptions { http_client: Some(tape), credential: Some(Arc::new(Token)) };
    let session = Session::detached(TENANT.parse().unwrap(), &options, &context);
    let tenant = evidenced_azure::tenant_manifests().iter().any(|manifest| manifest.id == id);
    let collectors = if tenant {
        evidenced_azure::tenant_collectors(&session)
    } else {
        evidenced_azure::subscription_collectors(&session)
    };
    let collector: Arc<dyn Collector> = collectors.into_iter().find(|one| one.manifest().id == id).unwrap();
    let account = if tenant { TENANT } else { SUBSCRIPTION }.parse().unwrap();
    let scope = Scope { account, provider: "azure".parse().unwrap(), region: Region::global() };
    let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
    let wants = Arc::new(Wants { all: true, ..Wants::default() });
    let job = Job { number: 0, collector, scope, others: Vec::new(), wants, timeout: Duration::from_mins(5) };
    let work = tokio::spawn(drive(job, sender));
    while let Some((_, event)) = receiver.recv().await {
        if let Event::Gap { kind, refusal, .. } = event {
            println!("  a gap: {kind}: {refusal:?}");
        }
    }
    work.await.unwrap().unwrap();
}
