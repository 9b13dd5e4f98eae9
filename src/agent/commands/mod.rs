//! The commands, one a file, and the door to them.

mod attach;
mod attached;
mod checks;
pub(crate) mod collect;
mod collectors;
mod config;
mod controls;
mod diff;
mod doctor;
mod export;
mod findings;
mod health;
mod interchange;
mod keygen;
mod keys;
mod objectives;
mod period;
mod permissions;
mod pins;
pub(crate) mod report;
mod run;
mod sample;
mod shards;
mod soa;
mod spool;
mod texts;
mod timestamp;
mod verify;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use clap::{CommandFactory as _, Parser as _};
use evidenced_keys::KeyUri;
use evidenced_kit::Cloud;
use evidenced_model::Archive;
use evidenced_seal::PublicKeys;

use crate::args::{Arguments, Command, Common};
use crate::clock::{SystemClock, Time};
use crate::config::{Loaded, environment};
use crate::exit::{Ended, Exit};
use crate::logging::Verbosity;
use crate::telemetry::Telemetry;
use crate::{logging, sealing, storing};

/// What every command is given.
pub(crate) struct Context {
    pub(crate) clouds: Vec<Box<dyn Cloud>>,
    pub(crate) common: Common,
    pub(crate) colour: bool,
    /// The time that the daemon lives in.
    pub(crate) time: Arc<dyn Time>,
}

impl Context {
    /// The config, checked.
    pub(crate) fn load(&self) -> Result<Loaded, Ended> {
        Loaded::load(self.common.config.as_deref(), &environment(), &self.clouds)
    }
}

/// The store for reading: the named one, or the configured one.
pub(crate) fn archive(named: Option<&str>, loaded: &Loaded) -> Result<Arc<dyn Archive>, Ended> {
    let own = &loaded.config.store.url;
    let url = named.unwrap_or(own);
    if let Some(pack) = pack_file(url) {
        let zip = evidenced_pack::Zip::open(&pack).map_err(|error| Ended::new(Exit::Usage, error.to_string()))?;
        return Ok(Arc::new(zip));
    }
    let config = &loaded.config;
    let options = if url == own { storing::options(config) } else { storing::options_elsewhere(config) };
    evidenced_store::open_archive(url, &options).map_err(|error| Ended::new(Exit::Usage, error.to_string()))
}

/// The file, if a store's name is that of a pack in one file.
fn pack_file(url: &str) -> Option<std::path::PathBuf> {
    let path = std::path::PathBuf::from(url.strip_prefix("file://").unwrap_or(url));
    path.is_file().then_some(path)
}

/// The public keys of the configured agent: its own, from its private key, and those that handed over to it.
pub(crate) fn own_keys(loaded: &Loaded) -> Result<PublicKeys, Ended> {
    let (uri, _) = sealing::key_uri(loaded)?;
    if let KeyUri::File(path) = &uri
        && !path.exists()
    {
        let message =
            format!("no key to verify with: {} is not there; name the agent's public key with --key", path.display());
        return Err(Ended::new(Exit::Usage, message));
    }
    let (signer, _) = sealing::signer(loaded)?;
    sealing::known_keys(loaded, &*signer)
}

/// Public keys from files, each for its time: `FILE[@FROM..TO]`.
pub(crate) use pins::read as named_keys;

pub(crate) use texts::feed as feed_texts;

/// Prints the named places at which a test can end the program, one a line.
#[cfg(feature = "failpoints")]
pub fn print_places() -> Exit {
    let mut lines = crate::lines::Lines::new();
    let printed = evidenced_spool::places::PLACES.iter().try_for_each(|place| lines.text(place));
    match printed.and_then(|()| lines.finish()) {
        Ok(()) => Exit::Done,
        Err(ended) => ended.exit,
    }
}

/// Runs the program with these arguments; the result is its exit code.
pub fn run(clouds: Vec<Box<dyn Cloud>>, arguments: impl IntoIterator<Item = OsString>) -> Exit {
    run_in(clouds, arguments, Arc::new(SystemClock))
}

/// The same in a time of the caller's: the daemon waits for it, and its runs take it from there.
pub fn run_in(clouds: Vec<Box<dyn Cloud>>, arguments: impl IntoIterator<Item = OsString>, time: Arc<dyn Time>) -> Exit {
    #[cfg(feature = "failpoints")]
    let _armed = evidenced_spool::places::arm();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit;
        }
    };
    let Arguments { common, command } = arguments;
    let plain = common.no_color || std::env::vars_os().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let verbosity = match (common.quiet, common.verbose) {
        (true, _) => Verbosity::Errors,
        // Nobody looks at a daemon while it works: its log says what it does, and the heads of its log.
        (false, 0) if matches!(command, Command::Run(_)) => Verbosity::Daemon,
        (false, times) => Verbosity::More(times),
    };
    let telemetry = Telemetry::from_environment();
    let colour = !plain && std::io::stderr().is_terminal();
    logging::start(common.log_format, verbosity, colour, telemetry.as_ref());
    let context = Context { clouds, common, time, colour: !plain && std::io::stdout().is_terminal() };
    match dispatch(&context, command) {
        Ok(exit) => exit,
        Err(ended) => {
            let _ = writeln!(std::io::stderr(), "evidenced: {}", ended.message);
            ended.exit
        }
    }
}

fn dispatch(context: &Context, command: Command) -> Result<Exit, Ended> {
    match command {
        Command::Collect(options) => collect::run(context, &options),
        Command::Run(options) => run::run(context, &options),
        Command::Health(options) => health::run(context, &options),
        Command::Findings(options) => findings::run(context, &options),
        Command::Report(options) => report::run(context, &options),
        Command::Sample(options) => sample::run(context, &options),
        Command::Verify(options) => verify::run(context, &options),
        Command::Diff(options) => diff::run(context, &options),
        Command::Export(options) => export::run(context, &options),
        Command::Soa(command) => soa::run(context, &command),
        Command::Attach(options) => attach::run(context, &options),
        Command::Checks(command) => checks::run(context, &command),
        Command::Controls(command) => controls::run(context, &command),
        Command::Objectives(command) => objectives::run(context, &command),
        Command::Collectors(command) => collectors::run(context, &command),
        Command::Permissions(options) => permissions::run(context, &options),
        Command::Spool(command) => spool::run(context, &command),
        Command::Doctor => doctor::run(context),
        Command::Keygen(options) => keygen::run(context, &options),
        Command::Keys(command) => keys::run(context, &command),
        Command::Timestamp(options) => timestamp::run(context, &options),
        Command::Config(command) => config::run(context, &command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "evidenced", &mut std::io::stdout());
            Ok(Exit::Done)
        }
        Command::Man => {
            let page = clap_mangen::Man::new(Arguments::command());
            page.render(&mut std::io::stdout()).map_err(|error| Ended::new(Exit::Usage, error.to_string()))?;
            Ok(Exit::Done)
        }
    }
}
