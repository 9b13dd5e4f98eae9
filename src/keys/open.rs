//! Opening the key of the config, wherever it lives.

use std::path::PathBuf;
use std::sync::Arc;

use evidenced_seal::{KeyError, Passphrase, PemSigner, PublicKey, Signer};

use crate::KeyUri;

/// What opening a key needs beside its name.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The file that holds the passphrase of an encrypted key file.
    pub passphrase_file: Option<PathBuf>,
    /// A service principal for Azure (tenant, client id, client secret); otherwise workload identity, managed identity
    /// and the developer's tools are tried, in this order.
    pub azure_client: Option<AzureClient>,
    /// Which managed identity of several, by its client id.
    pub azure_identity: Option<String>,
    /// The key's public side, as it was when its service answered last: with it, a key opens while its service is
    /// away, and signs once that is back.
    pub known: Option<PublicKey>,
}

/// A service principal of Azure.
#[derive(Clone)]
pub struct AzureClient {
    /// The tenant.
    pub tenant: String,
    /// The application.
    pub client: String,
    /// Its secret.
    pub secret: String,
}

impl std::fmt::Debug for AzureClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AzureClient({})", self.client)
    }
}

/// Opens a key: reads its file, or asks its service for the public side. A service that does not answer is
/// [`KeyError::Away`]; one that will never let us sign with this key is [`KeyError::Refused`].
pub fn open(uri: &KeyUri, settings: &Settings) -> Result<Arc<dyn Signer>, KeyError> {
    match uri {
        KeyUri::File(path) => {
            let passphrase = settings.passphrase_file.as_deref().map(Passphrase::open).transpose()?;
            Ok(Arc::new(PemSigner::open_with(path, passphrase.as_ref())?))
        }
        #[cfg(feature = "aws")]
        KeyUri::Aws { key, region, endpoint } => {
            crate::aws::open(uri, key.clone(), region.clone(), endpoint.clone(), settings.known.clone())
        }
        #[cfg(feature = "azure")]
        KeyUri::Azure { vault, name, version } => {
            crate::azure::open(uri, (vault.clone(), name.clone(), version.clone()), settings)
        }
        #[cfg(feature = "gcp")]
        KeyUri::Gcp { name, endpoint } => crate::gcp::open(uri, name.clone(), endpoint.clone(), settings.known.clone()),
        #[cfg(not(all(feature = "aws", feature = "azure", feature = "gcp")))]
        _ => {
            let reason = format!("this program was built without {}", uri.home());
            Err(KeyError::Refused { key: uri.to_string(), reason })
        }
    }
}
