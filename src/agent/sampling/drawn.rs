//! What is shown of one that was drawn: its stored line, its findings, where they stand, and the proofs.

use std::collections::BTreeSet;

use evidenced_model::{AgentId, Archive, CheckId, Digest};
use evidenced_seal::chunk::Prefix;
use evidenced_seal::proof::{Proof, Side};
use evidenced_seal::read::RunGroup;
use evidenced_seal::{RunReader, RunRef, SealError};
use serde::Serialize;
use serde_json::Value;

use super::Item;
use crate::exit::Ended;
use crate::opened::failed;

/// One that was drawn.
#[derive(Debug, Serialize)]
pub(crate) struct Drawn {
    /// Its place in the draw, from 1.
    pub(crate) rank: usize,
    /// SHA-256 of seed, kind, place and id: why it was drawn.
    pub(crate) key: Digest,
    /// What it is.
    #[serde(flatten)]
    pub(crate) item: Item,
    /// The newest of the runs that judged it.
    pub(crate) run: String,
    /// The agent of that run.
    pub(crate) agent: AgentId,
    /// The signed statement of that run.
    pub(crate) statement: String,
    /// SHA-256 of the statement's envelope, as the log names it.
    pub(crate) statement_sha256: Digest,
    /// What was read of it: the stored line. A place has none, and a pack may withhold it.
    pub(crate) reading: Option<Proved>,
    /// What the control's checks say of it.
    pub(crate) findings: Vec<ProvedFinding>,
    /// What is not shown, in words.
    pub(crate) missing: Vec<String>,
}

/// A stored line with its proof.
#[derive(Debug, Serialize)]
pub(crate) struct Proved {
    /// The line, byte for byte and without its LF: `jq -r` of it, hashed, is what the proof says of it.
    pub(crate) line: String,
    /// Where it stands, and what it hangs from.
    pub(crate) proof: Proof,
    /// Commands that check it in the folder of the store, each with what it should print.
    pub(crate) check: Vec<Check>,
}

/// The stored line of a finding with its proof.
#[derive(Debug, Serialize)]
pub(crate) struct ProvedFinding {
    /// The check.
    pub(crate) id: CheckId,
    /// Its verdict.
    pub(crate) verdict: String,
    /// The line.
    #[serde(flatten)]
    pub(crate) proved: Proved,
}

/// A command, and what it prints where all is well.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    /// The command.
    pub(crate) command: String,
    /// What it prints.
    pub(crate) prints: String,
}

/// Reads what is stored of one that was drawn.
pub(crate) fn read(
    archive: &dyn Archive,
    (agent, run): &(AgentId, RunRef),
    checks: &BTreeSet<CheckId>,
    (rank, key, item): (usize, Digest, Item),
) -> Result<Drawn, Ended> {
    let reader = RunReader::open(archive, run, None).map_err(failed)?;
    let mut drawn = Drawn {
        rank,
        key,
        run: run.run.to_string(),
        agent: agent.clone(),
        statement: run.path.clone(),
        statement_sha256: run.digest,
        reading: None,
        findings: Vec::new(),
        missing: Vec::new(),
        item,
    };
    let account = drawn.item.scope.account_key();
    let mine = |group: &RunGroup| {
        group.account == account
            && group.region == drawn.item.scope.region.as_str()
            && group.kind == drawn.item.kind.as_str()
    };
    let mut group = None;
    for one in reader.groups().map_err(failed)? {
        let one = one.map_err(failed)?;
        if mine(&one) {
            group = Some(one);
            break;
        }
    }
    let Some(group) = group else {
        drawn.missing.push("its part of the run is withheld".to_owned());
        return Ok(drawn);
    };
    let (readings, withheld) = lines(&reader, &group, Side::Inventory, &drawn.item.id)?;
    drawn.reading = readings.into_iter().next().map(|(_, proved)| proved);
    if drawn.reading.is_none() {
        drawn.missing.push(if drawn.item.kind.as_str().starts_with("place.") {
            "it is a place and no resource: nothing is stored of it but what was found".to_owned()
        } else if withheld > 0 {
            "its stored line is withheld".to_owned()
        } else {
            "no stored line is there".to_owned()
        });
    }
    let (findings, _) = lines(&reader, &group, Side::Findings, &drawn.item.id)?;
    for (parsed, proved) in findings {
        let id: Option<CheckId> = parsed["check"].as_str().and_then(|id| id.parse().ok());
        if let Some(id) = id.filter(|id| checks.contains(id)) {
            let verdict = parsed["verdict"].as_str().unwrap_or_default().to_owned();
            drawn.findings.push(ProvedFinding { id, verdict, proved });
        }
    }
    Ok(drawn)
}

/// The lines about a resource, parsed and proved; and how many lines are withheld where it should stand.
fn lines(reader: &RunReader<'_>, group: &RunGroup, side: Side, id: &str) -> Result<(Vec<(Value, Proved)>, u64), Ended> {
    let hash = Digest::of(id.as_bytes());
    let chunks = reader.chunks(side, group).map_err(failed)?;
    let (mut found, mut withheld) = (Vec::new(), chunks.withheld);
    let member = if side == Side::Inventory { "id" } else { "resource" };
    let here = |name: &str| Prefix::parse(name).is_none_or(|prefix| prefix.contains(&hash));
    for chunk in chunks.entries.iter().filter(|chunk| here(&chunk.name)) {
        let placed = reader.placed(chunk).map_err(failed)?;
        withheld += placed.withheld;
        for line in &placed.lines {
            let wrong = |what: String| failed(SealError::wrong(&placed.file, format!("line {}: {what}", line.number)));
            let parsed: Value = serde_json::from_slice(&line.bytes).map_err(|error| wrong(error.to_string()))?;
            if parsed[member] != *id {
                continue;
            }
            let proof = reader.prove(side, group, chunk, line.number).map_err(failed)?;
            let root = reader.subject(subject(side)).map_err(failed)?;
            if !proof.holds(&line.bytes, &root) {
                return Err(wrong("it does not hang from the root that was signed".to_owned()));
            }
            let text = std::str::from_utf8(&line.bytes).map_err(|error| wrong(error.to_string()))?;
            let line = text.strip_suffix('\n').unwrap_or(text).to_owned();
            found.push((parsed, Proved { line, check: commands(&proof), proof }));
        }
    }
    Ok((found, withheld))
}

fn subject(side: Side) -> &'static str {
    match side {
        Side::Inventory => evidenced_seal::statement::subject::INVENTORY,
        Side::Findings => evidenced_seal::statement::subject::FINDINGS,
    }
}

/// From the line to the statement, with what every machine has.
fn commands(proof: &Proof) -> Vec<Check> {
    let line = &proof.line;
    let mut checks = vec![Check {
        command: format!("zstd -dc {} | sed -n {}p | sha256sum", line.object, line.number),
        prints: line.line_sha256.to_string(),
    }];
    // What a pack shows of a chunk has another digest: there the Merkle path proves the line.
    if line.object.starts_with("v1/objects/") {
        checks.push(Check { command: format!("sha256sum {}", line.object), prints: line.sha256.to_string() });
    }
    for tree in &proof.trees {
        checks.push(Check {
            command: format!(
                "zstd -dc {} | jq -r '.entries[{}] | .name + \" \" + .digest'",
                tree.object,
                tree.number.saturating_sub(1)
            ),
            prints: format!("{} {}", tree.entry.name, tree.entry.digest),
        });
        checks.push(Check { command: format!("sha256sum {}", tree.object), prints: tree.sha256.to_string() });
    }
    if let Some(root) = proof.trees.last() {
        checks.push(Check {
            command: format!(
                "jq -r '.payload | @base64d | fromjson | .subject[] | select(.name == \"{}\") | .digest.sha256' {}",
                subject(proof.side),
                proof.statement
            ),
            prints: root.sha256.to_string(),
        });
    }
    checks
}
