//! A store with a long history, for measuring the report of a period: a run that the program made, sealed again hour
//! after hour with a few resources changed. `evidenced-bench make-history FOLDER RUNS`, where `FOLDER/evidence` holds
//! one run of the agent, and `FOLDER/state/key.pem` is its key.

use std::collections::BTreeMap;
use std::path::Path;

use evidenced_model::{AccountCoverage, Archive, Calls, Digest, Finding, Manifest, RunId, Slot, Verdict, Window};
use evidenced_seal::log::Draft;
use evidenced_seal::read::RunGroup;
use evidenced_seal::statement::RunStatement;
use evidenced_seal::{Document, Log, PemSigner, Previous, PublicKeys, RunHeader, RunReader, RunWriter, Signer as _};
use evidenced_store::Folder;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::sealed::{Quick, Result};

/// One in a hundred resources changes each day.
const A_DAY: u64 = 100;
/// What is changed: a field of the resource, and the check that reads it.
const FIELD: &str = "encrypted";

/// The population, line by line, as it stands.
struct Population {
    groups: Vec<Group>,
    coverage: Vec<AccountCoverage>,
    documents: BTreeMap<&'static str, Value>,
}

struct Group {
    place: RunGroup,
    resources: Vec<(String, Vec<u8>)>,
    findings: Vec<(String, Vec<Finding>)>,
}

/// Adds the runs.
pub(crate) fn make(arguments: &[String]) -> Result<()> {
    let [folder, runs] = arguments else { return Err("make-history FOLDER RUNS".into()) };
    let (folder, runs): (&Path, u64) = (Path::new(folder), runs.parse()?);
    let store = Folder::open(&folder.join("evidence").display().to_string())?;
    let archive: &dyn Archive = &store;
    let signer = PemSigner::open(&folder.join("state/key.pem"))?;
    let agents = evidenced_seal::select::agents(archive)?;
    let agent = agents.first().ok_or("there is no run to go on from")?.clone();
    let newest = evidenced_seal::select_run(archive, &agent, "latest", None)?;
    let reader = RunReader::open(archive, &newest, None)?;
    let mut population = Population::read(&reader)?;
    let mut statement = reader.statement().clone();
    let mut sink = Quick::new(folder.join("evidence"));
    let mut log = Log::new(archive, agent.clone(), PublicKeys::from(signer.public_key()));
    for number in 1..=runs {
        let began = hours_after(reader.statement().predicate.window.start, number)?;
        let end = began.checked_add(SignedDuration::from_secs(20))?;
        let (run, window) = (
            RunId::from_parts(u64::try_from(began.as_millisecond())?, u128::from(number)),
            Window { start: began, end },
        );
        let slot = Slot { due: began, schedule: "hourly".to_owned() };
        log.append(&mut sink, &signer, &Draft::started(run, Some(slot.clone())), began)?;
        population.change(number);
        let header =
            RunHeader { agent: agent.clone(), run, slot: Some(slot), status: statement.predicate.status, window };
        let sealed = population.seal(&mut sink, archive, &signer, header, &statement)?;
        log.append(&mut sink, &signer, &Draft::run(&sealed), end)?;
        statement = sealed.statement;
    }
    Ok(())
}

fn hours_after(first: Timestamp, hours: u64) -> Result<Timestamp> {
    // On the hour, as slots are.
    let first = Timestamp::from_second(first.as_second() / 3600 * 3600)?;
    Ok(first.checked_add(SignedDuration::from_hours(i64::try_from(hours)?))?)
}

impl Population {
    fn read(reader: &RunReader<'_>) -> Result<Self> {
        let mut groups = Vec::new();
        for place in reader.groups()? {
            let place = place?;
            let mut resources = Vec::new();
            for line in reader.resource_lines(&place)? {
                let line = line?;
                resources.push((line.id, line.bytes));
            }
            let mut findings: Vec<(String, Vec<Finding>)> = Vec::new();
            for finding in reader.findings(&place)? {
                let finding = finding?;
                match findings.last_mut() {
                    Some((id, list)) if *id == finding.resource => list.push(finding),
                    _ => findings.push((finding.resource.clone(), vec![finding])),
                }
            }
            groups.push(Group { place, resources, findings });
        }
        let coverage = reader.accounts()?.collect::<std::result::Result<Vec<_>, _>>()?;
        let kept = [Document::Config, Document::Controls, Document::Manifest, Document::Mappings];
        let mut documents = BTreeMap::new();
        for document in kept {
            documents.insert(document.name(), reader.document(document)?);
        }
        Ok(Self { groups, coverage, documents })
    }

    /// What happens in an hour: a few things turn from one to the other.
    fn change(&mut self, number: u64) {
        let before = (number - 1) * A_DAY / 24;
        for change in before..number * A_DAY / 24 {
            let Some(group) = self.groups.iter_mut().find(|group| !group.resources.is_empty()) else { return };
            let at = usize::try_from(change.wrapping_mul(7919)).unwrap_or_default() % group.resources.len();
            let (id, line) = &mut group.resources[at];
            let text = String::from_utf8_lossy(line).into_owned();
            let (yes, no) = (format!("\"{FIELD}\":true"), format!("\"{FIELD}\":false"));
            let good = text.contains(&no);
            *line = if good { text.replace(&no, &yes) } else { text.replace(&yes, &no) }.into_bytes();
            let findings = group.findings.iter_mut().filter(|(resource, _)| resource == id).flat_map(|(_, list)| list);
            for finding in findings.filter(|finding| finding.observed.contains_key(FIELD)) {
                finding.observed.insert(FIELD.to_owned(), Value::Bool(good));
                finding.verdict = if good { Verdict::Pass } else { Verdict::Fail };
            }
        }
    }

    fn seal(
        &mut self,
        sink: &mut Quick,
        archive: &dyn Archive,
        signer: &PemSigner,
        header: RunHeader,
        before: &RunStatement,
    ) -> Result<evidenced_seal::SealedRun> {
        let mut writer = RunWriter::new(sink, Previous::of(archive, before))?;
        let mut failed = 0_u64;
        for group in &self.groups {
            let place = &group.place;
            writer.begin_group(&place.account, &place.region, &place.kind)?;
            let mut findings = group.findings.iter().peekable();
            for (id, line) in &group.resources {
                writer.resource(id, line)?;
                while let Some((_, list)) = findings.next_if(|(resource, _)| resource == id) {
                    for finding in list {
                        failed += u64::from(finding.verdict == Verdict::Fail);
                        writer.finding(finding)?;
                    }
                }
            }
            for finding in findings.flat_map(|(_, list)| list) {
                writer.finding(finding)?;
            }
            writer.end_group()?;
        }
        for coverage in &self.coverage {
            writer.coverage(coverage)?;
        }
        let roots = writer.roots()?;
        let mut manifest: Manifest = serde_json::from_value(self.documents["manifest"].clone())?;
        (manifest.run, manifest.slot, manifest.window) = (header.run, header.slot.clone(), header.window);
        manifest.totals = writer.totals();
        // Counts of every control that has findings follow them.
        let mut controls = self.documents["controls"].clone();
        controls["findings"] = serde_json::to_value::<Digest>(roots.findings.digest)?;
        for control in controls["controls"].as_array_mut().into_iter().flatten() {
            if control["counts"]["fail"] != 0 {
                control["counts"]["fail"] = failed.into();
            }
        }
        writer.document(Document::Manifest, &manifest)?;
        writer.document(Document::Calls, &Calls::default())?;
        writer.document(Document::Controls, &controls)?;
        writer.document(Document::Mappings, &self.documents["mappings"])?;
        writer.document(Document::Config, &self.documents["config"])?;
        Ok(writer.seal(archive, signer, header, 0)?)
    }
}
