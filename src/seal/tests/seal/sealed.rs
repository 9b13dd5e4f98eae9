//! What is sealed beside runs, and what somebody could do to it.

use evidenced_model::rejudgement::Rejudgement;
use evidenced_model::{Attachment, Digest, canon};
use evidenced_seal::log::{Draft, EntryKind};
use evidenced_seal::object::{Format, object_path};
use evidenced_seal::statement::Subject;
use serde_json::json;

use crate::forge::Forger;
use crate::support::{self, World, company};

/// What somebody does, given the path of the record; says which file it was done to.
type Way = (&'static str, fn(&mut Forger<'_>, &str) -> String);

/// What was brought.
const FILE: &[u8] = b"minutes of the management review";

fn attachment(world: &World) -> Attachment {
    support::attachment(&world.agent, FILE, "A.6.3")
}

fn file_path() -> String {
    object_path(&Digest::of(FILE), Format::Binary)
}

/// A store with a run and, as its newest entry, an attachment.
fn world() -> (World, Subject) {
    let mut world = World::new();
    world.run(&company());
    let record = world.attach(FILE, "A.6.3");
    let subject = world.document(&record);
    (world, subject)
}

#[test]
fn a_file_that_somebody_brought_verifies_with_its_record() {
    let (world, _) = world();
    let report = world.verify();
    assert_eq!(report.problems, []);
    let before = (report.objects, report.stored);
    // The same file once more, for another control: its record is another, the file is read once.
    let mut again = attachment(&world);
    again.controls[0].control = "A.5.1".parse().unwrap();
    world.append(&Draft::new(EntryKind::Attachment, None).about(world.document(&again)));
    let report = world.verify();
    assert_eq!(report.problems, []);
    assert_eq!(report.objects, before.0 + 1);
}

#[test]
fn what_the_disk_does_to_it_is_caught() {
    let ways: &[Way] = &[
        ("the file is edited", |forger, _| forger.change(&file_path(), |bytes| bytes[3] ^= 1)),
        ("the file is truncated", |forger, _| forger.change(&file_path(), |bytes| bytes.truncate(5))),
        ("the file is emptied", |forger, _| forger.change(&file_path(), Vec::clear)),
        ("something is appended to the file", |forger, _| forger.change(&file_path(), |bytes| bytes.push(b'!'))),
        ("the file is removed", |forger, _| {
            forger.files.remove(&file_path());
            file_path()
        }),
        ("another file stands in its place", |forger, _| {
            forger.change(&file_path(), |bytes| *bytes = b"minutes of another review".to_vec())
        }),
        ("the record is edited", |forger, record| forger.change(record, |bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("the record is removed", |forger, record| {
            forger.files.remove(record);
            record.to_owned()
        }),
        ("the record is that of another", |forger, record| {
            let mut other = attachment(forger.world);
            other.controls[0].control = "A.8.1".parse().unwrap();
            let other = forger.object(&canon::to_vec(&other), Format::Json);
            let bytes = forger.files[&object_path(&other, Format::Json)].clone();
            forger.change(record, |there| *there = bytes)
        }),
    ];
    let (world, subject) = world();
    for (name, way) in ways {
        let mut forger = Forger::new(&world);
        let file = way(&mut forger, &subject.name);
        assert_ne!(forger.files, world.store.files(), "{name}: nothing was done");
        let problems = problems(&forger);
        assert!(problems.iter().any(|(where_, _)| *where_ == file), "{name}: expected {file} among {problems:?}");
    }
}

/// What verification says of a store that somebody changed: file and fault.
fn problems(forger: &Forger<'_>) -> Vec<(String, String)> {
    use evidenced_seal::verify::{Options, verify};
    let options = Options { keys: forger.world.keys(), ..Options::default() };
    let report = verify(&forger.store(), &options, &mut |_, _| {}).unwrap();
    report.problems.into_iter().map(|problem| (problem.file, problem.what)).collect()
}

/// An entry of this kind about this document, signed by the agent's own key; what is said of it.
fn said_of(kind: EntryKind, document: &serde_json::Value) -> Vec<String> {
    let (world, _) = world();
    let subject = world.document(document);
    world.append(&Draft::new(kind, None).about(subject.clone()));
    let said = world.verify().problems.into_iter();
    said.filter(|problem| problem.file == subject.name).map(|problem| problem.what).collect()
}

#[test]
fn what_the_key_signs_must_be_what_it_says() {
    let (world, _) = world();
    let record = serde_json::to_value(attachment(&world)).unwrap();
    assert_eq!(said_of(EntryKind::Attachment, &record), <Vec<String>>::new());
    for (member, value, what) in [
        ("agent", json!("other"), "sealed by agent other"),
        ("bytes", json!(0), "empty"),
        ("bytes", json!("many"), "not what"),
        ("controls", json!([]), "no control"),
        ("by", json!(" "), "who brought it"),
        ("file", json!("../../etc/passwd"), "name"),
        ("valid_from", json!("2027-01-01"), "not what"),
        ("more", json!(1), "not what"),
        ("title", json!(null), "not what"),
    ] {
        let mut wrong = record.clone();
        wrong[member] = value;
        if member == "valid_from" {
            wrong["valid_until"] = json!("2026-13-01");
        }
        let said = said_of(EntryKind::Attachment, &wrong);
        assert!(said.iter().any(|said| said.contains(what)), "{member}: {said:?}");
    }
    let reversed = Attachment {
        valid_from: Some("2027-01-01".parse().unwrap()),
        valid_until: Some("2026-01-01".parse().unwrap()),
        ..attachment(&world)
    };
    let said = said_of(EntryKind::Attachment, &serde_json::to_value(reversed).unwrap());
    assert!(said.iter().any(|said| said.contains("runs out before")), "{said:?}");
    // A file of another length, under the digest of the one that is there.
    let longer = Attachment { bytes: 7, ..attachment(&world) };
    world.append(&Draft::new(EntryKind::Attachment, None).about(world.document(&longer)));
    let problems = world.verify().problems;
    assert!(problems.iter().any(|one| one.file == file_path() && one.what.contains("another number")), "{problems:?}");
}

#[test]
fn rules_that_changed_and_waivers_are_documents_of_their_kind() {
    let (world, _) = world();
    let run = World::run_id(0);
    let judged = Rejudgement {
        agent: world.agent.clone(),
        checks: Vec::new(),
        params: Vec::new(),
        run,
        rules: Digest::of(b"rules"),
        verdicts: Vec::new(),
    };
    let about = world.document(&judged);
    world.append(&Draft::new(EntryKind::SemanticsChanged, None).about(about.clone()).of_run(run));
    world.append(&Draft::new(EntryKind::Waiver, None).about(world.document(&json!({"waivers": []}))));
    assert_eq!(world.verify().problems, []);

    world.append(&Draft::new(EntryKind::SemanticsChanged, None).about(about.clone()).of_run(World::run_id(7)));
    let problems = world.verify().problems;
    assert!(problems.iter().any(|problem| problem.file == about.name), "{problems:?}");

    assert!(said_of(EntryKind::SemanticsChanged, &json!({"checks": []}))[0].contains("not what"));
    assert!(said_of(EntryKind::Waiver, &json!([1, 2]))[0].contains("not what"));
}

#[test]
fn an_entry_about_something_sealed_is_about_a_document() {
    let (world, _) = world();
    // About the file itself, and about nothing.
    let file = Subject::new(file_path(), Digest::of(FILE));
    let head = world.append(&Draft::new(EntryKind::Attachment, None).about(file));
    let nothing = world.append(&Draft::new(EntryKind::Attachment, None));
    let forger = Forger::new(&world);
    let files: Vec<String> = problems(&forger).into_iter().map(|(file, _)| file).collect();
    assert_eq!(files, [forger.log_path(head.index), forger.log_path(nothing.index)]);
}
