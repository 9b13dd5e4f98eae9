//! Who we are to Azure: a key or SAS token of the account where the environment has one, else an identity.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{ClientOptions, Context, Request};
use azure_identity::{
    ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential,
};
use tokio::sync::OnceCell;

use super::shared_key::SharedKey;
use super::with_policy;
use crate::Options;
use crate::remote::Trouble;

/// How an account is reached.
pub(super) struct Access {
    pub(super) endpoint: String,
    pub(super) client_options: ClientOptions,
    pub(super) token: Option<Arc<dyn TokenCredential>>,
}

/// The way in: the connection string, the account's key, the SAS token, an identity; the first that there is.
pub(super) fn access(account: &str, options: &Options) -> Result<Access, Trouble> {
    let azure = &options.azure;
    let parts = azure.connection_string.as_deref().map(parts).unwrap_or_default();
    let part = |name: &str| parts.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    if let Some(other) = part("AccountName").filter(|other| *other != account) {
        return Err(Trouble::Refused(format!(
            "AZURE_STORAGE_CONNECTION_STRING is of the account {other}, and the store's is {account}"
        )));
    }
    let suffix = part("EndpointSuffix").unwrap_or("core.windows.net");
    let own = || part("BlobEndpoint").map_or_else(|| format!("https://{account}.blob.{suffix}"), str::to_owned);
    let endpoint = options.endpoint_url.clone().unwrap_or_else(own);
    let with = |policy: Arc<dyn Policy>| {
        Ok(Access { endpoint: endpoint.clone(), client_options: with_policy(policy), token: None })
    };
    if let Some(key) = part("AccountKey").or(azure.account_key.as_deref()) {
        let key = SharedKey::new(account, key, Arc::clone(&options.clock)).ok_or_else(|| {
            Trouble::Refused("the account's key in the environment is not base64; copy it again".to_owned())
        })?;
        return with(Arc::new(key));
    }
    if let Some(token) = part("SharedAccessSignature").or(azure.sas_token.as_deref()) {
        return with(Arc::new(Sas(token.trim_start_matches('?').to_owned())));
    }
    let token = Some(Arc::new(Identity::new(options)) as Arc<dyn TokenCredential>);
    Ok(Access { endpoint, client_options: ClientOptions::default(), token })
}

/// `Name=value` pairs between semicolons; values may hold further equals signs.
fn parts(text: &str) -> Vec<(&str, &str)> {
    text.split(';').filter_map(|part| part.split_once('=')).collect()
}

/// Adds a shared access signature to each request.
struct Sas(String);

impl fmt::Debug for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sas")
    }
}

#[async_trait]
impl Policy for Sas {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let query = match request.url().query() {
            Some(query) if !query.is_empty() => format!("{query}&{}", self.0),
            _ => self.0.clone(),
        };
        request.url_mut().set_query(Some(&query));
        next[0].send(ctx, request, &next[1..]).await
    }
}

/// The first identity of this place that gives a token: a secret in the environment, a federated workload, a managed
/// identity, a developer's tools.
struct Identity {
    known: Vec<Arc<dyn TokenCredential>>,
    chosen: OnceCell<usize>,
}

impl Identity {
    fn new(options: &Options) -> Self {
        let mut known: Vec<Arc<dyn TokenCredential>> = Vec::new();
        if let Some(client) = &options.azure.client {
            let secret = Secret::new(client.secret.clone());
            if let Ok(credential) = ClientSecretCredential::new(&client.tenant, client.id.clone(), secret, None) {
                known.push(credential);
            }
        }
        known.extend(WorkloadIdentityCredential::new(None).ok().map(|known| known as Arc<dyn TokenCredential>));
        let managed = ManagedIdentityCredentialOptions {
            user_assigned_id: options.azure.identity.clone().map(UserAssignedId::ClientId),
            ..ManagedIdentityCredentialOptions::default()
        };
        known.extend(ManagedIdentityCredential::new(Some(managed)).ok().map(|known| known as Arc<dyn TokenCredential>));
        known.extend(DeveloperToolsCredential::new(None).ok().map(|known| known as Arc<dyn TokenCredential>));
        Self { known, chosen: OnceCell::new() }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

#[async_trait]
impl TokenCredential for Identity {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if let Some(chosen) = self.chosen.get() {
            return self.known[*chosen].get_token(scopes, options).await;
        }
        let mut why = Vec::new();
        for (index, credential) in self.known.iter().enumerate() {
            match credential.get_token(scopes, options.clone()).await {
                Ok(token) => {
                    let _ = self.chosen.set(index);
                    return Ok(token);
                }
                Err(error) => why.push(crate::remote::chain(&error)),
            }
        }
        Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, why.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use evidenced_model::FixedClock;
    use jiff::Timestamp;

    use super::*;
    use crate::AzureKey;

    fn access_with(azure: AzureKey) -> Result<Access, Trouble> {
        access("acme", &Options { azure, ..Options::new(Arc::new(FixedClock(Timestamp::UNIX_EPOCH))) })
    }

    #[test]
    fn the_environment_comes_before_an_identity() {
        let key = AzureKey { account_key: Some("c2VjcmV0".into()), ..AzureKey::default() };
        let access = access_with(key).unwrap();
        assert_eq!(access.endpoint, "https://acme.blob.core.windows.net");
        assert!(access.token.is_none());
        assert!(!format!("{:?}", access.client_options).contains("c2VjcmV0"));
        let string = "AccountName=acme;AccountKey=c2VjcmV0cw==;BlobEndpoint=http://127.0.0.1:1/acme";
        let key = AzureKey { connection_string: Some(string.into()), ..AzureKey::default() };
        assert_eq!(access_with(key).unwrap().endpoint, "http://127.0.0.1:1/acme");
        let other = AzureKey { connection_string: Some("AccountName=other".into()), ..AzureKey::default() };
        assert!(matches!(access_with(other), Err(Trouble::Refused(why)) if why.contains("other")));
        let broken = AzureKey { account_key: Some("!".into()), ..AzureKey::default() };
        assert!(access_with(broken).is_err());
        assert!(access_with(AzureKey::default()).unwrap().token.is_some());
    }
}
