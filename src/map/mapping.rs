//! The mapping as loaded: catalogues, objectives and the links between them.

use std::collections::BTreeMap;

use evidenced_model::{CatalogId, ControlId, ObjectiveId, Strength};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Applicability, At, Catalog, Control, Crosswalk, MapError};

/// Catalogues, objectives, links and crosswalks. Made by [`Mapping::load`], or read back with [`Mapping::from_json`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    pub(crate) catalogs: Vec<Catalog>,
    pub(crate) links: BTreeMap<CatalogId, BTreeMap<ControlId, ControlLinks>>,
    pub(crate) objectives: BTreeMap<ObjectiveId, String>,
    /// Not sealed: no standing depends on them.
    #[serde(skip)]
    pub(crate) crosswalks: Vec<Crosswalk>,
}

/// The objectives behind one control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlLinks {
    /// What configuration cannot show.
    pub left_to_people: String,
    /// The objectives, strongest first.
    pub links: Vec<Link>,
}

/// One objective behind a control.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The objective.
    #[serde(rename = "id")]
    pub objective: ObjectiveId,
    /// How much it says about the control.
    pub strength: Strength,
}

impl Mapping {
    /// The catalogues, sorted by name.
    pub fn catalogs(&self) -> &[Catalog] {
        &self.catalogs
    }

    /// The catalogue of a name.
    pub fn catalog(&self, id: &str) -> Option<&Catalog> {
        self.catalogs.iter().find(|catalog| catalog.id.as_str() == id)
    }

    /// The objectives with their sentences.
    pub fn objectives(&self) -> &BTreeMap<ObjectiveId, String> {
        &self.objectives
    }

    /// The crosswalks from old editions.
    pub fn crosswalks(&self) -> &[Crosswalk] {
        &self.crosswalks
    }

    /// The crosswalk from an old edition, e.g. `iso27001-2013`.
    pub fn crosswalk(&self, from: &str) -> Option<&Crosswalk> {
        self.crosswalks.iter().find(|crosswalk| crosswalk.from.as_str() == from)
    }

    /// The objectives behind a control, strongest first.
    pub fn links(&self, catalog: &CatalogId, control: &ControlId) -> &[Link] {
        self.control_links(catalog, control).map_or(&[], |behind| &behind.links)
    }

    /// What configuration cannot show of a control; where nothing is linked, the evidence that people bring.
    pub fn left_to_people<'a>(&'a self, catalog: &CatalogId, control: &'a Control) -> &'a str {
        match self.control_links(catalog, &control.id) {
            Some(behind) => &behind.left_to_people,
            None => control.manual.as_deref().unwrap_or_default(),
        }
    }

    /// The controls that an objective speaks to.
    pub fn controls_of<'a>(
        &'a self,
        objective: &'a ObjectiveId,
    ) -> impl Iterator<Item = (&'a CatalogId, &'a ControlId, Strength)> {
        self.catalogs.iter().flat_map(move |catalog| {
            catalog.controls.iter().filter_map(move |control| {
                let link = self.links(&catalog.id, &control.id).iter().find(|link| &link.objective == objective)?;
                Some((&catalog.id, &control.id, link.strength))
            })
        })
    }

    /// The catalogues that are on where the config does not choose: those that are not provisional.
    pub fn default_frameworks(&self) -> Vec<CatalogId> {
        self.catalogs.iter().filter(|catalog| catalog.provisional.is_none()).map(|catalog| catalog.id.clone()).collect()
    }

    /// The mapping with these catalogues only.
    pub fn only(mut self, frameworks: &[CatalogId]) -> Result<Self, MapError> {
        if let Some(unknown) = frameworks.iter().find(|id| self.catalog(id.as_str()).is_none()) {
            let known: Vec<_> = self.catalogs.iter().map(|catalog| catalog.id.as_str()).collect();
            return Err(MapError::UnknownFramework { catalog: unknown.clone(), known: known.join(", ") });
        }
        self.catalogs.retain(|catalog| frameworks.contains(&catalog.id));
        self.links.retain(|catalog, _| frameworks.contains(catalog));
        Ok(self)
    }

    /// Refuses a statement of applicability that excludes controls of a loaded catalogue which it does not have.
    pub fn check_applicability(&self, applicability: &Applicability, path: &str) -> Result<(), MapError> {
        for (catalog, controls) in &applicability.excluded {
            let at = || At { path: path.to_owned(), line: 0 };
            let Some(loaded) = self.catalog(catalog.as_str()) else {
                return Err(MapError::UnknownCatalog { at: at(), catalog: catalog.clone() });
            };
            if let Some(unknown) = controls.keys().find(|control| loaded.control(control).is_none()) {
                let (catalog, control) = (catalog.clone(), unknown.clone());
                return Err(MapError::UnknownControl { at: at(), catalog, control });
            }
        }
        Ok(())
    }

    /// The form that is sealed with a run, so that standings can be computed again.
    ///
    /// # Panics
    /// If our own types do not serialise, which would be a bug.
    pub fn to_json(&self) -> Value {
        #[expect(clippy::expect_used, reason = "text keys and plain fields always serialise")]
        serde_json::to_value(self).expect("a mapping serialises")
    }

    /// Reads back what [`Mapping::to_json`] wrote.
    pub fn from_json(value: Value) -> Result<Self, MapError> {
        serde_json::from_value(value).map_err(|error| MapError::Stored { reason: error.to_string() })
    }

    fn control_links(&self, catalog: &CatalogId, control: &ControlId) -> Option<&ControlLinks> {
        self.links.get(catalog)?.get(control)
    }
}
