//! Samples of a real run: drawn again and proved by another hand, under hostile names too, and refused where they must be.

use std::process::Command;

use serde_json::Value;
use xtask::Interchange;

use crate::support::{Agent, company, empty_moto, proxy, target};

/// Draws with these arguments, and lets the other hand draw again; what that printed.
fn drawn_again(agent: &Agent, arguments: &[&str]) -> (Value, String) {
    let sample = agent.run(&[&["sample", "--format", "json"], arguments].concat()).expect(0).stdout;
    assert!(sample.is_ascii() && !sample.contains(|c: char| c.is_control() && c != '\n'));
    let findings = agent.run(&["findings"]).expect(0).stdout;
    let files = [("sample.json", &sample), ("findings.jsonl", &findings)].map(|(name, text)| {
        let path = agent.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    });
    let mut script = Interchange::new(target()).unwrap().script("sample_check.py");
    let output = script.args(&files).arg(agent.store()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    (serde_json::from_str(&sample).unwrap(), said)
}

#[test]
fn a_sample_is_drawn_again_by_another_hand() {
    let moto = company();
    let agent = Agent::new(&moto.url());
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);

    let arguments = ["--control", "A.8.24", "--n", "4", "--seed", "42"];
    let (sample, said) = drawn_again(&agent, &arguments);
    assert!(said.contains("drawn=4"), "{said}");
    assert_eq!(sample["drawn"].as_array().unwrap().len(), 4);
    let (again, _) = drawn_again(&agent, &arguments);
    assert_eq!(sample, again);
    let (other, _) = drawn_again(&agent, &["--control", "A.8.24", "--n", "4", "--seed", "43"]);
    assert_ne!(sample["drawn"], other["drawn"]);
    assert_eq!(sample["population"], other["population"]);

    // More than there is gives all, and says so; what was not read is named.
    let count = usize::try_from(sample["population"]["count"].as_u64().unwrap()).unwrap();
    let (all, said) = drawn_again(&agent, &["--control", "A.8.24", "--n", "10000", "--seed", "42"]);
    assert_eq!(all["drawn"].as_array().unwrap().len(), count, "{said}");
    let cautions: Vec<&str> = all["cautions"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(
        cautions.iter().any(|text| text.contains(&format!("The population is {count}, less than"))),
        "{cautions:?}"
    );

    // The commands that are printed print what is said that they print.
    let mut checked = 0;
    for one in sample["drawn"].as_array().unwrap() {
        let lines = std::iter::once(&one["reading"]).chain(one["findings"].as_array().unwrap());
        for check in lines.filter_map(|line| line["check"].as_array()).flatten() {
            let (command, prints) = (check["command"].as_str().unwrap(), check["prints"].as_str().unwrap());
            let output = Command::new("sh").args(["-c", command]).current_dir(agent.store()).output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(printed.starts_with(prints), "{command} printed {printed}, and not {prints}");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");

    // A period: every run of it, and equal objects once.
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);
    let (period, _) = drawn_again(&agent, &["--control", "A.8.24", "--n", "4", "--seed", "42", "--from", "2020-01-01"]);
    assert_eq!(period["runs"]["count"], 2);
    assert_eq!(period["population"], sample["population"]);
    let keys = |sample: &Value| -> Vec<Value> {
        sample["drawn"].as_array().unwrap().iter().map(|one| one["key"].clone()).collect()
    };
    assert_eq!(keys(&period), keys(&sample));
    assert_ne!(period["drawn"][0]["run"], sample["drawn"][0]["run"], "the newest run that judged it");
    in_packs(&agent, &sample);
    refused(&agent);
}

/// In a pack for the control, the same is drawn; in one that withholds its keys, less, and the sample says so.
fn in_packs(agent: &Agent, sample: &Value) {
    agent.run(&["export", "-q", "--control", "A.8.24", "-o", "control.zip"]).expect(0);
    agent.run(&["export", "-q", "--withhold", "kind=aws.kms.key", "-o", "keyless.zip"]).expect(0);
    let from = |pack: &str| {
        let arguments =
            ["sample", "--format", "json", "--control", "A.8.24", "--n", "10000", "--seed", "42", "--store", pack];
        agent.run(&arguments).expect(0).json()
    };
    let shown = from("control.zip");
    assert_eq!(shown["population"]["sha256"], sample["population"]["sha256"]);
    assert_eq!(shown["drawn"][0]["key"], sample["drawn"][0]["key"]);
    let keyless = from("keyless.zip");
    assert!(keyless["population"]["withheld_findings"].as_u64().unwrap() > 0);
    assert!(keyless["cautions"].to_string().contains("This is a pack that withholds"), "{}", keyless["cautions"]);
    assert!(keyless["drawn"].as_array().unwrap().iter().all(|one| one["kind"] != "aws.kms.key"));
}

fn refused(agent: &Agent) {
    for (arguments, part) in [
        (&["--control", "A.8.42", "--seed", "1"][..], "did you mean A.8."),
        (&["--control", "A.6.3", "--seed", "1"], "people bring its evidence"),
        (&["--control", "A.8.24", "--seed", "1", "--catalog", "iso9001"], "no catalogue \"iso9001\""),
        (&["--control", "A.8.24", "--seed", "1", "--to", "2020-01-01"], "no run that began in this time"),
        (&["--control", "A.8.24"], "--seed"),
        (&["--control", "A.8.24", "--seed", "1", "-n", "0"], "0"),
    ] {
        let done = agent.run(&[&["sample"], arguments].concat()).expect(2);
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn a_sample_of_what_was_read_names_what_was_not() {
    let moto = company();
    let proxy = proxy(&moto);
    let agent = Agent::new(&proxy.url());
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);
    let arguments = ["--control", "A.8.24", "--n", "3", "--seed", "42"];
    let (before, _) = drawn_again(&agent, &arguments);
    let keys = |sample: &Value| -> Vec<(Value, Value)> {
        let gaps = sample["gaps"].as_array().unwrap();
        gaps.iter()
            .filter(|gap| gap["kind"] == "aws.kms.key")
            .map(|gap| (gap["state"].clone(), gap["runs"].clone()))
            .collect()
    };
    assert_eq!(keys(&before), []);
    proxy.rules(&[("kms:ListKeys", "deny")]).unwrap();
    agent.run(&["collect", "-q", "--partial-ok"]).expect(0);
    let (after, _) = drawn_again(&agent, &arguments);
    assert_eq!(keys(&after), [("denied".into(), 1.into())]);
    assert!(after["cautions"].to_string().contains("a sample of what was read, not of all"), "{}", after["cautions"]);
    let count = |sample: &Value| sample["population"]["count"].as_u64().unwrap();
    assert!(count(&after) < count(&before), "keys that were not read cannot be drawn");
    let text = agent.run(&[&["sample"], &arguments[..]].concat()).expect(0).stdout;
    assert!(text.contains("! not read: aws.kms.key in aws:123456789012 eu-central-1: denied"), "{text}");
    // Over both runs, the keys of the first are there, and the gap of the second is named.
    let period =
        agent.run(&[&["sample", "--format", "json", "--from", "2020-01-01"], &arguments[..]].concat()).expect(0);
    assert_eq!(count(&period.json()), count(&before));
    assert_eq!(keys(&period.json()), [("denied".into(), 1.into())]);
}

#[test]
fn hostile_names_are_drawn_and_proved_like_others() {
    let moto = empty_moto();
    moto.seed("seed_hostile.py", &[]).unwrap();
    let agent = Agent::with_config(&format!(
        "targets:\n  - aws:\n      regions: [eu-central-1]\n      endpoint_url: {}\ncollect: all\n",
        moto.url()
    ));
    agent.run(&["collect", "-q"]).expect(3);
    for control in ["A.8.2", "A.5.15", "A.8.12"] {
        let (sample, said) = drawn_again(&agent, &["--control", control, "--n", "1000", "--seed", "=1+1\u{202e}"]);
        assert!(sample["population"]["count"].as_u64().unwrap() > 0, "{control}: {said}");
        let text = agent.run(&["sample", "--control", control, "--seed", "=1+1\u{202e}"]).expect(0).stdout;
        let acts = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(acts), "{control}");
    }
}
