//! Keys: who signs, and whose signatures are believed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use evidenced_model::Digest;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding,
};

use crate::KeyError;

/// Signs messages with ECDSA P-256 and SHA-256. The key can live elsewhere; then signing can be
/// [`KeyError::Away`].
pub trait Signer: Send + Sync {
    /// The public side of the key.
    fn public_key(&self) -> &PublicKey;

    /// The signature over the message, in ASN.1 DER.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Where the key lives, for the manifest's assurance: `file`, or the name of a key service.
    fn home(&self) -> &'static str;
}

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

    fn new(key: VerifyingKey) -> Option<Self> {
        let der = key.to_public_key_der().ok()?.into_vec();
        Some(Self { key, der })
    }
}

/// The public keys that a verifier has pinned, by id.
#[derive(Debug, Clone, Default)]
pub struct PublicKeys(BTreeMap<Digest, PublicKey>);

impl PublicKeys {
    /// These keys.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id(), key)).collect())
    }

    /// The key of this id.
    pub fn get(&self, id: &Digest) -> Option<&PublicKey> {
        self.0.get(id)
    }

    /// Whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, by id.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.values()
    }
}

impl From<&PublicKey> for PublicKeys {
    fn from(key: &PublicKey) -> Self {
        Self::new([key.clone()])
    }
}

/// A key in a PEM file (PKCS#8), readable by its owner only.
pub struct PemSigner {
    key: SigningKey,
    public: PublicKey,
}

impl std::fmt::Debug for PemSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PemSigner({})", self.public.id())
    }
}

impl PemSigner {
    /// Reads the key, unless others can read it too.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|error| io(&name, &error))?;
        refuse_exposed(&name, &metadata)?;
        let pem = std::fs::read_to_string(path).map_err(|error| io(&name, &error))?;
        let malformed = || KeyError::Malformed { path: name.clone(), what: "a P-256 private key in PKCS#8 PEM" };
        let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| malformed())?;
        Self::new(key).ok_or_else(malformed)
    }

    /// Makes a key. The file is new, mode 0600, and on disk when this returns.
    pub fn generate(path: &Path) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let random = |reason: String| KeyError::Io { path: name.clone(), reason };
        let key = SigningKey::try_generate().map_err(|error| random(error.to_string()))?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| random(error.to_string()))?;
        create_private(path, pem.as_bytes()).map_err(|error| io(&name, &error))?;
        Self::new(key).ok_or_else(|| random("the new key has no public side".to_owned()))
    }

    /// Reads the key, or makes it on first use; `true` if it is new.
    pub fn open_or_generate(path: &Path) -> Result<(Self, bool), KeyError> {
        match Self::open(path) {
            Err(KeyError::Missing { .. }) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(|error| io(&folder.display().to_string(), &error))?;
                }
                match Self::generate(path) {
                    // Somebody else made it in the meantime.
                    Err(KeyError::Exists { .. }) => Self::open(path).map(|key| (key, false)),
                    made => made.map(|key| (key, true)),
                }
            }
            opened => opened.map(|key| (key, false)),
        }
    }

    fn new(key: SigningKey) -> Option<Self> {
        let public = PublicKey::new(*key.verifying_key())?;
        Some(Self { key, public })
    }
}

impl Signer for PemSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature: DerSignature = self
            .key
            .try_sign(message)
            .map_err(|error| KeyError::Refused { key: self.public.id().to_string(), reason: error.to_string() })?;
        Ok(signature.as_bytes().to_vec())
    }

    fn home(&self) -> &'static str {
        "file"
    }
}

/// Writes a public key beside a private one, create-only.
pub fn write_public_pem(path: &Path, key: &PublicKey) -> Result<(), KeyError> {
    let name = path.display().to_string();
    let mut file =
        std::fs::File::options().write(true).create_new(true).open(path).map_err(|error| io(&name, &error))?;
    file.write_all(key.to_pem().as_bytes()).and_then(|()| file.sync_all()).map_err(|error| io(&name, &error))
}

fn create_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn refuse_exposed(name: &str, metadata: &std::fs::Metadata) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o7777;
    let others = mode & 0o077;
    if others == 0 { Ok(()) } else { Err(KeyError::Exposed { path: name.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn refuse_exposed(_name: &str, _metadata: &std::fs::Metadata) -> Result<(), KeyError> {
    Ok(())
}

fn io(path: &str, error: &std::io::Error) -> KeyError {
    let path = path.to_owned();
    match error.kind() {
        std::io::ErrorKind::NotFound => KeyError::Missing { path },
        std::io::ErrorKind::AlreadyExists => KeyError::Exists { path },
        _ => KeyError::Io { path, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/key.pem");
        assert!(matches!(PemSigner::open(&path), Err(KeyError::Missing { .. })));
        let (made, new) = PemSigner::open_or_generate(&path).unwrap();
        assert!(new);
        let (again, new) = PemSigner::open_or_generate(&path).unwrap();
        assert!(!new);
        assert_eq!(made.public_key(), again.public_key());
        assert!(matches!(PemSigner::generate(&path), Err(KeyError::Exists { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            let error = PemSigner::open(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn signatures_verify_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let one = PemSigner::generate(&folder.path().join("one")).unwrap();
        let two = PemSigner::generate(&folder.path().join("two")).unwrap();
        let signature = one.sign(b"message").unwrap();
        assert!(one.public_key().verify(b"message", &signature));
        assert!(!one.public_key().verify(b"other", &signature));
        assert!(!two.public_key().verify(b"message", &signature));
        assert!(!one.public_key().verify(b"message", &signature[1..]));
        assert!(!one.public_key().verify(b"message", &[]));
    }

    #[test]
    fn public_keys_travel_as_pem_and_der() {
        let folder = tempfile::tempdir().unwrap();
        let signer = PemSigner::generate(&folder.path().join("key")).unwrap();
        let path = folder.path().join("public.pem");
        write_public_pem(&path, signer.public_key()).unwrap();
        assert!(write_public_pem(&path, signer.public_key()).is_err());
        assert_eq!(&PublicKey::open(&path).unwrap(), signer.public_key());
        assert_eq!(&PublicKey::from_der(signer.public_key().der(), "test").unwrap(), signer.public_key());
        std::fs::write(&path, "-----BEGIN NONSENSE-----").unwrap();
        assert!(matches!(PublicKey::open(&path), Err(KeyError::Malformed { .. })));
        assert!(matches!(PublicKey::from_der(b"x", "test"), Err(KeyError::Malformed { .. })));
        assert!(matches!(PemSigner::open(&folder.path().join("nothing")), Err(KeyError::Missing { .. })));
    }
}
