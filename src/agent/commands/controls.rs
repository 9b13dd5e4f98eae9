//! `evidenced controls`: list and show, old numbers included.

use evidenced_map::Mapping;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use crate::args::{Controls, Format};
use crate::catalogue;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;

pub(crate) fn run(context: &Context, command: &Controls) -> Result<Exit, Ended> {
    let mapping = catalogue::mapping()?;
    match command {
        Controls::List { catalog, clauses } => list(context, &mapping, catalog.as_deref(), *clauses),
        Controls::Show { id, catalog } => show(context, &mapping, id, catalog.as_deref()),
    }
}

fn list(context: &Context, mapping: &Mapping, catalog: Option<&str>, clauses: bool) -> Result<Exit, Ended> {
    let mut lines = Lines::new();
    let known = || {
        let catalogs = mapping.catalogs().iter().map(|catalog| catalog.id.to_string());
        catalogs.chain(mapping.crosswalks().iter().map(|crosswalk| crosswalk.from.to_string())).collect::<Vec<_>>()
    };
    if let Some(crosswalk) = catalog.and_then(|id| mapping.crosswalk(id)).filter(|_| !clauses) {
        for line in crosswalk.control_lines() {
            print(context, &mut lines, &line)?;
        }
        lines.finish()?;
        return Ok(Exit::Done);
    }
    let catalogs = if let Some(id) = catalog {
        let wrong = || format!("there is no catalogue {id:?}; known: {}", known().join(", "));
        vec![mapping.catalog(id).ok_or_else(|| Ended::new(Exit::Usage, wrong()))?]
    } else {
        let wanted = mapping.default_frameworks();
        mapping.catalogs().iter().filter(|catalog| wanted.contains(&catalog.id)).collect()
    };
    for catalog in catalogs {
        if clauses {
            for line in mapping.clause_lines(catalog) {
                print(context, &mut lines, &line)?;
            }
            continue;
        }
        for line in mapping.control_lines(catalog) {
            print(context, &mut lines, &line)?;
        }
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn show(context: &Context, mapping: &Mapping, id: &str, catalog: Option<&str>) -> Result<Exit, Ended> {
    let mut lines = Lines::new();
    let mut found = false;
    for catalog in mapping.catalogs().iter().filter(|one| catalog.is_none_or(|id| one.id.as_str() == id)) {
        for line in mapping.control_lines(catalog) {
            let value = serde_json::to_value(&line).unwrap_or_default();
            if value["id"] != *id {
                continue;
            }
            found = true;
            if context.common.format == Format::Json {
                lines.json(&line)?;
            } else {
                describe(&mut lines, &value)?;
            }
        }
    }
    if !found {
        let message = format!("there is no control {id:?} in the catalogues asked; see `evidenced controls list`");
        return Err(Ended::new(Exit::Usage, message));
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn print(context: &Context, lines: &mut Lines, line: &impl Serialize) -> Result<(), Ended> {
    if context.common.format == Format::Json {
        return lines.json(line);
    }
    let value = serde_json::to_value(line).unwrap_or_default();
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let names = |list: &Value| {
        let one = |item: &Value| item["id"].as_str().or(item.as_str()).map(str::to_owned);
        list.as_array().into_iter().flatten().filter_map(one).collect::<Vec<_>>().join(", ")
    };
    let objectives = names(&value["objectives"]);
    let rest = match &value["to"] {
        Value::Null if objectives.is_empty() => "manual".to_owned(),
        Value::Null => objectives,
        to => format!("-> {}", names(to)),
    };
    lines.text(format!("{:<12} {:<52} {rest}", text("id"), text("label")))
}

fn describe(lines: &mut Lines, value: &Value) -> Result<(), Ended> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    lines.text(format!("{} {}  ({})", text("catalog"), text("id"), text("label")))?;
    let objectives = value["objectives"].as_array().cloned().unwrap_or_default();
    for objective in &objectives {
        let part = |name: &str| objective[name].as_str().unwrap_or_default().to_owned();
        lines.text(format!("  {:<10} {}", part("strength"), part("id")))?;
    }
    if objectives.is_empty() {
        lines.text("  manual: nothing automatic")?;
    }
    for (title, name) in [("people bring", "manual"), ("left to people", "left_to_people")] {
        if !text(name).is_empty() {
            lines.text(format!("  {title}: {}", text(name)))?;
        }
    }
    Ok(())
}
