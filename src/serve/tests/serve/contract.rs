//! The `OpenAPI` document against what is served: routes, statuses, and the shape of every answer.

use std::collections::BTreeSet;

use evidenced_serve::OPENAPI;
use serde_json::Value;

use crate::client::{Reply, ask, get, post, server};
use crate::desk::runs;

#[test]
fn answers_are_what_the_document_says() {
    let (server, desk) = server();
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    assert_eq!(get(&server, "/api/v1/openapi.json").json(), document);
    let run = runs()[0].run;
    let mut seen = BTreeSet::new();
    let mut check = |method: &str, path: &str, reply: &Reply| {
        let operation = &document["paths"][path][method];
        let response = resolve(&document, &operation["responses"][reply.status.to_string()]);
        assert!(response.is_object(), "{method} {path}: {} is not documented", reply.status);
        let media = reply.header("content-type").split(';').next().unwrap();
        let described = &response["content"][media];
        assert!(described.is_object(), "{method} {path}: {} with {media} is not documented", reply.status);
        if media.ends_with("json") {
            fits(&document, &described["schema"], &reply.json(), &format!("{method} {path} {}", reply.status));
        }
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            assert!(header["required"] != true || !reply.header(&name.to_ascii_lowercase()).is_empty(), "{name}");
        }
        seen.insert((path.to_owned(), method.to_owned()));
    };
    for not_ready in [false, true] {
        *desk.not_ready.lock().unwrap() = not_ready;
        for (path, target) in [
            ("/livez", "/livez"),
            ("/readyz", "/readyz"),
            ("/metrics", "/metrics"),
            ("/api/v1/status", "/api/v1/status"),
            ("/api/v1/status", "/api/v1/status?x"),
            ("/api/v1/runs", "/api/v1/runs"),
            ("/api/v1/runs", "/api/v1/runs?limit=1"),
            ("/api/v1/runs", "/api/v1/runs?limit=0"),
            ("/api/v1/runs", "/api/v1/runs?cursor=x"),
            ("/api/v1/runs/{run}", &format!("/api/v1/runs/{run}")),
            ("/api/v1/runs/{run}", "/api/v1/runs/01BX5ZZKBKACTAV9WEVGEMMVRZ"),
            ("/api/v1/controls", "/api/v1/controls"),
            ("/api/v1/controls", "/api/v1/controls?catalog=none"),
            ("/api/v1/controls/{control}", "/api/v1/controls/A.8.24"),
            ("/api/v1/controls/{control}", "/api/v1/controls/none"),
            ("/api/v1/findings", "/api/v1/findings"),
            ("/api/v1/findings", "/api/v1/findings?verdict=none"),
            ("/api/v1/openapi.json", "/api/v1/openapi.json"),
            ("/", "/"),
        ] {
            check("get", path, &get(&server, target));
            check("get", path, &ask(&server, "DELETE", target, &[]));
            check("get", path, &ask(&server, "GET", target, &["Host: twice"]));
        }
    }
    for body in ["", "{}", "{\"schedule\":\"hourly\"}", "{\"schedule\":\"none\"}", "[]"] {
        check("post", "/api/v1/runs", &post(&server, body, &[]));
    }
    check("post", "/api/v1/runs", &post(&server, "", &["Origin: null"]));
    check("post", "/api/v1/runs", &post(&server, &" ".repeat(20_000), &[]));
    check("post", "/api/v1/runs", &ask(&server, "POST", "/api/v1/runs", &[]));

    let documented: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())))
        .collect();
    assert_eq!(documented, seen, "every operation is asked here, and none that is not documented");
}

#[test]
fn the_document_is_as_its_schemas_say_it_is_read() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut refs = Vec::new();
    collect(&document, &mut refs);
    assert!(refs.len() > 50);
    for name in refs {
        assert!(document.pointer(name.strip_prefix('#').unwrap()).is_some(), "{name} leads nowhere");
    }
}

fn collect(value: &Value, refs: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            refs.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| collect(value, refs));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, refs)),
        _ => {}
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(name) => document.pointer(&name[1..]).unwrap(),
        None => value,
    }
}

/// Holds a value against the part of JSON Schema that the document uses.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolve(document, schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        let null = choices.iter().any(|choice| choice["type"] == "null");
        if !(null && value.is_null()) {
            fits(document, &choices[0], value, at);
        }
        return;
    }
    let own = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = &schema["type"];
    let fitting = types.as_str() == Some(own) || types.as_array().is_some_and(|types| types.iter().any(|t| t == own));
    assert!(fitting, "{at}: {value} is not {types}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at}: {value} is none of {words:?}");
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| fits(document, &schema["items"], item, &format!("{at}[]"))),
        Value::Object(members) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(members.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
            }
            for (name, member) in members {
                match &schema["properties"][name] {
                    Value::Null if schema["additionalProperties"] == false => panic!("{at}: {name} is not documented"),
                    Value::Null if schema["additionalProperties"].is_object() => {
                        fits(document, &schema["additionalProperties"], member, &format!("{at}.{name}"));
                    }
                    Value::Null => {}
                    described => fits(document, described, member, &format!("{at}.{name}")),
                }
            }
        }
        _ => {}
    }
}
