//! Google Cloud KMS: no emulator serves it, so that a small server answers as the REST reference says.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidenced_keys::{KeyUri, Settings, open};
use evidenced_model::Digest;
use evidenced_seal::{KeyError, PemSigner, Signer};
use serde_json::{Value, json};

use crate::server::Server;

const NAME: &str = "projects/example/locations/europe/keyRings/evidence/cryptoKeys/evidence/cryptoKeyVersions/1";
const MESSAGE: &[u8] = b"a message";

/// A server with one key; `bend` changes its answers.
fn kms(bend: fn(&mut u16, &mut Value)) -> (Server, Arc<PemSigner>) {
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(PemSigner::generate(&folder.path().join("key.pem")).unwrap());
    let signer = Arc::clone(&key);
    let server = Server::start(move |(asked, body)| {
        let mut status = 200;
        let mut answer = if asked.starts_with("POST ") {
            let body: Value = serde_json::from_slice(body).unwrap();
            let digest = STANDARD.decode(body["digest"]["sha256"].as_str().unwrap()).unwrap();
            assert_eq!(digest, Digest::of(MESSAGE).as_bytes());
            assert!(body["digestCrc32c"].is_string() || body["digestCrc32c"].is_number(), "{body}");
            let signature = STANDARD.encode(signer.sign(MESSAGE).unwrap());
            json!({"name": NAME, "signature": signature, "verifiedDigestCrc32c": true})
        } else {
            let pem = signer.public_key().to_pem();
            json!({"name": NAME, "pem": pem, "algorithm": "EC_SIGN_P256_SHA256", "protectionLevel": "HSM"})
        };
        bend(&mut status, &mut answer);
        (status, "application/json", answer.to_string().into_bytes())
    });
    (server, key)
}

fn opened(server: &Server) -> Result<Arc<dyn Signer>, KeyError> {
    let uri = KeyUri::parse(&format!("gcpkms:{NAME}?endpoint_url={}", server.url())).unwrap();
    open(&uri, &Settings::default())
}

#[test]
fn a_key_version_signs() {
    let (server, key) = kms(|_, _| ());
    let signer = opened(&server).unwrap();
    assert_eq!((signer.public_key(), signer.home()), (key.public_key(), "Google Cloud KMS"));
    assert!(key.public_key().verify(MESSAGE, &signer.sign(MESSAGE).unwrap()));
    let seen: Vec<String> = server.seen().into_iter().map(|(asked, _)| asked).collect();
    assert!(seen[0].starts_with(&format!("GET /v1/{NAME}/publicKey")), "{seen:?}");
    assert!(seen[1].starts_with(&format!("POST /v1/{NAME}:asymmetricSign")), "{seen:?}");
}

#[test]
fn what_is_not_the_key_or_was_damaged_is_refused() {
    type Spoil = fn(&mut u16, &mut Value);
    let cases: [(Spoil, &str, bool); 5] = [
        (|_, answer| answer["algorithm"] = json!("RSA_SIGN_PSS_2048_SHA256"), "expected EC_SIGN_P256_SHA256", false),
        (|_, answer| answer["name"] = json!("projects/other"), "another key", true),
        (|_, answer| answer["pemCrc32c"] = json!("1"), "damaged", true),
        (|_, answer| answer["pem"] = json!("-----BEGIN PUBLIC KEY-----"), "P-256", false),
        (
            |status, answer| {
                *status = 403;
                *answer = json!({"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}});
            },
            "GetPublicKey",
            false,
        ),
    ];
    for (bend, word, away) in cases {
        let Err(error) = opened(&kms(bend).0) else { panic!("{word}: opened") };
        assert_eq!(matches!(error, KeyError::Away { .. }), away, "{error:?}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    // A signature that was damaged on the way.
    let (server, _) = kms(|_, answer| {
        if answer["signature"].is_string() {
            answer["signatureCrc32c"] = json!("1");
        }
    });
    let error = opened(&server).unwrap().sign(MESSAGE).unwrap_err();
    assert!(matches!(error, KeyError::Away { .. }), "{error:?}");
    // Nobody there.
    let uri = KeyUri::parse(&format!("gcpkms:{NAME}?endpoint_url=http://127.0.0.1:1")).unwrap();
    let Err(error) = open(&uri, &Settings::default()) else { panic!("opened") };
    assert!(matches!(error, KeyError::Away { .. }), "{error:?}");
}

#[test]
fn a_known_key_opens_while_its_service_is_away() {
    static AWAY: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);
    let (server, key) = kms(|status, _| {
        if AWAY.load(std::sync::atomic::Ordering::SeqCst) {
            *status = 503;
        }
    });
    let uri = KeyUri::parse(&format!("gcpkms:{NAME}?endpoint_url={}", server.url())).unwrap();
    let settings = |known| Settings { known: Some(known), ..Settings::default() };
    let signer = open(&uri, &settings(key.public_key().clone())).unwrap();
    let (_, other) = kms(|_, _| ());
    let stale = open(&uri, &settings(other.public_key().clone())).unwrap();
    assert!(matches!(signer.sign(MESSAGE), Err(KeyError::Away { .. })));
    AWAY.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(key.public_key().verify(MESSAGE, &signer.sign(MESSAGE).unwrap()));
    let error = stale.sign(MESSAGE).unwrap_err();
    assert!(error.to_string().contains("evidenced keys rotate"), "{error}");
}
