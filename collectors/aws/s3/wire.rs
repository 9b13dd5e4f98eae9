//! The settings of buckets, asked for in S3's own protocol: one `GET` with a subresource and no body, hundreds of
//! thousands of times in a large account.
//!
//! The SDK finds credentials, endpoints and connections; what it does around each single call costs several times more
//! than the call. Signing follows "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference;
//! the key of a day is derived once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use evidenced_kit::Failure;
use evidenced_model::{Cause, Region};
use jiff::{SignedDuration, Timestamp};
use roxmltree::Document;

use crate::error::{by_answer, unreachable};
use crate::transport::Door;

/// SHA-256 of nothing: these requests have no body.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Credentials are asked for again so long before they expire, and so long after they came where they do not say.
const REFRESH: SignedDuration = SignedDuration::from_mins(5);
const UNDATED: SignedDuration = SignedDuration::from_mins(15);

/// The way to S3 for one account.
pub(crate) struct Wire {
    config: SdkConfig,
    door: Door,
    credentials: tokio::sync::Mutex<Option<(Credentials, Timestamp)>>,
    keys: Mutex<BTreeMap<Scoped, Arc<[u8]>>>,
}

/// What a signing key is good for: key id, day, region.
type Scoped = (String, String, String);

/// Where one bucket is asked.
pub(super) struct Host {
    /// Scheme and authority, and the bucket where it stands in the path.
    url: String,
    authority: String,
    path: String,
    region: Region,
}

impl Wire {
    /// Over the account's configuration, with its credentials.
    pub(crate) fn new(config: SdkConfig, door: Door) -> Self {
        Self { config, door, credentials: tokio::sync::Mutex::default(), keys: Mutex::default() }
    }

    /// Where a bucket of a region is asked, by the SDK's own rules: partitions, FIPS, dual stack, custom endpoints.
    pub(super) async fn host(&self, bucket: &str, region: &Region) -> Result<Host, Failure> {
        let wrong = || Failure::for_good(Cause::Failed, Some("InvalidEndpoint".into()));
        let params = Params::builder()
            .bucket(bucket)
            .region(region.as_str())
            .use_fips(self.config.use_fips().unwrap_or(false))
            .use_dual_stack(self.config.use_dual_stack().unwrap_or(false))
            .set_endpoint(self.config.endpoint_url().map(str::to_owned))
            .force_path_style(self.config.endpoint_url().is_some())
            .build()
            .map_err(|_| wrong())?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.map_err(|_| wrong())?;
        let uri: http::Uri = endpoint.url().parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?.to_string();
        let path = format!("{}/", uri.path().trim_end_matches('/'));
        let url = format!("{}://{authority}{path}", uri.scheme_str().unwrap_or("https"));
        Ok(Host { url, authority, path, region: region.clone() })
    }

    /// Asks for one subresource of a bucket; the body of the answer, if it is a good one.
    pub(super) async fn get(&self, host: &Host, subresource: &str, now: Timestamp) -> Result<Vec<u8>, Failure> {
        let credentials = self.credentials(now).await?;
        let request = self.signed(host, subresource, &credentials, now)?;
        // The buckets were listed before any of them is read.
        let connector = self.door.get().ok_or_else(|| Failure::for_good(Cause::Failed, None))?;
        let answer = connector.call(request).await.map_err(|error| unreachable(&error))?;
        let status = answer.status().as_u16();
        if !answer.status().is_success() {
            return Err(refused(&answer, status));
        }
        answer.into_body().bytes().map(<[u8]>::to_vec).ok_or_else(|| malformed(true))
    }

    async fn credentials(&self, now: Timestamp) -> Result<Credentials, Failure> {
        let mut kept = self.credentials.lock().await;
        if let Some((credentials, until)) = kept.as_ref()
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let missing = || Failure::for_good(Cause::Failed, Some("CredentialsNotLoaded".into()));
        let provider = self.config.credentials_provider().ok_or_else(missing)?;
        let fresh = provider.provide_credentials().await.map_err(|_| missing())?;
        let expiry = fresh.expiry().and_then(|expiry| Timestamp::try_from(expiry).ok());
        let until = expiry.map_or(now + UNDATED, |expiry| expiry - REFRESH);
        *kept = Some((fresh.clone(), until));
        Ok(fresh)
    }

    /// The request with its signature over method, path, subresource, host and the `x-amz-` headers.
    fn signed(
        &self,
        host: &Host,
        subresource: &str,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<HttpRequest, Failure> {
        let unbuilt = || Failure::for_good(Cause::Failed, Some("RequestNotBuilt".into()));
        let moment = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let (day, region) = (&moment[..8], host.region.as_str());
        let token = credentials.session_token();
        let names = if token.is_some() {
            "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"
        } else {
            "host;x-amz-content-sha256;x-amz-date"
        };
        let line = token.map_or(Cow::Borrowed(""), |token| Cow::Owned(format!("x-amz-security-token:{token}\n")));
        let canonical = format!(
            "GET\n{}\n{subresource}=\nhost:{}\nx-amz-content-sha256:{EMPTY}\nx-amz-date:{moment}\n{line}\n{names}\n{EMPTY}",
            host.path, host.authority
        );
        let scope = format!("{day}/{region}/s3/aws4_request");
        let digest = evidenced_model::Digest::of(canonical.as_bytes());
        let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}");
        let signature = calculate_signature(self.key(credentials, now, day, region), to_sign.as_bytes());
        let id = credentials.access_key_id();
        let mut request = http::Request::builder()
            .uri(format!("{}?{subresource}", host.url))
            .header("x-amz-date", moment)
            .header("x-amz-content-sha256", EMPTY)
            .header("user-agent", concat!("evidenced/", env!("CARGO_PKG_VERSION")))
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"),
            );
        if let Some(token) = token {
            request = request.header("x-amz-security-token", token);
        }
        let request = request.body(SdkBody::empty()).map_err(|_| unbuilt())?;
        HttpRequest::try_from(request).map_err(|_| unbuilt())
    }

    fn key(&self, credentials: &Credentials, now: Timestamp, day: &str, region: &str) -> Arc<[u8]> {
        let scoped = (credentials.access_key_id().to_owned(), day.to_owned(), region.to_owned());
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let derive = || {
            let time = std::time::UNIX_EPOCH + Duration::from_secs(now.as_second().unsigned_abs());
            Arc::from(generate_signing_key(credentials.secret_access_key(), time, region, "s3").as_ref())
        };
        Arc::clone(keys.entry(scoped).or_insert_with(derive))
    }
}

/// A good answer that is not what S3 documents. Cut or garbled answers are worth another try.
pub(super) fn malformed(retry: bool) -> Failure {
    Failure { cause: Cause::Malformed, code: None, retry, retry_after: None }
}

/// What an answer that is no good one means.
fn refused(answer: &HttpResponse, status: u16) -> Failure {
    let text = answer.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    let document = Document::parse(text).ok();
    let member = |name: &str| {
        let error = document.as_ref()?.root_element();
        error.children().find(|child| child.has_tag_name(name)).and_then(|child| child.text())
    };
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.parse().ok());
    by_answer(member("Code"), member("Message").unwrap_or_default(), status, retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(url: Option<&str>) -> Wire {
        let mut config = SdkConfig::builder();
        config.set_endpoint_url(url.map(str::to_owned));
        Wire::new(config.build(), Door::default())
    }

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    /// "Example: GET Bucket Lifecycle" of the Amazon S3 API reference, with the documentation's own key.
    #[tokio::test]
    async fn requests_are_signed_as_the_reference_shows() {
        let credentials =
            Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "test");
        let host = Host {
            url: "https://examplebucket.s3.amazonaws.com/".into(),
            authority: "examplebucket.s3.amazonaws.com".into(),
            path: "/".into(),
            region: region("us-east-1"),
        };
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        let request = wire(None).signed(&host, "lifecycle", &credentials, now).unwrap();
        assert_eq!(request.uri(), "https://examplebucket.s3.amazonaws.com/?lifecycle");
        let authorization = request.headers().get("authorization").unwrap();
        assert!(
            authorization.ends_with("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            "{authorization}"
        );
        let token = Credentials::new("AKIDEXAMPLE", "not-a-secret", Some("session".into()), None, "test");
        let request = wire(None).signed(&host, "lifecycle", &token, now).unwrap();
        assert_eq!(request.headers().get("x-amz-security-token"), Some("session"));
        assert!(request.headers().get("authorization").unwrap().contains("x-amz-date;x-amz-security-token"));
    }

    #[tokio::test]
    async fn buckets_are_asked_where_the_sdk_would_ask() {
        for (endpoint, bucket, place, url) in [
            (None, "example", "eu-west-1", "https://example.s3.eu-west-1.amazonaws.com/"),
            (None, "example.com", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/example.com/"),
            (None, "example", "cn-north-1", "https://example.s3.cn-north-1.amazonaws.com.cn/"),
            (Some("http://127.0.0.1:5000"), "example", "eu-west-1", "http://127.0.0.1:5000/example/"),
        ] {
            assert_eq!(wire(endpoint).host(bucket, &region(place)).await.unwrap().url, url);
        }
    }
}
