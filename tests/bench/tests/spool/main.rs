//! The whole program over a synthetic cloud, with a store that comes and goes, and with others of the same id.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a config, a key and a store; several agents of one id may work there.
struct Place {
    folder: TempDir,
}

struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::with_prefix("evidenced-").unwrap();
        let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("kinds");
        let config = format!(
            "agent: {{ id: test, state_dir: ./state }}\ntargets: [{{ synthetic: {{ resources: 200 }} }}]\n\
             store: {{ url: ./evidence }}\nseal: {{ key: \"file:./key.pem\" }}\nchecks: {{ dirs: [{}] }}\n",
            kinds.display()
        );
        std::fs::write(folder.path().join("evidenced.yaml"), config).unwrap();
        let place = Self { folder };
        place.run(&["keygen", "key.pem"]).expect(0);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evidenced-bench"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.command(arguments).output().unwrap().into()
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
        self.command(arguments).envs(variables.iter().copied()).output().unwrap().into()
    }

    /// A file stands in the place of a folder, so that nothing can be stored for now.
    fn store_goes(&self) {
        std::fs::create_dir_all(self.path("evidence")).unwrap();
        if self.path("evidence/v1").exists() {
            std::fs::rename(self.path("evidence/v1"), self.path("elsewhere")).unwrap();
        }
        std::fs::write(self.path("evidence/v1"), "").unwrap();
    }

    fn store_comes_back(&self) {
        std::fs::remove_file(self.path("evidence/v1")).unwrap();
        if self.path("elsewhere").exists() {
            std::fs::rename(self.path("elsewhere"), self.path("evidence/v1")).unwrap();
        }
    }

    fn waiting(&self) -> Vec<Value> {
        let listed = self.run(&["spool", "list", "--format", "json"]).expect(0);
        listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn logged(&self) -> usize {
        std::fs::read_dir(self.path("evidence/v1/log/test")).unwrap().count()
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Done {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }
}

#[test]
fn what_cannot_be_stored_waits_and_is_sent_later() {
    let place = Place::new();
    place.run(&["collect", "-q"]).expect(0);
    place.store_goes();
    let first = place.run(&["collect", "-q", "--format", "json"]).expect(4);
    assert!(first.stderr.contains("spool push"), "{}", first.stderr);
    let first = first.json();
    assert_eq!(first["head"], Value::Null);
    assert_eq!(first["totals"]["resources"], 200);
    let second = place.run(&["collect", "-q", "--format", "json"]).expect(4).json();

    let waiting = place.waiting();
    assert_eq!(waiting.len(), 2);
    for (waits, collected) in waiting.iter().zip([&first, &second]) {
        assert_eq!(waits["run"], collected["run"]);
        assert_eq!(waits["state"], "sealed");
        assert!(waits["bytes"].as_u64().unwrap() > 0 && waits["sealed_at"].is_string());
    }
    assert!(place.run(&["spool", "list"]).expect(0).stdout.contains(first["run"].as_str().unwrap()));
    let kept = place.run(&["spool", "push", "--format", "json"]).expect(4).json();
    assert_eq!(kept["left"]["runs"], 2);
    assert!(kept["error"].is_string());

    place.store_comes_back();
    let sent = place.run(&["spool", "push", "--format", "json"]).expect(0).json();
    assert_eq!(sent["sent"].as_array().unwrap().len(), 2, "{sent}");
    assert_eq!(sent["sent"][0]["run"], first["run"], "in their order");
    assert_eq!(place.waiting(), Vec::<Value>::new());
    place.run(&["verify", "--re-evaluate"]).expect(0);
    assert_eq!(place.logged(), 7);
    // A run sends what waits before it.
    place.store_goes();
    place.run(&["collect", "-q"]).expect(4);
    place.store_comes_back();
    place.run(&["collect", "-q"]).expect(0);
    place.run(&["verify"]).expect(0);
    assert_eq!(place.logged(), 11);
}

#[test]
fn a_full_spool_stops_new_runs_and_says_so() {
    let place = Place::new();
    let small = [("EVIDENCED_LIMITS__SPOOL_BYTES", "2KiB")];
    // Not even one run fits: it begins, and is given up.
    let stopped = place.run_with(&["collect", "-q"], &small).expect(4);
    assert!(stopped.stderr.contains("limits.spool_bytes"), "{}", stopped.stderr);
    place.store_goes();
    place.run(&["collect", "-q"]).expect(4);
    let skipped = place.run_with(&["collect", "-q"], &small).expect(4);
    assert!(skipped.stderr.contains("left out"), "{}", skipped.stderr);
    assert_eq!(place.waiting().len(), 1, "the old one is kept");
    place.store_comes_back();
    // What waits is sent first, and makes room.
    place.run(&["collect", "-q"]).expect(0);
    place.run(&["verify"]).expect(0);
    // Genesis; started, abandoned; started, run; skipped; started, run.
    assert_eq!(place.logged(), 8);
    let wrong = place.run_with(&["collect"], &[("EVIDENCED_LIMITS__SPOOL_BYTES", "10 gigs")]).expect(2);
    assert!(wrong.stderr.contains("10GiB"), "{}", wrong.stderr);
}

#[test]
fn agents_of_one_id_neither_fork_the_log_nor_lose_a_run() {
    let place = Place::new();
    let mut runs = Vec::new();
    let mut left_out = 0;
    for _ in 0..3 {
        let started: Vec<_> = ["a", "b", "c"]
            .map(|state| {
                let mut command = place.command(&["collect", "-q", "--format", "json"]);
                command.env("EVIDENCED_AGENT__STATE_DIR", format!("./state-{state}"));
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .into();
        for child in started {
            let done = Done::from(child.wait_with_output().unwrap()).expect(0);
            if done.stdout.is_empty() {
                assert!(done.stderr.contains("holds the lease"), "{}", done.stderr);
                left_out += 1;
            } else {
                runs.push(done.json());
            }
        }
    }
    assert!(runs.len() >= 3 && runs.len() + left_out == 9, "{} runs, {left_out} left out", runs.len());
    place.run(&["verify"]).expect(0);
    let mut heads: Vec<u64> = runs.iter().map(|run| run["head"]["index"].as_u64().unwrap()).collect();
    heads.sort_unstable();
    heads.dedup();
    assert_eq!(heads.len(), runs.len(), "each has an entry of its own");
    // One after another all of them work.
    for state in ["a", "b"] {
        let state = format!("./state-{state}");
        let done = place.run_with(&["collect", "-q", "--format", "json"], &[("EVIDENCED_AGENT__STATE_DIR", &state)]);
        assert!(done.expect(0).json()["head"].is_object());
    }
    assert_eq!(place.logged(), 1 + 2 * (runs.len() + 2) + left_out);
    place.run(&["verify"]).expect(0);
}
