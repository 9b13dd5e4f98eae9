//! Writes one table for each folder of data, so that the program carries what it judges by.

#![expect(clippy::disallowed_methods, reason = "Cargo tells a build script where to write through the environment")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const TABLES: [(&str, &str); 6] = [
    ("KINDS", "kinds"),
    ("CATALOGS", "catalogs"),
    ("LINKS", "links"),
    ("CROSSWALKS", "crosswalks"),
    ("OBJECTIVES", "objectives.yaml"),
    ("PARAMS", "params.yaml"),
];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut out = String::new();
    for (table, place) in TABLES {
        // Cargo looks into the whole folder, so a file that is added or removed builds the table anew.
        println!("cargo::rerun-if-changed={place}");
        let mut files = Vec::new();
        find_yaml(&root.join(place), &mut files)?;
        files.sort();
        write_table(&mut out, root, table, &files);
    }
    let folder = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set; build with Cargo"))?;
    fs::write(Path::new(&folder).join("tables.rs"), out)
}

/// The YAML files at or below a path.
fn find_yaml(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            find_yaml(&entry?.path(), found)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "yaml") && path.is_file() {
        found.push(path.to_owned());
    }
    Ok(())
}

fn write_table(out: &mut String, root: &Path, table: &str, files: &[PathBuf]) {
    let _ = writeln!(out, "static {table}: [File; {}] = [", files.len());
    for file in files {
        let name: Vec<_> =
            file.strip_prefix(root).unwrap_or(file).iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let name = name.join("/");
        let _ = writeln!(
            out,
            "    (\"mappings/{name}\", include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{name}\"))),"
        );
    }
    out.push_str("];\n");
}
