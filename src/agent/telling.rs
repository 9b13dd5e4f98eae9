//! The config's targets of notifications: whom the daemon tells of changes.

use std::path::PathBuf;

use evidenced_tell::{Format, Secret, Target, TargetError, Topic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody who is told of changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// A name for logs and metrics.
    pub name: String,
    /// `json`: the event, signed; `slack`: a message for an incoming webhook.
    #[serde(default)]
    #[schemars(with = "String")]
    pub format: Format,
    /// Where it is sent, if the address is no secret.
    #[serde(default)]
    pub url: Option<String>,
    /// The file whose first line is the address, if it is one.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// The file whose first line is the secret that signs what is sent (HMAC with SHA-256).
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// `control`, `finding`, `coverage`, `slot`, `store`. Nothing: all.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub topics: Vec<Topic>,
}

impl NotifyConfig {
    /// What is wrong with it: the member, and what to do.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        match (&self.url, &self.url_file) {
            (None, None) => {
                return Err(("url", "say where in url, or name a file with the address in url_file".into()));
            }
            (Some(_), Some(_)) => return Err(("url_file", "url and url_file are both there; keep one".into())),
            (Some(url), None) => {
                Target::new("", self.format, &Secret::new(url), None, [])
                    .map_err(|error| ("url", error.to_string()))?;
            }
            (None, Some(_)) => {}
        }
        if self.name.is_empty() || self.name.len() > 63 {
            return Err(("name", "expected a name of 63 characters at most".into()));
        }
        Ok(())
    }

    /// The target; reads the files.
    pub(crate) fn target(&self) -> Result<Target, TargetError> {
        let url = match (&self.url, &self.url_file) {
            (Some(url), _) => Secret::new(url),
            (None, Some(path)) => Secret::read(path)?,
            (None, None) => return Err(TargetError::Url),
        };
        let secret = self.secret_file.as_deref().map(Secret::read).transpose()?;
        let topics = if self.topics.is_empty() { Topic::ALL.to_vec() } else { self.topics.clone() };
        Target::new(&self.name, self.format, &url, secret, topics)
    }
}
