//! Listing a folder of a sorted map of paths.

use std::collections::BTreeMap;

/// The names directly under a folder, sorted; folders end in `/`.
pub(crate) fn list<V>(paths: &BTreeMap<String, V>, folder: &str) -> Vec<String> {
    let prefix = match folder.trim_end_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let mut names = Vec::new();
    let mut from = prefix.clone();
    while let Some((path, _)) = paths.range(from..).next() {
        let Some(rest) = path.strip_prefix(&prefix) else { break };
        let Some((name, _)) = rest.split_once('/') else {
            names.push(rest.to_owned());
            from = format!("{path}\0");
            continue;
        };
        names.push(format!("{name}/"));
        // The character behind the slash: past everything in that folder.
        from = format!("{prefix}{name}0");
    }
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_shows_what_is_directly_in_it() {
        let paths = ["a", "b/c/d", "b/c/e", "b/f", "b-g", "b.h", "bb/i"];
        let paths: BTreeMap<String, u8> = paths.iter().map(|path| ((*path).to_owned(), 0)).collect();
        assert_eq!(list(&paths, ""), ["a", "b-g", "b.h", "b/", "bb/"]);
        assert_eq!(list(&paths, "b/"), ["c/", "f"]);
        assert_eq!(list(&paths, "b/c"), ["d", "e"]);
        assert_eq!(list(&paths, "c"), Vec::<String>::new());
    }
}
