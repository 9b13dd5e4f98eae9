//! What can be wrong with a timestamp token.

/// A timestamp token that is not to be believed, or a request that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token at all.
    #[error("it is not an RFC 3161 answer: {0}")]
    Malformed(String),
    /// The authority answered, and did not stamp.
    #[error("the authority did not stamp: {0}")]
    NotGranted(String),
    /// It stamps something else.
    #[error("it stamps other bytes than the signature of this run")]
    OtherBytes,
    /// It answers another request.
    #[error("its nonce is not the one that was asked for: it answers another request")]
    OtherNonce,
    /// It was stamped under another policy.
    #[error("it was stamped under the policy {found}, and not under {wanted}")]
    OtherPolicy {
        /// The policy in the token.
        found: String,
        /// The policy that was asked for.
        wanted: String,
    },
    /// Its signature, or what binds it to a certificate, is not right.
    #[error("its signature is not right: {0}")]
    BadSignature(String),
    /// The certificate that signed it is not one of a time-stamp authority.
    #[error("the certificate of {name} may not stamp: {what}")]
    NotAnAuthority {
        /// The name in the certificate.
        name: String,
        /// What is missing.
        what: String,
    },
    /// The certificate does not lead to a trusted one.
    #[error("the certificate of {name} does not lead to a trusted authority: {what}")]
    Untrusted {
        /// The name in the certificate.
        name: String,
        /// Why not.
        what: String,
    },
    /// Trusted certificates that cannot be used.
    #[error("{path} holds no certificates of authorities: {what}; expected a PEM file with one or more of them")]
    Anchors {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// A policy that is none.
    #[error("{0:?} is not a policy: expected an object identifier such as 1.2.3.4.1")]
    Policy(String),
}

impl TokenError {
    pub(super) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }
}

impl From<der::Error> for TokenError {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}
