//! Lists: `distinct`, each of the elements once.

use serde_json::Value;

use crate::functions::NativeFunction;

/// The functions on lists that CEL programs may call.
pub(crate) const FUNCTIONS: &[NativeFunction] = &[NativeFunction { name: "distinct", arity: 1, call: distinct }];

/// The elements in the order of their text, each once.
fn distinct(args: &[Value]) -> Result<Value, String> {
    let [Value::Array(list)] = args else { return Err("takes a list".into()) };
    let mut keyed: Vec<(String, &Value)> = list.iter().map(|value| (value.to_string(), value)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.dedup_by(|a, b| a.0 == b.0);
    Ok(keyed.into_iter().map(|(_, value)| value.clone()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_element_once() {
        assert_eq!(distinct(&[json!(["b", "a", "b", 1, "1"])]).unwrap(), json!(["1", "a", "b", 1]));
        assert_eq!(distinct(&[json!([])]).unwrap(), json!([]));
        assert!(distinct(&[json!("a")]).is_err());
        assert!(distinct(&[]).is_err());
    }
}
