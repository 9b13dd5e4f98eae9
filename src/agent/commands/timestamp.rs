//! `evidenced timestamp --pending`: fetches the stamps that runs are still without.

use serde_json::json;

use super::Context;
use crate::args::{Format, Timestamp};
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::failed;
use crate::sealing;
use crate::stamps::Stamps;

pub(crate) fn run(context: &Context, options: &Timestamp) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let store = super::collect::store(&loaded)?;
    let (signer, _) = sealing::signer(&loaded)?;
    let keys = sealing::known_keys(&loaded, &*signer)?;
    let runtime = super::collect::runtime()?;
    let Some(stamps) = Stamps::open(&loaded, runtime.handle())? else {
        return Err(loaded.wrong(&["seal", "timestamp", "urls"], "no authority is named who could stamp"));
    };
    let agent = &loaded.config.agent.id;
    // On a worker of its own, which may wait for what is not async.
    let fetched = runtime.block_on(stamps.fetch(&store, agent, &keys, options.last)).map_err(failed)?;
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        lines.json(&json!({"stamped": fetched.stamped, "pending": fetched.pending, "error": fetched.error}))?;
    } else {
        for run in &fetched.stamped {
            lines.text(format!("stamped  {run}"))?;
        }
        for run in &fetched.pending {
            lines.text(format!("pending  {run}"))?;
        }
        lines.text(format!("{} runs stamped, {} pending", fetched.stamped.len(), fetched.pending.len()))?;
        if let Some(error) = &fetched.error {
            lines.text(error)?;
        }
    }
    lines.finish()?;
    Ok(if fetched.pending.is_empty() { Exit::Done } else { Exit::Spooled })
}
