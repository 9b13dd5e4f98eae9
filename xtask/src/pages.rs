//! `cargo xtask pages`: the pages in a real browser, as a file and as the daemon serves them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use xtask::installed;
use xtask::venv::{run as finish, workspace};

use crate::tools::{cargo, target, tools};

/// Findings of the daemon's stand-in: enough for several pages of them.
const FINDINGS: &str = "400";

/// Sets up browser and scripts, makes the pages from the sample of the tests, and walks through them. Where it measures,
/// the time that the long page takes is held against its bar too.
pub(crate) fn run(measure: bool) -> Result<()> {
    let target = target()?;
    tools(&["npm", "chromium"])?;
    let playwright = installed::npm_prefix(&target, "playwright-core")?;
    let axe = installed::npm_prefix(&target, "axe-core")?;
    let build = ["build", "--quiet", "--package", "evidenced-report", "--package", "evidenced-serve", "--examples"];
    finish(&mut cargo(&build), "build the pages' examples")?;
    let examples = target.join("debug/examples");
    let folder = target.join("pages");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    finish(Command::new(examples.join("sample")).arg(&folder), "write the sample's pages")?;
    finish(Command::new(examples.join("many")).arg(folder.join("many.html")), "write the long page")?;
    let mut stand_in = Command::new(examples.join("stand_in"));
    stand_in.args(["127.0.0.1:0", FINDINGS]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut stand_in = StandIn(stand_in.spawn().context("start the daemon's stand-in")?);
    let mut walk = Command::new("node");
    walk.arg(workspace().join("tests/pages/walk.mjs"));
    walk.arg("--playwright").arg(playwright).arg("--axe").arg(axe).arg("--files").arg(&folder);
    walk.arg("--url").arg(format!("http://127.0.0.1:{}", stand_in.port()?)).arg("--shots").arg(folder.join("shots"));
    if measure {
        walk.arg("--measure");
    }
    finish(&mut walk, "walk through the pages")
}

/// The daemon's stand-in, which is ended whatever happens.
struct StandIn(Child);

impl StandIn {
    /// The port that it says it listens on.
    fn port(&mut self) -> Result<u16> {
        let said = self.0.stdout.take().context("the stand-in has no output")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).context("read the stand-in's port")?;
        line.trim().parse().with_context(|| format!("the stand-in says {line:?} instead of its port"))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
