//! The config's endpoint: where it listens, and who may ask.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The HTTP endpoint of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// Where it listens. Off loopback, everything but health and metrics needs a token.
    pub listen: SocketAddr,
    /// The file that holds the token; read again with the config.
    pub token_file: Option<PathBuf>,
    /// Names under which it is asked, beside those of loopback and the address itself.
    pub hosts: Vec<String>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8787)), token_file: None, hosts: Vec::new() }
    }
}

impl ServeConfig {
    /// What is wrong with it: the member, and what to do.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if !self.listen.ip().is_loopback() && self.token_file.is_none() {
            let message = "whoever reaches this address could read everything: name a file with a token in \
                           serve.token_file, or listen on 127.0.0.1";
            return Err(("listen", message.to_owned()));
        }
        Ok(())
    }
}
