//! Every line of a run is proved up to its statement, and nothing else is.

use std::collections::BTreeSet;

use evidenced_model::Digest;
use evidenced_seal::RunReader;
use evidenced_seal::proof::{Proof, Side};
use evidenced_seal::read::RunGroup;

use crate::support::{World, company};

/// Every line of a side with its proof.
fn proofs(reader: &RunReader<'_>, group: &RunGroup, side: Side) -> Vec<(Vec<u8>, Proof)> {
    let chunks = reader.chunks(side, group).unwrap();
    assert_eq!(chunks.withheld, 0);
    let mut all = Vec::new();
    for chunk in &chunks.entries {
        let placed = reader.placed(chunk).unwrap();
        assert_eq!((placed.lines.len() as u64, placed.withheld), (chunk.count, 0));
        for line in placed.lines {
            let proof = reader.prove(side, group, chunk, line.number).unwrap();
            assert_eq!(proof.line.object, placed.file);
            all.push((line.bytes, proof));
        }
    }
    all
}

#[test]
fn every_line_hangs_from_the_signed_root() {
    let mut world = World::new();
    world.run(&company());
    let reader = world.reader("latest");
    let roots = [(Side::Inventory, "inventory"), (Side::Findings, "findings")];
    let (mut proved, mut lines) = (0, BTreeSet::new());
    for group in reader.groups().unwrap() {
        let group = group.unwrap();
        for (side, name) in roots {
            let root = reader.subject(name).unwrap();
            for (line, proof) in proofs(&reader, &group, side) {
                assert!(proof.holds(&line, &root));
                assert_eq!(proof.line.line_sha256, Digest::of(&line));
                assert_eq!(proof.statement, reader.path());
                // Another line, and another run, are not what it proves.
                let mut other = line.clone();
                other[5] ^= 1;
                assert!(!proof.holds(&other, &root));
                assert!(!proof.holds(&line, &Digest::of(b"another root")));
                proved += 1;
                lines.insert(line);
            }
        }
    }
    assert!(proved > 600, "{proved}");
    assert_eq!(lines.len(), proved, "a line was proved twice");
}

#[test]
fn no_step_of_a_proof_can_be_another() {
    let mut world = World::new();
    world.run(&company());
    let reader = world.reader("latest");
    let root = reader.subject("findings").unwrap();
    let group =
        reader.groups().unwrap().map(Result::unwrap).max_by_key(|g| g.findings.as_ref().map(|f| f.count)).unwrap();
    let (line, good) = proofs(&reader, &group, Side::Findings).swap_remove(3);
    assert!(good.holds(&line, &root) && good.line.path.len() > 3);
    let junk = Digest::of(b"junk");
    let bend: [fn(&mut Proof, Digest); 9] = [
        |proof, junk| proof.line.path[0] = junk,
        |proof, _| proof.line.number += 1,
        |proof, junk| proof.line.sha256 = junk,
        |proof, _| _ = proof.line.path.pop(),
        |proof, junk| proof.trees[0].entry.lines = junk,
        |proof, junk| proof.trees[1].entry.digest = junk,
        |proof, junk| proof.trees[1].sha256 = junk,
        |proof, _| proof.trees[2].entry.name.push('x'),
        |proof, _| _ = proof.trees.pop(),
    ];
    for (index, bend) in bend.iter().enumerate() {
        let mut bad = good.clone();
        bend(&mut bad, junk);
        assert!(!bad.holds(&line, &root), "{index}");
    }
}

#[test]
fn a_line_that_is_not_there_is_not_proved() {
    let mut world = World::new();
    world.run(&company());
    let reader = world.reader("latest");
    let group = reader.groups().unwrap().next().unwrap().unwrap();
    let chunk = &reader.chunks(Side::Inventory, &group).unwrap().entries[0];
    for number in [0, chunk.count + 1, u64::MAX] {
        let error = reader.prove(Side::Inventory, &group, chunk, number).unwrap_err();
        assert!(error.to_string().contains(&format!("shows no line {number}")), "{error}");
    }
}
