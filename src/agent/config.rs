//! The configuration: a file, the environment over it, defaults under it; every error names file, line and remedy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use evidenced_check::SettingsError;
use evidenced_kit::{Cloud, Mine};
use evidenced_model::{AgentId, CatalogId, CheckId, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bytes::ByteSize;
use crate::declared::IsmsFile;
use crate::exit::{Ended, Exit};
use crate::locate;
use crate::scheduling::ScheduleConfig;
use crate::sealing::SealConfig;
use crate::serving::ServeConfig;
use crate::shard::Shard;
use crate::span::Span;
use crate::storing::StoreConfig;
use crate::telling::NotifyConfig;

/// Where a config is looked for when none is named.
pub(crate) const DEFAULT_PATHS: [&str; 2] = ["evidenced.yaml", "/etc/evidenced/evidenced.yaml"];

const PREFIX: &str = "EVIDENCED_";

/// The whole configuration.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The agent: one id, one key history, one log.
    pub agent: AgentConfig,
    /// What to read: one entry for each cloud, e.g. `- aws: { regions: [eu-west-1] }`. Nothing: the cloud whose
    /// ambient credentials are found.
    pub targets: Vec<BTreeMap<String, Value>>,
    /// Where evidence goes.
    pub store: StoreConfig,
    /// How evidence is signed.
    pub seal: SealConfig,
    /// When the daemon reads what. Nothing: everything, every hour.
    pub schedules: Vec<ScheduleConfig>,
    /// The daemon's endpoint.
    pub serve: ServeConfig,
    /// Whom the daemon tells of changes.
    pub notify: Vec<NotifyConfig>,
    /// The catalogues to report on; nothing: all that are not provisional.
    #[schemars(with = "Vec<String>")]
    pub frameworks: Vec<CatalogId>,
    /// Checks: directories of your own, parameters, and what is off.
    pub checks: ChecksConfig,
    /// What you declare: applicability of controls, waivers, scopes, allow-lists, owners; relative to this file.
    pub isms: Option<PathBuf>,
    /// How fast and how widely clouds are called.
    pub limits: LimitsConfig,
    /// `needed` reads what an enabled check asks for; `all` reads every field of every kind.
    pub collect: CollectConfig,
}

/// The agent.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// Its name: lower-case letters, digits and hyphens.
    #[schemars(with = "String")]
    pub id: AgentId,
    /// Where it keeps its key and what is under way. Default: `./evidenced-state`.
    pub state_dir: PathBuf,
    /// How long the daemon may take to end after SIGTERM. Default: 25s.
    #[schemars(with = "String")]
    pub grace: Span,
    /// What becomes of a run that is under way then.
    pub on_stop: OnStop,
}

/// What becomes of a run when the daemon is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStop {
    /// What was read is sealed, the rest is a gap; if there is no time even for that, the run is given up.
    #[default]
    Seal,
    /// It is given up, and the log says so.
    Abandon,
}

impl Default for AgentConfig {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant")]
        let id = AgentId::parse("evidenced").expect("a constant");
        Self { id, state_dir: PathBuf::from("evidenced-state"), grace: Span::from_secs(25), on_stop: OnStop::Seal }
    }
}

/// Checks.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChecksConfig {
    /// Folders with kind files of your own.
    pub dirs: Vec<PathBuf>,
    /// Parameters over their defaults, e.g. `max_key_age_days: 60`; declarations, e.g. `log_buckets: [logs]`.
    pub params: BTreeMap<String, Value>,
    /// Checks that are off.
    #[schemars(with = "Vec<String>")]
    pub disable: BTreeSet<CheckId>,
    /// The least severity of a fail that contradicts a control.
    #[schemars(with = "String")]
    pub contradict_from: ContradictFrom,
}

/// The least severity of a fail that contradicts a control; never `info`.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ContradictFrom(pub Severity);

impl Default for ContradictFrom {
    fn default() -> Self {
        Self(Severity::Low)
    }
}

/// How fast and how widely clouds are called.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Calls under way at once.
    pub concurrency: usize,
    /// Calls a second by service, for each account and region, e.g. `aws.iam: 10`.
    pub calls_per_second: BTreeMap<String, u32>,
    /// The most that may wait for the store on this disk, with what is under way, e.g. `10GiB`; a full spool stops new
    /// runs and drops no old one.
    #[schemars(with = "String")]
    pub spool_bytes: ByteSize,
    /// The longest one attempt of a call may take, in seconds.
    pub call_timeout_seconds: u64,
    /// The longest one collector may take in one place, in seconds.
    pub collector_timeout_seconds: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            concurrency: 32,
            calls_per_second: BTreeMap::new(),
            spool_bytes: ByteSize(10 << 30),
            call_timeout_seconds: 30,
            collector_timeout_seconds: 3000,
        }
    }
}

/// How much is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CollectConfig {
    /// What an enabled check asks for, and what comes with it for nothing.
    #[default]
    Needed,
    /// Every field of every kind.
    All,
}

/// A config as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The values.
    pub(crate) config: Config,
    /// The file, if there was one.
    pub(crate) path: Option<PathBuf>,
    /// Which accounts are this agent's, if it shares them with others. Its id says so too.
    pub(crate) shard: Option<Shard>,
    /// What the organisation declares, if the config names a file.
    pub(crate) isms: Option<IsmsFile>,
    text: String,
}

impl Loaded {
    /// Loads the named file, or the first default that exists, or the built-in defaults; then the environment.
    pub(crate) fn load(
        named: Option<&Path>,
        environment: &[(String, String)],
        clouds: &[Box<dyn Cloud>],
    ) -> Result<Self, Ended> {
        let found = match named {
            Some(path) => Some(path.to_owned()),
            None => DEFAULT_PATHS.iter().map(PathBuf::from).find(|path| path.exists()),
        };
        let text = match &found {
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                let hint = "name another file with -c, or write one with `evidenced config init`";
                usage(format!("{}: cannot be read: {error}; {hint}", path.display()))
            })?,
            None => String::new(),
        };
        let mut loaded = Self { config: Config::default(), path: found, shard: None, isms: None, text };
        if !loaded.text.trim().is_empty() {
            loaded.config = serde_saphyr::from_str(&loaded.text).map_err(|error| loaded.syntax(&error))?;
        }
        loaded.override_from(environment)?;
        loaded.check(clouds)?;
        loaded.isms = IsmsFile::read(&loaded)?;
        loaded.sharded(Shard::from_environment(environment)?)
    }

    /// The same for one of several agents that share the accounts; `None` changes nothing.
    pub(crate) fn sharded(mut self, shard: Option<Shard>) -> Result<Self, Ended> {
        if let (Some(shard), None) = (shard, self.shard) {
            self.config.agent.id = shard.agent(&self.config.agent.id)?;
            self.shard = Some(shard);
        }
        Ok(self)
    }

    /// Which accounts are this agent's.
    pub(crate) fn mine(&self) -> Mine {
        self.shard.map_or_else(Mine::default, Shard::mine)
    }

    /// Whether another config says the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let said = |loaded: &Self| serde_json::to_value(&loaded.config).ok();
        said(self) == said(other) && self.isms == other.isms
    }

    /// Whether it chooses checks, parameters or catalogues of its own, which could be wrong.
    pub(crate) fn chooses_rules(&self) -> bool {
        let said = |checks: &ChecksConfig| serde_json::to_value(checks).ok();
        !self.config.frameworks.is_empty()
            || self.isms.is_some()
            || said(&self.config.checks) != said(&ChecksConfig::default())
    }

    /// The schedules, or the one that stands for none.
    pub(crate) fn schedules(&self) -> Vec<ScheduleConfig> {
        if self.config.schedules.is_empty() { vec![ScheduleConfig::hourly()] } else { self.config.schedules.clone() }
    }

    /// An error about a member of the config, with file and line.
    pub(crate) fn wrong(&self, path: &[&str], message: &str) -> Ended {
        let member = path.join(".");
        let Some(file) = &self.path else { return usage(format!("config: {member}: {message}")) };
        match locate::line(&self.text, path) {
            Some(line) => usage(format!("{}:{line}: {member}: {message}", file.display())),
            None => usage(format!("{}: {member}: {message}", file.display())),
        }
    }

    /// An error about what the config says of checks.
    pub(crate) fn wrong_checks(&self, error: &SettingsError) -> Ended {
        let path = match error {
            SettingsError::UnknownParam { name, .. } | SettingsError::ParamType { name, .. } => {
                vec!["checks", "params", name]
            }
            SettingsError::UnknownCheck { .. } => vec!["checks", "disable"],
            SettingsError::Functions(_) => vec!["checks"],
        };
        self.wrong(&path, &error.to_string())
    }

    fn syntax(&self, error: &serde_saphyr::Error) -> Ended {
        let file = self.path.as_deref().map(Path::display).map_or_else(|| "config".to_owned(), |path| path.to_string());
        let place = error.location().map_or_else(String::new, |place| format!(":{}:{}", place.line(), place.column()));
        let text = error.without_snippet().to_string();
        let text = text.split(" at line ").next().unwrap_or(&text).trim();
        let line = error.location().and_then(|place| self.text.lines().nth(usize::try_from(place.line()).ok()? - 1));
        let near = line.map_or_else(String::new, |line| format!(", in `{}`", line.trim()));
        usage(format!("{file}{place}: {text}{near}{}", suggestion(text)))
    }

    fn override_from(&mut self, environment: &[(String, String)]) -> Result<(), Ended> {
        let mut tree = serde_json::to_value(&self.config).unwrap_or_default();
        let mut touched = false;
        for (name, text) in environment {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            if path.len() == 1 && tree.get(&path[0]).is_none() {
                // Not a section: another variable of ours.
                continue;
            }
            let with = |value: Value| {
                let mut tried = tree.clone();
                set(&mut tried, &path, value);
                serde_json::from_value::<Config>(tried.clone()).map(|_| tried)
            };
            // A number, a list or a truth value as YAML would read it; anything else is text, and so is a number where
            // a name belongs.
            let plain = Value::String(text.clone());
            let value: Value = serde_saphyr::from_str(text).unwrap_or_else(|_| plain.clone());
            tree = with(value).or_else(|error| with(plain).map_err(|_| error)).map_err(|error| {
                let message = error.to_string();
                usage(format!("environment variable {name}: {message}{}", suggestion(&message)))
            })?;
            touched = true;
        }
        if touched {
            self.config = serde_json::from_value(tree).map_err(|error| usage(error.to_string()))?;
        }
        Ok(())
    }

    fn check(&self, clouds: &[Box<dyn Cloud>]) -> Result<(), Ended> {
        for (index, target) in self.config.targets.iter().enumerate() {
            let index = index.to_string();
            let [(name, body)] = &target.iter().collect::<Vec<_>>()[..] else {
                return Err(self.wrong(&["targets", &index], "expected one cloud, e.g. `- aws: {}`"));
            };
            let Some(cloud) = clouds.iter().find(|cloud| cloud.provider().as_str() == name.as_str()) else {
                let known: Vec<String> = clouds.iter().map(|cloud| cloud.provider().to_string()).collect();
                let message = format!("there is no cloud {name:?}; known: {}", known.join(", "));
                return Err(self.wrong(&["targets", &index, name], &message));
            };
            cloud.check(body).map_err(|error| {
                let mut path = vec!["targets", &index, name];
                path.extend(error.path.iter().map(String::as_str));
                self.wrong(&path, &format!("{}{}", error.message, suggestion(&error.message)))
            })?;
        }
        if self.config.limits.concurrency == 0 {
            return Err(self.wrong(&["limits", "concurrency"], "at least 1"));
        }
        if let Some((service, _)) = self.config.limits.calls_per_second.iter().find(|(_, rate)| **rate == 0) {
            return Err(self.wrong(&["limits", "calls_per_second", service], "at least 1"));
        }
        self.check_schedules(clouds)?;
        self.config.serve.check().map_err(|(member, message)| self.wrong(&["serve", member], &message))?;
        for (index, target) in self.config.notify.iter().enumerate() {
            let wrong =
                |(member, message): (&str, String)| self.wrong(&["notify", &index.to_string(), member], &message);
            target.check().map_err(wrong)?;
        }
        self.config.seal.check().map_err(|(path, message)| self.wrong(&path, &message))?;
        self.config.store.check().map_err(|(member, message)| self.wrong(&member, &message))
    }
}

impl Loaded {
    fn check_schedules(&self, clouds: &[Box<dyn Cloud>]) -> Result<(), Ended> {
        let known: Vec<&str> = clouds.iter().flat_map(|cloud| cloud.manifests()).map(|manifest| manifest.id).collect();
        let mut names = BTreeSet::new();
        for (index, schedule) in self.config.schedules.iter().enumerate() {
            let index = index.to_string();
            let wrong = |member: &str, message: &str| self.wrong(&["schedules", &index, member], message);
            schedule.check().map_err(|(member, message)| wrong(member, &message))?;
            if !names.insert(&schedule.name) {
                return Err(wrong("name", &format!("there are two schedules {:?}", schedule.name)));
            }
            let nobody = |glob: &&String| !known.iter().any(|id| evidenced_model::glob(glob, id));
            if let Some(glob) = schedule.collectors.iter().find(nobody) {
                let message = format!("there is no collector {glob:?}; known: {}", known.join(", "));
                return Err(wrong("collectors", &message));
            }
        }
        Ok(())
    }
}

/// A config's text as it was understood, as JSON with every default; or what is wrong with it. For tests from outside.
pub fn normalised(text: &str) -> Result<String, String> {
    let config: Config = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    // Where errors would be looked for.
    let _ = locate::line(text, &["targets", "0", "aws", "regions"]);
    serde_json::to_string(&config).map_err(|error| error.to_string())
}

/// The variables of the environment that override the config; the one place where it is read.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with(PREFIX) || name == "JOB_COMPLETION_INDEX").collect()
}

fn set(tree: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *tree = value;
        return;
    };
    if let Value::Array(items) = tree
        && let Ok(index) = first.parse::<usize>()
        && index <= items.len()
    {
        if index == items.len() {
            items.push(Value::Null);
        }
        return set(&mut items[index], rest, value);
    }
    if !tree.is_object() {
        *tree = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(map) = tree {
        set(map.entry(first.clone()).or_insert(Value::Null), rest, value);
    }
}

fn usage(message: String) -> Ended {
    Ended::new(Exit::Usage, message)
}

/// For "unknown field x, expected one of a, b": the nearest of what was expected.
fn suggestion(message: &str) -> String {
    let bare = |word: &str| word.trim_matches(['`', '"', '\'', ' ']).to_owned();
    let after = |mark: &str| message.split_once(mark).map(|(_, rest)| rest);
    let unknown = after("unknown field ").or_else(|| after("unknown variant "));
    let Some((unknown, rest)) = unknown.and_then(|rest| rest.split_once(", expected ")) else { return String::new() };
    let expected = rest.strip_prefix("one of ").unwrap_or(rest);
    let unknown = bare(unknown);
    expected
        .split([',', ' '])
        .map(bare)
        .filter(|known| !known.is_empty())
        .map(|known| (strsim::damerau_levenshtein(&unknown, &known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3)
        .min()
        .map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evidenced.yaml");
        std::fs::write(&path, text).unwrap();
        let environment: Vec<_> = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Loaded::load(Some(&path), &environment, &[]).map_err(|ended| {
            assert_eq!(ended.exit, Exit::Usage);
            ended.message.replace(&format!("{}/", folder.path().display()), "")
        })
    }

    #[test]
    fn an_empty_config_is_the_default() {
        assert_eq!(load("", &[]).unwrap().config.agent.id.as_str(), "evidenced");
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let loaded = load("agent: { id: file }\n", &[("EVIDENCED_AGENT__ID", "prod-eu")]).unwrap();
        assert_eq!(loaded.config.agent.id.as_str(), "prod-eu");
        let loaded = load("", &[("EVIDENCED_FRAMEWORKS", "[iso27001-2022]"), ("EVIDENCED_AGENT__ID", "123")]).unwrap();
        assert_eq!((loaded.config.frameworks.len(), loaded.config.agent.id.as_str()), (1, "123"));
        assert!(load("", &[("EVIDENCED_SCHEDULES__0__NAME", "a")]).unwrap_err().contains("cron"));
        let loaded = load("", &[("EVIDENCED_SCHEDULES", "[{name: b, cron: '@daily'}]")]).unwrap();
        assert_eq!(loaded.config.schedules[0].name, "b");
        let loaded = load("", &[("EVIDENCED_LIMITS__CONCURRENCY", "7"), ("EVIDENCED_TOKEN", "x")]).unwrap();
        assert_eq!(loaded.config.limits.concurrency, 7);
    }

    #[test]
    fn errors_name_file_line_and_remedy() {
        for (text, parts) in [
            ("stor: {}\n", ["evidenced.yaml:1", "unknown field", "did you mean `store`?"]),
            ("agent:\n  id: A B\n", ["evidenced.yaml:2", "agent id", "lower-case"]),
            ("limits:\n  concurrency: lots\n", ["evidenced.yaml:2", "invalid", "concurrency: lots"]),
            ("\nlimits:\n  concurrency: 0\n", ["evidenced.yaml:3", "limits.concurrency", "at least 1"]),
            ("store:\n  url: ftp://x\n", ["evidenced.yaml:2", "store.url", "s3://bucket/prefix"]),
            ("store:\n  url: s3://a b\n", ["evidenced.yaml:2", "store.url", "bucket"]),
            (
                "store:\n  url: ./x\n  retention: { mode: compliance, days: 9 }\n",
                ["evidenced.yaml:3", "store.retention", "cannot lock"],
            ),
            (
                "store:\n  url: ./x\n  retention:\n    mode: complianc\n    days: 9\n",
                ["evidenced.yaml:4", "unknown variant", "did you mean `compliance`?"],
            ),
            ("store:\n  url: ./x\n  kms_key: k\n", ["evidenced.yaml:3", "store.kms_key", "leave it out"]),
            ("seal:\n  key: vault:x\n", ["evidenced.yaml:2", "seal.key", "file:"]),
            ("seal:\n  key: awskms:a b\n", ["evidenced.yaml:2", "seal.key", "alias/NAME"]),
            (
                "seal:\n  timestamp:\n    required: true\n",
                ["evidenced.yaml:3", "seal.timestamp.required", "seal.timestamp.urls"],
            ),
            ("targets:\n  - mars: {}\n", ["evidenced.yaml:2", "no cloud", "mars"]),
        ] {
            let message = load(text, &[]).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{text:?}: {message}");
            }
        }
        let message = load("", &[("EVIDENCED_LIMITS__CONCURENCY", "7")]).unwrap_err();
        assert!(
            message.contains("EVIDENCED_LIMITS__CONCURENCY") && message.contains("did you mean `concurrency`?"),
            "{message}"
        );
    }
}
