//! What every run of one config needs, opened once.

use std::sync::{Arc, OnceLock};

use evidenced_check::Library;
use evidenced_map::Mapping;
use evidenced_model::Clock;
use evidenced_seal::{PublicKeys, Signer};
use evidenced_store::Store;
use evidenced_tell::Target;
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::commands::Context;
use crate::config::{Loaded, environment};
use crate::declared::Declared;
use crate::exit::Ended;
use crate::keeper::Keeper;
use crate::shard::Shard;
use crate::stamps::Stamps;
use crate::state::State;
use crate::{catalogue, commands, sealing};

/// A config, and what it names.
pub(crate) struct Means {
    pub(crate) loaded: Loaded,
    /// Read and compiled once, for all runs, when it is needed first.
    rules: OnceLock<Rules>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) stamps: Option<Stamps>,
    pub(crate) keys: PublicKeys,
    pub(crate) targets: Vec<Target>,
}

/// What is judged by, and what that means for controls.
pub(crate) struct Rules {
    pub(crate) library: Arc<Library>,
    pub(crate) mapping: Mapping,
    pub(crate) declared: Declared,
}

impl Rules {
    /// Those that a config asks for; an error if it asks for what there is not.
    fn load(loaded: &Loaded, now: Timestamp) -> Result<Self, Ended> {
        let library = catalogue::library(loaded)?;
        let declared = Declared::check(loaded, &library, now)?;
        let settings = declared.settings(loaded, Timestamp::UNIX_EPOCH);
        evidenced_check::Judge::compile(&library, settings).map_err(|error| loaded.wrong_checks(&error))?;
        let library = catalogue::targeted(library, loaded);
        Ok(Self { library, mapping: catalogue::chosen_mapping(loaded)?, declared })
    }
}

impl Means {
    /// Reads the config that is there now.
    pub(crate) fn read(context: &Context, shard: Option<Shard>) -> Result<Loaded, Ended> {
        let config = context.common.config.as_deref();
        Loaded::load(config, &environment(), &context.clouds)?.sharded(shard)
    }

    /// Opens everything that a config names, and so finds out whether it can be used.
    pub(crate) fn open(loaded: Loaded, now: Timestamp) -> Result<Self, Ended> {
        let rules = OnceLock::new();
        if loaded.chooses_rules() {
            // What is built in needs no proof, and no memory before the first run.
            drop(rules.set(Rules::load(&loaded, now)?));
        }
        let store = commands::collect::store(&loaded)?;
        let (signer, new) = sealing::signer(&loaded)?;
        if new {
            commands::collect::announce(&loaded, signer.public_key());
        }
        let stamps = Stamps::open(&loaded, &Handle::current())?;
        let keys = sealing::known_keys(&loaded, &*signer)?;
        let mut targets = Vec::new();
        for (index, target) in loaded.config.notify.iter().enumerate() {
            let wrong = |error: evidenced_tell::TargetError| {
                loaded.wrong(&["notify", &index.to_string()], &format!("{}: {error}", target.name))
            };
            targets.push(target.target().map_err(wrong)?);
        }
        Ok(Self { loaded, rules, store, signer, stamps, keys, targets })
    }

    /// What is judged by.
    pub(crate) fn rules(&self, now: Timestamp) -> Result<&Rules, Ended> {
        if let Some(rules) = self.rules.get() {
            return Ok(rules);
        }
        let rules = Rules::load(&self.loaded, now)?;
        Ok(self.rules.get_or_init(|| rules))
    }

    /// The spool over the store.
    pub(crate) fn keeper(&self, state: &State, clock: Arc<dyn Clock>) -> Result<Keeper<'_>, Ended> {
        let keeper = Keeper::open(&self.loaded, state, Arc::clone(&self.store), &*self.signer, clock)?;
        Ok(keeper.stamped_by(self.stamps.as_ref()))
    }
}
