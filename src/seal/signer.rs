//! Keys: who signs, and whose signatures are believed.

mod pem;
mod public;

pub use pem::{Passphrase, PemSigner, write_public_pem};
pub use public::{PublicKey, PublicKeys, Validity};

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

    /// The key as the config names it, for messages. Never a secret.
    fn name(&self) -> String {
        self.public_key().id().to_string()
    }
}

fn io(path: &str, error: &std::io::Error) -> KeyError {
    let path = path.to_owned();
    match error.kind() {
        std::io::ErrorKind::NotFound => KeyError::Missing { path },
        std::io::ErrorKind::AlreadyExists => KeyError::Exists { path },
        _ => KeyError::Io { path, reason: error.to_string() },
    }
}
