//! Cassettes, kinds and Azure's own error answers, for the conformance suite.

use std::path::PathBuf;
use std::sync::Arc;

use evidenced_azure::transport::Replay;
use evidenced_azure::{Session, SessionOptions};
use evidenced_kit::cassette::{Cassette, Player, Request, Response};
use evidenced_kit::conformance::{Suite, Trouble};
use evidenced_kit::{Collector, Manifest};
use evidenced_model::{Account, KindDecl, Region, Scope};

use crate::common::token::Token;
use crate::common::{context, declaration};

/// The subscription of every cassette, and its tenant.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const TENANT: &str = "00000000-0000-0000-0000-0000000000ff";

/// Runs the suite for one collector.
pub(crate) async fn conform(id: &str, folder: &str, singletons: &[&str]) {
    let context = context();
    let manifest = evidenced_azure::manifests().into_iter().find(|m| m.id == id).expect("the collector is in the list");
    let kinds: Vec<KindDecl> = manifest.kinds.iter().map(|kind| declaration(kind)).collect();
    let tenant = of_tenant(manifest);
    let open = |player: Arc<Player>| -> Arc<dyn Collector> {
        let options = SessionOptions { http_client: Some(Arc::new(Replay(player))), credential: Some(Arc::new(Token)) };
        let session = Session::detached(TENANT.parse().unwrap(), &options, &context);
        let collectors = if tenant {
            evidenced_azure::tenant_collectors(&session)
        } else {
            evidenced_azure::subscription_collectors(&session)
        };
        collectors.into_iter().find(|c| c.manifest().id == id).expect("the collector is in the list")
    };
    let account: Account = if tenant { TENANT } else { SUBSCRIPTION }.parse().unwrap();
    let suite = Suite {
        kinds: &kinds,
        scope: Scope { account, provider: "azure".parse().unwrap(), region: Region::global() },
        regions: vec![Region::global()],
        open: &open,
        answer: &answer,
        full: cassette(folder, "full"),
        empty: cassette(folder, "empty"),
        paged: cassette(folder, "paged"),
        singletons,
    };
    suite.run().await;
}

fn of_tenant(manifest: &Manifest) -> bool {
    evidenced_azure::tenant_manifests().iter().any(|one| one.id == manifest.id)
}

fn cassette(folder: &str, name: &str) -> Cassette {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "cassettes", folder, &format!("{name}.json")].iter().collect();
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What Azure says when it refuses. Some providers leave the outer member out.
fn answer(request: &Request, trouble: Trouble) -> Response {
    let (status, code) = match (trouble, request.operation.starts_with("graph:")) {
        (Trouble::Denied, false) => (403, "AuthorizationFailed"),
        (Trouble::Denied, true) => (403, "Authorization_RequestDenied"),
        _ => (429, "TooManyRequests"),
    };
    let bare = format!("{{\"code\":\"{code}\",\"message\":\"no\"}}");
    let wrapped = !request.operation.starts_with("compute:");
    let body = if wrapped { format!("{{\"error\":{bare}}}") } else { bare };
    Response { status, headers: [("content-type".into(), "application/json".into())].into(), body }
}
