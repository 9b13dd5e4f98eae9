//! Who is told, and how: an address, a format, a secret that signs.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::Path;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::event::{Event, Topic};

/// How an event is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The event as JSON.
    #[default]
    Json,
    /// A message for an incoming webhook of Slack, or of what speaks its language.
    Slack,
}

/// A text that nobody is to see.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The first line of a file.
    pub fn read(path: &Path) -> Result<Self, TargetError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| TargetError::File { path: path.display().to_string(), what: error.to_string() })?;
        match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
            Some(line) => Ok(Self(line.to_owned())),
            None => Err(TargetError::File { path: path.display().to_string(), what: "its first line is empty".into() }),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why somebody cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A file cannot be used.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The address is none. It is not shown: it may hold a secret.
    #[error("its address is no http:// or https:// URL")]
    Url,
}

/// Somebody who is told.
#[derive(Debug, Clone)]
pub struct Target {
    name: String,
    format: Format,
    url: Url,
    secret: Option<Secret>,
    topics: BTreeSet<Topic>,
}

// A URL may hold a secret, so that it is shown to nobody.
impl Target {
    /// At this address; `secret` signs what is sent.
    pub fn new(
        name: impl Into<String>,
        format: Format,
        url: &Secret,
        secret: Option<Secret>,
        topics: impl IntoIterator<Item = Topic>,
    ) -> Result<Self, TargetError> {
        let url = Url::parse(&url.0).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or(TargetError::Url)?;
        Ok(Self { name: name.into(), format, url, secret, topics: topics.into_iter().collect() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it wants to hear of this.
    pub fn wants(&self, event: &Event) -> bool {
        self.topics.contains(&event.topic())
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// What is sent.
    pub(crate) fn body(&self, event: &Event) -> Vec<u8> {
        let value = match self.format {
            Format::Json => serde_json::to_value(event).unwrap_or_default(),
            Format::Slack => json!({ "text": slack(&event.sentence()) }),
        };
        serde_json::to_vec(&value).unwrap_or_default()
    }

    /// The signature over a body that is sent at a moment: `t=SECONDS,v1=HEX`, where HEX is the HMAC with SHA-256
    /// (RFC 2104) of `SECONDS.BODY`. Whoever gets it refuses what is old, and so what is played again.
    pub(crate) fn signature(&self, body: &[u8], at: Timestamp) -> Option<String> {
        let secret = self.secret.as_ref()?;
        let seconds = at.as_second();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{seconds}.").as_bytes());
        context.update(body);
        let mut signature = format!("t={seconds},v1=");
        for byte in context.sign().as_ref() {
            // Writing to a text does not fail.
            let _ = write!(signature, "{byte:02x}");
        }
        Some(signature)
    }
}

/// Slack reads three characters as its own.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Change;

    fn event() -> Event {
        Event {
            agent: "prod".parse().unwrap(),
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
            schedule: None,
            run: None,
            change: Change::StoreFailing { runs: 2, error: "<!channel> & more".to_owned() },
        }
    }

    fn target(format: Format, topics: &[Topic]) -> Target {
        let url = Secret::new("https://hooks.example.com/T0/secret");
        Target::new("ops", format, &url, Some(Secret::new("key")), topics.iter().copied()).unwrap()
    }

    #[test]
    fn a_message_cannot_call_a_whole_channel() {
        let body = String::from_utf8(target(Format::Slack, &Topic::ALL).body(&event())).unwrap();
        assert!(body.contains("&lt;!channel&gt; &amp; more"), "{body}");
        let json: serde_json::Value =
            serde_json::from_slice(&target(Format::Json, &Topic::ALL).body(&event())).unwrap();
        assert_eq!((&json["event"], &json["runs"]), (&json!("store_failing"), &json!(2)));
    }

    #[test]
    fn the_signature_is_an_hmac_over_time_and_body() {
        // By `printf '%s' '1767225600.{}' | openssl dgst -sha256 -hmac key`.
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let signature = target(Format::Json, &[]).signature(b"{}", at).unwrap();
        assert_eq!(signature, "t=1767225600,v1=df344de429b8ee672e1863e0008fdbd0080000536fbccdf0e4f89846acbbe872");
    }

    #[test]
    fn secrets_are_shown_to_nobody() {
        let shown = format!("{:?}", Secret::new("hidden"));
        assert!(!shown.contains("hidden"));
        let wrong = Target::new("x", Format::Json, &Secret::new("ftp://hidden"), None, []).unwrap_err();
        assert!(!wrong.to_string().contains("hidden"));
        assert!(!target(Format::Json, &[Topic::Slot]).wants(&event()));
    }
}
