//! Denies every operation that the AWS collectors use, one at a time, and shows what that costs: verdicts turn to
//! unknown and to nothing else, nothing vanishes without a word, and each loss names its call and permission.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{AgentId, Because, Cause, CellState, Coverage, Finding, Refusal, Verdict};
use evidenced_seal::{RunReader, select_run};
use evidenced_store::Folder;
use xtask::Moto;

use crate::support::{Agent, company, proxy};

/// A finding by its check, kind, resource and account. The region is left out: a bucket whose region was not told
/// is still the same bucket.
type Pair = (String, String, String, String);

/// What one run said.
struct Said {
    findings: BTreeMap<Pair, Finding>,
    coverage: Coverage,
}

/// What one denied operation cost.
#[derive(Default)]
struct Cost {
    gaps: u64,
    unknown: u64,
    vanished: u64,
    violations: Vec<String>,
}

#[test]
#[ignore = "takes minutes: `cargo xtask deny-matrix` runs it"]
fn verdicts_turn_to_unknown_and_to_nothing_else() {
    let moto = company();
    let user = moto.create_user("reader").unwrap();
    let proxy = proxy(&moto);
    let agent = Agent::with_config(&format!(
        "agent: {{ id: test }}\ncollect: all\nlimits: {{ calls_per_second: {{ aws.iam: 1000 }} }}\n\
         targets:\n  - aws:\n      regions: [eu-central-1]\n      endpoint_url: {}\n",
        proxy.url()
    ))
    .signed_in_as(Some(user));
    // Under its enforcement the emulator refuses some services altogether: that run has a whole of its own.
    let open = run(&agent);
    let asked: BTreeSet<String> = proxy.seen().unwrap().into_keys().collect();
    moto.enforce(true).unwrap();
    let enforced = run(&agent);
    moto.enforce(false).unwrap();

    let mut violations = Vec::new();
    println!("{:<44} {:<38} {:<20} {:>6} {:>8} {:>9}", "denied", "permission", "by", "gaps", "unknown", "vanished");
    for (call, permission) in operations(&agent) {
        let by_policy = if is_denied(&enforced, &call) { None } else { by_policy(&agent, &moto, &call, &permission) };
        let (by, cost) = if let Some(said) = by_policy {
            ("policy", compare(&enforced, &said, &call, &permission))
        } else {
            proxy.rules(&[(&call, "deny")]).unwrap();
            let said = run(&agent);
            proxy.rules(&[]).unwrap();
            ("proxy, not enforced", compare(&open, &said, &call, &permission))
        };
        let by = if asked.contains(&call) { by } else { "never asked for" };
        let Cost { gaps, unknown, vanished, .. } = cost;
        println!("{call:<44} {permission:<38} {by:<20} {gaps:>6} {unknown:>8} {vanished:>9}");
        if asked.contains(&call) && gaps == 0 {
            violations.push(format!("{call} was denied, and no gap says so"));
        }
        violations.extend(cost.violations);
    }
    agent.run(&["verify"]).expect(0);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// A run with one operation denied by the emulator's own policies; nothing if the emulator does not obey this one.
fn by_policy(agent: &Agent, moto: &Moto, call: &str, permission: &str) -> Option<Said> {
    let (service, operation) = call.split_once(':')?;
    // The emulator knows some services by the name that requests are signed for.
    let signed = match service {
        "cloudwatch" => format!("monitoring:{operation}"),
        "accessanalyzer" => format!("access-analyzer:{operation}"),
        // `s3:GetPublicAccessBlock` would deny the bucket's and the account's operation alike.
        "s3" | "s3control" => permission.to_owned(),
        _ => call.to_owned(),
    };
    moto.deny("reader", &[permission, &signed]).unwrap();
    moto.enforce(true).unwrap();
    let said = run(agent);
    moto.enforce(false).unwrap();
    moto.deny("reader", &[]).unwrap();
    is_denied(&said, call).then_some(said)
}

/// Whether a gap says that this very call was denied.
fn is_denied(said: &Said, call: &str) -> bool {
    refusals(&said.coverage).any(|(refusal, _)| refusal.call == call && refusal.cause == Cause::Denied)
}

/// Every operation of every collector with its permission.
fn operations(agent: &Agent) -> BTreeMap<String, String> {
    let collectors = agent.run(&["collectors", "list", "--format", "json"]).expect(0).lines();
    let operations = collectors.iter().flat_map(|collector| collector["operations"].as_array().unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let operations: BTreeMap<_, _> = operations.map(|o| (text(&o["call"]), text(&o["permission"]))).collect();
    assert!(operations.len() > 50, "{operations:?}");
    operations
}

fn run(agent: &Agent) -> Said {
    let done = agent.run(&["collect", "-q"]);
    assert!(matches!(done.code, Some(0 | 3 | 6)), "{done:?}");
    let store = Folder::open(&agent.store().display().to_string()).unwrap();
    let id = AgentId::parse("test").unwrap();
    let newest = select_run(&store, &id, "latest", None).unwrap();
    let reader = RunReader::open(&store, &newest, None).unwrap();
    let mut findings = BTreeMap::new();
    for group in reader.groups().unwrap() {
        for finding in reader.findings(&group.unwrap()).unwrap() {
            let finding = finding.unwrap();
            let pair = (
                finding.check.to_string(),
                finding.kind.to_string(),
                finding.resource.clone(),
                finding.scope.account.to_string(),
            );
            findings.insert(pair, finding);
        }
    }
    Said { findings, coverage: reader.coverage().unwrap() }
}

/// Compares a run with one operation denied to the whole one.
fn compare(whole: &Said, part: &Said, call: &str, permission: &str) -> Cost {
    let mut cost = Cost { gaps: gaps(&part.coverage, call, permission), ..Cost::default() };
    for (pair, before) in &whole.findings {
        let Some(after) = part.findings.get(pair) else {
            if explained(&part.coverage, before, call, permission) {
                cost.vanished += 1;
            } else {
                cost.violations.push(format!("{call}: {pair:?} vanished, and no coverage cell says why"));
            }
            continue;
        };
        if after.verdict == before.verdict {
            continue;
        }
        if after.verdict != Verdict::Unknown {
            let change = format!("{} to {}", before.verdict.as_str(), after.verdict.as_str());
            cost.violations.push(format!("{call}: {pair:?} turned from {change}"));
            continue;
        }
        cost.unknown += 1;
        let names = |b: &Because| b.call.as_deref() == Some(call) || b.permission.as_deref() == Some(permission);
        if !after.because.iter().any(names) {
            cost.violations.push(format!("{call}: {pair:?} is unknown and does not name it: {:?}", after.because));
        }
    }
    for (pair, finding) in &part.findings {
        if !whole.findings.contains_key(pair) && finding.verdict != Verdict::Unknown {
            cost.violations.push(format!("{call}: {pair:?} appeared with {}", finding.verdict.as_str()));
        }
    }
    cost
}

/// Whether a cell of the finding's kind, or its account, is not complete because of this call.
fn explained(coverage: &Coverage, finding: &Finding, call: &str, permission: &str) -> bool {
    let accounts = coverage.accounts.values().filter(|account| account.account == finding.scope.account);
    accounts.flat_map(|account| &account.cells).any(|cell| {
        cell.kind == finding.kind
            && cell.state != CellState::Complete
            && cell.gaps.iter().any(|gap| names(&gap.refusal, call, permission))
    })
}

/// How often the call, or its permission, is named in the coverage.
fn gaps(coverage: &Coverage, call: &str, permission: &str) -> u64 {
    refusals(coverage).filter(|(refusal, _)| names(refusal, call, permission)).map(|(_, count)| count).sum()
}

/// Every refusal of a run, with how often it occurred.
fn refusals(coverage: &Coverage) -> impl Iterator<Item = (&Refusal, u64)> {
    coverage.accounts.values().flat_map(|account| {
        let cells = account.cells.iter().flat_map(|cell| &cell.gaps).map(|gap| (&gap.refusal, gap.count));
        account.gaps.iter().map(|refusal| (refusal, 1)).chain(cells)
    })
}

fn names(refusal: &Refusal, call: &str, permission: &str) -> bool {
    refusal.call == call || refusal.permission.as_deref() == Some(permission)
}
