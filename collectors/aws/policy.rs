//! Policy documents in one form: a string or a list is a list, so that every reader sees the same shape.
//!
//! Source: "Grammar of the IAM JSON policy language" in the IAM User Guide.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// A document as IAM returns it in `GetAccountAuthorizationDetails`: percent-encoded JSON (RFC 3986).
/// `None` if it is no JSON object; the field is then malformed.
pub fn decode(encoded: &str) -> Option<Value> {
    let text = percent_decode_str(encoded).decode_utf8().ok()?;
    parse(&text)
}

/// A document as plain JSON text. `None` if it is no JSON object.
pub fn parse(text: &str) -> Option<Value> {
    match serde_json::from_str(text).ok()? {
        Value::Object(document) => Some(normalise(document)),
        _ => None,
    }
}

/// The normal form: `Statement`, actions, resources and principals are lists; the principal `"*"` is
/// `{"*": ["*"]}`; the values of conditions are lists of text. Members that we do not know stay as they are.
pub fn normalise(mut document: Map<String, Value>) -> Value {
    if let Some(statements) = document.remove("Statement") {
        let statements = listed(statements).into_iter().map(statement).collect();
        document.insert("Statement".into(), Value::Array(statements));
    }
    Value::Object(document)
}

fn statement(statement: Value) -> Value {
    let Value::Object(members) = statement else { return statement };
    let normal = members.into_iter().map(|(name, value)| {
        let value = match name.as_str() {
            "Action" | "NotAction" | "Resource" | "NotResource" => Value::Array(listed(value)),
            "Principal" | "NotPrincipal" => principal(value),
            "Condition" => condition(value),
            _ => value,
        };
        (name, value)
    });
    Value::Object(normal.collect())
}

fn principal(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, Value::Array(listed(value)))).collect())
        }
        Value::String(star) if star == "*" => {
            Value::Object(Map::from_iter([("*".to_owned(), Value::from(vec![star]))]))
        }
        // No principal: it stays as it is, so that whoever judges it sees that it is none.
        other => other,
    }
}

fn condition(value: Value) -> Value {
    let Value::Object(operators) = value else { return value };
    let keys = |value: Value| match value {
        Value::Object(keys) => Value::Object(
            keys.into_iter()
                .map(|(key, values)| (key, Value::Array(listed(values).into_iter().map(as_text).collect())))
                .collect(),
        ),
        other => other,
    };
    Value::Object(operators.into_iter().map(|(operator, value)| (operator, keys(value))).collect())
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

fn as_text(value: Value) -> Value {
    match value {
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_has_one_form() {
        let one = parse(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
                "Resource":"*","Condition":{"Bool":{"aws:SecureTransport":false}}}}"#,
        );
        let many = parse(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"*":["*"]},"Action":["s3:GetObject"],
                "Resource":["*"],"Condition":{"Bool":{"aws:SecureTransport":["false"]}}}]}"#,
        );
        assert!(one.is_some());
        assert_eq!(one, many);
    }

    #[test]
    fn what_is_no_policy_does_not_become_one() {
        assert_eq!(parse(r#"{"Statement":null}"#), Some(json!({"Statement": [null]})));
        let odd = parse(r#"{"Statement":[{"Principal":"alice","Action":null,"Condition":7}]}"#);
        assert_eq!(odd, Some(json!({"Statement": [{"Principal": "alice", "Action": [null], "Condition": 7}]})));
    }

    #[test]
    fn iam_encodes_documents() {
        assert_eq!(decode("%7B%22Statement%22%3A%5B%5D%7D"), Some(json!({"Statement": []})));
        assert_eq!(decode("%7B"), None);
        assert_eq!(decode("%FF%FE"), None);
        assert_eq!(parse("[]"), None);
    }
}
