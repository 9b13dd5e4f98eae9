//! `evidenced run`: the daemon.

use std::sync::Arc;

use super::Context;
use crate::args;
use crate::daemon::Daemon;
use crate::daemon::means::Means;
use crate::exit::{Ended, Exit};
use crate::state::State;

pub(crate) fn run(context: &Context, options: &args::Run) -> Result<Exit, Ended> {
    let loaded = Means::read(context, options.shard)?;
    // First of all, so that whoever watches sees it.
    let daemon = Daemon::new(context, &loaded, options, Arc::clone(&context.time))?;
    let state = State::open(&loaded)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(16)
        .thread_keep_alive(std::time::Duration::from_secs(5))
        .enable_all()
        .build()
        .map_err(|error| Ended::new(Exit::Usage, format!("the runtime cannot start: {error}")))?;
    let ended = runtime.block_on(daemon.live(loaded, &state));
    // Whatever still waits for an answer is left alone.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    ended
}
