//! Azure beside AWS: one run over both, what the doctor says, what is printed as the least that is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use evidenced_replay::{Asked, Reply, Server, World};
use serde_json::{Value, json};

use crate::support::{AZURE_TENANT, Agent, Done, azure_world, company, contents};

const ONE: &str = "00000000-0000-0000-0000-000000000001";
const TWO: &str = "00000000-0000-0000-0000-000000000002";
/// The kind that needs leave to read everything.
const LEFT_OUT: &str =
    "      scopes:\n        excluded:\n          - { kind: azure.resources.resource, reason: a test }\n";

fn serve(world: World) -> Server {
    Server::start(Arc::new(world)).unwrap()
}

fn agent(aws: Option<&str>, azure: &str, more: &str) -> Agent {
    let aws = aws.map_or_else(String::new, |url| {
        format!("  - aws:\n      regions: [eu-central-1]\n      endpoint_url: {url}\n")
    });
    Agent::with_config(&format!(
        "agent:\n  id: test\n  state_dir: ./state\n\
         targets:\n{aws}  - azure:\n      endpoint_url: {azure}\n{more}\
         store:\n  url: ./evidence\n"
    ))
    .with_azure()
}

fn change(agent: &Agent, from: &str, to: &str) {
    let path = agent.folder().join("evidenced.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn one_run_reads_both_clouds_and_each_control_counts_both() {
    let (moto, azure) = (company(), serve(azure_world()));
    let agent = agent(Some(&moto.url()), &azure.url(), "");
    // The emulator of AWS does not serve everything.
    agent.run(&["collect", "-q"]).expect(3);
    agent.run(&["verify", "--re-evaluate"]).expect(0);

    let report = agent.run(&["report", "--format", "json"]).expect(0).json();
    let covered = report["coverage"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let accounts: BTreeSet<(String, String)> =
        covered.iter().map(|one| (text(&one["provider"]), text(&one["account"]))).collect();
    let expected = [("aws", "123456789012"), ("azure", ONE), ("azure", TWO), ("azure", AZURE_TENANT)];
    assert_eq!(accounts, expected.map(|(cloud, id)| (cloud.to_owned(), id.to_owned())).into());
    for account in covered {
        assert!(account["resources"].as_u64().unwrap() > 0, "nothing was read of {account}");
        if account["provider"] == "azure" {
            assert_eq!(account["gaps"], 0, "{account}");
        }
        let regions = account["regions"].as_array().unwrap();
        assert!(!regions.contains(&json!("global")), "global is no region: {account}");
    }
    let listed = report["manifest"]["accounts"].as_array().unwrap();
    let names: BTreeSet<&str> = listed.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["example-development", "example-production"]));

    controls_count_both(&agent, &report);
    tells_from_when_it_is(&agent, &report);
    every_form_names_both(&agent);

    // Unchanged clouds give equal lines: no time of an answer stands in them.
    let lines = |agent: &Agent| -> BTreeSet<String> {
        agent.files().into_iter().map(|(path, _)| path).filter(|path| path.ends_with(".jsonl.zst")).collect()
    };
    let before = lines(&agent);
    agent.run(&["collect", "-q", "--collectors", "azure.*"]).expect(0);
    assert_eq!(lines(&agent), before);
    agent.run(&["verify", "--re-evaluate"]).expect(0);
}

/// The standing of a control counts the findings of both clouds, through the objectives that they share.
fn controls_count_both(agent: &Agent, report: &Value) {
    let mut found: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for finding in agent.findings() {
        let provider = finding["scope"]["provider"].as_str().unwrap().to_owned();
        let objective = finding["objective"].as_str().unwrap().to_owned();
        if finding["verdict"] == "fail" {
            *found.entry(objective).or_default().entry(provider).or_default() += 1;
        }
    }
    let mut shared = 0;
    let controls = report["catalogs"].as_array().unwrap().iter().flat_map(|one| one["controls"].as_array().unwrap());
    for objective in controls.flat_map(|control| control["objectives"].as_array().unwrap()) {
        let Some(clouds) = found.get(objective["objective"].as_str().unwrap()) else { continue };
        let counted = ["fail", "fail_below"].iter().filter_map(|name| objective["counts"][name].as_u64());
        assert_eq!(counted.sum::<u64>(), clouds.values().sum::<u64>(), "{objective}");
        shared += usize::from(clouds.len() == 2);
    }
    assert!(shared > 10, "only {shared} links rest on fails of both clouds");
    let listed = agent.run(&["controls", "list"]).expect(0).stdout;
    assert!(listed.contains("[aws, azure]"), "{listed}");
}

/// What came through a source that lags is told apart, with the moment that bounds it, beside the calls and not in lines.
fn tells_from_when_it_is(agent: &Agent, report: &Value) {
    let stored = contents(&agent.store());
    let objects = stored.iter().filter_map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
    let calls: Vec<Value> =
        objects.filter_map(|object| object.get("operations")?.as_array().cloned()).flatten().collect();
    let lagging = |call: &Value| call["operation"].as_str().unwrap().starts_with("resourcegraph:");
    assert!(calls.iter().filter(|call| lagging(call)).count() > 20);
    for call in &calls {
        assert_eq!(call["captured_before"].is_string(), lagging(call), "{call}");
    }
    for (path, bytes) in stored.iter().filter(|(path, _)| path.ends_with(".jsonl.zst")) {
        assert!(!String::from_utf8_lossy(bytes).contains("captured"), "{path}");
    }
    let sources = report["lagging"].as_array().unwrap();
    let graph = sources.iter().find(|one| one["service"] == "resourcegraph").expect("Resource Graph lags");
    assert!(graph["operations"].as_array().unwrap().contains(&json!("StorageAccounts")), "{graph}");
    let moment = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let [from, until] = ["start", "end"].map(|end| moment(&report["window"][end]));
    let bound = moment(&graph["captured_before"]);
    // The server's clock has seconds.
    assert!(bound.as_second() >= from.as_second() && bound <= until, "{from} {bound} {until}");
    let text = agent.run(&["report"]).expect(0).stdout;
    assert!(text.contains("azure:resourcegraph: its data can lag"), "{text}");
}

fn every_form_names_both(agent: &Agent) {
    let csv = agent.run(&["report", "--format", "csv"]).expect(0).stdout;
    let rows = |cloud: &str| csv.lines().filter(|line| line.contains(&format!(",{cloud},"))).count();
    assert!(rows("aws") > 50 && rows("azure") > 50, "{} {}", rows("aws"), rows("azure"));

    let events = agent.run(&["report", "--format", "ocsf"]).expect(0).lines();
    let sorts = events.iter().map(|event| {
        let cloud = &event["cloud"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&cloud["provider"]), text(&cloud["account"]["type"]), text(&cloud["account"]["uid"]))
    });
    let sorts: BTreeSet<(String, String, String)> = sorts.collect();
    let expected = [
        ("AWS", "AWS Account", "123456789012"),
        ("Azure", "Azure Subscription", ONE),
        ("Azure", "Azure Subscription", TWO),
        ("Azure", "Microsoft Entra Tenant", AZURE_TENANT),
    ];
    assert_eq!(sorts, expected.map(|(cloud, sort, id)| (cloud.into(), sort.into(), id.into())).into());

    let page = agent.run(&["report", "--format", "html"]).expect(0).stdout;
    for word in ["aws:123456789012", &format!("azure:{ONE}"), "example-production", "Sources whose data lags"] {
        assert!(page.contains(word), "{word} is not in the page");
    }
    let oscal = agent.run(&["report", "--format", "oscal"]).expect(0).stdout;
    assert!(oscal.contains("azure.storage.") && oscal.contains("aws.s3."));
}

/// Part, state and what is said of it.
fn parts(done: &Done) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    done.lines().iter().map(|part| (text(&part["part"]), text(&part["state"]), text(&part["what"]))).collect()
}

#[test]
fn the_doctor_says_who_we_are_in_azure_and_what_we_lack() {
    let well = serve(azure_world());
    let agent = agent(None, &well.url(), LEFT_OUT);
    let said = parts(&agent.run(&["doctor", "--format", "json"]).expect(0));
    let names: Vec<&str> = said.iter().map(|(part, ..)| part.as_str()).collect();
    let before = ["config", "isms", "key", "store", "timestamp", "azure"];
    assert_eq!(names, [&before[..], &["permissions"; 3], &["clock"]].concat(), "{said:?}");
    let (_, state, what) = &said[5];
    assert_eq!(state, "ok");
    for word in ["application 00000000-0000-0000-0000-0000000000aa", "3 accounts", AZURE_TENANT, "(example-production)"]
    {
        assert!(what.contains(word), "{word} is not in {what}");
    }
    // The directory's own settings are told by nobody but themselves.
    let states: Vec<&str> = said[6..9].iter().map(|(_, state, _)| state.as_str()).collect();
    assert_eq!(states, ["ok", "ok", "unproved"]);
    assert!(said[8].2.contains("microsoft.aadiam/diagnosticSettings/read"), "{}", said[8].2);
    assert!(said[9].2.contains("it differs by"), "{}", said[9].2);

    // A role without what storage needs, consent for a part, and a subscription that Resource Graph does not show.
    let mut world = azure_world();
    let actions = ["Microsoft.Authorization/*", "Microsoft.Resources/*", "Microsoft.KeyVault/vaults/read"];
    world.add_route(
        &format!("/subscriptions/{ONE}/providers/Microsoft.Authorization/permissions"),
        json!({"value": [{"actions": actions, "notActions": []}]}),
    );
    world.consent(&["Directory.Read.All", "Policy.Read.All"]);
    world.hide(TWO);
    let ill = serve(world);
    change(&agent, &well.url(), &ill.url());
    let said = parts(&agent.run(&["doctor", "--format", "json"]).expect(3));
    let lacking = |account: &str| -> Vec<String> {
        let of = |(_, state, what): &&(String, String, String)| state == "warning" && what.starts_with(account);
        let (_, _, what) = said.iter().find(of).unwrap_or_else(|| panic!("no warning of {account} in {said:?}"));
        what.split_once("lacking for any resource: ").unwrap().1.split(", ").map(str::to_owned).collect()
    };
    let one = lacking(ONE);
    assert!(one.contains(&"Microsoft.Storage/storageAccounts/read".to_owned()), "{one:?}");
    let granted = ["*/read", "Microsoft.KeyVault/vaults/read", "Microsoft.Authorization/locks/read"];
    assert!(granted.iter().all(|name| !one.iter().any(|other| other == name)), "{one:?}");
    assert_eq!(lacking(TWO), ["Microsoft.Resources/subscriptions/read"]);
    let rest = ["AuditLog.Read.All", "RoleAssignmentSchedule.Read.Directory", "RoleEligibilitySchedule.Read.Directory"];
    assert_eq!(lacking(AZURE_TENANT), rest);
    // What the config does not leave out is asked for.
    change(&agent, LEFT_OUT, "");
    let text = agent.run(&["doctor"]).expect(3).stdout;
    assert!(text.contains("*/read") && text.contains("see `evidenced permissions azure`"), "{text}");

    // Nobody there: nothing could be entered.
    change(&agent, &ill.url(), "http://127.0.0.1:1");
    let said = parts(&agent.run(&["doctor", "--format", "json"]).expect(6));
    assert!(said.iter().any(|(part, state, _)| part == "azure" && state == "failed"), "{said:?}");
}

#[test]
fn of_several_managed_identities_the_named_one_is_asked_for() {
    let mut world = azure_world();
    let token = world.answer(&Asked::new("POST", "/tenant/oauth2/v2.0/token", b""));
    let token: Value = serde_json::from_slice(&token.body).unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&asked);
    world.with_fault(Arc::new(move |question: &Asked| {
        let told = json!({"access_token": token["access_token"], "expires_on": "4000000000", "token_type": "Bearer",
            "resource": "https://management.azure.com"});
        (question.path == "/msi/token").then(|| {
            heard.lock().unwrap().push(question.query.clone());
            Reply::json(200, &told)
        })
    }));
    let azure = serve(world);
    let agent = agent(None, &azure.url(), "");
    let mut collect = agent.command(&["collect", "-q", "--collectors", "azure.subscription"]);
    collect
        .env_remove("AZURE_CLIENT_SECRET")
        .env("IDENTITY_ENDPOINT", format!("{}/msi/token", azure.url()))
        .env("IDENTITY_HEADER", "not-a-secret");
    Done::from(collect.output().unwrap()).expect(0);
    let asked = asked.lock().unwrap();
    let named = |query: &String| query.contains("client_id=00000000-0000-0000-0000-0000000000aa");
    assert!(!asked.is_empty() && asked.iter().all(named), "{asked:?}");
}

#[test]
fn what_the_config_leaves_out_is_not_asked_for() {
    let azure = serve(azure_world());
    let agent = agent(None, &azure.url(), LEFT_OUT);
    agent.run(&["collect", "-q"]).expect(0);
    let report = agent.run(&["report", "--format", "json"]).expect(0).json();
    let operations = |report: &Value| -> Vec<Value> {
        let sources = report["lagging"].as_array().unwrap().iter();
        sources.flat_map(|source| source["operations"].as_array().unwrap().clone()).collect()
    };
    assert!(!operations(&report).contains(&json!("Resources")), "{}", report["lagging"]);
    assert!(operations(&report).contains(&json!("ResourceGroups")), "{}", report["lagging"]);
    let of = |account: &Value| account["kinds"].as_array().unwrap().clone();
    let rows = report["coverage"].as_array().unwrap().iter().flat_map(of);
    let cells: Vec<Value> = rows.filter(|row| row["kind"] == "azure.resources.resource").collect();
    assert_eq!(cells.len(), 2);
    for row in cells {
        let cell = &row["cells"]["global"];
        assert_eq!((&cell["state"], &cell["reason"], &cell["gaps"]), (&json!("skipped"), &json!("a test"), &json!(0)));
    }
}

#[test]
fn the_least_role_is_what_the_config_reads() {
    let agent = agent(None, "http://127.0.0.1:1", "");
    let actions = |more: &[&str]| -> Vec<String> {
        let printed = agent.run(&[&["permissions", "azure"], more].concat()).expect(0).json();
        let actions = printed["role"]["Actions"].as_array().unwrap().iter();
        actions.map(|action| action.as_str().unwrap().to_owned()).collect()
    };
    let all = actions(&[]);
    let collectors = agent.run(&["collectors", "list", "--format", "json"]).expect(0).lines();
    let asked: BTreeSet<&str> = collectors
        .iter()
        .filter(|one| one["provider"] == "azure")
        .flat_map(|one| one["operations"].as_array().unwrap())
        .map(|operation| operation["permission"].as_str().unwrap())
        .filter(|permission| permission.contains('/') && !permission.starts_with("microsoft.aadiam/"))
        .collect();
    assert_eq!(all.len(), asked.len());
    assert!(all.contains(&"*/read".to_owned()));

    let line = "      endpoint_url: http://127.0.0.1:1\n";
    change(&agent, line, &format!("{line}{LEFT_OUT}"));
    // What only that kind needs is asked for no more; diagnostic settings serve others as well.
    let narrow = actions(&[]);
    assert_eq!(all.iter().filter(|action| !narrow.contains(action)).collect::<Vec<_>>(), ["*/read"]);
    let storage = actions(&["--collector", "azure.storage"]);
    let ours = |one: &String| one.starts_with("Microsoft.Storage/") || one.starts_with("Microsoft.Authorization/");
    assert!(storage.len() > 3 && storage.iter().all(ours), "{storage:?}");
    let terraform = agent.run(&["permissions", "azure", "--as", "terraform"]).expect(0).stdout;
    assert!(narrow.iter().all(|action| terraform.contains(&format!("\"{action}\""))), "{terraform}");
    agent.run(&["permissions", "azure", "--as", "cloudformation"]).expect(2);
}
