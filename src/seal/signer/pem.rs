//! A key in a file: PKCS#8 in PEM, plain or encrypted, kept to its owner.

use std::io::Write as _;
use std::path::Path;

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::LineEnding;
use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};

use super::{PublicKey, Signer, io};
use crate::KeyError;

/// How the PEM of an encrypted key begins.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// What decrypts a key. It is in no log and no error.
pub struct Passphrase(String);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl Passphrase {
    /// The first line of a file that only its owner can read.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let text = read_private(path)?;
        match text.lines().next().filter(|line| !line.is_empty()) {
            Some(line) => Ok(Self(line.to_owned())),
            None => Err(KeyError::Malformed {
                path: path.display().to_string(),
                what: "a file whose first line is a passphrase",
            }),
        }
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
        Self::open_with(path, None)
    }

    /// Reads the key; one that is encrypted (PBES2) needs its passphrase, and one that is not needs none.
    pub fn open_with(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let pem = read_private(path)?;
        let malformed = || KeyError::Malformed { path: name.clone(), what: "a P-256 private key in PKCS#8 PEM" };
        let key = match (pem.contains(ENCRYPTED), passphrase) {
            (false, _) => SigningKey::from_pkcs8_pem(&pem).map_err(|_| malformed())?,
            (true, None) => return Err(KeyError::Encrypted { path: name }),
            (true, Some(passphrase)) => SigningKey::from_pkcs8_encrypted_pem(&pem, passphrase.0.as_bytes())
                .map_err(|_| KeyError::Passphrase { path: name.clone() })?,
        };
        Self::new(key).ok_or_else(malformed)
    }

    /// Makes a key. The file is new, mode 0600, and on disk when this returns.
    pub fn generate(path: &Path) -> Result<Self, KeyError> {
        Self::generate_with(path, None)
    }

    /// Makes a key; with a passphrase, its file is encrypted (PBES2: scrypt and AES-256).
    pub fn generate_with(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let random = |reason: String| KeyError::Io { path: name.clone(), reason };
        let key = SigningKey::try_generate().map_err(|error| random(error.to_string()))?;
        let pem = match passphrase {
            None => key.to_pkcs8_pem(LineEnding::LF),
            Some(passphrase) => key.to_pkcs8_encrypted_pem(passphrase.0.as_bytes(), LineEnding::LF),
        };
        let pem = pem.map_err(|error| random(error.to_string()))?;
        create_private(path, pem.as_bytes()).map_err(|error| io(&name, &error))?;
        Self::new(key).ok_or_else(|| random("the new key has no public side".to_owned()))
    }

    /// Reads the key, or makes it on first use; `true` if it is new.
    pub fn open_or_generate(path: &Path) -> Result<(Self, bool), KeyError> {
        Self::open_or_generate_with(path, None)
    }

    /// The same, with a passphrase for a key that is or shall be encrypted.
    pub fn open_or_generate_with(path: &Path, passphrase: Option<&Passphrase>) -> Result<(Self, bool), KeyError> {
        match Self::open_with(path, passphrase) {
            Err(KeyError::Missing { .. }) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(|error| io(&folder.display().to_string(), &error))?;
                }
                match Self::generate_with(path, passphrase) {
                    // Somebody else made it in the meantime.
                    Err(KeyError::Exists { .. }) => Self::open_with(path, passphrase).map(|key| (key, false)),
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

/// Reads a file that must not be readable by others.
fn read_private(path: &Path) -> Result<String, KeyError> {
    let name = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|error| io(&name, &error))?;
    refuse_exposed(&name, &metadata)?;
    std::fs::read_to_string(path).map_err(|error| io(&name, &error))
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

    #[cfg(unix)]
    #[test]
    fn an_encrypted_key_needs_its_passphrase() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let [path, right, wrong] = ["key.pem", "right", "wrong"].map(|name| folder.path().join(name));
        for (file, text) in [(&right, "correct horse\n"), (&wrong, "battery staple\nmore\n")] {
            std::fs::write(file, text).unwrap();
            assert!(matches!(Passphrase::open(file), Err(KeyError::Exposed { .. })));
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let [right, wrong] = [right, wrong].map(|file| Passphrase::open(&file).unwrap());
        let made = PemSigner::generate_with(&path, Some(&right)).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(ENCRYPTED));
        let opened = PemSigner::open_with(&path, Some(&right)).unwrap();
        assert_eq!(made.public_key(), opened.public_key());
        assert!(matches!(PemSigner::open(&path), Err(KeyError::Encrypted { .. })));
        let error = PemSigner::open_with(&path, Some(&wrong)).unwrap_err();
        assert!(matches!(error, KeyError::Passphrase { .. }));
        for secret in ["correct", "battery"] {
            assert!(!format!("{error} {error:?} {right:?} {wrong:?}").contains(secret));
        }
        // What openssl encrypted is opened, and what is not encrypted needs no passphrase.
        let plain = folder.path().join("plain.pem");
        let key = PemSigner::generate(&plain).unwrap();
        let encrypted = folder.path().join("openssl.pem");
        let status = std::process::Command::new("openssl")
            .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:correct horse", "-in"])
            .arg(&plain)
            .arg("-out")
            .arg(&encrypted)
            .status();
        assert!(status.unwrap().success());
        std::fs::set_permissions(&encrypted, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(PemSigner::open_with(&encrypted, Some(&right)).unwrap().public_key(), key.public_key());
        assert_eq!(PemSigner::open_with(&plain, Some(&right)).unwrap().public_key(), key.public_key());
        std::fs::set_permissions(&encrypted, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(PemSigner::open_with(&encrypted, Some(&right)), Err(KeyError::Exposed { .. })));
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
