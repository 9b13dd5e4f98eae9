//! `evidenced collectors`: what is read, with which calls and permissions.

use evidenced_kit::{Manifest, Per, PriceClass, Reach};
use serde::Serialize;

use super::Context;
use crate::args::{Collectors, Format};
use crate::exit::{Ended, Exit};
use crate::lines::Lines;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    title: &'a str,
    provider: String,
    started: &'a str,
    kinds: &'a [&'a str],
    operations: Vec<OperationLine<'a>>,
}

#[derive(Serialize)]
struct OperationLine<'a> {
    call: &'a str,
    permission: &'a str,
    per: String,
    price: PriceClass,
}

pub(crate) fn run(context: &Context, command: &Collectors) -> Result<Exit, Ended> {
    let mut lines = Lines::new();
    let mut found = false;
    for cloud in &context.clouds {
        for manifest in cloud.manifests() {
            if let Collectors::Show { id } = command
                && manifest.id != id
            {
                continue;
            }
            found = true;
            let line = line(manifest, cloud.as_ref());
            match (command, context.common.format) {
                (_, Format::Json) => lines.json(&line)?,
                (Collectors::List, _) => lines.text(format!("{:<20} {}", line.id, line.title))?,
                (Collectors::Show { .. }, _) => show(&mut lines, &line)?,
            }
        }
    }
    if let (false, Collectors::Show { id }) = (found, command) {
        let message = format!("there is no collector {id:?}; see `evidenced collectors list`");
        return Err(Ended::new(Exit::Usage, message));
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn line<'a>(manifest: &'a Manifest, cloud: &dyn evidenced_kit::Cloud) -> Line<'a> {
    let operation = |operation: &&'static evidenced_kit::Operation| OperationLine {
        call: operation.call,
        permission: operation.permission,
        per: match operation.per {
            Per::Start => "start".to_owned(),
            Per::Page(items) => format!("page of {items}"),
            Per::Resource(kind) => kind.to_owned(),
            Per::Demand => "on demand".to_owned(),
        },
        price: cloud.price(operation.call),
    };
    Line {
        id: manifest.id,
        title: manifest.title,
        provider: cloud.provider().to_string(),
        started: match manifest.reach {
            Reach::Account => "once an account",
            Reach::Region => "in each region",
            Reach::Together => "once for all accounts",
        },
        kinds: manifest.kinds,
        operations: manifest.operations.iter().map(operation).collect(),
    }
}

fn show(lines: &mut Lines, line: &Line<'_>) -> Result<(), Ended> {
    lines.text(format!("{}  {}\nstarted {}; writes {}", line.id, line.title, line.started, line.kinds.join(", ")))?;
    for operation in &line.operations {
        lines.text(format!("  {:<48} {:<48} {}", operation.call, operation.permission, operation.per))?;
    }
    Ok(())
}
