//! A redacted pack is tampered with; each way is caught, and the file is named.

use std::collections::BTreeMap;

use evidenced_model::Digest;
use evidenced_seal::withheld::{Slot, slots};

use crate::packed::{check, redacted, world};

type Files = BTreeMap<String, Vec<u8>>;

/// What is done, and the file that verification has to name.
type Way = (&'static str, fn(&mut Files) -> String);

fn partly(files: &Files) -> String {
    files.keys().find(|path| path.starts_with("v1/withheld/") && path.ends_with(".jsonl.zst")).unwrap().clone()
}

fn whole(files: &Files) -> String {
    files.keys().find(|path| path.starts_with("v1/withheld/") && path.ends_with(".json")).unwrap().clone()
}

fn shown(files: &Files, end: &str) -> String {
    files.keys().find(|path| path.starts_with("v1/objects/") && path.ends_with(end)).unwrap().clone()
}

/// Where the object stood that something stands for.
fn object(path: &str, end: &str) -> String {
    let digest = &path["v1/withheld/aa/".len()..]["".len()..64];
    format!("v1/objects/{}/{digest}.{end}", &digest[..2])
}

/// Changes the lines of a chunk of which some are withheld.
fn bend(files: &mut Files, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> String {
    let path = partly(files);
    let lines = zstd::decode_all(&files[&path][..]).unwrap();
    let mut lines: Vec<Vec<u8>> = lines.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    change(&mut lines);
    files.insert(path.clone(), zstd::encode_all(&lines.concat()[..], 3).unwrap());
    path
}

fn leaf_at(lines: &[Vec<u8>]) -> usize {
    lines.iter().position(|line| matches!(Slot::parse(line), Slot::Withheld(_))).unwrap()
}

fn line_at(lines: &[Vec<u8>]) -> usize {
    lines.iter().position(|line| matches!(Slot::parse(line), Slot::Shown(_))).unwrap()
}

fn leaf(of: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    Slot::Withheld(Digest::of(of)).write(&mut line);
    line
}

fn newest_run(files: &Files) -> String {
    files.keys().rfind(|path| path.ends_with("run.dsse.json")).unwrap().clone()
}

fn declare(files: &mut Files, change: impl FnOnce(&mut serde_json::Value)) {
    let mut pack: serde_json::Value = serde_json::from_slice(&files["pack.json"]).unwrap();
    change(&mut pack);
    files.insert("pack.json".to_owned(), pack.to_string().into_bytes());
}

const WAYS: &[Way] = &[
    ("a shown line is edited", |files| {
        bend(files, |lines| {
            let at = line_at(lines);
            lines[at] = String::from_utf8(lines[at].clone()).unwrap().replacen("bucket", "bocket", 1).into_bytes();
        })
    }),
    ("a leaf hash is another's", |files| {
        bend(files, |lines| {
            let at = leaf_at(lines);
            lines[at] = leaf(b"another line");
        })
    }),
    ("a withheld line is left out", |files| {
        bend(files, |lines| {
            let at = leaf_at(lines);
            lines.remove(at);
        })
    }),
    ("a leaf is added", |files| bend(files, |lines| lines.push(leaf(b"one more")))),
    ("a shown line is left out", |files| {
        bend(files, |lines| {
            let at = line_at(lines);
            lines.remove(at);
        })
    }),
    ("two lines change places", |files| {
        bend(files, |lines| {
            let (one, other) = (leaf_at(lines), line_at(lines));
            lines.swap(one, other);
        })
    }),
    ("an invented line stands for a withheld one", |files| {
        bend(files, |lines| {
            let (at, like) = (leaf_at(lines), lines[line_at(lines)].clone());
            lines[at] = String::from_utf8(like).unwrap().replacen("bucket", "backet", 1).into_bytes();
        })
    }),
    ("the last line has no end", |files| bend(files, |lines| lines.last_mut().unwrap().truncate(79))),
    ("nodes stand for leaves", |files| {
        bend(files, |lines| {
            let text = lines.concat();
            let leaves: Vec<Digest> = slots(&text).map(|slot| slot.leaf()).collect();
            *lines = leaves
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => {
                        let mut line = Vec::new();
                        let node = Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()]);
                        Slot::Withheld(node).write(&mut line);
                        line
                    }
                    alone => {
                        let mut line = Vec::new();
                        Slot::Withheld(alone[0]).write(&mut line);
                        line
                    }
                })
                .collect();
        })
    }),
    ("the lines are truncated", |files| {
        let path = partly(files);
        files.get_mut(&path).unwrap().truncate(40);
        path
    }),
    ("the lines unpack to a gigabyte", |files| {
        let path = partly(files);
        let mut bomb = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        std::io::copy(&mut std::io::Read::take(std::io::repeat(b'x'), 1 << 30), &mut bomb).unwrap();
        files.insert(path.clone(), bomb.finish().unwrap());
        path
    }),
    ("the lines of one chunk stand for another's", |files| {
        let mut partly = files.keys().filter(|path| path.starts_with("v1/withheld/") && path.ends_with(".zst"));
        let (one, other) = (partly.next().unwrap().clone(), partly.next().unwrap().clone());
        let bytes = files[&one].clone();
        files.insert(other.clone(), bytes);
        other
    }),
    ("the lines of a chunk are removed", |files| {
        let path = partly(files);
        files.remove(&path);
        object(&path, "jsonl.zst")
    }),
    ("what stands for a document is removed", |files| {
        let path = files
            .iter()
            .find(|(path, bytes)| path.starts_with("v1/withheld/") && bytes.starts_with(b"{\"reason\":\"document\"}"))
            .map(|(path, _)| path.clone())
            .unwrap();
        files.remove(&path);
        object(&path, "json.zst")
    }),
    ("what stands for an object does not say why", |files| {
        let path = whole(files);
        files.insert(path.clone(), b"{}".to_vec());
        path
    }),
    ("a shown object is edited", |files| {
        let path = shown(files, ".jsonl.zst");
        files.get_mut(&path).unwrap()[30] ^= 1;
        path
    }),
    ("a shown object is removed", |files| {
        let path = shown(files, ".json.zst");
        files.remove(&path);
        path
    }),
    ("a root is withheld", |files| {
        let path = files
            .keys()
            .find(|path| {
                let bytes = &files[*path];
                path.ends_with(".json.zst")
                    && zstd::decode_all(&bytes[..])
                        .is_ok_and(|text| String::from_utf8_lossy(&text).contains("\"name\":\"aws:111122223333\"}"))
            })
            .unwrap()
            .clone();
        files.remove(&path);
        let digest = &path["v1/objects/aa/".len()..][..64];
        let marker = format!("v1/withheld/{}/{digest}.json", &digest[..2]);
        files.insert(marker.clone(), b"{\"reason\":\"kind\"}".to_vec());
        marker
    }),
    ("a run of the period is removed", |files| {
        let path = newest_run(files);
        files.remove(&path);
        path
    }),
    ("a statement is edited", |files| {
        let path = newest_run(files);
        files.get_mut(&path).unwrap()[200] ^= 1;
        path
    }),
    ("a log entry is edited", |files| {
        let path = "v1/log/test/000000000003.dsse.json".to_owned();
        files.get_mut(&path).unwrap()[100] ^= 1;
        path
    }),
    ("the log is cut at its end", |files| {
        let last = files.keys().rfind(|path| path.starts_with("v1/log/test/")).unwrap().clone();
        files.remove(&last);
        "pack.json".to_owned()
    }),
    ("the pack says that it is about more runs than it holds", |files| {
        declare(files, |pack| pack["from"] = serde_json::Value::Null);
        let folder = newest_run(files).rsplitn(3, '/').nth(2).unwrap().to_owned();
        let first = crate::support::World::run_id(0);
        format!("{folder}/{first}/run.dsse.json")
    }),
    ("the pack says that it is whole", |files| {
        declare(files, |pack| pack["withheld"] = serde_json::Value::Bool(false));
        "pack.json".to_owned()
    }),
    ("the pack says something unheard of", |files| {
        declare(files, |pack| pack["signed"] = serde_json::Value::Bool(true));
        "pack.json".to_owned()
    }),
];

#[test]
fn every_way_is_caught_and_named() {
    let world = world();
    let whole = redacted(&world, &["tag=owner=alice", "kind=aws.kms.*", "document=config"]);
    assert_eq!(check(&whole, &world.keys()).problems, []);
    assert!(WAYS.len() >= 10);
    for (name, way) in WAYS {
        let mut files = whole.clone();
        let file = way(&mut files);
        assert_ne!(files, whole, "{name}: nothing was done");
        let report = check(&files, &world.keys());
        let named = report.problems.iter().any(|problem| problem.file == file && !problem.what.is_empty());
        assert!(named, "{name}: expected {file} among {:#?}", report.problems);
    }
}

#[test]
fn what_is_beside_the_evidence_makes_nothing_true() {
    let world = world();
    let mut files = redacted(&world, &["kind=aws.kms.*"]);
    // Withholding more than the pack's maker did is no forgery, and it shows.
    let before = check(&files, &world.keys()).withheld.objects;
    let chunk = shown(&files, ".jsonl.zst");
    files.remove(&chunk);
    let digest = &chunk["v1/objects/aa/".len()..][..64];
    files.insert(format!("v1/withheld/{}/{digest}.json", &digest[..2]), b"{\"reason\":\"kind\"}".to_vec());
    let report = check(&files, &world.keys());
    assert_eq!((report.problems, report.withheld.objects), (Vec::new(), before + 1));
    // A key that comes with the evidence is not believed.
    let other = crate::support::World::new();
    assert!(!check(&files, &other.keys()).is_good());
}
