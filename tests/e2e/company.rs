//! A small company, from the first call to a report, and again when nothing or something has changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Agent, company, contents, dsse, empty_moto, newest_statement};

#[test]
fn evidence_is_collected_verified_and_read() {
    let moto = company();
    let agent = Agent::new(&moto.url());

    // The emulator does not serve everything: what was not read is a gap.
    let collected = agent.run(&["collect", "--format", "json"]).expect(3).json();
    assert_eq!(collected["status"], "partial");
    assert!(collected["totals"]["resources"].as_u64().unwrap() > 30, "{collected}");
    for verdict in ["pass", "fail", "unknown", "not_applicable"] {
        assert!(collected["totals"]["findings"][verdict].as_u64().unwrap() > 0, "no {verdict} in {collected}");
    }
    let run = collected["run"].as_str().unwrap();
    let head = format!("{}:{}", collected["head"]["index"], collected["head"]["digest"].as_str().unwrap());

    verifies_here_and_elsewhere(&agent, &head);
    somebody_else_accepts_the_envelope(&agent);
    says_what_is_known_of_the_company(&agent, run);
    reports_in_every_form(&agent);

    // The order of the exit codes: gaps before findings, findings only where gaps are accepted.
    agent.run(&["collect", "-q", "--fail-on", "critical"]).expect(3);
    agent.run(&["collect", "-q", "--fail-on", "critical", "--partial-ok"]).expect(1);
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);
    agent.run(&["collect", "-q", "--collectors", "aws.kms"]).expect(0);
    agent.run(&["verify"]).expect(0);
}

fn verifies_here_and_elsewhere(agent: &Agent, head: &str) {
    agent.run(&["verify", "--re-evaluate", "--expect-head", head]).expect(0);
    let wrong = format!("9{head}");
    agent.run(&["verify", "--expect-head", &wrong]).expect(5);

    // A copy in another place, with nothing but the public key; no agent, no state, no config.
    let elsewhere = Agent::with_config("").signed_in_as(None);
    let key = elsewhere.folder().join("public.pem");
    let private = find(&agent.folder().join("state"), "pem").expect("the key made on first use");
    let openssl = ["pkey", "-pubout", "-in", private.to_str().unwrap(), "-out", key.to_str().unwrap()];
    assert!(Command::new("openssl").args(openssl).status().unwrap().success());
    let copy = elsewhere.folder().join("copy");
    assert!(Command::new("cp").arg("-r").args([&agent.store(), &copy]).status().unwrap().success());
    let verify = ["verify", "copy", "--key", "public.pem", "--re-evaluate"];
    elsewhere.run(&verify).expect(0);

    // Somebody else's key proves nothing.
    elsewhere.run(&["keygen", "other.pem"]).expect(0);
    elsewhere.run(&["verify", "copy", "--key", "other.pub.pem"]).expect(5);
}

fn somebody_else_accepts_the_envelope(agent: &Agent) {
    let (envelope, statement) = newest_statement(&agent.store());
    let private = find(&agent.folder().join("state"), "pem").unwrap();
    let key = agent.folder().join("public.pem");
    let openssl = ["pkey", "-pubout", "-in", private.to_str().unwrap(), "-out", key.to_str().unwrap()];
    assert!(Command::new("openssl").args(openssl).status().unwrap().success());
    let subjects = dsse().verify(&envelope, &key).unwrap().expect("securesystemslib accepts the envelope");
    for subject in statement["subject"].as_array().unwrap() {
        let line = format!("{} {}", subject["name"].as_str().unwrap(), subject["digest"]["sha256"].as_str().unwrap());
        assert!(subjects.contains(&line), "{line} is not among\n{subjects}");
    }

    let forged = agent.folder().join("forged.json");
    let changed = std::fs::read_to_string(&envelope).unwrap();
    let at = changed.find("\"payload\":\"").unwrap() + 40;
    let mut bytes = changed.into_bytes();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    std::fs::write(&forged, bytes).unwrap();
    assert!(dsse().verify(&forged, &key).unwrap().is_err(), "securesystemslib accepts a forged envelope");
}

fn says_what_is_known_of_the_company(agent: &Agent, run: &str) {
    let findings = agent.findings();
    let verdict = |check: &str, part: &str| {
        let of = |finding: &&Value| finding["check"] == check && finding["resource"].as_str().unwrap().contains(part);
        let found: Vec<&Value> = findings.iter().filter(of).collect();
        assert_eq!(found.len(), 1, "{check} on {part}: {found:?}");
        found[0]["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("aws.s3.tls_only", "example-mills-invoices"), "pass");
    assert_eq!(verdict("aws.s3.tls_only", "example-mills-website"), "fail");
    assert_eq!(verdict("aws.s3.versioning", "example-mills-invoices"), "pass");
    assert_eq!(verdict("aws.s3.versioning", "example-mills-partner-drop"), "fail");
    assert_eq!(verdict("aws.cloudtrail.log_validation", "trail/company"), "pass");
    assert_eq!(verdict("aws.cloudtrail.log_validation", "trail/forgotten"), "fail");
    assert_eq!(verdict("aws.iam.user_console_mfa", "user/alice"), "pass");
    assert_eq!(verdict("aws.iam.user_console_mfa", "user/carol"), "fail");
    assert_eq!(verdict("aws.iam.user_console_mfa", "user/build-robot"), "not_applicable");
    assert_eq!(verdict("aws.iam.role_trust_external", "role/open-to-the-world"), "fail");
    assert_eq!(verdict("aws.iam.oidc_trust_scoped", "role/github-any-repository"), "fail");
    assert_eq!(verdict("aws.iam.oidc_trust_scoped", "role/github-one-repository"), "pass");
    for finding in &findings {
        if finding["verdict"] == "unknown" {
            assert_ne!(finding["because"], Value::Array(vec![]), "an unknown without a reason: {finding}");
        }
    }

    // Filters, and a run by its id.
    let fails = agent.run(&["findings", "--run", run, "--verdict", "fail", "--check", "aws.s3.*"]).expect(0).lines();
    assert!(!fails.is_empty());
    assert!(fails.iter().all(|f| f["verdict"] == "fail" && f["check"].as_str().unwrap().starts_with("aws.s3.")));
    agent.run(&["findings", "--run", "latest~7"]).expect(2);
}

fn reports_in_every_form(agent: &Agent) {
    let text = agent.run(&["report"]).expect(0).stdout;
    assert!(text.contains("A.8.24"), "{text}");
    assert!(!text.contains('\u{1b}'), "colour where there is no terminal");
    let said = text.to_lowercase().replace("rules-compliant", "");
    assert!(!said.contains("compliant"), "we never say that");

    let report = agent.run(&["report", "--format", "json"]).expect(0).json();
    assert!(report.is_object());
    let csv = agent.run(&["report", "--format", "csv"]).expect(0).stdout;
    assert_eq!(csv.lines().count(), agent.findings().len() + 1, "one line a finding, and the head");

    agent.run(&["report", "--format", "html", "--output", "report.html"]).expect(0);
    let page = std::fs::read_to_string(agent.folder().join("report.html")).unwrap();
    assert!(page.contains("A.8.24") && page.contains("example-mills-website"));
    for foreign in ["src=\"http", "src='http", "@import", "url(http", "<link", "<iframe"] {
        assert!(!page.contains(foreign), "the page fetches something: {foreign}");
    }
}

#[test]
fn an_unchanged_account_writes_little_and_a_changed_one_says_what_changed() {
    let moto = company();
    let agent = Agent::new(&moto.url());
    agent.run(&["collect", "-q"]).expect(3);
    let before = files(&agent);
    agent.run(&["collect", "-q"]).expect(3);
    let after = files(&agent);

    let names = |files: &BTreeSet<(String, u64)>| files.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert!(names(&before).is_subset(&names(&after)), "something was deleted");
    assert!(before.is_subset(&after), "something was overwritten");
    let new: Vec<&(String, u64)> = after.difference(&before).collect();
    let chunks: Vec<_> = new.iter().filter(|(name, _)| name.ends_with(".jsonl.zst")).collect();
    assert!(chunks.is_empty(), "chunks were written again: {chunks:?}");
    let bytes: u64 = new.iter().map(|(_, size)| size).sum();
    assert!(bytes < 40 * 1024, "{bytes} bytes for nothing new: {new:?}");
    let same = agent.run(&["diff", "latest~1", "latest"]).expect(0);
    assert!(!same.stdout.contains("example-mills"), "{}", same.stdout);

    moto.seed("seed_change.py", &[]).unwrap();
    agent.run(&["collect", "-q"]).expect(3);
    let changed = agent.run(&["diff"]).expect(0).stdout;
    assert!(changed.contains("example-mills-website"), "the changed bucket is not named:\n{changed}");
    assert!(changed.contains("example-mills-new"), "the new bucket is not named:\n{changed}");
    assert!(changed.contains("example-mills-scratch"), "the deleted bucket is not named:\n{changed}");
    assert!(!changed.contains("example-mills-invoices"), "an unchanged bucket is named:\n{changed}");
    agent.run(&["verify", "--re-evaluate"]).expect(0);
}

#[test]
fn secrets_reach_neither_the_evidence_nor_the_log() {
    let moto = company();
    moto.seed("seed_secrets.py", &[]).unwrap();
    let secret = "CANARYaccessSecret0123456789";
    let agent = Agent::new(&moto.url()).signed_in_as(Some(("AKIAEXAMPLEEXAMPLE00".into(), secret.into())));
    let done = agent.run(&["collect", "-vvv"]).expect(3);
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains("CANARY"), "a secret is in what is printed:\n{}", around(text));
    }
    let contents = contents(&agent.store());
    assert!(contents.len() > 20);
    let mut redacted = 0;
    for (path, bytes) in contents {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("CANARY"), "a secret is in {path}:\n{}", around(&text));
        redacted += text.matches("redacted:").count();
    }
    assert!(redacted > 0, "nothing was redacted, so the canaries were not read at all");
    for command in [&["report"][..], &["report", "--format", "html"], &["findings"], &["verify", "-vvv"]] {
        let done = agent.run(command).expect(0);
        assert!(!done.stdout.contains("CANARY") && !done.stderr.contains("CANARY"), "{command:?}");
    }
}

/// The text around the canary.
fn around(text: &str) -> String {
    let at = text.find("CANARY").unwrap_or_default();
    text.chars().skip(text[..at].chars().count().saturating_sub(120)).take(240).collect()
}

fn files(agent: &Agent) -> BTreeSet<(String, u64)> {
    agent.files().into_iter().collect()
}

fn find(folder: &Path, extension: &str) -> Option<std::path::PathBuf> {
    let mut found = None;
    crate::support::walk(folder, &mut |path, _| {
        if path.extension().is_some_and(|e| e == extension) && !path.display().to_string().contains("pub") {
            found = Some(path.to_owned());
        }
    });
    found
}

#[test]
fn shards_read_each_account_once_and_say_which_share_is_theirs() {
    let moto = empty_moto();
    let accounts: Vec<String> = (1..=6).map(|n| format!("{:012}", 111_122_220_000_u64 + n)).collect();
    let agent = Agent::with_config(&format!(
        "agent: {{ id: test, state_dir: ./state }}\n\
         targets:\n  - aws:\n      accounts: [{}]\n      role: evidenced-reader\n      regions: [eu-central-1]\n      \
         endpoint_url: {}\nstore: {{ url: ./evidence }}\nseal: {{ key: \"file:./key.pem\" }}\n",
        accounts.iter().map(|account| format!("\"{account}\"")).collect::<Vec<_>>().join(", "),
        moto.url()
    ));
    agent.run(&["keygen", "key.pem"]).expect(0);
    let mut read = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let done =
            agent.run(&["collect", "--shard", shard, "--collectors", "aws.kms", "--format", "json", "--partial-ok"]);
        let run = done.expect(0).json();
        let index = shard.split('/').next().unwrap();
        assert_eq!(run["agent"], format!("test-{index}"));
        let id = format!("EVIDENCED_AGENT__ID=test-{index}");
        let (name, value) = id.split_once('=').unwrap();
        let report = agent.command(&["report", "--format", "json"]).env(name, value).output().unwrap();
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        let manifest = &report["manifest"];
        assert_eq!(
            (&manifest["shard"]["index"], &manifest["shard"]["of"]),
            (&Value::from(index.parse::<u32>().unwrap()), &Value::from(3))
        );
        let listed = manifest["accounts"].as_array().unwrap();
        assert_eq!(listed.len(), 6, "each names all accounts that it was cut from");
        let own = listed.iter().filter(|account| account["state"] == "read");
        read.extend(own.map(|account| account["account"].as_str().unwrap().to_owned()));
        assert!(
            listed.iter().all(|account| account["state"] == "read" || account["state"] == "elsewhere"),
            "{listed:?}"
        );
    }
    read.sort();
    assert_eq!(read, accounts, "each account once");
    let together = agent.run(&["report", "--shards", "3", "--format", "json"]).expect(0).json();
    assert_eq!(together["holes"], Value::Array(vec![]));
    assert!(together["controls"].as_array().unwrap().len() > 93, "{together}");
    // One more than there are: its share is a hole, and so is every share that was cut otherwise.
    let holes = agent.run(&["report", "--shards", "4", "--format", "json"]).expect(3).json();
    let holes: Vec<&str> = holes["holes"].as_array().unwrap().iter().map(|hole| hole.as_str().unwrap()).collect();
    assert!(holes[0].contains("read share 1 of 3") && holes[3].contains("no run is stored"), "{holes:?}");
    let text = agent.run(&["report", "--shards", "3"]).expect(0).stdout;
    assert!(text.contains("3 shards of test") && !text.contains("hole:"), "{text}");
    let wrong = agent.run(&["collect", "--shard", "0/3"]).expect(2);
    assert!(wrong.stderr.contains("from 1 to N"), "{}", wrong.stderr);
    agent.run(&["verify", "./evidence", "--key", "key.pub.pem"]).expect(0);
}
