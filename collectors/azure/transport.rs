//! What stands between Azure's own pipeline and the network: samples of answers, the provider's clock, another endpoint,
//! cassettes.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, AsyncResponseBody, Body, HttpClient, Request, StatusCode, Url, new_http_client,
};
use bytes::Bytes;
use evidenced_kit::cassette::{Player, Recorder, Request as Asked, encode};
use evidenced_kit::{CallSample, Captured, Stats, current_operation};
use evidenced_model::{Clock, Digest};
use futures::TryStreamExt as _;

/// The client of a run. Everything that is asked goes to `elsewhere`, where that is set.
pub(crate) fn real(elsewhere: Option<Url>) -> Arc<dyn HttpClient> {
    let inner = new_http_client(None);
    match elsewhere {
        Some(to) => Arc::new(Redirected { inner, to }),
        None => inner,
    }
}

/// Sends everything to another host: a test server, a proxy. The path says which of Azure's endpoints was meant.
#[derive(Debug)]
struct Redirected {
    inner: Arc<dyn HttpClient>,
    to: Url,
}

#[async_trait]
impl HttpClient for Redirected {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut url = self.to.clone();
        url.set_path(&format!("{}{}", self.to.path().trim_end_matches('/'), request.url().path()));
        url.set_query(request.url().query());
        let mut redirected = request.clone();
        *redirected.url_mut() = url;
        self.inner.execute_request(&redirected).await
    }
}

/// Samples answers and the provider's clock on their way.
pub(crate) struct Tap {
    pub(crate) inner: Arc<dyn HttpClient>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

#[async_trait]
impl HttpClient for Tap {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.inner.execute_request(request).await?;
        let date = answer.headers().get_optional_str(&"date".into());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
        if let Some(date) = date {
            self.stats.skew("azure", self.clock.now().as_second() - date.as_second());
        }
        if let Some((scope, call)) = current_operation()
            && answer.status().is_success()
            && call.starts_with(RESOURCE_GRAPH)
        {
            // Its rows lag behind their resources, and say nowhere by how much.
            self.stats.captured(&scope, call, Captured::Before(date.unwrap_or_else(|| self.clock.now())));
        }
        let sampled = current_operation().filter(|(scope, call)| self.stats.wants_sample(scope, call));
        let Some((scope, call)) = sampled else { return Ok(answer) };
        let (status, headers, body) = answer.deconstruct();
        let bytes = gather(&headers, body).await?;
        // Resource Manager and Microsoft Graph each name a request by a header of their own.
        let id = REQUEST_IDS.iter().find_map(|name| headers.get_optional_str(&(*name).into()));
        if let Some(request_id) = id.map(str::to_owned) {
            self.stats.sample(&scope, call, CallSample { answer: Digest::of(&bytes), request_id });
        }
        Ok(AsyncRawResponse::from_bytes(status, headers, bytes))
    }
}

/// A body whole, with as much memory as it has bytes: one of some megabytes is not grown by doubling.
pub(crate) async fn gather(headers: &Headers, mut body: AsyncResponseBody) -> azure_core::Result<Bytes> {
    let Some(first) = body.try_next().await? else { return Ok(Bytes::new()) };
    let Some(second) = body.try_next().await? else { return Ok(first) };
    let length = headers.get_optional_str(&"content-length".into()).and_then(|length| length.parse().ok());
    // What a server says of itself is no reason to run out of memory.
    let mut whole = Vec::with_capacity(length.unwrap_or(0).min(ROOM).max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(more) = body.try_next().await? {
        whole.extend_from_slice(&more);
    }
    Ok(whole.into())
}

/// The most that is set aside for a body before it is there, in bytes.
const ROOM: usize = 16 << 20;

/// How operations begin that go through Resource Graph.
pub(crate) const RESOURCE_GRAPH: &str = "resourcegraph:";

/// The headers that name a request in the provider's own records.
const REQUEST_IDS: [&str; 3] = ["x-ms-correlation-request-id", "x-ms-request-id", "request-id"];

/// Answers from a cassette: no network at all.
pub struct Replay(pub Arc<Player>);

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replay")
    }
}

#[async_trait]
impl HttpClient for Replay {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let none = || azure_core::Error::with_message(ErrorKind::Other, "the cassette has no such exchange");
        let answer = describe(request).and_then(|asked| self.0.answer(&asked)).ok_or_else(none)?;
        let mut headers = Headers::new();
        for (name, value) in &answer.headers {
            headers.insert(name.clone(), value.clone());
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(answer.status), headers, answer.bytes()))
    }
}

/// Records what goes over the network.
pub struct Tape {
    /// The client that really calls.
    pub inner: Arc<dyn HttpClient>,
    /// What it keeps.
    pub recorder: Arc<Recorder>,
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tape")
    }
}

#[async_trait]
impl HttpClient for Tape {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.inner.execute_request(request).await?;
        let (status, headers, body) = answer.deconstruct();
        let bytes = body.collect().await?;
        if let Some(asked) = describe(request) {
            let kept = headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()));
            self.recorder.keep(asked, u16::from(status), kept.collect(), &bytes);
        }
        Ok(AsyncRawResponse::from_bytes(status, headers, bytes))
    }
}

/// What identifies a request on a cassette. `None` for what is not part of a collector's call.
fn describe(request: &Request) -> Option<Asked> {
    let (scope, operation) = current_operation()?;
    let body = match request.body() {
        Body::Bytes(bytes) => encode(bytes),
        Body::SeekableStream(_) => return None,
    };
    Some(Asked {
        operation: operation.to_owned(),
        region: scope.region.to_string(),
        method: request.method().as_str().to_owned(),
        path: request.path_and_query(),
        body,
    })
}
