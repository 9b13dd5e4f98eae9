//! The rules of the house that a test can hold: see "Architecture invariant:" in ARCHITECTURE.md.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A room longer than this is two rooms.
const LONGEST: usize = 500;

/// Stages of the one-way line, and the floors that each may stand on.
const FLOORS: &[(&str, &[&str])] = &[
    ("evidenced-model", &[]),
    ("evidenced-mappings", &[]),
    ("evidenced-check", &["evidenced-model"]),
    ("evidenced-isms", &["evidenced-model"]),
    ("evidenced-map", &["evidenced-model"]),
    ("evidenced-seal", &["evidenced-model"]),
    ("evidenced-keys", &["evidenced-model", "evidenced-seal"]),
    ("evidenced-store", &["evidenced-model"]),
    ("evidenced-spool", &["evidenced-model", "evidenced-seal", "evidenced-store"]),
    ("evidenced-pack", &["evidenced-model", "evidenced-seal"]),
    ("evidenced-report", &["evidenced-model"]),
    ("evidenced-schedule", &["evidenced-model"]),
    ("evidenced-serve", &["evidenced-model", "evidenced-report"]),
    ("evidenced-tell", &["evidenced-model"]),
    ("evidenced-kit", &["evidenced-model"]),
    ("evidenced-aws", &["evidenced-kit", "evidenced-model"]),
    ("evidenced-azure", &["evidenced-kit", "evidenced-model"]),
    ("evidenced-replay", &[]),
    (
        "evidenced-agent",
        &[
            "evidenced-check",
            "evidenced-isms",
            "evidenced-keys",
            "evidenced-kit",
            "evidenced-map",
            "evidenced-mappings",
            "evidenced-model",
            "evidenced-pack",
            "evidenced-report",
            "evidenced-schedule",
            "evidenced-seal",
            "evidenced-serve",
            "evidenced-spool",
            "evidenced-store",
            "evidenced-tell",
        ],
    ),
    ("evidenced", &["evidenced-agent", "evidenced-aws", "evidenced-azure", "evidenced-kit", "evidenced-mappings"]),
    ("evidenced-bench", &["evidenced-agent", "evidenced-kit", "evidenced-model", "evidenced-seal", "evidenced-store"]),
    (
        "evidenced-fuzz",
        &[
            "evidenced-agent",
            "evidenced-aws",
            "evidenced-check",
            "evidenced-model",
            "evidenced-pack",
            "evidenced-report",
            "evidenced-seal",
        ],
    ),
    ("xtask", &[]),
];

/// What must not be in the tree of a stage that judges, maps or seals.
const IMPURE: &[&str] = &["async-std", "async-trait", "futures", "hyper", "reqwest", "smol", "tokio"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of ours with one of these extensions.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    fn visit(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "evidence" | "evidenced-state")
                    && (!name.starts_with('.') || name == ".ci")
                {
                    visit(&path, extensions, found);
                }
            } else if path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    visit(root(), extensions, &mut found);
    found.sort();
    assert!(!found.is_empty());
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn metadata() -> Value {
    // Other platforms' crates may not have been downloaded.
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Normal dependencies (not of tests, not of builds) by package name, over the whole graph.
fn dependencies(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<String, String> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let own = graph.entry(names[node["id"].as_str().unwrap()].clone()).or_default();
        for dependency in node["deps"].as_array().unwrap() {
            let normal = dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            if normal {
                own.insert(names[dependency["pkg"].as_str().unwrap()].clone());
            }
        }
    }
    graph
}

#[test]
fn every_room_says_what_it_is_for_and_is_no_hall() {
    let mut wrong = Vec::new();
    for path in files(&["rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with("//! ") {
            wrong.push(format!("{}: does not begin with a `//!` sentence", shown(&path)));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            wrong.push(format!("{}: {lines} lines; split it", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_stage_imports_another() {
    let graph = dependencies(&metadata());
    let known: BTreeSet<&str> = FLOORS.iter().map(|(name, _)| *name).collect();
    let ours = |name: &&String| name.starts_with("evidenced") || *name == "xtask";
    for name in graph.keys().filter(ours) {
        assert!(known.contains(name.as_str()), "{name} is not among the FLOORS of this test");
    }
    for (name, allowed) in FLOORS {
        let own = graph.get(*name).unwrap_or_else(|| panic!("{name} is not a crate of this workspace"));
        for dependency in own.iter().filter(ours) {
            assert!(allowed.contains(&dependency.as_str()), "{name} imports {dependency}");
        }
    }
}

/// The names of all crates that `cargo tree` shows below these, those of tests included.
fn tree(packages: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--locked", "--prefix", "none", "--format", "{p}"]).current_dir(root());
    for package in packages {
        cargo.args(["--package", package]);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn judging_mapping_and_sealing_know_no_cloud_and_no_runtime() {
    let tree = tree(&[
        "evidenced-model",
        "evidenced-check",
        "evidenced-isms",
        "evidenced-map",
        "evidenced-seal",
        "evidenced-pack",
        "evidenced-report",
    ]);
    assert!(tree.contains("evidenced-seal"));
    // aws-lc is no cloud: it is the cryptography library that TLS stands on, too.
    let sdk = |name: &str| name.starts_with("aws-") && !name.starts_with("aws-lc-");
    let impure = |name: &&String| IMPURE.contains(&name.as_str()) || sdk(name);
    let found: Vec<_> = tree.iter().filter(impure).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn one_tls_stack_and_no_openssl() {
    let tree = tree(&["evidenced"]);
    assert!(tree.contains("rustls"));
    for banned in ["openssl-sys", "native-tls", "ring", "serde_yaml"] {
        assert!(!tree.contains(banned), "{banned} is in the tree; see deny.toml");
    }
}

#[test]
fn what_is_hashed_or_printed_has_an_order() {
    for stage in ["model", "seal", "check", "isms", "map", "pack", "report", "spool", "store"] {
        for path in files(&["rs"]).iter().filter(|path| path.starts_with(root().join("src").join(stage))) {
            for (index, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
                // A private index is for looking things up; what a stage gives away is listed by somebody.
                let code = line.split("//").next().unwrap_or_default().trim_start();
                let unordered = code.contains("HashMap") || code.contains("HashSet");
                let given = code.starts_with("pub") && !code.starts_with("pub(");
                assert!(!(unordered && given), "{}:{}: BTreeMap, so that its order shows", shown(path), index + 1);
            }
        }
    }
}

#[test]
fn time_and_environment_enter_by_one_door() {
    for path in files(&["rs"]) {
        let name = shown(&path);
        let text = fs::read_to_string(&path).unwrap();
        for (what, door) in [
            ("SystemTime::now(", &["src/agent/clock.rs"][..]),
            ("Timestamp::now(", &["src/agent/clock.rs"]),
            ("Zoned::now(", &["src/agent/clock.rs"]),
            ("env::var", &["src/agent/", "xtask/", "tests/"]),
        ] {
            let inside = door.iter().any(|door| name.starts_with(door)) || name == "tests/house.rs";
            let tests = name.ends_with("build.rs")
                || name.contains("/tests/")
                || name.contains("/examples/")
                || name.starts_with("tests/");
            assert!(inside || tests || !text.contains(what), "{name}: {what} stands outside its door");
        }
    }
}

#[test]
fn one_sorted_list_names_the_plug_ins() {
    let ids = |program: &str, field: &str| -> Vec<String> {
        let arguments: Vec<&str> = program.split(' ').collect();
        let output = Command::new(env!("CARGO_BIN_EXE_evidenced"))
            .args(&arguments)
            .args(["--format", "json"])
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap()[field].as_str().unwrap().to_owned();
        text.lines().map(parse).collect()
    };
    for list in ["collectors list", "checks list", "objectives list"] {
        let listed = ids(list, "id");
        let mut sorted = listed.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(listed, sorted, "`{list}` is not sorted, or names something twice");
        assert!(!listed.is_empty(), "`{list}` is empty");
    }
    let controls = ids("controls list --catalog iso27001-2022", "id");
    assert_eq!(controls.len(), 93);
}

#[test]
fn kinds_stand_in_files_of_their_name_with_sorted_checks() {
    let kinds = files(&["yaml"]).into_iter().filter(|path| path.starts_with(root().join("mappings/kinds")));
    let mut seen = BTreeSet::new();
    for path in kinds {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(text.contains(&format!("kind: {name}\n")), "{} describes another kind", shown(&path));
        let provider = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with(&format!("{provider}.")), "{} stands in the wrong folder", shown(&path));
        for line in text.lines().filter_map(|line| line.strip_prefix("  - id: ")) {
            let id = line.trim().to_owned();
            assert!(id.starts_with(&format!("{provider}.")), "{}: {id} is of another cloud", shown(&path));
            assert!(seen.insert(id.clone()), "{id} stands twice");
        }
    }
    assert!(seen.len() >= 50, "{} checks", seen.len());
}

#[test]
fn nothing_names_a_private_place_or_a_real_account() {
    // Written in two parts, so that this file does not find itself.
    let private = [["/ro", "ot/"], ["/wo", "rk/"], ["/ho", "me/runner"], ["/Us", "ers/"]].map(|parts| parts.concat());
    let invented = ["123456789012", "111122223333", "210987654321", "000000000000", "444455556666"];
    for path in files(&["rs", "md", "yaml", "toml", "py", "json", "txt", "html", "sh"]) {
        let text = fs::read_to_string(&path).unwrap();
        for place in &private {
            assert!(!text.contains(place), "{}: names {place}", shown(&path));
        }
        for arn in text.split("arn:aws:iam::").skip(1) {
            let account: String = arn.chars().take_while(char::is_ascii_digit).collect();
            let fine = account.len() != 12 || invented.contains(&account.as_str()) || is_pattern(&account);
            assert!(fine, "{}: {account} could be somebody's account", shown(&path));
        }
    }
}

/// Twelve times the same digit, or digits in a row: nobody's account.
fn is_pattern(account: &str) -> bool {
    let digits = account.as_bytes();
    let steps: BTreeSet<u8> = digits.windows(2).map(|pair| (pair[1] + 10 - pair[0]) % 10).collect();
    steps.len() == 1
}
