//! A timestamp token taken apart, as suspiciously as foreign bytes deserve: strict DER, bounded, nothing believed.

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfo};
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5911, rfc5912};
use der::asn1::{AnyRef, BitStringRef, ContextSpecific, OctetStringRef};
use der::{Reader as _, SliceReader, Tag, TagMode, TagNumber, Tagged as _};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use x509_cert::ext::Extensions;
use x509_cert::spki::AlgorithmIdentifierRef;
use x509_tsp::{Accuracy, MessageImprint};

use super::{MAX_TOKEN, TokenError};

/// No token carries more certificates.
const MAX_CERTIFICATES: usize = 16;

/// RFC 3161: `id-ct-TSTInfo`.
pub(super) const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// A token taken apart.
#[derive(Debug)]
pub(super) struct Token {
    /// The certificates it carries, byte for byte.
    pub(super) certificates: Vec<Vec<u8>>,
    /// The bytes of the `TSTInfo`, which are what is signed.
    pub(super) content: Vec<u8>,
    /// What they say.
    pub(super) info: Info,
    /// Who signed, and what.
    pub(super) signer: SignerInfo,
}

/// What a `TSTInfo` says.
#[derive(Debug)]
pub(super) struct Info {
    pub(super) accuracy_ms: Option<u64>,
    pub(super) nonce: Option<Vec<u8>>,
    pub(super) policy: ObjectIdentifier,
    pub(super) serial: String,
    pub(super) time: Timestamp,
    imprint: Vec<u8>,
    algorithm: ObjectIdentifier,
}

impl Token {
    /// Takes a `TimeStampResp` apart.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        if bytes.len() as u64 > MAX_TOKEN {
            return Err(TokenError::malformed(format!("it is larger than {MAX_TOKEN} bytes")));
        }
        let (status, failure, token) = answer(bytes)?;
        let Some(token) = token.filter(|_| status <= 1) else {
            return Err(TokenError::NotGranted(refusal(status, &failure)));
        };
        let data = signed_data(&token)?;
        let Some(content) = data.encap_content_info.econtent else {
            return Err(TokenError::malformed("its token has no content"));
        };
        if data.encap_content_info.econtent_type != TST_INFO {
            return Err(TokenError::malformed("its content is no timestamp"));
        }
        let content = content.decode_as::<OctetStringRef<'_>>()?.as_bytes().to_vec();
        let [signer] = data.signer_infos.0.as_slice() else {
            return Err(TokenError::malformed("it does not hold exactly one signature"));
        };
        let body = token.content.value();
        Ok(Self { certificates: certificates(body)?, info: Info::parse(&content)?, content, signer: signer.clone() })
    }

    /// Whether it stamps bytes with this SHA-256.
    pub(super) fn is_for(&self, sha256: &[u8]) -> Result<(), TokenError> {
        if self.info.algorithm == rfc5912::ID_SHA_256 && self.info.imprint == sha256 {
            Ok(())
        } else {
            Err(TokenError::OtherBytes)
        }
    }
}

/// A `TimeStampResp` (RFC 3161, section 2.4.2): the status, the bytes of `PKIFailureInfo`, and the token.
fn answer(bytes: &[u8]) -> der::Result<(u8, Vec<u8>, Option<ContentInfo>)> {
    let mut reader = SliceReader::new(bytes)?;
    let answer = reader.sequence(|reader| {
        let (status, failure) = reader.sequence(|reader| {
            let status: u8 = reader.decode()?;
            let mut failure = Vec::new();
            while !reader.is_finished() {
                let part: AnyRef<'_> = reader.decode()?;
                if part.tag() == Tag::BitString {
                    failure = part.decode_as::<BitStringRef<'_>>()?.raw_bytes().to_vec();
                }
            }
            Ok((status, failure))
        })?;
        Ok((status, failure, reader.decode()?))
    })?;
    reader.finish(answer)
}

fn signed_data(token: &ContentInfo) -> Result<SignedData, TokenError> {
    if token.content_type != rfc5911::ID_SIGNED_DATA {
        return Err(TokenError::malformed("its token is not signed data"));
    }
    Ok(token.content.decode_as()?)
}

/// The certificates as they stand there: written anew they could differ in a byte, and then in their digest.
fn certificates(signed_data: &[u8]) -> Result<Vec<Vec<u8>>, TokenError> {
    let mut reader = SliceReader::new(signed_data)?;
    // version, digestAlgorithms, encapContentInfo
    for _ in 0..3 {
        reader.tlv_bytes()?;
    }
    let mut found = Vec::new();
    if reader.peek_tag()? != (Tag::ContextSpecific { constructed: true, number: TagNumber::N0 }) {
        return Ok(found);
    }
    let set: AnyRef<'_> = reader.decode()?;
    let mut reader = SliceReader::new(set.value())?;
    while !reader.is_finished() {
        if found.len() == MAX_CERTIFICATES {
            return Err(TokenError::malformed(format!("it carries more than {MAX_CERTIFICATES} certificates")));
        }
        let certificate = reader.tlv_bytes()?;
        if certificate.first() == Some(&0x30) {
            found.push(certificate.to_vec());
        }
    }
    Ok(found)
}

impl Info {
    /// Reads a `TSTInfo` (RFC 3161, section 2.4.2). Its time may have fractions of a second.
    fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut time = String::new();
        let mut critical = false;
        let mut reader = SliceReader::new(bytes)?;
        let info = reader.sequence(|reader| {
            let version: u8 = reader.decode()?;
            if version != 1 {
                return Err(Tag::Integer.value_error());
            }
            let policy = reader.decode()?;
            let imprint: MessageImprint = reader.decode()?;
            let serial: AnyRef<'_> = reader.decode()?;
            serial.tag().assert_eq(Tag::Integer)?;
            let stamped: AnyRef<'_> = reader.decode()?;
            stamped.tag().assert_eq(Tag::GeneralizedTime)?;
            time = String::from_utf8_lossy(stamped.value()).into_owned();
            let accuracy: Option<Accuracy> = reader.decode()?;
            let _ordering: Option<bool> = reader.decode()?;
            let nonce: Option<der::asn1::Int> = reader.decode()?;
            let _authority = ContextSpecific::<AnyRef<'_>>::decode_explicit(reader, TagNumber::N0)?;
            let extensions: Option<Extensions> = reader.context_specific(TagNumber::N1, TagMode::Implicit)?;
            critical = extensions.is_some_and(|all| all.iter().any(|one| one.critical));
            Ok(Self {
                accuracy_ms: accuracy.map(|accuracy| milliseconds(&accuracy)),
                algorithm: imprint.hash_algorithm.oid,
                imprint: imprint.hashed_message.as_bytes().to_vec(),
                nonce: nonce.map(|nonce| nonce.as_bytes().to_vec()),
                policy,
                serial: hexadecimal(serial.value()),
                time: Timestamp::UNIX_EPOCH,
            })
        })?;
        let info = reader.finish(info)?;
        if critical {
            return Err(TokenError::malformed("it has a critical extension, which this program does not know"));
        }
        let time =
            moment(&time).ok_or_else(|| TokenError::malformed(format!("its time {time:?} is not one of RFC 3161")))?;
        Ok(Self { time, ..info })
    }
}

/// `YYYYMMDDhhmmss[.f…]Z`, without zeros at the end of the fraction.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) {
        return None;
    }
    let number = |from: usize, to: usize| whole[from..to].parse::<i16>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let nanoseconds = match fraction {
        None => 0,
        Some(fraction) if fraction.is_empty() || fraction.len() > 9 || !digits(fraction) => return None,
        Some(fraction) => format!("{fraction:0<9}").parse().ok()?,
    };
    let time = DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?, nanoseconds);
    TimeZone::UTC.to_timestamp(time.ok()?).ok()
}

fn milliseconds(accuracy: &Accuracy) -> u64 {
    let micros = accuracy.micros.map_or(0, |micros| u64::from(micros > 0));
    let millis = accuracy.millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or_default();
    accuracy.seconds.unwrap_or_default().saturating_mul(1000).saturating_add(millis).saturating_add(micros)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16)).collect()
}

/// Why an authority did not stamp (RFC 3161, section 2.4.2: `PKIStatus`, `PKIFailureInfo`).
fn refusal(status: u8, failure: &[u8]) -> String {
    const WHY: [(usize, &str); 8] = [
        (0, "it does not know the algorithm"),
        (2, "the request is not one it allows"),
        (5, "the request is malformed"),
        (14, "its clock is not available"),
        (15, "it does not stamp under this policy"),
        (16, "it does not know an extension"),
        (17, "it does not give additional information"),
        (25, "it failed"),
    ];
    let set = |bit: usize| failure.get(bit / 8).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0);
    let reasons: Vec<&str> = WHY.iter().filter(|(bit, _)| set(*bit)).map(|(_, reason)| *reason).collect();
    let status = match status {
        0 | 1 => "granted, without a token",
        2 => "rejected",
        3 => "it asks to wait",
        _ => "revoked, or about to be",
    };
    if reasons.is_empty() { status.to_owned() } else { format!("{status}: {}", reasons.join(", ")) }
}

/// The first certificate that an ESS attribute names: the digest's algorithm and the digest.
pub(super) fn named_certificate(attribute: &AnyRef<'_>) -> der::Result<(Option<ObjectIdentifier>, Vec<u8>)> {
    // SigningCertificate and SigningCertificateV2 begin alike: certs, then policies.
    attribute.sequence(|reader| {
        let identifiers: AnyRef<'_> = reader.decode()?;
        while !reader.is_finished() {
            reader.tlv_bytes()?;
        }
        identifiers.sequence(|reader| {
            let first: AnyRef<'_> = reader.decode()?;
            while !reader.is_finished() {
                reader.tlv_bytes()?;
            }
            first.sequence(|reader| {
                let algorithm = match reader.peek_tag()? {
                    Tag::Sequence => Some(reader.decode::<AlgorithmIdentifierRef<'_>>()?.oid),
                    _ => None,
                };
                let digest: OctetStringRef<'_> = reader.decode()?;
                while !reader.is_finished() {
                    reader.tlv_bytes()?;
                }
                Ok((algorithm, digest.as_bytes().to_vec()))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions() {
        for (text, expected) in [
            ("20261125094500Z", Some("2026-11-25T09:45:00Z")),
            ("20261125094500.5Z", Some("2026-11-25T09:45:00.5Z")),
            ("20261125094500.123456789Z", Some("2026-11-25T09:45:00.123456789Z")),
            ("20261125094500", None),
            ("20261125094500.Z", None),
            ("20261125094500.1234567890Z", None),
            ("20261325094500Z", None),
            ("2026112509450Z", None),
            ("202611250945-1Z", None),
            ("20261125094500+0100", None),
        ] {
            assert_eq!(moment(text).map(|moment| moment.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn refusals_say_why() {
        assert_eq!(refusal(2, &[0, 1]), "rejected: it does not stamp under this policy");
        assert_eq!(refusal(3, &[]), "it asks to wait");
    }
}
