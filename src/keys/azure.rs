//! A key in Azure Key Vault: EC P-256, ES256. It needs `keys/get` and `keys/sign` (Key Vault Crypto User).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{ClientOptions, Context, ExponentialRetryOptions, Method, Pipeline, Request, RetryOptions, Url};
use azure_identity::{
    ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidenced_model::Digest;
use evidenced_seal::{KeyError, Signer};
use serde::Deserialize;
use serde_json::json;

use crate::open::{AzureClient, Settings};
use crate::remote::{Named, Service, start};
use crate::{KeyUri, ecdsa};

/// The version of the REST API (Key Vault REST API reference, `Get Key` and `Sign`).
const API: &str = "7.4";

struct Vault {
    pipeline: Pipeline,
    /// The key with its version, once that is known.
    key: Url,
    name: Named,
}

/// Opens a key. Without a version the newest one is taken, and kept for as long as the key is open.
pub(crate) fn open(
    uri: &KeyUri,
    key: (String, String, Option<String>),
    settings: &Settings,
) -> Result<Arc<dyn Signer>, KeyError> {
    let (client, identity) = (settings.azure_client.clone(), settings.azure_identity.clone());
    start(uri, settings.known.clone(), async move |name: Named| {
        let credential = credential(client.clone(), identity.clone()).map_err(|error| name.refused(error))?;
        Vault::new(name, key.clone(), credential, ClientOptions::default())
    })
}

impl Vault {
    fn new(
        name: Named,
        (vault, key, version): (String, String, Option<String>),
        credential: Arc<dyn TokenCredential>,
        options: ClientOptions,
    ) -> Result<Self, KeyError> {
        // The scope is the vault's domain: vault.azure.net, vault.azure.cn, vault.usgovcloudapi.net.
        let domain = vault.split_once('.').map_or("vault.azure.net", |(_, domain)| domain);
        let scope = format!("https://{domain}/.default");
        let bearer = Arc::new(BearerTokenAuthorizationPolicy::new(credential, [scope]));
        let retry = RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: azure_core::time::Duration::milliseconds(200),
            max_retries: 3,
            ..ExponentialRetryOptions::default()
        });
        let options = ClientOptions { retry, ..options };
        let pipeline =
            Pipeline::new(Some("evidenced"), Some(env!("CARGO_PKG_VERSION")), options, Vec::new(), vec![bearer], None);
        let version = version.map_or_else(String::new, |version| format!("/{version}"));
        let key = Url::parse(&format!("{vault}/keys/{key}{version}")).map_err(|error| name.refused(error))?;
        Ok(Self { pipeline, key, name })
    }

    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        mut url: Url,
        call: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, KeyError> {
        url.query_pairs_mut().append_pair("api-version", API);
        let mut request = Request::new(url, if body.is_some() { Method::Post } else { Method::Get });
        request.insert_header("accept", "application/json");
        if let Some(body) = body {
            request.insert_header("content-type", "application/json");
            request.set_body(body.to_string());
        }
        let answer = self.pipeline.send(&Context::new(), &mut request, None).await;
        let answer = answer.map_err(|error| failed(&self.name, call, &error))?;
        serde_json::from_slice(answer.body())
            .map_err(|error| self.name.away(format!("{call}: its answer is not understood: {error}")))
    }
}

impl Service for Vault {
    async fn public_key(&mut self) -> Result<Vec<u8>, KeyError> {
        let bundle: KeyBundle = self.call(self.key.clone(), "keys/get", None).await?;
        let key = bundle.key;
        if !matches!(key.kty.as_str(), "EC" | "EC-HSM") || key.crv.as_deref() != Some("P-256") {
            let curve = key.crv.map_or_else(String::new, |curve| format!(" {curve}"));
            return Err(self.name.refused(format!("it is of type {}{curve}; expected EC P-256", key.kty)));
        }
        if bundle.attributes.enabled == Some(false) {
            return Err(self.name.refused("it is disabled"));
        }
        // The answer names the version. From now on that one signs, or none.
        let kid = Url::parse(&key.kid).map_err(|error| self.name.refused(error))?;
        if kid.origin() != self.key.origin() || !kid.path().starts_with(self.key.path()) {
            return Err(self.name.refused(format!("the vault answered for another key: {kid}")));
        }
        self.key = kid;
        let [x, y] = [key.x, key.y].map(|part| URL_SAFE_NO_PAD.decode(part.unwrap_or_default()).unwrap_or_default());
        ecdsa::public_der(&x, &y).ok_or_else(|| self.name.refused("its public key is not a point of P-256"))
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut url = self.key.clone();
        url.set_path(&format!("{}/sign", self.key.path()));
        let digest = URL_SAFE_NO_PAD.encode(Digest::of(message).as_bytes());
        let body = json!({"alg": "ES256", "value": digest});
        let answer: KeyOperation = self.call(url, "keys/sign", Some(&body)).await?;
        let raw = URL_SAFE_NO_PAD.decode(answer.value).ok();
        raw.and_then(|raw| ecdsa::signature_der(&raw)).ok_or_else(|| self.name.refused("its signature is not of P-256"))
    }
}

#[derive(Deserialize)]
struct KeyBundle {
    key: JsonWebKey,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Deserialize)]
struct JsonWebKey {
    kid: String,
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Default, Deserialize)]
struct Attributes {
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct KeyOperation {
    value: String,
}

fn failed(name: &Named, call: &str, error: &azure_core::Error) -> KeyError {
    let reason = format!("{call}: {error}");
    match error.kind() {
        ErrorKind::HttpResponse { status, .. } => {
            let status = u16::from(*status);
            if status >= 500 || status == 429 || status == 408 { name.away(reason) } else { name.refused(reason) }
        }
        _ => name.away(reason),
    }
}

/// The service principal, or whatever this place offers: workload identity, managed identity, the developer's tools.
fn credential(client: Option<AzureClient>, identity: Option<String>) -> azure_core::Result<Arc<dyn TokenCredential>> {
    if let Some(AzureClient { tenant, client, secret }) = client {
        return Ok(ClientSecretCredential::new(&tenant, client, secret.into(), None)?);
    }
    let mut sources: Vec<Arc<dyn TokenCredential>> = Vec::new();
    // Each of them looks for its own variables, and is left out where there are none.
    sources.extend(WorkloadIdentityCredential::new(None).map(|one| one as Arc<dyn TokenCredential>));
    let managed = ManagedIdentityCredentialOptions {
        user_assigned_id: identity.map(UserAssignedId::ClientId),
        ..ManagedIdentityCredentialOptions::default()
    };
    sources.extend(ManagedIdentityCredential::new(Some(managed)).map(|one| one as Arc<dyn TokenCredential>));
    sources.extend(DeveloperToolsCredential::new(None).map(|one| one as Arc<dyn TokenCredential>));
    Ok(Arc::new(Chain(sources)))
}

/// The first credential that gives a token.
#[derive(Debug)]
struct Chain(Vec<Arc<dyn TokenCredential>>);

/// The longest that one of them may take: a managed identity that is not there may not answer at all.
const CREDENTIAL_PATIENCE: Duration = Duration::from_secs(10);

#[async_trait]
impl TokenCredential for Chain {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let mut reasons = Vec::new();
        for source in &self.0 {
            match tokio::time::timeout(CREDENTIAL_PATIENCE, source.get_token(scopes, options.clone())).await {
                Ok(Ok(token)) => return Ok(token),
                Ok(Err(error)) => reasons.push(error.to_string()),
                Err(_) => reasons.push("no answer".to_owned()),
            }
        }
        let message = format!("no credential gave a token: {}", reasons.join("; "));
        Err(azure_core::Error::with_message(ErrorKind::Credential, message))
    }
}

#[cfg(test)]
mod tests;
