//! What IAM policy documents grant, to whom, and under which conditions: pure functions over JSON.
//!
//! A document may be normalised (every list a list, every condition value text) or as AWS prints it; both give the same
//! answers. `null` is a policy that is not there and grants nothing. What cannot be a policy is an error, so that a
//! verdict that rests on it is unknown.

mod administration;
mod conditions;
mod glob;
mod network;
mod outsiders;
mod parse;
mod principals;
mod reading;
mod reads;
mod transport;
mod trust;

use serde_json::Value;

pub use administration::{grants_admin, key_admin_users};
pub use outsiders::{foreign_principals, foreign_writers, public};
pub use reading::beyond_reading;
pub use transport::requires_tls;
pub use trust::{oidc_unscoped, trust_external};

use crate::functions::NativeFunction;

/// The functions on policy documents, and on the names in them, that CEL programs may call.
pub const FUNCTIONS: &[NativeFunction] = &[
    NativeFunction {
        name: "glob_any",
        arity: 2,
        call: |args| Ok(Value::from(glob_any(text(args, 0, "the name")?, &texts(args, 1)?))),
    },
    NativeFunction { name: "policy_grants_admin", arity: 1, call: |args| flag(grants_admin(document(args)?)) },
    NativeFunction { name: "policy_public", arity: 1, call: |args| names(public(document(args)?)) },
    NativeFunction {
        name: "policy_foreign_principals",
        arity: 3,
        call: |args| names(foreign_principals(document(args)?, &Known::from_args(args)?)),
    },
    NativeFunction {
        name: "policy_foreign_writers",
        arity: 3,
        call: |args| names(foreign_writers(document(args)?, &Known::from_args(args)?)),
    },
    NativeFunction {
        name: "policy_requires_tls",
        arity: 2,
        call: |args| flag(requires_tls(document(args)?, text(args, 1, "the bucket name")?)),
    },
    NativeFunction { name: "policy_beyond_reading", arity: 1, call: |args| names(beyond_reading(document(args)?)) },
    NativeFunction {
        name: "trust_external",
        arity: 3,
        call: |args| names(trust_external(document(args)?, &Known::from_args(args)?)),
    },
    NativeFunction { name: "trust_oidc_unscoped", arity: 1, call: |args| names(oidc_unscoped(document(args)?)) },
    NativeFunction {
        name: "key_admin_users",
        arity: 2,
        call: |args| names(key_admin_users(document(args)?, &Known { own: texts(args, 1)?, trusted: Vec::new() })),
    },
];

/// Whether one of the patterns covers the name; `*` is any text, `?` one character.
pub fn glob_any(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| glob::covers(pattern, name))
}

/// Who is known: the account itself, and whom the customer trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known<'a> {
    /// Account ids (and organisation ids) that are one's own.
    pub own: Vec<&'a str>,
    /// Account ids, principals, organisation ids, VPC endpoints and address ranges that may come in.
    pub trusted: Vec<&'a str>,
}

impl<'a> Known<'a> {
    /// The second argument, one account or a list of them, and the third, a list.
    fn from_args(args: &'a [Value]) -> Result<Self, String> {
        Ok(Self { own: texts(args, 1)?, trusted: texts(args, 2)? })
    }

    /// One's own or trusted, by this very name.
    fn holds(&self, name: &str) -> bool {
        self.own.contains(&name) || self.trusted.contains(&name)
    }

    /// An organisation is known if it is named; while no organisation is named, whichever a policy names is taken for
    /// the customer's own.
    fn holds_organisation(&self, id: &str) -> bool {
        let named = self.own.iter().chain(&self.trusted).any(|name| name.starts_with("o-"));
        !named || self.holds(id)
    }
}

fn document(args: &[Value]) -> Result<&Value, String> {
    args.first().ok_or_else(|| "a policy document is missing".to_owned())
}

fn text<'a>(args: &'a [Value], index: usize, what: &str) -> Result<&'a str, String> {
    args.get(index).and_then(Value::as_str).ok_or_else(|| format!("{what} is not text"))
}

fn texts(args: &[Value], index: usize) -> Result<Vec<&str>, String> {
    let wrong = || format!("argument {} is neither text nor a list of text", index + 1);
    match args.get(index) {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(many)) => many.iter().map(|one| one.as_str().ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

fn flag(result: Result<bool, String>) -> Result<Value, String> {
    result.map(Value::from)
}

fn names(result: Result<Vec<String>, String>) -> Result<Value, String> {
    result.map(Value::from)
}

/// The functions whose first argument is a document.
#[cfg(test)]
fn on_documents() -> impl Iterator<Item = &'static NativeFunction> {
    FUNCTIONS.iter().filter(|function| function.name != "glob_any")
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
