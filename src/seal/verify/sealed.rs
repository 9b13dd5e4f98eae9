//! What a log entry is about beside runs: a record that says of a file, rules that changed, documents.

use evidenced_model::rejudgement::Rejudgement;
use evidenced_model::{Attachment, Digest, canon};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::memo::key;
use super::{Checker, Seen};
use crate::SealError;
use crate::log::{EntryKind, LogEntry};
use crate::object::{Format, MAX_CONTENT, Sum, object_path, sum};
use crate::statement::Subject;

/// The largest record.
const LARGEST: u64 = 1 << 20;

/// Checks the object that an entry is about: that it is there, has its digest, and is what the entry's kind says.
pub(super) fn check(
    checker: &mut Checker<'_>,
    path: &str,
    (entry, subject): (&LogEntry, &Subject),
) -> Result<(), SealError> {
    match entry.kind {
        EntryKind::Attachment => attachment(checker, path, (entry, subject)),
        EntryKind::SemanticsChanged => {
            let Some(judged) = document::<Rejudgement>(checker, path, (entry.kind, subject), MAX_CONTENT)? else {
                return Ok(());
            };
            if judged.agent != entry.agent || Some(judged.run) != entry.run {
                checker.problem(&subject.name, format!("it is about another run or agent than {path}"));
            }
            Ok(())
        }
        EntryKind::Waiver => {
            document::<serde_json::Map<String, serde_json::Value>>(checker, path, (entry.kind, subject), MAX_CONTENT)?;
            Ok(())
        }
        _ => bytes(checker, path, &subject.name, subject.sha256(), None),
    }
}

/// A record of an attached file, and the file.
fn attachment(checker: &mut Checker<'_>, path: &str, (entry, subject): (&LogEntry, &Subject)) -> Result<(), SealError> {
    let Some(record) = document::<Attachment>(checker, path, (entry.kind, subject), LARGEST)? else { return Ok(()) };
    if let Some(fault) = record.fault() {
        checker.problem(&subject.name, fault);
    }
    if record.agent != entry.agent {
        let what = format!("it was sealed by agent {}, and {path} is of {}", record.agent, entry.agent);
        checker.problem(&subject.name, what);
    }
    // However often a file is attached, it is read once.
    let seen = key(&[b"file", record.sha256.as_bytes(), &record.bytes.to_le_bytes()]);
    if checker.documents.get(seen).is_none() {
        checker.documents.insert(seen, ());
        let file = object_path(&record.sha256, Format::Binary);
        bytes(checker, &subject.name, &file, record.sha256, Some(record.bytes))?;
    }
    Ok(())
}

/// A canonical JSON document that an entry is about, if it is there and one of its kind.
fn document<T: DeserializeOwned + Serialize>(
    checker: &mut Checker<'_>,
    path: &str,
    (kind, subject): (EntryKind, &Subject),
    limit: u64,
) -> Result<Option<T>, SealError> {
    let digest = subject.sha256();
    if subject.name != object_path(&digest, Format::Json) {
        checker.problem(path, format!("it is about {}, which is no document of that digest", subject.name));
        return Ok(None);
    }
    let content = match checker.content(&digest, limit, path)? {
        Seen::Here(content) => content,
        Seen::Wrong => return Ok(None),
        Seen::Withheld => {
            checker.withhold(&digest, if kind == EntryKind::Attachment { "attachments" } else { "log" }, 1, 0);
            return Ok(None);
        }
    };
    match serde_json::from_slice::<T>(&content) {
        Ok(document) => {
            if canon::to_vec(&document) != content {
                checker.problem(&subject.name, "it is not in canonical form");
            }
            Ok(Some(document))
        }
        Err(error) => {
            checker.problem(&subject.name, format!("it is not what {path} says that it is about: {error}"));
            Ok(None)
        }
    }
}

/// An object of plain bytes: it is read as a stream, however large it is.
fn bytes(
    checker: &mut Checker<'_>,
    referrer: &str,
    file: &str,
    digest: Digest,
    length: Option<u64>,
) -> Result<(), SealError> {
    let archive = checker.archive;
    let read = sum(archive, file, &digest, referrer);
    match checker.see(read)? {
        Seen::Here(Sum { bytes, digest: there }) if there == digest => {
            checker.report.objects += 1;
            checker.report.bytes += bytes;
            checker.report.stored += bytes;
            if length.is_some_and(|length| length != bytes) {
                checker.problem(file, format!("it has {bytes} bytes, and {referrer} says another number"));
            }
        }
        Seen::Here(_) => checker.problem(file, format!("its SHA-256 is not the one that {referrer} names")),
        Seen::Wrong => {}
        Seen::Withheld => checker.withhold(&digest, "attachments", 1, 0),
    }
    Ok(())
}
