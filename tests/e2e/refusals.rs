//! What is refused costs exactly what it would have told, and is named.

use serde_json::Value;

use crate::support::{Agent, company, empty_moto, newest_statement, proxy};

#[test]
fn what_policies_deny_is_a_gap_with_its_permission() {
    let moto = company();
    let user = moto.create_user("reader").unwrap();
    let denied = ["s3:GetBucketVersioning", "kms:DescribeKey", "iam:GetAccountPasswordPolicy"];
    moto.deny("reader", &denied).unwrap();
    moto.enforce(true).unwrap();

    let agent = Agent::new(&moto.url()).signed_in_as(Some(user));
    let collected = agent.run(&["collect", "--format", "json"]).expect(3).json();
    assert!(collected["totals"]["gaps"].as_u64().unwrap() > 0);
    let findings = agent.findings();
    let of = |check: &str| findings.iter().filter(|f| f["check"] == check).collect::<Vec<&Value>>();
    for (check, permission) in [
        ("aws.s3.versioning", "s3:GetBucketVersioning"),
        ("aws.kms.rotation", "kms:DescribeKey"),
        ("aws.iam.password_policy_length", "iam:GetAccountPasswordPolicy"),
    ] {
        let of = of(check);
        assert!(!of.is_empty(), "{check} vanished");
        for finding in of {
            assert_eq!(finding["verdict"], "unknown", "{finding}");
            let because = finding["because"].as_array().unwrap();
            let named = because.iter().any(|b| b["permission"] == permission && b["cause"] == "denied");
            assert!(named, "{permission} is not named in {finding}");
        }
    }
    // The rest stands.
    assert!(of("aws.s3.tls_only").iter().all(|f| f["verdict"] == "pass" || f["verdict"] == "fail"));
    assert!(agent.run(&["report"]).expect(0).stdout.contains("s3:GetBucketVersioning"));
    agent.run(&["verify", "--re-evaluate"]).expect(0);
}

#[test]
fn everything_denied_is_a_signed_run_that_says_so() {
    let moto = company();
    let user = moto.create_user("nobody").unwrap();
    moto.deny("nobody", &["*"]).unwrap();
    moto.enforce(true).unwrap();

    let agent = Agent::new(&moto.url()).signed_in_as(Some(user));
    let collected = agent.run(&["collect", "--format", "json", "--partial-ok"]).expect(6).json();
    assert_eq!(collected["status"], "partial");
    assert!(!agent.findings().iter().any(|f| f["verdict"] == "pass"), "a pass on what nobody read");
    let (_, statement) = newest_statement(&agent.store());
    assert_eq!(statement["predicate"]["status"], "partial");
    agent.run(&["verify", "--re-evaluate"]).expect(0);
}

#[test]
fn without_credentials_nothing_is_read_and_that_is_signed_too() {
    let moto = empty_moto();
    let agent = Agent::new(&moto.url()).signed_in_as(None);
    let done = agent.run(&["collect", "--format", "json"]).expect(6);
    assert!(done.stderr.to_lowercase().contains("credentials"), "{}", done.stderr);
    agent.run(&["verify"]).expect(0);
}

#[test]
fn spoilt_answers_cost_what_they_would_have_told() {
    let moto = company();
    let proxy = proxy(&moto);
    let agent = Agent::new(&proxy.url());
    agent.run(&["collect", "-q"]).expect(3);
    let whole = agent.findings();

    let spoilt = [
        ("s3:GetBucketPolicy", "truncate"),
        ("s3:GetBucketVersioning", "throttle"),
        ("kms:GetKeyRotationStatus", "garble"),
        ("cloudtrail:GetTrailStatus", "garble"),
    ];
    proxy.rules(&spoilt).unwrap();
    agent.run(&["collect", "-q"]).expect(3);
    let seen = proxy.seen().unwrap();
    let part = agent.findings();
    let key = |f: &Value| (f["check"].to_string(), f["resource"].to_string(), f["scope"].to_string());
    let verdicts: std::collections::BTreeMap<_, _> = part.iter().map(|f| (key(f), f)).collect();
    let mut lost = std::collections::BTreeSet::new();
    for before in &whole {
        let after = verdicts.get(&key(before)).unwrap_or_else(|| panic!("{before} vanished"));
        if after["verdict"] != before["verdict"] {
            assert_eq!(after["verdict"], "unknown", "{before} became {after}");
            for because in after["because"].as_array().unwrap() {
                lost.insert(because["call"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
    for (call, _) in spoilt {
        assert!(seen.get(call).is_some_and(|count| *count > 0), "{call} was never asked for: {seen:?}");
        assert!(lost.contains(call), "{call} cost nothing: {lost:?}");
    }
    agent.run(&["verify", "--re-evaluate"]).expect(0);
}
