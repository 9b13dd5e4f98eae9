//! Recorded conversations with a cloud: what was asked, what was answered. Any HTTP API.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A recorded conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cassette {
    /// What it shows, and where it comes from.
    pub about: String,
    /// Questions and answers, in the order of recording.
    pub exchanges: Vec<Exchange>,
}

/// One question with its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub response: Response,
}

/// What identifies a question; signatures and dates do not.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The operation as the collector names it, e.g. `s3:GetBucketPolicy`.
    pub operation: String,
    /// The region asked.
    pub region: String,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The body as text; binary bodies as `base64:…`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

impl Request {
    /// The same question with its body in one form: clients write the members of a JSON object in any order.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        if let Ok(body @ serde_json::Value::Object(_)) = serde_json::from_str(&self.body) {
            self.body = String::from_utf8_lossy(&evidenced_model::canon::to_vec(&body)).into_owned();
        }
        self
    }
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers that matter, names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as text; binary bodies as `base64:…`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

impl Response {
    /// The body's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        decode(&self.body)
    }
}

/// Text as it is, anything else as `base64:…`.
pub fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with("base64:") => text.to_owned(),
        _ => format!("base64:{}", base64::engine::general_purpose::STANDARD.encode(bytes)),
    }
}

/// The inverse of [`encode`].
pub fn decode(body: &str) -> Vec<u8> {
    use base64::Engine as _;
    body.strip_prefix("base64:")
        .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .unwrap_or_else(|| body.as_bytes().to_vec())
}

/// What a player does with a question instead of answering from the tape.
pub type Fault = Box<dyn Fn(&Request, u32) -> Option<Response> + Send + Sync>;

/// Answers questions from a cassette. The same question asked again gets the next recorded answer, then the last.
pub struct Player {
    cassette: Cassette,
    fault: Option<Fault>,
    state: Mutex<State>,
}

fn canonical(mut cassette: Cassette) -> Cassette {
    for exchange in &mut cassette.exchanges {
        exchange.request = std::mem::take(&mut exchange.request).canonical();
    }
    cassette
}

#[derive(Default)]
struct State {
    asked: BTreeMap<Request, u32>,
    unmatched: Vec<Request>,
}

impl Player {
    /// Plays a cassette as it is.
    pub fn new(cassette: Cassette) -> Self {
        Self { cassette: canonical(cassette), fault: None, state: Mutex::default() }
    }

    /// Plays a cassette with a fault: given the question and how often it was asked before, it may answer itself.
    pub fn with_fault(cassette: Cassette, fault: Fault) -> Self {
        Self { cassette: canonical(cassette), fault: Some(fault), state: Mutex::default() }
    }

    /// Answers; `None` if the tape has no such question (then [`Player::unmatched`] names it).
    pub fn answer(&self, request: &Request) -> Option<Response> {
        let request = &request.clone().canonical();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let times = state.asked.entry(request.clone()).or_default();
        let before = *times;
        *times += 1;
        if let Some(answer) = self.fault.as_ref().and_then(|fault| fault(request, before)) {
            return Some(answer);
        }
        let recorded: Vec<&Exchange> = self.cassette.exchanges.iter().filter(|e| &e.request == request).collect();
        let answer = recorded.get(before as usize).or(recorded.last()).map(|exchange| exchange.response.clone());
        if answer.is_none() {
            state.unmatched.push(request.clone());
        }
        answer
    }

    /// Questions that the tape does not have.
    pub fn unmatched(&self) -> Vec<Request> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).unmatched.clone()
    }

    /// How often each question was asked.
    pub fn asked(&self) -> BTreeMap<Request, u32> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

/// Records a conversation; the same question with the same answer is kept once.
#[derive(Default)]
pub struct Recorder {
    exchanges: Mutex<Vec<Exchange>>,
}

impl Recorder {
    /// Keeps an exchange. Headers other than content type and paging ones are left out, and so are dates and ids.
    pub fn keep(&self, request: Request, status: u16, headers: BTreeMap<String, String>, body: &[u8]) {
        let kept = |name: &str| {
            matches!(name, "content-type" | "x-amz-bucket-region" | "x-amzn-errortype" | "smithy-protocol")
        };
        let headers = headers.into_iter().filter(|(name, _)| kept(name)).collect();
        let exchange = Exchange { request, response: Response { status, headers, body: encode(body) } };
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        if !exchanges.contains(&exchange) {
            exchanges.push(exchange);
        }
    }

    /// The tape, with every text passed through `redact`.
    pub fn finish(&self, about: &str, redact: impl Fn(&str) -> String) -> Cassette {
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for exchange in &mut exchanges {
            for text in [&mut exchange.request.path, &mut exchange.request.body, &mut exchange.response.body] {
                *text = redact(text);
            }
        }
        exchanges.sort_by(|a, b| a.request.cmp(&b.request));
        Cassette { about: about.to_owned(), exchanges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(body: &str) -> Request {
        Request { operation: "x:List".into(), body: body.into(), ..Request::default() }
    }

    #[test]
    fn a_question_is_the_same_in_whatever_order_its_members_stand() {
        let response = Response { status: 200, headers: BTreeMap::new(), body: "answer".into() };
        let exchange = Exchange { request: asking("{\"b\": 1, \"a\": [2]}"), response: response.clone() };
        let player = Player::new(Cassette { about: String::new(), exchanges: vec![exchange] });
        assert_eq!(player.answer(&asking("{\"a\":[2],\"b\":1}")), Some(response));
        assert_eq!(player.unmatched(), []);
        assert_eq!(player.answer(&asking("{\"a\":[3],\"b\":1}")), None);
        assert_eq!(player.unmatched().len(), 1);
    }
}
