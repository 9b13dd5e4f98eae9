//! `evidenced report --shards N`: the newest runs of N agents that share the accounts, read together. A share that is
//! missing, and an account that nobody read, is a hole, and nothing is supported over a hole.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::manifest::{Listing, Shard};
use evidenced_model::{AgentId, Archive, CatalogId, ControlId, Manifest, Standing, Tally};
use evidenced_seal::{RunReader, SealError, select_run};
use serde::Serialize;

use super::Context;
use crate::args::Format;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::failed;

/// The shards' newest runs together.
#[derive(Debug, Serialize)]
struct Together {
    agent: AgentId,
    shards: Vec<Share>,
    /// What is missing, in words.
    holes: Vec<String>,
    controls: Vec<Stands>,
}

/// The newest run of one shard.
#[derive(Debug, Serialize)]
struct Share {
    agent: String,
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
}

/// A control over all shards.
#[derive(Debug, Clone, Serialize)]
struct Stands {
    catalog: CatalogId,
    control: ControlId,
    label: String,
    standing: Standing,
    counts: Tally,
}

/// Reads the newest run of each shard, and prints them as one.
pub(super) fn run(
    context: &Context,
    archive: &dyn Archive,
    base: &AgentId,
    of: u32,
    catalog: Option<&str>,
) -> Result<Exit, Ended> {
    let mut together = Together { agent: base.clone(), shards: Vec::new(), holes: Vec::new(), controls: Vec::new() };
    let mut controls: BTreeMap<(CatalogId, ControlId), Stands> = BTreeMap::new();
    for index in 1..=of {
        let name = format!("{base}-{index}");
        let manifest = read(archive, &name, &Shard { index, of }, &mut controls)?;
        match manifest {
            Ok(manifest) => together.shards.push(Share { agent: name, index, manifest: Some(manifest) }),
            Err(why) => {
                together.holes.push(format!("shard {index} of {of} ({name}): {why}"));
                together.shards.push(Share { agent: name, index, manifest: None });
            }
        }
    }
    together.holes.extend(unread(&together.shards));
    let wanted = |control: &Stands| catalog.is_none_or(|catalog| control.catalog.as_str() == catalog);
    together.controls = controls.into_values().filter(wanted).collect();
    if !together.holes.is_empty() {
        for control in &mut together.controls {
            control.standing = control.standing.over_a_hole();
        }
    }
    print(context, &together)?;
    Ok(if together.holes.is_empty() { Exit::Done } else { Exit::Partial })
}

/// Adds what the newest run of a shard says; or says why it cannot be counted.
fn read(
    archive: &dyn Archive,
    name: &str,
    shard: &Shard,
    controls: &mut BTreeMap<(CatalogId, ControlId), Stands>,
) -> Result<Result<Manifest, String>, Ended> {
    let agent = AgentId::parse(name).map_err(|error| Ended::new(Exit::Usage, error.to_string()))?;
    let run = match select_run(archive, &agent, "latest", None) {
        Ok(run) => run,
        Err(SealError::NoSuchRun { .. } | SealError::Missing { .. }) => return Ok(Err("no run is stored".to_owned())),
        Err(error) => return Err(failed(error)),
    };
    let reader = RunReader::open(archive, &run, None).map_err(failed)?;
    let manifest = reader.manifest().map_err(failed)?;
    if manifest.shard != *shard {
        let Shard { index, of } = manifest.shard;
        return Ok(Err(format!("its newest run read share {index} of {of}")));
    }
    if manifest.accounts.iter().all(|account| account.state == Listing::Elsewhere) {
        // It has no account at present, and so nothing to say of any control.
        return Ok(Ok(manifest));
    }
    for one in reader.controls().map_err(failed)?.controls {
        let place = (one.catalog.clone(), one.control.clone());
        let known = controls.entry(place).or_insert_with(|| Stands {
            catalog: one.catalog.clone(),
            control: one.control.clone(),
            label: one.label.clone(),
            standing: one.standing,
            counts: Tally::default(),
        });
        known.standing = known.standing.beside(one.standing);
        known.counts.add(&one.counts);
    }
    Ok(Ok(manifest))
}

/// Accounts that are listed somewhere and that nobody read.
fn unread(shards: &[Share]) -> Vec<String> {
    let mut listed = BTreeSet::new();
    let mut told = BTreeSet::new();
    for account in shards.iter().filter_map(|share| share.manifest.as_ref()).flat_map(|manifest| &manifest.accounts) {
        let name = format!("{}:{}", account.provider, account.account);
        if account.state != Listing::Elsewhere {
            told.insert(name.clone());
        }
        listed.insert(name);
    }
    listed.difference(&told).map(|name| format!("{name}: each shard leaves it to another")).collect()
}

fn print(context: &Context, together: &Together) -> Result<(), Ended> {
    let mut lines = Lines::new();
    match context.common.format {
        Format::Json => lines.json(together)?,
        Format::Text => {
            lines.text(format!("{} shards of {}", together.shards.len(), together.agent))?;
            for Share { agent, manifest, .. } in &together.shards {
                let Some(manifest) = manifest else { continue };
                let read = manifest.accounts.iter().filter(|account| account.state == Listing::Read).count();
                lines.text(format!("  {agent}: run {}, {}, {read} accounts", manifest.run, manifest.window.end))?;
            }
            for hole in &together.holes {
                lines.text(format!("  hole: {}", hole.escape_debug()))?;
            }
            for Stands { catalog, control, label, standing, counts } in &together.controls {
                let standing = standing.as_str().replace('_', " ");
                lines.text(format!(
                    "{catalog} {control:<8} {standing:<24} {} fail, {} pass, {} unknown  {label}",
                    counts.fail, counts.pass, counts.unknown
                ))?;
            }
        }
        Format::Html | Format::Csv | Format::Oscal | Format::Ocsf => {
            let message = "several shards together are printed as text or json; html and csv are for one agent";
            return Err(Ended::new(Exit::Usage, message));
        }
    }
    lines.finish()
}
