//! Errors of usage and config: one each, with file, line and remedy, before anything is called.

use std::io::ErrorKind;
use std::net::TcpListener;

use crate::support::Agent;

/// A good config; each case spoils one line of it.
const GOOD: &str = "\
agent:
  id: test
  state_dir: ./state
targets:
  - aws:
      regions: [eu-central-1]
      role: evidenced-reader
      endpoint_url: ENDPOINT
store:
  url: ./evidence
seal:
  key: file:./key.pem
checks:
  params: { max_key_age_days: 60 }
";

/// A door at which every call would be heard.
struct Door(TcpListener);

impl Door {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    #[track_caller]
    fn nobody_came(&self) {
        assert_eq!(self.0.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody called");
    }
}

#[test]
fn each_slip_is_one_error_with_its_line_and_a_remedy() {
    // What is replaced, by what, the line of the error, words that the message must hold.
    let cases: &[(&str, &str, usize, &[&str])] = &[
        ("agent:\n", "agnet:\n", 1, &["agnet", "did you mean `agent`"]),
        ("  state_dir:", "  state_dri:", 3, &["state_dri", "did you mean `state_dir`"]),
        ("id: test", "id: Not An Id", 2, &["lower-case"]),
        ("      regions:", "      reigons:", 6, &["reigons", "did you mean `regions`"]),
        ("[eu-central-1]", "mars", 6, &["regions", "eu-west-1"]),
        ("- aws:", "- aswa:", 5, &["aswa", "aws"]),
        ("evidenced-reader", "arn:aws:iam::123456789012:user/x", 7, &["role", "arn:aws:iam::123456789012:role/"]),
        ("ENDPOINT", "nowhere", 8, &["endpoint_url", "http://"]),
        ("url: ./evidence", "url: ftp://example.com/x", 10, &["store.url", "file://"]),
        ("url: ./evidence", "url: [a, b]", 10, &[]),
        ("url: ./evidence", "url: ./evidenced.yaml/below-a-file", 10, &["store.url"]),
        ("file:./key.pem", "file:./missing.pem", 12, &["seal.key", "missing.pem"]),
        ("file:./key.pem", "file:./evidenced.yaml", 12, &["seal.key"]),
        ("file:./key.pem", "vault:key", 12, &["seal.key", "file:"]),
        ("state_dir: ./state", "state_dir: ./evidenced.yaml/state", 3, &["state_dir"]),
        ("max_key_age_days: 60", "max_key_age_dayz: 60", 14, &["max_key_age_dayz", "max_key_age_days"]),
        ("max_key_age_days: 60", "max_key_age_days: often", 14, &["max_key_age_days"]),
        ("id: test", "id: [", 2, &[]),
    ];
    for (good, bad, line, words) in cases {
        let door = Door::open();
        let config = GOOD.replacen(good, bad, 1).replace("ENDPOINT", &door.url());
        let agent = Agent::with_config(&config);
        assert_ne!(config, GOOD.replace("ENDPOINT", &door.url()), "{bad}: spoils nothing");
        agent.run(&["keygen", "key.pem"]).expect(0);
        let done = agent.run(&["collect"]).expect(2);
        let message = done.stderr.trim();
        let errors = message.lines().filter(|line| line.starts_with("evidenced: ")).count();
        assert_eq!(errors, 1, "{bad}: one error\n{message}");
        assert!(message.contains(&format!("evidenced.yaml:{line}")), "{bad}: line {line} is not named\n{message}");
        for word in *words {
            assert!(message.contains(word), "{bad}: {word:?} is missing\n{message}");
        }
        assert!(!message.contains("panicked") && !message.contains("RUST_BACKTRACE"), "{message}");
        assert_eq!(done.stdout, "", "{bad}: nothing was collected");
        door.nobody_came();
        assert!(!agent.folder().join("evidence/v1/log").exists(), "{bad}: a run was started");
    }
}

#[test]
fn the_environment_overrides_and_is_named_in_its_errors() {
    let door = Door::open();
    let agent = Agent::with_config(&GOOD.replace("ENDPOINT", &door.url()));
    agent.run(&["keygen", "key.pem"]).expect(0);
    let with = |name: &str, value: &str| {
        let output = agent.command(&["config", "check"]).env(name, value).output().unwrap();
        crate::support::Done::from(output)
    };
    with("EVIDENCED_AGENT__ID", "other").expect(0);
    let wrong = with("EVIDENCED_AGENT__IDD", "other").expect(2);
    assert!(wrong.stderr.contains("EVIDENCED_AGENT__IDD"), "{}", wrong.stderr);
    let wrong = with("EVIDENCED_AGENT__ID", "Not An Id").expect(2);
    assert!(wrong.stderr.contains("EVIDENCED_AGENT__ID"), "{}", wrong.stderr);
    door.nobody_came();
}

#[test]
fn slips_on_the_command_line_say_what_to_do() {
    let agent = Agent::with_config("");
    for (arguments, word) in [
        (&["colect"][..], "collect"),
        (&["collect", "--fail-on", "grave"], "critical"),
        (&["collect", "--collectors", "aws.s4"], "aws.s3"),
        (&["report", "--format", "docx"], "html"),
        (&["-c", "nowhere.yaml", "collect"], "config init"),
        (&["checks", "show", "aws.s3.nonsense"], "checks list"),
        (&["findings", "--run", "latest"], "./evidence"),
        (&["verify", "./nowhere"], "nowhere"),
    ] {
        let done = agent.run(arguments).expect(2);
        assert!(done.stderr.contains(word), "{arguments:?}: {word:?} is missing\n{}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    }
}

#[test]
fn a_config_to_start_from_is_good() {
    let agent = Agent::with_config("");
    agent.run(&["config", "init", "fresh.yaml"]).expect(0);
    agent.run(&["-c", "fresh.yaml", "config", "check"]).expect(0);
    agent.run(&["config", "init", "fresh.yaml"]).expect(2);
    assert!(agent.run(&["config", "schema"]).expect(0).json().is_object());
    for shell in ["bash", "zsh", "fish"] {
        assert!(agent.run(&["completions", shell]).expect(0).stdout.contains("evidenced"));
    }
}
