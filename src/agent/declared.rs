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

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../docs/isms.md");

    fn check(text: &str, config: &str) -> Result<Declared, String> {
        let folder = tempfile::tempdir().unwrap();
        let config_path = folder.path().join("evidenced.yaml");
        std::fs::write(&config_path, format!("isms: isms.yaml\n{config}")).unwrap();
        std::fs::write(folder.path().join("isms.yaml"), text).unwrap();
        let loaded = Loaded::load(Some(&config_path), &[], &[]).map_err(|ended| ended.message)?;
        let library = catalogue::library(&loaded).map_err(|ended| ended.message)?;
        Declared::check(&loaded, &library, "2026-11-25T00:00:00Z".parse().unwrap()).map_err(|ended| ended.message)
    }

    #[test]
    fn the_example_of_the_documentation_is_right() {
        let example = DOCS.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
        let declared = check(example, "").unwrap();
        let isms = declared.isms.unwrap();
        assert_eq!((isms.waivers().len(), isms.owners().len()), (1, 3));
        assert_eq!(
            declared.params.values["log_buckets"],
            serde_json::json!(["example-logs", "holds=logs", "holds=trails"])
        );
        assert_eq!(applicability(Some(&isms)).excluded.len(), 1);
        let corpus = include_str!("../../fuzz/corpus/isms/example.yaml");
        assert_eq!(corpus, example, "the fuzzing corpus has another example");
        for scope in ["holds_logs", "holds_records", "critical", "sensitive", "short_lived", "watched"] {
            assert!(DOCS.contains(&format!("| `{scope}` |")), "{scope} is not documented");
        }
    }

    #[test]
    fn every_scope_of_the_parameters_is_documented() {
        let loaded_params = evidenced_mappings::params().1;
        let scopes = loaded_params.split("scope: ").skip(1).map(|rest| rest.split([',', ' ']).next().unwrap());
        for scope in scopes {
            assert!(DOCS.contains(&format!("| `{scope}` |")), "{scope} is not documented");
        }
    }

    #[test]
    fn a_parameter_that_is_set_twice_is_an_error() {
        let error = check("scopes: { holds_logs: { names: [a] } }\n", "checks:\n  params:\n    log_buckets: [b]\n");
        let error = error.unwrap_err();
        assert!(error.contains("evidenced.yaml:4: checks.params.log_buckets") && error.contains("keep one"), "{error}");
        assert!(error.contains("isms.yaml sets it too"), "{error}");
        let unfed = check("scopes: { holds_logs: { names: [a], ous: [ou-x] }, mine: { names: [b] } }\n", "").unwrap();
        assert!(!unfed.params.values.contains_key("log_buckets"));
        let loaded = evidenced_mappings::params();
        let library = Library::load(Vec::new(), (loaded.0.to_owned(), loaded.1.to_owned())).unwrap();
        let lines = unfed.lines(&library, "2026-11-25T00:00:00Z".parse().unwrap());
        assert!(lines[0].contains("cannot be decided") && lines[1].contains("mine"), "{lines:?}");
    }
}
