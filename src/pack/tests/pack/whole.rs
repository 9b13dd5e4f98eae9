//! Packs that withhold nothing: they verify as they are, and others' tools read them.

use std::io::{Cursor, Read as _};
use std::process::Command;

use evidenced_model::{Archive as _, Digest};
use evidenced_pack::PackError;
use evidenced_seal::verify::{Options, verify};

use crate::packed::{check, files, open, options, pack, request, world};

#[test]
fn a_pack_verifies_as_a_zip_and_as_a_folder() {
    let world = world();
    let keys = world.keys();
    let zip = pack(request(&world, &keys, &[]), &keys).unwrap();
    let report = verify(&open(zip.clone()).unwrap(), &options(&keys), &mut |_, _| {}).unwrap();
    assert_eq!((&report.problems, report.runs, report.left_out), (&Vec::new(), 3, 2));
    assert!(report.is_whole());
    assert_eq!(check(&files(zip.clone()), &keys), report);
    // A store may not say that runs are somewhere else.
    let strict = Options { keys: keys.clone(), ..Options::default() };
    let report = verify(&open(zip).unwrap(), &strict, &mut |_, _| {}).unwrap();
    assert_eq!(report.problems.len(), 2, "{:?}", report.problems);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let world = world();
    let keys = world.keys();
    for withhold in [&[][..], &["kind=aws.s3.*", "tag=owner"]] {
        let [one, two] = [0, 1].map(|_| pack(request(&world, &keys, withhold), &keys).unwrap());
        assert!(one == two, "{withhold:?}");
    }
}

#[test]
fn sums_and_instructions_are_about_what_is_there() {
    let world = world();
    let keys = world.keys();
    let files = files(pack(request(&world, &keys, &[]), &keys).unwrap());
    let sums = String::from_utf8(files["SHA256SUMS"].clone()).unwrap();
    assert_eq!(sums.lines().count(), files.len() - 1);
    for line in sums.lines() {
        let (digest, path) = line.split_once("  ").unwrap();
        assert_eq!(Digest::of(&files[path]).to_string(), digest);
    }
    let readme = String::from_utf8(files["README.txt"].clone()).unwrap();
    let head = world.log().head().unwrap().unwrap().to_string();
    let key = keys.iter().next().unwrap().id().to_string();
    for part in [
        "How far it can be trusted\n\n  - The key is a file.",
        &head,
        &key,
        "proves nothing",
        "3 runs",
        "Nothing of these runs is withheld",
    ] {
        assert!(readme.contains(part), "{part}: {readme}");
    }
    assert!(readme.find("How far").unwrap() < 60, "on its first page");
}

#[test]
fn others_read_it_too() {
    let world = world();
    let keys = world.keys();
    let bytes = pack(request(&world, &keys, &["kind=aws.kms.*"]), &keys).unwrap();
    let ours = files(bytes.clone());
    let mut theirs = zip::ZipArchive::new(Cursor::new(bytes.clone())).unwrap();
    assert_eq!(theirs.len(), ours.len());
    for index in 0..theirs.len() {
        let mut file = theirs.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(ours[&name], bytes);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack.zip");
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("unzip").arg("-tqq").arg(&path).output().expect("unzip runs: install it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn an_empty_period_is_told() {
    let world = world();
    let keys = world.keys();
    let mut request = request(&world, &keys, &[]);
    request.until = request.from;
    let error = pack(request, &keys).unwrap_err();
    assert!(matches!(error, PackError::Empty { .. }), "{error}");
}

#[test]
fn evidence_that_is_wrong_is_not_packed() {
    let world = world();
    let keys = world.keys();
    let mut spoilt = world.store.files();
    let chunk = spoilt.keys().find(|path| path.ends_with(".jsonl.zst")).unwrap().clone();
    spoilt.get_mut(&chunk).unwrap()[40] ^= 1;
    let spoilt = evidenced_model::Memory::of(spoilt);
    let mut request = request(&world, &keys, &[]);
    request.archive = &spoilt;
    let error = pack(request, &keys).unwrap_err();
    assert!(error.to_string().contains(&chunk), "{error}");
}

#[test]
fn folders_of_a_zip_are_listed_as_those_of_a_store() {
    let world = world();
    let keys = world.keys();
    let zip = open(pack(request(&world, &keys, &[]), &keys).unwrap()).unwrap();
    assert_eq!(zip.list("v1/").unwrap(), ["log/", "objects/", "runs/"]);
    assert_eq!(zip.list("v1/log/test").unwrap(), world.store.list("v1/log/test").unwrap());
    assert!(zip.open("v1/nothing").unwrap().is_none());
}
