//! What people brought, in packs: shown with its record, or withheld with a reason, never missing.

use std::collections::BTreeSet;

use evidenced_model::{ControlId, Digest};
use evidenced_pack::{Kept, attachments};
use evidenced_seal::object::{Format, object_path};
use evidenced_seal::withheld::whole_path;

use crate::packed::{check, files, pack, redacted, request, world};
use crate::support::World;

const TRAINING: &[u8] = b"who was trained";
const CONTRACT: &[u8] = b"what was agreed";

fn brought() -> World {
    let world = world();
    world.attach(TRAINING, "A.6.3");
    world.attach(CONTRACT, "A.5.20");
    world
}

fn file(bytes: &[u8]) -> String {
    object_path(&Digest::of(bytes), Format::Binary)
}

#[test]
fn a_pack_holds_what_people_brought() {
    let world = brought();
    let files = redacted(&world, &[]);
    assert_eq!((&files[&file(TRAINING)][..], &files[&file(CONTRACT)][..]), (TRAINING, CONTRACT));
    let report = check(&files, &world.keys());
    assert_eq!(report.problems, []);
    assert!(report.is_whole());
    let agents = [world.agent.clone()];
    assert_eq!(attachments(&world.store, &agents, &world.keys()).unwrap().len(), 2);

    let mut without = files;
    without.remove(&file(TRAINING));
    let problems = check(&without, &world.keys()).problems;
    assert!(problems.iter().any(|problem| problem.file == file(TRAINING)), "{problems:?}");
}

#[test]
fn a_pack_for_a_control_holds_what_was_brought_for_it() {
    let world = brought();
    // The same file for another control too: for one of them it is shown.
    world.attach(TRAINING, "A.5.20");
    world.attach(b"of a third", "A.5.1");
    let keys = world.keys();
    let mut asked = request(&world, &keys, &[]);
    let control: ControlId = "A.5.20".parse().unwrap();
    asked.rules.kept =
        Some(Kept { controls: BTreeSet::from([("iso27001-2022".parse().unwrap(), control)]), ..Kept::default() });
    let files = files(pack(asked, &keys).unwrap());
    assert_eq!((&files[&file(TRAINING)][..], &files[&file(CONTRACT)][..]), (TRAINING, CONTRACT));
    assert!(!files.contains_key(&file(b"of a third")));
    assert_eq!(files[&whole_path(&Digest::of(b"of a third"))], b"{\"reason\":\"control\"}\n");
    let report = check(&files, &keys);
    assert_eq!(report.problems, []);
    assert!(report.withheld.what.contains_key("attachments"), "{:?}", report.withheld);
}

#[test]
fn what_people_brought_can_be_withheld() {
    let world = brought();
    let files = redacted(&world, &["document=attachments"]);
    assert!(!files.contains_key(&file(TRAINING)) && !files.contains_key(&file(CONTRACT)));
    let report = check(&files, &world.keys());
    assert_eq!(report.problems, []);
    assert_eq!(report.withheld.objects, 2, "the records; what they name is not known then");
}
