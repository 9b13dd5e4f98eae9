//! An application's certificate as its proof: a signed assertion for the token endpoint, without OpenSSL.
//!
//! Microsoft identity platform, "Certificate credentials": a JWT with `PS256` and the certificate's SHA-256 thumbprint.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidenced_model::{Clock, Digest};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::json;

/// How long an assertion is good for.
const VALID: Duration = Duration::from_mins(10);

/// A certificate with its private key.
pub(crate) struct Certificate {
    key: KeyPair,
    thumbprint: String,
    client: String,
    audience: String,
    clock: Arc<dyn Clock>,
}

impl Certificate {
    /// Reads a PEM file that holds a private key (PKCS#8, RSA) and a certificate.
    pub(crate) fn read(path: &Path, client: &str, audience: String, clock: Arc<dyn Clock>) -> azure_core::Result<Self> {
        let wrong = |what: &str| {
            let message =
                format!("{}: {what}; expected a PEM file with an RSA key (PKCS#8) and its certificate", path.display());
            azure_core::Error::with_message(ErrorKind::Credential, message)
        };
        let text = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(&text).map_err(|_| wrong("no private key is in it"))?;
        let certificate = CertificateDer::from_pem_slice(&text).map_err(|_| wrong("no certificate is in it"))?;
        let key = KeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| wrong("its key cannot be used"))?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Digest::of(&certificate).as_bytes());
        Ok(Self { key, thumbprint, client: client.to_owned(), audience, clock })
    }

    fn assertion(&self) -> azure_core::Result<String> {
        let now = self.clock.now().as_second();
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": self.audience,
            "exp": now.saturating_add_unsigned(VALID.as_secs()),
            "iat": now,
            "iss": self.client,
            "jti": format!("{:032x}", fastrand::u128(..)),
            "nbf": now,
            "sub": self.client,
        });
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(|_| {
            azure_core::Error::with_message(ErrorKind::Credential, "the certificate's key does not sign")
        })?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

#[async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.assertion()
    }
}
