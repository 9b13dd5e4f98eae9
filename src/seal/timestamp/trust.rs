//! Whether a token is to be believed: its signature, the certificate that made it, and the way to one that is trusted.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest as hash;
use cms::signed_data::SignerIdentifier;
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5280, rfc5911, rfc5912};
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode as _, Encode as _};
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage as Usage, anchor_from_trusted_cert, aws_lc_rs as algorithms,
};
use x509_cert::Certificate;
use x509_cert::attr::Attributes;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier};

use super::token::{TST_INFO, Token, named_certificate};
use super::{Stamp, TokenError};

/// Certificates of authorities that the caller trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors(Vec<Anchor>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Anchor {
    trusted: TrustAnchor<'static>,
    from: Timestamp,
    until: Timestamp,
}

impl Anchors {
    /// Reads PEM; `path` is for messages.
    pub fn from_pem(pem: &str, path: &str) -> Result<Self, TokenError> {
        let wrong = |what: &str| TokenError::Anchors { path: path.to_owned(), what: what.to_owned() };
        let mut anchors = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(&error.to_string()))?;
            let trusted = anchor_from_trusted_cert(&certificate).map_err(|error| wrong(&error.to_string()))?.to_owned();
            let parsed = Certificate::from_der(&certificate).map_err(|error| wrong(&error.to_string()))?;
            let validity = parsed.tbs_certificate.validity;
            let moment = |time: x509_cert::time::Time| timestamp(time.to_unix_duration());
            let (from, until) = (moment(validity.not_before), moment(validity.not_after));
            let (from, until) = from.zip(until).ok_or_else(|| wrong("a validity is out of range"))?;
            anchors.push(Anchor { trusted, from, until });
        }
        if anchors.is_empty() { Err(wrong("there is none in it")) } else { Ok(Self(anchors)) }
    }

    /// Reads a PEM file.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let name = path.display().to_string();
        let pem = std::fs::read_to_string(path)
            .map_err(|error| TokenError::Anchors { path: name.clone(), what: error.to_string() })?;
        Self::from_pem(&pem, &name)
    }

    /// Those that are valid at a moment.
    fn at(&self, time: Timestamp) -> Vec<TrustAnchor<'_>> {
        let valid = |anchor: &&Anchor| anchor.from <= time && time <= anchor.until;
        self.0.iter().filter(valid).map(|anchor| anchor.trusted.clone()).collect()
    }
}

/// Checks everything about a token but what it stamps.
pub(super) fn check(token: &Token, anchors: Option<&Anchors>) -> Result<Stamp, TokenError> {
    let (der, certificate) = signer(token)?;
    let name = certificate.tbs_certificate.subject.to_string();
    signature(token, der)?;
    may_stamp(&certificate).map_err(|what| TokenError::NotAnAuthority { name: name.clone(), what })?;
    if let Some(anchors) = anchors {
        trusted(token, der, anchors).map_err(|what| TokenError::Untrusted { name: name.clone(), what })?;
    }
    Ok(Stamp {
        accuracy_ms: token.info.accuracy_ms,
        authority: name,
        policy: token.info.policy.to_string(),
        serial: token.info.serial.clone(),
        time: token.info.time,
    })
}

/// The certificate that the signer names, among those of the token.
fn signer(token: &Token) -> Result<(&[u8], Certificate), TokenError> {
    for der in &token.certificates {
        let Ok(certificate) = Certificate::from_der(der) else { continue };
        let tbs = &certificate.tbs_certificate;
        let named = match &token.signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(of) => {
                of.issuer == tbs.issuer && of.serial_number == tbs.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(of) => {
                matches!(tbs.get::<SubjectKeyIdentifier>(), Ok(Some((_, id))) if id == *of)
            }
        };
        if named {
            return Ok((der, certificate));
        }
    }
    Err(TokenError::BadSignature("it does not carry the certificate that signed it".to_owned()))
}

/// The signed attributes are about the content and the certificate, and the certificate's key signed them.
fn signature(token: &Token, der: &[u8]) -> Result<(), TokenError> {
    let bad = |what: &str| TokenError::BadSignature(what.to_owned());
    let signer = &token.signer;
    let attributes = signer.signed_attrs.as_ref().ok_or_else(|| bad("it signs no attributes"))?;
    let content_type: ObjectIdentifier = only(attributes, rfc5911::ID_CONTENT_TYPE)
        .and_then(|value| value.decode_as().ok())
        .ok_or_else(|| bad("it has no content type"))?;
    if content_type != TST_INFO {
        return Err(bad("its attributes are about another type of content"));
    }
    let algorithm = hash_algorithm(&signer.digest_alg.oid).ok_or_else(|| bad("its digest is not one of SHA-2"))?;
    let digest: OctetStringRef<'_> = only(attributes, rfc5911::ID_MESSAGE_DIGEST)
        .and_then(|value| value.decode_as().ok())
        .ok_or_else(|| bad("it has no message digest"))?;
    if hash::digest(algorithm, &token.content).as_ref() != digest.as_bytes() {
        return Err(bad("its content was changed"));
    }
    names_certificate(attributes, der)?;
    // RFC 5652, section 5.4: what is signed is the DER of the attributes as a plain set.
    let message = attributes.to_der()?;
    let certificate = CertificateDer::from(der);
    let entity = EndEntityCert::try_from(&certificate).map_err(|error| bad(&error.to_string()))?;
    let verifies = |algorithm: &&dyn SignatureVerificationAlgorithm| {
        entity.verify_signature(*algorithm, &message, signer.signature.as_bytes()).is_ok()
    };
    let identifier = signer.signature_algorithm.to_der()?;
    if candidates(signer.signature_algorithm.oid, &identifier, signer.digest_alg.oid).iter().any(verifies) {
        Ok(())
    } else {
        Err(bad("the key of its certificate did not sign it, or not with RSA, ECDSA or Ed25519 and SHA-2"))
    }
}

/// RFC 3161, section 2.4.1, RFC 5816: a signed attribute names the certificate, so that no other can stand in for it.
fn names_certificate(attributes: &Attributes, der: &[u8]) -> Result<(), TokenError> {
    let v2 = only(attributes, SIGNING_CERTIFICATE_V2).map(|value| (value, rfc5912::ID_SHA_256));
    let named = v2.or_else(|| only(attributes, SIGNING_CERTIFICATE).map(|value| (value, rfc5912::ID_SHA_1)));
    let bad = |what: &str| TokenError::BadSignature(what.to_owned());
    let (value, default) = named.ok_or_else(|| bad("it does not sign the name of its certificate"))?;
    let (algorithm, digest) = named_certificate(&value)?;
    let oid = algorithm.unwrap_or(default);
    let algorithm = if oid == rfc5912::ID_SHA_1 && default == oid {
        // The first version of the attribute knows no other. It binds; it does not sign.
        Some(&hash::SHA1_FOR_LEGACY_USE_ONLY)
    } else {
        hash_algorithm(&oid)
    };
    let algorithm = algorithm.ok_or_else(|| bad("it names its certificate with an unknown digest"))?;
    if hash::digest(algorithm, der).as_ref() == digest { Ok(()) } else { Err(bad("it names another certificate")) }
}

/// RFC 3161, section 2.3: the certificate is for time-stamping, for nothing else, and says so critically.
fn may_stamp(certificate: &Certificate) -> Result<(), String> {
    let tbs = &certificate.tbs_certificate;
    match tbs.get::<ExtendedKeyUsage>() {
        Ok(Some((true, usage))) if usage.0 == [rfc5280::ID_KP_TIME_STAMPING] => {}
        Ok(Some((true, _))) => return Err("its extended key usage is not time-stamping alone".to_owned()),
        Ok(Some((false, _))) => return Err("its extended key usage is not critical".to_owned()),
        Ok(None) => return Err("it has no extended key usage".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    match tbs.get::<KeyUsage>() {
        Ok(Some((_, usage))) if !usage.digital_signature() && !usage.non_repudiation() => {
            Err("its key usage does not allow signatures".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The certificate leads to an anchor, by the certificates in the token, all valid at the stamped time (RFC 5280).
fn trusted(token: &Token, der: &[u8], anchors: &Anchors) -> Result<(), String> {
    let anchors = anchors.at(token.info.time);
    if anchors.is_empty() {
        return Err(format!("none of the trusted certificates is valid at {}", token.info.time));
    }
    let others: Vec<CertificateDer<'_>> =
        token.certificates.iter().filter(|other| other.as_slice() != der).map(|der| der.as_slice().into()).collect();
    let certificate = CertificateDer::from(der);
    let entity = EndEntityCert::try_from(&certificate).map_err(|error| error.to_string())?;
    let seconds = u64::try_from(token.info.time.as_second()).map_err(|_| "it was stamped before 1970".to_owned())?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    // Of the certificate itself more was demanded already; those above it may leave the usage open.
    let usage = Usage::required_if_present(TIME_STAMPING);
    entity
        .verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &others, time, usage, None, None)
        .map(|_| ())
        .map_err(|error| format!("{error} (at {})", token.info.time))
}

/// The only value of an attribute that stands there once.
fn only(attributes: &Attributes, oid: ObjectIdentifier) -> Option<AnyRef<'_>> {
    let mut of_type = attributes.iter().filter(|attribute| attribute.oid == oid);
    let (Some(attribute), None) = (of_type.next(), of_type.next()) else { return None };
    let [value] = attribute.values.as_slice() else { return None };
    Some(AnyRef::from(value))
}

/// SHA-2, by its identifier.
fn hash_algorithm(oid: &ObjectIdentifier) -> Option<&'static hash::Algorithm> {
    match *oid {
        rfc5912::ID_SHA_256 => Some(&hash::SHA256),
        rfc5912::ID_SHA_384 => Some(&hash::SHA384),
        rfc5912::ID_SHA_512 => Some(&hash::SHA512),
        _ => None,
    }
}

/// The algorithms that a signature may have been made with. CMS lets a signer say only `rsaEncryption`.
fn candidates(
    oid: ObjectIdentifier,
    identifier: &[u8],
    digest: ObjectIdentifier,
) -> Vec<&'static dyn SignatureVerificationAlgorithm> {
    if oid == rfc5912::RSA_ENCRYPTION {
        return match digest {
            rfc5912::ID_SHA_256 => vec![algorithms::RSA_PKCS1_2048_8192_SHA256],
            rfc5912::ID_SHA_384 => vec![algorithms::RSA_PKCS1_2048_8192_SHA384],
            rfc5912::ID_SHA_512 => vec![algorithms::RSA_PKCS1_2048_8192_SHA512],
            _ => Vec::new(),
        };
    }
    let is =
        |algorithm: &&&dyn SignatureVerificationAlgorithm| identifier.ends_with(algorithm.signature_alg_id().as_ref());
    ALL_VERIFICATION_ALGS.iter().filter(is).copied().collect()
}

fn timestamp(since_1970: Duration) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(since_1970.as_secs()).ok()?).ok()
}

/// RFC 5035: `id-aa-signingCertificate`.
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
/// RFC 5035: `id-aa-signingCertificateV2`.
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// RFC 3161: `id-kp-timeStamping` (1.3.6.1.5.5.7.3.8), as webpki wants it.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
