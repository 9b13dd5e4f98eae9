//! `evidenced controls`: list and show, old numbers included.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_check::Library;
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
    let clouds = Clouds::of(&*catalogue::library(&context.load()?)?);
    match command {
        Controls::List { catalog, clauses } => list(context, &mapping, &clouds, catalog.as_deref(), *clauses),
        Controls::Show { id, catalog } => show(context, &mapping, &clouds, id, catalog.as_deref()),
    }
}

/// The clouds that have checks for an objective.
struct Clouds(BTreeMap<String, BTreeSet<String>>);

impl Clouds {
    fn of(library: &Library) -> Self {
        let mut clouds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (_, check) in library.checks() {
            clouds.entry(check.objective.to_string()).or_default().insert(check.id.provider().to_owned());
        }
        Self(clouds)
    }

    /// A line with the clouds that serve one of its objectives.
    fn served<L: Serialize>(&self, line: L) -> Served<L> {
        let value = serde_json::to_value(&line).unwrap_or_default();
        let objectives = value["objectives"].as_array().into_iter().flatten();
        let names = objectives.filter_map(|one| one["id"].as_str().or(one.as_str()));
        let clouds: BTreeSet<String> = names.filter_map(|name| self.0.get(name)).flatten().cloned().collect();
        Served { line, clouds }
    }
}

/// A control's line, its id first, and the clouds that have checks for it.
#[derive(Serialize)]
struct Served<L> {
    #[serde(flatten)]
    line: L,
    clouds: BTreeSet<String>,
}

fn list(
    context: &Context,
    mapping: &Mapping,
    clouds: &Clouds,
    catalog: Option<&str>,
    clauses: bool,
) -> Result<Exit, Ended> {
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
            print(context, &mut lines, &clouds.served(line))?;
        }
    }
    lines.finish()?;
    Ok(Exit::Done)
}

fn show(context: &Context, mapping: &Mapping, clouds: &Clouds, id: &str, catalog: Option<&str>) -> Result<Exit, Ended> {
    let mut lines = Lines::new();
    let mut found = false;
    for catalog in mapping.catalogs().iter().filter(|one| catalog.is_none_or(|id| one.id.as_str() == id)) {
        for line in mapping.control_lines(catalog) {
            let line = clouds.served(line);
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
    let served = names(&value["clouds"]);
    let objectives = if served.is_empty() { objectives } else { format!("[{served}] {objectives}") };
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
    let clouds: Vec<&str> = value["clouds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !clouds.is_empty() {
        lines.text(format!("  read in: {}", clouds.join(", ")))?;
    }
    for (title, name) in [("people bring", "manual"), ("left to people", "left_to_people")] {
        if !text(name).is_empty() {
            lines.text(format!("  {title}: {}", text(name)))?;
        }
    }
    Ok(())
}
