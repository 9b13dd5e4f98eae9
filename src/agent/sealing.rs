//! The config's seal: which key signs, which signed before, and who stamps the time.

use std::path::PathBuf;
use std::sync::Arc;

use evidenced_keys::timestamp::Authorities;
use evidenced_keys::{AzureClient, KeyUri, Settings};
use evidenced_model::Digest;
use evidenced_seal::timestamp::Anchors;
use evidenced_seal::{KeyError, Passphrase, PemSigner, PublicKey, PublicKeys, Signer, Validity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::fill_random;
use crate::config::Loaded;
use crate::exit::{Ended, Exit};
use crate::storing;

/// How evidence is signed, and stamped with the time.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SealConfig {
    /// `file:/path/key.pem` (PKCS#8, readable by its owner only), `awskms:ARN`, `awskms:alias/NAME?region=REGION`,
    /// `azurekv:https://VAULT.vault.azure.net/keys/NAME`, or `gcpkms:projects/…/cryptoKeyVersions/N`. P-256 everywhere.
    /// Nothing: made on first use in the state folder.
    pub key: Option<String>,
    /// The file whose first line decrypts an encrypted key file; readable by its owner only.
    pub passphrase_file: Option<PathBuf>,
    /// Public keys (PEM files) that signed this agent's log before they handed over.
    pub former_keys: Vec<PathBuf>,
    /// Who stamps the time.
    pub timestamp: TimestampConfig,
}

/// Who stamps the time (RFC 3161).
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimestampConfig {
    /// Authorities, asked in this order until one has stamped. Nothing: the agent's own clock has to do.
    pub urls: Vec<String>,
    /// Whether a run that cannot be stamped now stays in the spool. Otherwise its stamp is fetched later.
    pub required: bool,
    /// The policy that every stamp must be under: an object identifier.
    pub policy: Option<String>,
    /// Certificates (PEM) of the authorities that are trusted; a stamp that does not lead to one is not taken.
    pub ca_file: Option<PathBuf>,
}

impl SealConfig {
    /// What is wrong with it: the member, and what to do.
    pub(crate) fn check(&self) -> Result<(), (Vec<&'static str>, String)> {
        if let Some(key) = &self.key {
            KeyUri::parse(key).map_err(|error| (vec!["seal", "key"], error.to_string()))?;
        }
        let timestamp = &self.timestamp;
        if timestamp.required && timestamp.urls.is_empty() {
            let message = "nobody is named who could stamp; add authorities to seal.timestamp.urls";
            return Err((vec!["seal", "timestamp", "required"], message.to_owned()));
        }
        Ok(())
    }
}

/// What names the configured key; the second value says whether it may be made on first use.
pub(crate) fn key_uri(loaded: &Loaded) -> Result<(KeyUri, bool), Ended> {
    match &loaded.config.seal.key {
        Some(uri) => Ok((parse(loaded, uri)?, false)),
        None => Ok((KeyUri::File(loaded.config.agent.state_dir.join("key.pem")), true)),
    }
}

/// The signer of the config, and whether it is new. A key that is named has to be there; one that is not is made in
/// the state folder. What is away can come back: that is exit 4, not a slip in the config.
pub(crate) fn signer(loaded: &Loaded) -> Result<(Arc<dyn Signer>, bool), Ended> {
    let (uri, make) = key_uri(loaded)?;
    let wrong = |error: &KeyError| match error {
        KeyError::Away { .. } => Ended::new(Exit::Spooled, error.to_string()),
        _ => loaded.wrong(&["seal", "key"], &error.to_string()),
    };
    if let (KeyUri::File(path), true) = (&uri, make) {
        let passphrase = loaded.config.seal.passphrase_file.as_deref().map(Passphrase::open).transpose();
        let passphrase = passphrase.map_err(|error| loaded.wrong(&["seal", "passphrase_file"], &error.to_string()))?;
        let (signer, new) =
            PemSigner::open_or_generate_with(path, passphrase.as_ref()).map_err(|error| wrong(&error))?;
        return Ok((Arc::new(signer), new));
    }
    open(loaded, &uri).map(|signer| (signer, false)).map_err(|error| wrong(&error))
}

/// Opens a key. Of one in a service, the public side is kept in the state folder, so that runs can be collected
/// while the service is away.
pub(crate) fn open(loaded: &Loaded, uri: &KeyUri) -> Result<Arc<dyn Signer>, KeyError> {
    let name = Digest::of(uri.to_string().as_bytes()).to_string();
    let kept = loaded.config.agent.state_dir.join(format!("key-{}.pub.pem", &name[..16]));
    let remote = !matches!(uri, KeyUri::File(_));
    let (client, azure_identity) = storing::azure_identity();
    let settings = Settings {
        passphrase_file: loaded.config.seal.passphrase_file.clone(),
        azure_client: client.map(|client| AzureClient {
            tenant: client.tenant,
            client: client.id,
            secret: client.secret,
        }),
        azure_identity,
        known: if remote { PublicKey::open(&kept).ok() } else { None },
    };
    let signer = evidenced_keys::open(uri, &settings)?;
    if remote && settings.known.as_ref() != Some(signer.public_key()) {
        let folder = kept.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = folder.and_then(|()| std::fs::write(&kept, signer.public_key().to_pem())) {
            tracing::warn!(file = %kept.display(), %error, "the public key cannot be kept for when its service is away");
        }
    }
    Ok(signer)
}

/// Reads the name of a key, as of `seal.key`.
pub(crate) fn parse(loaded: &Loaded, uri: &str) -> Result<KeyUri, Ended> {
    KeyUri::parse(uri).map_err(|error| loaded.wrong(&["seal", "key"], &error.to_string()))
}

/// The keys that sign or signed this agent's log: this one, and those that handed over to it.
pub(crate) fn known_keys(loaded: &Loaded, signer: &dyn Signer) -> Result<PublicKeys, Ended> {
    let mut keys = PublicKeys::from(signer.public_key());
    for path in &loaded.config.seal.former_keys {
        let key = PublicKey::open(path).map_err(|error| loaded.wrong(&["seal", "former_keys"], &error.to_string()))?;
        keys.pin(key, Validity::default());
    }
    Ok(keys)
}

/// The authorities that stamp the time; `None` if nobody does.
pub(crate) fn authorities(loaded: &Loaded) -> Result<Option<Authorities>, Ended> {
    let config = &loaded.config.seal.timestamp;
    if config.urls.is_empty() {
        return Ok(None);
    }
    let anchors = anchors(loaded)?;
    let authorities = Authorities::new(&config.urls, config.policy.as_deref(), anchors, random)
        .map_err(|error| loaded.wrong(&["seal", "timestamp"], &error.to_string()))?;
    Ok(Some(authorities))
}

/// The certificates of the authorities that the config trusts.
pub(crate) fn anchors(loaded: &Loaded) -> Result<Option<Anchors>, Ended> {
    let opened = loaded.config.seal.timestamp.ca_file.as_deref().map(Anchors::open).transpose();
    opened.map_err(|error| loaded.wrong(&["seal", "timestamp", "ca_file"], &error.to_string()))
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    fill_random(&mut bytes);
    u64::from_le_bytes(bytes)
}
