//! `cargo xtask bench`: what a run costs, held against the bars. Counts, bytes and CPU seconds, not wall time.

mod azure;
mod period;
mod serve;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use xtask::Moto;
use xtask::venv::{Venv, workspace};

use crate::demo::emulated;
use crate::tools::{cargo, target, target_of};

/// Resources of the synthetic account.
const SYNTHETIC: u64 = 1_000_000;

/// What can be measured by itself.
const PARTS: [&str; 9] = ["aws", "azure", "kernels", "pages", "period", "serve", "store", "synthetic", "verify"];
/// Where a static program can be built.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Builds for release, measures the parts that are named (all of them, if none is), prints a line a figure; an error
/// if a bar is not met.
pub(crate) fn run(parts: &[&str]) -> Result<()> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        bail!("there is nothing called {unknown:?} to measure; there is: {}", PARTS.join(", "));
    }
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let target = target()?;
    let venv = Venv::ensure(&target, "moto")?;
    println!("building for release");
    // As it is shipped: static, with nothing beside it.
    let mut build = cargo(&["build", "--release", "--target", TRIPLE, "-p", "evidenced", "-p", "evidenced-bench"]);
    build.args(["-p", "evidenced-replay"]);
    build.env("LC_ALL", "C").env("RUSTFLAGS", "-C target-feature=+crt-static");
    xtask::venv::run(&mut build, "cargo build")?;
    let release = target.join(TRIPLE).join("release");
    let folder = target.join("bench");
    let mut board = Board::default();
    if wanted("aws") {
        for (count, cpu, memory) in [(20, 0.3, 64.0), (1000, 3.0, 64.0)] {
            let bench = Bench::new(&release.join("evidenced"), &folder.join(format!("moto-{count}")), &venv)?;
            aws(&bench, &venv, count, cpu, memory, &mut board)?;
        }
    }
    if wanted("azure") {
        azure::run(&release, &folder, &venv, &mut board)?;
    }
    if wanted("kernels") {
        kernels(&mut board)?;
    }
    if wanted("synthetic") {
        let bench = Bench::new(&release.join("evidenced-bench"), &folder.join("synthetic"), &venv)?;
        synthetic(&bench, &mut board)?;
    }
    if wanted("pages") {
        println!("\nthe page of 100,000 findings in a browser: at most 5 MiB and a second");
        crate::pages::run(true)?;
    }
    if wanted("period") {
        period::run(&release.join("evidenced-bench"), &folder, &venv, &mut board)?;
    }
    if wanted("serve") {
        serve::run(&release.join("evidenced"), &release.join("evidenced-bench"), &folder, &venv, &mut board)?;
    }
    if wanted("store") {
        let bench = Bench::new(&release.join("evidenced-bench"), &folder.join("store"), &venv)?;
        store(&bench, &mut board)?;
    }
    if wanted("verify") {
        verify::run(&release.join("evidenced-bench"), &folder, &venv, &mut board)?;
    }
    board.finish()
}

/// The kernels by themselves, measured by criterion.
fn kernels(board: &mut Board) -> Result<()> {
    println!("\nkernels");
    let manifest = workspace().join("tests/kernels/Cargo.toml");
    let mut bench = cargo(&["bench", "--quiet", "--bench", "evaluate", "--manifest-path"]);
    bench.arg(&manifest).args(["--", "--warm-up-time", "1", "--measurement-time", "3"]);
    xtask::venv::run(&mut bench, "measure the kernels")?;
    let measured = target_of(&manifest)?.join("criterion/judge/ten checks on 2 KB/new/estimates.json");
    let measured = fs::read(&measured).with_context(|| format!("read {}", measured.display()))?;
    let estimates: Value = serde_json::from_slice(&measured).context("read criterion's estimates")?;
    let nanoseconds = estimates["median"]["point_estimate"].as_f64().context("criterion gives no median")?;
    board.least("evaluate, conversion and findings included", 10.0 * 1e9 / nanoseconds, "evaluations/s", 300_000.0);
    Ok(())
}

/// N buckets and N users on the emulator: calls, CPU, memory, and what an unchanged second run writes.
fn aws(bench: &Bench, venv: &Venv, count: u64, cpu: f64, memory: f64, board: &mut Board) -> Result<()> {
    println!("\n{count} buckets and {count} users on moto, s3 and iam");
    let moto = Moto::start(venv)?;
    moto.seed("seed_many.py", &[&count.to_string()])?;
    bench.configure(&format!("aws:\n      regions: [us-east-1]\n      endpoint_url: {}", moto.url()), "")?;
    let arguments = ["collect", "--collectors", "aws.s3,aws.iam", "--partial-ok"];
    let first = bench.run(&arguments)?;
    let buckets = first.calls("s3", &["s3:ListBuckets", "s3:GetBucketLocation", "s3:GetAccountPublicAccessBlock"]);
    board.line("calls a bucket", buckets / count as f64, "", Some(12.0));
    board.line("calls for all of IAM", first.calls("iam", &[]), "", Some(60.0));
    board.line("CPU", first.cpu, "s", Some(cpu));
    board.line("peak memory", first.peak, "MiB", Some(memory));
    let before = size(&bench.folder.join("evidence"))?;
    bench.run(&arguments)?;
    let grown = (size(&bench.folder.join("evidence"))? - before) as f64 / 1024.0;
    board.line("written by an unchanged second run", grown, "KiB", Some(40.0));
    Ok(())
}

/// A first run's chunks into a bucket with 20 ms of latency.
fn store(bench: &Bench, board: &mut Board) -> Result<()> {
    println!("\n1000 chunks into a bucket that takes 20 ms for each");
    bench.configure("aws: {}", "")?;
    let run = bench.run(&["store"])?;
    let (one, together) = (run.stage("store", "one_by_one")?, run.stage("store", "together")?);
    board.line("one by one", one, "s", None);
    board.line("together", together, "s", None);
    board.least("times quicker together", one / together, "", 10.0);
    board.line("peak memory", run.peak, "MiB", Some(64.0));
    Ok(())
}

/// A million resources of 2 KB, ten checks each, through every stage after the network.
fn synthetic(bench: &Bench, board: &mut Board) -> Result<()> {
    println!("\n{SYNTHETIC} synthetic resources of 2 KB, 10 checks each");
    let kinds = workspace().join("tests/bench/kinds");
    bench.configure(
        &format!("synthetic: {{ resources: {SYNTHETIC} }}"),
        &format!("checks:\n  dirs: [{}]\n", kinds.display()),
    )?;
    let run = bench.run(&["collect"])?;
    let collect = run.stage("collect", "seconds")?;
    let (judging, sealing) = (run.stage("judge and seal", "judging")?, run.stage("judge and seal", "sealing")?);
    let findings = run.stage("judge and seal", "findings")?;
    let resources = run.stage("judge and seal", "resources")?;
    board.line("peak memory", run.peak, "MiB", Some(150.0));
    board.line("CPU", run.cpu, "s", None);
    board.line("collect", resources / collect, "resources/s", None);
    board.line("judge", resources / judging, "resources/s", None);
    board.line("evaluate, reading back included", findings / judging, "evaluations/s", None);
    board.line("seal and store", resources / sealing, "resources/s", None);
    board.line("stored", size(&bench.folder.join("evidence"))? as f64 / 1_048_576.0, "MiB", None);
    Ok(())
}

struct Bench {
    program: PathBuf,
    folder: PathBuf,
    python: PathBuf,
}

struct Cost {
    cpu: f64,
    peak: f64,
    wall: f64,
    log: Vec<Value>,
    /// What it printed, if that was JSON.
    output: Value,
}

impl Bench {
    fn new(program: &Path, folder: &Path, venv: &Venv) -> Result<Self> {
        if folder.exists() {
            // Stored files are read-only; their folder is ours.
            fs::remove_dir_all(folder).context("clear the bench folder")?;
        }
        fs::create_dir_all(folder)?;
        Ok(Self { program: program.to_owned(), folder: folder.to_owned(), python: venv.python() })
    }

    fn configure(&self, aws: &str, rest: &str) -> Result<()> {
        let folder = self.folder.display();
        let config = format!(
            "agent:\n  id: bench\n  state_dir: {folder}/state\ntargets:\n  - {aws}\nstore:\n  url: {folder}/evidence\n{rest}"
        );
        fs::write(self.folder.join("evidenced.yaml"), config).context("write the bench's config")
    }

    /// Runs the program under the kernel's own account of CPU and memory.
    fn run(&self, arguments: &[&str]) -> Result<Cost> {
        let mut command = Command::new(&self.python);
        command.arg(workspace().join("tests/peers/measure.py")).arg(&self.program);
        command
            .arg("--config")
            .arg(self.folder.join("evidenced.yaml"))
            .args(["--log-format", "json", "-v"])
            .args(arguments);
        emulated(&mut command);
        let output = command.output().context("start the measured program")?;
        let lines = String::from_utf8_lossy(&output.stderr).into_owned();
        let log: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let cost = log.iter().rev().find(|line| line["peak_mib"].is_number());
        let Some(cost) = cost.filter(|cost| matches!(cost["exit"].as_i64(), Some(0 | 3))) else {
            bail!("`{}` failed:\n{lines}", arguments.join(" "));
        };
        let (cpu, peak) = (cost["cpu"].as_f64().unwrap_or_default(), cost["peak_mib"].as_f64().unwrap_or_default());
        let wall = cost["wall"].as_f64().unwrap_or_default();
        Ok(Cost { cpu, peak, wall, log, output: serde_json::from_slice(&output.stdout).unwrap_or_default() })
    }
}

impl Cost {
    /// The calls of a service, apart from some operations.
    fn calls(&self, service: &str, without: &[&str]) -> f64 {
        let of_service = self.log.iter().filter(|line| {
            let call = line["call"].as_str().unwrap_or_default();
            call.split(':').next() == Some(service) && !without.contains(&call)
        });
        of_service.filter_map(|line| line["calls"].as_f64()).sum()
    }

    fn stage(&self, stage: &str, field: &str) -> Result<f64> {
        let line = self.log.iter().find(|line| line["stage"] == stage);
        line.and_then(|line| line[field].as_f64()).with_context(|| format!("the log has no {field} of {stage:?}"))
    }
}

#[derive(Default)]
struct Board {
    missed: u32,
}

impl Board {
    /// A figure that has to be at most its bar.
    fn line(&mut self, what: &str, value: f64, unit: &str, most: Option<f64>) {
        let verdict = most.map(|most| (value <= most, format!("at most {most}")));
        self.print(what, value, unit, verdict);
    }

    /// A figure that has to be at least its bar.
    fn least(&mut self, what: &str, value: f64, unit: &str, least: f64) {
        self.print(what, value, unit, Some((value >= least, format!("at least {least}"))));
    }

    fn print(&mut self, what: &str, value: f64, unit: &str, verdict: Option<(bool, String)>) {
        let verdict = verdict.map_or_else(String::new, |(met, bar)| {
            self.missed += u32::from(!met);
            format!("  {} ({bar})", if met { "met" } else { "MISSED" })
        });
        let digits = if value >= 1000.0 { 0 } else { 2 };
        println!("  {what:<48} {value:>12.digits$} {unit:<14}{verdict}");
    }

    fn finish(self) -> Result<()> {
        if self.missed > 0 {
            bail!("{} of the bars are missed", self.missed);
        }
        println!("\nevery bar is met");
        Ok(())
    }
}

/// Bytes of every file under a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
