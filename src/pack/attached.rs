//! What people brought: the records and files that go into a pack, and those that do not.

use std::collections::BTreeMap;

use evidenced_model::{AgentId, Archive, Attachment, Digest};
use evidenced_seal::object::{Format, MAX_STORED, ObjectReader, object_path};
use evidenced_seal::withheld::Reason;
use evidenced_seal::{PublicKeys, SealError};

use crate::PackError;
use crate::rule::{ATTACHMENTS, Rules};
use crate::walk::walk;

/// The records of attached files that the logs of these agents name, oldest first.
pub fn attachments(archive: &dyn Archive, agents: &[AgentId], keys: &PublicKeys) -> Result<Vec<Attachment>, PackError> {
    let mut records = Vec::new();
    for agent in agents {
        for digest in walk(archive, agent, keys)?.attached {
            records.extend(record(archive, &digest)?);
        }
    }
    Ok(records)
}

/// What becomes of records and files: for each object, why it is withheld, or nothing.
pub(crate) fn decide(
    archive: &dyn Archive,
    records: &[Digest],
    rules: &Rules,
) -> Result<BTreeMap<(Digest, Format), Option<Reason>>, PackError> {
    let mut decided = BTreeMap::new();
    for digest in records {
        let Some(record) = record(archive, digest)? else { continue };
        let reason = rules.document(ATTACHMENTS).or_else(|| rules.attachment(&record));
        decided.insert((*digest, Format::Json), reason);
        let large = (record.bytes > MAX_STORED).then_some(Reason::Size);
        let file = decided.entry((record.sha256, Format::Binary)).or_insert(reason.or(large));
        // A file that is shown for one control is shown.
        *file = file.and(reason.or(large));
    }
    Ok(decided)
}

/// A record; `None` if it is not there, or withheld already: verification says so.
fn record(archive: &dyn Archive, digest: &Digest) -> Result<Option<Attachment>, PackError> {
    match ObjectReader::new(archive).document(digest, "the log") {
        Ok(record) => Ok(Some(record)),
        Err(SealError::Missing { .. } | SealError::Withheld { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Where an object stands.
pub(crate) fn path_of((digest, format): &(Digest, Format)) -> String {
    object_path(digest, *format)
}
