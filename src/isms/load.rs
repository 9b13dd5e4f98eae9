//! Reading an `isms.yaml`, strictly: what is misspelt, unknown, doubled or out of its time is an error with a line.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{CatalogId, CheckId, ControlId, glob};
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_saphyr::Spanned;

use crate::error::hint;
use crate::raw::{Pairs, Raw, RawApprover, RawStatement, RawWaiver};
use crate::{Approver, At, Isms, IsmsError, Owner, Scoped, Statement, Waiver};

/// The longest that a waiver may last, in years.
const LONGEST_YEARS: i64 = 2;
/// The longest text of one member, in bytes.
const LONGEST_TEXT: usize = 4000;

/// What a declaration may speak of.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The controls of each catalogue.
    pub controls: &'a BTreeMap<CatalogId, BTreeSet<ControlId>>,
    /// The clauses of each catalogue: requirements that nobody can exclude.
    pub clauses: &'a BTreeMap<CatalogId, BTreeSet<ControlId>>,
    /// The checks.
    pub checks: &'a BTreeSet<CheckId>,
    /// The parameters of checks.
    pub params: &'a BTreeMap<String, Param>,
    /// The day on which it is read: a waiver without a first day begins then at the earliest.
    pub today: Date,
}

/// A parameter of checks, as far as a declaration can set it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Param {
    /// It is a list.
    pub is_list: bool,
    /// The scope that feeds it.
    pub scope: Option<String>,
}

impl Isms {
    /// Loads and checks a file (its path, for messages, and its text); the first thing that is wrong ends it.
    pub fn load(path: &str, text: &str, known: &Known<'_>) -> Result<Self, IsmsError> {
        let raw = parse(path, text)?;
        let reader = Reader { path, known };
        let approvers = raw.approvers.as_deref().map(|list| reader.approvers(list)).transpose()?;
        let isms = Self {
            allow: reader.allow(raw.allow)?,
            applicability: reader.applicability(raw.applicability)?,
            organisation: raw.organisation,
            owners: reader.owners(raw.owners)?,
            scopes: reader.scopes(raw.scopes)?,
            waivers: reader.waivers(raw.waivers, approvers.as_ref())?,
            approvers: approvers.unwrap_or_default(),
        };
        Ok(isms)
    }

    /// Whether a text has the form of a declaration, whatever it speaks of: what was understood, as JSON.
    pub fn form(text: &str) -> Result<Self, IsmsError> {
        let raw = parse("isms.yaml", text)?;
        let controls = raw.applicability.0.into_iter().map(|(catalog, said)| {
            let said = said.0.into_iter().map(|(control, raw)| (control.value, Statement::from(raw)));
            (catalog.value, said.collect())
        });
        Ok(Self {
            allow: raw.allow.0.into_iter().map(|(name, list)| (name.value, list)).collect(),
            applicability: controls.collect(),
            organisation: raw.organisation,
            owners: raw.owners.into_iter().map(|owner| owner.value).collect(),
            scopes: raw.scopes.0.into_iter().map(|(name, scope)| (name.value, scope)).collect(),
            ..Self::default()
        })
    }
}

impl From<RawStatement> for Statement {
    fn from(raw: RawStatement) -> Self {
        Self { applies: raw.applies.0, owner: raw.owner, status: raw.status, why: raw.why }
    }
}

struct Reader<'a> {
    path: &'a str,
    known: &'a Known<'a>,
}

impl Reader<'_> {
    fn at<T>(&self, value: &Spanned<T>) -> At {
        At { path: self.path.to_owned(), line: value.referenced.line() }
    }

    fn applicability(
        &self,
        raw: Pairs<CatalogId, Pairs<ControlId, RawStatement>>,
    ) -> Result<BTreeMap<CatalogId, BTreeMap<ControlId, Statement>>, IsmsError> {
        let mut out = BTreeMap::new();
        for (catalog, said) in raw.0 {
            let at = self.at(&catalog);
            let Some(controls) = self.known.controls.get(&catalog.value) else {
                return Err(unknown(
                    at,
                    "catalogue",
                    catalog.value.as_str(),
                    self.known.controls.keys().map(CatalogId::as_str),
                    "see `evidenced controls list`",
                ));
            };
            let clauses = self.known.clauses.get(&catalog.value);
            let mut statements = BTreeMap::new();
            for (control, raw) in said.0 {
                let at = self.at(&control);
                let is_clause = clauses.is_some_and(|clauses| clauses.contains(&control.value));
                if !is_clause && !controls.contains(&control.value) {
                    let known = controls.iter().chain(clauses.into_iter().flatten()).map(ControlId::as_str);
                    let what = format!("control in {}", catalog.value);
                    let remedy = "correct the number; `evidenced controls list --catalog …` shows them";
                    return Err(unknown(at, &what, control.value.as_str(), known, remedy));
                }
                let statement = statement(&at, &control.value, raw, is_clause)?;
                statements.insert(control.value, statement);
            }
            out.insert(catalog.value, statements);
        }
        Ok(out)
    }

    fn approvers(&self, raw: &[RawApprover]) -> Result<BTreeMap<String, Approver>, IsmsError> {
        let mut out = BTreeMap::new();
        for approver in raw {
            let name = approver.name.value.clone();
            if name.trim().is_empty() {
                return Err(member(self.at(&approver.name), "approvers", "an approver has no name; say who it is"));
            }
            if out.insert(name.clone(), Approver { until: approver.until }).is_some() {
                return Err(IsmsError::Twice { at: self.at(&approver.name), what: "approver", name });
            }
        }
        Ok(out)
    }

    fn waivers(
        &self,
        raw: Vec<RawWaiver>,
        approvers: Option<&BTreeMap<String, Approver>>,
    ) -> Result<Vec<Waiver>, IsmsError> {
        let mut out: BTreeMap<String, Waiver> = BTreeMap::new();
        for one in raw {
            let at = self.at(&one.id);
            let waiver = self.waiver(one, approvers)?;
            if let Some(first) = out.insert(waiver.id.clone(), waiver) {
                return Err(IsmsError::Twice { at, what: "waiver", name: first.id });
            }
        }
        Ok(out.into_values().collect())
    }

    fn waiver(&self, raw: RawWaiver, approvers: Option<&BTreeMap<String, Approver>>) -> Result<Waiver, IsmsError> {
        let at = self.at(&raw.id);
        let id = raw.id.value.clone();
        let wrong = |at: &At, reason: String| IsmsError::Waiver { at: at.clone(), id: id.clone(), reason };
        let missing = |what: &str| wrong(&at, what.to_owned());
        if !is_id(&id) {
            return Err(missing("an id is 1 to 64 letters, digits, dots, hyphens and underscores; give it another"));
        }
        let approved_by = raw.approved_by.as_ref().filter(|name| !name.value.trim().is_empty());
        let Some(approved_by) = approved_by else {
            return Err(missing("nobody approved it; say who in `approved_by`"));
        };
        let reason = raw.reason.clone().filter(|reason| !reason.trim().is_empty());
        let Some(reason) = reason else { return Err(missing("it has no reason; say why in `reason`")) };
        let Some(expires) = &raw.expires else {
            return Err(missing("it has no end; name its last day in `expires`, e.g. 2027-06-30"));
        };
        let last = expires.value;
        if let Some(from) = raw.from.filter(|from| *from > last) {
            let reason = format!("it begins on {from} and ends on {last}; exchange the dates, or correct one");
            return Err(wrong(&self.at(expires), reason));
        }
        let begins = raw.from.unwrap_or(self.known.today);
        if begins.checked_add(LONGEST_YEARS.years()).is_ok_and(|longest| last > longest) {
            let reason =
                format!("it would last until {last}, longer than {LONGEST_YEARS} years; choose an earlier day");
            return Err(wrong(&self.at(expires), format!("{reason}, and have it approved again then")));
        }
        self.approval(approved_by, raw.from, approvers).map_err(|reason| wrong(&self.at(approved_by), reason))?;
        if raw.checks.is_empty() {
            return Err(missing("it names no check; say which in `checks`, e.g. [aws.s3.versioning]"));
        }
        for pattern in &raw.checks {
            if !self.known.checks.iter().any(|check| glob(&pattern.value, check.as_str())) {
                let known = self.known.checks.iter().map(CheckId::as_str);
                let what = format!("check for the waiver {id}");
                let remedy = "`evidenced checks list` shows them";
                return Err(unknown(self.at(pattern), &what, &pattern.value, known, remedy));
            }
        }
        if raw.resources.is_empty() {
            let what = "it names no resource; say which in `resources`, by `ids`, `tags` or `accounts`";
            return Err(missing(what));
        }
        for (name, text) in [("reason", Some(reason.as_str())), ("ticket", raw.ticket.as_deref())] {
            short(&at, name, text)?;
        }
        Ok(Waiver {
            approved_by: approved_by.value.clone(),
            checks: raw.checks.into_iter().map(|pattern| pattern.value).collect(),
            expires: last,
            from: raw.from,
            id,
            reason,
            resources: raw.resources,
            since: None,
            ticket: raw.ticket,
        })
    }

    /// Whether somebody may approve what begins on a day.
    fn approval(
        &self,
        by: &Spanned<String>,
        from: Option<Date>,
        approvers: Option<&BTreeMap<String, Approver>>,
    ) -> Result<(), String> {
        let Some(approvers) = approvers else { return Ok(()) };
        let name = &by.value;
        let Some(approver) = approvers.get(name) else {
            let near = hint(name, approvers.keys().map(String::as_str));
            return Err(format!("{name:?} is not among the approvers{near}; add him, or let another approve"));
        };
        match (approver.until, from) {
            (Some(until), Some(from)) if from > until => {
                Err(format!("{name:?} may approve until {until} only, and it begins on {from}; let another approve"))
            }
            // Without a first day it begins when it is logged, which is no sooner than today.
            (Some(until), None) if self.known.today > until => Err(format!(
                "the approval of {name:?} ended on {until}; let another approve, or say in `from` since when it holds"
            )),
            _ => Ok(()),
        }
    }

    fn scopes(&self, raw: Pairs<String, Scoped>) -> Result<BTreeMap<String, Scoped>, IsmsError> {
        let mut out = BTreeMap::new();
        for (name, scope) in raw.0 {
            let at = self.at(&name);
            if !is_id(&name.value) {
                let reason = "a scope's name is 1 to 64 letters, digits, dots, hyphens and underscores; rename it";
                return Err(member(at, "scopes", reason));
            }
            let place = format!("scopes.{}", name.value);
            if let Some(pattern) = scope.names.iter().find(|name| name.contains(['*', '?'])) {
                let reason = format!("{pattern:?} is a pattern; checks compare whole names: list them, or use a tag");
                return Err(member(at, &place, reason));
            }
            if scope == Scoped::default() {
                let reason = "it names nothing; say what belongs to it by names, tags, accounts or ous, or remove it";
                return Err(member(at, &place, reason));
            }
            out.insert(name.value, scope);
        }
        Ok(out)
    }

    fn allow(&self, raw: Pairs<String, Vec<String>>) -> Result<BTreeMap<String, Vec<String>>, IsmsError> {
        let mut out = BTreeMap::new();
        for (name, list) in raw.0 {
            let at = self.at(&name);
            let place = format!("allow.{}", name.value);
            match self.known.params.get(&name.value) {
                Some(Param { scope: Some(scope), .. }) => {
                    let reason = format!("it is fed by the scope {scope:?}; declare it under `scopes`");
                    return Err(member(at, &place, reason));
                }
                Some(Param { is_list: true, .. }) => {}
                Some(_) => {
                    let reason = "it is no list; set it in the config, under checks.params";
                    return Err(member(at, &place, reason));
                }
                None => {
                    let lists = self.known.params.iter().filter(|(_, param)| param.is_list && param.scope.is_none());
                    let known = lists.map(|(name, _)| name.as_str());
                    let remedy = "lists are named as the parameters of checks are";
                    return Err(unknown(at, "list", &name.value, known, remedy));
                }
            }
            out.insert(name.value, list);
        }
        Ok(out)
    }

    fn owners(&self, raw: Vec<Spanned<Owner>>) -> Result<Vec<Owner>, IsmsError> {
        for owner in &raw {
            if owner.value.owner.trim().is_empty() {
                return Err(member(self.at(owner), "owners", "an owner has no name; say who answers in `owner`"));
            }
            short(&self.at(owner), "owner", Some(&owner.value.owner))?;
        }
        Ok(raw.into_iter().map(|owner| owner.value).collect())
    }
}

fn statement(at: &At, control: &ControlId, raw: RawStatement, is_clause: bool) -> Result<Statement, IsmsError> {
    let statement = Statement::from(raw);
    let wrong = |reason: &str| {
        Err(IsmsError::Control { at: at.clone(), control: control.to_string(), reason: reason.to_owned() })
    };
    if !statement.applies && is_clause {
        return wrong("clauses 4 to 10 cannot be excluded, only controls of the annex; write `applies: yes`");
    }
    if !statement.applies && statement.why.as_deref().is_none_or(|why| why.trim().is_empty()) {
        return wrong("it is excluded without a reason; say `why`");
    }
    for (name, text) in [("why", &statement.why), ("owner", &statement.owner), ("status", &statement.status)] {
        short(at, name, text.as_deref())?;
    }
    Ok(statement)
}

fn member(at: At, name: &str, reason: impl Into<String>) -> IsmsError {
    IsmsError::Member { at, name: name.to_owned(), reason: reason.into() }
}

fn short(at: &At, name: &str, text: Option<&str>) -> Result<(), IsmsError> {
    match text {
        Some(text) if text.len() > LONGEST_TEXT => {
            let reason = format!("it is longer than {LONGEST_TEXT} bytes; say it shorter, and refer to a document");
            Err(member(at.clone(), name, reason))
        }
        _ => Ok(()),
    }
}

fn unknown<'k>(
    at: At,
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
    remedy: &'static str,
) -> IsmsError {
    IsmsError::Unknown { at, what: what.to_owned(), name: name.to_owned(), hint: hint(name, known), remedy }
}

/// What findings and the log can name in one word.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn parse(path: &str, text: &str) -> Result<Raw, IsmsError> {
    // A file of comments says nothing, and that is all right.
    let is_empty = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    let text = if is_empty { "{}" } else { text };
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let reason = match error.without_snippet() {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
                let near = hint(field, expected.iter().copied());
                format!("there is no key {field:?} here{near}; the keys are {}", expected.join(", "))
            }
            other => {
                let said = other.to_string();
                // The parser's own words end in the place, which stands in front already, or in advice to programmers.
                let end = [" at line ", ", set DuplicateKeyPolicy"].iter().filter_map(|tail| said.find(tail)).min();
                said[..end.unwrap_or(said.len())].to_owned()
            }
        };
        IsmsError::Form { at: At { path: path.to_owned(), line }, reason }
    })
}
