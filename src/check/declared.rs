//! What the customer declares: `belongs_to`, whether a resource is named by a list of names, ids and tags.

use serde_json::{Map, Value};

use crate::functions::NativeFunction;

/// The function on declarations that CEL programs may call.
pub(crate) const FUNCTIONS: &[NativeFunction] = &[NativeFunction { name: "belongs_to", arity: 4, call: belongs_to }];

/// `belongs_to(list, id, name, tags)`: an entry is the id or the name, or `key=value` of a tag. Case does not matter in
/// ids, names and keys of tags; it does in values.
fn belongs_to(args: &[Value]) -> Result<Value, String> {
    let [list, id, name, tags] = args else { return Err("takes a list, an id, a name and tags".into()) };
    let list = list.as_array().ok_or("takes a list of names, ids and tags")?;
    let id = id.as_str().ok_or("takes an id as a string")?;
    let name = name.as_str().ok_or("takes a name as a string")?;
    let nothing = Map::new();
    let tags = match tags {
        Value::Null => &nothing,
        Value::Object(tags) => tags,
        _ => return Err("takes tags as a map".into()),
    };
    let mut found = false;
    for entry in list {
        let entry = entry.as_str().ok_or("takes a list of strings")?;
        found |= entry.eq_ignore_ascii_case(id) || entry.eq_ignore_ascii_case(name) || is_tagged(tags, entry);
    }
    Ok(found.into())
}

fn is_tagged(tags: &Map<String, Value>, entry: &str) -> bool {
    // A key may hold the sign as well, so each of them is tried.
    entry.match_indices('=').any(|(at, _)| {
        let (key, value) = (&entry[..at], &entry[at + 1..]);
        tags.iter().any(|(other, held)| other.eq_ignore_ascii_case(key) && held.as_str() == Some(value))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn belongs(list: &[&str], tags: Value) -> bool {
        belongs_to(&[json!(list), json!("/subscriptions/1/a"), json!("Example"), tags]).unwrap() == json!(true)
    }

    #[test]
    fn a_resource_belongs_by_id_by_name_and_by_tag() {
        assert!(belongs(&["/Subscriptions/1/A"], json!({})));
        assert!(belongs(&["other", "example"], json!(null)));
        assert!(belongs(&["Tier=one"], json!({ "tier": "one" })));
        assert!(belongs(&["a=b=c"], json!({ "a": "b=c" })));
        assert!(belongs(&["a=b=c"], json!({ "a=b": "c" })));
    }

    #[test]
    fn nothing_else_belongs() {
        assert!(!belongs(&[], json!({ "tier": "one" })));
        assert!(!belongs(&["exam", "tier", "one", "tier="], json!({ "tier": "one" })));
        assert!(!belongs(&["tier=One"], json!({ "tier": "one" })));
    }

    #[test]
    fn nonsense_is_an_error_not_a_verdict() {
        for args in [
            json!([]),
            json!([["a"], "a", "a"]),
            json!(["a", "a", "a", {}]),
            json!([[1], "a", "a", {}]),
            json!([["a"], null, "a", {}]),
            json!([["a"], "a", "a", []]),
        ] {
            assert!(belongs_to(args.as_array().unwrap()).is_err(), "{args}");
        }
    }
}
