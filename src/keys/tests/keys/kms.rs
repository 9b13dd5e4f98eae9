//! AWS KMS, on two emulators.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use evidenced_keys::{KeyUri, Settings, open};
use evidenced_seal::KeyError;
use xtask::venv::Venv;
use xtask::{Ministack, Moto};

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// Makes keys: label and id, alias or ARN.
fn keys(url: &str) -> BTreeMap<String, String> {
    let venv = Venv::ensure(target(), "moto").unwrap();
    let output = venv.script("seed_kms.py").arg(url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Signs in a process of its own, which has credentials in its environment.
fn sign(uri: &str, length: usize) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kms::in_a_process_of_its_own", "--ignored", "--nocapture"])
        .env("EVIDENCED_TEST_KEY", uri)
        .env("EVIDENCED_TEST_LENGTH", length.to_string())
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap()
}

#[test]
#[ignore = "started by the other tests"]
fn in_a_process_of_its_own() {
    let variables: BTreeMap<String, String> =
        std::env::vars().filter(|(name, _)| name.starts_with("EVIDENCED_TEST_")).collect();
    let Some(uri) = variables.get("EVIDENCED_TEST_KEY") else { return };
    let message = vec![7; variables["EVIDENCED_TEST_LENGTH"].parse().unwrap()];
    let signed = open(&KeyUri::parse(uri).unwrap(), &Settings::default()).and_then(|signer| {
        let signature = signer.sign(&message)?;
        assert_eq!(signer.home(), "AWS KMS");
        Ok(signer.public_key().verify(&message, &signature))
    });
    match signed {
        Ok(verifies) => println!("verifies: {verifies}"),
        Err(error @ KeyError::Away { .. }) => println!("away: {error}"),
        Err(error) => println!("refused: {error}"),
    }
}

#[track_caller]
fn expect(uri: &str, length: usize, word: &str) {
    let output = sign(uri, length);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(word), "{word:?} is not in: {text}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn each_key(url: &str, digests_verify: bool) {
    let keys = keys(url);
    let uri = |label: &str| format!("awskms:{}?region=eu-central-1&endpoint_url={url}", keys[label]);
    expect(&uri("alias"), 100, "verifies: true");
    expect(&uri("id"), 4096, "verifies: true");
    let arn = format!("awskms:{}?endpoint_url={url}", keys["arn"]);
    expect(&arn, 5000, if digests_verify { "verifies: true" } else { "verifies: false" });
    expect(&uri("p384"), 100, "ECC_NIST_P256");
    expect(&uri("encrypts"), 100, "refused: ");
    expect(&format!("awskms:alias/nothing?region=eu-central-1&endpoint_url={url}"), 1, "refused: ");
}

#[test]
fn keys_of_moto_sign() {
    let moto = Moto::start(&Venv::ensure(target(), "moto").unwrap()).unwrap();
    // moto hashes again what is a digest already, so that of a long message the signature does not verify there.
    each_key(&moto.url(), false);
}

#[test]
fn keys_of_ministack_sign() {
    let ministack = Ministack::start(target()).unwrap();
    each_key(&ministack.url(), true);
}

#[test]
fn a_service_that_is_away_is_not_a_refusal() {
    let nobody = "awskms:alias/evidence?region=eu-central-1&endpoint_url=http://127.0.0.1:1";
    expect(nobody, 1, "away: the key service of awskms:alias/evidence is away");
}
