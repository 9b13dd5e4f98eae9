//! Evidence in a bucket, read by every command by its URL, and attacked by somebody with all rights over it.

use std::process::Command;
use std::sync::Arc;

use evidenced_model::FixedClock;
use evidenced_model::manifest::LockMode;
use evidenced_store::{AwsKey, Limits, Options, Retention, Upload, put_all};
use xtask::Ministack;

use crate::support::{Agent, company, moto_venv, target, walk};

const URL: &str = "s3://evidence/prod";

/// An agent whose two runs lie in a locked bucket.
fn in_a_bucket() -> (Ministack, Agent) {
    let moto = company();
    let agent = Agent::new(&moto.url());
    agent.run(&["collect", "--partial-ok"]).expect(0);
    agent.run(&["collect", "--partial-ok"]).expect(0);
    let ministack = Ministack::start(target()).unwrap();
    insider(&ministack, &["bucket", "evidence"]);
    upload(&ministack, &agent);
    let config = format!(
        "agent:\n  id: test\n  state_dir: ./state\nstore:\n  url: {URL}\n  endpoint_url: {}\n  \
         retention: {{ mode: compliance, days: 30 }}\n",
        ministack.url()
    );
    std::fs::write(agent.folder().join("evidenced.yaml"), config).unwrap();
    (ministack, agent)
}

/// Puts what stands in the agent's folder into the bucket, locked.
fn upload(ministack: &Ministack, agent: &Agent) {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = jiff::Timestamp::from_second(i64::try_from(now.as_secs()).unwrap()).unwrap();
    let options = Options {
        aws: Some(AwsKey { id: "AKIAEXAMPLEEXAMPLE00".to_owned(), secret: "not-a-secret".to_owned() }),
        endpoint_url: Some(ministack.url()),
        retention: Some(Retention { mode: LockMode::Compliance, days: 30 }),
        ..Options::new(Arc::new(FixedClock(now)))
    };
    let store = evidenced_store::open(URL, &options).unwrap();
    let mut files = Vec::new();
    walk(&agent.store(), &mut |path, _| {
        let name = path.strip_prefix(agent.store()).unwrap().display().to_string();
        files.push(Upload::file(name, path).unwrap());
    });
    let count = files.len() as u64;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let uploaded = runtime.block_on(put_all(&*store, files, Limits::default(), &mut |_, _| ())).unwrap();
    assert_eq!(uploaded.written, count);
}

fn insider(ministack: &Ministack, arguments: &[&str]) -> Option<i32> {
    let mut command: Command = moto_venv().script("s3_insider.py");
    command.arg(ministack.url()).args(arguments).output().unwrap().status.code()
}

#[test]
fn every_command_reads_a_bucket_by_its_url() {
    let (_ministack, agent) = in_a_bucket();
    let verified = agent.run(&["verify", "--re-evaluate"]).expect(0);
    assert!(verified.stdout.contains(&format!("{URL}: good. 2 runs")), "{}", verified.stdout);
    assert!(!verified.stdout.contains("note  v1/"), "{}", verified.stdout);
    assert!(!agent.run(&["findings", "--verdict", "fail"]).expect(0).lines().is_empty());
    assert!(agent.run(&["report"]).expect(0).stdout.contains("27001"));
    agent.run(&["diff", "latest~1", "latest"]).expect(0);
    let elsewhere = agent.run(&["verify", "s3://evidence/elsewhere"]).expect(5);
    assert!(elsewhere.stdout.contains("holds no log"), "{}", elsewhere.stdout);
}

#[test]
fn runs_go_into_a_locked_bucket_and_nobody_takes_them_out() {
    let (moto, ministack) = (company(), Ministack::start(target()).unwrap());
    insider(&ministack, &["bucket", "evidence"]);
    let agent = Agent::with_config(&format!(
        "agent: {{ id: test, state_dir: ./state }}\n\
         targets:\n  - aws: {{ regions: [eu-central-1], endpoint_url: '{}' }}\n\
         store:\n  url: {URL}\n  endpoint_url: '{}'\n  retention: {{ mode: compliance, days: 30 }}\n",
        moto.url(),
        ministack.url()
    ));
    agent.run(&["collect", "--partial-ok"]).expect(0);
    let again = agent.run(&["collect", "--partial-ok", "--format", "json"]).expect(0).lines().remove(0);
    assert!(again["head"]["digest"].is_string(), "{again}");
    let verified = agent.run(&["verify", "--re-evaluate"]).expect(0);
    assert!(verified.stdout.contains(&format!("{URL}: good. 2 runs")), "{}", verified.stdout);
    let report = agent.run(&["report"]).expect(0).stdout;
    assert!(report.contains("locked for 30 days in compliance mode"), "{report}");

    // Neither a version of the log nor an object is deleted for good, with the agent's own credentials.
    let entry = "prod/v1/log/test/000000000000.dsse.json".to_owned();
    let envelope =
        format!("prod/{}", again["statement"]["path"].as_str().unwrap_or("v1/log/test/000000000001.dsse.json"));
    for file in [entry, envelope] {
        assert_eq!(insider(&ministack, &["purge", "evidence", &file]), Some(3), "the lock refuses {file}");
    }
    agent.run(&["verify"]).expect(0);
    let doctor = agent.run(&["doctor", "--format", "json"]);
    let store = doctor.lines().into_iter().find(|line| line["part"].as_str().unwrap().starts_with("store")).unwrap();
    assert_eq!(store["state"], "ok", "{store}");
}

#[test]
fn an_insider_is_named_and_changes_nothing() {
    let (ministack, agent) = in_a_bucket();
    let before = agent.run(&["report", "--format", "json"]).expect(0).stdout;
    let mut attacked = Vec::new();
    for (first, action) in [(0, "overwrite"), (1, "delete")] {
        // What stands outside of `v1/`, such as a lease, is no evidence.
        let files = agent.files().into_iter().map(|(path, _)| path).filter(|path| path.starts_with("v1/"));
        let chosen: Vec<String> = files.skip(first).step_by(3).collect();
        let keys: Vec<String> = chosen.iter().map(|path| format!("prod/{path}")).collect();
        let arguments: Vec<&str> = [action, "evidence"].into_iter().chain(keys.iter().map(String::as_str)).collect();
        assert_eq!(insider(&ministack, &arguments), Some(0));
        attacked.extend(chosen);
    }
    let verified = agent.run(&["verify"]).expect(0);
    for path in attacked {
        assert!(verified.stdout.contains(&format!("note  {path}: it was ")), "{path} in {}", verified.stdout);
    }
    assert_eq!(agent.run(&["report", "--format", "json"]).expect(0).stdout, before);
    let entry = "prod/v1/log/test/000000000000.dsse.json";
    assert_eq!(insider(&ministack, &["purge", "evidence", entry]), Some(3), "the lock refuses");
}

#[test]
fn a_store_that_cannot_be_reached_says_so() {
    let agent = Agent::with_config(
        "agent: { id: test, state_dir: ./state }\nstore: { url: s3://evidence, endpoint_url: 'http://127.0.0.1:9' }\n",
    );
    agent.run(&["keygen", "--out", "state.pem"]);
    let failed = agent.run(&["findings"]);
    assert_eq!(failed.code, Some(4), "{failed:?}");
    assert!(failed.stderr.contains("cannot be reached"), "{failed:?}");
}
