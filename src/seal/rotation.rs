//! One key hands over to another, or is revoked: entries of the log, so that a verifier who pinned the old key finds
//! the new one, and nobody has to be told twice.

use evidenced_model::{AgentId, Archive, Digest, LogHead, Sink};
use jiff::Timestamp;

use crate::log::{Draft, Log};
use crate::object::{Format, object_path};
use crate::{PublicKeys, SealError, Signer, Validity};

/// The log that keys are changed in.
pub struct KeyLog<'a> {
    /// Its store, for reading.
    pub archive: &'a dyn Archive,
    /// Its agent.
    pub agent: AgentId,
    /// The keys that sign or signed it.
    pub keys: PublicKeys,
}

impl KeyLog<'_> {
    /// Hands over: the old key signs an entry that names the new one, and the new key signs one that says the same,
    /// so that nobody hands over to a key that cannot sign. Called again after a crash, it does what is missing.
    pub fn rotate(
        &self,
        sink: &mut dyn Sink,
        (old, new): (&dyn Signer, &dyn Signer),
        now: Timestamp,
    ) -> Result<LogHead, SealError> {
        let id = new.public_key().id();
        sink.put(&object_path(&id, Format::Binary), new.public_key().der())?;
        let mut keys = self.keys.clone();
        keys.pin(old.public_key().clone(), Validity::default());
        keys.pin(new.public_key().clone(), Validity::default());
        let mut log = Log::new(self.archive, self.agent.clone(), keys);
        let draft = Draft::rotated(new.public_key());
        if log.signs()? != Some(id) {
            log.append(sink, old, &draft, now)?;
        }
        log.append(sink, new, &draft, now)
    }

    /// Says that a key is not to be believed any more, or not since a moment that has passed. Another key signs this.
    pub fn revoke(
        &self,
        sink: &mut dyn Sink,
        signer: &dyn Signer,
        (key, reason, since): (Digest, &str, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<LogHead, SealError> {
        let mut log = Log::new(self.archive, self.agent.clone(), self.keys.clone());
        log.append(sink, signer, &Draft::revoked(key, reason.to_owned(), since), now)
    }
}
