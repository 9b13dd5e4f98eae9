//! What stands between the SDKs and the network: samples of answers, the provider's clock, cassettes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use evidenced_kit::cassette::{Player, Recorder, Request, encode};
use evidenced_kit::{CallSample, Stats, current_operation};
use evidenced_model::{Clock, Digest, Scope};

/// The HTTP client of a run: rustls with aws-lc-rs, or plain HTTP where a custom endpoint asks for it.
pub(crate) fn real(plain: bool) -> SharedHttpClient {
    use aws_smithy_http_client::Builder;
    use aws_smithy_http_client::tls::Provider;
    use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
    if plain {
        Builder::new().build_http()
    } else {
        Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
    }
}

/// Samples answers and the provider's clock on their way, and mends host prefixes for custom endpoints.
pub(crate) struct Tap {
    pub(crate) inner: SharedHttpClient,
    pub(crate) stats: Arc<Stats>,
    pub(crate) clock: Arc<dyn Clock>,
    /// `host[:port]` of a custom endpoint.
    pub(crate) custom_host: Option<String>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl HttpClient for Tap {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(TapConnector {
            inner: self.inner.http_connector(settings, components),
            stats: Arc::clone(&self.stats),
            clock: Arc::clone(&self.clock),
            custom_host: self.custom_host.clone(),
        })
    }
}

struct TapConnector {
    inner: SharedHttpConnector,
    stats: Arc<Stats>,
    clock: Arc<dyn Clock>,
    custom_host: Option<String>,
}

impl fmt::Debug for TapConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TapConnector")
    }
}

impl HttpConnector for TapConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Some(host) = &self.custom_host {
            drop_host_prefix(&mut request, host);
        }
        let sampled = current_operation().filter(|(scope, call)| self.stats.wants_sample(scope, call));
        let answer = self.inner.call(request);
        let (stats, clock) = (Arc::clone(&self.stats), Arc::clone(&self.clock));
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            if let Some(date) = response.headers().get("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
                stats.skew("aws", clock.now().as_second() - date.timestamp().as_second());
            }
            if let Some((scope, call)) = sampled {
                sample(&mut response, &stats, &scope, call).await?;
            }
            Ok(response)
        })
    }
}

/// Keeps the request id and the digest of an answer's body, and puts the body back.
async fn sample(
    response: &mut HttpResponse,
    stats: &Stats,
    scope: &Scope,
    call: &'static str,
) -> Result<(), ConnectorError> {
    let id = ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"]
        .iter()
        .find_map(|name| response.headers().get(name));
    let Some(request_id) = id.map(str::to_owned) else { return Ok(()) };
    let bytes = drain(response.take_body()).await?;
    stats.sample(scope, call, CallSample { answer: Digest::of(&bytes), request_id });
    *response.body_mut() = SdkBody::from(bytes);
    Ok(())
}

async fn drain(body: SdkBody) -> Result<Vec<u8>, ConnectorError> {
    aws_smithy_types::byte_stream::ByteStream::new(body)
        .collect()
        .await
        .map(|collected| collected.to_vec())
        .map_err(|error| ConnectorError::io(error.into()))
}

/// S3 Control puts the account id before the host; a custom endpoint has no such names.
fn drop_host_prefix(request: &mut HttpRequest, custom_host: &str) {
    let Ok(uri) = request.uri().parse::<http::Uri>() else { return };
    let Some(authority) = uri.authority().map(http::uri::Authority::as_str) else { return };
    if authority == custom_host || !authority.ends_with(&format!(".{custom_host}")) {
        return;
    }
    let scheme = uri.scheme_str().unwrap_or("http");
    let rest = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    // A target that does not parse is left as it was: the call then fails and is a gap.
    let _ = request.set_uri(format!("{scheme}://{custom_host}{rest}"));
}

/// Answers from a cassette: no network at all.
pub struct Replay(pub Arc<Player>);

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replay")
    }
}

impl HttpClient for Replay {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self(Arc::clone(&self.0)))
    }
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = describe(&request).and_then(|request| self.0.answer(&request));
        HttpConnectorFuture::ready(answer.map_or_else(
            || Err(ConnectorError::user("the cassette has no such exchange".into())),
            |answer| {
                let mut response = http::Response::builder().status(answer.status);
                for (name, value) in &answer.headers {
                    response = response.header(name, value);
                }
                let built = response.body(SdkBody::from(answer.bytes())).map_err(|e| ConnectorError::user(e.into()))?;
                HttpResponse::try_from(built).map_err(|e| ConnectorError::user(e.into()))
            },
        ))
    }
}

/// Records what goes over the network.
pub struct Tape {
    /// The client that really calls.
    pub inner: SharedHttpClient,
    /// What it keeps.
    pub recorder: Arc<Recorder>,
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tape")
    }
}

impl HttpClient for Tape {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(TapeConnector { inner, recorder: Arc::clone(&self.recorder) })
    }
}

struct TapeConnector {
    inner: SharedHttpConnector,
    recorder: Arc<Recorder>,
}

impl fmt::Debug for TapeConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TapeConnector")
    }
}

impl HttpConnector for TapeConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let described = describe(&request);
        let answer = self.inner.call(request);
        let recorder = Arc::clone(&self.recorder);
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            let bytes = drain(response.take_body()).await?;
            if let Some(request) = described {
                let headers: BTreeMap<String, String> =
                    response.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                recorder.keep(request, response.status().as_u16(), headers, &bytes);
            }
            *response.body_mut() = SdkBody::from(bytes);
            Ok(response)
        })
    }
}

/// What identifies a request on a cassette. `None` for what is not part of a collector's call.
fn describe(request: &HttpRequest) -> Option<Request> {
    let (_, operation) = current_operation()?;
    let uri: http::Uri = request.uri().parse().ok()?;
    // Credential=AKID/20260101/eu-west-1/s3/aws4_request
    let credential = request.headers().get("authorization").and_then(|value| value.split("Credential=").nth(1));
    let region = credential.and_then(|credential| credential.split('/').nth(2)).unwrap_or("none");
    let body = request.body().bytes().map(encode).unwrap_or_default();
    Some(Request {
        operation: operation.to_owned(),
        region: region.to_owned(),
        method: request.method().to_owned(),
        path: uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned(),
        body,
    })
}
