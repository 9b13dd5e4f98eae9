//! What a large tenant of Azure costs: 200 subscriptions and 100,000 resources, read in bulk within Resource Graph's quota.

use std::path::Path;

use anyhow::Result;
use xtask::Replay;
use xtask::venv::Venv;

use super::{Bench, Board};

/// Resources of the world `many`.
const RESOURCES: f64 = 100_000.0;

/// What only single reads of Resource Manager tell: left out here, so that the figures are those of the bulk.
const SINGLE: &str = "checks:
  disable: [azure.keyvault.logging, azure.storage.soft_delete, azure.storage.versioning]
";
const LEFT_OUT: &str = "scopes:
        excluded:
          - { kind: azure.storage.container, reason: a read for each account }
          - { kind: azure.keyvault.key, reason: a read for each vault }
          - { kind: azure.keyvault.secret, reason: a read for each vault }
          - { kind: azure.rbac.eligible_assignment, reason: a read for each subscription }";

/// Collects, judges, seals and stores; the server counts what it refused.
pub(super) fn run(release: &Path, folder: &Path, venv: &Venv, board: &mut Board) -> Result<()> {
    println!("\n200 subscriptions with 100,000 resources, on a server that answers as Azure does within its quota");
    let server = Replay::start(&release.join("evidenced-replay"), "many")?;
    let bench = Bench::new(&release.join("evidenced"), &folder.join("azure"), venv)?;
    bench.configure(&format!("azure:\n      endpoint_url: {}\n      {LEFT_OUT}", server.url()), SINGLE)?;
    let collectors = "azure.compute,azure.keyvault,azure.network,azure.rbac,azure.storage";
    let run = bench.run(&["collect", "--collectors", collectors, "--partial-ok"])?;
    let resources = run.stage("judge and seal", "resources")?;
    anyhow::ensure!(resources >= RESOURCES, "{resources} resources came, and there are {RESOURCES}");
    let calls: f64 =
        run.log.iter().filter_map(|line| line["calls"].as_f64().filter(|_| line["call"].is_string())).sum();
    let [queries, refused, in_a_row] = server.queries()?.map(|count| count as f64);
    board.line("calls a resource, of every kind", calls / resources, "", Some(0.02));
    board.line("queries of Resource Graph", queries, "", None);
    board.line("refused for the quota", refused, "", None);
    board.line("refused in a row", in_a_row, "", Some(1.0));
    board.line("CPU", run.cpu, "s", Some(20.0));
    board.line("peak memory", run.peak, "MiB", Some(96.0));
    board.line("wall", run.wall, "s", None);
    Ok(())
}
