//! The data that the program carries: kinds with their checks, parameters, objectives, catalogues, links, crosswalks.
//!
//! Each file comes as its path in the repository, for messages, and its text. The storeys that use it parse it.

/// A file: its path in the repository, e.g. `mappings/kinds/aws/aws.kms.key.yaml`, and its text.
pub type File = (&'static str, &'static str);

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// `kinds/<provider>/<kind>.yaml`: what is collected of a kind, and the checks over it. Sorted by path.
pub fn kinds() -> &'static [File] {
    &KINDS
}

/// `params.yaml`: the values that checks compare with.
pub fn params() -> File {
    PARAMS[0]
}

/// `objectives.yaml`: what checks serve and links point at.
pub fn objectives() -> File {
    OBJECTIVES[0]
}

/// `catalogs/<catalog>.yaml`: the controls of a standard. Sorted by path.
pub fn catalogs() -> &'static [File] {
    &CATALOGS
}

/// `links/<catalog>.yaml`: which objectives speak to which controls. Sorted by path.
pub fn links() -> &'static [File] {
    &LINKS
}

/// `crosswalks/<old>-<new>.yaml`: where the controls of an old edition went. Sorted by path.
pub fn crosswalks() -> &'static [File] {
    &CROSSWALKS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = File> {
        let lists = [kinds(), catalogs(), links(), crosswalks()];
        lists.into_iter().flatten().copied().chain([params(), objectives()])
    }

    #[test]
    fn every_file_is_yaml_with_a_map_at_the_top() {
        for (path, text) in all() {
            let parsed: Result<serde_json::Map<String, serde_json::Value>, _> = serde_saphyr::from_str(text);
            assert!(parsed.is_ok_and(|map| !map.is_empty()), "{path} is not a YAML map");
        }
    }

    #[test]
    fn every_yaml_file_in_the_folder_is_embedded() {
        fn count(folder: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            let count_one = |path: std::path::PathBuf| {
                if path.is_dir() { count(&path) } else { usize::from(path.extension().is_some_and(|e| e == "yaml")) }
            };
            entries.map(count_one).sum()
        }
        assert_eq!(all().count(), count(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))));
    }

    #[test]
    fn paths_are_sorted_and_lead_into_the_repository() {
        for list in [kinds(), catalogs(), links(), crosswalks()] {
            assert!(list.is_sorted_by(|(a, _), (b, _)| a < b));
        }
        for (path, _) in all() {
            assert!(path.starts_with("mappings/"), "{path}");
        }
    }
}
