//! What parses foreign bytes: one function a door, each with the properties that hold for any bytes whatsoever.
//!
//! `fuzz/` gives them to libFuzzer; `tests/corpus.rs` gives them the corpus and many spoilt copies of it.

use std::io::Cursor;

use evidenced_aws::credential_report;
use evidenced_aws::policy as normal;
use evidenced_check::filter_pattern::trail_filter_matches;
use evidenced_check::policy::{
    Known, beyond_reading, foreign_principals, foreign_writers, grants_admin, key_admin_users, oidc_unscoped, public,
    requires_tls, trust_external,
};
use evidenced_model::{Archive as _, Digest, Finding, Resource, ResourceLine, valid_path};
use evidenced_pack::Zip;
use evidenced_seal::dsse;
use evidenced_seal::merkle::Merkle;
use evidenced_seal::timestamp::{self, Anchors, Query};
use evidenced_seal::tree::{Entry, Tree};
use evidenced_seal::withheld::{Declaration, Slot, check, slots};
use serde_json::{Value, json};

/// A door: its name, which is also its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every door, sorted.
pub const TARGETS: &[Target] = &[
    ("config", config),
    ("credential_report", report),
    ("filter_pattern", filter_pattern),
    ("isms", isms),
    ("pack", pack),
    ("policy", policy),
    ("stored", stored),
    ("token", token),
    ("withheld", withheld),
];

/// The config file: a value or an error, and what was understood is understood again.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(understood) = evidenced_agent::normalised(text) {
        assert_eq!(evidenced_agent::normalised(&understood).as_ref(), Ok(&understood));
    }
}

/// A credential report: no more users than lines.
pub fn report(data: &[u8]) {
    if let Ok(report) = credential_report::parse(data) {
        let lines = data.split(|byte| *byte == b'\n').count();
        assert!(report.users.len() < lines, "{} users in {lines} lines", report.users.len());
    }
}

/// A filter pattern: an answer, and the same one twice.
pub fn filter_pattern(data: &[u8]) {
    let pattern = String::from_utf8_lossy(data);
    let changes = json!({"eventName": "DeleteTrail", "userIdentity": {"type": "Root"}, "errorCode": null});
    assert_eq!(trail_filter_matches(&pattern, &changes), trail_filter_matches(&pattern, &changes));
}

/// What an organisation declares: understood or refused; and what was understood is understood again, all the same.
pub fn isms(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(understood) = evidenced_agent::normalised_isms(text) {
        assert!(serde_json::from_str::<Value>(&understood).is_ok(), "not even JSON");
    }
    let _ = evidenced_report::read_soa_csv(text);
}

/// A pack in one file: it is opened or refused, and every file in it has the length that the directory says.
pub fn pack(data: &[u8]) {
    let Ok(zip) = Zip::new(Box::new(Cursor::new(data.to_vec())), "fuzz".to_owned()) else { return };
    let mut bytes = 0;
    for name in zip.names() {
        assert!(valid_path(name), "{name:?} leads out of the folder");
        if let Ok(file) = zip.read(name, data.len() as u64) {
            bytes += file.map_or(0, |file| file.len());
        }
    }
    assert!(bytes <= data.len(), "files of {bytes} bytes in a zip of {}", data.len());
}

/// The lines of a chunk of which some are withheld: they are written back as they were, and only the root that they
/// have is theirs.
pub fn withheld(data: &[u8]) {
    let mut written = Vec::new();
    let mut merkle = Merkle::new();
    let (mut count, mut shown) = (0, 0);
    for slot in slots(data) {
        slot.write(&mut written);
        merkle.push_leaf(slot.leaf());
        count += 1;
        shown += if let Slot::Shown(line) = slot { line.len() as u64 } else { 0 };
    }
    assert_eq!(written, data, "lines changed by being read");
    let mut entry = Entry {
        bytes: shown,
        content: Digest::ZERO,
        count,
        digest: Digest::ZERO,
        lines: merkle.root(),
        name: "b".to_owned(),
    };
    assert!(check(data, &entry).is_ok() == (data.is_empty() || data.ends_with(b"\n")));
    entry.lines = Digest::ZERO;
    assert!(check(data, &entry).is_err());
    let _ = Declaration::parse(data);
}

/// A policy document: every question has an answer or an error, and normalising changes none.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(raw) = serde_json::from_str::<Value>(text) else { return };
    let answers = ask(&raw);
    if let Some(normalised) = normal::parse(text) {
        assert_eq!(answers, ask(&normalised), "normalised: {normalised}");
        let again = normal::parse(&normalised.to_string());
        assert_eq!(again.as_ref(), Some(&normalised), "normalising twice is not normalising once");
    }
}

/// Every question that checks ask of a policy document.
fn ask(document: &Value) -> Vec<Option<Value>> {
    let known = Known { own: vec!["123456789012"], trusted: vec!["111122223333", "o-example"] };
    let list = |answer: Result<Vec<String>, String>| answer.ok().map(Value::from);
    let flag = |answer: Result<bool, String>| answer.ok().map(Value::from);
    vec![
        flag(grants_admin(document)),
        flag(requires_tls(document, "example-bucket")),
        list(beyond_reading(document)),
        list(foreign_principals(document, &known)),
        list(foreign_writers(document, &known)),
        list(key_admin_users(document, &known)),
        list(oidc_unscoped(document)),
        list(public(document)),
        list(trust_external(document, &known)),
    ]
}

/// What lies in a store: lines, trees and envelopes. What is accepted is written back as it was meant.
pub fn stored(data: &[u8]) {
    if let Ok(line) = serde_json::from_slice::<ResourceLine>(data) {
        let resource = Resource::from(line);
        let mut written = Vec::new();
        resource.write_line(&mut written);
        let again: Result<ResourceLine, _> = serde_json::from_slice(&written);
        assert_eq!(again.ok().map(Resource::from), Some(resource), "a resource changed by being stored");
    }
    if let Ok(finding) = serde_json::from_slice::<Finding>(data) {
        let mut written = Vec::new();
        finding.write_line(&mut written);
        let again: Option<Finding> = serde_json::from_slice(&written).ok();
        assert!(again.is_some_and(|again| again == finding), "a finding changed by being stored");
    }
    if let Ok(tree) = Tree::parse(data, "fuzz") {
        let written = tree.to_bytes();
        let again = Tree::parse(&written.json, "fuzz").map(|tree| tree.to_bytes());
        assert!(again.is_ok_and(|again| again == written), "a tree changed by being stored");
    }
    if let Ok(opened) = dsse::parse(data) {
        let pae = dsse::pae(&opened.payload);
        assert!(pae.ends_with(&opened.payload));
    }
}

/// The signature that the tokens of the corpus stamp.
const STAMPED: &[u8] = b"a signature";

/// A timestamp token: a stamp or an error, and whoever trusts less believes nothing more. The same bytes are
/// taken for the certificates that somebody trusts, too.
pub fn token(data: &[u8]) {
    let stamp = timestamp::check(data, STAMPED, None);
    assert!(timestamp::check(data, b"another signature", None).is_err(), "it stamps everything");
    if let Ok(query) = Query::new(STAMPED, 7, None)
        && let Ok(accepted) = query.accept(data, None)
    {
        assert_eq!(stamp.as_ref(), Ok(&accepted), "accepted, and not good");
    }
    if let Ok(anchors) = Anchors::from_pem(&String::from_utf8_lossy(data), "fuzz")
        && let Ok(trusted) = timestamp::check(data, STAMPED, Some(&anchors))
    {
        assert_eq!(stamp, Ok(trusted), "trusted, and not good");
    }
}
