//! `evidenced spool list | push`: what waits for the store.

use std::sync::Arc;

use evidenced_model::LogHead;
use evidenced_report::visible;
use evidenced_spool::{Pushed, State as Waits};
use serde_json::json;

use super::Context;
use crate::args::{Format, SpoolCommand};
use crate::clock::SystemClock;
use crate::exit::{Ended, Exit};
use crate::keeper::{Keeper, spool_folder};
use crate::lines::Lines;
use crate::sealing;
use crate::stamps::Stamps;
use crate::state::State;

pub(crate) fn run(context: &Context, command: &SpoolCommand) -> Result<Exit, Ended> {
    match command {
        SpoolCommand::List => list(context),
        SpoolCommand::Push => push(context),
    }
}

fn list(context: &Context) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let folder = spool_folder(&loaded);
    let listed = evidenced_spool::list(&folder).map_err(|error| Ended::new(Exit::Usage, error.to_string()))?;
    let mut lines = Lines::new();
    for run in &listed {
        if context.common.format == Format::Json {
            lines.json(run)?;
            continue;
        }
        let state = word(run.state);
        let error = run.error.as_deref().map(|error| format!("  {}", error.escape_debug())).unwrap_or_default();
        let sealed_at = run.sealed_at.strftime("%Y-%m-%d %H:%M:%SZ");
        lines.text(format!("{}  {sealed_at}  {:>12} bytes  {state:<8}{error}", run.run, run.bytes))?;
    }
    let parcels = evidenced_spool::list_parcels(&folder).map_err(|error| Ended::new(Exit::Usage, error.to_string()))?;
    for parcel in &parcels {
        if context.common.format == Format::Json {
            lines.json(parcel)?;
            continue;
        }
        let kind = serde_json::to_value(parcel.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        let error = parcel.error.as_deref().map(|error| format!("  {}", visible(error))).unwrap_or_default();
        let state = word(parcel.state);
        lines.text(format!("{kind:<26}  {:>20}  {:>12} bytes  {state:<8}{error}", "", parcel.bytes))?;
    }
    if listed.is_empty() && parcels.is_empty() && context.common.format != Format::Json && !context.common.quiet {
        lines.text("nothing waits")?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn word(state: Waits) -> &'static str {
    match state {
        Waits::Unsigned => "unsigned",
        Waits::Sealed => "sealed",
        Waits::Stored => "stored",
        Waits::Refused => "refused",
    }
}

fn push(context: &Context) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let store = super::collect::store(&loaded)?;
    let state = State::open(&loaded)?;
    let (signer, _) = sealing::signer(&loaded)?;
    let runtime = super::collect::runtime()?;
    let stamps = Stamps::open(&loaded, runtime.handle())?;
    let pushed = runtime.block_on(async {
        let keeper = Keeper::open(&loaded, &state, store, &*signer, Arc::new(SystemClock))?.stamped_by(stamps.as_ref());
        Ok(keeper.push())
    })?;
    print(context, &pushed)?;
    Ok(if pushed.runs_left + pushed.entries_left == 0 { Exit::Done } else { Exit::Spooled })
}

fn print(context: &Context, pushed: &Pushed) -> Result<(), Ended> {
    let mut lines = Lines::new();
    let error = pushed.stopped.as_ref().map(ToString::to_string);
    if context.common.format == Format::Json {
        let sent = pushed.runs.iter().map(|(run, head)| json!({"run": run, "head": head})).collect::<Vec<_>>();
        let refused = pushed.refused.iter().map(|(run, why)| json!({"run": run, "error": why})).collect::<Vec<_>>();
        let sealed = pushed.sealed.iter().map(|(subject, head)| json!({"object": subject.name, "head": head}));
        let sealed: Vec<_> = sealed.collect();
        let refused_sealed = pushed.refused_sealed.iter();
        let refused_sealed = refused_sealed.map(|(subject, why)| json!({"object": subject.name, "error": why}));
        let refused_sealed: Vec<_> = refused_sealed.collect();
        lines.json(&json!({
            "sent": sent, "refused": refused, "sealed": sealed, "refused_sealed": refused_sealed, "head": pushed.head, "error": error,
            "left": {"runs": pushed.runs_left, "entries": pushed.entries_left},
        }))?;
    } else {
        let head = pushed.head.as_ref().map(LogHead::to_string).map(|head| format!("; log head {head}"));
        lines.text(format!("sent {} runs{}", pushed.runs.len(), head.unwrap_or_default()))?;
        for (run, why) in &pushed.refused {
            lines.text(format!("refused {run}: {}", why.escape_debug()))?;
        }
        for (subject, head) in &pushed.sealed {
            lines.text(format!("sent {} at {head}", subject.name))?;
        }
        for (subject, why) in &pushed.refused_sealed {
            lines.text(format!("refused {}: {}", subject.name, visible(why)))?;
        }
        if let Some(error) = error {
            lines.text(format!("stopped: {}", error.escape_debug()))?;
        }
        if pushed.runs_left + pushed.entries_left > 0 {
            lines.text(format!("{} runs and {} log entries wait", pushed.runs_left, pushed.entries_left))?;
        }
    }
    lines.finish()
}
