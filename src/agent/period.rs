//! A period, read from a store: every log of it, its runs in the order of time, and of each run what changed.

mod counted;
mod declared;
mod feed;
mod log;
mod owners;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{AgentId, Archive};
use evidenced_report::period::{Period, PeriodBuilder, PeriodLimits};
use evidenced_seal::object::ObjectReader;
use evidenced_seal::select::agents;
use jiff::Timestamp;

use self::counted::Counted;
use self::feed::Feeder;
use self::log::AgentLog;
pub(crate) use self::rules::judged_by;
use crate::exit::{Ended, Exit};
use crate::opened::failed;

/// With so many bytes of chunks, as they are stored, each object of most accounts is read once.
pub(crate) const SHELF: usize = 48 << 20;

/// What is asked for.
pub(crate) struct Asked<'a> {
    /// The first moment.
    pub(crate) from: Timestamp,
    /// The moment after the last.
    pub(crate) to: Timestamp,
    /// The agents; none for all.
    pub(crate) agents: &'a [AgentId],
    /// The catalogue; all without one.
    pub(crate) catalog: Option<&'a str>,
    /// The controls; none for all.
    pub(crate) controls: &'a [String],
    /// How much is kept.
    pub(crate) limits: PeriodLimits,
    /// Bytes of chunks that are kept between runs: see [`SHELF`].
    pub(crate) shelf: usize,
    /// The time.
    pub(crate) now: Timestamp,
}

/// Reads a period. Whatever is read is believed as far as its digests lead; `verify` looks closer.
pub(crate) fn read(archive: &dyn Archive, asked: &Asked<'_>) -> Result<Period, Ended> {
    let counted = Counted::new(archive);
    let period = fold(&counted, asked);
    let (objects, times) = counted.objects();
    tracing::info!(objects, times, "objects were read");
    period
}

fn fold(archive: &dyn Archive, asked: &Asked<'_>) -> Result<Period, Ended> {
    let known = agents(archive).map_err(failed)?;
    if let Some(unknown) = asked.agents.iter().find(|agent| !known.contains(agent)) {
        let names: Vec<&str> = known.iter().map(AgentId::as_str).collect();
        let message = format!("{} has no agent {unknown}; it has: {}", archive.location(), names.join(", "));
        return Err(Ended::new(Exit::Usage, message));
    }
    let wanted = known.into_iter().filter(|agent| asked.agents.is_empty() || asked.agents.contains(agent));
    let mut logs = Vec::new();
    for agent in wanted {
        logs.push(AgentLog::read(archive, &agent, asked)?);
    }
    if logs.iter().all(|log| log.runs.is_empty()) {
        let newest = logs.iter().filter_map(|log| log.newest).max();
        let newest =
            newest.map_or_else(|| "there is no run at all".to_owned(), |at| format!("the newest entry is of {at}"));
        let message = format!("{} has no run from {} to {}; {newest}", archive.location(), asked.from, asked.to);
        return Err(Ended::new(Exit::Usage, message));
    }
    let mut builder = PeriodBuilder::new(asked.from, asked.to, archive.location(), asked.limits);
    for log in &mut logs {
        log.tell(&mut builder, asked);
        declared::tell(ObjectReader::new(archive), log, asked, &mut builder)?;
    }
    let mut feeder = Feeder::new(archive, asked, logs)?;
    for missing in feeder.missing_shards() {
        builder.missing_shard(missing);
    }
    while feeder.next(&mut builder)? {}
    feeder.finish(&mut builder)?;
    check_controls(&feeder.offered(), asked)?;
    Ok(builder.finish(asked.now))
}

/// Refuses a catalogue or control that no run of the period has.
fn check_controls(offered: &BTreeMap<String, BTreeSet<String>>, asked: &Asked<'_>) -> Result<(), Ended> {
    let usage = |message: String| Err(Ended::new(Exit::Usage, message));
    if let Some(catalog) = asked.catalog
        && !offered.contains_key(catalog)
    {
        let known = offered.keys().cloned().collect::<Vec<_>>().join(", ");
        return usage(format!("no run of the period has the catalogue {catalog:?}; they have: {known}"));
    }
    for control in asked.controls {
        let catalogs = offered.iter().filter(|(id, _)| asked.catalog.is_none_or(|catalog| catalog == id.as_str()));
        let mut controls = catalogs.flat_map(|(_, controls)| controls);
        if controls.clone().any(|known| known == control) {
            continue;
        }
        let nearest = controls.by_ref().min_by_key(|known| strsim::damerau_levenshtein(known, control));
        let hint = nearest.map_or_else(String::new, |known| format!("; did you mean {known}?"));
        return usage(format!("no catalogue of the period has the control {control:?}{hint}"));
    }
    Ok(())
}
