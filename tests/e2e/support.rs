//! What end-to-end tests share: the emulator, a folder with a config, the program and what came of it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use evidenced_replay::World;
use serde_json::Value;
use tempfile::TempDir;
use xtask::venv::Venv;
use xtask::{Dsse, Moto, Proxy};

/// Where cargo builds, and test peers stand.
pub(crate) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The Python environment with the emulator in it.
pub(crate) fn moto_venv() -> Venv {
    Venv::ensure(target(), "moto").unwrap()
}

/// An emulator with nothing in it.
pub(crate) fn empty_moto() -> Moto {
    Moto::start(&moto_venv()).unwrap()
}

/// An emulator with the small company of the demo in it.
pub(crate) fn company() -> Moto {
    let moto = empty_moto();
    moto.seed("seed_company.py", &[]).unwrap();
    moto
}

/// A proxy before an emulator.
pub(crate) fn proxy(moto: &Moto) -> Proxy {
    Proxy::start(&moto_venv(), moto.port()).unwrap()
}

/// Somebody else's DSSE implementation.
pub(crate) fn dsse() -> Dsse {
    Dsse::new(Venv::ensure(target(), "dsse").unwrap())
}

/// The tenant of every world of Azure.
pub(crate) const AZURE_TENANT: &str = "00000000-0000-0000-0000-0000000000ff";

/// A tenant of Azure with two subscriptions.
pub(crate) fn azure_world() -> World {
    World::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay/azure"), "world")
}

/// One agent: a folder with its config, state and store.
pub(crate) struct Agent {
    folder: TempDir,
    credentials: Option<(String, String)>,
    azure: bool,
}

impl Agent {
    /// An agent that reads one region of an endpoint.
    pub(crate) fn new(endpoint: &str) -> Self {
        Self::with_config(&format!(
            "agent:\n  id: test\n  state_dir: ./state\n\
             targets:\n  - aws:\n      regions: [eu-central-1]\n      endpoint_url: {endpoint}\n\
             store:\n  url: ./evidence\n"
        ))
    }

    /// An agent with this config.
    pub(crate) fn with_config(config: &str) -> Self {
        let folder = TempDir::with_prefix("evidenced-").unwrap();
        std::fs::write(folder.path().join("evidenced.yaml"), config).unwrap();
        let credentials = Some(("AKIAEXAMPLEEXAMPLE00".to_owned(), "not-a-secret".to_owned()));
        Self { folder, credentials, azure: false }
    }

    /// The same with an application's secret for Azure, which only a test server takes.
    #[must_use]
    pub(crate) fn with_azure(self) -> Self {
        Self { azure: true, ..self }
    }

    /// The same with these credentials, or none at all.
    #[must_use]
    pub(crate) fn signed_in_as(self, credentials: Option<(String, String)>) -> Self {
        Self { credentials, ..self }
    }

    /// Its folder, which is also where it runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder().join("evidence")
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.command(arguments).output().unwrap().into()
    }

    /// Starts a command.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A command with nothing of this machine's environment but what it needs.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evidenced"));
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("HOME", self.folder())
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "eu-central-1")
            .stdin(Stdio::null());
        if let Some((id, secret)) = &self.credentials {
            command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
        }
        if self.azure {
            command
                .env("AZURE_TENANT_ID", AZURE_TENANT)
                .env("AZURE_CLIENT_ID", "00000000-0000-0000-0000-0000000000aa")
                .env("AZURE_CLIENT_SECRET", "not-a-secret");
        }
        command
    }

    /// The findings of the newest run.
    pub(crate) fn findings(&self) -> Vec<Value> {
        self.run(&["findings"]).expect(0).lines()
    }

    /// Every file under its store: path relative to the store, and size.
    pub(crate) fn files(&self) -> Vec<(String, u64)> {
        let mut files = Vec::new();
        walk(&self.store(), &mut |path, size| {
            files.push((path.strip_prefix(self.store()).unwrap().display().to_string(), size));
        });
        files.sort();
        files
    }
}

/// Visits every file under a folder.
pub(crate) fn walk(folder: &Path, visit: &mut impl FnMut(&Path, u64)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), visit);
        } else {
            visit(&entry.path(), entry.metadata().unwrap().len());
        }
    }
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }
}

impl Done {
    /// The same, which must have ended with this exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Its standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {}", self.stdout))
    }

    /// Its standard output as JSON lines.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// Every stored object, decompressed with the system's zstd, by path.
pub(crate) fn contents(store: &Path) -> Vec<(String, Vec<u8>)> {
    let mut contents = Vec::new();
    walk(store, &mut |path, _| {
        let bytes = if path.extension().is_some_and(|extension| extension == "zst") {
            let output = Command::new("zstd").args(["-dcq"]).arg(path).output().expect("zstd runs");
            assert!(output.status.success(), "{} is not zstd", path.display());
            output.stdout
        } else {
            std::fs::read(path).unwrap()
        };
        contents.push((path.display().to_string(), bytes));
    });
    contents
}

/// The newest run's signed statement: its path, and its payload.
pub(crate) fn newest_statement(store: &Path) -> (PathBuf, Value) {
    let mut newest = None;
    walk(&store.join("v1/runs"), &mut |path, _| {
        if path.ends_with("run.dsse.json") && newest.as_deref().is_none_or(|known| known < path) {
            newest = Some(path.to_owned());
        }
    });
    let path = newest.expect("a run was sealed");
    let payload = Command::new("jq").args(["-r", ".payload | @base64d"]).arg(&path).output().expect("jq runs");
    (path, serde_json::from_slice(&payload.stdout).unwrap())
}
