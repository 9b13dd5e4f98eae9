//! `cargo xtask soak`: ten weeks of a daemon's life in minutes, with a store that comes and goes, clocks that jump, and
//! a process that is killed; then every slot is accounted for, and everything that was sealed is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use xtask::venv::workspace;

use crate::tools::{cargo, target};

const FROM: &str = "2026-03-01T00:30:00Z";
const WEEKS: i64 = 10;
/// A process that is started more often than this makes no way.
const MOST_STARTS: u32 = 2000;

/// Lives through ten weeks with these misfortunes, and prints what happened; an error if anything is lost.
pub(crate) fn run(seed: Option<&str>) -> Result<()> {
    let seed: u64 = seed.map_or(Ok(1), str::parse).context("the seed is a number")?;
    xtask::venv::run(&mut cargo(&["build", "--quiet", "--package", "evidenced-bench"]), "build the program")?;
    let target = target()?;
    let soak = Soak::new(target.join("debug/evidenced-bench"), target.join("soak"))?;
    let from: Timestamp = FROM.parse()?;
    let until = from.checked_add(SignedDuration::from_hours(WEEKS * 7 * 24))?;
    let (mut now, mut killed, mut ended) = (from, 0, 0);
    for start in 1.. {
        ensure!(start < MOST_STARTS, "{start} starts, and it is only {now}");
        let status = soak.live(now, until, Some(seed))?;
        now = soak.now()?.max(now);
        match (status.signal(), status.code()) {
            (Some(6), _) => killed += 1,
            (_, Some(0)) => ended += 1,
            _ => bail!("the daemon ended with {status} at {now}; see {}", soak.folder.join("log").display()),
        }
        if now >= until {
            break;
        }
        // Sometimes nobody is there for some hours.
        if start % 4 == 0 {
            now = now.checked_add(SignedDuration::from_mins(i64::from(start * 37 % 400)))?;
        }
    }
    soak.store_is_there()?;
    // Everything that waits is sent.
    let after = until.checked_add(SignedDuration::from_hours(3))?;
    let status = soak.live(until, after, None)?;
    ensure!(status.success(), "the last hours ended with {status}");
    let verified = soak.evidenced(&["verify"])?;
    let waiting = soak.evidenced(&["spool", "list", "--format", "json"])?;
    ensure!(waiting.trim().is_empty(), "something still waits: {waiting}");
    let log = soak.log()?;
    let told = log.account(from, until)?;
    let sealed = soak.sealed()?;
    let lost: Vec<&String> = sealed.difference(&log.runs).collect();
    ensure!(lost.is_empty(), "sealed, and not in the log: {lost:?}");
    println!("{WEEKS} weeks, killed {killed} times, ended {ended} times, seed {seed}");
    for (kind, count) in told {
        println!("  {kind:<24} {count:>6} slots");
    }
    println!("  {:<24} {:>6} runs, every one in the log", "sealed", sealed.len());
    println!("  {}", verified.lines().next().unwrap_or_default());
    println!("nothing is lost");
    Ok(())
}

/// One agent over a synthetic cloud and a folder.
struct Soak {
    program: PathBuf,
    folder: PathBuf,
}

impl Soak {
    fn new(program: PathBuf, folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder).context("clear the folder of the soak")?;
        }
        fs::create_dir_all(&folder)?;
        let kinds = workspace().join("tests/bench/kinds");
        let config = format!(
            "agent: {{ id: soak, state_dir: ./state, grace: 10s }}\ntargets: [{{ synthetic: {{ resources: 20 }} }}]\n\
             store: {{ url: ./evidence }}\nseal: {{ key: \"file:./key.pem\" }}\nchecks: {{ dirs: [{}] }}\n\
             schedules: [{{ name: hourly, cron: \"0 0 * * * *\", timezone: Europe/Berlin }}]\n\
             serve: {{ listen: \"127.0.0.1:0\" }}\n",
            kinds.display()
        );
        fs::write(folder.join("evidenced.yaml"), config).context("write the config")?;
        let soak = Self { program, folder };
        soak.evidenced(&["keygen", "key.pem"])?;
        Ok(soak)
    }

    /// The daemon from one moment until another, or until a misfortune.
    fn live(&self, from: Timestamp, until: Timestamp, seed: Option<u64>) -> Result<std::process::ExitStatus> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"))?;
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).args(["run", "--log-format", "json"]).stdin(Stdio::null());
        command.env("SIMULATED_FROM", from.to_string()).env("SIMULATED_UNTIL", until.to_string());
        if let Some(seed) = seed {
            command.env("SIMULATED_SEED", seed.to_string());
        }
        command.stdout(Stdio::null()).stderr(log).status().context("start the daemon")
    }

    fn now(&self) -> Result<Timestamp> {
        let text = fs::read_to_string(self.folder.join("now.txt")).context("read what time it is")?;
        Ok(text.trim().parse()?)
    }

    fn store_is_there(&self) -> Result<()> {
        let (store, elsewhere) = (self.folder.join("evidence/v1"), self.folder.join("elsewhere"));
        if elsewhere.is_dir() {
            fs::remove_file(&store).and_then(|()| fs::rename(elsewhere, store)).context("bring the store back")?;
        }
        Ok(())
    }

    fn evidenced(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.program).current_dir(&self.folder).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    /// The runs that the daemon said it had sealed.
    fn sealed(&self) -> Result<BTreeSet<String>> {
        let log = fs::read_to_string(self.folder.join("log"))?;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let sealed = lines.filter(|line| line["message"] == "a run is sealed");
        Ok(sealed.filter_map(|line| line["run"].as_str().map(str::to_owned)).collect())
    }

    fn log(&self) -> Result<Logged> {
        let mut logged = Logged::default();
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.join("evidence/v1/log/soak"))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        for file in files {
            logged.take(&file)?;
        }
        Ok(logged)
    }
}

/// What the log says.
#[derive(Default)]
struct Logged {
    runs: BTreeSet<String>,
    /// What is said of each slot.
    slots: BTreeMap<Timestamp, Vec<String>>,
}

impl Logged {
    fn take(&mut self, file: &Path) -> Result<()> {
        let envelope: Value = serde_json::from_slice(&fs::read(file)?)?;
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap_or_default())?;
        let statement: Value = serde_json::from_slice(&payload)?;
        let entry = &statement["predicate"];
        let kind = entry["kind"].as_str().unwrap_or_default().to_owned();
        if kind == "run" {
            let run = entry["run"].as_str().unwrap_or_default().to_owned();
            ensure!(self.runs.insert(run), "{} names a run for the second time", file.display());
        }
        let Some(due) = entry["slot"]["due"].as_str() else { return Ok(()) };
        let due: Timestamp = due.parse()?;
        // Many that were missed in a row are told together.
        let together = entry["reason"].as_str().and_then(|reason| {
            let (count, rest) = reason.split_once(" slots from this one until ")?;
            let _ = rest;
            count.parse::<i64>().ok()
        });
        for hour in 0..together.unwrap_or(1) {
            let slot = due.checked_add(SignedDuration::from_hours(hour))?;
            self.slots.entry(slot).or_default().push(kind.clone());
        }
        Ok(())
    }

    /// How many slots ended in which way; an error if one did not.
    fn account(&self, from: Timestamp, until: Timestamp) -> Result<BTreeMap<&'static str, u64>> {
        let mut told = BTreeMap::new();
        let first = from.as_second() - from.as_second().rem_euclid(3600) + 3600;
        for second in (first..=until.as_second()).step_by(3600) {
            let slot = Timestamp::from_second(second)?;
            let kinds = self.slots.get(&slot).with_context(|| format!("the slot {slot} is forgotten"))?;
            let has = |kind: &str| kinds.iter().any(|one| one == kind);
            let how = match (has("run"), has("missed"), has("skipped")) {
                (true, ..) => "run",
                (_, true, _) => "missed",
                (.., true) => "skipped",
                _ => bail!("the slot {slot} has no end: {kinds:?}"),
            };
            *told.entry(how).or_default() += 1;
            if has("late") {
                *told.entry("late among them").or_default() += 1;
            }
        }
        Ok(told)
    }
}
