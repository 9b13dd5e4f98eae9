//! `evidenced doctor`: proves each part that a run needs, one line each, and says what was not proved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidenced_check::Library;
use evidenced_kit::{Limits, OpenContext, Stats};
use evidenced_model::manifest::LockMode;
use evidenced_model::{Clock, KindId, Provider, Region};
use evidenced_seal::timestamp::Stamp;
use evidenced_seal::{KeyError, Signer};
use evidenced_store::Probe;
use serde::Serialize;

use super::Context;
use crate::args::Format;
use crate::clock::{SystemClock, new_run};
use crate::config::Loaded;
use crate::declared::Declared;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::needs;
use crate::plan::excluded;
use crate::sealing;
use crate::storing::{RetentionConfig, RetentionMode};

/// Beyond this many seconds our clock differs from others' worth mentioning.
const SKEW: i64 = 5;
/// Beyond this many, a run's times are not to be relied on.
const SUSPECT: i64 = 300;

/// So many accounts are named.
const NAMED: usize = 8;

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Failed,
    /// It could not be tried; a run will tell.
    Unproved,
}

/// One part, and what was seen of it.
#[derive(Debug, Serialize)]
struct Part {
    #[serde(rename = "part")]
    name: String,
    state: State,
    what: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

impl Part {
    fn new(name: impl Into<String>, state: State, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.into(), state, what: what.into(), remedy: remedy.into() }
    }
}

/// What was seen so far, and what the exit code will be.
struct Doctor<'a> {
    context: &'a Context,
    exit: Exit,
    lines: Lines,
    skews: Vec<(String, i64)>,
}

pub(crate) fn run(context: &Context) -> Result<Exit, Ended> {
    let mut doctor = Doctor { context, exit: Exit::Done, lines: Lines::new(), skews: Vec::new() };
    let loaded = match context.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            doctor
                .say(&Part::new("config", State::Failed, error.message, "see `evidenced config check`"), Exit::Usage)?;
            doctor.lines.finish()?;
            return Ok(Exit::Usage);
        }
    };
    let from = loaded.path.as_ref().map_or_else(|| "built-in defaults".to_owned(), |path| path.display().to_string());
    doctor.say(&Part::new("config", State::Ok, format!("{from} is understood"), ""), Exit::Usage)?;
    doctor.declaration(&loaded)?;
    let runtime = super::collect::runtime()?;
    doctor.key(&loaded)?;
    runtime.block_on(async {
        doctor.store(&loaded).await?;
        doctor.authorities(&loaded).await?;
        doctor.clouds(&loaded).await
    })?;
    doctor.clock()?;
    doctor.lines.finish()?;
    Ok(doctor.exit)
}

impl Doctor<'_> {
    /// Prints a part. One that failed counts as `exit`, one that warns as partial.
    fn say(&mut self, part: &Part, exit: Exit) -> Result<(), Ended> {
        self.exit = self.exit.or(match part.state {
            State::Ok | State::Unproved => Exit::Done,
            State::Warning => Exit::Partial,
            State::Failed => exit,
        });
        if self.context.common.format == Format::Json {
            return self.lines.json(part);
        }
        let state = match part.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
            State::Unproved => "unproved",
        };
        let remedy = if part.remedy.is_empty() { String::new() } else { format!("; {}", part.remedy) };
        // What providers and servers say is shown, not obeyed.
        let what = part.what.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
        self.lines.text(format!("{state:<8} {:<12} {what}{remedy}", part.name))
    }

    /// What is declared can be used, and which waivers end.
    fn declaration(&mut self, loaded: &Loaded) -> Result<(), Ended> {
        let Some(file) = &loaded.isms else {
            let what = "nothing is declared: every control applies, and nothing is waived";
            return self.say(&Part::new("isms", State::Ok, what, "see docs/isms.md"), Exit::Usage);
        };
        let now = self.context.time.now();
        let library = crate::catalogue::library(loaded)?;
        let part = match Declared::check(loaded, &library, now) {
            Err(error) => Part::new("isms", State::Failed, error.message, "see `evidenced config check`"),
            Ok(declared) => match declared.isms.map(|isms| isms.voices(now)).unwrap_or_default() {
                voices if voices.is_empty() => {
                    Part::new("isms", State::Ok, format!("{} is understood", file.path.display()), "")
                }
                voices => Part::new("isms", State::Warning, voices.join("; "), ""),
            },
        };
        self.say(&part, Exit::Usage)
    }

    /// The key signs, and its signature verifies.
    fn key(&mut self, loaded: &Loaded) -> Result<(), Ended> {
        let (uri, make) = sealing::key_uri(loaded)?;
        if let (evidenced_keys::KeyUri::File(path), true) = (&uri, make)
            && !path.exists()
        {
            let what = format!("none is named; the first run makes {}", path.display());
            return self
                .say(&Part::new("key", State::Ok, what, "name one in seal.key to choose where it lives"), Exit::Usage);
        }
        let part = match sealing::open(loaded, &uri).and_then(|signer| signs(&*signer)) {
            Ok(what) => Part::new("key", State::Ok, what, ""),
            Err(error @ KeyError::Away { .. }) => {
                Part::new("key", State::Failed, error.to_string(), "check the network, the credentials and the region")
            }
            Err(error) => Part::new("key", State::Failed, error.to_string(), "see seal.key"),
        };
        self.say(&part, Exit::Spooled)
    }

    /// The store takes a tiny new file, refuses another over it, and locks it if that is asked for.
    async fn store(&mut self, loaded: &Loaded) -> Result<(), Ended> {
        let part = match super::collect::store(loaded) {
            Err(error) => Part::new("store", State::Failed, error.message, "see store.url"),
            Ok(store) => {
                let location = store.archive().location();
                match store.probe(&new_run(&SystemClock).to_string()).await {
                    Ok(probe) => probed(&location, &probe, loaded.config.store.retention),
                    Err(error) => {
                        let remedy = "check its address, and what this agent may do there";
                        Part::new("store", State::Failed, format!("{location}: {error}"), remedy)
                    }
                }
            }
        };
        self.say(&part, Exit::Spooled)
    }

    /// Each authority stamps a test message.
    async fn authorities(&mut self, loaded: &Loaded) -> Result<(), Ended> {
        let config = &loaded.config.seal.timestamp;
        let authorities = match sealing::authorities(loaded) {
            Err(error) => {
                let part = Part::new("timestamp", State::Failed, error.message, "see seal.timestamp");
                return self.say(&part, Exit::Usage);
            }
            Ok(None) => {
                let what = "no authority is named; a run's time rests on this machine's clock alone";
                return self.say(&Part::new("timestamp", State::Ok, what, "see seal.timestamp.urls"), Exit::Partial);
            }
            Ok(Some(authorities)) => authorities,
        };
        let answers = authorities.try_each(b"evidenced doctor: a test of this authority").await;
        let any = answers.iter().any(|(_, answer)| answer.is_ok());
        for (url, answer) in answers {
            let part = match answer {
                Ok(stamp) => {
                    self.skew(&url, &stamp);
                    let trust =
                        if config.ca_file.is_some() { "" } else { "; whose certificate that is was not checked" };
                    let remedy = if config.ca_file.is_some() {
                        ""
                    } else {
                        "name the certificates you trust in seal.timestamp.ca_file"
                    };
                    Part::new("timestamp", State::Ok, format!("{url} stamps as {}{trust}", stamp.authority), remedy)
                }
                Err(reason) => {
                    let state = if config.required && !any { State::Failed } else { State::Warning };
                    Part::new("timestamp", state, format!("{url}: {reason}"), "check the address and the network")
                }
            };
            self.say(&part, Exit::Spooled)?;
        }
        Ok(())
    }

    fn skew(&mut self, who: &str, stamp: &Stamp) {
        let ahead = SystemClock.now().duration_since(stamp.time);
        self.skews.push((who.to_owned(), ahead.as_secs()));
    }

    /// Who we are in each cloud, and which accounts can be entered.
    async fn clouds(&mut self, loaded: &Loaded) -> Result<(), Ended> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ambient = crate::ambient::ambient_targets(&self.context.clouds);
        let targets = if loaded.config.targets.is_empty() { &ambient } else { &loaded.config.targets };
        let library = crate::catalogue::library(loaded)?;
        let mut entered = 0;
        for (name, body) in targets.iter().flatten() {
            let Some(cloud) = self.context.clouds.iter().find(|cloud| cloud.provider().as_str() == name) else {
                continue;
            };
            let stats = Arc::new(Stats::default());
            let limits = Arc::new(Limits::new(crate::cycle::limits(&loaded.config.limits)));
            let context = OpenContext {
                run: new_run(&*clock),
                limits,
                stats: Arc::clone(&stats),
                clock: Arc::clone(&clock),
                mine: loaded.mine(),
                environment: crate::ambient::clouds_environment(&self.context.clouds),
            };
            match cloud.open(body, &context).await {
                Err(error) => self.say(&Part::new(name, State::Failed, error.message, "see targets"), Exit::Partial)?,
                Ok(opened) => {
                    entered += opened.accounts.iter().filter(|account| !account.collectors.is_empty()).count();
                    self.say(&seen(&cloud.provider(), &opened), Exit::Partial)?;
                    for part in permissions(&cloud.provider(), &opened, &library).await {
                        self.say(&part, Exit::Partial)?;
                    }
                }
            }
            self.skews.extend(stats.skews());
        }
        if entered == 0 {
            self.exit = self.exit.or(Exit::Nothing);
        }
        Ok(())
    }

    /// Our clock beside those of others.
    fn clock(&mut self) -> Result<(), Ended> {
        let part = match self.skews.iter().max_by_key(|(_, seconds)| seconds.abs()) {
            None => Part::new("clock", State::Ok, "nobody told the time, so that it was not compared", ""),
            Some((who, seconds)) => {
                let state = match seconds.abs() {
                    small if small <= SKEW => State::Ok,
                    large if large <= SUSPECT => State::Warning,
                    _ => State::Failed,
                };
                let remedy = if state == State::Ok { "" } else { "let this machine follow a time server" };
                Part::new("clock", state, format!("it differs by {seconds} s at most ({who})"), remedy)
            }
        };
        self.say(&part, Exit::Partial)
    }
}

/// What a store did with a tiny file, beside the lock that is asked of it.
fn probed(location: &str, probe: &Probe, asked: Option<RetentionConfig>) -> Part {
    let failed = |what: String, remedy: &str| Part::new("store", State::Failed, what, remedy);
    if !probe.overwrite_refused {
        let what = format!("{location} let {} be written over", probe.path);
        return failed(what, "use a store with conditional writes; this one can lose evidence");
    }
    let written = format!("{location} took {} and refused another over it", probe.path);
    let locks = "make a bucket with a lock, and let this agent use it: see docs/stores.md";
    match (asked, probe.mode, probe.locked_until) {
        (Some(_), LockMode::None, _) | (Some(_), _, None) => failed(format!("{written}, but does not lock it"), locks),
        (Some(RetentionConfig { mode: RetentionMode::Compliance, .. }), LockMode::Governance, _) => {
            failed(format!("{written}, but locks it in governance mode only"), locks)
        }
        (Some(_), _, _) if !probe.delete_refused => failed(format!("{written}, but let it be deleted"), locks),
        (_, LockMode::None, _) | (_, _, None) => {
            Part::new("store", State::Ok, format!("{written}; it does not lock, and is not asked to"), "")
        }
        (_, mode, Some(until)) => {
            let mode = if mode == LockMode::Compliance { "compliance" } else { "governance" };
            let deleted = if probe.delete_refused { "; deleting it was refused" } else { "" };
            Part::new("store", State::Ok, format!("{written}; locked until {until} in {mode} mode{deleted}"), "")
        }
    }
}

/// Signs a test message, which is no statement, and checks the signature.
fn signs(signer: &dyn Signer) -> Result<String, KeyError> {
    const MESSAGE: &[u8] = b"evidenced doctor: a test of this key, and no evidence";
    let signature = signer.sign(MESSAGE)?;
    if signer.public_key().verify(MESSAGE, &signature) {
        Ok(format!("{} ({}) signs as {}", signer.name(), signer.home(), signer.public_key().id()))
    } else {
        let reason = "its signature does not verify with its public key".to_owned();
        Err(KeyError::Refused { key: signer.name(), reason })
    }
}

/// What the identities of these accounts lack of what their collectors ask for: a line for all that lack the same.
async fn permissions(provider: &Provider, opened: &evidenced_kit::Opened, library: &Library) -> Vec<Part> {
    let mut alike: BTreeMap<(State, String, String), Vec<String>> = BTreeMap::new();
    for account in opened.accounts.iter().filter(|account| !account.collectors.is_empty()) {
        let left_out = |kind: &KindId| excluded(&account.excluded, kind, &Region::global()).is_some();
        let manifests = account.collectors.iter().map(|collector| collector.manifest());
        let wanted = needs::permissions(manifests, library, left_out);
        let told = match &account.rights {
            None => Err("this cloud is not asked for them".to_owned()),
            Some(rights) => rights.weigh(&wanted).await.map_err(|refusal| {
                let code = refusal.code.as_deref().map_or_else(String::new, |code| format!(" ({code})"));
                format!("{}: {}{code}", refusal.call, refusal.cause)
            }),
        };
        let names = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
        let notes = "a run notes each that is missing";
        let mut say = |state, what, remedy: &str| {
            alike.entry((state, what, remedy.to_owned())).or_default().push(account.account.to_string());
        };
        let asked = |count: usize| format!("{count} permissions that collectors ask for");
        let told = match told {
            Ok(told) => told,
            Err(reason) => {
                say(State::Unproved, format!("the {} are not told: {reason}", asked(wanted.len())), notes);
                continue;
            }
        };
        if !told.lacking.is_empty() {
            let grant = format!("grant them, or what they would tell is a gap; see `evidenced permissions {provider}`");
            say(State::Warning, format!("lacking for any resource: {}", names(&told.lacking)), &grant);
        } else if wanted.len() > told.untold.len() {
            say(State::Ok, format!("all {} are there", asked(wanted.len() - told.untold.len())), "");
        }
        if !told.untold.is_empty() {
            say(State::Unproved, format!("not told beforehand: {}", names(&told.untold)), notes);
        }
    }
    let part = |((state, what, remedy), accounts): ((State, String, String), Vec<String>)| {
        Part::new("permissions", state, format!("{}: {what}", accounts.join(", ")), remedy)
    };
    alike.into_iter().map(part).collect()
}

/// What was seen of a cloud.
fn seen(provider: &Provider, opened: &evidenced_kit::Opened) -> Part {
    let who: std::collections::BTreeSet<&str> = opened.principals.iter().map(|one| one.id.as_str()).collect();
    let who = who.into_iter().collect::<Vec<_>>().join(", ");
    let closed = opened.accounts.iter().filter(|account| account.collectors.is_empty()).count();
    let listed = opened.listing.iter().filter(|one| one.state == "unreachable");
    let mut gaps: Vec<String> = listed
        .map(|one| format!("{}: {}", one.account, one.reason.as_deref().unwrap_or("it could not be entered")))
        .collect();
    for account in &opened.accounts {
        gaps.extend(account.gaps.iter().map(|gap| {
            let permission = gap.permission.as_deref().map_or_else(String::new, |name| format!(" (needs {name})"));
            format!("{}: {} {}{permission}", account.account, gap.call, gap.cause)
        }));
    }
    gaps.sort();
    gaps.dedup();
    let open = opened.accounts.len() - closed;
    let aside: BTreeSet<&str> = opened.listing.iter().map(|one| one.state.as_str()).collect();
    let aside = aside.into_iter().filter(|state| !matches!(*state, "read" | "unreachable")).map(|state| {
        let many = opened.listing.iter().filter(|one| one.state == state).count();
        format!(", {many} {state}")
    });
    let aside: String = aside.collect();
    let entered = opened.listing.iter().filter(|one| one.state == "read").take(NAMED);
    let mut named: Vec<String> = entered
        .map(|one| match &one.name {
            Some(name) => format!("{} ({name})", one.account),
            None => one.account.to_string(),
        })
        .collect();
    if open > named.len() {
        named.push("…".to_owned());
    }
    let name = provider.to_string();
    if open == 0 {
        let what = if gaps.is_empty() { "no account could be entered".to_owned() } else { gaps.join("; ") };
        return Part::new(name, State::Failed, what, "check the credentials, the role and the network");
    }
    let what = format!("we are {who}; {open} accounts can be entered: {}{aside}", named.join(", "));
    if gaps.is_empty() {
        Part::new(name, State::Ok, what, "")
    } else {
        Part::new(
            name,
            State::Warning,
            format!("{what}; gaps: {}", gaps.join("; ")),
            "see `evidenced collectors list` for what is needed",
        )
    }
}
