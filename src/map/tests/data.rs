//! The mapping data as committed: complete, consistent, and with nothing left unsaid.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use evidenced_map::{Automatable, Mapping, Sources};
use evidenced_model::Strength;

fn mapping() -> Mapping {
    let sources = Sources {
        objectives: &[evidenced_mappings::objectives()],
        catalogs: evidenced_mappings::catalogs(),
        links: evidenced_mappings::links(),
        crosswalks: evidenced_mappings::crosswalks(),
    };
    Mapping::load(&sources).unwrap()
}

#[test]
fn every_catalogue_has_all_its_controls() {
    let mapping = mapping();
    let counts: Vec<_> = mapping.catalogs().iter().map(|c| (c.id.as_str(), c.controls.len())).collect();
    assert_eq!(counts, [("iso27001-2022", 93), ("iso27017-2015", 44), ("iso27017-2026", 43)]);
    let cloud = &mapping.catalog("iso27017-2015").unwrap().controls;
    assert_eq!(cloud.iter().filter(|control| control.id.as_str().starts_with("CLD.")).count(), 7);
}

#[test]
fn annex_a_has_its_four_themes_without_holes() {
    let mapping = mapping();
    let numbers: Vec<_> = mapping.catalog("iso27001-2022").unwrap().controls.iter().map(|c| c.id.to_string()).collect();
    let themes = [(5, 37), (6, 8), (7, 14), (8, 34)];
    let expected: Vec<_> =
        themes.iter().flat_map(|(theme, last)| (1..=*last).map(move |n| format!("A.{theme}.{n}"))).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn the_clauses_stand_beside_the_controls_and_are_none_of_them() {
    let mapping = mapping();
    let catalog = mapping.catalog("iso27001-2022").unwrap();
    let numbers: Vec<&str> = catalog.clauses.iter().map(|clause| clause.id.as_str()).collect();
    let expected = "4.1 4.2 4.3 4.4 5.1 5.2 5.3 6.1.1 6.1.2 6.1.3 6.2 6.3 7.1 7.2 7.3 7.4 7.5 8.1 8.2 8.3 9.1 9.2 9.3 \
                    10.1 10.2";
    assert_eq!(numbers.join(" "), expected);
    assert!(catalog.clauses.iter().all(|clause| catalog.control(&clause.id).is_none()));
    let ours = catalog.clauses.iter().filter(|clause| clause.agent.is_some()).map(|clause| clause.id.as_str());
    assert_eq!(ours.collect::<Vec<_>>(), ["6.1.3", "8.1", "9.1", "9.2", "10.2"]);
    // What was sealed before there were clauses is written as it was.
    let old = mapping.clone().only(&["iso27017-2015".parse().unwrap()]).unwrap();
    assert!(!old.to_json().to_string().contains("clauses"));
    assert_eq!(Mapping::from_json(mapping.to_json()).unwrap().catalogs(), mapping.catalogs());
}

#[test]
fn every_objective_is_linked_from_every_catalogue() {
    let mapping = mapping();
    assert_eq!(mapping.objectives().len(), 116);
    for (objective, sentence) in mapping.objectives() {
        assert!(!sentence.ends_with('.') && sentence.len() > 20, "{objective}: {sentence}");
        for catalog in ["iso27001-2022", "iso27017-2015", "iso27017-2026"] {
            // The 2015 edition says nothing about deleting what is no longer needed, and neither edition of what a model
            // is asked and answers; the 2026 one says nothing of its own about how people sign in.
            let expected = match objective.as_str() {
                "storage.lifecycle" => catalog != "iso27017-2015",
                "access.remote-restricted" | "identity.legacy-sign-in-blocked" => catalog != "iso27017-2026",
                "ai.guardrails" => catalog == "iso27001-2022",
                _ => true,
            };
            let linked = mapping.controls_of(objective).any(|(found, _, _)| found.as_str() == catalog);
            assert_eq!(linked, expected, "{objective} in {catalog}");
        }
    }
}

#[test]
fn every_control_says_what_people_bring_and_what_configuration_cannot_show() {
    let mapping = mapping();
    for catalog in mapping.catalogs() {
        for control in &catalog.controls {
            assert!(control.manual.as_deref().is_some_and(|text| text.len() > 10), "{}", control.id);
            assert!(mapping.left_to_people(&catalog.id, control).len() > 10, "{}", control.id);
        }
    }
}

#[test]
fn the_rating_of_a_control_bounds_its_links() {
    let mapping = mapping();
    for catalog in mapping.catalogs() {
        for control in &catalog.controls {
            let strongest = mapping.links(&catalog.id, &control.id).iter().map(|link| link.strength).max();
            let bound = match control.automatable {
                Automatable::None => Some(Strength::Supporting),
                Automatable::Partial => Some(Strength::Partial),
                Automatable::Full => Some(Strength::Strong),
            };
            assert!(strongest <= bound, "{} {}: {strongest:?}", catalog.id, control.id);
        }
    }
}

#[test]
fn the_reviewed_corrections_hold() {
    let mapping = mapping();
    let strength = |catalog: &str, control: &str, objective: &str| {
        let catalog = mapping.catalog(catalog).unwrap();
        let control = catalog.controls.iter().find(|c| c.id.as_str() == control).unwrap();
        let links = mapping.links(&catalog.id, &control.id);
        links.iter().find(|link| link.objective.as_str() == objective).map(|link| link.strength)
    };
    assert_eq!(strength("iso27001-2022", "A.8.10", "logs.retention"), None);
    assert_eq!(strength("iso27001-2022", "A.8.7", "monitoring.threat-detection"), None);
    assert_eq!(strength("iso27001-2022", "A.5.26", "incident.support-role"), None);
    assert_eq!(strength("iso27001-2022", "A.8.13", "storage.versioned"), Some(Strength::Supporting));
    for objective in ["incident.contacts", "monitoring.security-alarms"] {
        assert_eq!(strength("iso27001-2022", "A.6.8", objective), Some(Strength::Supporting));
        assert_eq!(strength("iso27017-2015", "16.1.2", objective), Some(Strength::Supporting));
    }
    let orphans = ["6.1.3", "9.1.2", "13.1.3", "15.1.1"];
    for control in &mapping.catalog("iso27017-2015").unwrap().controls {
        let next = control.corresponds.iter().find(|c| c.catalog.as_str() == "iso27017-2026").unwrap();
        let note = next.note.as_deref();
        assert_eq!(next.controls.is_empty(), orphans.contains(&control.id.as_str()), "{}", control.id);
        assert!(!next.controls.is_empty() || note == Some("no successor known"), "{}", control.id);
    }
}

#[test]
fn the_provisional_catalogue_is_off_by_default_and_says_why() {
    let mapping = mapping();
    let on: Vec<_> = mapping.default_frameworks().iter().map(ToString::to_string).collect();
    assert_eq!(on, ["iso27001-2022", "iso27017-2015"]);
    let provisional = mapping.catalog("iso27017-2026").unwrap();
    assert!(provisional.controls.iter().all(|control| control.confidence.is_some()));
    assert!(mapping.control_lines(provisional).all(|line| line.provisional.is_some()));
}

#[test]
fn the_crosswalk_leads_from_114_controls_to_93() {
    let mapping = mapping();
    let crosswalk = mapping.crosswalk("iso27001-2013").unwrap();
    assert_eq!(crosswalk.controls.len(), 114);
    assert_eq!(crosswalk.find("A.9.2.3").iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["A.8.2"]);
    assert_eq!(crosswalk.find("A.18.2.3").len(), 2);
    assert_eq!(crosswalk.origins("A.5.15").count(), 2);
    for control in &mapping.catalog("iso27001-2022").unwrap().controls {
        let forerunners = crosswalk.origins(control.id.as_str()).count();
        assert_eq!(forerunners == 0, crosswalk.new.contains(&control.id), "{}", control.id);
    }
}

#[test]
fn lines_begin_with_the_id() {
    let mapping = mapping();
    let catalog = mapping.catalog("iso27001-2022").unwrap();
    let first = serde_json::to_string(&mapping.control_lines(catalog).nth(77).unwrap()).unwrap();
    assert!(first.starts_with(r#"{"id":"A.8.19","catalog":"iso27001-2022","label":"#), "{first}");
    let linked = mapping.control_lines(catalog).find(|line| line.id.as_str() == "A.5.14").unwrap();
    let linked = serde_json::to_value(&linked).unwrap();
    let partial = |id: &str| serde_json::json!({ "id": id, "strength": "partial" });
    assert_eq!(linked["objectives"], serde_json::json!([partial("storage.tls-only"), partial("app.tls-only")]));
    let objective = serde_json::to_string(&mapping.objective_lines().next().unwrap()).unwrap();
    assert!(objective.starts_with(r#"{"id":"access.admin-ports-on-request","sentence":"#), "{objective}");
    let old = mapping.crosswalk("iso27001-2013").unwrap().control_lines().next().unwrap();
    assert_eq!(
        serde_json::to_string(&old).unwrap(),
        r#"{"id":"A.5.1.1","catalog":"iso27001-2013","relation":"merged_into","corresponds":[{"catalog":"iso27001-2022","controls":["A.5.1"]}]}"#
    );
}
