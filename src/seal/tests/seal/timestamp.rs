//! Timestamp tokens: openssl's are accepted, ours are accepted by openssl, and nothing else is accepted by us.

use evidenced_seal::timestamp::{Anchors, Query, Stamp, TokenError, check};

use crate::authority::{Authority, P256, P384, RSA, SIGNS, SMALL_RSA, STAMPS, content, granted};

const SIGNATURE: &[u8] = b"the bytes of a signature";

fn query() -> Query {
    Query::new(SIGNATURE, 0x0123_4567_89ab_cdef, None).unwrap()
}

#[track_caller]
fn refused(result: Result<Stamp, TokenError>, word: &str) {
    let error = result.expect_err(word).to_string();
    assert!(error.contains(word), "{word:?} is not in: {error}");
}

#[test]
fn tokens_of_openssl_are_accepted_and_openssl_agrees() {
    for (kind, digest) in [(P256, "sha256"), (P384, "sha384"), (RSA, "sha256"), (RSA, "sha512")] {
        let authority = Authority::new(kind);
        let query = query();
        let answer = authority.answer_with(&query, digest);
        assert!(authority.openssl_accepts(&answer, &query));
        let stamp = query.accept(&answer, Some(&authority.anchors())).unwrap();
        assert_eq!(check(&answer, SIGNATURE, Some(&authority.anchors())), Ok(stamp.clone()));
        assert_eq!(check(&answer, SIGNATURE, None), Ok(stamp.clone()), "without anchors nothing else changes");
        assert_eq!((stamp.policy.as_str(), stamp.accuracy_ms), ("1.2.3.4.1", Some(1500)));
        assert!(stamp.authority.contains("tsa"), "{}", stamp.authority);
    }
}

#[test]
fn a_chain_is_kept_in_the_token_and_followed() {
    let authority = Authority::new(P256);
    authority.certificate("middle", RSA, "ca", SIGNS);
    authority.certificate("tsa", P384, "middle", STAMPS);
    let lonely = authority.answer(&query());
    refused(check(&lonely, SIGNATURE, Some(&authority.anchors())), "UnknownIssuer");
    authority.chain(&["ca", "middle"]);
    let answer = authority.answer(&query());
    assert!(authority.openssl_accepts(&answer, &query()));
    check(&answer, SIGNATURE, Some(&authority.anchors())).unwrap();
    // One that may not sign others.
    authority.certificate("middle", P256, "ca", "basicConstraints=critical,CA:FALSE");
    authority.certificate("tsa", P384, "middle", STAMPS);
    authority.chain(&["middle"]);
    let answer = authority.answer(&query());
    refused(check(&answer, SIGNATURE, Some(&authority.anchors())), "does not lead to a trusted authority");
}

#[test]
fn an_answer_answers_its_request() {
    let authority = Authority::new(P256);
    let anchors = authority.anchors();
    let policy = |policy| Query::new(SIGNATURE, 7, Some(policy)).unwrap();
    let answer = authority.answer(&policy("1.2.3.4.2"));
    assert_eq!(policy("1.2.3.4.2").accept(&answer, Some(&anchors)).unwrap().policy, "1.2.3.4.2");
    refused(policy("1.2.3.4.1").accept(&answer, Some(&anchors)), "under the policy 1.2.3.4.2, and not under 1.2.3.4.1");
    refused(Query::new(SIGNATURE, 8, None).unwrap().accept(&answer, Some(&anchors)), "nonce");
    refused(Query::new(b"other", 7, None).unwrap().accept(&answer, Some(&anchors)), "other bytes");
    refused(check(&answer, b"other", Some(&anchors)), "other bytes");
    refused(policy("1.2.3.9").accept(&authority.answer(&policy("1.2.3.9")), None), "does not stamp under this policy");
    assert!(matches!(Query::new(SIGNATURE, 7, Some("policy")), Err(TokenError::Policy(_))));
}

#[test]
fn other_authorities_are_not_trusted() {
    let (ours, theirs) = (Authority::new(P256), Authority::new(P256));
    let answer = theirs.answer(&query());
    refused(check(&answer, SIGNATURE, Some(&ours.anchors())), "does not lead to a trusted authority");
    assert!(!ours.openssl_accepts(&answer, &query()));
    check(&answer, SIGNATURE, Some(&theirs.anchors())).unwrap();
}

#[test]
fn only_certificates_for_stamping_stamp() {
    let authority = Authority::new(P256);
    let anchors = authority.anchors();
    let content = moved(&authority, 1);
    let by = |extensions: &str| {
        authority.certificate("other", P256, "ca", extensions);
        check(&authority.forge(&content, "other", &["-cades"]), SIGNATURE, Some(&anchors))
    };
    by(STAMPS).unwrap();
    by("extendedKeyUsage=critical,timeStamping").unwrap();
    refused(by("extendedKeyUsage=timeStamping"), "not critical");
    refused(by("extendedKeyUsage=critical,timeStamping,codeSigning"), "time-stamping alone");
    refused(by("extendedKeyUsage=critical,codeSigning"), "time-stamping alone");
    refused(by("keyUsage=critical,digitalSignature"), "no extended key usage");
    refused(by("extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,keyAgreement"), "does not allow signatures");
    let critical = "extendedKeyUsage=critical,timeStamping\n1.2.3.4=critical,ASN1:NULL";
    refused(by(critical), "Extension");
}

#[test]
fn every_way_to_sign_that_is_sound_is_taken() {
    let authority = Authority::new(P256);
    let anchors = authority.anchors();
    let content = moved(&authority, 1);
    authority.certificate("rsa", RSA, "ca", STAMPS);
    let signed =
        |signer: &str, options: &[&str]| check(&authority.forge(&content, signer, options), SIGNATURE, Some(&anchors));
    signed("rsa", &["-cades"]).unwrap();
    signed("rsa", &["-cades", "-keyid"]).unwrap();
    let pss = ["-cades", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest"];
    signed("rsa", &pss).unwrap();
    signed("rsa", &["-cades", "-md", "sha384"]).unwrap();
    refused(signed("rsa", &["-cades", "-md", "sha1"]), "SHA-2");
    refused(signed("rsa", &[]), "does not sign the name of its certificate");
    refused(signed("rsa", &["-noattr"]), "signs no attributes");
    refused(signed("rsa", &["-cades", "-nocerts"]), "does not carry the certificate");
    authority.certificate("small", SMALL_RSA, "ca", STAMPS);
    refused(signed("small", &["-cades"]), "its signature is not right");
    refused(signed("rsa", &["-cades", "-econtent_type", "1.2.840.113549.1.7.1"]), "no timestamp");
}

#[test]
fn certificates_are_valid_at_the_stamped_time() {
    let authority = Authority::new(P256);
    for years in [-76, -27, 30] {
        let forged = authority.forge(&moved(&authority, years), "tsa", &["-cades"]);
        refused(check(&forged, SIGNATURE, Some(&authority.anchors())), "none of the trusted");
        check(&forged, SIGNATURE, None).unwrap();
    }
    // The root goes on; the authority's own certificate does not.
    authority.extend("ca", "7300");
    let forged = authority.forge(&moved(&authority, 15), "tsa", &["-cades"]);
    refused(check(&forged, SIGNATURE, Some(&authority.anchors())), "Expired");
}

/// The content of a token, stamped so many years from now.
fn moved(authority: &Authority, years: i32) -> Vec<u8> {
    let mut content = content(&authority.answer(&query()));
    // Zeros at the end of a fraction are left out.
    let at = content.windows(2).position(|window| window[0] == 0x18 && window[1] >= 15).unwrap() + 2;
    let year: i32 = std::str::from_utf8(&content[at..at + 4]).unwrap().parse().unwrap();
    content[at..at + 4].copy_from_slice((year + years).to_string().as_bytes());
    content
}

#[test]
fn a_content_is_read_strictly() {
    let authority = Authority::new(P256);
    let stamped = content(&authority.answer(&query()));
    let forged = |content: &[u8]| check(&authority.forge(content, "tsa", &["-cades"]), SIGNATURE, None);
    forged(&stamped).unwrap();
    let mut version = stamped.clone();
    let at = version.windows(3).position(|window| window == [2, 1, 1]).unwrap() + 2;
    version[at] = 2;
    refused(forged(&version), "not an RFC 3161 answer");
    let mut trailing = stamped.clone();
    trailing.push(0);
    refused(forged(&trailing), "not an RFC 3161 answer");
    refused(forged(b""), "not an RFC 3161 answer");
}

#[test]
fn no_changed_byte_is_believed() {
    let authority = Authority::new(P256);
    let anchors = authority.anchors();
    let answer = authority.answer(&query());
    let stamp = check(&answer, SIGNATURE, Some(&anchors)).unwrap();
    let mut refused = 0;
    for at in 0..answer.len() {
        for bit in [0, 3, 7] {
            let mut changed = answer.clone();
            changed[at] ^= 1 << bit;
            match check(&changed, SIGNATURE, Some(&anchors)) {
                // What nobody signed, such as the status, may change; what the token says may not.
                Ok(same) => assert_eq!(same, stamp, "byte {at}, bit {bit}"),
                Err(_) => refused += 1,
            }
        }
        assert!(check(&answer[..at], SIGNATURE, Some(&anchors)).is_err(), "cut at {at}");
    }
    // The trusted certificate travels in it as well, and is not looked at.
    let all = answer.len() * 3;
    assert!(refused * 100 >= all * 75, "only {refused} of {all} changes were noticed");
    let mut longer = answer;
    longer.push(0);
    assert!(check(&longer, SIGNATURE, Some(&anchors)).is_err());
}

#[test]
fn what_is_no_token_is_refused() {
    refused(check(b"", SIGNATURE, None), "not an RFC 3161 answer");
    refused(check(b"<html>busy</html>", SIGNATURE, None), "not an RFC 3161 answer");
    refused(check(&vec![0x30; 70_000], SIGNATURE, None), "larger than");
    refused(check(&granted(&[0x30, 0]), SIGNATURE, None), "not an RFC 3161 answer");
    refused(check(&granted(&[]), SIGNATURE, None), "granted, without a token");
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "nothing", pem] {
        assert!(matches!(Anchors::from_pem(text, "ca.pem"), Err(TokenError::Anchors { .. })), "{text}");
    }
}
