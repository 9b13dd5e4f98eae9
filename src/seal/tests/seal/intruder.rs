//! Somebody who can write to the store, and has no key: what he adds is named, and what is ours is not hidden by it.

use evidenced_model::RunId;
use evidenced_seal::statement::run_path;
use evidenced_seal::verify::{Options, VerifyReport, verify};
use evidenced_seal::{PemSigner, dsse};
use serde_json::json;

use crate::forge::Forger;
use crate::support::{World, company};

fn world() -> World {
    let mut world = World::new();
    for _ in 0..2 {
        world.run(&company());
    }
    world
}

fn check(forger: &Forger<'_>) -> VerifyReport {
    let options = Options { keys: forger.world.keys(), ..Options::default() };
    verify(&forger.store(), &options, &mut |_, _| {}).unwrap()
}

/// A run that nobody began.
fn invented(forger: &Forger<'_>) -> String {
    run_path(&forger.world.agent, RunId::from_parts(1_767_300_000_000, 77))
}

/// Adds a file; verification has to name it, and still finds both runs.
fn is_named(forger: &mut Forger<'_>, path: &str, bytes: Vec<u8>) {
    forger.files.insert(path.to_owned(), bytes);
    let report = check(forger);
    assert!(report.problems.iter().any(|problem| problem.file == path), "{path} is not among {:?}", report.problems);
    assert_eq!(report.runs, 2, "what is ours is still there");
}

#[test]
fn an_unsigned_run_is_named() {
    let world = world();
    let mut forger = Forger::new(&world);
    let envelope: serde_json::Value = serde_json::from_slice(&forger.files[&forger.run_path()]).unwrap();
    let unsigned = json!({"payload": envelope["payload"], "payloadType": dsse::PAYLOAD_TYPE, "signatures": []});
    let path = invented(&forger);
    is_named(&mut forger, &path, unsigned.to_string().into_bytes());
}

#[test]
fn a_run_of_another_key_is_named() {
    let world = world();
    let mut forger = Forger::new(&world);
    let other = PemSigner::generate(&world.folder.path().join("other.pem")).unwrap();
    let opened = dsse::parse(&forger.files[&forger.run_path()]).unwrap();
    let path = invented(&forger);
    is_named(&mut forger, &path, dsse::sign(&opened.payload, &other).unwrap());
}

#[test]
fn an_old_run_in_the_place_of_a_new_one_is_named() {
    let world = world();
    let mut forger = Forger::new(&world);
    let old = forger.files[&forger.run_path()].clone();
    let path = invented(&forger);
    is_named(&mut forger, &path, old);
}

#[test]
fn what_is_no_evidence_is_passed_over() {
    let world = world();
    let mut forger = Forger::new(&world);
    for path in ["doctor/probe", "lease/test/000002945000/0000.json", "lease/test/000002945000/0000.end"] {
        forger.files.insert(path.to_owned(), b"anything".to_vec());
    }
    let report = check(&forger);
    assert_eq!((report.problems, report.notes), (Vec::new(), Vec::new()));
}
