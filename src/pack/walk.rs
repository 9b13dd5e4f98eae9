//! The log of an agent, once from its beginning to its end: its files, its head, the runs that it names.

use evidenced_model::{AgentId, Archive, ArchiveError, Digest, LogHead};
use evidenced_seal::log::{EntryKind, LogStatement, entry_path};
use evidenced_seal::{PublicKeys, RunRef, SealError, dsse};
use jiff::Timestamp;

use crate::PackError;

/// A run of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Whose it is.
    pub agent: AgentId,
    /// Where its log names it.
    pub run: RunRef,
}

/// What a log holds.
pub(crate) struct Walked {
    /// The files, junk included.
    pub(crate) files: Vec<String>,
    pub(crate) head: Option<LogHead>,
    pub(crate) runs: Vec<Run>,
    /// Objects that entries are about, records of attached files apart.
    pub(crate) objects: Vec<String>,
    /// Records of attached files.
    pub(crate) attached: Vec<Digest>,
}

/// Goes along the log of an agent. What no pinned key signed is junk, which a log may pass over.
pub(crate) fn walk(archive: &dyn Archive, agent: &AgentId, keys: &PublicKeys) -> Result<Walked, PackError> {
    let mut walked =
        Walked { files: Vec::new(), head: None, runs: Vec::new(), objects: Vec::new(), attached: Vec::new() };
    for index in 0.. {
        let path = entry_path(agent, index);
        let bytes = match archive.read(&path, dsse::LIMIT) {
            Ok(None) => break,
            Ok(Some(bytes)) => bytes,
            Err(ArchiveError::TooLarge { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        walked.files.push(path);
        let opened = dsse::open(&bytes, keys).ok();
        let Some(statement) = opened.and_then(|opened| LogStatement::parse(&opened.payload).ok()) else { continue };
        let entry = &statement.predicate;
        let [subject] = statement.subject.as_slice() else { continue };
        if entry.index != index || entry.agent != *agent {
            continue;
        }
        let head = LogHead { digest: Digest::of(&bytes), index };
        walked.head = Some(head);
        match (entry.kind, entry.run) {
            (EntryKind::Run, Some(run)) => walked.runs.push(Run {
                agent: agent.clone(),
                run: RunRef {
                    appended_at: entry.appended_at,
                    digest: subject.sha256(),
                    entry: head,
                    path: subject.name.clone(),
                    run,
                    slot: entry.slot.clone(),
                },
            }),
            (EntryKind::Attachment, _) => walked.attached.push(subject.sha256()),
            _ if subject.name.starts_with("v1/objects/") => walked.objects.push(subject.name.clone()),
            _ => {}
        }
    }
    Ok(walked)
}

/// The runs of a period, agent by agent, oldest first.
pub fn runs(
    archive: &dyn Archive,
    agents: &[AgentId],
    keys: &PublicKeys,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Vec<Run>, PackError> {
    let mut runs = Vec::new();
    for agent in agents {
        runs.extend(walk(archive, agent, keys)?.runs.into_iter().filter(|run| within(run, from, until)));
    }
    Ok(runs)
}

/// Whether a run began in a period.
pub(crate) fn within(run: &Run, from: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    let began = i64::try_from(run.run.run.unix_millis()).unwrap_or(i64::MAX);
    from.is_none_or(|from| began >= from.as_millisecond()) && until.is_none_or(|until| began < until.as_millisecond())
}

/// An object that is not what it should be cannot go into a pack.
pub(crate) fn wrong(file: &str, what: &str) -> PackError {
    SealError::wrong(file, what).into()
}
