//! Requests signed with the key of a storage account ("Authorize with Shared Key" in Azure's reference).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::headers::HeaderName;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_model::Clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs each attempt of a request.
pub(super) struct SharedKey {
    account: String,
    clock: Arc<dyn Clock>,
    key: Vec<u8>,
}

impl SharedKey {
    /// With a key in base64; `None` if it is not.
    pub(super) fn new(account: &str, key: &str, clock: Arc<dyn Clock>) -> Option<Self> {
        Some(Self { account: account.to_owned(), clock, key: STANDARD.decode(key.trim()).ok()? })
    }

    fn authorization(&self, request: &Request) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(to_sign(&self.account, request).as_bytes());
        Some(format!("SharedKey {}:{}", self.account, STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKey").field("account", &self.account).finish_non_exhaustive()
    }
}

#[async_trait]
impl Policy for SharedKey {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let now = self.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        request.insert_header("x-ms-date", now);
        if let Some(authorization) = self.authorization(request) {
            request.insert_header("authorization", authorization);
        }
        next[0].send(ctx, request, &next[1..]).await
    }
}

/// What is signed of a request.
fn to_sign(account: &str, request: &Request) -> String {
    let header =
        |name: &'static str| request.headers().get_optional_string(&HeaderName::from(name)).unwrap_or_default();
    let length = match request.body().len() {
        Some(length) if length > 0 => length.to_string(),
        _ => String::new(),
    };
    let mut lines = vec![request.method().to_string()];
    lines.extend(["content-encoding", "content-language"].map(header));
    lines.push(length);
    lines.extend(["content-md5", "content-type"].map(header));
    // The date stands in `x-ms-date`.
    lines.push(String::new());
    lines.extend(["if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"].map(header));
    let own: BTreeMap<String, &str> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_lowercase(), value.as_str().trim()))
        .filter(|(name, _)| name.starts_with("x-ms-"))
        .collect();
    lines.extend(own.iter().map(|(name, value)| format!("{name}:{value}")));
    lines.push(format!("/{account}{}", request.url().path()));
    let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in request.url().query_pairs() {
        query.entry(name.to_lowercase()).or_default().push(value.into_owned());
    }
    for (name, mut values) in query {
        values.sort();
        lines.push(format!("{name}:{}", values.join(",")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use azure_core::http::{Method, Url};

    use super::*;

    /// The example of the reference, with its own headers.
    #[test]
    fn what_is_signed_is_what_the_reference_says() {
        let url = "https://myaccount.blob.core.windows.net/mycontainer?comp=metadata&restype=container&timeout=20";
        let mut request = Request::new(Url::parse(url).unwrap(), Method::Get);
        request.insert_header("x-ms-version", "2015-02-21");
        request.insert_header("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT");
        let expected = "GET\n\n\n\n\n\n\n\n\n\n\n\n\
                        x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n\
                        /myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20";
        assert_eq!(to_sign("myaccount", &request), expected);
    }
}
