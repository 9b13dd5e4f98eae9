//! A vault that answers as the REST API reference says; no emulator serves Key Vault's keys.

use std::sync::Mutex;

use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, StatusCode, Transport};
use azure_core::time::OffsetDateTime;
use evidenced_seal::{PemSigner, PublicKey};
use serde_json::Value;

use super::*;
use crate::remote::start;

const VAULT: &str = "https://example.vault.azure.net";

/// A vault with one key, which a PEM file holds; `bend` changes what it answers.
struct Fake {
    key: PemSigner,
    bend: fn(&mut u16, &mut Value),
    seen: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    fn answer(&self, url: &Url, body: &[u8]) -> Value {
        let kid = format!("{VAULT}/keys/evidence/0123");
        if url.path().ends_with("/sign") {
            let asked: Value = serde_json::from_slice(body).unwrap();
            assert_eq!((&asked["alg"], url.path()), (&json!("ES256"), "/keys/evidence/0123/sign"));
            let digest = URL_SAFE_NO_PAD.decode(asked["value"].as_str().unwrap()).unwrap();
            assert_eq!(digest, Digest::of(MESSAGE).as_bytes());
            let der = self.key.sign(MESSAGE).unwrap();
            return json!({"kid": kid, "value": URL_SAFE_NO_PAD.encode(raw(&der))});
        }
        let der = self.key.public_key().der();
        let [x, y] = [&der[27..59], &der[59..]].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({"key": {"kid": kid, "kty": "EC", "crv": "P-256", "x": x, "y": y, "key_ops": ["sign"]},
               "attributes": {"enabled": true}})
    }
}

const MESSAGE: &[u8] = b"a message";

/// `r || s` of a signature in DER.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    let mut rest = &der[2..];
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let value = &rest[2..2 + length];
        let value = value.strip_prefix(&[0]).unwrap_or(value);
        raw.extend(std::iter::repeat_n(0, 32 - value.len()));
        raw.extend_from_slice(value);
        rest = &rest[2 + length..];
    }
    raw
}

#[async_trait]
impl HttpClient for Fake {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        assert_eq!(url.query(), Some("api-version=7.4"));
        let token = request.headers().get_optional_str(&"authorization".into());
        assert_eq!(token, Some("Bearer for https://vault.azure.net/.default"));
        self.seen.lock().unwrap().push(url.path().to_owned());
        let body = match request.body() {
            azure_core::http::Body::Bytes(bytes) => bytes.to_vec(),
            azure_core::http::Body::SeekableStream(_) => panic!("nothing here is streamed"),
        };
        let mut status = 200;
        let mut answer = self.answer(url, &body);
        (self.bend)(&mut status, &mut answer);
        let body = answer.to_string().into_bytes();
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), Headers::new(), body))
    }
}

#[derive(Debug)]
struct Token;

#[async_trait]
impl TokenCredential for Token {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let expires = OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
        Ok(AccessToken::new(format!("for {}", scopes.join(" ")), expires))
    }
}

/// Opens the key of a vault; gives the true key and what was asked, too.
fn open_at(bend: fn(&mut u16, &mut Value)) -> (Result<Arc<dyn Signer>, KeyError>, PublicKey, Arc<Fake>) {
    let folder = tempfile::tempdir().unwrap();
    let key = PemSigner::generate(&folder.path().join("key.pem")).unwrap();
    let public = key.public_key().clone();
    let fake = Arc::new(Fake { key, bend, seen: Mutex::default() });
    let transport = Transport::new(Arc::clone(&fake) as Arc<dyn HttpClient>);
    let uri = KeyUri::parse(&format!("azurekv:{VAULT}/keys/evidence")).unwrap();
    let signer = start(&uri, None, async move |name: Named| {
        let options = ClientOptions { transport: Some(transport.clone()), ..ClientOptions::default() };
        Vault::new(name, (VAULT.to_owned(), "evidence".to_owned(), None), Arc::new(Token), options)
    });
    (signer, public, fake)
}

#[test]
fn a_key_of_a_vault_signs() {
    let (signer, public, fake) = open_at(|_, _| ());
    let signer = signer.unwrap();
    assert_eq!((signer.public_key(), signer.home()), (&public, "Azure Key Vault"));
    assert_eq!(signer.name(), "azurekv:https://example.vault.azure.net/keys/evidence");
    for _ in 0..20 {
        assert!(public.verify(MESSAGE, &signer.sign(MESSAGE).unwrap()));
    }
    let seen = fake.seen.lock().unwrap();
    assert_eq!((seen[0].as_str(), seen.len()), ("/keys/evidence", 21));
}

#[test]
fn another_key_or_answer_is_refused() {
    type Spoil = fn(&mut u16, &mut Value);
    let cases: [(Spoil, &str); 6] = [
        (|_, answer| answer["key"]["crv"] = json!("P-384"), "expected EC P-256"),
        (|_, answer| answer["key"]["kty"] = json!("RSA"), "expected EC P-256"),
        (|_, answer| answer["attributes"]["enabled"] = json!(false), "disabled"),
        (|_, answer| answer["key"]["x"] = json!("AAAA"), "not a point"),
        (|_, answer| answer["key"]["kid"] = json!("https://evil.example.com/keys/evidence/1"), "another key"),
        (|status, _| *status = 403, "403"),
    ];
    for (bend, word) in cases {
        let Err(error) = open_at(bend).0 else { panic!("{word}: opened") };
        assert!(matches!(error, KeyError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    for bend in [|status: &mut u16, _: &mut Value| *status = 503, |_: &mut u16, answer: &mut Value| *answer = json!([])]
    {
        let Err(error) = open_at(bend).0 else { panic!("opened") };
        assert!(matches!(error, KeyError::Away { .. }), "{error:?}");
    }
}
