//! What is declared in `isms.yaml`, through the whole program: logged, sealed, applied, judged again, shown.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evidenced_model::{Archive, FixedClock};
use evidenced_seal::log::{EntryKind, LogEntry};
use evidenced_seal::{Log, PublicKey, PublicKeys};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

/// An agent's folder.
struct Place(TempDir);

const WAIVER: &str = "organisation: Example Ltd
applicability:
  iso27001-2022:
    A.7.4: { applies: no, why: \"=No rooms of our own\" }
    A.8.13: { applies: yes, owner: Operations }
approvers: [{ name: Ada, until: 2026-01-31 }]
waivers:
  - id: W-1
    checks: [synthetic.store.versioned]
    approved_by: Ada
    reason: It is moved
    from: 2026-01-01
    expires: 2026-01-02
    resources: { tags: { cost-centre: cc-0 }, accounts: ['123456789012'] }
";

impl Place {
    fn new() -> Self {
        let folder = TempDir::with_prefix("evidenced-").unwrap();
        let place = Self(folder);
        place.configure("");
        place.run(&["keygen", "key.pem"], &[]);
        place
    }

    fn configure(&self, more: &str) {
        let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("kinds");
        let config = format!(
            "agent: {{ id: test, state_dir: ./state }}\ntargets: [{{ synthetic: {{ resources: 5 }} }}]\n\
             store: {{ url: ./evidence }}\nseal: {{ key: \"file:./key.pem\" }}\nchecks: {{ dirs: [{}] }}\n\
             schedules: [{{ name: hourly, cron: \"0 0 * * * *\" }}]\nserve: {{ listen: \"127.0.0.1:0\" }}\n{more}",
            kinds.display()
        );
        std::fs::write(self.path("evidenced.yaml"), config).unwrap();
    }

    fn declare(&self, text: &str) {
        std::fs::write(self.path("isms.yaml"), text).unwrap();
        self.configure("isms: ./isms.yaml\n");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn done(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evidenced-bench"));
        command.args(arguments).current_dir(self.0.path()).env_clear().envs(environment.iter().copied());
        let done = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let (code, out, error) = self.done(arguments, environment);
        assert_eq!(code, Some(0), "{arguments:?}: {error}{out}");
        out
    }

    /// The daemon lives for so many hours.
    #[track_caller]
    fn live(&self, from: Timestamp, hours: i64) -> Timestamp {
        let until = from + SignedDuration::from_hours(hours);
        let (from, end) = (from.to_string(), until.to_string());
        self.run(&["run", "-q"], &[("SIMULATED_FROM", &from), ("SIMULATED_UNTIL", &end)]);
        until
    }

    fn log(&self) -> Vec<(LogEntry, String)> {
        let options = evidenced_store::Options::new(std::sync::Arc::new(FixedClock(Timestamp::UNIX_EPOCH)));
        let archive = evidenced_store::open_archive(&self.path("evidence").display().to_string(), &options).unwrap();
        let archive: &dyn Archive = &*archive;
        let keys = PublicKeys::from(&PublicKey::open(&self.path("key.pub.pem")).unwrap());
        let log = Log::new(archive, "test".parse().unwrap(), keys);
        let entries = (0..=log.last_index().unwrap().unwrap()).map(|index| log.entry(index).unwrap().unwrap().0);
        entries.map(|entry| (entry.predicate, entry.subject[0].name.clone())).collect()
    }

    /// The things whose fail of the check is waived in a run, and those whose is not.
    fn fails(&self, run: &str) -> (Vec<String>, Vec<String>) {
        let arguments = ["findings", "--run", run, "--check", "synthetic.store.versioned", "--verdict", "fail"];
        let lines = self.run(&arguments, &[]);
        let findings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let (waived, bare): (Vec<Value>, Vec<Value>) = findings.partition(|finding| !finding["waiver"].is_null());
        let names = |list: Vec<Value>| {
            let name = |one: Value| one["resource"].as_str().unwrap().rsplit('-').next().unwrap().to_owned();
            let mut names: Vec<String> = list.into_iter().map(name).collect();
            names.sort();
            names
        };
        (names(waived), names(bare))
    }

    fn standing(&self, run: &str, control: &str) -> String {
        let report: Value =
            serde_json::from_str(&self.run(&["report", "--run", run, "--format", "json"], &[])).unwrap();
        let catalogs = report["catalogs"].as_array().unwrap().iter();
        let mut controls = catalogs.flat_map(|catalog| catalog["controls"].as_array().unwrap());
        let control = controls.find(|one| one["control"] == *control || one["sealed"]["control"] == *control).unwrap();
        control["standing"].as_str().or(control["sealed"]["standing"].as_str()).unwrap().to_owned()
    }
}

fn begin() -> Timestamp {
    "2026-01-01T00:30:00Z".parse().unwrap()
}

#[test]
fn a_waiver_holds_from_its_log_entry_to_its_last_day_and_changes_no_verdict() {
    let place = Place::new();
    let now = place.live(begin(), 3);
    assert!(place.fails("latest").0.is_empty());
    let before = place.log().len();

    place.declare(WAIVER);
    let now = place.live(now, 3);
    assert_eq!(place.fails("latest"), (vec!["00000000".to_owned()], vec!["00000003".to_owned()]));
    assert!(place.fails("latest~3").0.is_empty(), "it works backwards");
    assert_eq!(place.standing("latest", "A.7.4"), "excluded");
    assert_ne!(place.standing("latest~3", "A.7.4"), "excluded");
    let log = place.log();
    let entries: Vec<_> = log.iter().enumerate().filter(|(_, (entry, _))| entry.kind == EntryKind::Waiver).collect();
    assert_eq!(entries.len(), 2, "{log:?}");
    for (index, (entry, subject)) in &entries {
        assert!((before..before + 2).contains(index), "it stands after the run that began with it");
        assert!(subject.starts_with("v1/objects/") && subject.ends_with(".json.zst"), "{subject}");
        assert!(entry.reason.is_some());
    }
    assert!(entries[1].1.0.reason.as_deref().unwrap().contains("W-1"));

    // Nothing changed, and a state folder that lost what it knew finds it again in the store.
    std::fs::remove_file(place.path("state/isms.json")).unwrap();
    let now = place.live(now, 2);
    assert_eq!(place.log().iter().filter(|(entry, _)| entry.kind == EntryKind::Waiver).count(), 2);
    assert_eq!(place.fails("latest").0.len(), 1);

    // The day after its last, it has no force, and says so.
    let now = place.live(now, 48);
    assert!(place.fails("latest").0.is_empty());
    let report = place.run(&["report"], &[]);
    assert!(report.contains("W-1") && report.contains("has no force"), "{report}");
    assert!(place.run(&["report", "--format", "html"], &[]).contains("has no force"));

    // Withdrawn, with everything else.
    place.configure("");
    place.live(now, 2);
    let log = place.log();
    let reasons: Vec<_> = log.iter().filter(|(entry, _)| entry.kind == EntryKind::Waiver).skip(2).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert_ne!(place.standing("latest", "A.7.4"), "excluded");
    place.run(&["verify", "--re-evaluate"], &[]);
}

#[test]
fn a_declaration_that_is_wrong_is_one_clear_error() {
    let place = Place::new();
    for (text, part) in [
        (WAIVER.replace("A.7.4", "A.7.44"), "no control in iso27001-2022 \"A.7.44\" (did you mean "),
        (
            WAIVER
                .replace("from: 2026-01-01", "from: 2026-02-01")
                .replace("expires: 2026-01-02", "expires: 2026-03-01"),
            "may approve until 2026-01-31 only",
        ),
        (
            "allow: { own_accounts: ['111122223333'] }\nscopes: { holds_logs: { names: [b] } }\n".to_owned(),
            "checks.params.log_buckets",
        ),
    ] {
        place.declare(&text);
        if part.starts_with("checks.params") {
            let config = std::fs::read_to_string(place.path("evidenced.yaml")).unwrap();
            let config = config.replace("checks: { ", "checks: { params: { log_buckets: [a] }, ");
            std::fs::write(place.path("evidenced.yaml"), config).unwrap();
        }
        for command in [&["config", "check"][..], &["collect"], &["run", "-q"]] {
            let (code, out, error) = place.done(command, &[]);
            assert_eq!(code, Some(2), "{command:?}: {out}{error}");
            assert!(error.contains(part) && error.contains(".yaml"), "{part:?}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
    place.declare(WAIVER);
    assert!(place.run(&["config", "check"], &[]).contains("W-1"));
    std::fs::remove_file(place.path("isms.yaml")).unwrap();
    let (code, _, error) = place.done(&["config", "check"], &[]);
    assert!(code == Some(2) && error.contains("evidenced.yaml:8: isms:"), "{error}");
}

#[test]
fn the_statement_goes_out_as_a_table_and_comes_back() {
    let place = Place::new();
    place.declare(WAIVER);
    let table = place.run(&["soa", "export", "--catalog", "iso27001-2022"], &[]);
    assert_eq!(table.lines().count(), 94);
    let row = table.lines().find(|line| line.contains(",A.7.4,")).unwrap();
    assert!(row.contains(",no,'=No rooms of our own,"), "{row}");
    let with_clauses = place.run(&["soa", "export", "--catalog", "iso27001-2022", "--clauses"], &[]);
    assert_eq!(with_clauses.lines().count(), 94 + 25);

    place.live(begin(), 2);
    place.run(&["soa", "export", "-o", "soa.csv"], &[]);
    let table = std::fs::read_to_string(place.path("soa.csv")).unwrap();
    assert!(table.contains("excluded: ") && table.contains(" in run 01"), "{table}");
    assert_eq!(place.run(&["soa", "diff", "soa.csv"], &[]), "nothing differs\n");
    place.declare(&WAIVER.replace("owner: Operations", "owner: \"\\e[31mPlatform\""));
    let differences = place.run(&["soa", "diff", "soa.csv"], &[]);
    assert_eq!(differences.lines().count(), 1, "{differences}");
    assert!(differences.starts_with("iso27001-2022 A.8.13 owner: \"Operations\" -> "), "{differences}");
    assert!(!differences.contains('\u{1b}'), "{differences}");
    place.live(begin() + SignedDuration::from_hours(2), 1);
    let differences = place.run(&["soa", "diff", "latest~1", "latest", "--format", "json"], &[]);
    let difference: Value = serde_json::from_str(differences.trim()).unwrap();
    assert_eq!((&difference["id"], &difference["member"]), (&"A.8.13".into(), &"owner".into()));

    let clauses = place.run(&["controls", "list", "--catalog", "iso27001-2022", "--clauses", "--format", "json"], &[]);
    assert_eq!(clauses.lines().count(), 25);
    assert_eq!(place.run(&["controls", "list", "--catalog", "iso27001-2022"], &[]).lines().count(), 93);
}

#[test]
fn a_running_daemon_takes_a_right_declaration_and_keeps_the_old_one_over_a_wrong_one() {
    let place = Place::new();
    place.declare(WAIVER);
    let mut command = Command::new(env!("CARGO_BIN_EXE_evidenced-bench"));
    command.arg("run").current_dir(place.0.path()).env_clear().stdin(Stdio::null());
    let mut daemon = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(daemon.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |part: &str| log.by_ref().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part:?}"));
    let signal = |name: &str| {
        let pid = daemon.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    until("at work");
    std::fs::write(place.path("isms.yaml"), WAIVER.replace("A.7.4", "A.7.44")).unwrap();
    signal("-HUP");
    let line = until("the one before stays in force");
    assert!(line.contains("isms.yaml:4") && line.contains("A.7.44"), "{line}");
    std::fs::write(place.path("isms.yaml"), WAIVER.replace("Operations", "Platform")).unwrap();
    signal("-HUP");
    until("another config is in force");
    until("at work");
    signal("-TERM");
    assert!(daemon.wait().unwrap().success());
}
