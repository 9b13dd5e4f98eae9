//! `evidenced diff`: what changed between two runs, found by digest.

use evidenced_model::Verdict;
use evidenced_seal::diff::{Change, Reach, What, diff};

use super::Context;
use crate::args::{Diff, Format};
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::{self, failed};

pub(crate) fn run(context: &Context, options: &Diff) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    let archive = super::archive(options.store.as_deref(), &loaded)?;
    let agent = &loaded.config.agent.id;
    let (old, before) = opened::open(&*archive, agent, &options.old, None)?;
    let (new, after) = opened::open(&*archive, agent, &options.new, None)?;
    let mut lines = Lines::new();
    let mut changes = 0_u64;
    let mut written = Ok(());
    let mut emit = |change: Change| {
        changes += 1;
        if written.is_ok() {
            written =
                if context.common.format == Format::Json { lines.json(&change) } else { lines.text(describe(&change)) };
        }
    };
    diff(&before, &after, &mut emit).map_err(failed)?;
    written?;
    if context.common.format != Format::Json {
        lines.text(format!("{changes} changes from {} to {}", old.run, new.run))?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn describe(change: &Change) -> String {
    let place = format!("{} {} {}", change.scope.account, change.scope.region, change.kind);
    let verdict = |verdict: &Option<Verdict>| verdict.map_or("nothing", Verdict::as_str);
    let reach = |reach: &Option<Reach>| match reach {
        Some(reach) => format!("{} with {} gaps", reach.state.as_str(), reach.gaps),
        None => "not planned".to_owned(),
    };
    match &change.what {
        // Names come from the cloud: what a terminal would obey is made visible.
        What::ResourceAdded { id } => format!("{place}: new {}", id.escape_debug()),
        What::ResourceRemoved { id } => format!("{place}: gone {}", id.escape_debug()),
        What::ResourceChanged { fields, id } => {
            format!("{place}: {} changed in {}", id.escape_debug(), fields.join(", "))
        }
        What::Finding { after, before, check, resource } => {
            format!("{place}: {check} on {}: {} -> {}", resource.escape_debug(), verdict(before), verdict(after))
        }
        What::Coverage { after, before } => format!("{place}: coverage {} -> {}", reach(before), reach(after)),
    }
}
