//! A key version in Google Cloud KMS: `EC_SIGN_P256_SHA256`. It needs `cloudkms.cryptoKeyVersions.viewPublicKey` and
//! `cloudkms.cryptoKeyVersions.useToSign`.

use std::sync::Arc;
use std::time::Duration;

use evidenced_model::Digest;
use evidenced_seal::{KeyError, PublicKey, Signer};
use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::retry_policy::{Aip194Strict, RetryPolicyExt as _};
use google_cloud_kms_v1::client::KeyManagementService;
use google_cloud_kms_v1::model;

use crate::KeyUri;
use crate::remote::{Named, Service, start};

struct Kms {
    client: KeyManagementService,
    key: String,
    name: Named,
}

/// Opens a key version with the application default credentials. An endpoint without TLS is an emulator, and is
/// told no credentials.
pub(crate) fn open(
    uri: &KeyUri,
    key: String,
    endpoint: Option<String>,
    known: Option<PublicKey>,
) -> Result<Arc<dyn Signer>, KeyError> {
    start(uri, known, async move |name: Named| {
        let retry = Aip194Strict.with_attempt_limit(3).with_time_limit(Duration::from_secs(15));
        let mut builder = KeyManagementService::builder().with_retry_policy(retry);
        if let Some(endpoint) = &endpoint {
            if endpoint.starts_with("http://") {
                builder = builder.with_credentials(anonymous::Builder::new().build());
            }
            builder = builder.with_endpoint(endpoint);
        }
        let client = builder.build().await.map_err(|error| name.away(error))?;
        Ok(Kms { client, key: key.clone(), name })
    })
}

impl Service for Kms {
    async fn public_key(&mut self) -> Result<Vec<u8>, KeyError> {
        let answer = self.client.get_public_key().set_name(&self.key).send().await;
        let answer = answer.map_err(|error| failed(&self.name, "GetPublicKey", &error))?;
        if !answer.name.is_empty() && answer.name != self.key {
            return Err(self.name.away(format!("it answered for another key: {}", answer.name)));
        }
        if !intact(answer.pem.as_bytes(), answer.pem_crc32c) {
            return Err(self.name.away("its public key was damaged on the way"));
        }
        if answer.algorithm != model::crypto_key_version::CryptoKeyVersionAlgorithm::EcSignP256Sha256 {
            let algorithm = answer.algorithm.name().unwrap_or("an unknown algorithm");
            return Err(self.name.refused(format!("it signs with {algorithm}; expected EC_SIGN_P256_SHA256")));
        }
        let key = PublicKey::from_pem(&answer.pem, &self.key).map_err(|error| self.name.refused(error))?;
        Ok(key.der().to_vec())
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let digest = Digest::of(message).as_bytes().to_vec();
        let checksum = i64::from(crc32c(&digest));
        let request = self
            .client
            .asymmetric_sign()
            .set_name(&self.key)
            .set_digest(model::Digest::new().set_sha256(digest))
            .set_digest_crc32c(checksum);
        let answer = request.send().await.map_err(|error| failed(&self.name, "AsymmetricSign", &error))?;
        if !answer.name.is_empty() && answer.name != self.key {
            return Err(self.name.away(format!("another key signed: {}", answer.name)));
        }
        if !answer.verified_digest_crc32c && answer.signature_crc32c.is_some() {
            return Err(self.name.away("the digest was damaged on the way"));
        }
        if !intact(&answer.signature, answer.signature_crc32c) {
            return Err(self.name.away("its signature was damaged on the way"));
        }
        Ok(answer.signature.to_vec())
    }
}

/// Whether bytes have the checksum that came with them, if one came.
fn intact(bytes: &[u8], checksum: Option<i64>) -> bool {
    checksum.is_none_or(|checksum| checksum == i64::from(crc32c(bytes)))
}

fn failed(name: &Named, call: &str, error: &Error) -> KeyError {
    let reason = format!("{call}: {error}");
    let code = error.status().map(|status| status.code);
    let away = match code {
        Some(code) => matches!(
            code,
            Code::Aborted
                | Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Internal
                | Code::ResourceExhausted
                | Code::Unavailable
                | Code::Unknown
        ),
        // Nobody answered, or there are no credentials for now.
        None => error.http_status_code().is_none_or(|status| status >= 500 || status == 429),
    };
    if away { name.away(reason) } else { name.refused(reason) }
}

/// CRC-32C (RFC 3720, appendix B.4), bit by bit: it is over a hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert!(intact(b"123456789", Some(0xe306_9283)) && intact(b"x", None) && !intact(b"x", Some(1)));
    }
}
