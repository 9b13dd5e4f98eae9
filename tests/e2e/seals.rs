//! Keys and stamps, from the outside: a key in a key service, handing over, revoking, pending stamps, and the doctor.

use std::process::Command;

use serde_json::Value;
use xtask::{Certomancer, Ministack};

use crate::support::{Agent, Done, company, empty_moto, moto_venv, target};

/// An agent without clouds whose runs are quick, with these lines in its config's seal.
fn agent(endpoint: &str, seal: &str) -> Agent {
    Agent::with_config(&format!(
        "agent:\n  id: test\n  state_dir: ./state\n\
         targets:\n  - aws:\n      regions: [eu-central-1]\n      endpoint_url: {endpoint}\n\
         store:\n  url: ./evidence\nseal:\n{seal}"
    ))
}

fn change(agent: &Agent, from: &str, to: &str) {
    let path = agent.folder().join("evidenced.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(from), "{from} is not in {config}");
    std::fs::write(path, config.replace(from, to)).unwrap();
}

#[track_caller]
fn collect(agent: &Agent) {
    let done = agent.run(&["collect", "--collectors", "aws.kms", "--partial-ok"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[track_caller]
fn problems(done: &Done) -> Vec<String> {
    done.json()["problems"].as_array().unwrap().iter().map(|problem| problem["what"].as_str().unwrap().into()).collect()
}

#[test]
fn a_key_of_a_key_service_signs_and_hands_over() {
    let moto = company();
    let keys = moto_venv().script("seed_kms.py").arg(moto.url()).output().unwrap();
    let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
    let service = format!("awskms:{}?endpoint_url={}", keys["arn"].as_str().unwrap(), moto.url());
    let agent = agent(&moto.url(), "  key: file:./key.pem\n");
    agent.run(&["keygen", "key.pem"]).expect(0);
    collect(&agent);
    let rotated = agent.run(&["keys", "rotate", "--to", &service, "--format", "json"]).expect(0).json();
    // With the old config nothing more is signed: the run stays in the spool, and the reason says what to do.
    let kept = agent.run(&["collect", "--collectors", "aws.kms", "--partial-ok"]);
    assert!(kept.stderr.contains("evidenced keys rotate"), "{}", kept.stderr);
    change(
        &agent,
        "file:./key.pem",
        &format!("\"{service}\"\n  former_keys: [{}]", rotated["former_key"].as_str().unwrap()),
    );
    collect(&agent);
    let report = agent.run(&["report", "--format", "text"]).expect(0).stdout;
    assert!(report.contains("AWS KMS"), "{report}");
    // Whoever pinned the first key believes the second; whoever pinned neither believes nothing.
    let good = agent
        .run(&["verify", "./evidence", "--key", "key.pub.pem", "--re-evaluate", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!((&good["good"], &good["judged_again"]), (&Value::from(true), &good["runs"]));
    assert!(good["keys"][0]["why"].as_str().is_some_and(|why| !why.is_empty()), "{good}");
    agent.run(&["verify"]).expect(0);
    agent.run(&["keygen", "other.pem"]).expect(0);
    agent.run(&["verify", "./evidence", "--key", "other.pub.pem"]).expect(5);
    // Pinned for last year only.
    let late = agent.run(&["verify", "./evidence", "--key", "key.pub.pem@..2020-01-01", "--format", "json"]).expect(5);
    assert!(problems(&late).iter().any(|what| what.contains("until 2020-01-02T00:00:00Z only")), "{}", late.stdout);
    // Revoked: fine as long as it was revoked from now on, not if it was stolen before.
    let old = rotated["from"].as_str().unwrap();
    agent.run(&["keys", "revoke", rotated["to"].as_str().unwrap(), "--reason", "x"]).expect(2);
    agent.run(&["keys", "revoke", old, "--reason", "the laptop is gone"]).expect(0);
    agent.run(&["verify"]).expect(0);
    agent.run(&["keys", "revoke", old, "--reason", "for long", "--since", "2020-01-01"]).expect(0);
    agent.run(&["verify"]).expect(5);
    let listed = agent.run(&["keys", "list", "--format", "json"]).expect(0).lines();
    assert_eq!(listed.len(), 2);
}

#[test]
fn a_stamp_that_nobody_gives_now_is_fetched_later() {
    let moto = empty_moto();
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&moto.url(), "  timestamp:\n    urls: [\"http://127.0.0.1:1/tsr\"]\n");
    collect(&agent);
    let text = agent.run(&["report"]).expect(0).stdout;
    assert!(text.contains("pending"), "{text}");
    agent.run(&["timestamp", "--pending"]).expect(4);
    let authority = Certomancer::start(target(), folder.path()).unwrap();
    let ca = agent.folder().join("ca.pem");
    std::fs::write(&ca, authority.root()).unwrap();
    let missing = agent.run(&["verify", "--tsa-ca", "ca.pem", "--format", "json"]).expect(5);
    assert!(problems(&missing)[0].contains("no timestamp token"), "{}", missing.stdout);
    agent.run(&["verify"]).expect(0);
    change(&agent, "\"http://127.0.0.1:1/tsr\"", &format!("\"http://127.0.0.1:1/tsr\", \"{}\"", authority.url()));
    // The next run is stamped, and so is the one before it.
    collect(&agent);
    let good = agent.run(&["verify", "--tsa-ca", "ca.pem", "--format", "json"]).expect(0).json();
    assert_eq!(good["stamps"]["good"], Value::from(2));
    let pending = agent.run(&["timestamp", "--pending", "--format", "json"]).expect(0).json();
    assert_eq!(pending["stamped"], serde_json::json!([]));
    let text = agent.run(&["report"]).expect(0).stdout;
    assert!(text.contains("Time-stamp authority"), "{text}");
    // What is stored verifies without us.
    let token = agent.files().into_iter().find(|(path, _)| path.rsplit('.').next() == Some("tsr")).unwrap().0;
    let run = agent.store().join(&token).parent().unwrap().join("run.dsse.json");
    let script = "jq -r '.signatures[0].sig' \"$1\" | base64 -d > signature && \
                  openssl ts -verify -in \"$2\" -data signature -CAfile ca.pem";
    let mut by_hand = Command::new("sh");
    by_hand.args(["-c", script, "sh"]).arg(run).arg(agent.store().join(&token)).current_dir(agent.folder());
    assert!(by_hand.output().unwrap().status.success());
    // Another authority is not trusted, and the files are named.
    let other = tempfile::tempdir().unwrap();
    let other = Certomancer::start(target(), other.path()).unwrap();
    std::fs::write(&ca, other.root()).unwrap();
    let untrusted = agent.run(&["verify", "--tsa-ca", "ca.pem", "--format", "json"]).expect(5);
    assert!(problems(&untrusted)[0].contains("does not lead to a trusted authority"), "{}", untrusted.stdout);
}

#[test]
fn a_run_that_must_be_stamped_stays_in_the_spool_until_it_is() {
    let moto = empty_moto();
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&moto.url(), "  timestamp:\n    required: true\n    urls: [\"http://127.0.0.1:1/tsr\"]\n");
    let kept = agent.run(&["collect", "--collectors", "aws.kms", "--partial-ok"]).expect(4);
    assert!(kept.stderr.contains("seal.timestamp.required"), "{}", kept.stderr);
    // A run exists once the log names it: so far there are the genesis and the start.
    let entries = agent.files().iter().filter(|(path, _)| path.starts_with("v1/log/")).count();
    assert_eq!(entries, 2, "{:?}", agent.files());
    let authority = Certomancer::start(target(), folder.path()).unwrap();
    change(&agent, "http://127.0.0.1:1/tsr", &authority.url());
    agent.run(&["spool", "push"]).expect(0);
    std::fs::write(agent.folder().join("ca.pem"), authority.root()).unwrap();
    let good = agent.run(&["verify", "--tsa-ca", "ca.pem", "--format", "json"]).expect(0).json();
    assert_eq!((&good["stamps"]["good"], &good["runs"]), (&Value::from(1), &Value::from(1)));
}

#[test]
fn the_doctor_says_what_is_proved() {
    let moto = empty_moto();
    let folder = tempfile::tempdir().unwrap();
    let authority = Certomancer::start(target(), folder.path()).unwrap();
    let agent =
        agent(&moto.url(), &format!("  key: file:./key.pem\n  timestamp:\n    urls: [\"{}\"]\n", authority.url()));
    let parts = |done: &Done| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        done.lines().iter().map(|part| (text(&part["part"]), text(&part["state"]))).collect()
    };
    let state = |done: &Done, name: &str| parts(done).into_iter().find(|(part, _)| part == name).unwrap().1;
    // Without its key.
    let ill = agent.run(&["doctor", "--format", "json"]).expect(4);
    assert_eq!((state(&ill, "key"), state(&ill, "store")), ("failed".into(), "ok".into()));
    agent.run(&["keygen", "key.pem"]).expect(0);
    let well = agent.run(&["doctor", "--format", "json"]).expect(0);
    let names: Vec<String> = parts(&well).into_iter().map(|(part, _)| part).collect();
    assert_eq!(names, ["config", "isms", "key", "store", "timestamp", "aws", "permissions", "clock"]);
    // The emulator has no simulator of policies.
    let proved = |(name, state): &(String, String)| state == if name == "permissions" { "unproved" } else { "ok" };
    assert!(parts(&well).iter().all(proved), "{}", well.stdout);
    let text = agent.run(&["doctor"]).expect(0).stdout;
    for word in [
        "refused another over it",
        "123456789012",
        "are not told: iam:SimulatePrincipalPolicy",
        "certificate that is was not checked",
    ] {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
    // Verification leaves what the doctor wrote alone.
    collect(&agent);
    agent.run(&["verify"]).expect(0);
    // An authority that is away is a warning, a cloud that cannot be entered is worse, a config that is wrong is worst.
    change(&agent, &authority.url(), "http://127.0.0.1:1/tsr");
    assert_eq!(state(&agent.run(&["doctor", "--format", "json"]).expect(3), "timestamp"), "warning");
    change(&agent, &moto.url(), "http://127.0.0.1:1");
    agent.run(&["doctor"]).expect(6);
    change(&agent, "regions:", "reigons:");
    let wrong = agent.run(&["doctor", "--format", "json"]).expect(2);
    assert_eq!(parts(&wrong), [("config".to_owned(), "failed".to_owned())]);
}

#[test]
fn the_doctor_names_every_permission_that_is_lacking() {
    let ministack = Ministack::start(target()).unwrap();
    let role = moto_venv().script("seed_role.py").arg(ministack.url()).output().unwrap();
    assert!(role.status.success(), "{}", String::from_utf8_lossy(&role.stderr));
    let role = String::from_utf8(role.stdout).unwrap();
    let agent = agent(&ministack.url(), "  key: file:./key.pem\n");
    change(&agent, "regions:", &format!("role: {}\n      regions:", role.trim()));
    agent.run(&["keygen", "key.pem"]).expect(0);
    let done = agent.run(&["doctor", "--format", "json"]).expect(3);
    let parts = done.lines();
    let permissions: Vec<&Value> = parts.iter().filter(|part| part["part"] == "permissions").collect();
    let [part] = permissions[..] else { panic!("{}", done.stdout) };
    assert_eq!(part["state"], "warning");
    let what = part["what"].as_str().unwrap();
    let (_, lacking) = what.split_once("lacking for any resource: ").unwrap();
    let lacking: Vec<&str> = lacking.split(", ").collect();
    // The role may read everything of S3 but policies, and nothing of KMS.
    assert!(lacking.contains(&"s3:GetBucketPolicy") && lacking.contains(&"kms:ListKeys"), "{lacking:?}");
    let granted = |name: &&str| name.starts_with("s3:") || name.starts_with("iam:");
    assert_eq!(lacking.iter().copied().filter(granted).collect::<Vec<_>>(), ["s3:GetBucketPolicy"]);
}

#[test]
fn an_encrypted_key_signs_with_its_passphrase_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let moto = empty_moto();
    let agent = agent(&moto.url(), "  key: file:./key.pem\n");
    let passphrase = agent.folder().join("passphrase");
    std::fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    agent.run(&["keygen", "key.pem", "--encrypt", "passphrase"]).expect(0);
    let without = agent.run(&["collect"]).expect(2);
    assert!(without.stderr.contains("seal.passphrase_file"), "{}", without.stderr);
    let with = |arguments: &[&str]| {
        let mut command = agent.command(arguments);
        Done::from(command.env("EVIDENCED_SEAL__PASSPHRASE_FILE", "passphrase").output().unwrap())
    };
    with(&["collect", "--collectors", "aws.kms", "--partial-ok"]).expect(0);
    with(&["verify"]).expect(0);
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = with(&["collect"]).expect(2);
    assert!(exposed.stderr.contains("chmod 600"), "{}", exposed.stderr);
    for (path, bytes) in crate::support::contents(agent.folder()) {
        if !path.ends_with("passphrase") {
            assert!(!String::from_utf8_lossy(&bytes).contains("correct horse"), "{path} holds the passphrase");
        }
    }
}
