//! Locks that are proved: asked of the bucket before the first write, read back after it, renewed in time.

use evidenced_model::manifest::LockMode;
use evidenced_model::{Put, SinkError};
use jiff::{SignedDuration, Timestamp};

use super::bucket::{Shared, sink};
use super::{Hold, Trouble};
use crate::lock::{GRACE_DAYS, Retention};
use crate::{Lock, Probe};

impl Shared {
    /// The lock as it is asked for and the bucket can give it, or as the bucket gives it by itself.
    pub(super) async fn lock(&self) -> Result<Lock, SinkError> {
        let store = self.remote.name();
        if let Some(Retention { mode, days }) = self.retention {
            self.must_lock().await.map_err(|trouble| sink("v1/", trouble))?;
            return Ok(Lock { days: Some(days), mode, store });
        }
        let none = Lock { days: None, mode: LockMode::None, store };
        match self.ask("v1/", || self.remote.rule()).await {
            Ok(rule) => Ok(rule.default.map_or(none, |(mode, days)| Lock { days: Some(days), mode, store })),
            // Nothing was asked for, so that not knowing is no more than that.
            Err(Trouble::Refused(_) | Trouble::Unsupported(_)) => Ok(none),
            Err(trouble) => Err(sink("v1/", trouble)),
        }
    }

    /// The bucket says that it can lock; asked once.
    pub(super) async fn must_lock(&self) -> Result<(), Trouble> {
        let asked = self.lockable.get_or_try_init(|| async {
            let lacks = match self.ask("v1/", || self.remote.rule()).await {
                Ok(rule) => rule.lacks,
                Err(Trouble::Unsupported(what)) => Some(format!("it does not know of locks ({what})")),
                Err(trouble) => return Err(trouble),
            };
            match lacks {
                None => Ok(()),
                Some(why) => Err(Trouble::Refused(format!(
                    "store.retention asks for a lock, and {} cannot lock: {why}",
                    self.location()
                ))),
            }
        });
        asked.await.map(|&()| ())
    }

    /// The store says that what was just written is locked as it was asked for; looked at once.
    pub(super) async fn must_hold(&self, key: &str) -> Result<(), Trouble> {
        let Some(retention) = &self.retention else { return Ok(()) };
        let seen = self.proved.get_or_try_init(|| async {
            let held = self.ask(key, || self.remote.held(key, None)).await?;
            let least = days_from(self.clock.now(), retention.days)?;
            match held {
                Some(Hold { mode, until }) if mode >= retention.mode && until >= least => Ok(()),
                Some(Hold { mode, until }) => Err(format!("it says {mode:?} until {until}").to_lowercase()),
                None => Err("it says that there is no lock, or does not let this identity see it".to_owned()),
            }
            .map_err(|what| {
                Trouble::Refused(format!(
                    "{} took the file and ignored its lock: {what}; use a store that locks, or take store.retention \
                     out of the config and live without",
                    self.location()
                ))
            })
        });
        seen.await.map(|&()| ())
    }

    /// The lock of a file that is written now.
    pub(super) fn hold(&self, retention: Retention) -> Result<Hold, Trouble> {
        let until = days_from(self.clock.now(), retention.days.saturating_add(GRACE_DAYS))?;
        Ok(Hold { mode: retention.mode, until })
    }

    /// Renews the lock of a file that was written long ago and is written again, if it ends before the retention does.
    pub(super) async fn hold_on(&self, path: &str, key: &str) -> Result<(), SinkError> {
        let Some(retention) = self.retention else { return Ok(()) };
        let short = async {
            let least = days_from(self.clock.now(), retention.days)?;
            let held = self.ask(path, || self.remote.held(key, None)).await?;
            Ok(held.is_none_or(|hold| hold.mode < retention.mode || hold.until < least))
        };
        if short.await.map_err(|trouble| sink(path, trouble))? { self.renew(path).await } else { Ok(()) }
    }

    /// Locks the oldest version of a file, which is the one that counts, for the whole time from now on.
    pub(super) async fn renew(&self, path: &str) -> Result<(), SinkError> {
        let Some(retention) = self.retention else { return Ok(()) };
        let renewed = async {
            let key = self.key(path)?;
            let hold = self.hold(retention)?;
            let history = self.history(path).await?;
            let Some(version) = history.versions.into_iter().next() else {
                return Err(Trouble::Refused("it is not there, so that its lock cannot be renewed".to_owned()));
            };
            self.ask(path, || self.remote.extend(&key, version.as_deref(), hold)).await
        };
        renewed.await.map_err(|trouble| sink(path, trouble))
    }

    /// Proves the store with a tiny file.
    pub(super) async fn probe(&self, path: String) -> Result<Probe, SinkError> {
        if self.put(&path, "one".into()).await? != Put::Written {
            let reason = "it was there before; name a new one".to_owned();
            return Err(SinkError::Refused { path, reason });
        }
        let overwrite_refused = matches!(self.put(&path, "two".into()).await, Err(SinkError::Exists { .. }));
        let looked = async {
            let key = self.key(&path)?;
            let held = match self.ask(&path, || self.remote.held(&key, None)).await {
                Err(Trouble::Unsupported(_)) => None,
                held => held?,
            };
            let version = self.history(&path).await?.versions.into_iter().next().flatten();
            let delete_refused = match self.ask(&path, || self.remote.delete(&key, version.as_deref())).await {
                Ok(()) => false,
                // A conflict with the lock, or with a policy.
                Err(Trouble::Refused(_) | Trouble::Unsupported(_) | Trouble::Exists) => true,
                Err(trouble) => return Err(trouble),
            };
            Ok((held, delete_refused))
        };
        let (held, delete_refused) = looked.await.map_err(|trouble: Trouble| sink(&path, trouble))?;
        let (mode, locked_until) = held.map_or((LockMode::None, None), |hold| (hold.mode, Some(hold.until)));
        Ok(Probe { path, overwrite_refused, delete_refused, locked_until, mode })
    }
}

/// So many days after a moment.
pub(super) fn days_from(now: Timestamp, days: u32) -> Result<Timestamp, Trouble> {
    let hours = i64::from(days) * 24;
    now.checked_add(SignedDuration::from_hours(hours))
        .map_err(|_| Trouble::Refused(format!("a lock of {days} days ends after the calendar")))
}
