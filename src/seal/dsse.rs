//! DSSE envelopes (`application/vnd.in-toto+json`) with exactly one signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_model::{Digest, canon};
use serde::{Deserialize, Serialize};

use crate::{KeyError, PublicKeys, Signer};

/// The payload type of every envelope here.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// No envelope we wrote is larger.
pub const LIMIT: u64 = 1 << 20;

/// What is signed: DSSE's pre-authentication encoding.
pub fn pae(payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// Signs a payload; gives the envelope's bytes (canonical JSON, no LF at the end). A signature that does not verify,
/// such as one that a key service made with another key meanwhile, is refused before anybody sees it.
pub fn sign(payload: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, KeyError> {
    let message = pae(payload);
    let signature = signer.sign(&message)?;
    if !signer.public_key().verify(&message, &signature) {
        let reason = format!("its signature is not one of the public key {}", signer.public_key().id());
        return Err(KeyError::Refused { key: signer.name(), reason });
    }
    let envelope = Envelope {
        payload: STANDARD.encode(payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![Signature { keyid: signer.public_key().id().to_string(), sig: STANDARD.encode(signature) }],
    };
    Ok(canon::to_vec(&envelope))
}

/// An envelope taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What was signed.
    pub payload: Vec<u8>,
    /// By which key.
    pub key: Digest,
    /// The signature's bytes (DER): what a timestamp authority stamps.
    pub signature: Vec<u8>,
}

/// Takes an envelope apart without asking who signed it.
pub fn parse(bytes: &[u8]) -> Result<Opened, EnvelopeError> {
    let malformed = |what: &str| EnvelopeError::Malformed(what.to_owned());
    let envelope: Envelope =
        serde_json::from_slice(bytes).map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(malformed("its payloadType is not application/vnd.in-toto+json"));
    }
    let [signature] = envelope.signatures.as_slice() else {
        return Err(malformed("it does not hold exactly one signature"));
    };
    Ok(Opened {
        payload: STANDARD.decode(&envelope.payload).map_err(|_| malformed("its payload is not base64"))?,
        key: signature.keyid.parse().map_err(|_| malformed("its keyid is not a SHA-256"))?,
        signature: STANDARD.decode(&signature.sig).map_err(|_| malformed("its signature is not base64"))?,
    })
}

/// Takes an envelope apart, if one of these keys signed it.
pub fn open(bytes: &[u8], keys: &PublicKeys) -> Result<Opened, EnvelopeError> {
    let opened = parse(bytes)?;
    let key = keys.get(&opened.key).ok_or(EnvelopeError::UnknownKey(opened.key))?;
    if key.verify(&pae(&opened.payload), &opened.signature) {
        Ok(opened)
    } else {
        Err(EnvelopeError::BadSignature(opened.key))
    }
}

/// An envelope that is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope.
    #[error("it is not a DSSE envelope: {0}")]
    Malformed(String),
    /// Signed by somebody else.
    #[error("it is signed by key {0}, which is not among the pinned keys")]
    UnknownKey(Digest),
    /// Not signed by whom it says.
    #[error("its signature is not one of key {0} over this payload")]
    BadSignature(Digest),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PemSigner;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        assert_eq!(pae(b"hello"), b"DSSEv1 28 application/vnd.in-toto+json 5 hello");
        assert_eq!(PAYLOAD_TYPE.len(), 28);
    }

    #[test]
    fn an_envelope_opens_with_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| PemSigner::generate(&folder.path().join(name)).unwrap());
        let [ours, theirs] = [&one, &two].map(|signer| PublicKeys::from(signer.public_key()));
        let envelope = sign(b"{}", &one).unwrap();
        assert_eq!(open(&envelope, &ours).unwrap().payload, b"{}");
        assert_eq!(open(&envelope, &theirs), Err(EnvelopeError::UnknownKey(one.public_key().id())));
        assert!(open(&envelope, &PublicKeys::default()).is_err());
        let text = String::from_utf8(envelope).unwrap();
        let other_payload = text.replace("e30=", "W10=");
        assert_eq!(open(other_payload.as_bytes(), &ours), Err(EnvelopeError::BadSignature(one.public_key().id())));
        let id = |signer: &PemSigner| signer.public_key().id().to_string();
        let other_key = text.replace(&id(&one), &id(&two));
        assert_eq!(open(other_key.as_bytes(), &theirs), Err(EnvelopeError::BadSignature(two.public_key().id())));
        for (from, to) in [
            ("vnd.in-toto+json", "json"),
            ("\"signatures\":[", "\"signatures\":[{\"keyid\":\"\",\"sig\":\"\"},"),
            ("\"payload\"", "\"more\":1,\"payload\""),
            ("e30=", "?"),
            ("e30=", "e30"),
        ] {
            let broken = text.replacen(from, to, 1);
            assert_ne!(broken, text);
            assert!(matches!(open(broken.as_bytes(), &ours), Err(EnvelopeError::Malformed(_))), "{to}");
        }
    }
}
