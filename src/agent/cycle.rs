//! One cycle: started, collected, judged, mapped, sealed, logged. The only place that knows the order.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidenced_check::{Judge, Library, Settings};
use evidenced_kit::redact::Redactor;
use evidenced_kit::{Cloud, Limits, LimitsConfig, Listed, OpenContext, Opened, Principal, Stats};
use evidenced_map::Mapping;
use evidenced_model::manifest::{Assurance, Binary, ClockCheck, Controls, FORMAT, Manifest, Shard};
use evidenced_model::{
    AgentId, Archive, Clock, ControlStanding, Digest, LogHead, RunId, RunStatus, Severity, Totals, Window, manifest,
};
use evidenced_report::{Header, Limits as ReportLimits, ReportBuilder, StatementRef};
use evidenced_seal::log::Draft;
use evidenced_seal::object::Written;
use evidenced_seal::{Document, Log, Previous, PublicKeys, RunHeader, RunWriter, SealError, Signer};
use evidenced_store::{Folder, Store};
use serde_json::Value;

use crate::catalogue;
use crate::clock::new_run;
use crate::collect::{Collected, Tools, collect};
use crate::config::Loaded;
use crate::documents::{calls, clock_check, exclusions, listed, mappings, named, owners, standings};
use crate::exit::{Ended, Exit};
use crate::judging::{JudgeError, judge};
use crate::plan::{Plan, Scoping};
use crate::progress::Progress;
use crate::state::State;
use crate::stop::Stop;

/// Bytes that the spool may hold in memory.
const SPOOL_MEMORY: usize = 12 << 20;
/// How far back in the log an unfinished run is looked for.
const LOG_DEPTH: u64 = 64;

/// What a cycle works with.
pub(crate) struct Cycle<'a> {
    /// The clouds of the registry.
    pub(crate) clouds: &'a [Box<dyn Cloud>],
    /// The running program.
    pub(crate) binary: Binary,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// The config.
    pub(crate) loaded: &'a Loaded,
    /// What a person sees.
    pub(crate) progress: Arc<Progress>,
    /// What is asked for beyond the config.
    pub(crate) scoping: Scoping,
    /// The key.
    pub(crate) signer: &'a dyn Signer,
    /// The state folder.
    pub(crate) state: &'a State,
    /// Set when somebody asks to stop.
    pub(crate) stop: Arc<Stop>,
    /// Where evidence goes.
    pub(crate) store: &'a Folder,
}

/// How a cycle ended.
pub(crate) struct Outcome {
    /// What the run says of itself, and where it stands.
    pub(crate) header: Header,
    /// How each control stands.
    pub(crate) controls: Vec<ControlStanding>,
    /// The run, cut down to what its summary needs.
    pub(crate) report: ReportBuilder,
    /// The worst unwaived fail.
    pub(crate) worst: Option<Severity>,
    /// Nothing at all could be read.
    pub(crate) blind: bool,
    /// Checks that could not decide by their own fault, with how often.
    pub(crate) defects: Vec<(String, u64)>,
    /// What was written.
    pub(crate) written: Written,
    /// Texts that were redacted.
    pub(crate) redacted: u64,
}

impl Cycle<'_> {
    /// Runs one cycle.
    pub(crate) async fn run(&self) -> Result<Outcome, Ended> {
        let config = &self.loaded.config;
        let library = catalogue::library(self.loaded)?;
        let start = self.clock.now();
        let judge = self.judge(&library)?;
        let mapping = catalogue::chosen_mapping(self.loaded)?;
        let redactor = Redactor::new(&self.state.redaction_key()?);
        let work = self.state.work_folder()?;
        let lock = self.store.lock().await.map_err(|error| sealed(&error.into()))?;
        let run = new_run(&*self.clock);
        // Nobody can run until he likes the result and drop the rest: the log knows of the run before any cloud does.
        self.begin(run).map_err(|error| sealed(&error))?;
        let ended = self.go_on(run, start, &judge, &mapping, redactor, &work, lock).await;
        // What is left in the work folder is of no use to anybody.
        let _ = std::fs::remove_dir_all(&work);
        ended.inspect_err(|error| {
            let reason = if self.stop.is_set() { "interrupted" } else { "failed" };
            if let Err(log) = self.append(&Draft::abandoned(run, reason)) {
                tracing::error!(%error, %log, "the log could not be told that the run was abandoned; the next run will");
            }
            let _ = config;
        })
    }

    fn judge(&self, library: &Arc<Library>) -> Result<Judge, Ended> {
        let checks = &self.loaded.config.checks;
        let settings = Settings {
            params: checks.params.clone(),
            disabled: checks.disable.clone(),
            only: None,
            now: self.clock.now(),
        };
        Judge::compile(library, settings).map_err(|error| self.loaded.wrong_checks(&error))
    }

    fn agent(&self) -> &AgentId {
        &self.loaded.config.agent.id
    }

    fn keys(&self) -> PublicKeys {
        PublicKeys::from(self.signer.public_key())
    }

    fn append(&self, draft: &Draft) -> Result<LogHead, SealError> {
        let mut log = Log::new(self.store, self.agent().clone(), self.keys());
        let mut sink = self.store.clone();
        log.append(&mut sink, self.signer, draft, self.clock.now())
    }

    /// Ends what an earlier process left open, and begins this run.
    fn begin(&self, run: RunId) -> Result<(), SealError> {
        let open = Log::new(self.store, self.agent().clone(), self.keys()).unfinished(LOG_DEPTH)?;
        for left in open {
            tracing::warn!(run = %left, "an earlier run did not come to its end; it is logged as abandoned");
            self.append(&Draft::abandoned(left, "did not come to its end"))?;
        }
        self.append(&Draft::started(run, None)).map(|_| ())
    }

    #[expect(clippy::too_many_arguments, reason = "what a run consists of, each used once")]
    async fn go_on(
        &self,
        run: RunId,
        start: jiff::Timestamp,
        judge: &Judge,
        mapping: &Mapping,
        redactor: Redactor,
        work: &Path,
        lock: evidenced_store::Lock,
    ) -> Result<Outcome, Ended> {
        let stats = Arc::new(Stats::default());
        let context = OpenContext {
            run,
            limits: Arc::new(Limits::new(self.limits())),
            stats: Arc::clone(&stats),
            clock: Arc::clone(&self.clock),
        };
        self.progress.stage("finding accounts");
        let Opened { accounts, listing, principals } = tokio::select! {
            opened = self.open(&context) => opened?,
            () = self.stop.wait() => return Err(interrupted()),
        };
        let manifests = |provider: &str| {
            let cloud = self.clouds.iter().find(|cloud| cloud.provider().as_str() == provider);
            cloud.map(|cloud| cloud.manifests()).unwrap_or_default()
        };
        let excluded = exclusions(&accounts);
        let plan = Plan::new(accounts, manifests, judge.library(), judge, &self.scoping);
        self.progress.stage("reading");
        let tools = Tools {
            joins: judge.join_index(),
            redactor,
            progress: Arc::clone(&self.progress),
            stop: Arc::clone(&self.stop),
        };
        let began = Instant::now();
        let collected = collect(plan, work, SPOOL_MEMORY, tools).await.map_err(|error| sealed(&error))?;
        tracing::info!(stage = "collect", seconds = began.elapsed().as_secs_f64(), "everything is read");
        if self.stop.is_set() {
            return Err(interrupted());
        }
        for (call, calls) in stats.totals() {
            tracing::info!(call, calls, "called");
        }
        let window = Window { start, end: self.clock.now() };
        self.progress.stage("judging and sealing");
        let rest = Rest { run, window, judge, mapping, stats: &stats, listing, principals, excluded, lock };
        tokio::task::block_in_place(|| self.seal(rest, collected))
    }

    async fn open(&self, context: &OpenContext) -> Result<Opened, Ended> {
        let ambient;
        let targets = if self.loaded.config.targets.is_empty() {
            // No config: the cloud whose ambient credentials are found.
            let targets = self.clouds.iter().map(|cloud| [(cloud.provider().to_string(), Value::Null)].into());
            ambient = targets.collect::<Vec<_>>();
            &ambient
        } else {
            &self.loaded.config.targets
        };
        let mut opened = Opened::default();
        for (index, target) in targets.iter().enumerate() {
            for (name, body) in target {
                let Some(cloud) = self.clouds.iter().find(|cloud| cloud.provider().as_str() == name) else { continue };
                let more = cloud.open(body, context).await.map_err(|error| {
                    let index = index.to_string();
                    let mut path = vec!["targets", &index, name];
                    path.extend(error.path.iter().map(String::as_str));
                    self.loaded.wrong(&path, &error.message)
                })?;
                opened.accounts.extend(more.accounts);
                opened.listing.extend(more.listing);
                opened.principals.extend(more.principals);
            }
        }
        Ok(opened)
    }

    fn limits(&self) -> LimitsConfig {
        let limits = &self.loaded.config.limits;
        let mut config = LimitsConfig { concurrency: limits.concurrency, ..LimitsConfig::default() };
        config.attempt_timeout = Duration::from_secs(limits.call_timeout_seconds);
        config.calls_per_second.extend(limits.calls_per_second.clone());
        config
    }

    /// Judges, maps, writes, signs, logs: no call to a cloud any more.
    fn seal(&self, rest: Rest<'_>, collected: Collected) -> Result<Outcome, Ended> {
        let Rest { run, window, judge: checks, mapping, stats, listing, principals, excluded, lock } = rest;
        let Collected { partitions, joins, mut coverage, redacted } = collected;
        let joins = joins.seal(&coverage);
        let mut sink = self.store.clone();
        let mut writer = RunWriter::new(&mut sink, self.previous()).map_err(|error| sealed(&error))?;
        let began = Instant::now();
        let mut report = self.report(run, window, &lock);
        let mut observe = |finding: &evidenced_model::Finding| {
            report.finding(finding, None);
        };
        let judged =
            judge(checks, &joins, &coverage, partitions, &mut writer, &self.stop, &mut observe).map_err(|error| {
                match error {
                    JudgeError::Seal(error) => sealed(&error),
                    JudgeError::Stopped => interrupted(),
                    JudgeError::Spool(_) => Ended::new(Exit::Spooled, error.to_string()),
                }
            })?;
        tracing::info!(
            stage = "judge and seal",
            seconds = began.elapsed().as_secs_f64(),
            judging = judged.judging.as_secs_f64(),
            sealing = judged.sealing.as_secs_f64(),
            resources = writer.totals().resources,
            findings = writer.totals().findings.total(),
            "everything is judged"
        );
        for account in coverage.accounts.values_mut() {
            let key = format!("{}:{}", account.provider, account.account);
            for cell in &mut account.cells {
                let place = (key.clone(), cell.region.to_string(), cell.kind.to_string());
                cell.resources -= judged.duplicates.get(&place).copied().unwrap_or_default().min(cell.resources);
            }
            writer.coverage(account).map_err(|error| sealed(&error))?;
            report.coverage(account);
        }
        let roots = writer.roots().map_err(|error| sealed(&error))?;
        let controls = standings(checks, mapping, &judged, &coverage, self.loaded.config.checks.contradict_from.0);
        let totals = Totals { calls: stats.total(), ..writer.totals() };
        let manifest = Manifest {
            accounts: listed(listing),
            clock: clock_check(stats),
            excluded,
            principals: named(principals),
            totals,
            ..self.manifest(run, window, &lock)
        };
        let manifest = owners(manifest, self.loaded);
        let status = if totals.gaps == 0 && judged.defects.is_empty() && totals.scopes > 0 {
            RunStatus::Complete
        } else {
            RunStatus::Partial
        };
        let write = |writer: &mut RunWriter<'_>| -> Result<(), SealError> {
            writer.document(Document::Manifest, &manifest)?;
            writer.document(Document::Calls, &calls(stats))?;
            writer.document(
                Document::Controls,
                &Controls { controls: controls.clone(), findings: roots.findings.digest },
            )?;
            writer.document(Document::Mappings, &mappings(checks, mapping, self.loaded))?;
            writer.document(Document::Config, &self.loaded.config)?;
            Ok(())
        };
        write(&mut writer).map_err(|error| sealed(&error))?;
        let header = RunHeader { agent: self.agent().clone(), run, slot: None, status, window };
        let seal = writer.seal(self.store, self.signer, header, totals.calls).map_err(|error| sealed(&error))?;
        let head = self.append(&Draft::run(&seal)).map_err(|error| sealed(&error))?;
        crate::commands::feed_texts(&mut report, mapping, checks);
        report.controls(controls.iter().cloned());
        let header = Header {
            head: Some(head),
            key: Some(self.signer.public_key().id()),
            manifest,
            statement: StatementRef { digest: seal.digest, path: seal.path },
            status,
            store: Archive::location(self.store),
        };
        report.set_header(header.clone());
        Ok(Outcome {
            header,
            controls,
            report,
            worst: judged.worst,
            blind: blind(stats, self.clouds),
            defects: judged.defects.into_iter().collect(),
            written: seal.written,
            redacted,
        })
    }

    /// The summary's report, with what is known before judging.
    fn report(&self, run: RunId, window: Window, lock: &evidenced_store::Lock) -> ReportBuilder {
        let header = Header {
            head: None,
            key: Some(self.signer.public_key().id()),
            manifest: self.manifest(run, window, lock),
            statement: StatementRef { digest: Digest::ZERO, path: String::new() },
            status: RunStatus::Partial,
            store: Archive::location(self.store),
        };
        ReportBuilder::new(header, ReportLimits::summary())
    }

    /// A manifest of a run that has not counted anything yet.
    fn manifest(&self, run: RunId, window: Window, lock: &evidenced_store::Lock) -> Manifest {
        Manifest {
            accounts: Vec::new(),
            agent: self.agent().clone(),
            assurance: Assurance {
                account_owns_key: None,
                account_owns_store: None,
                key: "file".into(),
                lock: lock.mode,
                lock_days: lock.days,
                store: lock.store.to_owned(),
                timestamped: false,
            },
            binary: self.binary.clone(),
            clock: ClockCheck::default(),
            excluded: Vec::new(),
            format: FORMAT.to_owned(),
            principals: Vec::new(),
            run,
            shard: Shard::default(),
            slot: None,
            totals: Totals::default(),
            window,
        }
    }

    /// The newest sealed run of this agent, if our own key signed it: what it stored is not stored again.
    fn previous(&self) -> Previous<'_> {
        let keys = self.keys();
        let newest = evidenced_seal::select::select_run(self.store, self.agent(), "latest", Some(&keys));
        let reader = newest.and_then(|run| evidenced_seal::RunReader::open(self.store, &run, Some(&keys)));
        reader.map_or_else(|_| Previous::none(), |reader| Previous::of(self.store, reader.statement()))
    }
}

struct Rest<'a> {
    run: RunId,
    window: Window,
    judge: &'a Judge,
    mapping: &'a Mapping,
    stats: &'a Stats,
    listing: Vec<Listed>,
    principals: Vec<Principal>,
    excluded: Vec<manifest::Exclusion>,
    lock: evidenced_store::Lock,
}

/// Nothing was told by any operation of any collector.
fn blind(stats: &Stats, clouds: &[Box<dyn Cloud>]) -> bool {
    let manifests: Vec<_> = clouds.iter().flat_map(|cloud| cloud.manifests()).collect();
    let operations: BTreeSet<&str> = manifests.iter().flat_map(|m| m.operations).map(|o| o.call).collect();
    let report = stats.report();
    let mut calls = report.values().flatten();
    !calls.any(|(call, counts)| counts.ok > 0 && (operations.contains(call.as_str()) || operations.is_empty()))
}

fn interrupted() -> Ended {
    Ended::new(Exit::Interrupted, "interrupted: the run is logged as abandoned; what was read is dropped")
}

/// Why sealing failed, and with which exit code.
fn sealed(error: &SealError) -> Ended {
    let exit = if error.is_away() { Exit::Spooled } else { Exit::Usage };
    Ended::new(exit, error.to_string())
}
