//! What stands between the SDKs and the network: samples of answers, the provider's clock, cassettes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::{AggregatedBytes, ByteStream};
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

/// Samples answers and the provider's clock on their way, and mends host prefixes and root names of custom endpoints.
pub(crate) struct Tap {
    pub(crate) inner: SharedHttpClient,
    pub(crate) stats: Arc<Stats>,
    pub(crate) clock: Arc<dyn Clock>,
    /// `host[:port]` of a custom endpoint.
    pub(crate) custom_host: Option<String>,
    /// Open once the SDK has made its first call.
    pub(crate) door: Door,
}

/// The connections of a run, for calls that are not the SDK's: the SDK makes them at its first call.
pub(crate) type Door = Arc<OnceLock<SharedHttpConnector>>;

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl HttpClient for Tap {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = SharedHttpConnector::new(TapConnector {
            inner: self.inner.http_connector(settings, components),
            stats: Arc::clone(&self.stats),
            clock: Arc::clone(&self.clock),
            custom_host: self.custom_host.clone(),
        });
        self.door.get_or_init(|| connector.clone());
        connector
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
        let operation = current_operation();
        let root = operation.as_ref().filter(|_| self.custom_host.is_some()).and_then(|(_, call)| root(call));
        let sampled = operation.filter(|(scope, call)| self.stats.wants_sample(scope, call));
        let answer = self.inner.call(request);
        let (stats, clock) = (Arc::clone(&self.stats), Arc::clone(&self.clock));
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            if let Some(date) = response.headers().get("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
                stats.skew("aws", clock.now().as_second() - date.timestamp().as_second());
            }
            let mut bytes = drain(response.take_body()).await?;
            if response.status().is_success() && !is_whole(&bytes) {
                return Err(ConnectorError::io("the answer ends in the middle".into()));
            }
            if let Some((scope, call)) = sampled {
                sample(&response, &bytes, &stats, &scope, call);
            }
            if let Some((told, wanted)) = root {
                response.headers_mut().remove("content-length");
                bytes = renamed(&bytes, told, wanted);
            }
            *response.body_mut() = SdkBody::from(bytes);
            Ok(response)
        })
    }
}

/// Keeps the request id and the digest of an answer's body.
fn sample(response: &HttpResponse, bytes: &[u8], stats: &Stats, scope: &Scope, call: &'static str) {
    let id = ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"]
        .iter()
        .find_map(|name| response.headers().get(name));
    if let Some(request_id) = id.map(str::to_owned) {
        stats.sample(scope, call, CallSample { answer: Digest::of(bytes), request_id });
    }
}

/// Whether an XML answer ends with its root. The SDK reads a document that ends in the middle as if what is missing
/// were not there; JSON that is cut it refuses by itself.
fn is_whole(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let mut rest = body;
    while let Some(after) = rest.strip_prefix(b"<?").or_else(|| rest.strip_prefix(b"<!")) {
        let Some(end) = after.iter().position(|byte| *byte == b'>') else { return false };
        rest = after[end + 1..].trim_ascii_start();
    }
    let Some(root) = rest.strip_prefix(b"<") else { return rest.is_empty() == body.is_empty() };
    let Some(end) = root.iter().position(|byte| *byte == b'>') else { return false };
    let Some(name) = root[..end].split(|byte| byte.is_ascii_whitespace() || *byte == b'/').next() else { return false };
    let alone = root[..end].ends_with(b"/") && root[end + 1..].is_empty();
    let closed =
        || root.strip_suffix(b">").and_then(|root| root.strip_suffix(name)).is_some_and(|r| r.ends_with(b"</"));
    !name.is_empty() && (alone || closed())
}

async fn drain(body: SdkBody) -> Result<Vec<u8>, ConnectorError> {
    ByteStream::new(body).collect().await.map(AggregatedBytes::to_vec).map_err(|error| ConnectorError::io(error.into()))
}

/// Some emulators (moto 5.2) name the root of an answer after its operation: that name, and the one that S3 gives it.
fn root(call: &str) -> Option<(&'static [u8], &'static [u8])> {
    match call {
        "s3:GetBucketVersioning" => Some((b"GetBucketVersioningResponse", b"VersioningConfiguration")),
        "s3control:ListAccessPoints" => Some((b"ListAccessPointsResponse", b"ListAccessPointsResult")),
        "s3control:GetAccessPoint" => Some((b"GetAccessPointResponse", b"GetAccessPointResult")),
        "s3control:GetAccessPointPolicyStatus" => {
            Some((b"GetAccessPointPolicyStatusResponse", b"GetAccessPointPolicyStatusResult"))
        }
        _ => None,
    }
}

/// The answer with its root under the name that the SDK looks for.
fn renamed(body: &[u8], told: &[u8], wanted: &[u8]) -> Vec<u8> {
    let mut renamed = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        if matches!(renamed.last(), Some(b'<' | b'/'))
            && let Some(after) = rest.strip_prefix(told)
            && matches!(after.first(), Some(b'>' | b'/' | b' '))
        {
            renamed.extend_from_slice(wanted);
            rest = after;
        } else {
            renamed.push(*first);
            rest = after;
        }
    }
    renamed
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_that_ends_in_the_middle_is_noticed() {
        for whole in [
            "",
            "<A/>",
            "<?xml version=\"1.0\"?>\n<A xmlns=\"x/y\"/>\n",
            "<A><B>1</B></A>",
            "<?xml version=\"1.0\"?><A a=\"b\">text</A>",
            "{\"json\": [",
            "plain",
        ] {
            assert!(is_whole(whole.as_bytes()), "{whole}");
        }
        for cut in
            ["<", "<A", "<A>", "<?xml version", "<?xml?>", "<A><B>1</B>", "<A><B/>", "<A><B>1</B></A", "<A>1</B>"]
        {
            assert!(!is_whole(cut.as_bytes()), "{cut}");
        }
    }

    #[test]
    fn roots_get_the_name_that_the_sdk_looks_for() {
        let told = b"<?xml version=\"1.0\"?><OldResponse><OldResponseId>OldResponse</OldResponseId></OldResponse>";
        let named = renamed(told, b"OldResponse", b"New");
        assert_eq!(named, b"<?xml version=\"1.0\"?><New><OldResponseId>OldResponse</OldResponseId></New>");
        assert_eq!(renamed(b"<A/>", b"OldResponse", b"New"), b"<A/>");
    }
}
