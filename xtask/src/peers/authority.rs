//! A timestamp authority that is not ours.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::Server;
use super::stores::runner;
use crate::venv::{Venv, run, workspace};

/// certomancer, a certificate and time-stamp authority for tests: <https://github.com/MatthiasValvekens/certomancer>.
#[derive(Debug)]
pub struct Certomancer {
    server: Server,
    root: String,
}

impl Certomancer {
    /// Makes keys in a folder and starts the authority of `tests/peers/certomancer.yaml` with them.
    pub fn start(target: &Path, folder: &Path) -> Result<Self> {
        let venv = Venv::ensure(target, "certomancer")?;
        for (name, kind) in [("root", "ec_paramgen_curve:P-256"), ("interm", "ec_paramgen_curve:P-384")] {
            key(&folder.join(format!("{name}.key.pem")), &["-algorithm", "EC", "-pkeyopt", kind])?;
        }
        key(&folder.join("tsa.key.pem"), &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])?;
        let config = folder.join("certomancer.yaml");
        std::fs::copy(workspace().join("tests/peers/certomancer.yaml"), &config).context("copy certomancer.yaml")?;
        let program = venv.python().with_file_name("certomancer");
        let summon = |label: &str| -> Result<String> {
            let file = folder.join(format!("{label}.pem"));
            let mut command = Command::new(&program);
            command.args(["--config"]).arg(&config).args(["--key-root"]).arg(folder);
            run(command.args(["summon", "example", label]).arg(&file).current_dir(folder), "make a certificate")?;
            std::fs::read_to_string(&file).context("read a certificate")
        };
        let root = summon("root")?;
        let mut command = runner(&[&program]);
        command.args(["--config"]).arg(&config).args(["--key-root"]).arg(folder);
        command.args(["animate", "--port", "{port}"]).current_dir(folder);
        Ok(Self { server: Server::start(command)?, root })
    }

    /// Where it stamps.
    pub fn url(&self) -> String {
        format!("{}/example/tsa/tsa", self.server.url())
    }

    /// The certificate that is to be trusted, in PEM.
    pub fn root(&self) -> &str {
        &self.root
    }
}

fn key(path: &Path, kind: &[&str]) -> Result<()> {
    let mut command = Command::new("openssl");
    run(command.arg("genpkey").args(kind).arg("-out").arg(path).stderr(Stdio::null()), "make a key")
}
