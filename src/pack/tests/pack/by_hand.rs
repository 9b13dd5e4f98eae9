//! The commands of docs/verify-by-hand.md over packs, with no program of ours.

use std::path::Path;
use std::process::Command;

use evidenced_seal::signer::write_public_pem;
use evidenced_seal::{PemSigner, Signer as _};

use crate::packed::{pack, request};
use crate::support::{World, company};

const PAGE: &str = include_str!("../../../../docs/verify-by-hand.md");

/// The fenced blocks of these languages, one after another.
fn blocks(languages: &[&str]) -> Vec<String> {
    let mut blocks = Vec::new();
    for fenced in PAGE.split("\n```").skip(1).step_by(2) {
        let (language, block) = fenced.split_once('\n').unwrap();
        if languages.contains(&language) {
            blocks.push(block.to_owned());
        }
    }
    blocks
}

/// A small company, with one tagged resource.
fn world() -> World {
    let mut world = World::new();
    let mut small = company();
    small.remove(&("123456789012", "eu-central-1", "aws.s3.bucket"));
    let keys = small.get_mut(&("123456789012", "eu-west-1", "aws.kms.key")).unwrap();
    keys.insert("key-x".to_owned(), serde_json::json!({"encrypted": false, "tags": {"owner": "alice"}}));
    for _ in 0..5 {
        world.run(&small);
    }
    world
}

/// Unpacks and runs these blocks, on a machine without our program.
fn run(script: &[String], bytes: &[u8], key: &PemSigner) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().join("public.pem");
    write_public_pem(&public, key.public_key()).unwrap();
    let packed = folder.path().join("pack.zip");
    std::fs::write(&packed, bytes).unwrap();
    let evidence = folder.path().join("un packed");
    let output = Command::new("bash")
        .args(["-c", &script.join("\n")])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs([("EVIDENCE", &evidence), ("KEY", &public), ("PACK", &packed)] as [(&str, &std::path::PathBuf); 3])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    (output.status.success(), said)
}

#[test]
fn a_pack_passes_with_sha256sum_unzip_jq_zstd_and_openssl() {
    for tool in ["bash", "base64", "jq", "openssl", "sha256sum", "unzip", "zstd"] {
        assert!(Path::new("/usr/bin").join(tool).exists(), "this test needs {tool}: install it");
    }
    let world = world();
    let keys = world.keys();
    let bytes = pack(request(&world, &keys, &[]), &keys).unwrap();
    let mut script = blocks(&["bash", "sh"]);
    let withheld = script.pop().unwrap();
    assert!(withheld.contains("root()"), "the last block is about packs that withhold");
    let (passes, said) = run(&script, &bytes, &world.signer);
    assert!(passes, "{said}");
    assert!(said.contains("the log entry 000000000008.dsse.json names"), "the newest run of the period: {said}");
    assert!(said.ends_with("the run is as it was signed\n\n"), "{said}");

    let other = PemSigner::generate(&world.folder.path().join("other.pem")).unwrap();
    assert!(!run(&script, &bytes, &other).0, "another key");

    let mut spoilt = bytes.clone();
    let at = spoilt.len() / 2;
    spoilt[at] ^= 1;
    assert!(!run(&script, &spoilt, &world.signer).0, "a changed byte");

    let withholding = pack(request(&world, &keys, &["tag=owner=alice"]), &keys).unwrap();
    let first = script[0].clone();
    let (passes, said) = run(&[first.clone(), withheld.clone()], &withholding, &world.signer);
    assert!(passes && said.contains("1 of 6 lines are withheld") && said.contains("2 of 12"), "{said}");
    let forge = "file=$(ls v1/withheld/*/*.zst | head -n 1)
zstd -dqc \"$file\" | sed 's/key-1/key-9/' > forged
zstd -qfo \"$file\" forged";
    let (passes, said) = run(&[first, forge.to_owned(), withheld], &withholding, &world.signer);
    assert!(!passes && said.contains("is not what was sealed"), "{said}");
}
