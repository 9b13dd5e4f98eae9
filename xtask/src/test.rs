//! `cargo xtask test`: every peer set up, every test run.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use xtask::installed;
use xtask::venv::{self, Venv};

use crate::tools::{cargo, evidenced, target, tools, works};

/// Sets up the peers and runs all tests.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    peers()?;
    if works(&mut cargo(&["nextest", "--version"])) {
        venv::run(&mut cargo(&["nextest", "run", "--workspace"]), "pass the tests")?;
        venv::run(&mut cargo(&["test", "--quiet", "--workspace", "--doc"]), "pass the tests in the documentation")?;
    } else {
        venv::run(&mut cargo(&["test", "--workspace"]), "pass the tests")?;
    }
    venv::run(Command::new(evidenced()?).args(["checks", "test"]), "pass the examples of the checks")?;
    println!("all tests passed in {} s", start.elapsed().as_secs());
    Ok(())
}

/// Denies every operation once and prints what that costs.
pub(crate) fn deny_matrix() -> Result<()> {
    peers()?;
    let test =
        ["test", "--quiet", "--package", "evidenced", "--test", "e2e", "deny_matrix", "--", "--ignored", "--nocapture"];
    venv::run(&mut cargo(&test), "pass the deny matrix")
}

/// Sets up the test peers: Python environments, and the tools that an auditor would use.
pub(crate) fn peers() -> Result<()> {
    let target = target()?;
    Venv::ensure(&target, "moto")?;
    Venv::ensure(&target, "dsse")?;
    Venv::ensure(&target, "certomancer")?;
    Venv::ensure(&target, "ministack")?;
    Venv::ensure(&target, "fake-gcs")?;
    Venv::ensure(&target, "schemathesis")?;
    Venv::ensure(&target, "interchange")?;
    Venv::ensure(&target, "azure-models")?;
    tools(&["npm"])?;
    installed::promtool(&target)?;
    installed::npm(&target, "azurite")?;
    installed::npm(&target, "oauth2-mock-server")?;
    installed::cargo(&target, "s3s-fs", "binary")?;
    tools(&["jq", "openssl", "zstd"])
}
