//! The functions that programs may call: CEL's own, `or` and `days`, and the tables of plain ones on JSON values.

use std::sync::Arc;

use cel::common::types::{CelDuration, CelInt, CelNull, DYN_TYPE, INT_TYPE};
use cel::common::value::CowVal;
use cel::extractors::Arguments;
use cel::{Context, Env, ExecutionError, FunctionContext, Value as Cel};
use serde_json::Value;

use crate::error::SettingsError;
use crate::value;

/// A function that CEL programs may call. It sees and returns JSON; an error makes the verdict unknown.
#[derive(Debug, Clone, Copy)]
pub struct NativeFunction {
    /// Its name in CEL.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arity: usize,
    /// What it does.
    pub call: fn(&[Value]) -> Result<Value, String>,
}

/// Every native function, by table.
pub fn all() -> impl Iterator<Item = &'static NativeFunction> {
    crate::cidr::FUNCTIONS
        .iter()
        .chain(crate::declared::FUNCTIONS)
        .chain(crate::filter_pattern::FUNCTIONS)
        .chain(crate::list::FUNCTIONS)
        .chain(crate::nsg::FUNCTIONS)
        .chain(crate::policy::FUNCTIONS)
        .chain(crate::ranges::FUNCTIONS)
}

/// CEL's own functions and ours that are not in a table, by name.
const PLAIN: &[&str] = &[
    "bool",
    "contains",
    "days",
    "double",
    "dyn",
    "duration",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "or",
    "replace",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "timestamp",
    "trim",
    "type",
    "uint",
    "upperAscii",
];

/// The names of everything that can be called, for the loader and its suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PLAIN.iter().copied().chain(all().map(|function| function.name))
}

/// How many arguments a function of ours takes; none for CEL's own, which check that themselves.
pub(crate) fn arity(name: &str) -> Option<usize> {
    match name {
        "or" => Some(2),
        "days" => Some(1),
        _ => all().find(|function| function.name == name).map(|function| function.arity),
    }
}

/// The environment that programs are compiled for. Optional values are left out: they would hide errors.
pub(crate) fn environment() -> Result<Env, SettingsError> {
    let wrong = |error: cel::DeclarationError| SettingsError::Functions(error.to_string());
    let mut env = Env::stdlib().with_optional_support(false);
    env.add_extension(cel::extensions::strings).map_err(wrong)?;
    env.add_overload("or", "or_dyn_dyn", vec![DYN_TYPE, DYN_TYPE], or).map_err(wrong)?;
    env.add_overload("days", "days_int", vec![INT_TYPE], days).map_err(wrong)?;
    Ok(env)
}

/// A context with every function in it, to be kept and used as the parent of each resource's own.
pub(crate) fn context(env: Arc<Env>) -> Result<Context<'static, 'static>, SettingsError> {
    let mut context = Context::with_env(env);
    for function in all() {
        let NativeFunction { name, arity, call } = *function;
        let native = move |ftx: &FunctionContext, Arguments(args): Arguments| native(ftx, arity, call, &args);
        context.add_function(name, native).map_err(|error| SettingsError::Functions(error.to_string()))?;
    }
    Ok(context)
}

fn native(
    ftx: &FunctionContext,
    arity: usize,
    call: fn(&[Value]) -> Result<Value, String>,
    args: &[Cel],
) -> Result<Cel, ExecutionError> {
    if args.len() != arity {
        return Err(ExecutionError::invalid_argument_count(arity, args.len()));
    }
    let args: Result<Vec<Value>, ExecutionError> =
        args.iter().map(|arg| arg.json().map_err(|error| ftx.error(error))).collect();
    call(&args?).map(value::to_cel).map_err(|message| ftx.error(message))
}

/// `or(x, default)`: the default where `x` is null. What is unread stays unread: arguments come evaluated.
fn or<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut args = args.into_iter();
    let (Some(value), Some(default)) = (args.next(), args.next()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    Ok(if value.downcast_ref::<CelNull>().is_some() { default } else { value })
}

/// `days(n)`: a duration.
#[expect(clippy::needless_pass_by_value, reason = "the signature of CEL's overloads")]
fn days<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let days = args.first().and_then(|arg| arg.downcast_ref::<CelInt>()).map(|days| *days.inner());
    let days = days.ok_or_else(|| ExecutionError::function_error("days", "takes a whole number"))?;
    let duration =
        chrono::Duration::try_days(days).ok_or_else(|| ExecutionError::function_error("days", "out of range"))?;
    Ok(CowVal::owned(CelDuration::from(duration)))
}
