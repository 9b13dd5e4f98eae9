//! One cycle: started, collected, judged, mapped, sealed, logged. The only place that knows the order.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidenced_check::{Judge, Library};
use evidenced_isms::Isms;
use evidenced_kit::redact::Redactor;
use evidenced_kit::{Cloud, Limits, LimitsConfig, Listed, OpenContext, Opened, Principal, Stats};
use evidenced_map::Mapping;
use evidenced_model::manifest::{Assurance, Binary, ClockCheck, Controls, FORMAT, Manifest};
use evidenced_model::{
    AgentId, Clock, ControlStanding, Digest, RunId, RunStatus, Severity, Slot, Totals, Window, manifest,
};
use evidenced_report::{Header, Limits as ReportLimits, ReportBuilder, StatementRef};
use evidenced_seal::object::Written;
use evidenced_seal::write::sign_run;
use evidenced_seal::{Document, RunHeader, RunReader, RunWriter, SealError, UnsignedRun};
use evidenced_spool::{Pushed, Sealing, SpoolError};
use futures::FutureExt as _;
use tracing::Instrument as _;

use crate::ambient::{ambient_targets, clouds_environment};
use crate::clock::new_run;
use crate::collect::{Collected, Tools, collect};
use crate::config::Loaded;
use crate::declared::{Declared, applicability};
use crate::declaring::{Undeclared, declare};
use crate::documents::{Standings, calls, clock_check, exclusions, listed, mappings, named, owners, standings};
use crate::exit::{Ended, Exit};
use crate::judging::{By, JudgeError, Judged, judge};
use crate::keeper::{Keeper, Locked};
use crate::plan::{Plan, Scoping};
use crate::progress::Progress;
use crate::shard::Shard;
use crate::state::State;
use crate::stop::{Stop, Wish};
use crate::tallies::Tallies;
use crate::upgrade;

/// Bytes that the spool may hold in memory.
const SPOOL_MEMORY: usize = 12 << 20;

/// What a cycle works with.
pub(crate) struct Cycle<'a> {
    /// The clouds of the registry.
    pub(crate) clouds: &'a [Box<dyn Cloud>],
    /// The running program.
    pub(crate) binary: Binary,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// What keeps the run until the store has it.
    pub(crate) keeper: &'a Keeper<'a>,
    /// The config.
    pub(crate) loaded: &'a Loaded,
    /// The checks that the config asks for, or may.
    pub(crate) library: &'a Arc<Library>,
    /// The mappings that the config asks for.
    pub(crate) mapping: &'a Mapping,
    /// What the organisation declares.
    pub(crate) declared: &'a Declared,
    /// What a person sees.
    pub(crate) progress: Arc<Progress>,
    /// What is asked for beyond the config.
    pub(crate) scoping: Scoping,
    /// The state folder.
    pub(crate) state: &'a State,
    /// Set when somebody asks to end early.
    pub(crate) stop: Arc<Stop>,
    /// The slot of the schedule, if the run is for one.
    pub(crate) slot: Option<Slot>,
    /// How long reading may take, if there is a limit.
    pub(crate) timeout: Option<Duration>,
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
    /// What became of the run, and of those that waited before it.
    pub(crate) pushed: Pushed,
    /// What was counted for whoever watches.
    pub(crate) tallies: Tallies,
    /// What was written.
    pub(crate) written: Written,
    /// Texts that were redacted.
    pub(crate) redacted: u64,
}

impl Cycle<'_> {
    /// Runs one cycle.
    pub(crate) async fn run(&self) -> Result<Outcome, Ended> {
        // Nothing holds before it is logged: what was declared anew is written down before the run begins.
        let declared = tokio::task::block_in_place(|| self.declare());
        let start = self.clock.now();
        let run = new_run(&*self.clock);
        let prepared = match declared {
            Ok(isms) => self.prepare().await.map(|(judge, redactor, lock)| (judge, redactor, lock, isms)),
            Err(error) => Err(error),
        };
        let (judge, redactor, lock, isms) = prepared.inspect_err(|error| {
            // A slot does not pass without a word, also where the store refuses or the disk fails before the run begins.
            if let Some(slot) = self.slot.clone() {
                self.keeper.tell_skipped(run, Some(slot), &error.message);
            }
        })?;
        // Nobody can run until he likes the result and drop the rest: the log knows of the run before any cloud does.
        let admitted = self.keeper.admit(run, self.slot.clone())?;
        let going = self.go_on(run, start, Ground { judge: &judge, isms, redactor, lock });
        let schedule = self.slot.as_ref().map(|slot| slot.schedule.as_str());
        let going = going.instrument(tracing::info_span!("run", %run, agent = %self.agent(), schedule));
        let going = AssertUnwindSafe(going).catch_unwind();
        // A defect of ours ends the run, and not what else this process does.
        let ended = going.await.unwrap_or_else(|panic| Err(panicked(&*panic)));
        if let Err(error) = &ended {
            self.keeper.abandon(run, if self.stop.is_set() { "interrupted" } else { abandoned_for(error) });
        }
        self.keeper.leave(admitted);
        ended
    }

    /// What a run cannot begin without.
    async fn prepare(&self) -> Result<(Judge, Redactor, Locked), Ended> {
        let judge = self.judge(self.library)?;
        let redactor = Redactor::new(&self.state.redaction_key()?);
        let lock = self.keeper.lock().await.map_err(|error| sealed(&error))?;
        Ok((judge, redactor, lock))
    }

    fn judge(&self, library: &Arc<Library>) -> Result<Judge, Ended> {
        let settings = self.declared.settings(self.loaded, self.clock.now());
        Judge::compile(library, settings).map_err(|error| self.loaded.wrong_checks(&error))
    }

    fn agent(&self) -> &AgentId {
        &self.loaded.config.agent.id
    }

    /// What is declared, written down for the log; and the voice of waivers that end.
    fn declare(&self) -> Result<Option<Isms>, Ended> {
        let declared = declare(self.keeper, self.state, self.declared.isms.as_ref()).map_err(|error| match error {
            Undeclared::Spool(error) => spooled(&error),
            other => Ended::new(Exit::Spooled, other.to_string()),
        })?;
        for voice in declared.iter().flat_map(|isms| isms.voices(self.clock.now())) {
            tracing::warn!("{voice}");
        }
        Ok(declared)
    }

    async fn go_on(&self, run: RunId, start: jiff::Timestamp, ground: Ground<'_>) -> Result<Outcome, Ended> {
        let Ground { judge, isms, redactor, lock } = ground;
        let stats = Arc::new(Stats::default());
        let context = OpenContext {
            run,
            limits: Arc::new(Limits::new(limits(&self.loaded.config.limits))),
            stats: Arc::clone(&stats),
            clock: Arc::clone(&self.clock),
            mine: self.loaded.mine(),
            environment: clouds_environment(self.clouds),
        };
        let deadline = self.timeout.map(|timeout| tokio::time::Instant::now() + timeout);
        self.progress.stage("finding accounts");
        let Opened { accounts, listing, principals } = tokio::select! {
            opened = self.open(&context) => opened?,
            // Nothing was read that could be sealed.
            () = self.stop.wait(Wish::Seal) => {
                self.stop.ask(Wish::Leave);
                return Err(interrupted());
            }
        };
        let manifests = |provider: &str| {
            let cloud = self.clouds.iter().find(|cloud| cloud.provider().as_str() == provider);
            cloud.map(|cloud| cloud.manifests()).unwrap_or_default()
        };
        let excluded = exclusions(&accounts);
        let plan = Plan::new(accounts, manifests, judge.library(), judge, &self.scoping);
        self.progress.stage("reading");
        let work = self.keeper.spool.work_folder().map_err(|error| spooled(&error))?;
        let tools = Tools {
            joins: judge.join_index(),
            redactor,
            progress: Arc::clone(&self.progress),
            room: self.keeper.spool.room(),
            stop: Arc::clone(&self.stop),
            deadline,
        };
        let began = Instant::now();
        let collecting = collect(plan, &work, SPOOL_MEMORY, tools).instrument(tracing::info_span!("collect"));
        let collected = collecting.await.map_err(|error| sealed(&error))?;
        tracing::info!(stage = "collect", seconds = began.elapsed().as_secs_f64(), "everything is read");
        passed("cycle.collected")?;
        if self.stop.is_set() {
            return Err(interrupted());
        }
        for (call, calls) in stats.totals() {
            tracing::info!(call, calls, "called");
        }
        let window = Window { start, end: self.clock.now() };
        self.progress.stage("judging and sealing");
        let rest = Rest { run, window, judge, isms, stats: &stats, listing, principals, excluded, lock };
        tokio::task::block_in_place(|| tracing::info_span!("seal").in_scope(|| self.seal(rest, collected)))
    }

    async fn open(&self, context: &OpenContext) -> Result<Opened, Ended> {
        let ambient;
        let targets = if self.loaded.config.targets.is_empty() {
            // No config: the cloud whose ambient credentials are found.
            ambient = ambient_targets(self.clouds);
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

    /// Judges, maps, writes, signs, logs: no call to a cloud any more.
    fn seal(&self, rest: Rest<'_>, collected: Collected) -> Result<Outcome, Ended> {
        let Rest { run, window, judge: checks, isms, stats, listing, principals, excluded, lock } = rest;
        let (mapping, isms) = (self.mapping, isms.as_ref());
        let Collected { partitions, joins, mut coverage, redacted, room } = collected;
        let joins = joins.seal(&coverage);
        let overlay = self.keeper.overlay().map_err(|error| spooled(&error))?;
        let before = self.keeper.previous(&overlay).map_err(|error| spooled(&error))?;
        let mappings = mappings(checks, mapping, self.loaded, isms);
        if let Some(statement) = before.statement.clone() {
            upgrade::tell(self.keeper, &RunReader::of(&overlay, statement), checks, &mappings);
        }
        let mut bundle = self.keeper.bundle(run, &before, window).map_err(|error| spooled(&error))?;
        let mut writer = RunWriter::new(&mut bundle, before.objects).map_err(|error| sealed(&error))?;
        let began = Instant::now();
        let mut report = self.report(run, window, &lock);
        let mut tallies = Tallies::default();
        let mut observe = |finding: &evidenced_model::Finding| {
            report.finding(finding, None);
            tallies.finding(finding);
        };
        let waivers = isms.map(|isms| isms.in_force(window.start)).unwrap_or_default();
        let by = By { judge: checks, joins: &joins, waivers: &waivers };
        let judged = judge(&by, &coverage, partitions, &mut writer, &self.stop, &mut observe).map_err(unjudged)?;
        say_judged(&judged, writer.totals(), began.elapsed());
        drop(room);
        for account in coverage.accounts.values_mut() {
            let key = format!("{}:{}", account.provider, account.account);
            for cell in &mut account.cells {
                let place = (key.clone(), cell.region.to_string(), cell.kind.to_string());
                cell.resources -= judged.duplicates.get(&place).copied().unwrap_or_default().min(cell.resources);
            }
            writer.coverage(account).map_err(|error| sealed(&error))?;
            report.coverage(account);
            tallies.coverage(account);
        }
        let roots = writer.roots().map_err(|error| sealed(&error))?;
        let applicability = applicability(isms);
        let basis = Standings { applicability: &applicability, threshold: self.loaded.config.checks.contradict_from.0 };
        let controls = standings(checks, mapping, &judged, &coverage, &basis);
        tallies.end(&controls, stats);
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
        let status =
            if totals.gaps == 0 && judged.defects.is_empty() && (totals.scopes > 0 || nothing_is_ours(&manifest)) {
                RunStatus::Complete
            } else {
                RunStatus::Partial
            };
        let sealed_controls = Controls { controls: controls.clone(), findings: roots.findings.digest };
        writer
            .document(Document::Manifest, &manifest)
            .and_then(|_| writer.document(Document::Calls, &calls(stats)))
            .and_then(|_| writer.document(Document::Controls, &sealed_controls))
            .and_then(|_| writer.document(Document::Mappings, &mappings))
            .and_then(|_| writer.document(Document::Config, &self.loaded.config))
            .map_err(|error| sealed(&error))?;
        let header = RunHeader { agent: self.agent().clone(), run, slot: self.slot.clone(), status, window };
        passed("cycle.judged")?;
        let unsigned = writer.finish(header, totals.calls).map_err(|error| sealed(&error))?;
        let envelope = self.sign(&unsigned)?;
        let digest = envelope.as_deref().map_or(Digest::ZERO, Digest::of);
        let (agent, now, rests) = (self.agent(), self.clock.now(), overlay.touched());
        let sealing = Sealing { agent, base: before.waits, envelope, now, rests, unsigned: &unsigned };
        self.keeper.spool.seal(bundle, &sealing).map_err(|error| spooled(&error))?;
        // From here on the run is sealed: whatever happens, it is sent some day. No error may follow.
        let pushed = self.keeper.push();
        let head = pushed.runs.iter().find(|(sent, _)| *sent == run).map(|(_, head)| *head);
        crate::commands::feed_texts(&mut report, mapping, checks, isms, window.start);
        report.controls(controls.iter().cloned());
        let ours_is_nothing = nothing_is_ours(&manifest);
        let header = Header {
            head,
            key: Some(self.keeper.signer.public_key().id()),
            manifest,
            statement: StatementRef { digest, path: unsigned.path },
            status,
            store: self.keeper.location(),
        };
        report.set_header(header.clone());
        Ok(Outcome {
            header,
            controls,
            report,
            worst: judged.worst,
            blind: blind(stats, self.clouds) && !ours_is_nothing,
            defects: judged.defects.into_iter().collect(),
            pushed,
            tallies,
            written: unsigned.written,
            redacted,
        })
    }

    /// The signed statement; `None` if the key service is away, and signs later.
    fn sign(&self, unsigned: &UnsignedRun) -> Result<Option<Vec<u8>>, Ended> {
        match sign_run(&unsigned.path, &unsigned.statement.to_bytes(), self.keeper.signer) {
            Err(error) if error.is_away() => {
                tracing::warn!(%error, "the run is kept in the spool unsigned");
                Ok(None)
            }
            signed => signed.map(Some).map_err(|error| sealed(&error)),
        }
    }

    /// The summary's report, with what is known before judging.
    fn report(&self, run: RunId, window: Window, lock: &Locked) -> ReportBuilder {
        let header = Header {
            head: None,
            key: Some(self.keeper.signer.public_key().id()),
            manifest: self.manifest(run, window, lock),
            statement: StatementRef { digest: Digest::ZERO, path: String::new() },
            status: RunStatus::Partial,
            store: self.keeper.location(),
        };
        ReportBuilder::new(header, ReportLimits::summary())
    }

    /// A manifest of a run that has not counted anything yet.
    fn manifest(&self, run: RunId, window: Window, lock: &Locked) -> Manifest {
        Manifest {
            accounts: Vec::new(),
            agent: self.agent().clone(),
            assurance: Assurance {
                account_owns_key: None,
                account_owns_store: None,
                key: self.keeper.signer.home().to_owned(),
                lock: lock.mode,
                lock_days: lock.days,
                store: lock.store.clone(),
                timestamped: !self.loaded.config.seal.timestamp.urls.is_empty(),
            },
            binary: self.binary.clone(),
            clock: ClockCheck::default(),
            excluded: Vec::new(),
            format: FORMAT.to_owned(),
            principals: Vec::new(),
            run,
            shard: Shard::said(self.loaded.shard),
            slot: self.slot.clone(),
            totals: Totals::default(),
            window,
        }
    }
}

/// What a run stands on before it begins.
struct Ground<'a> {
    judge: &'a Judge,
    isms: Option<Isms>,
    redactor: Redactor,
    lock: Locked,
}

struct Rest<'a> {
    run: RunId,
    window: Window,
    judge: &'a Judge,
    isms: Option<Isms>,
    stats: &'a Stats,
    listing: Vec<Listed>,
    principals: Vec<Principal>,
    excluded: Vec<manifest::Exclusion>,
    lock: Locked,
}

/// The limits of the config, as calls are held to them.
pub(crate) fn limits(limits: &crate::config::LimitsConfig) -> LimitsConfig {
    let mut config = LimitsConfig { concurrency: limits.concurrency, ..LimitsConfig::default() };
    config.attempt_timeout = Duration::from_secs(limits.call_timeout_seconds);
    config.calls_per_second.extend(limits.calls_per_second.clone());
    config
}

/// Nothing was told by any operation of any collector.
fn blind(stats: &Stats, clouds: &[Box<dyn Cloud>]) -> bool {
    let manifests: Vec<_> = clouds.iter().flat_map(|cloud| cloud.manifests()).collect();
    let operations: BTreeSet<&str> = manifests.iter().flat_map(|m| m.operations).map(|o| o.call).collect();
    let report = stats.report();
    let mut calls = report.values().flatten();
    // A cloud that needs no calls is not blind for want of answers.
    !operations.is_empty() && !calls.any(|(call, counts)| counts.ok > 0 && operations.contains(call.as_str()))
}

fn say_judged(judged: &Judged, totals: Totals, took: Duration) {
    tracing::info!(
        stage = "judge and seal",
        seconds = took.as_secs_f64(),
        judging = judged.judging.as_secs_f64(),
        sealing = judged.sealing.as_secs_f64(),
        resources = totals.resources,
        findings = totals.findings.total(),
        "everything is judged"
    );
}

/// This shard has no account at present.
fn nothing_is_ours(manifest: &Manifest) -> bool {
    manifest.shard.of > 1 && manifest.accounts.iter().all(|account| account.state == manifest::Listing::Elsewhere)
}

/// What the log says of a run that failed.
fn abandoned_for(error: &Ended) -> &'static str {
    if error.message.starts_with(PANICKED) { "panicked" } else { "failed" }
}

const PANICKED: &str = "a defect of the program ended the run";

fn panicked(panic: &(dyn std::any::Any + Send)) -> Ended {
    let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Ended::new(Exit::Usage, format!("{PANICKED}: {said}; please report this"))
}

fn interrupted() -> Ended {
    Ended::new(Exit::Interrupted, "interrupted: the run is logged as abandoned; what was read is dropped")
}

/// Passes a place where a test may end the process or fill the disk.
fn passed(place: &'static str) -> Result<(), Ended> {
    evidenced_spool::places::place(place).map_err(|error| Ended::new(Exit::Spooled, error.to_string()))
}

/// Why the spool failed, and with which exit code.
fn spooled(error: &SpoolError) -> Ended {
    let exit = if error.is_full() || error.is_away() { Exit::Spooled } else { Exit::Usage };
    Ended::new(exit, error.to_string())
}

/// Why judging ended early, and with which exit code.
fn unjudged(error: JudgeError) -> Ended {
    match error {
        JudgeError::Seal(error) => sealed(&error),
        JudgeError::Stopped => interrupted(),
        JudgeError::Spool(_) => Ended::new(Exit::Spooled, error.to_string()),
    }
}

/// Why sealing failed, and with which exit code.
fn sealed(error: &SealError) -> Ended {
    let kept = error.is_away() || matches!(error, SealError::Spool { .. });
    let exit = if kept { Exit::Spooled } else { Exit::Usage };
    Ended::new(exit, error.to_string())
}
