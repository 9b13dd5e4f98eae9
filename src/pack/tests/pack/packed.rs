//! A company's store, and packs made from it.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use evidenced_model::{Archive as _, Memory};
use evidenced_pack::{Facts, MaskKey, PackError, Plan, Request, Rules, Zip, instructions};
use evidenced_seal::PublicKeys;
use evidenced_seal::verify::{Options, VerifyReport, verify};
use serde_json::json;

use crate::support::{World, company};

/// Five runs, one an hour; some buckets carry a tag, and one changes.
pub(crate) fn world() -> World {
    let mut world = World::new();
    let mut population = company();
    for run in 0..5 {
        let buckets = population.get_mut(&("123456789012", "eu-central-1", "aws.s3.bucket")).unwrap();
        buckets.insert("bucket-0".to_owned(), json!({"encrypted": run == 1}));
        for number in [3, 77, 200] {
            let tags = json!({"owner": "alice", "number": number.to_string()});
            buckets.insert(format!("bucket-{number}"), json!({"encrypted": true, "tags": tags}));
        }
        world.run(&population);
    }
    world
}

/// The runs from the second to the fourth, with these things withheld.
pub(crate) fn request<'w>(world: &'w World, keys: &'w PublicKeys, withhold: &[&str]) -> Request<'w> {
    let moment = |run: u64| Some(World::time(run));
    Request {
        archive: &world.store,
        agents: vec![world.agent.clone()],
        keys,
        from: moment(1),
        until: moment(4),
        rules: Rules { kept: None, rules: withhold.iter().map(|rule| rule.parse().unwrap()).collect(), whole: false },
        mask: None,
    }
}

/// The bytes of a pack.
pub(crate) fn pack(request: Request<'_>, keys: &PublicKeys) -> Result<Vec<u8>, PackError> {
    let mask = request.mask.is_some();
    let mut plan = Plan::new(request)?;
    let report = verify(plan.archive(), &options(keys), &mut |_, _| {})?;
    let facts = Facts {
        assurance: &["The key is a file.".to_owned()],
        declaration: plan.declaration(),
        report: &report,
        masked: mask,
        reported: false,
    };
    let text = instructions(&facts);
    plan.add("README.txt", text.into_bytes());
    let mut out = Vec::new();
    plan.write(&mut out)?;
    Ok(out)
}

pub(crate) fn options(keys: &PublicKeys) -> Options {
    Options { keys: keys.clone(), pack: true, ..Options::default() }
}

/// A pack of the world with these things withheld, as files.
pub(crate) fn redacted(world: &World, withhold: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let keys = world.keys();
    files(pack(request(world, &keys, withhold), &keys).unwrap())
}

/// The files of a pack.
pub(crate) fn files(zip: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    let zip = open(zip).unwrap();
    let names: Vec<String> = zip.names().map(str::to_owned).collect();
    let read = |name: &String| {
        let mut bytes = Vec::new();
        zip.open(name).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    names.iter().map(|name| (name.clone(), read(name))).collect()
}

pub(crate) fn open(zip: Vec<u8>) -> Result<Zip, PackError> {
    Zip::new(Box::new(Cursor::new(zip)), "pack.zip".to_owned())
}

/// What verification says of these files.
pub(crate) fn check(files: &BTreeMap<String, Vec<u8>>, keys: &PublicKeys) -> VerifyReport {
    verify(&Memory::of(files.clone()), &options(keys), &mut |_, _| {}).unwrap()
}

/// A key for masks that is no secret.
pub(crate) fn mask() -> MaskKey {
    MaskKey::new([9; 32])
}
