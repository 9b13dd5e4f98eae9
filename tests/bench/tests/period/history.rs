//! The ninety days.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::place::{Place, at, control, hour, spans};

/// So many things.
const THINGS: u64 = 12;
/// So many checks over each: ten of the kind's file and two of this test.
const CHECKS: u64 = 12;

/// Two checks more: one that time decides, one that a parameter decides.
const MORE: &str = r#"  - id: synthetic.store.young
    revision: 1
    objective: logs.retention
    title: The thing is young
    severity: low
    pass: "resource.created > now - days(330)"
    why: To see time pass.
    fix: Nothing.
    examples: { pass: { created: "2099-01-01T00:00:00Z" }, fail: { created: "2000-01-01T00:00:00Z" } }
  - id: synthetic.store.lasting
    revision: 1
    objective: storage.lifecycle
    title: The thing lasts
    severity: high
    pass: "resource.retention_days >= params.log_retention_days"
    why: To see a parameter change.
    fix: Nothing.
    examples: { pass: { retention_days: 400 }, fail: { retention_days: 3 } }
"#;

/// What happens to the cloud.
fn script() -> Value {
    let good = json!({
        "encrypted": true, "versioned": true, "public": false, "logging": true, "retention_days": 400,
        "algorithm": "aws:kms", "state": "enabled", "key": "k", "created": "2025-03-01T00:00:00Z"
    });
    json!([
        { "from": at(-9, 0, 0), "set": good },
        { "from": at(10, 12, 30), "until": at(12, 6, 30), "thing": 1, "set": { "public": true } },
        { "from": at(19, 0, 30), "until": at(25, 0, 30), "thing": 2, "set": { "versioned": false } },
        { "from": at(20, 0, 30), "until": at(22, 0, 30), "thing": 2, "gone": true },
        { "from": at(30, 0, 30), "until": at(31, 0, 30), "denied": true },
        { "from": at(35, 12, 30), "until": at(35, 17, 30), "unread": ["logging"] },
        { "from": at(50, 4, 30), "until": at(50, 5, 30), "dies": true },
        { "from": at(59, 12, 30), "until": at(62, 0, 30), "thing": 3, "set": { "algorithm": "AES256" } },
        { "from": at(60, 0, 15), "until": at(62, 0, 30), "thing": 4, "set": { "algorithm": "AES256" } },
        { "from": at(65, 12, 30), "until": at(85, 0, 30), "thing": 5, "set": { "retention_days": 200 } },
    ])
}

/// What is declared from the sixty-sixth day on. The waiver's last day is the seventy-ninth.
const ISMS: &str = r#"
organisation: Example Mills
applicability:
  iso27001-2022:
    A.8.3: { applies: yes, owner: Platform team }
    A.7.4: { applies: no, why: no premises }
approvers: [{ name: Jo Example }]
waivers:
  - id: W-1
    checks: [synthetic.store.kept]
    approved_by: Jo Example
    reason: The archive moves to another store
    ticket: EX-1
    expires: 2026-03-21
    resources: { ids: ["arn:synthetic:store:::thing-00000005"] }
owners:
  - { owner: Nobody, tags: { env: test } }
  - { owner: Store team, tags: { env: production } }
"#;

/// Lives through it.
fn lived() -> Place {
    let place = Place::new(THINGS, "");
    let plain = std::fs::read_to_string(place.path("kinds/synthetic.store.thing.yaml")).unwrap();
    place.kind(&format!("{plain}{MORE}"));
    place.script(&script());
    assert!(place.live(at(-1, 23, 30), at(40, 0, 30)));
    // Nobody is there for ten slots.
    assert!(place.live(at(40, 10, 30), at(45, 0, 30)));
    place.set_store(false);
    assert!(place.live(at(45, 0, 30), at(46, 0, 30)));
    place.set_store(true);
    assert!(!place.live(at(46, 0, 30), at(60, 0, 30)), "it dies on the way");
    assert!(place.live(at(50, 5, 10), at(60, 0, 30)));
    // The check means something else from here on.
    let changed = plain.replacen(
        "revision: 1\n    objective: storage.not-public\n    title: The thing is encrypted\n    severity: medium\n    pass: \"resource.encrypted\"",
        "revision: 2\n    objective: storage.not-public\n    title: The thing is encrypted\n    severity: medium\n    pass: \"resource.encrypted && resource.algorithm == 'aws:kms'\"",
        1,
    );
    assert_ne!(changed, plain);
    place.kind(&format!("{changed}{MORE}"));
    assert!(place.live(at(60, 0, 30), at(66, 0, 30)));
    // Somebody accepts the fail of one thing for two weeks.
    std::fs::write(place.path("isms.yaml"), ISMS).unwrap();
    place.configure("checks: { dirs: [./kinds] }\nisms: ./isms.yaml\n");
    assert!(place.live(at(66, 0, 30), at(70, 0, 30)));
    place.configure("checks: { dirs: [./kinds], params: { log_retention_days: 100 } }\nisms: ./isms.yaml\n");
    assert!(place.live(at(70, 0, 30), at(90, 0, 30)));
    place
}

#[test]
fn the_report_says_the_history_of_ninety_days_number_by_number() {
    let place = lived();
    place.run(&["verify"], &[]);
    let period = place.period(at(0, 0, 0), at(90, 0, 0), &[]);
    slots(&period);
    standings(&period);
    fails(&period);
    changes(&period);
    holes(&period);
    upgrades(&period);
    declared(&period);
}

fn declared(period: &Value) {
    let [waiver] = &period["waivers"].as_array().unwrap()[..] else { panic!("{:#}", period["waivers"]) };
    let told = ["id", "approved_by", "ticket", "end"].map(|name| waiver[name].as_str().unwrap());
    assert_eq!(told, ["W-1", "Jo Example", "EX-1", "expired"]);
    // It works from its log entry on, which the first run after the file came writes.
    assert_eq!((hour(&waiver["from"]), hour(&waiver["until"])), (at(66, 1, 0), at(80, 0, 0)));
    assert_eq!(waiver["fails"], 1);
    let cautions = period["cautions"].to_string();
    assert!(cautions.contains("W-1 expired on 2026-03-21 and is still declared"), "{cautions}");
    let catalogs = period["catalogs"].as_array().unwrap();
    let catalog = catalogs.iter().find(|catalog| catalog["id"] == "iso27001-2022").unwrap();
    let clause = |number: &str| {
        let clauses = catalog["clauses"].as_array().unwrap();
        clauses.iter().find(|clause| clause["clause"] == number).unwrap()["facts"].to_string()
    };
    assert!(clause("8.1").contains("2,151 of 2,160 slots had a run, 2 of them late; 9 had none"), "{}", clause("8.1"));
    assert!(clause("6.1.3").contains("1 excluded with a reason"), "{}", clause("6.1.3"));
    assert!(clause("10.2").contains("1 waiver was in force at some time, 1 expired"), "{}", clause("10.2"));
}

/// 2,160 slots: nine were missed, one was late, one began and died.
fn slots(period: &Value) {
    let schedule = &period["schedules"][0];
    let numbers = |name: &str| schedule[name].as_u64().unwrap();
    let names = ["slots", "in_time", "late", "missed", "skipped", "abandoned", "unaccounted"];
    assert_eq!(names.map(numbers), [2160, 2149, 2, 9, 0, 0, 0], "{schedule:#}");
    let holes: Vec<_> = schedule["holes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hole| (hour(&hole["from"]), hour(&hole["until"]), hole["slots"].as_u64().unwrap(), &hole["what"]))
        .collect();
    assert_eq!(holes, [(at(40, 1, 0), at(40, 10, 0), 9, &json!("missed"))]);
    let agent = &period["agents"][0];
    assert_eq!((&agent["sealed"], &agent["abandoned"]), (&json!(2151), &json!(1)), "{agent:#}");
    assert_eq!((&agent["partial"], &agent["asked_for"]), (&json!(24 + 5), &json!(0)));
    assert_eq!(agent["runs"].as_array().unwrap().len(), 2151);
}

fn standings(period: &Value) {
    let span = |standing: &str, from, until| (standing.to_owned(), from, until);
    let (begin, end) = (at(0, 0, 0), at(90, 0, 0));
    assert_eq!(
        spans(period, "A.8.3"),
        [
            span("supported", begin, at(10, 13, 0)),
            span("contradicted", at(10, 13, 0), at(12, 7, 0)),
            span("supported", at(12, 7, 0), at(19, 1, 0)),
            span("contradicted", at(19, 1, 0), at(20, 1, 0)),
            span("supported", at(20, 1, 0), at(22, 1, 0)),
            span("contradicted", at(22, 1, 0), at(25, 1, 0)),
            span("supported", at(25, 1, 0), at(30, 1, 0)),
            span("incomplete", at(30, 1, 0), at(31, 1, 0)),
            span("supported", at(31, 1, 0), at(35, 13, 0)),
            span("incomplete", at(35, 13, 0), at(35, 18, 0)),
            span("supported", at(35, 18, 0), at(59, 13, 0)),
            span("contradicted", at(59, 13, 0), at(62, 1, 0)),
            span("supported", at(62, 1, 0), at(65, 13, 0)),
            span("contradicted", at(65, 13, 0), at(66, 1, 0)),
            span("supported_with_exceptions", at(66, 1, 0), at(80, 0, 0)),
            span("contradicted", at(80, 0, 0), at(85, 1, 0)),
            span("supported", at(85, 1, 0), end),
        ]
    );
    assert_eq!(
        spans(period, "A.8.10"),
        [
            span("supported", begin, at(30, 1, 0)),
            span("incomplete", at(30, 1, 0), at(31, 1, 0)),
            span("supported", at(31, 1, 0), at(65, 13, 0)),
            span("contradicted", at(65, 13, 0), at(70, 1, 0)),
            span("supported", at(70, 1, 0), end),
        ]
    );
    assert_eq!(
        spans(period, "A.8.15"),
        [
            span("supported", begin, at(24, 0, 0)),
            span("contradicted", at(24, 0, 0), at(30, 1, 0)),
            span("incomplete", at(30, 1, 0), at(31, 1, 0)),
            span("contradicted", at(31, 1, 0), end),
        ]
    );
    let cloud = &control(period, "A.8.3")["clouds"]["synthetic"];
    assert_eq!((&cloud["looked"], &cloud["saw"]), (&json!("gapped"), &json!("contradicted")));
    assert_eq!(cloud["looks"], 2151);
    // In hours, less the nine that nobody saw.
    let (contradicted, excepted) = (42 + 24 + 72 + 60 + 12 + 121, 13 * 24 + 23);
    let seen = json!({
        "contradicted": contradicted, "incomplete": 29, "supported": 2151 - 29 - contradicted - excepted,
        "supported_with_exceptions": excepted,
    });
    assert_eq!(cloud["seen"], seen);
    let counts = &cloud["counts"];
    assert_eq!((&counts["pass"], &counts["fail"], &counts["unknown"]), (&json!(120), &json!(0), &json!(0)));
    let gaps: Vec<_> =
        cloud["gaps"].as_array().unwrap().iter().map(|gap| (hour(&gap["from"]), hour(&gap["until"]))).collect();
    let expected = [(at(30, 1, 0), at(31, 1, 0)), (at(35, 13, 0), at(35, 18, 0)), (at(40, 1, 0), at(40, 10, 0))];
    assert_eq!(gaps, expected, "{:#}", cloud["gaps"]);
    assert_eq!(control(period, "A.8.3")["owner"], "Platform team");
    assert_eq!(control(period, "A.7.4")["excluded_because"], "no premises");
    // Nobody looks at what is left to people.
    let people = &control(period, "A.6.3")["together"];
    assert_eq!((&people["looked"], &people["saw"]), (&json!("not_looked_at"), &json!("manual")));
}

/// Thing and check, since, until and how it ended.
type Stood = (u64, String, Timestamp, Option<Timestamp>, Option<String>);

fn fails(period: &Value) {
    let list = period["fails"]["shown"].as_array().unwrap();
    let number =
        |fail: &Value| -> u64 { fail["resource"].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap() };
    let mut stood: Vec<Stood> = list
        .iter()
        .map(|fail| {
            let check = fail["check"].as_str().unwrap().trim_start_matches("synthetic.store.").to_owned();
            let end = fail["end"].as_str().map(str::to_owned);
            let until = (!fail["until"].is_null()).then(|| hour(&fail["until"]));
            (number(fail), check, hour(&fail["since"]), until, end)
        })
        .collect();
    stood.sort();
    let ended = |thing, check: &str, since, until, end: &str| -> Stood {
        (thing, check.to_owned(), since, Some(until), Some(end.to_owned()))
    };
    let mut expected = vec![
        ended(1, "private", at(10, 13, 0), at(12, 7, 0), "passed"),
        ended(2, "versioned", at(19, 1, 0), at(20, 1, 0), "gone"),
        ended(2, "versioned", at(22, 1, 0), at(25, 1, 0), "passed"),
        ended(3, "kms", at(59, 13, 0), at(62, 1, 0), "passed"),
        ended(3, "encrypted", at(60, 1, 0), at(62, 1, 0), "passed"),
        ended(4, "kms", at(60, 1, 0), at(62, 1, 0), "passed"),
        ended(4, "encrypted", at(60, 1, 0), at(62, 1, 0), "passed"),
        ended(5, "kept", at(65, 13, 0), at(85, 1, 0), "passed"),
        ended(5, "lasting", at(65, 13, 0), at(70, 1, 0), "rejudged"),
    ];
    // Time makes all of them old; for a day nobody can see it.
    for thing in 0..THINGS {
        expected.push(ended(thing, "young", at(24, 0, 0), at(30, 1, 0), "unread"));
        expected.push((thing, "young".to_owned(), at(31, 1, 0), None, None));
    }
    expected.sort();
    assert_eq!(stood, expected);
    assert_eq!(period["fails"]["count"], expected.len());
    let private = list.iter().find(|fail| fail["check"] == "synthetic.store.private").unwrap();
    // From the first look that saw it to the last: a look an hour.
    assert_eq!(private["seconds"].as_u64().unwrap() / 60, 41 * 60);
    assert_eq!((hour(&private["seen_last"]), &private["from_before"]), (at(12, 6, 0), &json!(false)));
    let kept = list.iter().find(|fail| fail["check"] == "synthetic.store.kept").unwrap();
    let waived = kept["waived"].as_array().unwrap();
    assert_eq!(kept["owner"], "Store team");
    assert_eq!((waived.len(), &waived[0][0], hour(&waived[0][1])), (1, &json!("W-1"), at(66, 1, 0)));
    let check = |id: &str| {
        let checks = period["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == format!("synthetic.store.{id}")).unwrap()
    };
    let numbers = |id: &str| ["began", "ended", "open"].map(|name| check(id)[name].as_u64().unwrap());
    assert_eq!([numbers("private"), numbers("versioned")], [[1, 1, 0], [2, 2, 0]]);
    assert_eq!(numbers("young"), [24, 12, 12]);
    assert_eq!(check("private")["mend_median"].as_u64().unwrap() / 60, 42 * 60);
}

fn changes(period: &Value) {
    let list = period["changes"]["shown"].as_array().unwrap();
    assert_eq!(period["changes"]["count"], list.len());
    let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
    for change in list {
        *causes.entry(change["cause"].as_str().unwrap()).or_default() += 1;
    }
    // Thing 1 is made public and private again; thing 2 loses and gets its versions.
    let mut cloud = 2 + 2;
    // Thing 2 goes and comes, with every check of it.
    cloud += 2 * CHECKS;
    // Things 3 and 4: another algorithm and back; what the upgrade made of thing 3 ends by the cloud.
    cloud += 2 + 2 + 1 + 2;
    // Thing 5 keeps less for twenty days; the parameter saves one of the two checks before.
    cloud += 2 + 1;
    let reading = 2 * THINGS * CHECKS + 2 * THINGS;
    let expected = [("check", 1), ("cloud", cloud), ("params", 1), ("reading", reading), ("time", THINGS)];
    assert_eq!(causes, BTreeMap::from(expected));
    let at_upgrade: BTreeMap<(String, String), String> = list
        .iter()
        .filter(|change| hour(&change["at"]) == at(60, 1, 0))
        .map(|change| {
            let text = |name: &str| change[name].as_str().unwrap().rsplit(['-', '.']).next().unwrap().to_owned();
            ((text("check"), text("resource")), text("cause"))
        })
        .collect();
    let key = |check: &str, thing: &str| (check.to_owned(), format!("0000000{thing}"));
    let expected = [
        (key("encrypted", "3"), "check".to_owned()),
        (key("encrypted", "4"), "cloud".to_owned()),
        (key("kms", "4"), "cloud".to_owned()),
    ];
    assert_eq!(at_upgrade, BTreeMap::from(expected), "the upgrade and the cloud are told apart");
    let public = list.iter().find(|change| change["check"] == "synthetic.store.private").unwrap();
    assert_eq!((&public["before"], &public["after"]), (&json!("pass"), &json!("fail")));
    assert_eq!(
        (&public["observed_before"], &public["observed_after"]),
        (&json!({ "public": false }), &json!({ "public": true }))
    );
    assert_ne!(public["before_run"], public["run"]);
    assert_ne!(public["evidence_before"]["object"], public["evidence_after"]["object"]);
}

fn holes(period: &Value) {
    let holes: Vec<_> = period["holes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hole| {
            (
                hour(&hole["from"]),
                hour(&hole["until"]),
                hole["looks"].as_u64().unwrap(),
                &hole["permissions"],
                &hole["fields"],
            )
        })
        .collect();
    let (list, get) = (json!(["store:ListThings"]), json!(["store:GetThing"]));
    let (none, logging) = (json!([]), json!(["logging"]));
    assert_eq!(
        holes,
        [(at(30, 1, 0), at(31, 1, 0), 24, &list, &none), (at(35, 13, 0), at(35, 18, 0), 5, &get, &logging),]
    );
}

fn upgrades(period: &Value) {
    let upgrades = period["upgrades"].as_array().unwrap();
    assert_eq!(upgrades.len(), 2, "{upgrades:#?}");
    assert_eq!(hour(&upgrades[0]["at"]), at(60, 1, 0));
    assert_eq!(upgrades[0]["checks"], json!([["synthetic.store.encrypted", 1, 2]]));
    assert_eq!((&upgrades[0]["verdicts"], &upgrades[0]["rejudged"]), (&json!(1), &json!(true)));
    assert_eq!(hour(&upgrades[1]["at"]), at(70, 1, 0));
    assert_eq!(upgrades[1]["params"], json!(["log_retention_days"]));
    assert_eq!((&upgrades[1]["verdicts"], &upgrades[1]["rejudged"]), (&json!(1), &json!(true)));
}
