//! Verification with a trusted authority: each run that was to be stamped has a good token, or is named.

use evidenced_model::Sink as _;
use evidenced_seal::log::Draft;
use evidenced_seal::timestamp::{Anchors, Query, token_path, tokens};
use evidenced_seal::verify::{Options, Stamps, VerifyReport, verify};
use evidenced_seal::{SealedRun, dsse};

use crate::authority::{Authority, P256};
use crate::support::{World, company};

/// A run that says whether it is to be stamped.
fn run(world: &mut World, timestamped: bool) -> SealedRun {
    world.append(&Draft::started(World::run_id(world.runs), None));
    let sealed = world.seal(&company(), |manifest| manifest.assurance.timestamped = timestamped);
    world.append(&Draft::run(&sealed));
    world.runs += 1;
    sealed
}

fn token(world: &World, authority: &Authority, run: &SealedRun) -> Vec<u8> {
    let signature = dsse::parse(&world.store.files()[&run.path]).unwrap().signature;
    authority.answer(&Query::new(&signature, 7, None).unwrap())
}

fn put(world: &World, run: &SealedRun, token: &[u8]) -> String {
    let path = token_path(&run.path, token);
    world.store.clone().put(&path, token).unwrap();
    path
}

fn check(world: &World, anchors: Option<Anchors>) -> VerifyReport {
    verify(&world.store, &Options { anchors, keys: world.keys(), ..Options::default() }, &mut |_, _| {}).unwrap()
}

#[track_caller]
fn named(report: &VerifyReport, file: &str, word: &str) {
    let found = report.problems.iter().any(|problem| problem.file == file && problem.what.contains(word));
    assert!(found, "{file}: {word:?} is not among {:#?}", report.problems);
}

#[test]
fn a_run_that_was_to_be_stamped_needs_a_token() {
    let (mut world, authority) = (World::new(), Authority::new(P256));
    let (first, plain) = (run(&mut world, true), run(&mut world, false));
    let report = check(&world, Some(authority.anchors()));
    named(&report, &first.path, "no timestamp token");
    assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
    assert_eq!(report.stamps, Stamps { pending: 1, without: 1, ..Stamps::default() });
    // Nobody asked for the time: then it is worth a note.
    let report = check(&world, None);
    assert_eq!((&report.problems[..], report.stamps.pending), (&[][..], 1));
    assert!(report.notes.iter().any(|note| note.file == first.path && note.what.contains("token")));
    for run in [&first, &plain] {
        let path = put(&world, run, &token(&world, &authority, run));
        assert_eq!(tokens(&world.store, &run.path).unwrap(), [path]);
    }
    let report = check(&world, Some(authority.anchors()));
    assert_eq!((&report.problems[..], report.stamps), (&[][..], Stamps { good: 2, ..Stamps::default() }));
    assert_eq!(check(&world, None).stamps, Stamps { unchecked: 2, ..Stamps::default() });
}

#[test]
fn a_token_that_is_not_good_is_named() {
    let (mut world, ours, theirs) = (World::new(), Authority::new(P256), Authority::new(P256));
    let runs = [0; 4].map(|_| run(&mut world, true));
    let other = put(&world, &runs[0], &token(&world, &ours, &runs[1]));
    let foreign = put(&world, &runs[1], &token(&world, &theirs, &runs[1]));
    let mut edited = token(&world, &ours, &runs[2]);
    let name = token_path(&runs[2].path, &edited);
    *edited.last_mut().unwrap() ^= 1;
    world.store.clone().put(&name, &edited).unwrap();
    let huge = put(&world, &runs[3], &vec![0; 100_000]);
    let report = check(&world, Some(ours.anchors()));
    named(&report, &other, "other bytes");
    named(&report, &foreign, "does not lead to a trusted authority");
    named(&report, &name, "its SHA-256 is not its name");
    named(&report, &huge, "larger than");
    assert_eq!((report.problems.len(), report.stamps.pending), (4, 4), "{:#?}", report.problems);
}

#[test]
fn whoever_adds_a_file_takes_nothing_from_a_good_token() {
    let (mut world, ours, theirs) = (World::new(), Authority::new(P256), Authority::new(P256));
    let run = run(&mut world, true);
    put(&world, &run, &token(&world, &ours, &run));
    let junk = [put(&world, &run, b"junk"), put(&world, &run, &token(&world, &theirs, &run))];
    let report = check(&world, Some(ours.anchors()));
    assert_eq!((&report.problems[..], report.stamps.good), (&[][..], 1));
    for path in junk {
        assert!(report.notes.iter().any(|note| note.file == path), "{path}: {:#?}", report.notes);
    }
    assert_eq!(check(&world, Some(theirs.anchors())).problems, [], "and whoever trusts the other one is content, too");
}

#[test]
fn times_that_do_not_fit_are_noted() {
    // The runs of this world ended long before anybody stamped them.
    let (mut world, authority) = (World::new(), Authority::new(P256));
    let run = run(&mut world, true);
    put(&world, &run, &token(&world, &authority, &run));
    let report = check(&world, Some(authority.anchors()));
    assert!(report.notes.iter().any(|note| note.file == run.path && note.what.contains("only; by itself")));
}
