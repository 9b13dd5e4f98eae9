//! A stored run, opened with whatever a command needs beside it: the library and mapping it was judged by.

use std::sync::Arc;

use evidenced_check::{Library, Settings};
use evidenced_isms::Isms;
use evidenced_map::Mapping;
use evidenced_model::{AgentId, Archive, Severity};
use evidenced_report::{Header, StatementRef};
use evidenced_seal::select::{agents, select_shown};
use evidenced_seal::{Document, PublicKeys, RunReader, RunRef, SealError};
use serde_json::Value;

use crate::exit::{Ended, Exit};

/// The agent whose log is meant: the configured one, or the only one that the store knows.
pub(crate) fn agent(archive: &dyn Archive, configured: &AgentId) -> Result<AgentId, Ended> {
    let known = agents(archive).map_err(failed)?;
    match &known[..] {
        _ if known.contains(configured) => Ok(configured.clone()),
        [only] => Ok(only.clone()),
        [] => Err(Ended::new(
            Exit::Usage,
            format!("{} holds no evidence yet; `evidenced collect` makes some", archive.location()),
        )),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            let message =
                format!("{} holds several agents: {}; name one in agent.id", archive.location(), names.join(", "));
            Err(Ended::new(Exit::Usage, message))
        }
    }
}

/// Opens a run by id, `latest`, `latest~N` or date; with keys, only if one of them signed it.
pub(crate) fn open<'a>(
    archive: &'a dyn Archive,
    configured: &AgentId,
    wanted: &str,
    keys: Option<&PublicKeys>,
) -> Result<(RunRef, RunReader<'a>), Ended> {
    let agent = agent(archive, configured)?;
    let run = select_shown(archive, &agent, wanted, keys).map_err(failed)?;
    let reader = RunReader::open(archive, &run, keys).map_err(failed)?;
    Ok((run, reader))
}

/// What a run was judged by, as it was sealed with it.
pub(crate) struct Judged {
    /// Kinds and checks.
    pub(crate) library: Arc<Library>,
    /// Parameters and disabled checks, with the run's own start as `now`.
    pub(crate) settings: Settings,
    /// Catalogues, objectives and links.
    pub(crate) mapping: Mapping,
    /// What the organisation declared, if it did.
    pub(crate) isms: Option<Isms>,
    /// The least severity of a fail that contradicts.
    pub(crate) threshold: Severity,
}

impl Judged {
    /// Reads it back from a run.
    pub(crate) fn read(reader: &RunReader<'_>) -> Result<Self, Ended> {
        Self::of(reader.document(Document::Mappings).map_err(failed)?, reader)
    }

    /// Reads it from a run's mappings.
    pub(crate) fn of(mut document: Value, reader: &RunReader<'_>) -> Result<Self, Ended> {
        let wrong = |what: String| Ended::new(Exit::Verification, format!("{}: its mappings: {what}", reader.path()));
        let (library, mut settings) = Library::from_json(document["checks"].take()).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            wrong(lines.join("; "))
        })?;
        settings.now = reader.statement().predicate.window.start;
        let mapping = Mapping::from_json(document["mapping"].take()).map_err(|error| wrong(error.to_string()))?;
        let threshold = serde_json::from_value(document["contradict_from"].take()).map_err(|e| wrong(e.to_string()))?;
        let isms = document.get_mut("isms").map(|isms| serde_json::from_value(isms.take())).transpose();
        let isms = isms.map_err(|error| wrong(format!("isms: {error}")))?;
        Ok(Self { library, settings, mapping, isms, threshold })
    }
}

/// The header of a run's report.
pub(crate) fn header(archive: &dyn Archive, run: &RunRef, reader: &RunReader<'_>) -> Result<Header, Ended> {
    Ok(Header {
        head: Some(run.entry),
        key: None,
        manifest: reader.manifest().map_err(failed)?,
        statement: StatementRef { digest: run.digest, path: reader.path().to_owned() },
        status: reader.statement().predicate.status,
        store: archive.location(),
    })
}

/// A store that cannot be read, or does not hold what it should.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(crate) fn failed(error: SealError) -> Ended {
    let exit = match &error {
        SealError::Wrong { .. } | SealError::Missing { .. } => Exit::Verification,
        error if error.is_away() => Exit::Spooled,
        _ => Exit::Usage,
    };
    Ended::new(exit, error.to_string())
}
