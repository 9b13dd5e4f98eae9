//! Ctrl-C in the middle of a run: over within seconds, and nothing that a reader could take for a whole run.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Agent, Done, company, proxy};

#[test]
fn an_interrupted_run_is_abandoned_and_the_next_one_is_whole() {
    let moto = company();
    let proxy = proxy(&moto);
    let agent = Agent::new(&proxy.url());
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);

    for (signal, call) in [("INT", "s3:GetBucketPolicy"), ("TERM", "kms:ListKeys")] {
        proxy.rules(&[(call, "hold")]).unwrap();
        let child = agent.start(&["collect"]);
        proxy.await_call(call).unwrap();
        let asked = Instant::now();
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let done = Done::from(child.wait_with_output().unwrap());
        assert!(asked.elapsed() < Duration::from_secs(10), "SIG{signal}: {:?}", asked.elapsed());
        assert_eq!(done.code, Some(130), "{}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);

        let runs = agent.files().into_iter().filter(|(name, _)| name.ends_with("run.dsse.json")).count();
        assert_eq!(runs, 1, "SIG{signal}: an interrupted run was sealed");
        assert!(!agent.files().iter().any(|(name, _)| name.contains("tmp")), "half-written files stay behind");
        agent.run(&["verify"]).expect(0);
        agent.run(&["report", "-q"]).expect(0);
    }

    proxy.rules(&[]).unwrap();
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);
    agent.run(&["verify", "--re-evaluate"]).expect(0);
    // Started, run; twice started, abandoned; started, run; and the genesis.
    let entries = agent.files().into_iter().filter(|(name, _)| name.contains("/log/")).count();
    assert_eq!(entries, 9, "{:?}", agent.files().iter().filter(|(name, _)| name.contains("/log/")).collect::<Vec<_>>());
}

#[test]
fn a_killed_run_is_abandoned_by_the_next_one() {
    let moto = company();
    let proxy = proxy(&moto);
    let agent = Agent::new(&proxy.url());
    proxy.rules(&[("kms:ListKeys", "hold")]).unwrap();
    let mut child = agent.start(&["collect", "-q"]);
    proxy.await_call("kms:ListKeys").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    proxy.rules(&[]).unwrap();
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);
    agent.run(&["verify", "--re-evaluate"]).expect(0);
    // Genesis; started, abandoned; started, run.
    assert_eq!(agent.files().iter().filter(|(name, _)| name.contains("/log/")).count(), 5);
}
