//! Reading declarations: what is right is understood, and what is wrong is one clear error with file, line and remedy.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::{BTreeMap, BTreeSet};

use evidenced_isms::{Isms, Known, Param};
use evidenced_model::{CatalogId, CheckId, ControlId};

struct Ground {
    controls: BTreeMap<CatalogId, BTreeSet<ControlId>>,
    clauses: BTreeMap<CatalogId, BTreeSet<ControlId>>,
    checks: BTreeSet<CheckId>,
    params: BTreeMap<String, Param>,
}

fn ground() -> Ground {
    let catalog = CatalogId::parse("iso27001-2022").unwrap();
    let ids = |list: &[&str]| list.iter().map(|id| ControlId::parse(*id).unwrap()).collect::<BTreeSet<_>>();
    let param = |is_list, scope: Option<&str>| Param { is_list, scope: scope.map(str::to_owned) };
    Ground {
        controls: [(catalog.clone(), ids(&["A.5.1", "A.7.4", "A.8.13"]))].into(),
        clauses: [(catalog, ids(&["4.1", "9.2"]))].into(),
        checks: ["aws.s3.versioning", "aws.s3.not_public", "aws.kms.rotation"]
            .into_iter()
            .map(|id| CheckId::parse(id).unwrap())
            .collect(),
        params: [
            ("log_buckets".to_owned(), param(true, Some("holds_logs"))),
            ("trusted_accounts".to_owned(), param(true, None)),
            ("max_key_age_days".to_owned(), param(false, None)),
        ]
        .into(),
    }
}

fn load(text: &str) -> Result<Isms, String> {
    let ground = ground();
    let known = Known {
        controls: &ground.controls,
        clauses: &ground.clauses,
        checks: &ground.checks,
        params: &ground.params,
        today: "2026-03-01".parse().unwrap(),
    };
    Isms::load("isms.yaml", text, &known).map_err(|error| error.to_string())
}

const WAIVER: &str = "approvers:
  - { name: Ada, until: 2026-06-30 }
  - { name: Grace }
waivers:
  - id: W-1
    checks: [aws.s3.*]
    approved_by: Ada
    reason: It is moved in May
    from: 2026-03-01
    expires: 2026-06-30
    resources: { ids: ['*example-logs'] }
";

#[test]
fn what_is_right_is_understood_and_read_back() {
    let text = format!(
        "organisation: Example Ltd\napplicability:\n  iso27001-2022:\n    A.7.4: {{ applies: no, why: No rooms of our \
         own }}\n    A.8.13: {{ applies: yes, owner: Ops, status: done }}\n    '9.2': {{ applies: true, owner: Audit \
         }}\nscopes:\n  holds_logs: {{ names: [example-logs], tags: {{ holds: [logs, trails] }} }}\nallow:\n  \
         trusted_accounts: ['111122223333']\nowners:\n  - {{ owner: Ops, kinds: ['aws.s3.*'] }}\n{WAIVER}"
    );
    let isms = load(&text).unwrap();
    let catalog = CatalogId::parse("iso27001-2022").unwrap();
    let control = |id: &str| ControlId::parse(id).unwrap();
    assert_eq!(isms.excluded(&catalog, &control("A.7.4")), Some("No rooms of our own"));
    assert_eq!(isms.excluded(&catalog, &control("A.8.13")), None);
    assert_eq!(isms.excluded(&catalog, &control("A.5.1")), None, "what is not listed applies");
    assert_eq!(isms.control_owner(&catalog, &control("A.8.13")), Some("Ops"));
    assert_eq!(isms.waivers().len(), 1);
    let json = serde_json::to_value(&isms).unwrap();
    assert_eq!(serde_json::from_value::<Isms>(json).unwrap(), isms);
    let ground = ground();
    let known = Known {
        controls: &ground.controls,
        clauses: &ground.clauses,
        checks: &ground.checks,
        params: &ground.params,
        today: "2026-03-01".parse().unwrap(),
    };
    let params = isms.params(&known);
    assert_eq!(params.values["log_buckets"], serde_json::json!(["example-logs", "holds=logs", "holds=trails"]));
    assert_eq!(params.values["trusted_accounts"], serde_json::json!(["111122223333"]));
    assert!(params.unfed.is_empty());
}

#[test]
fn a_scope_that_nothing_reads_feeds_nothing() {
    for member in ["ous: [ou-example]", "accounts: ['123456789012']"] {
        let isms = load(&format!("scopes:\n  holds_logs: {{ names: [a], {member} }}\n")).unwrap();
        let ground = ground();
        let known = Known {
            controls: &ground.controls,
            clauses: &ground.clauses,
            checks: &ground.checks,
            params: &ground.params,
            today: "2026-03-01".parse().unwrap(),
        };
        let params = isms.params(&known);
        assert!(params.values.is_empty(), "{member}");
        assert!(params.unfed[0].because.contains("cannot be decided"), "{member}");
    }
}

#[test]
fn an_empty_file_says_nothing() {
    for text in ["", "# nothing yet\n", "{}\n"] {
        assert_eq!(load(text).unwrap(), Isms::default(), "{text:?}");
    }
}

#[test]
fn every_error_names_file_line_what_and_remedy() {
    let soa = |line: &str| format!("applicability:\n  iso27001-2022:\n    {line}\n");
    let waiver = |from: &str, to: &str| WAIVER.replace(from, to);
    for (text, parts) in [
        (soa("A.8.31: { applies: yes }"), ["isms.yaml:3", "no control in iso27001-2022 \"A.8.31\"", "A.8.13"]),
        (soa("A.5.1: { applies: no }"), ["isms.yaml:3", "excluded without a reason", "say `why`"]),
        (soa("A.5.1: { applies: maybe }"), ["isms.yaml:3", "yes or no", "maybe"]),
        (soa("A.5.1: { applies: yes, ownr: x }"), ["isms.yaml:3", "\"ownr\"", "did you mean \"owner\""]),
        (soa("'4.1': { applies: no, why: x }"), ["isms.yaml:3", "control 4.1", "cannot be excluded"]),
        (soa("A.5.1: { applies: yes }\n    A.5.1: { applies: yes }"), ["isms.yaml:4", "duplicate", "A.5.1"]),
        ("applicability:\n  iso27001-2023: {}\n".to_owned(), ["isms.yaml:2", "no catalogue", "iso27001-2022"]),
        ("waiver: []\n".to_owned(), ["isms.yaml:1", "there is no key \"waiver\"", "did you mean \"waivers\""]),
        (waiver("aws.s3.*", "aws.s3.versionin"), ["isms.yaml:6", "no check for the waiver W-1", "aws.s3.versioning"]),
        (waiver("    approved_by: Ada\n", ""), ["isms.yaml:5", "nobody approved it", "approved_by"]),
        (waiver("approved_by: Ada", "approved_by: Ad"), ["isms.yaml:7", "not among the approvers", "Ada"]),
        (
            waiver("until: 2026-06-30", "until: 2026-02-01"),
            ["isms.yaml:7", "may approve until 2026-02-01", "let another"],
        ),
        (
            waiver("until: 2026-06-30", "until: 2026-02-01").replace("    from: 2026-03-01\n", ""),
            ["isms.yaml:7", "approval of \"Ada\" ended on 2026-02-01", "`from`"],
        ),
        (waiver("from: 2026-03-01", "from: 2026-09-01"), ["isms.yaml:10", "exchange the dates", "2026-09-01"]),
        (
            waiver("expires: 2026-06-30", "expires: 2029-06-30"),
            ["isms.yaml:10", "longer than 2 years", "approved again"],
        ),
        (waiver("    expires: 2026-06-30\n", ""), ["isms.yaml:5", "no end", "expires"]),
        (waiver("    reason: It is moved in May\n", ""), ["isms.yaml:5", "no reason", "say why"]),
        (waiver("{ ids: ['*example-logs'] }", "{}"), ["isms.yaml:5", "names no resource", "accounts"]),
        (waiver("id: W-1", "id: 'W 1'"), ["isms.yaml:5", "an id is", "give it another"]),
        (waiver("name: Grace", "name: Ada"), ["isms.yaml:3", "approver \"Ada\" is there twice", "remove one"]),
        (
            format!("{WAIVER}{}", WAIVER.split_once("waivers:\n").unwrap().1),
            ["isms.yaml:12", "waiver \"W-1\" is there twice", "remove one"],
        ),
        ("allow: { log_buckets: [a] }\n".to_owned(), ["isms.yaml:1", "fed by the scope \"holds_logs\"", "scopes"]),
        ("allow: { max_key_age_days: [a] }\n".to_owned(), ["isms.yaml:1", "no list", "checks.params"]),
        ("allow: { trusted_acounts: [a] }\n".to_owned(), ["isms.yaml:1", "no list", "trusted_accounts"]),
        ("scopes:\n  production: {}\n".to_owned(), ["isms.yaml:2", "names nothing", "or remove it"]),
        ("scopes:\n  x: { names: ['a*'] }\n".to_owned(), ["isms.yaml:2", "pattern", "use a tag"]),
        ("owners:\n  - { owner: ' ' }\n".to_owned(), ["isms.yaml:2", "no name", "say who"]),
    ] {
        let message = load(&text).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}, of\n{text}");
        }
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn an_expired_waiver_is_no_error() {
    let isms = load(&WAIVER.replace("2026-03-01", "2025-03-01").replace("expires: 2026-06-30", "expires: 2025-06-30"));
    assert!(isms.is_ok(), "{isms:?}");
}
