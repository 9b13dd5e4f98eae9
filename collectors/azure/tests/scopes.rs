//! What the door to Azure does with subscriptions that are hidden, denied, suspended or excluded, and with foreign links.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "common/inprocess.rs"]
mod inprocess;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::token::Token;
use evidenced_azure::{Azure, SessionOptions};
use evidenced_kit::{Cloud as _, CoverageBuilder, Event, Job, Opened, Reach, Wants, drive};
use evidenced_model::{Cause, Cell, CellState, Region, Scope};
use evidenced_replay::{Reply, World};
use inprocess::InProcess;
use serde_json::{Value, json};

const ONE: &str = "00000000-0000-0000-0000-000000000001";
const TWO: &str = "00000000-0000-0000-0000-000000000002";
const ACCOUNTS: &str = "azure.storage.account";

fn world() -> World {
    World::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/replay/azure"), "world")
}

/// Opens a target in a world.
async fn open(world: World, target: &Value) -> (Opened, Arc<InProcess>) {
    let client = Arc::new(InProcess::new(world));
    let options = SessionOptions { http_client: Some(client.clone()), credential: Some(Arc::new(Token)) };
    let mut context = common::context();
    context.environment =
        Arc::new(BTreeMap::from([("AZURE_TENANT_ID".into(), "00000000-0000-0000-0000-0000000000ff".into())]));
    (Azure(options).open(target, &context).await.unwrap(), client)
}

/// Reads a kind of all opened subscriptions as a run does: one start for all. Gives the cells by subscription.
async fn read(opened: Opened, collector: &str) -> BTreeMap<String, Vec<Cell>> {
    let mut coverages = Vec::new();
    let mut job: Option<Job> = None;
    for session in opened.accounts {
        let scope =
            Scope { account: session.account.clone(), provider: session.provider.clone(), region: Region::global() };
        let mut coverage = CoverageBuilder::new(&scope, session.regions, session.gaps);
        for manifest in session.manifests.unwrap().iter().filter(|manifest| manifest.id == collector) {
            for kind in manifest.kinds {
                let decl = common::declaration(kind);
                coverage.plan(&decl.kind, decl.span, |_, _| None);
            }
        }
        for found in session.collectors.into_iter().filter(|one| one.manifest().id == collector) {
            assert_eq!(found.manifest().reach, Reach::Together);
            match &mut job {
                None => {
                    let wants = Arc::new(Wants { all: true, ..Wants::default() });
                    let (number, others, timeout) = (coverages.len(), Vec::new(), Duration::from_hours(1));
                    job = Some(Job { number, collector: found, scope: scope.clone(), others, wants, timeout });
                }
                Some(job) => {
                    assert!(Arc::ptr_eq(&job.collector, &found), "one collector is shared");
                    job.others.push((coverages.len(), scope.clone()));
                }
            }
        }
        coverages.push(coverage);
    }
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<(usize, Event)>(16);
    let work = job.map(|job| tokio::spawn(drive(job, sender)));
    while let Some((number, event)) = receiver.recv().await {
        coverages[number].observe(&Region::global(), &event);
    }
    if let Some(work) = work {
        work.await.unwrap().unwrap();
    }
    let finished = coverages.into_iter().map(CoverageBuilder::finish);
    finished.map(|coverage| (coverage.account.to_string(), coverage.cells)).collect()
}

fn of_kind<'c>(cells: &'c BTreeMap<String, Vec<Cell>>, account: &str, kind: &str) -> Vec<&'c Cell> {
    cells[account].iter().filter(|cell| cell.kind.as_str() == kind).collect()
}

#[tokio::test]
async fn one_query_reads_all_subscriptions_and_each_gets_its_own() {
    let (opened, client) = open(world(), &Value::Null).await;
    let read_ones: Vec<&str> =
        opened.listing.iter().filter(|one| one.state == "read").map(|one| one.account.as_str()).collect();
    assert_eq!(read_ones.len(), 3, "two subscriptions and the tenant");
    let cells = read(opened, "azure.storage").await;
    assert!(of_kind(&cells, ONE, ACCOUNTS).iter().any(|cell| cell.resources > 0));
    for account in [ONE, TWO] {
        for cell in of_kind(&cells, account, ACCOUNTS) {
            assert_eq!(cell.state, CellState::Complete, "{account}: {:?}", cell.gaps);
        }
    }
    let asked = client.asked.lock().unwrap();
    let queries = asked.iter().filter(|url| url.contains("Microsoft.ResourceGraph")).count();
    assert_eq!(queries, 2, "one for the subscriptions, one for their storage accounts");
}

#[tokio::test]
async fn what_resource_graph_leaves_out_without_a_word_is_a_gap() {
    let mut world = world();
    world.hide(TWO);
    let (opened, _) = open(world, &Value::Null).await;
    let cells = read(opened, "azure.storage").await;
    for cell in of_kind(&cells, TWO, ACCOUNTS) {
        assert_eq!(cell.state, CellState::Denied);
        let gap = &cell.gaps[0].refusal;
        assert_eq!(gap.code.as_deref(), Some("SubscriptionNotShown"));
        assert_eq!(gap.permission.as_deref(), Some("Microsoft.Storage/storageAccounts/read"));
    }
    assert!(of_kind(&cells, ONE, ACCOUNTS).iter().all(|cell| cell.state == CellState::Complete));
}

#[tokio::test]
async fn a_permission_that_is_not_granted_is_named_although_nothing_was_refused() {
    let mut world = world();
    let path = format!("/subscriptions/{TWO}/providers/microsoft.authorization/permissions");
    world.add_route(&path, json!({"value": [{"actions": ["Microsoft.Compute/*/read"], "notActions": []}]}));
    let (opened, _) = open(world, &Value::Null).await;
    let cells = read(opened, "azure.storage").await;
    for cell in of_kind(&cells, TWO, ACCOUNTS) {
        assert_ne!(cell.state, CellState::Complete);
        assert_eq!(cell.gaps[0].refusal.cause, Cause::Denied);
        assert_eq!(cell.gaps[0].refusal.permission.as_deref(), Some("Microsoft.Storage/storageAccounts/read"));
    }
}

#[tokio::test]
async fn fewer_rows_than_the_total_are_a_gap() {
    let mut world = world();
    world.with_fault(Arc::new(|asked| {
        let query = String::from_utf8_lossy(&asked.body).contains("storageaccounts");
        query.then(|| Reply::json(200, &json!({"totalRecords": 3, "count": 0, "resultTruncated": "false", "data": []})))
    }));
    let (opened, _) = open(world, &Value::Null).await;
    let cells = read(opened, "azure.storage").await;
    for cell in of_kind(&cells, ONE, ACCOUNTS) {
        assert_ne!(cell.state, CellState::Complete);
        assert_eq!(cell.gaps[0].refusal.code.as_deref(), Some("FewerThanTotalRecords"));
    }
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let mut world = world();
    world.with_fault(Arc::new(|asked| {
        asked
            .path
            .ends_with("/containers")
            .then(|| Reply::json(200, &json!({"value": [], "nextLink": "https://elsewhere.example.com/steal?token=1"})))
    }));
    let (opened, client) = open(world, &Value::Null).await;
    let cells = read(opened, "azure.storage").await;
    let gap = &of_kind(&cells, ONE, "azure.storage.container")[0].gaps[0].refusal;
    assert_eq!(gap.code.as_deref(), Some("ForeignNextLink"));
    assert!(client.asked.lock().unwrap().iter().all(|url| !url.contains("elsewhere")), "the token stays with Azure");
}

#[tokio::test]
async fn suspended_excluded_and_unknown_subscriptions_say_so() {
    const THREE: &str = "00000000-0000-0000-0000-000000000003";
    let target = json!({"subscriptions": [ONE, TWO, THREE], "exclude": [{"subscription": TWO, "reason": "a sandbox"}]});
    let (opened, _) = open(world(), &target).await;
    let state = |id: &str| {
        let listed = opened.listing.iter().find(|one| one.account.as_str() == id).unwrap();
        (listed.state.as_str(), listed.reason.as_deref())
    };
    assert_eq!(state(ONE).0, "read");
    assert_eq!(state(TWO), ("excluded", Some("a sandbox")));
    assert_eq!(state(THREE).0, "unreachable");
    let session = opened.accounts.iter().find(|one| one.account.as_str() == THREE).unwrap();
    assert_eq!(session.gaps[0].permission.as_deref(), Some("Microsoft.Resources/subscriptions/read"));
}

#[tokio::test]
async fn a_list_of_subscriptions_that_is_refused_is_no_empty_list() {
    let mut world = world();
    world.with_fault(Arc::new(|asked| {
        (asked.path == "/subscriptions").then(|| Reply::error(403, "AuthorizationFailed", "no"))
    }));
    let (opened, _) = open(world, &json!({"subscriptions": [ONE]})).await;
    // Resource Graph shows it: it is read. What Resource Manager would have listed beside it is not known.
    assert!(opened.listing.iter().any(|one| one.account.as_str() == ONE));
    let mut world = common_refusal();
    world.hide(ONE);
    let (opened, _) = open(world, &json!({"subscriptions": [ONE]})).await;
    let session = opened.accounts.iter().find(|one| one.account.as_str() == ONE).unwrap();
    assert_eq!(session.gaps[0].cause, Cause::Denied);
    assert!(session.collectors.is_empty());
}

fn common_refusal() -> World {
    let mut world = world();
    world.with_fault(Arc::new(|asked| {
        (asked.path == "/subscriptions").then(|| Reply::error(403, "AuthorizationFailed", "no"))
    }));
    world
}
