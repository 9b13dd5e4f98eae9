//! What verification costs: how fast it hashes, how much memory it takes, and that it reads each object once.
//!
//! Hashing is not all of it: the lines of a store are also unpacked, parsed and held against their places. So the bar
//! on hashing is measured where nothing else is to be done (a large attachment), and what a store of lines costs is
//! printed beside it, by bytes of content and by bytes as they are stored, each counted once.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::venv::Venv;

use super::{Bench, Board, Cost, size};

/// Resources of 2 KB in each run, with two findings each.
const RESOURCES: u64 = 50_000;
/// Bytes of the attachment.
const ATTACHMENT: u64 = 2 << 30;
const GIGA: f64 = 1e9;

pub(super) fn run(program: &Path, folder: &Path, venv: &Venv, board: &mut Board) -> Result<()> {
    println!("\nverify");
    let openssl = openssl()?;
    let bar = (0.8 * openssl).min(GIGA) / GIGA;
    board.line("openssl speed sha256, 16 KiB", openssl / GIGA, "GB/s", None);
    let own = Command::new(program).arg("hash").output().context("measure our own hashing")?;
    let own: f64 = String::from_utf8_lossy(&own.stdout).trim().parse().context("our own hashing")?;
    board.least("SHA-256 of this program, 256 KiB", own / GIGA, "GB/s", bar);

    let bench = made(program, &folder.join("verify-attachment"), venv, [1, 100, ATTACHMENT])?;
    let cost = verify(&bench)?;
    board.least("an attachment of 2 GiB, of all CPU", ATTACHMENT as f64 / cost.cpu / GIGA, "GB/s a core", bar);
    board.line("peak memory", cost.peak, "MiB", Some(64.0));
    drop_store(&bench)?;

    let bench = made(program, &folder.join("verify-100"), venv, [100, RESOURCES, 0])?;
    let few = verify(&bench)?;
    let figure = |name: &str| few.output[name].as_f64().unwrap_or_default();
    let (content, stored) = (figure("bytes"), figure("stored_bytes"));
    println!("  100 unchanged runs of {RESOURCES} resources, {:.0} MB of content", content / 1e6);
    board.line("content, unpacked, parsed and hashed twice", content / few.cpu / 1e6, "MB/s a core", None);
    board.line("the same by stored bytes", stored / few.cpu / 1e6, "MB/s a core", None);
    drop_store(&bench)?;

    let bench = made(program, &folder.join("verify-10000"), venv, [10_000, RESOURCES, 0])?;
    let many = verify(&bench)?;
    println!("  10,000 unchanged runs of {RESOURCES} resources");
    board.line("CPU", many.cpu, "s", None);
    board.line("peak memory", many.peak, "MiB", Some(64.0));
    board.line("more memory than for 100 runs", many.peak - few.peak, "MiB", Some(16.0));
    let objects = many.output["objects"].as_f64().unwrap_or_default();
    let there = count(&bench.folder.join("evidence/v1/objects"))? as f64;
    board.line("times that each object is read", objects / there, "", Some(1.0));
    board.line("stored", size(&bench.folder.join("evidence"))? as f64 / 1_048_576.0, "MiB", None);
    drop_store(&bench)
}

/// A store of so many runs, resources and bytes of an attachment.
fn made(program: &Path, folder: &Path, venv: &Venv, numbers: [u64; 3]) -> Result<Bench> {
    let bench = Bench::new(program, folder, venv)?;
    bench.configure("synthetic: { resources: 1 }", "")?;
    let numbers = numbers.map(|number| number.to_string());
    xtask::venv::run(Command::new(program).arg("make-store").arg(folder).args(numbers), "make a store")?;
    Ok(bench)
}

fn verify(bench: &Bench) -> Result<Cost> {
    let (store, key) = (bench.folder.join("evidence"), bench.folder.join("public.pem"));
    let (store, key) = (store.display().to_string(), key.display().to_string());
    // Once to have the files in memory: what is measured is this program, not the disk.
    bench.run(&["verify", "--format", "json", &store, "--key", &key])?;
    bench.run(&["verify", "--format", "json", &store, "--key", &key])
}

/// Many small files are in the way of whoever comes next.
fn drop_store(bench: &Bench) -> Result<()> {
    fs::remove_dir_all(bench.folder.join("evidence")).context("clear the bench folder")
}

/// Bytes a second of `openssl speed sha256`, of blocks of 16 KiB.
fn openssl() -> Result<f64> {
    let output = Command::new("openssl").args(["speed", "-mr", "-seconds", "2", "-bytes", "16384", "sha256"]).output();
    let output = output.context("run `openssl speed`; install openssl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("+F:")).with_context(|| format!("openssl said {text:?}"))?;
    line.rsplit(':').next().and_then(|number| number.trim().parse().ok()).context("the figure of openssl")
}

/// How many files are under a folder.
fn count(folder: &Path) -> Result<u64> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(files)
}
