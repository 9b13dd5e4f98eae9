//! `evidenced keys`: which keys the log knows, handing over to another, and revoking one.

use std::path::Path;
use std::sync::Arc;

use evidenced_model::{Archive, Clock as _, Digest, LogHead, Put, Sink, SinkError};
use evidenced_seal::verify::{Options, verify};
use evidenced_seal::{KeyLog, PublicKey, PublicKeys, SealError, Signer};
use evidenced_store::Store;
use serde_json::json;
use tokio::runtime::Handle;

use super::{Context, pins};
use crate::args::{Format, KeysCommand};
use crate::clock::SystemClock;
use crate::config::Loaded;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::failed;
use crate::sealing;
use crate::state::State;

pub(crate) fn run(context: &Context, command: &KeysCommand) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    match command {
        KeysCommand::List => list(context, &loaded),
        KeysCommand::Rotate { to } => rotate(context, &loaded, to),
        KeysCommand::Revoke { key, reason, since } => revoke(context, &loaded, key, reason, since.as_deref()),
    }
}

/// The keys as the log knows them, as far as the configured ones are believed.
fn list(context: &Context, loaded: &Loaded) -> Result<Exit, Ended> {
    let archive = super::archive(None, loaded)?;
    let agent = Some(loaded.config.agent.id.clone());
    // The log alone: no run begins before the epoch.
    let asked = Options { agent, keys: super::own_keys(loaded)?, until: Some(0), ..Options::default() };
    let report = verify(&*archive, &asked, &mut |_, _| {}).map_err(failed)?;
    let mut lines = Lines::new();
    for key in &report.keys {
        if context.common.format == Format::Json {
            lines.json(&json!({"id": key.id, "agent": key.agent, "entries": key.entries, "why": key.why}))?;
        } else {
            lines.text(format!("{}  {} entries  {}", key.id, key.entries, key.why))?;
        }
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn rotate(context: &Context, loaded: &Loaded, to: &str) -> Result<Exit, Ended> {
    let uri = sealing::parse(loaded, to)?;
    let _state = State::open(loaded)?;
    let (old, _) = sealing::signer(loaded)?;
    let new = sealing::open(loaded, &uri).map_err(|error| {
        let exit = if matches!(error, evidenced_seal::KeyError::Away { .. }) { Exit::Spooled } else { Exit::Usage };
        Ended::new(exit, format!("--to {to}: {error}"))
    })?;
    if old.public_key() == new.public_key() {
        return Err(Ended::new(Exit::Usage, format!("--to {to}: that is the key which signs already")));
    }
    let head = in_log(loaded, &*old, |log, sink| log.rotate(sink, (&*old, &*new), SystemClock.now()))?;
    let former = keep_former(loaded, old.public_key())?;
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        lines.json(&json!({
            "head": head, "from": old.public_key().id(), "to": new.public_key().id(), "former_key": former,
        }))?;
    } else {
        lines.text(format!(
            "key {} handed over to {} in the log, whose head is {head}",
            old.public_key().id(),
            new.public_key().id()
        ))?;
        lines.text("now change the config, before the next run:")?;
        lines.text(format!("  seal:\n    key: {to}\n    former_keys: [{}]", former_list(loaded, &former)))?;
        lines.text("and tell whoever verifies: the new public key is believed by all who pinned the old one")?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn revoke(context: &Context, loaded: &Loaded, key: &str, reason: &str, since: Option<&str>) -> Result<Exit, Ended> {
    let usage = |message: String| Ended::new(Exit::Usage, message);
    let since = since.map(|text| {
        pins::moment(text, false)
            .ok_or_else(|| usage(format!("--since {text:?}: expected 2026-01-31 or 2026-01-31T12:00:00Z")))
    });
    let since = since.transpose()?;
    let _state = State::open(loaded)?;
    let (signer, _) = sealing::signer(loaded)?;
    let known = sealing::known_keys(loaded, &*signer)?;
    let id = key.strip_prefix("sha256:").unwrap_or(key).parse::<Digest>();
    let id = id.map_err(|_| {
        usage(format!("{key:?} is not a key's id: expected a SHA-256, as `evidenced keys list` prints it"))
    })?;
    if id == signer.public_key().id() {
        let message = "that key signs the log now, and does not revoke itself: hand over to another first, with \
                       `evidenced keys rotate --to KEY`";
        return Err(usage(message.to_owned()));
    }
    if known.get(&id).is_none() {
        let ids: Vec<String> = known.iter().map(|key| key.id().to_string()).collect();
        return Err(usage(format!("{id} is no key of this agent; known: {}; see seal.former_keys", ids.join(", "))));
    }
    let what = (id, reason, since);
    let head = in_log(loaded, &*signer, |log, sink| log.revoke(sink, &*signer, what, SystemClock.now()))?;
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        lines.json(&json!({"head": head, "revoked": id, "since": since}))?;
    } else {
        lines.text(format!("key {id} is revoked in the log, whose head is {head}"))?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}

/// Does something to the keys of the agent's log.
fn in_log(
    loaded: &Loaded,
    signer: &dyn Signer,
    work: impl FnOnce(&KeyLog<'_>, &mut dyn Sink) -> Result<LogHead, SealError>,
) -> Result<LogHead, Ended> {
    let store = super::collect::store(loaded)?;
    let keys: PublicKeys = sealing::known_keys(loaded, signer)?;
    let runtime = super::collect::runtime()?;
    let archive: Arc<dyn Archive> = store.archive();
    let log = KeyLog { archive: &*archive, agent: loaded.config.agent.id.clone(), keys };
    let mut sink = Blocking { store, handle: runtime.handle().clone() };
    work(&log, &mut sink).map_err(|error| {
        let exit = if error.is_away() { Exit::Spooled } else { Exit::Usage };
        Ended::new(exit, error.to_string())
    })
}

/// A store, for code that waits. It is used outside of any runtime.
struct Blocking {
    store: Arc<dyn Store>,
    handle: Handle,
}

impl Sink for Blocking {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<Put, SinkError> {
        self.handle.block_on(self.store.put(path, bytes.to_vec()))
    }
}

/// Keeps the public side of a key that hands over, in the state folder.
fn keep_former(loaded: &Loaded, key: &PublicKey) -> Result<std::path::PathBuf, Ended> {
    let path = loaded.config.agent.state_dir.join(format!("former-{}.pub.pem", &key.id().to_string()[..16]));
    if !path.exists() {
        evidenced_seal::signer::write_public_pem(&path, key).map_err(|error| {
            let message = format!("the log says that the key handed over, but its public side is not kept: {error}");
            Ended::new(Exit::Usage, message)
        })?;
    }
    Ok(path)
}

fn former_list(loaded: &Loaded, new: &Path) -> String {
    let mut all: Vec<String> = loaded.config.seal.former_keys.iter().map(|path| path.display().to_string()).collect();
    all.push(new.display().to_string());
    all.join(", ")
}
