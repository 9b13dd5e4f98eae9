//! `cargo xtask crash-matrix`: the whole program over a synthetic cloud, ended at every named place of its spool.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use xtask::venv::workspace;

use crate::tools::{cargo, target};

/// Fewer places than these would be a hole in the test.
const LEAST: usize = 25;
/// So many runs without a store fill the journal.
const FULL_JOURNAL: usize = 60;

/// Builds the program with its places, and prints a line a place; an error if one of them loses anything. Only the
/// places whose names begin with one of these words, if there are words.
pub(crate) fn run(only: &[&str]) -> Result<()> {
    let build = ["build", "--quiet", "--package", "evidenced-bench", "--features", "failpoints"];
    xtask::venv::run(&mut cargo(&build), "build the program with its places")?;
    let target = target()?;
    let program = target.join("debug/evidenced-bench");
    let listed = Command::new(&program).arg("places").output().context("ask for the places")?;
    let listed = String::from_utf8(listed.stdout)?;
    let places: Vec<&str> = listed.lines().collect();
    ensure!(places.len() >= LEAST, "there are {} places only", places.len());
    let chosen = |place: &&str| only.is_empty() || only.iter().any(|word| place.starts_with(word));
    let places: Vec<&str> = places.into_iter().filter(chosen).collect();
    let mut lost = 0;
    for place in &places {
        let line = match at(&program, &target.join("crash"), place) {
            Ok(what) => format!("ok      {place:<24} {what}"),
            Err(error) => {
                lost += 1;
                format!("FAILED  {place:<24} {error:#}")
            }
        };
        println!("{line}");
    }
    ensure!(lost == 0, "{lost} of {} places lose something", places.len());
    println!("{} places, and nothing is lost at any", places.len());
    Ok(())
}

/// One place: a run, a run that ends there, another run; then everything that was sealed is stored and verifies.
fn at(program: &Path, folder: &Path, place: &str) -> Result<String> {
    let agent = Agent::new(program, folder)?;
    let new = place == "journal.create";
    if place == "journal.grow" {
        agent.fill_journal()?;
    } else if !new {
        agent.collect(None)?;
    }
    let beside = place.starts_with("parcel.") || place.starts_with("push.parcel");
    let passes: &[&str] = if beside { &ATTACH } else { &["collect", "-q"] };
    let before = agent.logged()?;
    let ended = agent.command(passes, Some(place))?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&ended.status);
    ensure!(signal == Some(6), "the place is never passed: {}", String::from_utf8_lossy(&ended.stderr));
    let sealed = agent.sealed()?;
    let waited = agent.parcels()?;
    agent.come_back()?;
    agent.collect(None)?;
    let after = agent.logged()?;
    for (run, envelope) in &sealed {
        ensure!(after.runs.iter().filter(|logged| *logged == run).count() == 1, "{run} is not in the log once");
        ensure!(agent.stored(run)?.as_ref() == Some(envelope), "{run} is stored otherwise than it was sealed");
    }
    let mut once = after.runs.clone();
    once.sort();
    once.dedup();
    ensure!(once.len() == after.runs.len(), "a run is in the log twice");
    ensure!(agent.statements()?.len() == after.runs.len(), "a statement is stored that no entry names");
    ensure!(after.started == after.ended, "{} runs began, {} ended", after.started, after.ended);
    agent.verify()?;
    ensure!(fs::read_dir(agent.folder.join("state/spool/bundles"))?.next().is_none(), "something is left in the spool");
    ensure!(agent.parcels()? == 0, "something sealed beside runs is left in the spool");
    if beside {
        let attached = after.attached - before.attached;
        ensure!(attached >= waited && attached <= 1, "{waited} attachments waited, {attached} are in the log");
        return Ok(format!("{attached} attachments in the log, of {waited} that were sealed and waited"));
    }
    Ok(match after.runs.len() - before.runs.len() {
        1 => "the run that ended there is given up, the next one is whole".to_owned(),
        runs => format!("the run that ended there is stored; {runs} more runs in the log"),
    })
}

/// What passes the places of what is sealed beside runs.
const ATTACH: [&str; 7] = ["attach", "-q", "--control", "A.6.3", "--by", "Jo Example", "minutes.txt"];

/// One agent over a synthetic cloud and a folder.
struct Agent {
    program: PathBuf,
    folder: PathBuf,
}

/// What the log says.
struct Logged {
    runs: Vec<String>,
    started: usize,
    attached: usize,
    ended: usize,
}

impl Agent {
    fn new(program: &Path, folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).context("clear the folder of the crash matrix")?;
        }
        fs::create_dir_all(folder)?;
        let place = folder.display();
        let kinds = workspace().join("tests/bench/kinds");
        let config = format!(
            "agent:\n  id: crash\n  state_dir: {place}/state\ntargets:\n  - synthetic: {{ resources: 40 }}\n\
             store:\n  url: {place}/evidence\nchecks:\n  dirs: [{}]\n",
            kinds.display()
        );
        fs::write(folder.join("evidenced.yaml"), config).context("write the config")?;
        fs::write(folder.join("minutes.txt"), "minutes").context("write what is attached")?;
        Ok(Self { program: program.to_owned(), folder: folder.to_owned() })
    }

    fn command(&self, arguments: &[&str], place: Option<&str>) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).args(arguments);
        match place {
            Some(place) => command.env("FAILPOINTS", format!("{place}=return(abort)")),
            None => command.env_remove("FAILPOINTS"),
        };
        command.output().context("start the program")
    }

    fn collect(&self, place: Option<&str>) -> Result<()> {
        let output = self.command(&["collect", "-q"], place)?;
        if !matches!(output.status.code(), Some(0 | 3)) {
            bail!("collect ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn verify(&self) -> Result<()> {
        let output = self.command(&["verify"], None)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "verify: {said}");
        Ok(())
    }

    /// Runs without a store until the journal is nearly full.
    fn fill_journal(&self) -> Result<()> {
        fs::create_dir_all(self.folder.join("evidence"))?;
        // A file in the place of a folder: whatever is put below it cannot be put now.
        fs::write(self.folder.join("evidence/v1"), "")?;
        for _ in 0..FULL_JOURNAL {
            let output = self.command(&["collect", "-q"], None)?;
            ensure!(output.status.code() == Some(4), "{}", String::from_utf8_lossy(&output.stderr));
            if fs::metadata(self.folder.join("state/spool/journal"))?.len() > 64 * 8192 {
                bail!("the journal grew before it was asked to");
            }
            if self.sealed()?.len() == 53 {
                break;
            }
        }
        Ok(())
    }

    /// The store is there again, if it was not.
    fn come_back(&self) -> Result<()> {
        let away = self.folder.join("evidence/v1");
        if away.is_file() {
            fs::remove_file(away)?;
        }
        Ok(())
    }

    /// The envelopes of the bundles in the spool, by run.
    fn sealed(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut sealed = BTreeMap::new();
        let Ok(entries) = fs::read_dir(self.folder.join("state/spool/bundles")) else { return Ok(sealed) };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let run = name.split_once('-').context("a bundle's name")?.1.to_owned();
            sealed.insert(run, fs::read(path.join("run.dsse.json"))?);
        }
        Ok(sealed)
    }

    /// How much waits that was sealed beside runs.
    fn parcels(&self) -> Result<usize> {
        let Ok(entries) = fs::read_dir(self.folder.join("state/spool/parcels")) else { return Ok(0) };
        Ok(entries.collect::<Result<Vec<_>, _>>()?.len())
    }

    /// The statements in the store.
    fn statements(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.join("evidence/v1/runs")];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.ends_with("run.dsse.json") {
                    found.push(path);
                } else {
                    bail!("{} is half-written", path.display());
                }
            }
        }
        Ok(found)
    }

    /// The stored envelope of a run.
    fn stored(&self, run: &str) -> Result<Option<Vec<u8>>> {
        let path =
            self.statements()?.into_iter().find(|path| path.parent().is_some_and(|folder| folder.ends_with(run)));
        Ok(path.map(fs::read).transpose()?)
    }

    fn logged(&self) -> Result<Logged> {
        let mut logged = Logged { runs: Vec::new(), started: 0, attached: 0, ended: 0 };
        let Ok(entries) = fs::read_dir(self.folder.join("evidence/v1/log/crash")) else { return Ok(logged) };
        for entry in entries {
            let envelope: Value = serde_json::from_slice(&fs::read(entry?.path())?)?;
            let payload = STANDARD.decode(envelope["payload"].as_str().unwrap_or_default())?;
            let statement: Value = serde_json::from_slice(&payload)?;
            let entry = &statement["predicate"];
            match entry["kind"].as_str() {
                Some("attachment") => logged.attached += 1,
                Some("started") => logged.started += 1,
                Some("abandoned") => logged.ended += 1,
                Some("run") => {
                    logged.ended += 1;
                    logged.runs.push(entry["run"].as_str().unwrap_or_default().to_owned());
                }
                _ => {}
            }
        }
        Ok(logged)
    }
}
