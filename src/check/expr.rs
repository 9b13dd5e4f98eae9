//! Programs: CEL rewritten so that each thing read is a variable of its own, unbound while it is unread.
//!
//! `resource` may stand only in `resource.<declared field>`, a joined name only in `key.<field>`, `key == null` and
//! `key != null`: anything looser would let a program see that something is missing and take it for an answer.

use std::collections::{BTreeMap, BTreeSet};

use cel::common::ast::operators;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use cel::{Context, Env, Value};
use evidenced_model::KindDecl;

use crate::definition::{Join, ParamDecl};
use crate::error::hint;
use crate::{functions, value};

/// The longest program that is parsed, in bytes.
const MAX_SOURCE: usize = 8 * 1024;
/// How deep `all`, `exists`, `map` and the like may stand in each other: the cost is a power of it.
const MAX_NESTING: usize = 3;
/// The type names that `type(x) == string` may compare with.
const TYPES: &[&str] = &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// What a variable of a program stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// `resource.<field>`.
    Field(String),
    /// `<join>.<field>`, by the join's index in its kind.
    JoinField(usize, String),
    /// Whether the join found nothing.
    JoinNull(usize),
    /// Everything that the join found.
    JoinList(usize),
    /// `params.<name>`.
    Param(String),
    /// The start of the run.
    Now,
    /// `scope.account`.
    Account,
    /// `scope.region`.
    Region,
    /// `scope.provider`.
    Provider,
    /// `scope.partition`.
    Partition,
}

impl Source {
    /// Can be unread.
    pub(crate) fn is_evidence(&self) -> bool {
        matches!(self, Self::Field(_) | Self::JoinField(..) | Self::JoinNull(_) | Self::JoinList(_))
    }
}

/// The variables of all programs of a kind.
#[derive(Debug, Default)]
pub(crate) struct SlotTable {
    pub(crate) sources: Vec<Source>,
    index: BTreeMap<Source, usize>,
}

impl SlotTable {
    pub(crate) fn slot(&mut self, source: Source) -> usize {
        *self.index.entry(source).or_insert_with_key(|source| {
            self.sources.push(source.clone());
            self.sources.len() - 1
        })
    }
}

/// A join as programs see it: its index in the kind, what it says, and the right-hand kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JoinName<'a> {
    pub(crate) index: usize,
    pub(crate) join: &'a Join,
    pub(crate) right: &'a KindDecl,
}

/// What a program may name.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    pub(crate) kind: &'a KindDecl,
    pub(crate) joins: &'a BTreeMap<&'a str, JoinName<'a>>,
    pub(crate) params: &'a BTreeMap<String, ParamDecl>,
}

/// A compiled program.
#[derive(Debug)]
pub(crate) struct Program {
    expr: IdedExpr,
    /// What it reads, in order.
    pub(crate) slots: Vec<usize>,
    /// The fields over which it uses `all`: an empty list would pass.
    pub(crate) all_over: BTreeSet<String>,
}

/// What a predicate came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    True,
    False,
    /// CEL's error, or a result that is neither true nor false.
    Error(String),
}

impl Program {
    pub(crate) fn compile(
        source: &str,
        env: &Env,
        names: &Names<'_>,
        slots: &mut SlotTable,
    ) -> Result<Self, Vec<String>> {
        if source.len() > MAX_SOURCE {
            return Err(vec![format!("the program is longer than {MAX_SOURCE} bytes; split the check")]);
        }
        let program = env.compile(source).map_err(|errors| {
            let place = |error: &cel::ParseError| format!("at {}:{}: {}", error.pos.0, error.pos.1, error.msg);
            errors.errors.iter().map(place).collect::<Vec<_>>()
        })?;
        let mut expr = program.expression().clone();
        let mut walk = Rewrite {
            names,
            slots,
            bound: Vec::new(),
            nesting: 0,
            read: BTreeSet::new(),
            all_over: BTreeSet::new(),
            errors: Vec::new(),
            column: &|id| program.source_info().offset_for(id).map(|(start, _)| start + 1),
        };
        walk.expr(&mut expr);
        if !walk.errors.is_empty() {
            return Err(walk.errors);
        }
        let (slots, all_over) = (walk.read.into_iter().collect(), walk.all_over);
        Ok(Self { expr, slots, all_over })
    }

    /// Evaluates a predicate. A panic inside CEL is an error like any other.
    pub(crate) fn test(&self, context: &Context<'_, '_>) -> Outcome {
        let run = || match Value::resolve_val(&self.expr, context) {
            Ok(value) => match value.downcast_ref::<cel::common::types::CelBool>() {
                Some(truth) if *truth.inner() => Outcome::True,
                Some(_) => Outcome::False,
                None => Outcome::Error(format!("the result is a {}, not true or false", value.get_type().name())),
            },
            Err(error) => Outcome::Error(error.to_string()),
        };
        guarded(run).unwrap_or_else(|| Outcome::Error("the evaluation panicked".into()))
    }

    /// Evaluates a projection; `None` if it cannot be told.
    pub(crate) fn project(&self, context: &Context<'_, '_>) -> Option<serde_json::Value> {
        guarded(|| value::to_json(Value::resolve_val(&self.expr, context).ok()?.as_ref())).flatten()
    }
}

fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).ok()
}

struct Rewrite<'a> {
    names: &'a Names<'a>,
    slots: &'a mut SlotTable,
    bound: Vec<String>,
    nesting: usize,
    read: BTreeSet<usize>,
    all_over: BTreeSet<String>,
    errors: Vec<String>,
    column: &'a dyn Fn(u64) -> Option<u32>,
}

impl<'a> Rewrite<'a> {
    fn expr(&mut self, node: &mut IdedExpr) {
        let id = node.id;
        if let Some(source) = self.whole_read(&node.expr, id) {
            let negated = matches!(&node.expr, Expr::Call(call) if call.func_name == operators::NOT_EQUALS);
            let test = matches!(&node.expr, Expr::Select(select) if select.test);
            let variable = self.variable(id, source);
            node.expr = if negated {
                not(id, variable)
            } else if test {
                let null = IdedExpr { id, expr: Expr::Literal(LiteralValue::Null) };
                call(operators::NOT_EQUALS, vec![variable, null])
            } else {
                variable.expr
            };
            return;
        }
        match &mut node.expr {
            Expr::Unspecified => self.error(id, "the program is empty"),
            Expr::Literal(_) => {}
            Expr::Ident(name) => {
                let name = std::mem::take(name);
                node.expr = self.ident(id, name);
            }
            Expr::Select(select) => self.expr(&mut select.operand),
            Expr::List(list) => list.elements.iter_mut().for_each(|element| self.expr(element)),
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.expr(&mut entry.key);
                        self.expr(&mut entry.value);
                    }
                }
            }
            Expr::Struct(_) => self.error(id, "programs do not build messages"),
            Expr::Call(inner) => {
                self.call(id, inner);
                if inner.func_name == operators::LOGICAL_NOT && inner.args.len() == 1 {
                    node.expr = not(id, inner.args.remove(0));
                }
            }
            Expr::Comprehension(inner) => {
                self.expr(&mut inner.iter_range);
                self.expr(&mut inner.accu_init);
                for name in [Some(&inner.iter_var), inner.iter_var2.as_ref()].into_iter().flatten() {
                    if self.is_reserved(name) {
                        self.error(id, &format!("{name:?} is already a name of its own; call the element otherwise"));
                    }
                    self.bound.push(name.clone());
                }
                self.bound.push(inner.accu_var.clone());
                self.nesting += 1;
                if self.nesting > MAX_NESTING {
                    self.error(id, &format!("loops stand more than {MAX_NESTING} deep in each other"));
                }
                let is_all =
                    matches!(&inner.accu_init.expr, Expr::Literal(LiteralValue::Boolean(init)) if *init.inner());
                if is_all && let Some(field) = self.field_of(&inner.iter_range) {
                    self.all_over.insert(field);
                }
                self.expr(&mut inner.loop_cond);
                self.expr(&mut inner.loop_step);
                self.expr(&mut inner.result);
                self.nesting -= 1;
                let names = 2 + usize::from(inner.iter_var2.is_some());
                self.bound.truncate(self.bound.len() - names);
            }
        }
    }

    /// `resource.f`, `has(resource.f)`, `params.p`, `scope.s`, `key.f`, `key == null` and `key != null`.
    fn whole_read(&mut self, expr: &Expr, id: u64) -> Option<Source> {
        match expr {
            Expr::Select(select) => self.member(select, id),
            Expr::Call(call) if [operators::EQUALS, operators::NOT_EQUALS].contains(&call.func_name.as_str()) => {
                let [left, right] = call.args.as_slice() else { return None };
                let ((Expr::Ident(name), Expr::Literal(LiteralValue::Null))
                | (Expr::Literal(LiteralValue::Null), Expr::Ident(name))) = (&left.expr, &right.expr)
                else {
                    return None;
                };
                let join = self.single_join(name)?;
                Some(Source::JoinNull(join.index))
            }
            _ => None,
        }
    }

    fn member(&mut self, select: &SelectExpr, id: u64) -> Option<Source> {
        let Expr::Ident(base) = &select.operand.expr else { return None };
        if self.bound.contains(base) {
            return None;
        }
        let field = &select.field;
        let names = self.names;
        match base.as_str() {
            "resource" => {
                if !names.kind.fields.contains_key(field) {
                    let near = hint(field, names.kind.fields.keys().map(String::as_str));
                    self.error(id, &format!("{} declares no field {field:?}{near}", names.kind.kind));
                }
                Some(Source::Field(field.clone()))
            }
            "params" => {
                if !names.params.contains_key(field) {
                    let near = hint(field, names.params.keys().map(String::as_str));
                    self.error(id, &format!("there is no parameter {field:?}{near}"));
                }
                Some(Source::Param(field.clone()))
            }
            "scope" => Some(match field.as_str() {
                "account" => Source::Account,
                "region" => Source::Region,
                "provider" => Source::Provider,
                "partition" => Source::Partition,
                _ => {
                    let near = hint(field, ["account", "region", "provider", "partition"]);
                    self.error(id, &format!("scope has no {field:?}{near}"));
                    Source::Account
                }
            }),
            name => {
                let join = self.single_join(name)?;
                if !join.right.fields.contains_key(field) {
                    let near = hint(field, join.right.fields.keys().map(String::as_str));
                    self.error(id, &format!("{} declares no field {field:?}{near}", join.right.kind));
                }
                Some(Source::JoinField(join.index, field.clone()))
            }
        }
    }

    fn single_join(&self, name: &str) -> Option<JoinName<'a>> {
        let join = self.names.joins.get(name).copied()?;
        (!join.join.many && !self.bound.iter().any(|bound| bound == name)).then_some(join)
    }

    fn ident(&mut self, id: u64, name: String) -> Expr {
        if name.starts_with('@') || self.bound.contains(&name) || TYPES.contains(&name.as_str()) {
            return Expr::Ident(name);
        }
        match (name.as_str(), self.names.joins.get(name.as_str()).copied()) {
            ("now", _) => return self.variable(id, Source::Now).expr,
            (_, Some(join)) if join.join.many => return self.variable(id, Source::JoinList(join.index)).expr,
            (_, Some(_)) => {
                let message = format!("{name} may stand only in {name}.<field>, {name} == null and {name} != null");
                self.error(id, &message);
            }
            ("resource" | "params" | "scope", _) => {
                self.error(id, &format!("{name} may stand only in {name}.<name>: bare, it would hide what is unread"));
            }
            _ => {
                let joins = self.names.joins.keys().copied();
                let known = ["resource", "params", "scope", "now"].into_iter().chain(joins);
                let near = hint(&name, known.chain(self.bound.iter().map(String::as_str)));
                self.error(id, &format!("there is no variable {name:?}{near}"));
            }
        }
        Expr::Ident(name)
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) {
        let name = call.func_name.as_str();
        let is_operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !is_operator && !functions::names().any(|known| known == name) {
            let near = hint(name, functions::names());
            self.error(id, &format!("there is no function {name:?}{near}"));
        }
        let given = call.args.len() + usize::from(call.target.is_some());
        if let Some(arity) = functions::arity(name).filter(|arity| *arity != given) {
            self.error(id, &format!("{name} takes {arity} arguments, not {given}"));
        }
        if let Some(target) = &mut call.target {
            self.expr(target);
        }
        call.args.iter_mut().for_each(|arg| self.expr(arg));
    }

    fn variable(&mut self, id: u64, source: Source) -> IdedExpr {
        let slot = self.slots.slot(source);
        self.read.insert(slot);
        IdedExpr { id, expr: Expr::Ident(value::slot_name(slot)) }
    }

    /// The field that an already rewritten range iterates over: `resource.f` or `or(resource.f, …)`.
    fn field_of(&self, range: &IdedExpr) -> Option<String> {
        match &range.expr {
            Expr::Ident(name) => {
                let slot: usize = name.strip_prefix('#')?.parse().ok()?;
                match self.slots.sources.get(slot)? {
                    Source::Field(field) => Some(field.clone()),
                    _ => None,
                }
            }
            Expr::Call(call) if call.func_name == "or" => self.field_of(call.args.first()?),
            _ => None,
        }
    }

    fn is_reserved(&self, name: &str) -> bool {
        ["resource", "params", "scope", "now"].contains(&name) || self.names.joins.contains_key(name)
    }

    fn error(&mut self, id: u64, message: &str) {
        let place = (self.column)(id).map_or_else(String::new, |column| format!("at character {column}: "));
        self.errors.push(format!("{place}{message}"));
    }
}

/// `!x`, as a conditional: the same meaning, without the error that CEL prepares beforehand.
fn not(id: u64, operand: IdedExpr) -> Expr {
    let literal = |value: bool| IdedExpr { id, expr: Expr::Literal(LiteralValue::Boolean(value.into())) };
    call(operators::CONDITIONAL, vec![operand, literal(false), literal(true)])
}

fn call(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args })
}
