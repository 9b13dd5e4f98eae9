//! `evidenced collect`: one cycle, then exit.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use evidenced_model::Clock;
use evidenced_report::Collected;
use evidenced_seal::PublicKey;
use evidenced_store::Store;

use super::Context;
use crate::args::{Collect, Format};
use crate::catalogue;
use crate::clock::SystemClock;
use crate::config::Loaded;
use crate::cycle::{Cycle, Outcome};
use crate::declared::Declared;
use crate::exit::{Ended, Exit};
use crate::keeper::Keeper;
use crate::lines::Lines;
use crate::plan::Scoping;
use crate::progress::Progress;
use crate::sealing;
use crate::stamps::Stamps;
use crate::state::State;
use crate::stop::{Stop, Wish};
use crate::storing;

pub(crate) fn run(context: &Context, options: &Collect) -> Result<Exit, Ended> {
    let loaded = context.load()?.sharded(options.shard)?;
    check_globs(context, &options.collectors)?;
    let (library, mapping) = (catalogue::library(&loaded)?, catalogue::chosen_mapping(&loaded)?);
    let declared = Declared::check(&loaded, &library, SystemClock.now())?;
    let library = catalogue::targeted(library, &loaded);
    let store = store(&loaded)?;
    let state = State::open(&loaded)?;
    let (signer, new) = sealing::signer(&loaded)?;
    if new && !context.common.quiet {
        announce(&loaded, signer.public_key());
    }
    let runtime = runtime()?;
    let stamps = Stamps::open(&loaded, runtime.handle())?;
    let keys = sealing::known_keys(&loaded, &*signer)?;
    let stop = Arc::new(Stop::default());
    let progress = Arc::new(Progress::new(context.common.quiet));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let outcome = runtime.block_on(async {
        let keeper = Keeper::open(&loaded, &state, Arc::clone(&store), &*signer, Arc::clone(&clock))?;
        let keeper = keeper.stamped_by(stamps.as_ref());
        let cycle = Cycle {
            clouds: &context.clouds,
            binary: crate::binary::describe(),
            keeper: &keeper,
            clock,
            loaded: &loaded,
            library: &library,
            declared: &declared,
            mapping: &mapping,
            progress: Arc::clone(&progress),
            scoping: Scoping {
                collectors: options.collectors.clone(),
                collect: loaded.config.collect,
                timeout: Duration::from_secs(loaded.config.limits.collector_timeout_seconds),
            },
            state: &state,
            stop: Arc::clone(&stop),
            slot: None,
            timeout: None,
        };
        tokio::spawn(stop_on_signal(stop));
        let outcome = cycle.run().await;
        if let (Ok(_), Some(stamps)) = (&outcome, &stamps) {
            stamps.catch_up(&store, &loaded.config.agent.id, &keys).await;
        }
        outcome
    });
    progress.done();
    // Collectors that were given up may still wait for an answer; nobody waits for them.
    runtime.shutdown_timeout(Duration::from_millis(100));
    let mut outcome = outcome?;
    let stamped = stamps.map(|stamps| stamps.of(&outcome.header.statement.digest));
    outcome.report.stamped(stamped);
    let exit = exit(&outcome, options);
    if outcome.blind {
        let accounts = &outcome.header.manifest.accounts;
        let why: Vec<&str> = accounts.iter().filter_map(|account| account.reason.as_deref()).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        let _ = writeln!(
            std::io::stderr(),
            "evidenced: nothing at all could be read{why}; check the credentials, the role and the network; \
             the signed run says so too"
        );
    }
    for (check, times) in &outcome.defects {
        tracing::error!(
            check,
            times,
            "a check could not decide by its own fault; its findings are unknown; please report this"
        );
    }
    let kept = say_what_is_kept(&outcome);
    tracing::info!(
        objects = outcome.written.objects,
        bytes = outcome.written.bytes,
        reused = outcome.written.reused,
        redacted = outcome.redacted,
        head = %outcome.header.head.map(|head| head.to_string()).unwrap_or_default(),
        kept,
        "the run is sealed"
    );
    print(context, outcome)?;
    Ok(exit)
}

fn exit(outcome: &Outcome, options: &Collect) -> Exit {
    let partial = outcome.header.manifest.totals.gaps > 0 || !outcome.defects.is_empty();
    let mut exit = Exit::Done;
    if partial && !options.partial_ok {
        exit = exit.or(Exit::Partial);
    }
    if options.fail_on.is_some_and(|least| outcome.worst.is_some_and(|worst| worst >= least)) {
        exit = exit.or(Exit::Findings);
    }
    if outcome.blind {
        exit = exit.or(Exit::Nothing);
    }
    if is_kept(outcome) {
        exit = exit.or(Exit::Spooled);
    }
    exit
}

/// Whether anything still waits for the store.
fn is_kept(outcome: &Outcome) -> bool {
    outcome.pushed.runs_left + outcome.pushed.entries_left > 0
}

fn say_what_is_kept(outcome: &Outcome) -> bool {
    let kept = is_kept(outcome);
    if kept {
        let pushed = &outcome.pushed;
        let why = pushed.stopped.as_ref().map(ToString::to_string);
        let why = why.or_else(|| pushed.refusal());
        let _ = writeln!(
            std::io::stderr(),
            "evidenced: {} sealed runs and {} log entries are kept in the spool ({}); the next run sends them, or \
             `evidenced spool push`",
            pushed.runs_left,
            pushed.entries_left,
            why.unwrap_or_default()
        );
    }
    kept
}

/// The configured store, for writing.
pub(crate) fn store(loaded: &Loaded) -> Result<Arc<dyn Store>, Ended> {
    evidenced_store::open(&loaded.config.store.url, &storing::options(&loaded.config))
        .map_err(|error| loaded.wrong(&["store", "url"], &error.to_string()))
}

/// A small runtime: the work between calls is done on few threads.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Ended> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(|error| Ended::new(Exit::Usage, format!("the runtime cannot start: {error}")))
}

/// A pattern that no collector answers to is a slip, not a wish for an empty run.
fn check_globs(context: &Context, globs: &[String]) -> Result<(), Ended> {
    let ids: Vec<&str> =
        context.clouds.iter().flat_map(|cloud| cloud.manifests()).map(|manifest| manifest.id).collect();
    for glob in globs {
        if !ids.iter().any(|id| evidenced_model::glob(glob, id)) {
            let message = format!("--collectors {glob}: there is no such collector; known: {}", ids.join(", "));
            return Err(Ended::new(Exit::Usage, message));
        }
    }
    Ok(())
}

pub(crate) fn announce(loaded: &Loaded, key: &PublicKey) {
    let path = loaded.config.agent.state_dir.join("key.pem");
    let _ = writeln!(
        std::io::stderr(),
        "made a signing key on first use: {} (mode 0600)\nits fingerprint, to be kept elsewhere: sha256:{}",
        path.display(),
        key.id()
    );
}

async fn stop_on_signal(stop: Arc<Stop>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals cannot be heard; only SIGKILL will end this run early");
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.ask(Wish::Leave);
}

fn print(context: &Context, outcome: Outcome) -> Result<(), Ended> {
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        lines.json(&Collected::new(&outcome.header, &outcome.controls))?;
    } else {
        let report = outcome.report.finish();
        lines.text(evidenced_report::summary(&report, &super::report::style(context, true)).trim_end())?;
    }
    lines.finish()
}
