//! Where there is a systemd, it is told how things stand. Elsewhere nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

/// The daemon is up.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The config is read again; followed by [`ready`].
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd cannot be told"),
    }
}

/// The daemon ends.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// What it is about, in a line.
pub(crate) fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// Tells that the process is alive, in half the time that systemd gives it, as long as `alive` says so.
pub(crate) fn keep_alive(alive: impl Fn() -> bool + Send + 'static) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let wait = (limit / 2).max(Duration::from_millis(100));
    tokio::spawn(async move {
        loop {
            if alive() {
                tell(&[NotifyState::Watchdog]);
            }
            tokio::time::sleep(wait).await;
        }
    });
}
