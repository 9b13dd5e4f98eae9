//! Keys that live in a key service, and authorities that stamp the time: what signs and stamps from outside.
//!
//! - [`open`] opens the key of the config, wherever it lives, as an [`evidenced_seal::Signer`]. Signing is a plain call:
//!   each key service is driven by a thread of its own.
//! - [`KeyUri`] says what a `seal.key` means, without calling anybody.
//! - [`timestamp::Authorities`] asks RFC 3161 authorities, one after another, until one has stamped.
//!
//! Every key is P-256, and every signature is checked with the public key before anybody sees it (`evidenced_seal::dsse`).

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(any(feature = "azure", test))]
mod ecdsa;
#[cfg(feature = "gcp")]
mod gcp;
mod open;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
mod remote;
pub mod timestamp;
mod uri;

pub use open::{AzureClient, Settings, open};
pub use uri::{KeyUri, UriError};
