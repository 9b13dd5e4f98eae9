//! What the report of a period costs: two thousand hourly runs of ten thousand resources, of which one in a hundred
//! changes each day. Its cost grows with the changes, and each object is read once.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::venv::{Venv, workspace};

use super::{Bench, Board, size};

/// Hourly runs: 83 days.
const RUNS: u64 = 2000;
/// Resources of 2 KB in each, ten checks each.
const RESOURCES: u64 = 10_000;
/// A day of the year is where it begins.
const FROM: &str = "2026-01-01T00:00:00Z";

pub(super) fn run(program: &Path, folder: &Path, venv: &Venv, board: &mut Board) -> Result<()> {
    println!("\na period of {RUNS} hourly runs of {RESOURCES} resources, one in a hundred changed each day");
    let bench = Bench::new(program, &folder.join("period"), venv)?;
    let kinds = workspace().join("tests/bench/kinds");
    bench.configure(
        &format!("synthetic: {{ resources: {RESOURCES} }}"),
        &format!(
            "checks:\n  dirs: [{}]\nschedules: [{{ name: hourly, cron: \"0 0 * * * *\", jitter: 0s }}]\nserve: {{ listen: \"127.0.0.1:0\" }}\n",
            kinds.display()
        ),
    )?;
    // The first run by the program itself, in a time of its own; the others are made from it.
    let mut first = Command::new(program);
    first.arg("--config").arg(bench.folder.join("evidenced.yaml")).args(["run", "-q"]).current_dir(&bench.folder);
    first.env("SIMULATED_FROM", "2025-12-31T23:30:00Z").env("SIMULATED_UNTIL", "2026-01-01T00:30:00Z");
    xtask::venv::run(&mut first, "make the first run")?;
    let mut more = Command::new(program);
    more.arg("make-history").arg(&bench.folder).arg(RUNS.to_string());
    xtask::venv::run(&mut more, "make the history")?;
    let arguments = ["report", "--format", "json", "--from", FROM, "--to", "2026-03-25T08:00:00Z"];
    // Once to have the files in memory: what is measured is this program, not the disk.
    bench.run(&arguments)?;
    let run = bench.run(&arguments)?;
    let read = run.log.iter().find(|line| line["message"] == "objects were read");
    let read = read.context("the log does not say how many objects were read")?;
    let (objects, times) = (read["objects"].as_f64().unwrap_or_default(), read["times"].as_f64().unwrap_or_default());
    let changes = run.output["changes"]["count"].as_f64().unwrap_or_default();
    let looks = run.output["agents"][0]["sealed"].as_f64().unwrap_or_default();
    board.least("runs", looks, "", RUNS as f64);
    board.least("changes of verdicts", changes, "", 8000.0);
    board.line("wall time", run.wall, "s", Some(10.0));
    board.line("CPU", run.cpu, "s", None);
    board.line("peak memory", run.peak, "MiB", Some(128.0));
    board.line("times that each object is read", times / objects, "", Some(1.0));
    board.line("stored", size(&bench.folder.join("evidence"))? as f64 / 1_048_576.0, "MiB", None);
    Ok(())
}
