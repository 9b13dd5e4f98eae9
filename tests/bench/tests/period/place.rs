//! A daemon's folder, with a script of what happens to its cloud.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

/// The first moment of the period: a Thursday.
pub(crate) const BEGIN: &str = "2026-01-01T00:00:00Z";

/// A moment: so many days, hours and minutes after the beginning.
pub(crate) fn at(days: i64, hours: i64, minutes: i64) -> Timestamp {
    let begin: Timestamp = BEGIN.parse().unwrap();
    begin + SignedDuration::from_mins((days * 24 + hours) * 60 + minutes)
}

/// The hour that a moment of a report is in: a run of a full hour ends some milliseconds after it.
pub(crate) fn hour(moment: &Value) -> Timestamp {
    let moment: Timestamp = moment.as_str().unwrap_or_else(|| panic!("{moment} is no moment")).parse().unwrap();
    Timestamp::from_second(moment.as_second() / 3600 * 3600).unwrap()
}

/// A daemon's folder.
pub(crate) struct Place {
    folder: TempDir,
    config: String,
}

impl Place {
    /// With so many things, and more in the config.
    pub(crate) fn new(things: u64, more: &str) -> Self {
        let folder = TempDir::with_prefix("evidenced-").unwrap();
        let config = format!(
            "agent: {{ id: test, state_dir: ./state }}\nstore: {{ url: ./evidence }}\nseal: {{ key: \"file:./key.pem\" }}\n\
             targets: [{{ synthetic: {{ resources: {things}, script: ./script.json }} }}]\nserve: {{ listen: \"127.0.0.1:0\" }}\n\
             schedules: [{{ name: hourly, cron: \"0 0 * * * *\", jitter: 0s }}]\n{more}"
        );
        let place = Self { folder, config };
        place.script(&Value::Array(Vec::new()));
        std::fs::create_dir(place.path("kinds")).unwrap();
        place.configure("checks: { dirs: [./kinds] }\n");
        let kind = Path::new(env!("CARGO_MANIFEST_DIR")).join("kinds/synthetic.store.thing.yaml");
        place.kind(&std::fs::read_to_string(kind).unwrap());
        place.run(&["keygen", "key.pem"], &[]);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The config, with these lines.
    pub(crate) fn configure(&self, more: &str) {
        std::fs::write(self.path("evidenced.yaml"), format!("{}{more}", self.config)).unwrap();
    }

    /// The kind with its checks.
    pub(crate) fn kind(&self, text: &str) {
        std::fs::write(self.path("kinds/synthetic.store.thing.yaml"), text).unwrap();
    }

    /// What happens to the cloud.
    pub(crate) fn script(&self, steps: &Value) {
        std::fs::write(self.path("script.json"), steps.to_string()).unwrap();
    }

    /// What a command does.
    pub(crate) fn output(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evidenced-bench"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().envs(environment.iter().copied());
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// A command that has to succeed; what it prints.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Vec<u8> {
        let done = self.output(arguments, environment);
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    /// The daemon lives from one moment until another; `false` if it died.
    pub(crate) fn live(&self, from: Timestamp, until: Timestamp) -> bool {
        let (from, until) = (from.to_string(), until.to_string());
        let done = self.output(&["run", "-q"], &[("SIMULATED_FROM", &from), ("SIMULATED_UNTIL", &until)]);
        let died = done.status.code().is_none();
        assert!(died || done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        !died
    }

    /// The store is there, or is not: a file stands in the place of its folder.
    pub(crate) fn set_store(&self, there: bool) {
        let (store, elsewhere) = (self.path("evidence/v1"), self.path("elsewhere"));
        if there {
            std::fs::remove_file(&store).unwrap();
            std::fs::rename(elsewhere, store).unwrap();
        } else {
            std::fs::rename(&store, elsewhere).unwrap();
            std::fs::write(store, "").unwrap();
        }
    }

    /// The report of a period, as JSON.
    #[track_caller]
    pub(crate) fn period(&self, from: Timestamp, to: Timestamp, more: &[&str]) -> Value {
        let (from, to) = (from.to_string(), to.to_string());
        let arguments = [&["report", "--format", "json", "--from", &from, "--to", &to], more].concat();
        serde_json::from_slice(&self.run(&arguments, &[])).unwrap()
    }
}

/// The control of a catalogue, by number.
#[track_caller]
pub(crate) fn control<'p>(period: &'p Value, number: &str) -> &'p Value {
    let catalogs = period["catalogs"].as_array().unwrap();
    let catalog = catalogs.iter().find(|catalog| catalog["id"] == "iso27001-2022").unwrap();
    catalog["controls"].as_array().unwrap().iter().find(|control| control["control"] == number).unwrap()
}

/// The standings of a control in the cloud made of numbers: standing, from, until, in hours.
#[track_caller]
pub(crate) fn spans(period: &Value, number: &str) -> Vec<(String, Timestamp, Timestamp)> {
    let spans = control(period, number)["clouds"]["synthetic"]["spans"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    spans.iter().map(|span| (text(&span["standing"]), hour(&span["from"]), hour(&span["until"]))).collect()
}
