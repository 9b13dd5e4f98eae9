//! `evidenced config`: init, check, schema.

use std::io::Write as _;

use evidenced_keys::KeyUri;
use serde_json::json;

use super::Context;
use crate::args::ConfigCommand;
use crate::config::Config;
use crate::declared::Declared;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::{catalogue, sealing};

const TEMPLATE: &str = include_str!("../config.example.yaml");

pub(crate) fn run(context: &Context, command: &ConfigCommand) -> Result<Exit, Ended> {
    let mut lines = Lines::new();
    match command {
        ConfigCommand::Init { file } => {
            let made = std::fs::OpenOptions::new().create_new(true).write(true).open(file);
            made.and_then(|mut file| file.write_all(TEMPLATE.as_bytes())).map_err(|error| {
                Ended::new(Exit::Usage, format!("{}: {error}; an existing file is never overwritten", file.display()))
            })?;
            lines.text(format!("wrote {}; change it, then `evidenced config check`", file.display()))?;
        }
        ConfigCommand::Check => {
            let loaded = context.load()?;
            catalogue::chosen_mapping(&loaded)?;
            let library = catalogue::library(&loaded)?;
            let declared = Declared::check(&loaded, &library, context.time.now())?;
            let settings = declared.settings(&loaded, jiff::Timestamp::UNIX_EPOCH);
            let judge =
                evidenced_check::Judge::compile(&library, settings).map_err(|error| loaded.wrong_checks(&error))?;
            // A key in a service is asked for by `doctor`; nothing is called here.
            if let (KeyUri::File(_), false) = sealing::key_uri(&loaded)? {
                sealing::signer(&loaded)?;
            }
            sealing::authorities(&loaded)?;
            let from = loaded.path.as_ref().map_or("built-in defaults".to_owned(), |path| path.display().to_string());
            lines.text(format!("{from}: fine"))?;
            for line in declared.lines(&library, context.time.now()) {
                lines.text(format!("  {line}"))?;
            }
            for waiting in judge.undeclared() {
                lines.text(format!("  {} waits for a declaration: {}", waiting.check, waiting.params.join(", ")))?;
            }
        }
        ConfigCommand::Schema => {
            let mut schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap_or_default();
            let clouds = context.clouds.iter().map(|cloud| (cloud.provider().to_string(), cloud.schema()));
            let clouds: serde_json::Map<_, _> = clouds.collect();
            schema["properties"]["targets"]["items"] = json!({
                "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": clouds,
            });
            let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
            lines.text(text)?;
        }
    }
    lines.finish()?;
    Ok(Exit::Done)
}
