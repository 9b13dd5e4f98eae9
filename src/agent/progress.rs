//! What a person at a terminal sees while a run is under way. Always on stderr; nothing where there is no terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress line.
pub(crate) struct Progress {
    bar: ProgressBar,
    resources: std::sync::atomic::AtomicU64,
}

impl Progress {
    /// Shown on a terminal unless `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bar:24} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        if shown {
            bar.enable_steady_tick(Duration::from_millis(125));
        }
        Self { bar, resources: 0.into() }
    }

    /// A stage begins.
    pub(crate) fn stage(&self, what: &'static str) {
        self.bar.set_message(what);
    }

    /// So many jobs are to come.
    pub(crate) fn jobs(&self, count: u64) {
        self.bar.set_length(count);
    }

    /// One of them is done.
    pub(crate) fn job_done(&self) {
        self.bar.inc(1);
    }

    /// So many of so many.
    pub(crate) fn reached(&self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_position(done);
    }

    /// One more resource was read.
    pub(crate) fn resource(&self) {
        let count = self.resources.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        if count.is_multiple_of(100) && !self.bar.is_hidden() {
            self.bar.set_message(format!("{count} resources"));
        }
    }

    /// The line goes.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
