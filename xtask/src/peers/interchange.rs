//! Readers of other formats that are not ours: compliance-trestle, the schema of OCSF, `DuckDB`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::venv::Venv;

/// What other programs say of files that we wrote.
#[derive(Debug)]
pub struct Interchange {
    venv: Venv,
}

impl Interchange {
    /// In an environment that is made where it is not there yet.
    pub fn new(target: &Path) -> Result<Self> {
        Ok(Self { venv: Venv::ensure(target, "interchange")? })
    }

    /// compliance-trestle reads OSCAL assessment results and runs its validators on them; or what it said against them.
    pub fn oscal(&self, files: &[&Path]) -> Result<Result<String, String>> {
        self.check("oscal_check.py", files)
    }

    /// Every line is an event of OCSF, by the schema of its version, without any other member; or which one is not.
    pub fn ocsf(&self, files: &[&Path]) -> Result<Result<String, String>> {
        self.check("ocsf_check.py", files)
    }

    /// What `DuckDB` reads of tables and stored lines: one JSON object a file; or what it said against one.
    pub fn duckdb(&self, files: &[&Path]) -> Result<Result<String, String>> {
        self.check("duckdb_check.py", files)
    }

    /// Python with nothing beside its own library: another hand for what is to be repeated by hand.
    pub fn script(&self, script: &str) -> Command {
        self.venv.script(script)
    }

    fn check(&self, script: &str, files: &[&Path]) -> Result<Result<String, String>> {
        let output = self.venv.script(script).args(files).output().with_context(|| format!("start {script}"))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stdout) + &text(output.stderr))
        })
    }
}
