//! A request to a timestamp authority, and whether an answer answers it.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::ID_SHA_256;
use der::Encode as _;
use der::asn1::{Any, Int, OctetString};
use evidenced_model::Digest;
use x509_cert::spki::AlgorithmIdentifier;
use x509_tsp::{MessageImprint, TimeStampReq, TspVersion};

use super::token::Token;
use super::{Anchors, Stamp, TokenError, trust};

/// A request (RFC 3161, section 2.4.1): SHA-256, a nonce, and the wish for the authority's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    der: Vec<u8>,
    imprint: Digest,
    nonce: [u8; 8],
    policy: Option<ObjectIdentifier>,
}

impl Query {
    /// Asks for a stamp over these bytes; `random` makes the nonce, of which 62 bits are used.
    pub fn new(signature: &[u8], random: u64, policy: Option<&str>) -> Result<Self, TokenError> {
        let policy = policy
            .map(|text| ObjectIdentifier::new(text).map_err(|_| TokenError::Policy(text.to_owned())))
            .transpose()?;
        // Positive, and always of eight bytes.
        let nonce = (random >> 2 | 1 << 62).to_be_bytes();
        let imprint = Digest::of(signature);
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier { oid: ID_SHA_256, parameters: Some(Any::null()) },
                hashed_message: OctetString::new(imprint.as_bytes().to_vec())?,
            },
            req_policy: policy,
            nonce: Some(Int::new(&nonce)?),
            cert_req: true,
            extensions: None,
        };
        Ok(Self { der: request.to_der()?, imprint, nonce, policy })
    }

    /// The request's bytes, for `POST` as `application/timestamp-query`.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Takes an answer that is to be stored: everything that [`super::check`] checks, and that it answers this
    /// request, nonce and policy included.
    pub fn accept(&self, answer: &[u8], anchors: Option<&Anchors>) -> Result<Stamp, TokenError> {
        let token = Token::parse(answer)?;
        token.is_for(self.imprint.as_bytes())?;
        if token.info.nonce.as_deref() != Some(&self.nonce[..]) {
            return Err(TokenError::OtherNonce);
        }
        if let Some(wanted) = self.policy.filter(|wanted| *wanted != token.info.policy) {
            return Err(TokenError::OtherPolicy { found: token.info.policy.to_string(), wanted: wanted.to_string() });
        }
        trust::check(&token, anchors)
    }
}
