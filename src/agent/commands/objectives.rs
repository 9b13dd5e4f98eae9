//! `evidenced objectives`: list, and show with controls and checks.

use super::Context;
use crate::args::{Format, Objectives};
use crate::catalogue;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;

pub(crate) fn run(context: &Context, command: &Objectives) -> Result<Exit, Ended> {
    let mapping = catalogue::mapping()?;
    let mut lines = Lines::new();
    match command {
        Objectives::List => {
            for line in mapping.objective_lines() {
                if context.common.format == Format::Json {
                    lines.json(&line)?;
                } else {
                    let value = serde_json::to_value(&line).unwrap_or_default();
                    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
                    lines.text(format!("{:<40} {}", text("id"), text("sentence")))?;
                }
            }
        }
        Objectives::Show { id } => {
            let Some((objective, sentence)) = mapping.objectives().iter().find(|(known, _)| known.as_str() == id)
            else {
                let message = format!("there is no objective {id:?}; see `evidenced objectives list`");
                return Err(Ended::new(Exit::Usage, message));
            };
            let library = catalogue::library(&context.load()?)?;
            let checks: Vec<&str> = library
                .checks()
                .filter(|(_, check)| check.objective == *objective)
                .map(|(_, check)| check.id.as_str())
                .collect();
            let controls: Vec<String> = mapping
                .catalogs()
                .iter()
                .flat_map(|catalog| {
                    let behind = |control: &&evidenced_map::Control| {
                        mapping.links(&catalog.id, &control.id).iter().any(|link| link.objective == *objective)
                    };
                    catalog.controls.iter().filter(behind).map(|control| format!("{} {}", catalog.id, control.id))
                })
                .collect();
            if context.common.format == Format::Json {
                lines.json(
                    &serde_json::json!({"id": id, "sentence": sentence, "checks": checks, "controls": controls}),
                )?;
            } else {
                lines.text(format!("{id}\n{sentence}"))?;
                lines.text(format!("checks    {}", checks.join(", ")))?;
                lines.text(format!("controls  {}", controls.join(", ")))?;
            }
        }
    }
    lines.finish()?;
    Ok(Exit::Done)
}
