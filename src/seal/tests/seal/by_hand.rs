//! The commands of docs/verify-by-hand.md, run as they stand there.

use std::path::Path;
use std::process::Command;

use evidenced_model::Memory;
use evidenced_seal::signer::write_public_pem;
use evidenced_seal::{PemSigner, Signer as _};

use crate::forge::Forger;
use crate::support::{World, company};

const PAGE: &str = include_str!("../../../../docs/verify-by-hand.md");

/// The fenced `sh` blocks, one after another.
fn script() -> String {
    let blocks = PAGE.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.collect::<Vec<_>>().join("\n")
}

/// Whether the commands go through, and what they say.
fn verify(store: &Memory, key: &PemSigner) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().join("public.pem");
    write_public_pem(&public, key.public_key()).unwrap();
    let root = folder.path().join("a copy");
    for (path, bytes) in store.files() {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    run(&script(), &root, &public)
}

fn run(script: &str, evidence: &Path, key: &Path) -> (bool, String) {
    let output = Command::new("bash").args(["-c", script]).env("EVIDENCE", evidence).env("KEY", key).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    (output.status.success(), said)
}

fn need_tools() {
    for tool in ["bash", "base64", "jq", "openssl", "sha256sum", "zstd"] {
        let there = Command::new(tool).arg("--version").output().is_ok();
        assert!(
            there,
            "this test runs the commands of docs/verify-by-hand.md and needs {tool}: install it, e.g. with `apt-get install {tool}`"
        );
    }
}

#[test]
fn the_commands_pass_over_what_was_sealed_and_over_nothing_else() {
    need_tools();
    let mut world = World::new();
    world.run(&company());
    world.run(&company());
    let (passes, said) = verify(&world.store, &world.signer);
    assert!(passes, "{said}");
    assert!(said.ends_with("the run is as it was signed\n\n"), "{said}");
    assert!(said.contains("fail: 43\n"), "{said}");

    // The rest needs no large population.
    let mut world = World::new();
    let mut small = company();
    small.remove(&("123456789012", "eu-central-1", "aws.s3.bucket"));
    world.run(&small);
    assert!(verify(&world.store, &world.signer).0);

    let other = PemSigner::generate(&world.folder.path().join("other.pem")).unwrap();
    assert!(!verify(&world.store, &other).0, "another key");

    let mut forger = Forger::new(&world);
    let run = forger.run_path();
    forger.resign(&other, |statement| statement.predicate.totals.calls = 9);
    let (passes, said) = verify(&forger.store(), &world.signer);
    assert!(!passes && said.contains("is not signed by this key"), "signed by another key: {said}");

    let mut forger = Forger::new(&world);
    let entry = forger.entry("inventory", &["aws:123456789012", "eu-west-1/aws.kms.key", "b"]);
    let chunk = evidenced_seal::object::object_path(&entry.digest, evidenced_seal::object::Format::Lines);
    forger.change(&chunk, |bytes| bytes[20] ^= 1);
    let (passes, said) = verify(&forger.store(), &world.signer);
    assert!(!passes && said.contains(&chunk), "an edited chunk: {said}");

    let mut forger = Forger::new(&world);
    forger.change(&run, Vec::clear);
    assert!(!verify(&forger.store(), &world.signer).0, "an emptied statement");

    let mut forger = Forger::new(&world);
    let path = forger.log_path(1);
    forger.files.remove(&path);
    let (passes, said) = verify(&forger.store(), &world.signer);
    assert!(!passes && said.contains("does not follow"), "a missing log entry: {said}");

    let mut forger = Forger::new(&world);
    let way = ["aws:123456789012", "eu-west-1/aws.kms.key", "b"];
    forger.plant_lines("findings", &way, |lines| lines.replacen("\"pass\"", "\"fail\"", 1));
    assert!(!verify(&forger.store(), &world.signer).0, "findings that were counted otherwise");
}
