//! Public keys, and those that a verifier has pinned, each for its time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use evidenced_model::Digest;
use jiff::Timestamp;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, LineEnding};

use super::io;
use crate::KeyError;

/// The public side of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    der: Vec<u8>,
}

impl PublicKey {
    /// Reads PEM (`-----BEGIN PUBLIC KEY-----`); `path` is for messages.
    pub fn from_pem(pem: &str, path: &str) -> Result<Self, KeyError> {
        VerifyingKey::from_public_key_pem(pem)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| KeyError::Malformed { path: path.to_owned(), what: "a P-256 public key in PEM" })
    }

    /// Reads a PEM file.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let pem = std::fs::read_to_string(path).map_err(|error| io(&name, &error))?;
        Self::from_pem(&pem, &name)
    }

    /// Reads DER (`SubjectPublicKeyInfo`); `origin` is for messages.
    pub fn from_der(der: &[u8], origin: &str) -> Result<Self, KeyError> {
        VerifyingKey::from_public_key_der(der)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| KeyError::Malformed { path: origin.to_owned(), what: "a P-256 public key in DER" })
    }

    /// The key's DER (`SubjectPublicKeyInfo`).
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The key's id: SHA-256 of its DER. Also its fingerprint.
    pub fn id(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> String {
        // The key came from valid DER, so that this cannot fail.
        self.key.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// Whether this is the key's signature (DER) over the message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        DerSignature::from_bytes(signature).is_ok_and(|signature| self.key.verify(message, &signature).is_ok())
    }

    pub(super) fn new(key: VerifyingKey) -> Option<Self> {
        let der = key.to_public_key_der().ok()?.into_vec();
        Some(Self { key, der })
    }
}

/// From when until when a key's signatures are believed. Both ends may be open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The first moment that is too late.
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Whether a moment is in it.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.until) {
            (None, None) => write!(f, "at any time"),
            (Some(from), None) => write!(f, "from {from} on"),
            (None, Some(until)) => write!(f, "until {until}"),
            (Some(from), Some(until)) => write!(f, "from {from} until {until}"),
        }
    }
}

/// The public keys that a verifier has pinned, by id, each for its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys(BTreeMap<Digest, (PublicKey, Validity)>);

impl PublicKeys {
    /// These keys, at any time.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id(), (key, Validity::default()))).collect())
    }

    /// Pins one more; `false` if it was there already, which then stays as it was.
    pub fn pin(&mut self, key: PublicKey, validity: Validity) -> bool {
        let id = key.id();
        let new = !self.0.contains_key(&id);
        if new {
            self.0.insert(id, (key, validity));
        }
        new
    }

    /// The key of this id.
    pub fn get(&self, id: &Digest) -> Option<&PublicKey> {
        self.0.get(id).map(|(key, _)| key)
    }

    /// When the key of this id is believed.
    pub fn validity(&self, id: &Digest) -> Option<Validity> {
        self.0.get(id).map(|(_, validity)| *validity)
    }

    /// Whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, by id.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.values().map(|(key, _)| key)
    }
}

impl From<&PublicKey> for PublicKeys {
    fn from(key: &PublicKey) -> Self {
        Self::new([key.clone()])
    }
}
