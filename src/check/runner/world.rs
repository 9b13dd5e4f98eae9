//! The small world of an example: resources, what they are joined to, and the coverage of both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidenced_model::{
    Account, AccountCoverage, Cause, Cell, CellState, Coverage, Field, Finding, KindDecl, KindId, Provider, Region,
    Resource, Scope, Span, Unread,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::definition::Check;
use crate::judge::{Judge, Settings};
use crate::library::{Kind, Library, misfits};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";
const NOW: &str = "2026-01-01T00:00:00Z";

/// Why an example's field is taken away.
const DENIED: Unread = Unread { call: None, cause: Cause::Denied, permission: None };

/// One example, set up.
pub(crate) struct World {
    pub(crate) judge: Judge,
    pub(crate) resources: Vec<Resource>,
    /// Joined resources, with the name of their join.
    rights: Vec<(String, Resource)>,
    /// Joins whose population was not read.
    closed: BTreeSet<String>,
    joins: BTreeMap<String, KindId>,
    provider: Provider,
    home: Scope,
}

/// What a world says: the findings, and what CEL complained of.
pub(crate) struct Outcome {
    pub(crate) findings: Vec<Finding>,
    pub(crate) complaint: Option<String>,
}

impl World {
    pub(crate) fn build(
        library: &Arc<Library>,
        kind: &Kind,
        check: &Check,
        example: &Map<String, Value>,
    ) -> Result<Self, String> {
        let mut example = example.clone();
        let params = match example.remove("params") {
            None => BTreeMap::new(),
            Some(Value::Object(params)) => params.into_iter().collect(),
            Some(_) => return Err("`params` is a map from name to value".into()),
        };
        let now = example.remove("now").unwrap_or_else(|| NOW.into());
        let now: Timestamp =
            now.as_str().and_then(|now| now.parse().ok()).ok_or("`now` is a timestamp such as 2026-01-01T00:00:00Z")?;
        let only = Some(BTreeSet::from([check.id.clone()]));
        let settings = Settings { params, disabled: BTreeSet::new(), only, now };
        let judge = Judge::compile(library, settings).map_err(|error| error.to_string())?;
        if let Some(undeclared) = judge.undeclared().first() {
            return Err(format!("needs params.{}: give it under `params`", undeclared.params.join(", params.")));
        }
        let with = example.remove("with");
        let home = scope(&kind.decl, example.remove("scope"), None)?;
        let elements = match (check.per, example.remove("population")) {
            (Some(_), Some(Value::Array(_))) if !example.is_empty() => {
                return Err("what stands beside `population` belongs into its elements".into());
            }
            (Some(_), Some(Value::Array(elements))) => elements,
            (None, Some(_)) => return Err("`population` goes with `per`".into()),
            (Some(_), Some(_)) => return Err("`population` is a list of maps".into()),
            (_, None) => vec![Value::Object(example)],
        };
        let joins = check.with.iter().map(|(name, join)| (name.clone(), join.kind.clone())).collect();
        #[expect(clippy::expect_used, reason = "the first segment of a kind is a provider")]
        let provider = Provider::parse(kind.decl.kind.provider()).expect("a provider");
        let mut world =
            Self { judge, resources: Vec::new(), rights: Vec::new(), closed: BTreeSet::new(), joins, provider, home };
        for element in elements {
            world.element(library, kind, check, element, with.as_ref())?;
        }
        Ok(world)
    }

    fn element(
        &mut self,
        library: &Library,
        kind: &Kind,
        check: &Check,
        element: Value,
        outer: Option<&Value>,
    ) -> Result<(), String> {
        let Value::Object(mut fields) = element else { return Err("an element of `population` is a map".into()) };
        let with = fields.remove("with").or_else(|| outer.cloned()).unwrap_or_else(|| Value::Object(Map::new()));
        let Value::Object(with) = with else { return Err("`with` is a map from join to resource".into()) };
        if let Some(name) = with.keys().find(|name| !check.with.contains_key(*name)) {
            return Err(format!("`with` names {name:?}, which the check does not join"));
        }
        let scope = scope(&kind.decl, fields.remove("scope"), Some(&self.home))?;
        let id = format!("example-{}", self.resources.len());
        let resource = resource(kind, &fields, id, scope)?;
        for (name, join) in &check.with {
            let rows = match with.get(name) {
                None => vec![Value::Object(Map::new())],
                Some(Value::Null) => Vec::new(),
                Some(Value::Array(rows)) => rows.clone(),
                Some(one) => vec![one.clone()],
            };
            let left = self.judge.left(&resource, name);
            if left.iter().any(|(_, value)| value.is_null()) {
                continue;
            }
            let right = library.kind(&join.kind).ok_or("a joined kind is missing")?;
            for row in rows {
                let Value::Object(row) = row else {
                    return Err(format!("with.{name} is a map, a list of maps or null"));
                };
                let mut fields: Map<String, Value> = left.iter().cloned().collect();
                fields.extend(row);
                let place = Scope { region: region_of(&right.decl, &resource.scope.region), ..resource.scope.clone() };
                let id = format!("{name}-{}", self.rights.len());
                let row = self::resource(right, &fields, id, place).map_err(|error| format!("with.{name}: {error}"))?;
                let equal = |known: &Resource| known.fields == row.fields && known.scope == row.scope;
                if !self.rights.iter().any(|(other, known)| other == name && equal(known)) {
                    self.rights.push((name.clone(), row));
                }
            }
        }
        self.resources.push(resource);
        Ok(())
    }

    /// Takes what a path names away from every resource: `field`, `join.field` or `join`.
    pub(crate) fn without(&mut self, path: &str) {
        if self.joins.contains_key(path) {
            self.rights.retain(|(name, _)| name != path);
            self.closed.insert(path.to_owned());
        } else {
            self.put(path, &Field::Unread(DENIED));
        }
    }

    /// Makes what a path names absent.
    pub(crate) fn absent(&mut self, path: &str) {
        if self.joins.contains_key(path) {
            self.rights.retain(|(name, _)| name != path);
        } else {
            self.put(path, &Field::Absent);
        }
    }

    fn put(&mut self, path: &str, field: &Field) {
        if let Some((join, name)) = path.split_once('.') {
            for (_, right) in self.rights.iter_mut().filter(|(other, _)| other == join) {
                right.fields.insert(name.to_owned(), field.clone());
            }
        } else {
            for resource in &mut self.resources {
                resource.fields.insert(path.to_owned(), field.clone());
            }
        }
    }

    /// Whether anything is joined under that name.
    pub(crate) fn has_rows(&self, join: &str) -> bool {
        self.rights.iter().any(|(name, _)| name == join)
    }

    pub(crate) fn run(&self) -> Outcome {
        let coverage = self.coverage();
        let mut index = self.judge.join_index();
        self.rights.iter().for_each(|(_, right)| index.observe(right));
        let joins = index.seal(&coverage);
        let mut populations = self.judge.populations();
        let mut findings = Vec::new();
        for resource in &self.resources {
            self.judge.judge(resource, &joins, &mut populations, &mut |finding| findings.push(finding));
        }
        self.judge.finish(populations, &coverage, &mut |finding| findings.push(finding));
        Outcome { findings, complaint: self.judge.defects().into_values().next() }
    }

    fn coverage(&self) -> Coverage {
        let library = Arc::clone(self.judge.library());
        let scopes: BTreeSet<&Scope> =
            self.resources.iter().map(|resource| &resource.scope).chain([&self.home]).collect();
        let mut coverage = Coverage::default();
        for scope in scopes {
            let key = (self.provider.clone(), scope.account.clone());
            let account = coverage.accounts.entry(key).or_insert_with(|| AccountCoverage {
                account: scope.account.clone(),
                cells: Vec::new(),
                gaps: Vec::new(),
                provider: self.provider.clone(),
                regions: Vec::new(),
            });
            let own = self.judge.checks().map(|(kind, ..)| (kind.clone(), false));
            let joined = self.joins.iter().map(|(name, kind)| (kind.clone(), self.closed.contains(name)));
            for (kind, closed) in own.chain(joined) {
                let Some(decl) = library.kind(&kind).map(|kind| &kind.decl) else { continue };
                let region = match decl.span {
                    Span::Regional => region_of(decl, &scope.region),
                    Span::Global | Span::Located => Region::global(),
                };
                let state = if closed { CellState::Denied } else { CellState::Complete };
                match account.cells.iter_mut().find(|cell| cell.kind == kind && cell.region == region) {
                    Some(cell) if closed => cell.state = state,
                    Some(_) => {}
                    None => account.cells.push(Cell {
                        gaps: Vec::new(),
                        kind,
                        reason: None,
                        region,
                        resources: 0,
                        state,
                        total: None,
                        vanished: 0,
                    }),
                }
            }
        }
        coverage
    }
}

fn resource(kind: &Kind, overrides: &Map<String, Value>, id: String, scope: Scope) -> Result<Resource, String> {
    let wrong = misfits(&kind.decl, overrides, false);
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    let mut resource = Resource::new(kind.decl.kind.clone(), id, scope);
    for (name, sample) in &kind.sample {
        let value = overrides.get(name).unwrap_or(sample);
        resource.optional(name, (!value.is_null()).then(|| value.clone()));
    }
    Ok(resource)
}

fn region_of(decl: &KindDecl, near: &Region) -> Region {
    match decl.span {
        Span::Global => Region::global(),
        _ if *near != Region::global() => near.clone(),
        #[expect(clippy::expect_used, reason = "a constant of the right form")]
        _ => Region::parse(REGION).expect("a region"),
    }
}

/// `scope: { account: …, region: … }`, completed from the surrounding one.
fn scope(decl: &KindDecl, given: Option<Value>, home: Option<&Scope>) -> Result<Scope, String> {
    let mut given = match given {
        None => Map::new(),
        Some(Value::Object(given)) => given,
        Some(_) => return Err("`scope` is a map with `account` and `region`".into()),
    };
    let mut text = |name: &str| match given.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("scope.{name} is a string")),
    };
    let account =
        text("account")?.map(|account| Account::parse(account).map_err(|error| error.to_string())).transpose()?;
    let region = text("region")?.map(|region| Region::parse(region).map_err(|error| error.to_string())).transpose()?;
    if let Some(name) = given.keys().next() {
        return Err(format!("scope has no {name:?}"));
    }
    #[expect(clippy::expect_used, reason = "constants of the right form")]
    let home = home.cloned().unwrap_or_else(|| Scope {
        account: Account::parse(ACCOUNT).expect("an account"),
        provider: Provider::parse(decl.kind.provider()).expect("a provider"),
        region: region_of(decl, &Region::global()),
    });
    Ok(Scope {
        account: account.unwrap_or(home.account),
        provider: home.provider,
        region: region.unwrap_or(home.region),
    })
}
