//! `evidenced soa`: the statement of applicability as a table, and what differs in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use evidenced_check::Library;
use evidenced_isms::{Isms, Waiver};
use evidenced_map::{Catalog, Mapping};
use evidenced_model::{CatalogId, ControlId, ControlStanding, RunId};
use evidenced_report::{ReadRow, STATED, SoaRow, read_soa_csv, soa_csv};

use super::Context;
use crate::args::{Format, Soa};
use crate::catalogue;
use crate::config::Loaded;
use crate::declared::Declared;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::{self, Judged, failed};
use evidenced_model::glob;

/// What is said of a control about which nothing is said.
const NOT_STATED: &str = "not stated";

pub(crate) fn run(context: &Context, command: &Soa) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    match command {
        Soa::Export { catalog, clauses, output, store } => {
            let mut soa = Statement::declared(context, &loaded)?;
            soa.look(&loaded, store.as_deref())?;
            let rows = soa.rows(catalog.as_deref(), *clauses)?;
            export(&rows, output.as_deref())
        }
        Soa::Diff { old, new: Some(new), store, .. } => {
            let differences = between_runs(&loaded, store.as_deref(), old, new)?;
            print(context, &differences)
        }
        Soa::Diff { old, new: None, catalog, .. } => {
            let wrong = |what: String| Ended::new(Exit::Usage, format!("{old}: {what}"));
            let text = std::fs::read_to_string(old)
                .map_err(|error| wrong(format!("cannot be read: {error}; name a table, or two runs")))?;
            let theirs = read_soa_csv(&text).map_err(wrong)?;
            let soa = Statement::declared(context, &loaded)?;
            let differences = against_table(&soa, &theirs, catalog.as_deref(), old)?;
            print(context, &differences)
        }
    }
}

/// The newest run, with how controls stood in it.
type Newest = (RunId, BTreeMap<(CatalogId, ControlId), ControlStanding>);

/// What is stated, and what stands behind it.
struct Statement {
    isms: Isms,
    library: std::sync::Arc<Library>,
    mapping: Mapping,
    today: jiff::civil::Date,
    newest: Option<Newest>,
}

impl Statement {
    fn declared(context: &Context, loaded: &Loaded) -> Result<Self, Ended> {
        let library = catalogue::library(loaded)?;
        let now = context.time.now();
        let isms = Declared::check(loaded, &library, now)?.isms.unwrap_or_default();
        let today = jiff::tz::TimeZone::UTC.to_datetime(now).date();
        Ok(Self { isms, library, mapping: catalogue::chosen_mapping(loaded)?, today, newest: None })
    }

    /// Looks for the newest run, where a store is there and holds one.
    fn look(&mut self, loaded: &Loaded, store: Option<&str>) -> Result<(), Ended> {
        let archive = match super::archive(store, loaded) {
            Ok(archive) => archive,
            Err(error) if store.is_some() => return Err(error),
            Err(error) => {
                tracing::warn!(error = error.message, "the store cannot be read; what supports a control is left out");
                return Ok(());
            }
        };
        let found = opened::open(&*archive, &loaded.config.agent.id, "latest", None);
        let controls = found.and_then(|(_, reader)| {
            let run = reader.statement().predicate.run;
            Ok((run, reader.controls().map_err(failed)?.controls))
        });
        match controls {
            Ok((run, controls)) => {
                let by_number = controls.into_iter().map(|one| ((one.catalog.clone(), one.control.clone()), one));
                self.newest = Some((run, by_number.collect()));
            }
            Err(error) if store.is_some() => return Err(error),
            Err(error) => {
                tracing::warn!(error = error.message, "no run can be read; what supports a control is left out");
            }
        }
        Ok(())
    }

    /// The rows of one catalogue, or of all that the config asks for.
    fn rows(&self, catalog: Option<&str>, clauses: bool) -> Result<Vec<SoaRow>, Ended> {
        let catalogs = self.mapping.catalogs();
        if let Some(id) = catalog.filter(|id| self.mapping.catalog(id).is_none()) {
            let known: Vec<&str> = catalogs.iter().map(|catalog| catalog.id.as_str()).collect();
            let what = format!("there is no catalogue {id:?} among those of the config; it has: {}", known.join(", "));
            return Err(Ended::new(Exit::Usage, what));
        }
        let wanted = catalogs.iter().filter(|one| catalog.is_none_or(|id| one.id.as_str() == id));
        Ok(wanted.flat_map(|catalog| self.catalog(catalog, clauses)).collect())
    }

    fn catalog(&self, catalog: &Catalog, clauses: bool) -> Vec<SoaRow> {
        let clauses = catalog.clauses.iter().filter(|_| clauses).map(|clause| SoaRow {
            supported_by: clause.agent.map(|duty| duty.words().to_owned()).unwrap_or_default(),
            ..self.row(&catalog.id, &clause.id, &clause.label)
        });
        let controls = catalog.controls.iter().map(|control| SoaRow {
            supported_by: self.support(&catalog.id, &control.id),
            waivers: self.waivers(&catalog.id, &control.id),
            ..self.row(&catalog.id, &control.id, &control.label)
        });
        clauses.chain(controls).collect()
    }

    /// What is stated of a control.
    fn row(&self, catalog: &CatalogId, number: &ControlId, label: &str) -> SoaRow {
        let said = self.isms.statement(catalog, number);
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        SoaRow {
            catalog: catalog.clone(),
            number: number.clone(),
            label: label.to_owned(),
            applicable: if said.is_some_and(|said| !said.applies) { "no" } else { "yes" }.to_owned(),
            justification: said.and_then(|said| said.why.clone()).unwrap_or_else(|| NOT_STATED.to_owned()),
            owner: text(said.and_then(|said| said.owner.as_ref())),
            status: text(said.and_then(|said| said.status.as_ref())),
            supported_by: String::new(),
            waivers: String::new(),
            attachments: String::new(),
        }
    }

    fn support(&self, catalog: &CatalogId, control: &ControlId) -> String {
        let Some((run, standings)) = &self.newest else { return String::new() };
        let Some(one) = standings.get(&(catalog.clone(), control.clone())) else { return String::new() };
        let counts = &one.counts;
        format!(
            "{}: {} pass, {} fail, {} unknown, {} waived in run {run}",
            one.standing.as_str().replace('_', " "),
            counts.pass,
            counts.fail + counts.fail_below,
            counts.unknown,
            counts.waived
        )
    }

    /// The waivers, not expired, of checks behind a control.
    fn waivers(&self, catalog: &CatalogId, control: &ControlId) -> String {
        let links: BTreeSet<_> = self.mapping.links(catalog, control).iter().map(|link| &link.objective).collect();
        let behind = |waiver: &&Waiver| {
            waiver.expires >= self.today
                && self.library.checks().any(|(_, check)| {
                    links.contains(&check.objective) && waiver.checks.iter().any(|p| glob(p, check.id.as_str()))
                })
        };
        let waivers = self.isms.waivers().iter().filter(behind);
        waivers.map(|waiver| format!("{} until {}", waiver.id, waiver.expires)).collect::<Vec<_>>().join("; ")
    }
}

fn export(rows: &[SoaRow], output: Option<&std::path::Path>) -> Result<Exit, Ended> {
    let mut table = Vec::new();
    let broken = |error: String| Ended::new(Exit::Usage, format!("the table cannot be written: {error}"));
    soa_csv(rows, &mut table).map_err(|error| broken(error.to_string()))?;
    match output {
        None => {
            let mut lines = Lines::new();
            lines.write(&table)?;
            lines.finish()?;
        }
        Some(path) => {
            let written = std::fs::File::create(path).and_then(|mut file| file.write_all(&table));
            written.map_err(|error| broken(format!("{}: {error}", path.display())))?;
        }
    }
    Ok(Exit::Done)
}

/// One difference in what is stated.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Difference {
    id: String,
    catalog: String,
    member: String,
    from: String,
    to: String,
}

/// What differs between somebody's table and what is declared now.
fn against_table(
    soa: &Statement,
    theirs: &[ReadRow],
    catalog: Option<&str>,
    file: &str,
) -> Result<Vec<Difference>, Ended> {
    let usual = catalog.or_else(|| soa.mapping.catalogs().first().map(|catalog| catalog.id.as_str()));
    let usual = usual.unwrap_or_default().to_owned();
    let ours = soa.rows(None, true)?;
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for row in theirs {
        let get = |name: &str| row.cells.get(name).cloned().unwrap_or_default();
        let (number, of) = (get("number"), get("catalog"));
        let of = if of.is_empty() { usual.clone() } else { of };
        if number.is_empty() || catalog.is_some_and(|catalog| catalog != of) {
            continue;
        }
        let mine = ours.iter().find(|mine| mine.number.as_str() == number && mine.catalog.as_str() == of);
        if !seen.insert((of.clone(), number.clone())) {
            let what = format!("{file}, row {}: {of} {number} is there twice; remove one of them", row.row);
            return Err(Ended::new(Exit::Usage, what));
        }
        let difference = |member: &str, from: String, to: String| Difference {
            id: number.clone(),
            catalog: of.clone(),
            member: member.to_owned(),
            from,
            to,
        };
        let Some(mine) = mine else {
            out.push(difference("control", "in the table".to_owned(), "in no catalogue of the config".to_owned()));
            continue;
        };
        // A column that somebody left out says nothing.
        for column in STATED.into_iter().filter(|column| row.cells.contains_key(*column)) {
            let (from, to) = (get(column), mine.shown(column));
            if from != to {
                out.push(difference(column, from, to));
            }
        }
    }
    let catalogs: BTreeSet<&String> = seen.iter().map(|(catalog, _)| catalog).collect();
    for mine in &ours {
        let key = (mine.catalog.to_string(), mine.number.to_string());
        let clause = soa.mapping.catalog(mine.catalog.as_str()).is_some_and(|c| c.clause(&mine.number).is_some());
        if !clause && catalogs.contains(&key.0) && !seen.contains(&key) {
            let (catalog, id) = key;
            let (from, to) = ("not in the table".to_owned(), format!("applicable: {}", mine.applicable));
            out.push(Difference { id, catalog, member: "control".to_owned(), from, to });
        }
    }
    Ok(out)
}

/// What differs between what two runs sealed.
fn between_runs(loaded: &Loaded, store: Option<&str>, old: &str, new: &str) -> Result<Vec<Difference>, Ended> {
    let archive = super::archive(store, loaded)?;
    let isms = |wanted: &str| -> Result<Isms, Ended> {
        let (_, reader) = opened::open(&*archive, &loaded.config.agent.id, wanted, None)?;
        Ok(Judged::read(&reader)?.isms.unwrap_or_default())
    };
    let (old, new) = (isms(old)?, isms(new)?);
    let numbers: BTreeSet<(&CatalogId, &ControlId)> =
        old.statements().chain(new.statements()).map(|(catalog, control, _)| (catalog, control)).collect();
    let mut out = Vec::new();
    for (catalog, control) in numbers {
        let [before, after] = [&old, &new].map(|isms| members(isms, catalog, control));
        for ((member, from), (_, to)) in before.into_iter().zip(after).filter(|(from, to)| from != to) {
            let (id, catalog) = (control.to_string(), catalog.to_string());
            out.push(Difference { id, catalog, member: member.to_owned(), from, to });
        }
    }
    Ok(out)
}

/// What is stated of a control, by member.
fn members(isms: &Isms, catalog: &CatalogId, control: &ControlId) -> [(&'static str, String); 4] {
    let said = isms.statement(catalog, control);
    let [applicable, justification, owner, status] = STATED;
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    [
        (applicable, if said.is_some_and(|said| !said.applies) { "no" } else { "yes" }.to_owned()),
        (justification, said.and_then(|said| said.why.clone()).unwrap_or_else(|| NOT_STATED.to_owned())),
        (owner, text(said.and_then(|said| said.owner.as_ref()))),
        (status, text(said.and_then(|said| said.status.as_ref()))),
    ]
}

fn print(context: &Context, differences: &[Difference]) -> Result<Exit, Ended> {
    let mut lines = Lines::new();
    for one in differences {
        if context.common.format == Format::Json {
            lines.json(one)?;
        } else {
            // What somebody wrote is shown, not obeyed.
            let Difference { id, catalog, member, from, to } = one;
            lines.text(format!("{} {} {member}: {from:?} -> {to:?}", catalog.escape_debug(), id.escape_debug()))?;
        }
    }
    if differences.is_empty() && context.common.format != Format::Json {
        lines.text("nothing differs")?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}
