//! A key in AWS KMS: `ECC_NIST_P256` for `SIGN_VERIFY`. It needs `kms:GetPublicKey` and `kms:Sign`.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::Client;
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use evidenced_model::Digest;
use evidenced_seal::{KeyError, PublicKey, Signer};

use crate::KeyUri;
use crate::remote::{Named, Service, start};

/// The longest message that KMS hashes itself, in bytes (API reference, `Sign`). Of a longer one the digest is sent.
const LONGEST_RAW: usize = 4096;

/// Codes after which trying again later can help (API reference, `Sign` and common errors).
const AWAY: [&str; 11] = [
    "DependencyTimeoutException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalFailure",
    "KMSInternalException",
    "KeyUnavailableException",
    "LimitExceededException",
    "RequestExpired",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
];

struct Kms {
    client: Client,
    key: String,
    name: Named,
}

/// Opens a key with the default chain of credentials.
pub(crate) fn open(
    uri: &KeyUri,
    key: String,
    region: Option<String>,
    endpoint: Option<String>,
    known: Option<PublicKey>,
) -> Result<Arc<dyn Signer>, KeyError> {
    start(uri, known, async move |name: Named| {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(name.refused("its region is not known; add ?region=… or name the key by its ARN"));
        }
        Ok(Kms { client: Client::new(&config), key: key.clone(), name })
    })
}

impl Service for Kms {
    async fn public_key(&mut self) -> Result<Vec<u8>, KeyError> {
        let answer = self.client.get_public_key().key_id(&self.key).send().await;
        let answer = answer.map_err(|error| failed(&self.name, "kms:GetPublicKey", &error))?;
        if answer.key_usage().is_some_and(|usage| *usage != KeyUsageType::SignVerify) {
            return Err(self.name.refused("its usage is not SIGN_VERIFY"));
        }
        if let Some(spec) = answer.key_spec().filter(|spec| **spec != KeySpec::EccNistP256) {
            return Err(self.name.refused(format!("it is of type {spec}; expected ECC_NIST_P256")));
        }
        // An alias can be pointed elsewhere: from now on this key signs, or none.
        if let Some(id) = answer.key_id() {
            id.clone_into(&mut self.key);
        }
        let key = answer.public_key.ok_or_else(|| self.name.refused("the service gave no public key"))?;
        Ok(key.into_inner())
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (kind, bytes) = if message.len() <= LONGEST_RAW {
            (MessageType::Raw, message.to_vec())
        } else {
            (MessageType::Digest, Digest::of(message).as_bytes().to_vec())
        };
        let request = self.client.sign().key_id(&self.key).message_type(kind).message(Blob::new(bytes));
        let answer = request.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await;
        let answer = answer.map_err(|error| failed(&self.name, "kms:Sign", &error))?;
        let signature = answer.signature.ok_or_else(|| self.name.refused("the service gave no signature"))?;
        Ok(signature.into_inner())
    }
}

fn failed<E, R>(name: &Named, call: &str, error: &SdkError<E, R>) -> KeyError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("unknown");
            let reason = format!("{call}: {code}: {}", service.err().message().unwrap_or("no message"));
            if AWAY.contains(&code) || code == "unknown" { name.away(reason) } else { name.refused(reason) }
        }
        other => name.away(format!("{call}: {}", DisplayErrorContext(other))),
    }
}
