//! Who we are to Azure: the application of the environment, a federated workload, a managed identity, the command line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::ClientOptions;
use azure_identity::{
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use evidenced_model::Clock;
use tokio::sync::OnceCell;

use crate::assertion::Certificate;

/// The variables of the environment that say who we are, named as Azure's own tools name them.
pub(crate) const VARIABLES: &[&str] = &[
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
];

/// The longest that one source may take: a managed identity that is not there may not answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first source of this place that gives a token, and from then on that one.
pub(crate) struct Identity {
    sources: Vec<(&'static str, Arc<dyn TokenCredential>)>,
    /// Why a source that the environment asks for cannot be used.
    unusable: Vec<String>,
    chosen: OnceCell<usize>,
}

impl Identity {
    /// The sources that the environment offers, the most explicit first. `options` reach the token endpoint of `authority`.
    pub(crate) fn new(
        environment: &BTreeMap<String, String>,
        options: &ClientOptions,
        authority: &str,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let mut identity = Self { sources: Vec::new(), unusable: Vec::new(), chosen: OnceCell::new() };
        let set = |name: &str| environment.get(name).cloned();
        let application = set("AZURE_TENANT_ID").zip(set("AZURE_CLIENT_ID"));
        if let (Some((tenant, client)), Some(secret)) = (&application, set("AZURE_CLIENT_SECRET")) {
            let options = ClientSecretCredentialOptions { client_options: options.clone() };
            let made = ClientSecretCredential::new(tenant, client.clone(), Secret::new(secret), Some(options));
            identity.offer("client secret", made);
        }
        if let (Some((tenant, client)), Some(path)) = (&application, set("AZURE_CLIENT_CERTIFICATE_PATH")) {
            let options = ClientAssertionCredentialOptions { client_options: options.clone() };
            let audience = format!("{authority}/{tenant}/oauth2/v2.0/token");
            let made =
                Certificate::read(Path::new(&path), client, audience, Arc::clone(clock)).and_then(|certificate| {
                    ClientAssertionCredential::new(tenant.clone(), client.clone(), certificate, Some(options))
                });
            identity.offer("client certificate", made);
        }
        if set("AZURE_FEDERATED_TOKEN_FILE").is_some() {
            let credential_options = ClientAssertionCredentialOptions { client_options: options.clone() };
            let options = WorkloadIdentityCredentialOptions {
                credential_options,
                client_id: set("AZURE_CLIENT_ID"),
                tenant_id: set("AZURE_TENANT_ID"),
                token_file_path: set("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
            };
            identity.offer("workload identity", WorkloadIdentityCredential::new(Some(options)));
        }
        if identity.sources.is_empty() && identity.unusable.is_empty() {
            // Without a secret, the client id says which managed identity, where a machine has several.
            let user_assigned_id = set("AZURE_CLIENT_ID").map(UserAssignedId::ClientId);
            let options = ManagedIdentityCredentialOptions { client_options: options.clone(), user_assigned_id };
            identity.offer("managed identity", ManagedIdentityCredential::new(Some(options)));
            identity.offer("the command line", DeveloperToolsCredential::new(None));
        }
        identity
    }

    fn offer<T: TokenCredential + 'static>(&mut self, name: &'static str, made: azure_core::Result<Arc<T>>) {
        match made {
            Ok(source) => self.sources.push((name, source)),
            Err(error) => self.unusable.push(format!("{name}: {error}")),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.sources.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Identity").field("sources", &names).finish_non_exhaustive()
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
            return self.sources[*chosen].1.get_token(scopes, options).await;
        }
        let mut why = self.unusable.clone();
        for (index, (name, source)) in self.sources.iter().enumerate() {
            match tokio::time::timeout(PATIENCE, source.get_token(scopes, options.clone())).await {
                Ok(Ok(token)) => {
                    let _ = self.chosen.set(index);
                    return Ok(token);
                }
                Ok(Err(error)) => why.push(format!("{name}: {error}")),
                Err(_) => why.push(format!("{name}: no answer")),
            }
        }
        let message = format!(
            "no credential gave a token ({}); set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run where a \
             workload or managed identity is",
            why.join("; ")
        );
        Err(azure_core::Error::with_message(ErrorKind::Credential, message))
    }
}
