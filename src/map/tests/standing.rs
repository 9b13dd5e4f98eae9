//! The rules of standing: each by an example, and what must hold for all findings by properties.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;

use evidenced_map::{Applicability, Basis, Counts, Mapping, Plan, PlannedCheck, Sources};
use evidenced_model::{
    Account, AccountCoverage, CatalogId, Cell, CellState, CheckId, ControlId, ControlStanding, Coverage, Digest,
    Finding, KindId, ObjectiveId, Provider, Region, Scope, Severity, Standing, Verdict, WaiverRef,
};
use proptest::prelude::*;

/// D.1 rests on a strong and a partial link, D.2 on a supporting one only, D.3 on people, D.4 on what needs a declaration.
fn mapping() -> Mapping {
    Mapping::load(&Sources {
        objectives: &[("objectives.yaml", "o.strong: S\no.partial: P\no.hint: H\no.declared: D\n")],
        catalogs: &[(
            "catalogs/demo.yaml",
            "catalog: demo\ntitle: Demo\ncontrols:
  - { id: D.1, label: One, automatable: full }
  - { id: D.2, label: Two, automatable: partial, manual: Paper }
  - { id: D.3, label: Three, automatable: none, manual: Paper }
  - { id: D.4, label: Four, automatable: partial, manual: Paper }
",
        )],
        links: &[(
            "links/demo.yaml",
            "catalog: demo\ncontrols:
  D.1: { strong: [o.strong], partial: [o.partial], supporting: [o.hint], left_to_people: Why }
  D.2: { supporting: [o.hint], left_to_people: Why }
  D.4: { partial: [o.declared], left_to_people: Why }
",
        )],
        crosswalks: &[],
    })
    .unwrap()
}

const OBJECTIVES: [&str; 3] = ["o.strong", "o.partial", "o.hint"];

fn provider(name: &str) -> Provider {
    Provider::parse(name).unwrap()
}

/// A cloud with one account, in which the kind's one cell is in this state.
fn coverage(clouds: &[(&str, CellState)]) -> Coverage {
    let account = Account::parse("123456789012").unwrap();
    let accounts = clouds.iter().map(|(cloud, state)| {
        let cell = Cell {
            gaps: Vec::new(),
            kind: KindId::parse(format!("{cloud}.demo.thing")).unwrap(),
            reason: None,
            region: Region::global(),
            resources: 0,
            state: *state,
            total: None,
            vanished: 0,
        };
        let whole = AccountCoverage {
            account: account.clone(),
            cells: vec![cell],
            gaps: Vec::new(),
            provider: provider(cloud),
            regions: Vec::new(),
        };
        ((provider(cloud), account.clone()), whole)
    });
    Coverage { accounts: accounts.collect() }
}

fn planned(cloud: &str, objective: &str) -> PlannedCheck {
    PlannedCheck {
        check: CheckId::parse(format!("{cloud}.{objective}")).unwrap(),
        kind: KindId::parse(format!("{cloud}.demo.thing")).unwrap(),
        objective: ObjectiveId::parse(objective).unwrap(),
        provider: provider(cloud),
        population: false,
        undeclared: Vec::new(),
    }
}

fn finding(cloud: &str, objective: &str, verdict: Verdict, severity: Severity, excused: bool) -> Finding {
    let waiver = excused.then(|| WaiverRef { id: "w-1".to_owned() });
    Finding {
        because: Vec::new(),
        check: CheckId::parse(format!("{cloud}.{objective}")).unwrap(),
        check_sha256: Digest::of(b"check"),
        kind: KindId::parse(format!("{cloud}.demo.thing")).unwrap(),
        objective: ObjectiveId::parse(objective).unwrap(),
        observed: serde_json::Map::new(),
        resource: "thing".to_owned(),
        rests_on: Vec::new(),
        revision: 1,
        scope: Scope {
            account: Account::parse("123456789012").unwrap(),
            provider: provider(cloud),
            region: Region::global(),
        },
        severity,
        verdict,
        waiver,
    }
}

fn aws(objective: &str, verdict: Verdict) -> Finding {
    finding("aws", objective, verdict, Severity::Medium, false)
}

/// A plan over fully read clouds, with a check for each objective.
fn plan(clouds: &[&str]) -> Plan {
    let states: Vec<_> = clouds.iter().map(|cloud| (*cloud, CellState::Complete)).collect();
    let checks = clouds.iter().flat_map(|cloud| OBJECTIVES.iter().map(move |objective| planned(cloud, objective)));
    Plan::new(checks, &coverage(&states))
}

fn count(findings: &[Finding]) -> Counts {
    let mut counts = Counts::default();
    for finding in findings {
        counts.add(finding);
    }
    counts
}

fn standings(plan: &Plan, counts: &Counts) -> BTreeMap<String, ControlStanding> {
    let basis = Basis { plan, counts, applicability: &Applicability::default(), threshold: Severity::Low };
    mapping().standings(&basis).into_iter().map(|standing| (standing.control.to_string(), standing)).collect()
}

/// The standing of D.1 in one fully read cloud.
fn d1(findings: &[Finding]) -> Standing {
    standings(&plan(&["aws"]), &count(findings))["D.1"].standing
}

#[test]
fn a_pass_supports_and_a_fail_contradicts() {
    assert_eq!(d1(&[aws("o.strong", Verdict::Pass)]), Standing::Supported);
    assert_eq!(d1(&[aws("o.partial", Verdict::Pass), aws("o.strong", Verdict::NotApplicable)]), Standing::Supported);
    assert_eq!(d1(&[aws("o.strong", Verdict::Pass), aws("o.partial", Verdict::Fail)]), Standing::Contradicted);
    assert_eq!(d1(&[aws("o.strong", Verdict::Unknown), aws("o.partial", Verdict::Fail)]), Standing::Contradicted);
}

#[test]
fn a_waived_fail_is_an_exception_and_needs_a_pass_beside_it() {
    let waived = finding("aws", "o.strong", Verdict::Fail, Severity::High, true);
    assert_eq!(d1(&[waived.clone(), aws("o.strong", Verdict::Pass)]), Standing::SupportedWithExceptions);
    assert_eq!(d1(&[waived]), Standing::Incomplete);
}

#[test]
fn what_is_unknown_keeps_a_control_incomplete() {
    assert_eq!(d1(&[aws("o.strong", Verdict::Pass), aws("o.partial", Verdict::Unknown)]), Standing::Incomplete);
    assert_eq!(
        d1(&[aws("o.strong", Verdict::NotApplicable), aws("o.partial", Verdict::Unknown)]),
        Standing::Incomplete
    );
}

#[test]
fn a_hint_neither_supports_nor_contradicts_nor_blocks() {
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Unknown] {
        assert_eq!(d1(&[aws("o.strong", Verdict::Pass), aws("o.hint", verdict)]), Standing::Supported);
        let all = standings(&plan(&["aws"]), &count(&[aws("o.hint", verdict)]));
        assert_eq!(all["D.1"].standing, Standing::NoSubject);
        assert_eq!(all["D.2"].standing, Standing::Manual);
        assert_eq!(all["D.2"].objectives[0].counts.total(), 1);
        assert_eq!(all["D.2"].counts.total(), 0);
    }
}

#[test]
fn no_subject_is_said_only_of_populations_that_were_read() {
    assert_eq!(d1(&[]), Standing::NoSubject);
    assert_eq!(d1(&[aws("o.strong", Verdict::NotApplicable)]), Standing::NoSubject);
    let checks = || OBJECTIVES.map(|objective| planned("aws", objective));
    for state in [CellState::Partial, CellState::Denied, CellState::Barred, CellState::Throttled, CellState::Failed] {
        let plan = Plan::new(checks(), &coverage(&[("aws", state)]));
        assert_eq!(standings(&plan, &count(&[]))["D.1"].standing, Standing::Incomplete);
        // A partial listing can show passes; it cannot show that there is nothing else.
        let counts = count(&[aws("o.strong", Verdict::Pass)]);
        assert_eq!(standings(&plan, &counts)["D.1"].standing, Standing::Incomplete);
        let counts = count(&[aws("o.strong", Verdict::Fail)]);
        assert_eq!(standings(&plan, &counts)["D.1"].standing, Standing::Contradicted);
    }
}

#[test]
fn a_population_check_that_says_nothing_was_not_made() {
    let population = PlannedCheck { population: true, ..planned("aws", "o.strong") };
    // Its own findings say what was not read: a definite pass stands, also where a cell is missing.
    let plan = Plan::new([population], &coverage(&[("aws", CellState::Denied)]));
    assert_eq!(standings(&plan, &count(&[]))["D.1"].standing, Standing::Incomplete);
    assert_eq!(standings(&plan, &count(&[aws("o.strong", Verdict::Pass)]))["D.1"].standing, Standing::Supported);
    assert_eq!(
        standings(&plan, &count(&[aws("o.strong", Verdict::NotApplicable)]))["D.1"].standing,
        Standing::NoSubject
    );
}

#[test]
fn checks_that_wait_for_a_declaration_are_named() {
    let waiting = PlannedCheck { undeclared: vec!["log_buckets".to_owned()], ..planned("aws", "o.declared") };
    let plan = Plan::new([waiting], &coverage(&[("aws", CellState::Complete)]));
    let all = standings(&plan, &count(&[]));
    assert_eq!(all["D.4"].standing, Standing::Incomplete);
    assert_eq!(all["D.4"].objectives[0].undeclared, ["aws.o.declared"]);
    assert_eq!(plan.undeclared().into_values().next().unwrap(), ["log_buckets"]);
    // D.1 has no check at all in this plan.
    assert_eq!(all["D.1"].standing, Standing::Manual);
}

#[test]
fn severity_decides_what_contradicts_and_info_never_does() {
    let standing = |severity, threshold| {
        let (plan, counts) = (
            plan(&["aws"]),
            count(&[finding("aws", "o.strong", Verdict::Fail, severity, false), aws("o.partial", Verdict::Pass)]),
        );
        let basis = Basis { plan: &plan, counts: &counts, applicability: &Applicability::default(), threshold };
        mapping().standings(&basis).swap_remove(0)
    };
    assert_eq!(standing(Severity::Low, Severity::Low).standing, Standing::Contradicted);
    assert_eq!(standing(Severity::Low, Severity::High).standing, Standing::Supported);
    assert_eq!(standing(Severity::Low, Severity::High).counts.fail_below, 1);
    assert_eq!(standing(Severity::Info, Severity::Info).standing, Standing::Supported);
    assert_eq!(standing(Severity::Info, Severity::Info).counts.fail_below, 1);
}

#[test]
fn what_the_provider_gives_to_everybody_supports_nothing() {
    let inherited = finding("aws", "o.strong", Verdict::Pass, Severity::Info, false);
    assert_eq!(d1(std::slice::from_ref(&inherited)), Standing::Incomplete);
    assert_eq!(d1(&[inherited, aws("o.partial", Verdict::Pass)]), Standing::Supported);
}

#[test]
fn each_cloud_stands_by_itself_and_all_stand_together() {
    let counts =
        count(&[aws("o.strong", Verdict::Pass), finding("azure", "o.strong", Verdict::Fail, Severity::High, false)]);
    let all = standings(&plan(&["aws", "azure"]), &counts);
    let d1 = &all["D.1"];
    assert_eq!(d1.providers[&provider("aws")], Standing::Supported);
    assert_eq!(d1.providers[&provider("azure")], Standing::Contradicted);
    assert_eq!(d1.standing, Standing::Contradicted);
    assert_eq!((d1.counts.pass, d1.counts.fail), (1, 1));
}

#[test]
fn a_cloud_that_could_not_be_read_at_all_says_nothing() {
    let mut plan = Plan::new([planned("aws", "o.strong")], &Coverage::default());
    let all = standings(&plan, &count(&[]));
    assert_eq!((all["D.1"].standing, all["D.3"].standing), (Standing::Incomplete, Standing::Manual));
    plan.add_provider(provider("aws"));
    assert_eq!(standings(&plan, &count(&[]))["D.1"].providers[&provider("aws")], Standing::Incomplete);
}

#[test]
fn an_excluded_control_keeps_its_counts() {
    let (plan, counts) = (plan(&["aws"]), count(&[aws("o.strong", Verdict::Fail)]));
    let mut applicability = Applicability::default();
    applicability.exclude(CatalogId::parse("demo").unwrap(), ControlId::parse("D.1").unwrap(), "no such thing here");
    let basis = Basis { plan: &plan, counts: &counts, applicability: &applicability, threshold: Severity::Low };
    let d1 = mapping().standings(&basis).swap_remove(0);
    assert_eq!((d1.standing, d1.counts.fail), (Standing::Excluded, 1));
    assert!(mapping().check_applicability(&applicability, "isms.yaml").is_ok());
    applicability.exclude(CatalogId::parse("demo").unwrap(), ControlId::parse("D.9").unwrap(), "typo");
    let error = mapping().check_applicability(&applicability, "isms.yaml").unwrap_err().to_string();
    assert!(error.starts_with("isms.yaml: catalogue demo has no control D.9"), "{error}");
}

#[test]
fn frameworks_are_chosen_by_name() {
    let demo = CatalogId::parse("demo").unwrap();
    assert_eq!(mapping().only(std::slice::from_ref(&demo)).unwrap(), mapping());
    assert!(mapping().only(&[]).unwrap().catalogs().is_empty());
    let error = mapping().only(&[demo, CatalogId::parse("memo").unwrap()]).unwrap_err();
    assert_eq!(error.to_string(), "there is no framework memo; choose from demo");
}

#[test]
fn stored_mappings_with_unknown_members_are_refused() {
    let mut stored = mapping().to_json();
    stored["extra"] = true.into();
    assert!(Mapping::from_json(stored).unwrap_err().to_string().starts_with("the stored mappings cannot be read"));
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let clouds = prop::sample::select(vec!["aws", "azure"]);
    let objectives = prop::sample::select(OBJECTIVES.to_vec());
    let verdicts = prop::sample::select(vec![Verdict::Pass, Verdict::Fail, Verdict::Unknown, Verdict::NotApplicable]);
    let severities = prop::sample::select(vec![Severity::Info, Severity::Low, Severity::Medium, Severity::Critical]);
    (clouds, objectives, verdicts, severities, any::<bool>()).prop_map(
        |(cloud, objective, verdict, severity, waived)| {
            finding(cloud, objective, verdict, severity, waived && verdict == Verdict::Fail)
        },
    )
}

fn any_findings() -> impl Strategy<Value = Vec<Finding>> {
    prop::collection::vec(any_finding(), 0..12)
}

fn decides(finding: &Finding) -> bool {
    finding.objective.as_str() != "o.hint"
}

proptest! {
    #[test]
    fn nothing_unknown_is_ever_supported(findings in any_findings()) {
        let d1 = &standings(&plan(&["aws", "azure"]), &count(&findings))["D.1"];
        let unknown = findings.iter().any(|finding| decides(finding) && finding.verdict == Verdict::Unknown);
        let supported = matches!(d1.standing, Standing::Supported | Standing::SupportedWithExceptions);
        prop_assert!(!(unknown && supported));
        let pass = |f: &Finding| decides(f) && f.verdict == Verdict::Pass && f.severity > Severity::Info;
        prop_assert!(!supported || findings.iter().any(pass));
        prop_assert_eq!(d1.counts.total(), findings.iter().filter(|finding| decides(finding)).count() as u64);
    }

    #[test]
    fn one_more_fail_never_makes_it_better(findings in any_findings(), fail in any_finding()) {
        let plan = plan(&["aws", "azure"]);
        let before = standings(&plan, &count(&findings))["D.1"].clone();
        let fail = Finding { verdict: Verdict::Fail, ..fail };
        let more: Vec<_> = findings.into_iter().chain([fail.clone()]).collect();
        let after = standings(&plan, &count(&more))["D.1"].clone();
        let contradicts = decides(&fail) && fail.waiver.is_none() && fail.severity > Severity::Info;
        if before.standing == Standing::Contradicted || contradicts {
            prop_assert_eq!(after.standing, Standing::Contradicted);
        }
        prop_assert!(after.standing != Standing::Supported || before.standing == Standing::Supported);
    }

    #[test]
    fn the_order_of_findings_does_not_matter(findings in any_findings(), seed in any::<prop::sample::Index>()) {
        let mut other = findings.clone();
        if !other.is_empty() {
            let by = seed.index(other.len());
            other.rotate_left(by);
            other[by..].reverse();
        }
        prop_assert_eq!(count(&findings), count(&other));
    }

    #[test]
    fn two_halves_make_the_whole(findings in any_findings(), cut in any::<prop::sample::Index>()) {
        let (left, right) = findings.split_at(cut.index(findings.len() + 1));
        let mut merged = count(left);
        merged.merge(&count(right));
        prop_assert_eq!(merged, count(&findings));
    }

    #[test]
    fn together_is_contradicted_exactly_when_a_cloud_is(findings in any_findings()) {
        let d1 = &standings(&plan(&["aws", "azure"]), &count(&findings))["D.1"];
        let any = d1.providers.values().any(|standing| *standing == Standing::Contradicted);
        prop_assert_eq!(d1.standing == Standing::Contradicted, any);
    }

    #[test]
    fn the_stored_mapping_gives_the_same_standings(findings in any_findings()) {
        let (plan, counts, applicability) = (plan(&["aws", "azure"]), count(&findings), Applicability::default());
        let basis = Basis { plan: &plan, counts: &counts, applicability: &applicability, threshold: Severity::Low };
        let stored = Mapping::from_json(mapping().to_json()).unwrap();
        prop_assert_eq!(stored.standings(&basis), mapping().standings(&basis));
    }
}
