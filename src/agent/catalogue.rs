//! The built-in kinds, checks and mappings, and what the config adds to them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use evidenced_check::Library;
use evidenced_map::{Mapping, Sources};

use crate::config::Loaded;
use crate::exit::{Ended, Exit};

/// Every kind, check and parameter: built in, and from `checks.dirs`; without the checks' examples.
pub(crate) fn library(loaded: &Loaded) -> Result<Arc<Library>, Ended> {
    with_examples(loaded).map(Library::without_examples).map(Arc::new)
}

/// What a run of these targets can use of it: the built-in kinds of other clouds would only take memory.
pub(crate) fn targeted(library: Arc<Library>, loaded: &Loaded) -> Arc<Library> {
    let mut targets = loaded.config.targets.iter().flat_map(|target| target.keys());
    let built_in: BTreeSet<&str> = evidenced_mappings::kinds().iter().filter_map(|(path, _)| cloud_of(path)).collect();
    let targeted: BTreeSet<&str> =
        built_in.iter().copied().filter(|cloud| targets.clone().any(|t| t == cloud)).collect();
    match Arc::try_unwrap(library) {
        Ok(library) if targets.next().is_some() => Arc::new(library.only(|kind| {
            let cloud = kind.provider();
            targeted.contains(cloud) || !built_in.contains(cloud)
        })),
        Ok(library) => Arc::new(library),
        Err(shared) => shared,
    }
}

/// The cloud of a built-in file: the folder that it is in.
fn cloud_of(path: &str) -> Option<&str> {
    path.rsplit('/').nth(1)
}

/// Every kind, check and parameter, with the checks' examples.
pub(crate) fn with_examples(loaded: &Loaded) -> Result<Library, Ended> {
    let mut files = builtin_files();
    for (index, folder) in loaded.config.checks.dirs.iter().enumerate() {
        add_folder(folder, &mut files).map_err(|error| {
            let message = format!("{} cannot be read: {error}", folder.display());
            loaded.wrong(&["checks", "dirs", &index.to_string()], &message)
        })?;
    }
    load(files)
}

/// The built-in objectives, catalogues, links and crosswalks.
pub(crate) fn mapping() -> Result<Mapping, Ended> {
    let objectives = [evidenced_mappings::objectives()];
    let sources = Sources {
        objectives: &objectives,
        catalogs: evidenced_mappings::catalogs(),
        links: evidenced_mappings::links(),
        crosswalks: evidenced_mappings::crosswalks(),
    };
    Mapping::load(&sources).map_err(|error| Ended::new(Exit::Usage, error.to_string()))
}

/// The mappings that the config asks for.
pub(crate) fn chosen_mapping(loaded: &Loaded) -> Result<Mapping, Ended> {
    let mapping = mapping()?;
    let frameworks = &loaded.config.frameworks;
    let chosen = if frameworks.is_empty() { mapping.default_frameworks() } else { frameworks.clone() };
    mapping.only(&chosen).map_err(|error| loaded.wrong(&["frameworks"], &error.to_string()))
}

/// What is built in, alone.
#[cfg(test)]
pub(crate) fn builtin() -> Arc<Library> {
    Arc::new(load(builtin_files()).unwrap())
}

fn builtin_files() -> Vec<(String, String)> {
    evidenced_mappings::kinds().iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn load(files: Vec<(String, String)>) -> Result<Library, Ended> {
    let (path, text) = evidenced_mappings::params();
    Library::load(files, (path.to_owned(), text.to_owned())).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Ended::new(Exit::Usage, lines.join("\n"))
    })
}

fn add_folder(folder: &Path, files: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            add_folder(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            files.push((path.display().to_string(), std::fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use evidenced_check::{Judge, Settings};

    use super::*;

    fn targeted_by(targets: &str) -> Library {
        let mut loaded = Loaded::load(None, &[], &[]).map_err(|ended| ended.message).unwrap();
        loaded.config.targets =
            targets.split_whitespace().map(|name| [(name.to_owned(), serde_json::json!({}))].into()).collect();
        Arc::into_inner(targeted(builtin(), &loaded)).unwrap()
    }

    #[test]
    fn checks_of_clouds_that_nobody_reads_are_known_and_not_kept() {
        let clouds = |library: &Library| -> BTreeSet<String> {
            library.kinds().map(|kind| kind.decl.kind.provider().to_owned()).collect()
        };
        let aws = targeted_by("aws");
        assert_eq!(clouds(&aws), ["aws".to_owned()].into());
        assert_eq!(clouds(&targeted_by("")), clouds(&builtin()), "without a target, nothing is left out");
        let off = |id: &str| {
            let disabled = [id.parse().unwrap()].into();
            Settings { disabled, ..Settings::at("2026-11-25T00:00:00Z".parse().unwrap()) }
        };
        let aws = Arc::new(aws);
        assert!(Judge::compile(&aws, off("azure.storage.versioning")).is_ok());
        assert!(Judge::compile(&aws, off("azure.storage.nothing")).is_err());
    }
}
