//! `cargo xtask deploy`: what stands in `deploy/`, held against the tools that will read it.

use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::installed;
use xtask::venv::{self, Venv, workspace};

use crate::tools::{evidenced, target, tools};

/// Sets up the tools that can be had, and prints a line a check; what cannot be had is said to be skipped.
pub(crate) fn run() -> Result<()> {
    let target = target()?;
    let python = Venv::ensure(&target, "deploy")?.python();
    tools(&["npm"])?;
    let helm = installed::npm_prefix(&target, "helm")?;
    let promtool = installed::promtool(&target)?;
    let environment = python.parent().and_then(|bin| bin.parent()).context("the environment has no folder")?;
    let mut check = Command::new(&python);
    check.arg(workspace().join("deploy/check.py"));
    for folder in [environment, &helm, promtool.parent().unwrap_or(&promtool)] {
        check.arg("--tools").arg(folder);
    }
    check.arg("--evidenced").arg(evidenced()?);
    venv::run(&mut check, "pass the checks of deploy/")
}
