//! P-256 as key services write it, and as everybody else does.

/// A signature `r || s` (RFC 7518, section 3.4) in ASN.1 DER; `None` if it is not 64 bytes long.
pub(crate) fn signature_der(raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = (raw.get(..32)?, raw.get(32..).filter(|s| s.len() == 32)?);
    let body = [integer(r), integer(s)].concat();
    Some([&[0x30, u8::try_from(body.len()).ok()?], body.as_slice()].concat())
}

/// A point (RFC 7518, section 6.2.1) as `SubjectPublicKeyInfo`; `None` if a coordinate is not 32 bytes long.
pub(crate) fn public_der(x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    // SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { uncompressed point } } (RFC 5480).
    const HEAD: [u8; 27] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    (x.len() == 32 && y.len() == 32).then(|| [&HEAD, x, y].concat())
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    let mut value = bytes[first..].to_vec();
    if value[0] & 0x80 != 0 {
        value.insert(0, 0);
    }
    // At most 33 bytes.
    [vec![2, u8::try_from(value.len()).unwrap_or_default()], value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_short_and_positive() {
        let mut raw = [0; 64];
        raw[31] = 5;
        raw[32] = 0x80;
        let der = signature_der(&raw).unwrap();
        assert_eq!(der[..7], [0x30, 38, 2, 1, 5, 2, 33]);
        assert_eq!((der[7], der[8], der.len()), (0, 0x80, 40));
        assert_eq!(signature_der(&raw[1..]), None);
        assert_eq!(signature_der(&[&raw[..], &[0]].concat()), None);
        assert_eq!(public_der(&raw[..31], &raw[..32]), None);
    }
}
