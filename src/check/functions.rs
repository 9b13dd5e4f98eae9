//! Our own functions in CEL: the plain ones on JSON values, listed in tables.

use serde_json::Value;

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
    crate::policy::FUNCTIONS.iter()
}
