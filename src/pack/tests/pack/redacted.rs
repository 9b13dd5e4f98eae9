//! Packs that withhold: what is shown verifies, what is withheld is counted and nowhere to be read.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::Memory;
use evidenced_pack::Kept;
use evidenced_seal::select::select_shown;
use evidenced_seal::verify::{Options, VerifyReport, verify};
use evidenced_seal::{Document, RunReader, SealError, select_run};

use crate::packed::{check, files, mask, pack, redacted, request, world};
use crate::support::World;

type Files = BTreeMap<String, Vec<u8>>;

/// Everything that can be read in a pack.
fn text(files: &Files) -> String {
    let mut text = String::new();
    for (path, bytes) in files {
        let bytes = if path.ends_with(".zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes.clone() };
        text.push_str(path);
        text.push_str(&String::from_utf8_lossy(&bytes));
        // Payloads are base64: what stands in them are names of runs and digests.
    }
    text
}

#[track_caller]
fn good(files: &Files, world: &World) -> VerifyReport {
    let report = check(files, &world.keys());
    assert_eq!((&report.problems, report.runs), (&Vec::new(), 3));
    assert!(!report.is_whole());
    report
}

fn withheld(report: &VerifyReport) -> BTreeMap<&str, u64> {
    report.withheld.what.iter().map(|(what, lines)| (what.as_str(), *lines)).collect()
}

#[test]
fn a_kind_is_withheld_as_whole_trees() {
    let world = world();
    let files = redacted(&world, &["kind=aws.kms.*"]);
    let report = good(&files, &world);
    // Two accounts with five keys, and two findings for each; nothing else of the second account is left to show.
    assert_eq!(withheld(&report), BTreeMap::from([("aws.kms.key", 25), ("account aws:111122223333", 5)]));
    assert_eq!((report.withheld.lines, report.withheld.objects), (30, 4));
    let text = text(&files);
    for number in 0..5 {
        assert!(!text.contains(&format!("key-{number}\"")), "key-{number}");
    }
    assert!(text.contains("\"bucket-7\""));
}

#[test]
fn a_tag_withholds_resources_and_their_findings_line_by_line() {
    let world = world();
    let files = redacted(&world, &["tag=owner=alice"]);
    let report = good(&files, &world);
    let chunks = files.keys().filter(|path| path.starts_with("v1/withheld/") && path.ends_with(".jsonl.zst")).count();
    assert!(chunks >= 2, "{chunks}");
    assert_eq!(report.withheld.objects, 0);
    // Three resources and their six findings, in each chunk of the period that holds them.
    assert_eq!(report.withheld.what.keys().collect::<Vec<_>>(), ["aws.s3.bucket"]);
    assert!(report.withheld.lines >= 9, "{}", report.withheld.lines);
    let text = text(&files);
    for hidden in ["alice", "\"bucket-3\"", "\"bucket-77\"", "\"bucket-200\""] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert!(text.contains("\"bucket-4\""));
    // Another value of the tag is nobody's business.
    let files = redacted(&world, &["tag=owner=bob"]);
    assert!(check(&files, &world.keys()).is_whole());
}

#[test]
fn a_chunk_can_be_withheld_as_a_whole_so_that_no_line_can_be_guessed_by_itself() {
    let world = world();
    let keys = world.keys();
    let mut request = request(&world, &keys, &["tag=owner"]);
    request.rules.whole = true;
    let files = files(pack(request, &keys).unwrap());
    let report = good(&files, &world);
    assert!(report.withheld.objects >= 2);
    assert!(report.withheld.lines > 100, "whole chunks: {}", report.withheld.lines);
    assert!(!files.keys().any(|path| path.starts_with("v1/withheld/") && path.ends_with(".zst")));
}

#[test]
fn an_account_a_region_and_documents_are_withheld() {
    let world = world();
    let files = redacted(&world, &["account=111122223333"]);
    let report = good(&files, &world);
    assert_eq!(withheld(&report), BTreeMap::from([("account aws:111122223333", 16), ("coverage", 0)]));
    assert_eq!(report.withheld.objects, 3);

    let files = redacted(&world, &["region=eu-west-1"]);
    let report = good(&files, &world);
    assert_eq!(withheld(&report), BTreeMap::from([("aws.kms.key", 15)]));
    assert!(text(&files).contains("eu-central-1"));

    let all = ["calls", "config", "controls", "coverage", "manifest", "mappings"];
    let rules: Vec<String> = all.iter().map(|name| format!("document={name}")).collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let files = redacted(&world, &rules);
    let report = good(&files, &world);
    assert_eq!(report.withheld.what.keys().map(String::as_str).collect::<Vec<_>>(), all);
    assert_eq!(report.withheld.lines, 0);
    assert!(!text(&files).contains("aws.s3.encryption\"]"), "the mappings");
}

#[test]
fn a_pack_for_controls_shows_what_serves_them() {
    let world = world();
    let keys = world.keys();
    let kept = |kinds: &[&str], objectives: &[&str]| Kept {
        controls: BTreeSet::new(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        objectives: objectives.iter().map(|id| id.parse().unwrap()).collect(),
    };
    let mut request_one = request(&world, &keys, &[]);
    request_one.rules.kept = Some(kept(&["aws.kms.key"], &["crypto.at-rest"]));
    let files_one = files(pack(request_one, &keys).unwrap());
    let report = good(&files_one, &world);
    assert!(withheld(&report).contains_key("aws.s3.bucket"));
    assert!(!withheld(&report).contains_key("aws.kms.key"));
    assert!(!text(&files_one).contains("\"bucket-7\""));

    let mut request_two = request(&world, &keys, &[]);
    request_two.rules.kept = Some(kept(&["aws.kms.key"], &["other.objective"]));
    let files_two = files(pack(request_two, &keys).unwrap());
    good(&files_two, &world);
    let text = text(&files_two);
    assert!(text.contains("key-3\"") && !text.contains("\"verdict\""), "the resources, and no findings");
}

#[test]
fn masked_renderings_are_derived_and_name_nothing() {
    let world = world();
    let keys = world.keys();
    let mut request = request(&world, &keys, &["tag=owner", "account=111122223333"]);
    request.mask = Some(mask());
    let files = files(pack(request, &keys).unwrap());
    good(&files, &world);
    let masked: Files = files
        .iter()
        .filter(|(path, _)| path.starts_with("derived/masked/"))
        .map(|(p, b)| (p.clone(), b.clone()))
        .collect();
    let lines = text(&masked).matches("\"derived\":true").count() as u64;
    assert_eq!(lines, check(&files, &keys).withheld.lines, "one for each withheld line");
    for hidden in ["alice", "\"bucket-3\"", "key-1\"", "111122223333"] {
        assert!(!text(&masked).contains(hidden), "{hidden}");
    }
    assert!(text(&masked).contains("\"nothing\":null") && text(&masked).contains(":true"), "the shape stays");
    let readme = String::from_utf8(files["README.txt"].clone()).unwrap();
    assert!(readme.contains("NOT WHOLE") && readme.contains("it is no evidence"), "{readme}");
}

#[test]
fn what_is_shown_is_read_as_from_a_store() {
    let world = world();
    let keys = world.keys();
    let files = redacted(&world, &["tag=owner=alice", "account=111122223333", "document=config"]);
    let store = Memory::of(files);
    let newest = select_shown(&store, &world.agent, "latest", Some(&keys)).unwrap();
    assert_eq!(newest.run, World::run_id(3), "of the runs in the pack, not of those in the log");
    let run = select_run(&store, &world.agent, &World::run_id(2).to_string(), Some(&keys)).unwrap();
    let reader = RunReader::open(&store, &run, Some(&keys)).unwrap();
    let mut ids = BTreeSet::new();
    for group in reader.groups().unwrap() {
        let group = group.unwrap();
        ids.extend(reader.resources(&group).unwrap().map(|resource| resource.unwrap().id));
        for finding in reader.findings(&group).unwrap() {
            let finding = finding.unwrap();
            assert!(ids.contains(&finding.resource) || finding.resource == "123456789012", "{}", finding.resource);
        }
    }
    assert_eq!(ids.len(), 301 + 5 - 3);
    assert_eq!(reader.coverage().unwrap().accounts.len(), 1);
    let error = reader.document::<serde_json::Value>(Document::Config).unwrap_err();
    assert!(matches!(error, SealError::Withheld { .. }), "{error}");
}

#[test]
fn a_store_may_withhold_nothing() {
    let world = world();
    let files = redacted(&world, &["kind=aws.kms.*", "tag=owner"]);
    let strict = Options { keys: world.keys(), ..Options::default() };
    let report = verify(&Memory::of(files.clone()), &strict, &mut |_, _| {}).unwrap();
    assert!(report.problems.iter().any(|problem| problem.what.contains("only a pack may do")), "{:?}", report.problems);
    // Without its own word that it is a pack it is only a store with holes.
    let mut undeclared = files;
    undeclared.remove("pack.json");
    let report = check(&undeclared, &world.keys());
    assert!(report.problems.iter().all(|problem| problem.what.contains("missing")), "{:?}", report.problems);
    assert!(!report.is_good());
}
