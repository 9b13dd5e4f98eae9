//! `cargo xtask demo`: from an empty machine to a verified report, on an emulator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use xtask::venv::Venv;
use xtask::{Moto, Replay};

use crate::tools::{evidenced, replay, target};

/// How many findings are shown.
const SHOWN: usize = 8;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clouds {
    /// An emulator of AWS.
    Aws,
    /// A server with Azure's own example answers.
    Azure,
    /// Both in one run.
    All,
}

impl Clouds {
    /// By its name on the command line.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        match name {
            "aws" => Ok(Self::Aws),
            "azure" => Ok(Self::Azure),
            "all" => Ok(Self::All),
            other => bail!("--cloud is aws, azure or all, and not {other:?}"),
        }
    }
}

/// Collects from a small company, verifies the evidence, writes the report.
pub(crate) fn run(clouds: Clouds) -> Result<()> {
    let target = target()?;
    let venv = Venv::ensure(&target, "moto")?;
    println!("building evidenced");
    let program = evidenced()?;
    let moto = (clouds != Clouds::Azure).then(|| {
        println!("starting moto, an AWS emulator, and filling it with a small company");
        Moto::start(&venv)
    });
    let moto = moto.transpose()?;
    if let Some(moto) = &moto {
        moto.seed("seed_company.py", &[])?;
    }
    let azure = (clouds != Clouds::Aws).then(|| {
        println!("starting a server that answers as Azure does, with the vendor's own examples");
        Replay::start(&replay()?, "world")
    });
    let azure = azure.transpose()?;

    let demo = Demo { program, folder: fresh(&target.join("demo"))? };
    demo.configure(moto.as_ref().map(Moto::url).as_deref(), azure.as_ref().map(Replay::url).as_deref())?;
    println!("\n$ evidenced collect");
    // Ends 3: the emulator does not serve everything, and what was not read is a gap, never a pass.
    print!("{}", demo.evidenced(&["collect"], &[0, 3])?);
    println!("\n$ evidenced verify --re-evaluate");
    print!("{}", demo.evidenced(&["verify", "--re-evaluate"], &[0])?);
    println!("\n$ evidenced findings --verdict fail");
    let findings = demo.evidenced(&["findings", "--verdict", "fail"], &[0])?;
    println!("{}", summary(&findings)?);
    let report = demo.folder.join("report.html");
    fs::write(&report, demo.evidenced(&["report", "--format", "html"], &[0])?)?;
    println!("\nevidence  {}", demo.folder.join("evidence").display());
    println!("config    {}", demo.config().display());
    println!("report    {}", report.display());
    Ok(())
}

struct Demo {
    program: PathBuf,
    folder: PathBuf,
}

impl Demo {
    fn config(&self) -> PathBuf {
        self.folder.join("evidenced.yaml")
    }

    fn configure(&self, aws: Option<&str>, azure: Option<&str>) -> Result<()> {
        let folder = self.folder.display();
        let aws = aws.map_or_else(String::new, |url| {
            format!("  - aws:\n      regions: [eu-central-1, us-east-1]\n      endpoint_url: {url}\n")
        });
        let azure = azure.map_or_else(String::new, |url| format!("  - azure:\n      endpoint_url: {url}\n"));
        let config = format!(
            "agent:\n  id: demo\n  state_dir: {folder}/state\n\
             targets:\n{aws}{azure}\
             store:\n  url: file://{folder}/evidence\n\
             frameworks: [iso27001-2022, iso27017-2015]\n"
        );
        fs::write(self.config(), config).context("write the demo's config")
    }

    /// Runs the program and gives its standard output; its log goes to standard error.
    fn evidenced(&self, arguments: &[&str], expected: &[i32]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.config()).args(arguments);
        emulated(&mut command);
        let Output { status, stdout, stderr } = command.output().context("start evidenced")?;
        if !status.code().is_some_and(|code| expected.contains(&code)) {
            let said = String::from_utf8_lossy(&stderr);
            bail!("`evidenced {}` ended with {status}:\n{said}", arguments.join(" "));
        }
        String::from_utf8(stdout).context("evidenced wrote something that is not UTF-8")
    }
}

/// Credentials that only an emulator takes, and nothing of the machine's own.
pub(crate) fn emulated(command: &mut Command) {
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL"]
    {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AZURE_TENANT_ID", "00000000-0000-0000-0000-0000000000ff")
        .env("AZURE_CLIENT_ID", "00000000-0000-0000-0000-0000000000aa")
        .env("AZURE_CLIENT_SECRET", "not-a-secret");
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("clear {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder.to_owned())
}

/// The gravest findings, one a line.
fn summary(findings: &str) -> Result<String> {
    let parsed: Vec<Value> = findings.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let rank = |finding: &Value| {
        let severity = finding["severity"].as_str().unwrap_or_default();
        ["critical", "high", "medium", "low", "info"].iter().position(|name| *name == severity)
    };
    let mut sorted: Vec<&Value> = parsed.iter().collect();
    sorted.sort_by_key(|finding| rank(finding));
    let line = |finding: &&Value| {
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        format!("{:<9} {:<36} {}", text("severity"), text("check"), shorten(&text("resource")))
    };
    let mut lines: Vec<String> = sorted.iter().take(SHOWN).map(line).collect();
    if sorted.len() > SHOWN {
        lines.push(format!("… and {} more", sorted.len() - SHOWN));
    }
    Ok(lines.join("\n"))
}

fn shorten(id: &str) -> String {
    if id.chars().count() <= 70 {
        return id.to_owned();
    }
    id.chars().take(69).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_come_first() {
        let line = |check: &str, severity: &str| {
            serde_json::json!({"check": check, "severity": severity, "resource": "x"}).to_string()
        };
        let findings = [line("aws.a.b", "low"), line("aws.c.d", "critical")].join("\n");
        assert!(summary(&findings).unwrap().starts_with("critical  aws.c.d"));
        assert!(summary("not json").is_err());
    }

    #[test]
    fn long_ids_are_cut() {
        assert_eq!(shorten(&"é".repeat(71)).chars().count(), 70);
        assert_eq!(shorten("arn"), "arn");
    }
}
