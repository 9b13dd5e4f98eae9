//! The daemon: rounds by schedule, an endpoint that says how things stand, and a life that ends in order.
//!
//! Architecture invariant: nothing that goes wrong in a run, at the endpoint or at whoever is told ends the process;
//! and nothing that ends the process loses what was sealed.

mod baselines;
mod board;
mod counts;
mod desk;
mod ledgers;
mod life;
mod look_back;
pub(crate) mod means;
mod rounds;
mod sheet;
mod shift;
mod systemd;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evidenced_model::Clock;
use evidenced_model::manifest::Binary;
use evidenced_serve::{Metrics, Pulse, ServeConfig, ServeError, Server, ServerHandle, Token};
use evidenced_tell::{Sent, Teller};
use jiff::Timestamp;
use tokio::task::block_in_place;

use self::baselines::Baselines;
use self::board::Board;
use self::desk::{FrontDesk, Source};
use self::ledgers::Ledgers;
use self::life::{Life, Order};
use self::means::Means;
use self::rounds::Rounds;
use self::sheet::Sheet;
use self::shift::{Next, Shift};
use crate::args;
use crate::clock::Time;
use crate::commands::Context;
use crate::config::Loaded;
use crate::exit::{Ended, Exit};
use crate::shard::Shard;
use crate::state::State;

/// So often the runtime gives a sign of life.
const BEAT: Duration = Duration::from_secs(5);
/// After so long without one, it is not alive any more.
const SILENCE: Duration = Duration::from_mins(2);
/// How long requests under way may take when the daemon ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// The daemon.
pub(crate) struct Daemon<'a> {
    context: &'a Context,
    binary: Binary,
    board: Board,
    life: Life,
    metrics: Arc<Metrics>,
    pulse: Arc<Pulse>,
    server: ServerHandle,
    shard: Option<Shard>,
    since: Timestamp,
    source: Arc<Mutex<Option<Source>>>,
    time: Arc<dyn Time>,
}

impl<'a> Daemon<'a> {
    /// Opens the endpoint, before anything that may take its time.
    pub(crate) fn new(
        context: &'a Context,
        loaded: &Loaded,
        options: &args::Run,
        time: Arc<dyn Time>,
    ) -> Result<Self, Ended> {
        let since = time.now();
        let clock: Arc<dyn Clock> = Arc::clone(&time) as Arc<dyn Clock>;
        let board = Board::new(loaded.config.agent.id.to_string(), loaded.config.store.url.clone(), since);
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), clock));
        let (life, source, pulse) = (Life::default(), Arc::default(), Arc::new(Pulse::new()));
        let desk = FrontDesk {
            board: board.clone(),
            life: life.clone(),
            metrics: Arc::clone(&metrics),
            source: Arc::clone(&source),
            time: Arc::clone(&time),
            sheet: Sheet::default(),
        };
        let config = ServeConfig {
            token: token(loaded)?,
            hosts: loaded.config.serve.hosts.clone(),
            pulse: Some((Arc::clone(&pulse), SILENCE)),
            ..ServeConfig::new(loaded.config.serve.listen)
        };
        let server = Server::bind(config, Arc::new(desk)).map_err(|error| refused(loaded, &error))?;
        if options.now {
            for schedule in loaded.schedules() {
                life.order(Order { schedule: Some(schedule.name) });
            }
        }
        let binary = crate::binary::describe();
        Ok(Self { context, binary, board, life, metrics, pulse, server, shard: options.shard, since, source, time })
    }

    /// Lives until it is told to end.
    pub(crate) async fn live(self, loaded: Loaded, state: &State) -> Result<Exit, Ended> {
        self.life.ends(loaded.config.agent.on_stop, loaded.config.agent.grace.0);
        self.life.hear();
        for path in loaded.path.iter().chain(loaded.isms.as_ref().map(|file| &file.path)) {
            self.life.watch(path.clone());
        }
        self.beat();
        let mut means = Means::open(loaded, self.time.now())?;
        while let Next::Reload(other) = self.under(&means, state).await? {
            means = *other;
        }
        systemd::stopping();
        tracing::info!("the daemon ends");
        self.server.stop(LAST_ANSWERS).await;
        Ok(Exit::Done)
    }

    /// Lives under one config.
    async fn under(&self, means: &Means, state: &State) -> Result<Next, Ended> {
        let now = self.time.now();
        let config = &means.loaded.config;
        let keeper = means.keeper(state, self.clock())?;
        self.life.ends(config.agent.on_stop, config.agent.grace.0);
        self.board.loaded(keeper.agent.to_string(), keeper.location(), now);
        let mut schedules = Vec::new();
        for (index, schedule) in means.loaded.schedules().into_iter().enumerate() {
            let wrong = |error: evidenced_schedule::ScheduleError| {
                means.loaded.wrong(&["schedules", &index.to_string(), "cron"], &error.to_string())
            };
            let table = schedule.timetable().map_err(wrong)?;
            schedules.push((schedule, table));
        }
        let source = Source {
            agent: keeper.agent.clone(),
            archive: means.store.archive(),
            keys: means.keys.clone(),
            schedules: schedules.iter().map(|(schedule, _)| schedule.name.clone()).collect(),
        };
        let tables = schedules.iter().map(|(schedule, table)| (schedule.name.as_str(), table));
        let seen = || block_in_place(|| ledgers::in_the_log(&*source.archive, &source.agent, &source.keys));
        let ledgers = Ledgers::of_schedules(state, tables, seen, now);
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
        for (schedule, table) in &schedules {
            let from = ledgers.began(&schedule.name).unwrap_or(now);
            self.board.watch(&schedule.name, table.clone(), schedule.timeout.signed(), from);
        }
        self.look_back();
        let metrics = Arc::clone(&self.metrics);
        let count = move |target: &str, sent: Sent| metrics.notified(target, sent == Sent::Ok);
        let mut shift = Shift {
            daemon: self,
            means,
            keeper: &keeper,
            state,
            baselines: Baselines::open(state),
            teller: Teller::start(means.targets.clone(), &self.clock(), count),
            push: None,
            failing: false,
        };
        systemd::ready();
        systemd::status(&format!("{} schedules, evidence goes to {}", schedules.len(), keeper.location()));
        tracing::info!(agent = %keeper.agent, store = keeper.location(), schedules = schedules.len(), "at work");
        shift.push_now();
        Ok(Rounds { schedules, ledgers }.go(&mut shift).await)
    }

    /// The config that is there now, if it is another one and can be used.
    fn reload(&self, current: &Loaded) -> Option<Means> {
        systemd::reloading();
        let read = Means::read(self.context, self.shard).and_then(|loaded| self.usable(loaded, current));
        let used = match read {
            Ok(used) => {
                self.board.config_is_right();
                self.metrics.config_reloaded(true);
                used
            }
            Err(error) => {
                tracing::error!(error = error.message, "the config is wrong; the one before stays in force");
                self.board.config_is_wrong(&error.message, self.time.now());
                self.metrics.config_reloaded(false);
                None
            }
        };
        if used.is_none() {
            systemd::ready();
        }
        used
    }

    fn usable(&self, loaded: Loaded, current: &Loaded) -> Result<Option<Means>, Ended> {
        let (new, old) = (&loaded.config, &current.config);
        let fixed = [
            (["agent", "id"], new.agent.id == old.agent.id),
            (["agent", "state_dir"], new.agent.state_dir == old.agent.state_dir),
            (["serve", "listen"], new.serve.listen == old.serve.listen),
        ];
        if let Some((path, _)) = fixed.iter().find(|(_, same)| !same) {
            return Err(loaded.wrong(path, "it cannot change while the daemon runs; restart it"));
        }
        // The token may be another though its file's name is the same.
        self.server.reload(token(&loaded)?, &new.serve.hosts).map_err(|error| refused(&loaded, &error))?;
        if loaded.is_like(current) {
            return Ok(None);
        }
        let watched = current.isms.as_ref().map(|file| &file.path);
        if let Some(file) = loaded.isms.as_ref().filter(|file| Some(&file.path) != watched) {
            self.life.watch(file.path.clone());
        }
        tracing::info!("another config is in force");
        Means::open(loaded, self.time.now()).map(Some)
    }

    /// Finds out, in the background, what is stored: by an earlier process, or by another agent of the same id.
    fn look_back(&self) {
        if let Some(source) = self.source.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            look_back::begin(&self.board, source);
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.time) as Arc<dyn Clock>
    }

    /// Gives signs of life from the runtime that everything runs on.
    fn beat(&self) {
        let pulse = Arc::clone(&self.pulse);
        tokio::spawn(async move {
            loop {
                pulse.beat();
                tokio::time::sleep(BEAT).await;
            }
        });
        let pulse = Arc::clone(&self.pulse);
        systemd::keep_alive(move || pulse.silent_for() < SILENCE);
    }
}

/// The token of the endpoint, if one is named.
fn token(loaded: &Loaded) -> Result<Option<Token>, Ended> {
    let read = loaded.config.serve.token_file.as_deref().map(Token::read).transpose();
    read.map_err(|error| loaded.wrong(&["serve", "token_file"], &error.to_string()))
}

fn refused(loaded: &Loaded, error: &ServeError) -> Ended {
    loaded.wrong(&["serve", "listen"], &error.to_string())
}
