//! The checks that ship with the product: they load, and they do what their examples say.

use std::sync::Arc;

use evidenced_check::{Library, runner};

fn library() -> Arc<Library> {
    let owned = |file: &evidenced_mappings::File| (file.0.to_owned(), file.1.to_owned());
    let params = evidenced_mappings::params();
    match Library::load(evidenced_mappings::kinds().iter().map(owned), owned(&params)) {
        Ok(library) => Arc::new(library),
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

#[test]
fn every_check_does_what_its_examples_say() {
    let report = runner::run(&library());
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of {} checks:\n{}", failures.len(), report.checks, failures.join("\n"));
    assert!(report.checks > 0 && report.examples > 2 * report.checks && report.derived > report.examples);
}
