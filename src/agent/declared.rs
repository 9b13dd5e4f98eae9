//! What the organisation declares: the `isms.yaml` that the config names, held against what there is, and what it sets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use evidenced_check::{Library, Settings};
use evidenced_isms::{Isms, IsmsError, Known, Param, Params};
use evidenced_map::{Applicability, Mapping};
use evidenced_model::{CatalogId, ControlId, FieldType};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalogue;
use crate::config::Loaded;
use crate::exit::{Ended, Exit};

/// The file, as it was read with the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IsmsFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) text: String,
}

impl IsmsFile {
    /// Reads the file that the config names, if it names one; its path is relative to the config's.
    pub(crate) fn read(loaded: &Loaded) -> Result<Option<Self>, Ended> {
        let Some(named) = &loaded.config.isms else { return Ok(None) };
        let folder = loaded.path.as_deref().and_then(|path| path.parent());
        let path = folder.map_or_else(|| named.clone(), |folder| folder.join(named));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Self { path, text })),
            Err(error) => {
                let what = format!("{} cannot be read: {error}; write it, or leave `isms` out", path.display());
                Err(loaded.wrong(&["isms"], &what))
            }
        }
    }
}

/// What is declared, beside what the config sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    /// The declaration; none where the config names no file.
    pub(crate) isms: Option<Isms>,
    /// What it sets.
    pub(crate) params: Params,
}

impl Declared {
    /// Holds the declaration against every catalogue, check and parameter that there is.
    pub(crate) fn check(loaded: &Loaded, library: &Library, now: Timestamp) -> Result<Self, Ended> {
        let Some(file) = &loaded.isms else { return Ok(Self::default()) };
        let mapping = catalogue::mapping()?;
        let (controls, clauses) = (numbers(&mapping, false), numbers(&mapping, true));
        let checks = library.checks().map(|(_, check)| check.id.clone()).collect();
        let params = library.params().iter().map(|(name, param)| {
            let param = Param { is_list: param.shape == FieldType::List, scope: param.scope.clone() };
            (name.clone(), param)
        });
        let params = params.collect();
        let today = TimeZone::UTC.to_datetime(now).date();
        let known = Known { controls: &controls, clauses: &clauses, checks: &checks, params: &params, today };
        let path = file.path.display().to_string();
        let isms = Isms::load(&path, &file.text, &known).map_err(wrong)?;
        let params = isms.params(&known);
        let fed = params.values.keys().chain(params.unfed.iter().map(|unfed| &unfed.param));
        if let Some(name) = fed.into_iter().find(|name| loaded.config.checks.params.contains_key(*name)) {
            let what = format!("{path} sets it too, by a scope or a list; keep one of them");
            return Err(loaded.wrong(&["checks", "params", name], &what));
        }
        Ok(Self { isms: Some(isms), params })
    }

    /// What somebody who checks his config should know of it, a line each.
    pub(crate) fn lines(&self, library: &Library, now: Timestamp) -> Vec<String> {
        let Some(isms) = &self.isms else { return Vec::new() };
        let mut lines = isms.voices(now);
        for unfed in &self.params.unfed {
            lines.push(format!("the scope {} sets no {}: {}", unfed.scope, unfed.param, unfed.because));
        }
        let feeds: BTreeSet<&String> = library.params().values().filter_map(|param| param.scope.as_ref()).collect();
        for scope in isms.scopes().keys().filter(|scope| !feeds.contains(scope)) {
            let known: Vec<&str> = feeds.iter().map(|scope| scope.as_str()).collect();
            lines
                .push(format!("the scope {scope} is recorded and feeds no check; those that do: {}", known.join(", ")));
        }
        lines
    }

    /// What checks are judged with: what the config sets, and what is declared.
    pub(crate) fn settings(&self, loaded: &Loaded, now: Timestamp) -> Settings {
        let checks = &loaded.config.checks;
        let mut params = checks.params.clone();
        params.extend(self.params.values.clone());
        Settings { params, disabled: checks.disable.clone(), only: None, now }
    }
}

/// The controls that the declaration excludes.
pub(crate) fn applicability(isms: Option<&Isms>) -> Applicability {
    let mut applicability = Applicability::default();
    for (catalog, control, said) in isms.into_iter().flat_map(Isms::statements).filter(|(_, _, said)| !said.applies) {
        applicability.exclude(catalog.clone(), control.clone(), said.why.clone().unwrap_or_default());
    }
    applicability
}

/// A declaration's text as it was understood, as JSON; or what is wrong with its form. For tests from outside.
pub fn normalised_isms(text: &str) -> Result<String, String> {
    let isms = Isms::form(text).map_err(|error| error.to_string())?;
    serde_json::to_string(&isms).map_err(|error| error.to_string())
}

/// The numbers of each catalogue's controls, or of its clauses.
fn numbers(mapping: &Mapping, clauses: bool) -> BTreeMap<CatalogId, BTreeSet<ControlId>> {
    let of = |catalog: &evidenced_map::Catalog| -> BTreeSet<ControlId> {
        if clauses {
            catalog.clauses.iter().map(|clause| clause.id.clone()).collect()
        } else {
            catalog.controls.iter().map(|control| control.id.clone()).collect()
        }
    };
    mapping.catalogs().iter().map(|catalog| (catalog.id.clone(), of(catalog))).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn wrong(error: IsmsError) -> Ended {
    Ended::new(Exit::Usage, error.to_string())
}
