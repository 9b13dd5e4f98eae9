//! What stands in for Azure where we would only test against ourselves: the vendor's models, and somebody else's issuer.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Server;
use crate::venv::{Venv, workspace};
use crate::{http, installed};

/// The classes of the packages azure-mgmt-* and msgraph-sdk.
#[derive(Debug)]
pub struct AzureModels {
    venv: Venv,
}

impl AzureModels {
    /// In an environment that is made where it is not there yet.
    pub fn new(target: &Path) -> Result<Self> {
        Ok(Self { venv: Venv::ensure(target, "azure-models")? })
    }

    /// Whether each body of the parts of a world in this folder is one of its class; what it printed, or said against it.
    pub fn check(&self, folder: &Path) -> Result<Result<String, String>> {
        let mut command = self.venv.script("azure_models_check.py");
        let output = command.arg(folder).output().context("start azure_models_check.py")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (said, against) = (text(output.stdout), text(output.stderr));
        Ok(if output.status.success() { Ok(said) } else { Err(against) })
    }
}

/// oauth2-mock-server as the token endpoint of a tenant: <https://github.com/axa-group/oauth2-mock-server>.
#[derive(Debug)]
pub struct Issuer {
    server: Server,
}

impl Issuer {
    /// Starts it; what it knows is described in `tests/peers/oauth2_issuer.mjs`.
    pub fn start(target: &Path, knows: &Value) -> Result<Self> {
        let package = installed::npm(target, "oauth2-mock-server")?;
        let mut command = Command::new("node");
        command.arg(workspace().join("tests/peers/oauth2_issuer.mjs")).arg(package);
        command.env("ISSUER", knows.to_string());
        Ok(Self { server: Server::start(command)? })
    }

    /// Asks its token endpoint, with a form.
    pub fn token(&self, path: &str, form: &str) -> Result<http::Answer> {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        http::send(self.server.port, "POST", path, &headers, form)
    }

    /// The public keys that it signs with (a JWK set).
    pub fn keys(&self) -> Result<Value> {
        Ok(serde_json::from_str(&http::expect(self.server.port, "GET", "/jwks", &[], "")?)?)
    }
}
