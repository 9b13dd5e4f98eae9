//! Reading mapping data, strictly: what is misspelt, unknown, doubled or left unsaid is an error with file and line.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{CatalogId, ControlId, ObjectiveId, Strength};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use crate::{
    At, Automatable, Catalog, Clause, Confidence, Control, ControlLinks, Correspondence, Crosswalk, Duty, Link,
    MapError, Mapping,
};

/// A file: its path, for messages, and its text.
pub type File<'a> = (&'a str, &'a str);

/// The files that a mapping is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// `objectives.yaml`, and such files of the customer.
    pub objectives: &'a [File<'a>],
    /// `catalogs/*.yaml`.
    pub catalogs: &'a [File<'a>],
    /// `links/*.yaml`.
    pub links: &'a [File<'a>],
    /// `crosswalks/*.yaml`.
    pub crosswalks: &'a [File<'a>],
}

impl Mapping {
    /// Loads and checks all files; the first thing that is wrong ends it.
    pub fn load(sources: &Sources<'_>) -> Result<Self, MapError> {
        let mut mapping = Self::default();
        for file in sources.objectives {
            mapping.add_objectives(*file)?;
        }
        let mut catalogs = Vec::new();
        for file in sources.catalogs {
            let raw: RawCatalog = parse(*file)?;
            catalogs.push((file.0, raw));
        }
        for (path, raw) in &catalogs {
            mapping.add_catalog(path, raw)?;
        }
        mapping.catalogs.sort_by(|a, b| a.id.cmp(&b.id));
        for file in sources.links {
            mapping.add_links(*file)?;
        }
        for (path, raw) in &catalogs {
            mapping.check_catalog(path, raw)?;
        }
        for file in sources.crosswalks {
            mapping.add_crosswalk(*file)?;
        }
        Ok(mapping)
    }

    fn add_objectives(&mut self, file: File<'_>) -> Result<(), MapError> {
        let objectives: BTreeMap<ObjectiveId, Spanned<String>> = parse(file)?;
        for (id, sentence) in objectives {
            let at = at(file.0, &sentence);
            if self.objectives.insert(id.clone(), sentence.value).is_some() {
                return Err(MapError::Twice { at, what: format!("objective {id}") });
            }
        }
        Ok(())
    }

    fn add_catalog(&mut self, path: &str, raw: &RawCatalog) -> Result<(), MapError> {
        if self.catalog(raw.catalog.value.as_str()).is_some() {
            let what = format!("catalogue {}", raw.catalog.value);
            return Err(MapError::Twice { at: at(path, &raw.catalog), what });
        }
        let mut seen = BTreeSet::new();
        let clauses = raw.clauses.iter().map(|clause| (&clause.id, "clause"));
        for (id, what) in raw.controls.iter().map(|control| (&control.id, "control")).chain(clauses) {
            if !seen.insert(&id.value) {
                return Err(MapError::Twice { at: at(path, id), what: format!("{what} {}", id.value) });
            }
        }
        self.catalogs.push(Catalog {
            id: raw.catalog.value.clone(),
            title: raw.title.clone(),
            provisional: raw.provisional.clone(),
            controls: raw.controls.iter().map(Control::from).collect(),
            clauses: raw.clauses.iter().map(Clause::from).collect(),
        });
        Ok(())
    }

    fn add_links(&mut self, file: File<'_>) -> Result<(), MapError> {
        let raw: RawLinks = parse(file)?;
        let catalog = raw.catalog.value.clone();
        let Some(known) = self.catalog(catalog.as_str()) else {
            return Err(MapError::UnknownCatalog { at: at(file.0, &raw.catalog), catalog });
        };
        let mut controls = BTreeMap::new();
        for (control, behind) in raw.controls {
            let place = at(file.0, &behind);
            if known.control(&control).is_none() {
                return Err(MapError::UnknownControl { at: place, catalog, control });
            }
            let links = self.control_links_of(file.0, &control, &behind.value)?;
            if links.is_empty() {
                return Err(MapError::NoLink { at: place, control });
            }
            controls.insert(control, ControlLinks { left_to_people: behind.value.left_to_people, links });
        }
        if self.links.insert(catalog.clone(), controls).is_some() {
            let what = format!("the list of links of {catalog}");
            return Err(MapError::Twice { at: at(file.0, &raw.catalog), what });
        }
        Ok(())
    }

    /// The links of one control, strongest first, in the order of the file.
    fn control_links_of(&self, path: &str, control: &ControlId, raw: &RawControl) -> Result<Vec<Link>, MapError> {
        let mut links: Vec<Link> = Vec::new();
        let lists = [
            (Strength::Strong, &raw.strong),
            (Strength::Partial, &raw.partial),
            (Strength::Supporting, &raw.supporting),
        ];
        for (strength, list) in lists {
            for objective in list {
                let place = at(path, objective);
                let (control, objective) = (control.clone(), objective.value.clone());
                if !self.objectives.contains_key(&objective) {
                    return Err(MapError::UnknownObjective { at: place, control, objective });
                }
                if links.iter().any(|link| link.objective == objective) {
                    return Err(MapError::DuplicateLink { at: place, control, objective });
                }
                links.push(Link { objective, strength });
            }
        }
        Ok(links)
    }

    /// What can be said of a catalogue only when all catalogues and links are there.
    fn check_catalog(&self, path: &str, raw: &RawCatalog) -> Result<(), MapError> {
        for control in &raw.controls {
            let (place, id) = (at(path, &control.id), control.id.value.clone());
            if control.manual.is_none() && self.links(&raw.catalog.value, &id).is_empty() {
                return Err(MapError::NothingSaid { at: place, control: id });
            }
            for counterpart in &control.corresponds {
                let catalog = counterpart.catalog.clone();
                if counterpart.controls.is_empty() && counterpart.note.is_none() {
                    return Err(MapError::NoCounterpart { at: place, control: id, catalog });
                }
                self.check_known(place.clone(), &catalog, &counterpart.controls)?;
            }
        }
        Ok(())
    }

    fn add_crosswalk(&mut self, file: File<'_>) -> Result<(), MapError> {
        let crosswalk: Crosswalk = parse(file)?;
        let whole = At { path: file.0.to_owned(), line: 0 };
        let mut seen = BTreeSet::new();
        for old in &crosswalk.controls {
            if !seen.insert(&old.id) {
                return Err(MapError::Twice { at: whole, what: format!("control {}", old.id) });
            }
            self.check_known(whole.clone(), &crosswalk.to, &old.controls)?;
        }
        self.check_known(whole, &crosswalk.to, &crosswalk.new)?;
        self.crosswalks.push(crosswalk);
        Ok(())
    }

    fn check_known(&self, at: At, catalog: &CatalogId, controls: &[ControlId]) -> Result<(), MapError> {
        let Some(known) = self.catalog(catalog.as_str()) else {
            return Err(MapError::UnknownCatalog { at, catalog: catalog.clone() });
        };
        match controls.iter().find(|control| known.control(control).is_none()) {
            Some(unknown) => Err(MapError::UnknownControl { at, catalog: catalog.clone(), control: unknown.clone() }),
            None => Ok(()),
        }
    }
}

/// `catalogs/<catalog>.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalog {
    catalog: Spanned<CatalogId>,
    title: String,
    #[serde(default)]
    provisional: Option<String>,
    controls: Vec<RawCatalogControl>,
    #[serde(default)]
    clauses: Vec<RawClause>,
}

/// A [`Clause`] that remembers its line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClause {
    id: Spanned<ControlId>,
    label: String,
    manual: String,
    #[serde(default)]
    agent: Option<Duty>,
}

impl From<&RawClause> for Clause {
    fn from(raw: &RawClause) -> Self {
        Self { id: raw.id.value.clone(), label: raw.label.clone(), manual: raw.manual.clone(), agent: raw.agent }
    }
}

/// A [`Control`] that remembers its line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalogControl {
    id: Spanned<ControlId>,
    label: String,
    automatable: Automatable,
    #[serde(default)]
    manual: Option<String>,
    #[serde(default)]
    confidence: Option<Confidence>,
    #[serde(default)]
    corresponds: Vec<Correspondence>,
}

impl From<&RawCatalogControl> for Control {
    fn from(raw: &RawCatalogControl) -> Self {
        Self {
            id: raw.id.value.clone(),
            label: raw.label.clone(),
            automatable: raw.automatable,
            manual: raw.manual.clone(),
            confidence: raw.confidence.clone(),
            corresponds: raw.corresponds.clone(),
        }
    }
}

/// `links/<catalog>.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLinks {
    catalog: Spanned<CatalogId>,
    controls: BTreeMap<ControlId, Spanned<RawControl>>,
}

/// The links of one control, by strength.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawControl {
    #[serde(default)]
    strong: Vec<Spanned<ObjectiveId>>,
    #[serde(default)]
    partial: Vec<Spanned<ObjectiveId>>,
    #[serde(default)]
    supporting: Vec<Spanned<ObjectiveId>>,
    left_to_people: String,
}

fn parse<T: DeserializeOwned>((path, text): File<'_>) -> Result<T, MapError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let reason = error.without_snippet().to_string();
        // The parser's own words end in the place, which stands in front already, or in advice to programmers.
        let end = [" at line ", ", set DuplicateKeyPolicy"].iter().filter_map(|tail| reason.find(tail)).min();
        let reason = reason[..end.unwrap_or(reason.len())].to_owned();
        MapError::Form { at: At { path: path.to_owned(), line }, reason }
    })
}

fn at<T>(path: &str, value: &Spanned<T>) -> At {
    At { path: path.to_owned(), line: value.referenced.line() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECTIVES: &str = "storage.not-public: Nobody reads\nlogs.retention: Kept\n";
    const CATALOG: &str = "catalog: demo\ntitle: Demo\ncontrols:\n  - id: D.1\n    label: One\n    automatable: full\n  - \
                           id: D.2\n    label: Two\n    automatable: none\n    manual: A signed paper\n";
    const LINKS: &str = "catalog: demo\ncontrols:\n  D.1:\n    strong: [storage.not-public]\n    left_to_people: Who\n";

    fn load(objectives: &str, catalog: &str, links: &str, crosswalk: &str) -> Result<Mapping, MapError> {
        let crosswalks: &[File<'_>] = &[("crosswalks/old-demo.yaml", crosswalk)];
        Mapping::load(&Sources {
            objectives: &[("objectives.yaml", objectives)],
            catalogs: &[("catalogs/demo.yaml", catalog)],
            links: &[("links/demo.yaml", links)],
            crosswalks: if crosswalk.is_empty() { &[] } else { crosswalks },
        })
    }

    /// The message of what goes wrong.
    fn wrong(catalog: &str, links: &str) -> String {
        load(OBJECTIVES, catalog, links, "").unwrap_err().to_string()
    }

    #[test]
    fn loads_what_is_right() {
        let mapping = load(OBJECTIVES, CATALOG, LINKS, "").unwrap();
        let catalog = mapping.catalog("demo").unwrap();
        assert_eq!(mapping.links(&catalog.id, &catalog.controls[0].id).len(), 1);
        assert_eq!(mapping.left_to_people(&catalog.id, &catalog.controls[0]), "Who");
        assert_eq!(mapping.left_to_people(&catalog.id, &catalog.controls[1]), "A signed paper");
    }

    #[test]
    fn unknown_keys_are_named_with_file_and_line() {
        let message = wrong(&CATALOG.replace("    label: Two", "    lable: Two"), LINKS);
        assert!(message.starts_with("catalogs/demo.yaml:8: ") && message.contains("lable"), "{message}");
        let message = wrong(CATALOG, &LINKS.replace("strong", "storng"));
        assert!(message.starts_with("links/demo.yaml:4: ") && message.contains("storng"), "{message}");
    }

    #[test]
    fn unknown_objectives_controls_and_catalogues_are_refused() {
        let message = wrong(CATALOG, &LINKS.replace("storage.not-public", "storage.not-publik"));
        assert!(message.starts_with("links/demo.yaml:4: control D.1 links to storage.not-publik"), "{message}");
        let message = wrong(CATALOG, &LINKS.replace("D.1", "D.9"));
        assert!(message.starts_with("links/demo.yaml:4: catalogue demo has no control D.9"), "{message}");
        let message = wrong(CATALOG, &LINKS.replace("catalog: demo", "catalog: memo"));
        assert!(message.starts_with("links/demo.yaml:1: there is no catalogue memo"), "{message}");
    }

    #[test]
    fn doubles_are_refused() {
        let message = wrong(CATALOG, &LINKS.replace("    left", "    partial: [storage.not-public]\n    left"));
        assert!(message.starts_with("links/demo.yaml:5: control D.1 links to storage.not-public twice"), "{message}");
        let message = wrong(&CATALOG.replace("D.2", "D.1"), LINKS);
        assert!(message.starts_with("catalogs/demo.yaml:7: control D.1 is declared twice"), "{message}");
        let twice = format!("{OBJECTIVES}logs.retention: Kept again\n");
        let message = load(&twice, CATALOG, LINKS, "").unwrap_err().to_string();
        assert_eq!(message, "objectives.yaml:3: duplicate mapping key: logs.retention");
        let twice = format!("{LINKS}  D.1:\n    strong: [logs.retention]\n    left_to_people: Who\n");
        let message = wrong(CATALOG, &twice);
        assert!(message.starts_with("links/demo.yaml:6: "), "{message}");
    }

    #[test]
    fn silence_about_a_control_is_refused() {
        let message = wrong(&CATALOG.replace("    manual: A signed paper\n", ""), LINKS);
        assert!(message.starts_with("catalogs/demo.yaml:7: control D.2 has neither a link nor `manual`"), "{message}");
        let message = wrong(CATALOG, &LINKS.replace("    strong: [storage.not-public]\n", ""));
        assert!(message.starts_with("links/demo.yaml:4: control D.1 has no link here"), "{message}");
    }

    #[test]
    fn a_counterpart_is_there_or_explained() {
        let with = |tail: &str| format!("{CATALOG}    corresponds: [{{ catalog: demo, controls: {tail} }}]\n");
        assert!(load(OBJECTIVES, &with("[D.1]"), LINKS, "").is_ok());
        assert!(load(OBJECTIVES, &with("[], note: no successor known"), LINKS, "").is_ok());
        assert!(wrong(&with("[]"), LINKS).contains("names no counterpart in demo"));
        assert!(wrong(&with("[D.7]"), LINKS).contains("has no control D.7"));
    }

    #[test]
    fn a_crosswalk_leads_to_controls_that_exist() {
        let crosswalk =
            "from: old\nto: demo\ncontrols:\n  - { id: O.1, relation: split, controls: [D.1, D.2] }\nnew: []\n";
        let mapping = load(OBJECTIVES, CATALOG, LINKS, crosswalk).unwrap();
        assert_eq!(mapping.crosswalk("old").unwrap().find("O.1").len(), 2);
        assert!(mapping.crosswalk("old").unwrap().find("O.2").is_empty());
        let error = load(OBJECTIVES, CATALOG, LINKS, &crosswalk.replace("D.2", "D.3")).unwrap_err().to_string();
        assert!(error.starts_with("crosswalks/old-demo.yaml: catalogue demo has no control D.3"), "{error}");
    }
}
