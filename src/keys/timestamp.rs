//! Authorities that stamp the time (RFC 3161 over HTTP), asked one after another until one has stamped.

use std::time::Duration;

use evidenced_seal::timestamp::{Anchors, MAX_TOKEN, Query, Stamp, TokenError};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Response, StatusCode, Url};

/// The longest that one authority may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The authorities of the config.
#[derive(Debug, Clone)]
pub struct Authorities {
    anchors: Option<Anchors>,
    client: Client,
    policy: Option<String>,
    random: fn() -> u64,
    urls: Vec<Url>,
}

/// What an authority gave: worth storing as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// What it says.
    pub stamp: Stamp,
    /// The token (`TimeStampResp`, DER), for [`evidenced_seal::timestamp::token_path`].
    pub token: Vec<u8>,
    /// Who stamped.
    pub url: String,
}

/// No authority stamped, or none can be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// Each of them is away or refused; trying again later can help.
    #[error("no timestamp authority stamped: {0}; `evidenced timestamp --pending` tries again")]
    Pending(String),
    /// A URL that is none.
    #[error("{url:?} is not a timestamp authority: {what}; expected http:// or https://")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// The policy or the trusted certificates.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// HTTPS cannot be set up on this machine.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
}

impl Authorities {
    /// These authorities, in the order in which they are asked. With a policy, every token must be under it; with
    /// anchors, lead to one of them. `random` makes nonces.
    pub fn new(
        urls: &[String],
        policy: Option<&str>,
        anchors: Option<Anchors>,
        random: fn() -> u64,
    ) -> Result<Self, StampError> {
        let urls = urls.iter().map(|url| parse(url)).collect::<Result<_, _>>()?;
        // That the policy is one is told now, not after a run.
        Query::new(&[], 0, policy)?;
        let client = Client::builder()
            .timeout(PATIENCE)
            .user_agent(concat!("evidenced/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| StampError::Client(chain(&error)))?;
        Ok(Self { anchors, client, policy: policy.map(str::to_owned), random, urls })
    }

    /// Has these signature bytes (decoded, as `dsse::Opened::signature` gives them) stamped. What comes back has
    /// been checked: that it answers the request, nonce and policy included, and is signed by an authority.
    pub async fn stamp(&self, signature: &[u8]) -> Result<Stamped, StampError> {
        let mut reasons = Vec::new();
        for url in &self.urls {
            match self.ask(url, signature).await {
                Ok(stamped) => return Ok(stamped),
                Err(reason) => {
                    tracing::warn!(authority = %url, reason, "a timestamp authority did not stamp");
                    reasons.push(format!("{url}: {reason}"));
                }
            }
        }
        Err(StampError::Pending(reasons.join("; ")))
    }

    /// Asks each authority for a stamp over a test message: its URL, and what came of it.
    pub async fn try_each(&self, message: &[u8]) -> Vec<(String, Result<Stamp, String>)> {
        let mut answers = Vec::new();
        for url in &self.urls {
            let answer = self.ask(url, message).await.map(|stamped| stamped.stamp);
            answers.push((url.to_string(), answer));
        }
        answers
    }

    /// Whether every stamp leads to an authority that the config trusts.
    pub fn are_pinned(&self) -> bool {
        self.anchors.is_some()
    }

    async fn ask(&self, url: &Url, signature: &[u8]) -> Result<Stamped, String> {
        let text = |error: &dyn std::error::Error| chain(error);
        let query =
            Query::new(signature, (self.random)(), self.policy.as_deref()).map_err(|error| error.to_string())?;
        let request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/timestamp-query");
        let request = request.header(ACCEPT, "application/timestamp-reply").body(query.der().to_vec());
        // Without the URL: it may hold what only its owner should know.
        let answer = request.send().await.map_err(|error| text(&error.without_url()))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answered {}", answer.status()));
        }
        let token = bounded(answer).await?;
        let stamp = query.accept(&token, self.anchors.as_ref()).map_err(|error| error.to_string())?;
        Ok(Stamped { stamp, token, url: url.to_string() })
    }
}

/// The body, refused beyond what any token is.
async fn bounded(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| chain(&error.without_url()))? {
        if (body.len() + chunk.len()) as u64 > MAX_TOKEN {
            return Err(format!("its answer is larger than {MAX_TOKEN} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse(url: &str) -> Result<Url, StampError> {
    let wrong = |what: &str| StampError::Url { url: url.to_owned(), what: what.to_owned() };
    let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    let web = matches!(parsed.scheme(), "http" | "https") && parsed.has_host();
    if !web {
        return Err(wrong("it is no web address"));
    }
    if parsed.username().is_empty() && parsed.password().is_none() {
        Ok(parsed)
    } else {
        Err(wrong("it holds a name or password, which does not belong into a config"))
    }
}

/// An error with its causes: the outermost says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
