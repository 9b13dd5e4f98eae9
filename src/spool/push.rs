//! Sending what waits: in order, create-only, and each thing exactly once however often it is tried.
//!
//! A store that is away stops everything until the next time, so that the order is kept. A run that the store refuses
//! for good stays in the spool and is tried again each time; later ones go on without it, and it takes its place in the
//! log when it is accepted at last. Until then the log says that it began, and verification that it has no end: nobody
//! can mistake it for a run that was given up. Only a run that rests on the refused one's objects waits with it.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use evidenced_model::{AgentId, Clock, LogHead, RunId, SinkError};
use evidenced_seal::log::{Attempt, Draft};
use evidenced_seal::statement::Subject;
use evidenced_seal::write::{put_envelope, sign_run};
use evidenced_seal::{Log, PublicKeys, SealError, Signer};

use crate::bundle::{Bundle, Refusal, lines, words};
use crate::journal::Waiting;
use crate::parcel::Parcel;
use crate::places::place;
use crate::{Remote, Spool, SpoolError, disk};

/// The file that lists the objects whose locks are to be renewed.
const RENEWALS: &str = "renewals";

/// Who signs and stamps what is sent.
pub struct Pusher<'p> {
    /// The time.
    pub clock: &'p dyn Clock,
    /// The keys that sign or signed the log.
    pub keys: &'p PublicKeys,
    /// The key.
    pub signer: &'p dyn Signer,
    /// Who stamps the time, if somebody does.
    pub stamper: Option<&'p dyn Stamper>,
}

/// Stamps the time on sealed runs: between being sealed and being named in the log.
pub trait Stamper: Send + Sync {
    /// Tokens (RFC 3161, DER) over the signature of this envelope, as many as can be had now; perhaps none. An error
    /// keeps the run in the spool: the config demands a token, and there is none.
    fn stamp(&self, envelope: &[u8]) -> Result<Vec<Vec<u8>>, String>;
}

/// What became of what waited.
#[derive(Debug, Default)]
pub struct Pushed {
    /// The log's head, if it was seen.
    pub head: Option<LogHead>,
    /// Runs that are in the store and the log now, with their entries, in order.
    pub runs: Vec<(RunId, LogHead)>,
    /// Runs that the store refuses, and why; and runs that wait for such.
    pub refused: Vec<(RunId, String)>,
    /// What else was sealed and is in the store and the log now, with its entries, in order.
    pub sealed: Vec<(Subject, LogHead)>,
    /// What else the store refuses, and why.
    pub refused_sealed: Vec<(Subject, String)>,
    /// Why sending ended before the end; the store or the key service is away, as a rule.
    pub stopped: Option<SpoolError>,
    /// Sealed runs that still wait.
    pub runs_left: usize,
    /// Log entries that still wait, those with objects of their own included.
    pub entries_left: usize,
}

impl Pushed {
    /// What the store refuses, in words: the first of it.
    pub fn refusal(&self) -> Option<String> {
        let run = self.refused.first().map(|(run, why)| format!("{run} is refused: {why}"));
        run.or_else(|| self.refused_sealed.first().map(|(subject, why)| format!("{} is refused: {why}", subject.name)))
    }
}

/// The next thing to be sent.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Item {
    Entry(Waiting, Option<Attempt>),
    Bundle(Box<Bundle>),
    Parcel(Box<Parcel>),
}

impl Spool {
    /// Sends everything that waits. Never an error by itself: what could not be sent is still there, and
    /// [`Pushed`] says why.
    pub fn push(&self, remote: &Remote, by: &Pusher<'_>) -> Pushed {
        let _one = self.0.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = Pushed::default();
        done.stopped = self.send_all(remote, by, &mut done).err();
        if done.stopped.is_none() {
            self.renew(remote);
        }
        (done.runs_left, done.entries_left) = self.waiting().unwrap_or_default();
        done
    }

    fn send_all(&self, remote: &Remote, by: &Pusher<'_>, done: &mut Pushed) -> Result<(), SpoolError> {
        if self.next(0)?.is_none() {
            return Ok(());
        }
        let mut sending = Sending { spool: self, remote, by, log: self.log(remote, by)?, held: BTreeSet::new() };
        let mut after = 0;
        while let Some((seq, item)) = self.next(after)? {
            after = seq;
            match item {
                Item::Entry(waiting, kept) => {
                    done.head = Some(sending.entry(&waiting, kept)?);
                }
                Item::Bundle(bundle) => match sending.bundle(&bundle) {
                    Ok(head) => {
                        done.head = Some(head);
                        done.runs.push((bundle.facts.run, head));
                    }
                    Err(error) => {
                        let Some(refusal) = refusal(&error) else {
                            bundle.refuse(&Refusal { objects: false, refused: false, what: error.error.to_string() });
                            return Err(error.error);
                        };
                        tracing::error!(run = %bundle.facts.run, error = refusal.what,
                            "a sealed run is refused; it stays in the spool, and later ones go on");
                        if refusal.objects {
                            sending.held.insert(bundle.facts.run);
                        }
                        bundle.refuse(&refusal);
                        done.refused.push((bundle.facts.run, refusal.what));
                    }
                },
                Item::Parcel(parcel) => match sending.parcel(&parcel) {
                    Ok(head) => {
                        done.head = Some(head);
                        done.sealed.push((parcel.subject(), head));
                    }
                    Err(unsent) => {
                        let Some(refusal) = refusal(&unsent) else {
                            parcel.refuse(&Refusal { objects: false, refused: false, what: unsent.error.to_string() });
                            return Err(unsent.error);
                        };
                        tracing::error!(
                            object = parcel.subject().name,
                            error = refusal.what,
                            "something sealed is refused; it stays in the spool, and later things go on"
                        );
                        parcel.refuse(&refusal);
                        done.refused_sealed.push((parcel.subject(), refusal.what));
                    }
                },
            }
        }
        Ok(())
    }

    /// Renews the locks that are due. What cannot be renewed now is tried again the next time.
    fn renew(&self, remote: &Remote) {
        let file = self.0.root.join(RENEWALS);
        let due = words(&file);
        if due.is_empty() {
            return;
        }
        let (left, error) = remote.renew_all(due);
        if let Some(error) = error {
            tracing::warn!(%error, locks = left.len(), "locks could not be renewed; they still stand, and it is tried again");
        }
        disk::note(&file, lines(&left).as_bytes());
    }

    /// The locks that a run was to renew are owed from now on.
    fn owe_renewals(&self, bundle: &Bundle) {
        let more = bundle.renewals();
        if !more.is_empty() {
            let file = self.0.root.join(RENEWALS);
            let mut all = words(&file);
            all.extend(more);
            disk::note(&file, lines(&all).as_bytes());
        }
    }

    /// The first thing behind this place of the order.
    fn next(&self, after: u64) -> Result<Option<(u64, Item)>, SpoolError> {
        let entry = self.order().journal.next(after).map(|(waiting, kept)| (waiting.seq, Item::Entry(waiting, kept)));
        let bundle = Bundle::next(&self.0.root.join("bundles"), after)?;
        let bundle = bundle.map(|bundle| (bundle.seq, Item::Bundle(Box::new(bundle))));
        let parcel = Parcel::next(&self.0.root.join("parcels"), after)?;
        let parcel = parcel.map(|parcel| (parcel.seq, Item::Parcel(Box::new(parcel))));
        Ok([entry, bundle, parcel].into_iter().flatten().min_by_key(|(seq, _)| *seq))
    }

    /// The log, from where it was last seen.
    fn log<'r>(&self, remote: &'r Remote, by: &Pusher<'_>) -> Result<Log<'r>, SpoolError> {
        let new = || Log::new(remote, self.0.agent.clone(), by.keys.clone());
        if let Some(tail) = self.0.tail.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(new().resume(tail));
        }
        let Some(head) = self.0.cache.head(&self.0.agent) else { return Ok(new()) };
        if let Some(log) = new().resume_at(head)? {
            return Ok(log);
        }
        tracing::error!(
            head = %head, store = remote.location(),
            "the log in the store does not hold the entry that this agent saw there last: somebody cut it back, \
             changed it, or put another store in its place; verify with --expect-head"
        );
        self.0.cache.clear();
        Ok(new())
    }
}

struct Sending<'s> {
    spool: &'s Spool,
    remote: &'s Remote,
    by: &'s Pusher<'s>,
    log: Log<'s>,
    /// Runs whose objects the store does not hold.
    held: BTreeSet<RunId>,
}

/// Why a bundle could not be sent, and whether its objects are in the store.
struct Unsent {
    error: SpoolError,
    objects: bool,
}

impl Sending<'_> {
    /// Appends an entry that waits.
    fn entry(&mut self, waiting: &Waiting, kept: Option<Attempt>) -> Result<LogHead, SpoolError> {
        let spool = self.spool;
        let mut keep = |attempt: &Attempt| Ok(spool.order().journal.keep(waiting.seq, attempt)?);
        let head = self.append(&waiting.entry(), kept, &mut keep)?;
        self.spool.order().journal.told(waiting.seq)?;
        Ok(head)
    }

    /// Sends a parcel: objects, log entry; then it leaves the spool.
    fn parcel(&mut self, parcel: &Parcel) -> Result<LogHead, Unsent> {
        self.parcel_objects(parcel).map_err(|error| Unsent { error, objects: true })?;
        let (draft, keep) = (&parcel.facts.draft, &mut |attempt: &Attempt| Ok(parcel.keep(attempt)?));
        let head = self.append(draft, parcel.attempt(), keep).map_err(|error| Unsent { error, objects: false })?;
        if let Err(error) = self.leave_parcel(parcel) {
            tracing::warn!(object = parcel.subject().name, %error, "what is stored cannot leave the spool yet");
        }
        Ok(head)
    }

    fn parcel_objects(&self, parcel: &Parcel) -> Result<(), SpoolError> {
        let failed = SpoolError::io(&parcel.folder);
        place("push.parcel").map_err(&failed)?;
        self.must_be_ours(&parcel.subject().name, &parcel.facts.agent, &parcel.facts.store)?;
        self.remote.put_all(parcel.objects()?).map_err(SealError::from)?;
        parcel.set_sent();
        place("push.parcel.sent").map_err(&failed)
    }

    /// The log names it: it leaves the spool. What fails here is done again the next time.
    fn leave_parcel(&self, parcel: &Parcel) -> Result<(), SpoolError> {
        let failed = SpoolError::io(&parcel.folder);
        place("push.parcel.named").map_err(&failed)?;
        let root = &self.spool.0.root;
        let size = disk::size(&parcel.folder);
        let gone = root.join(format!("gone-parcel-{}", parcel.seq));
        std::fs::rename(&parcel.folder, &gone).map_err(&failed)?;
        place("push.parcel.left").map_err(&failed)?;
        disk::sync_folder(&root.join("parcels")).map_err(&failed)?;
        disk::sync_folder(root).map_err(&failed)?;
        disk::remove(&gone).map_err(&failed)?;
        self.spool.0.meter.give_back(size);
        place("push.parcel.gone").map_err(&failed)
    }

    /// What was sealed by another agent or for another store is not sent from here to this one.
    fn must_be_ours(&self, path: &str, agent: &AgentId, store: &str) -> Result<(), SpoolError> {
        if store == self.spool.0.store && *agent == self.spool.0.agent {
            return Ok(());
        }
        let reason =
            format!("it was sealed by agent {agent} for the store {store}; set agent.id and store.url back, and push");
        Err(SealError::from(SinkError::Refused { path: path.to_owned(), reason }).into())
    }

    /// Sends a run: objects, envelope, tokens, log entry; then it leaves the spool.
    fn bundle(&mut self, bundle: &Bundle) -> Result<LogHead, Unsent> {
        self.objects(bundle).map_err(|error| Unsent { error, objects: true })?;
        self.rest(bundle).map_err(|error| Unsent { error, objects: false })
    }

    fn objects(&mut self, bundle: &Bundle) -> Result<(), SpoolError> {
        let failed = SpoolError::io(&bundle.folder);
        place("push.bundle").map_err(&failed)?;
        let refused = |reason: String| SinkError::Refused { path: bundle.facts.path.clone(), reason };
        self.must_be_ours(&bundle.facts.path, &bundle.facts.agent, &bundle.facts.store)?;
        if let Some(base) = bundle.facts.base.filter(|base| self.held.contains(base)) {
            return Err(SealError::from(refused(format!("it rests on the run {base}, which the store refuses"))).into());
        }
        if bundle.is_stored() {
            return Ok(());
        }
        self.remote.put_all(bundle.objects()?).map_err(SealError::from)?;
        place("push.objects.sent").map_err(&failed)
    }

    fn rest(&mut self, bundle: &Bundle) -> Result<LogHead, SpoolError> {
        let failed = SpoolError::io(&bundle.folder);
        let mut sink = self.remote.clone();
        let envelope = self.envelope(bundle)?;
        place("push.run").map_err(&failed)?;
        let path = &bundle.facts.path;
        let digest = put_envelope(&mut sink, self.remote, path, &envelope, self.by.keys)?;
        place("push.run.sent").map_err(&failed)?;
        // Not earlier: a store may keep objects in its hands until something else is written.
        bundle.set_stored();
        for (path, token) in self.tokens(bundle, &envelope)? {
            evidenced_model::Sink::put(&mut sink, &path, &token).map_err(SealError::from)?;
        }
        let draft = Draft::sealed(bundle.facts.run, bundle.facts.slot.clone(), path, digest);
        let head = self.append(&draft, bundle.attempt(), &mut |attempt| Ok(bundle.keep(attempt)?))?;
        place("push.named").map_err(&failed)?;
        self.leave(bundle);
        Ok(head)
    }

    /// The signed envelope; it is signed now if the key service was away before.
    fn envelope(&self, bundle: &Bundle) -> Result<Vec<u8>, SpoolError> {
        if let Some(envelope) = bundle.envelope()? {
            return Ok(envelope);
        }
        let envelope = sign_run(&bundle.facts.path, &bundle.statement()?, self.by.signer)?;
        match bundle.sign(&envelope) {
            // A full disk must not keep a run from leaving it. If this is lost, another signature is as good.
            Err(error) if !error.is_full() => Err(error),
            _ => Ok(envelope),
        }
    }

    /// The tokens over an envelope: those that are there, or those that can be had now.
    fn tokens(&self, bundle: &Bundle, envelope: &[u8]) -> Result<Vec<(String, Vec<u8>)>, SpoolError> {
        let there = bundle.tokens();
        let Some(stamper) = self.by.stamper.filter(|_| there.is_empty()) else { return Ok(there) };
        let away = |reason| SealError::from(SinkError::Away { path: bundle.facts.path.clone(), reason });
        for token in stamper.stamp(envelope).map_err(away)? {
            bundle.stamp(&token)?;
        }
        Ok(bundle.tokens())
    }

    fn append(
        &mut self,
        draft: &Draft,
        kept: Option<Attempt>,
        keep: &mut dyn FnMut(&Attempt) -> Result<(), SealError>,
    ) -> Result<LogHead, SpoolError> {
        let failed = SpoolError::io(&self.spool.0.root);
        place("push.entry").map_err(&failed)?;
        let mut sink = self.remote.clone();
        let now = self.by.clock.now();
        let appended = self.log.append_kept(&mut sink, self.by.signer, draft, now, (kept, keep));
        *self.spool.0.tail.lock().unwrap_or_else(PoisonError::into_inner) = self.log.tail();
        let head = appended?;
        place("push.entry.sent").map_err(&failed)?;
        self.spool.0.cache.see(&self.spool.0.agent, head);
        Ok(head)
    }

    /// The log names it: it leaves the spool. What fails here is done again the next time.
    fn leave(&self, bundle: &Bundle) {
        let root = &self.spool.0.root;
        let left = || -> Result<(), SpoolError> {
            let failed = SpoolError::io(&bundle.folder);
            self.spool.order().journal.ended(bundle.facts.run)?;
            let size = disk::size(&bundle.folder);
            self.spool.0.cache.absorb(bundle);
            self.spool.owe_renewals(bundle);
            place("push.cached").map_err(&failed)?;
            let gone = root.join(format!("gone-{}", bundle.facts.run));
            place("push.leave").map_err(&failed)?;
            std::fs::rename(&bundle.folder, &gone).map_err(&failed)?;
            place("push.left").map_err(&failed)?;
            disk::sync_folder(&root.join("bundles")).map_err(&failed)?;
            disk::sync_folder(root).map_err(&failed)?;
            disk::remove(&gone).map_err(&failed)?;
            self.spool.0.meter.give_back(size);
            place("push.gone").map_err(&failed)
        };
        if let Err(error) = left() {
            tracing::warn!(run = %bundle.facts.run, %error, "a stored run cannot leave the spool yet");
        }
    }
}

/// What keeps a bundle here for good; `None` if it is only away.
fn refusal(unsent: &Unsent) -> Option<Refusal> {
    let refused = match &unsent.error {
        SpoolError::Seal(error) => matches!(
            error,
            SealError::Sink(SinkError::Exists { .. } | SinkError::Refused { .. }) | SealError::Wrong { .. }
        ),
        SpoolError::Damaged { .. } => true,
        SpoolError::Io { .. } | SpoolError::Full { .. } | SpoolError::Source { .. } => false,
    };
    refused.then(|| Refusal { objects: unsent.objects, refused: true, what: unsent.error.to_string() })
}
