//! Documents that people bring: sealed, listed, verified, and kept while the store is away.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use evidenced_model::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

/// One agent over a folder store.
struct Place {
    folder: TempDir,
}

struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new(limits: &str) -> Self {
        let folder = TempDir::with_prefix("evidenced-").unwrap();
        let config = format!(
            "agent: {{ id: test, state_dir: ./state }}\ntargets: [{{ synthetic: {{ resources: 20 }} }}]\n\
             store: {{ url: ./evidence }}\n{limits}"
        );
        std::fs::write(folder.path().join("evidenced.yaml"), config).unwrap();
        std::fs::write(folder.path().join("minutes.pdf"), "minutes of the review\n").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evidenced-bench"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.output().unwrap().into()
    }

    fn list(&self) -> Vec<Value> {
        let listed = self.run(&["attach", "--list", "--format", "json"]).expect(0);
        listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Done {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }
}

#[test]
fn a_document_is_sealed_listed_and_verified() {
    let place = Place::new("");
    let attach = ["attach", "--control", "A.6.3,A.5.1", "--by", "Jo Example", "minutes.pdf", "--format", "json"];
    let sealed = place.run(&attach).expect(0).json();
    let file = std::fs::read(place.path("minutes.pdf")).unwrap();
    let record = &sealed["attachment"];
    assert_eq!(record["sha256"], Digest::of(&file).to_string());
    assert_eq!(record["bytes"], file.len());
    assert_eq!(record["by"], "Jo Example");
    assert_eq!(record["media_type"], "application/pdf");
    assert_eq!(record["title"], "minutes.pdf");
    let control = |number: &str| json!({"catalog": "iso27001-2022", "control": number});
    assert_eq!(record["controls"], json!([control("A.5.1"), control("A.6.3")]), "sorted");
    assert_eq!(sealed["head"]["index"], 1, "behind the genesis");
    let stored = |name: &str| std::fs::read(place.path("evidence").join(sealed[name].as_str().unwrap())).unwrap();
    assert_eq!(stored("object"), file);
    assert_eq!(sealed["id"], Digest::of(&stored("record")).to_string());
    place.run(&["verify"]).expect(0);

    // Once more with everything said, in words.
    let more = ["--valid-from", "2020-01-01", "--valid-until", "2020-12-31", "--title", "Review", "--note", "signed"];
    let said = ["attach", "--control", "CLD.6.3.1", "--by", "Jo", "minutes.pdf"];
    let said = place.run(&[&said[..], &more[..]].concat()).expect(0).stdout;
    assert!(
        said.contains("Review: evidence for CLD.6.3.1, from 2020-01-01, valid until 2020-12-31 (expired)"),
        "{said}"
    );
    assert!(said.contains(&Digest::of(&file).to_string()) && said.contains("log head  2:"), "{said}");

    let listed = place.list();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["state"], &listed[0]["agent"]),
        (&sealed["id"], &json!("in_force"), &json!("test"))
    );
    assert_eq!(listed[0]["entry"], sealed["head"]);
    assert_eq!((&listed[1]["state"], &listed[1]["attachment"]["note"]), (&json!("expired"), &json!("signed")));
    let chosen = place.run(&["attach", "--list", "--control", "CLD.6.3.1"]).expect(0).stdout;
    assert_eq!(chosen.lines().count(), 1);
    assert!(
        chosen.contains("Review (minutes.pdf), by Jo, from 2020-01-01, valid until 2020-12-31 (expired)"),
        "{chosen}"
    );
    place.run(&["collect", "-q"]).expect(0);
    place.run(&["verify"]).expect(0);

    let object = place.path("evidence").join(sealed["object"].as_str().unwrap());
    std::fs::remove_file(&object).unwrap();
    let broken = place.run(&["verify"]).expect(5).stdout;
    assert!(broken.contains(&Digest::of(&file).to_string()) && broken.contains("missing"), "{broken}");
}

#[test]
fn what_cannot_be_evidence_is_refused_and_nothing_is_sealed() {
    let place = Place::new("");
    std::fs::write(place.path("empty.txt"), "").unwrap();
    std::fs::create_dir(place.path("folder")).unwrap();
    let attach = |more: &[&str], what: &str| {
        let refused = place.run(&[&["attach", "--by", "Jo"], more].concat()).expect(2).stderr;
        assert!(refused.contains(what), "{refused}");
    };
    attach(&["--control", "A.6.3", "gone.pdf"], "gone.pdf: there is no such file");
    attach(&["--control", "A.6.3", "empty.txt"], "it is empty");
    attach(&["--control", "A.6.3", "folder"], "it is a folder");
    attach(&["--control", "a.6.3", "minutes.pdf"], "did you mean A.6.3?");
    attach(&["--control", "A.9.2.3", "minutes.pdf"], "one of iso27001-2013, and now");
    attach(&["--control", "A.6.3,A.99", "minutes.pdf"], "--control A.99");
    attach(&["--control", "A.6.3", "--catalog", "iso27017-2015", "minutes.pdf"], "no control of iso27017-2015");
    attach(&["--control", "A.6.3", "--catalog", "iso9001", "minutes.pdf"], "known: iso27001-2022");
    attach(&["--control", "A.6.3", "--valid-until", "2026-02-30", "minutes.pdf"], "--valid-until");
    let reversed = ["--control", "A.6.3", "--valid-from", "2026-02-02", "--valid-until", "2026-02-01", "minutes.pdf"];
    attach(&reversed, "before --valid-from");
    attach(&["--control", "A.6.3", "--title", " ", "minutes.pdf"], "--title");
    attach(&["minutes.pdf"], "--control");
    place.run(&["attach", "--control", "A.6.3", "minutes.pdf"]).expect(2);
    assert!(!place.path("evidence").exists() && !place.path("state").exists(), "and nothing was made");
}

#[test]
fn while_the_store_is_away_it_is_kept_and_sent_later() {
    let place = Place::new("");
    place.run(&["collect", "-q"]).expect(0);
    std::fs::rename(place.path("evidence/v1"), place.path("elsewhere")).unwrap();
    std::fs::write(place.path("evidence/v1"), "").unwrap();
    let kept = place.run(&["attach", "--control", "A.6.3", "--by", "Jo", "minutes.pdf", "--format", "json"]).expect(4);
    assert!(kept.stderr.contains("kept in the spool") && kept.stderr.contains("spool push"), "{}", kept.stderr);
    assert_eq!(kept.json()["head"], Value::Null);
    assert!(kept.json()["error"].is_string());
    let waits = place.run(&["spool", "list", "--format", "json"]).expect(0).json();
    assert_eq!(
        (&waits["kind"], &waits["object"], &waits["state"]),
        (&json!("attachment"), &kept.json()["record"], &json!("sealed"))
    );
    // What was read is in the spool: the file itself may go.
    std::fs::remove_file(place.path("minutes.pdf")).unwrap();

    std::fs::remove_file(place.path("evidence/v1")).unwrap();
    std::fs::rename(place.path("elsewhere"), place.path("evidence/v1")).unwrap();
    let sent = place.run(&["spool", "push", "--format", "json"]).expect(0).json();
    assert_eq!(sent["sealed"][0]["object"], kept.json()["record"]);
    assert_eq!(place.list().len(), 1);
    place.run(&["verify"]).expect(0);
    assert_eq!(place.run(&["spool", "list"]).expect(0).stdout, "nothing waits\n");
}

#[test]
fn what_is_larger_than_the_spool_is_refused() {
    let place = Place::new("limits: { spool_bytes: 1MiB }\n");
    std::fs::write(place.path("large.bin"), vec![7; 2 << 20]).unwrap();
    let refused = place.run(&["attach", "--control", "A.6.3", "--by", "Jo", "large.bin"]).expect(2).stderr;
    assert!(refused.contains("spool_bytes") && refused.contains("was not sealed"), "{refused}");
    assert_eq!(place.run(&["spool", "list"]).expect(0).stdout, "nothing waits\n");
}

#[test]
fn hostile_names_are_data() {
    let place = Place::new("");
    let name = "a\u{1b}[31m\n=cmd.txt";
    std::fs::write(place.path(name), "x").unwrap();
    let by = "Jo\u{202e}\u{7}";
    let said = place.run(&["attach", "--control", "A.6.3", "--by", by, name]).expect(0).stdout;
    let listed = place.run(&["attach", "--list"]).expect(0).stdout;
    for text in [&said, &listed] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        assert!(text.contains(r"a\u{1b}[31m\n=cmd.txt"), "{text:?}");
    }
    assert_eq!(listed.lines().count(), 1);
    assert_eq!(place.list()[0]["attachment"]["file"], name, "as data it is what it is");
    place.run(&["verify"]).expect(0);
}
