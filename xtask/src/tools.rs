//! Cargo, its target folder, and the small command-line tools that tests use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use xtask::venv::{run, workspace};

/// A cargo command at the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace()).args(arguments);
    command
}

/// The folder that cargo builds into.
pub(crate) fn target() -> Result<PathBuf> {
    target_of(&workspace().join("Cargo.toml"))
}

/// The folder that cargo builds this manifest's packages into.
pub(crate) fn target_of(manifest: &Path) -> Result<PathBuf> {
    let mut metadata = cargo(&["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let output = metadata.arg(manifest).stderr(Stdio::inherit()).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("read `cargo metadata`")?;
    let folder = metadata["target_directory"].as_str().context("`cargo metadata` names no target folder")?;
    Ok(folder.into())
}

/// Builds `evidenced` and says where it is.
pub(crate) fn evidenced() -> Result<PathBuf> {
    run(&mut cargo(&["build", "--quiet", "--package", "evidenced", "--bin", "evidenced"]), "build evidenced")?;
    Ok(target()?.join("debug/evidenced"))
}

/// Builds the server that answers as Azure does, and says where it is.
pub(crate) fn replay() -> Result<PathBuf> {
    run(
        &mut cargo(&["build", "--quiet", "--package", "evidenced-replay", "--package", "evidenced"]),
        "build the server",
    )?;
    Ok(target()?.join("debug/evidenced-replay"))
}

/// Whether a command can be started and ends well.
pub(crate) fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Sees to it that these tools are there, from Debian's packages of the same names where they are not.
pub(crate) fn tools(names: &[&str]) -> Result<()> {
    let missing: Vec<&str> =
        names.iter().copied().filter(|name| !works(Command::new(name).arg(version(name)))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing {}", missing.join(", "));
    let install = |arguments: &[&str]| works(Command::new("apt-get").args(arguments));
    install(&["update"]);
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    if !install(&arguments) {
        bail!("{} cannot be started: install with your system's package manager, then try again", missing.join(", "));
    }
    Ok(())
}

fn version(tool: &str) -> &'static str {
    if tool == "openssl" { "version" } else { "--version" }
}
