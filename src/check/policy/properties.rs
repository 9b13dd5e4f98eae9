//! Both forms of a document get the same answers, and nothing panics, whatever the JSON.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const OWN: &str = "123456789012";
const OTHER: &str = "111122223333";

fn policy(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// As the collector writes documents: lists are lists, condition values are text, `*` is `{"*": ["*"]}`.
fn normalised(document: &Value) -> Value {
    fn list(value: &Value) -> Value {
        if value.is_array() { value.clone() } else { json!([value]) }
    }
    fn words(value: &Value) -> Value {
        let items = list(value).as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item.as_str().map_or_else(|| json!(item.to_string()), |text| json!(text))).collect()
    }
    let statements = list(&document["Statement"]).as_array().cloned().unwrap_or_default();
    let statements: Vec<Value> = statements
        .into_iter()
        .map(|statement| {
            let members = statement.as_object().cloned().unwrap_or_default().into_iter().map(|(name, value)| {
                let value = match (name.as_str(), &value) {
                    ("Action" | "NotAction" | "Resource" | "NotResource", _) => list(&value),
                    ("Principal" | "NotPrincipal", Value::String(star)) => json!({ star: [star] }),
                    ("Principal" | "NotPrincipal", Value::Object(map)) => {
                        map.iter().map(|(class, value)| (class.clone(), list(value))).collect::<Map<_, _>>().into()
                    }
                    ("Condition", Value::Object(operators)) => operators
                        .iter()
                        .map(|(operator, keys)| {
                            let keys = keys.as_object().cloned().unwrap_or_default();
                            let keys: Map<_, _> = keys.iter().map(|(key, value)| (key.clone(), words(value))).collect();
                            (operator.clone(), Value::from(keys))
                        })
                        .collect::<Map<_, _>>()
                        .into(),
                    _ => value,
                };
                (name, value)
            });
            Value::from(members.collect::<Map<_, _>>())
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn one_or_list(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(words).prop_map(Value::from),
        prop::collection::vec(prop::sample::select(words), 1..4).prop_map(Value::from),
    ]
}

prop_compose! {
    fn any_statement()(
        effect in prop::sample::select(vec!["Allow", "Allow", "Deny"]),
        but in prop::bool::weighted(0.2),
        actions in one_or_list(&["*", "s3:*", "s3:Get*", "iam:*", "kms:Decrypt", "kms:PutKeyPolicy", "sts:AssumeRole"]),
        resources in one_or_list(&["*", "arn:aws:s3:::b", "arn:aws:s3:::b/*"]),
        class in prop::sample::select(vec!["AWS", "Service", "Federated", "CanonicalUser"]),
        star in prop::bool::weighted(0.4),
        principals in one_or_list(&["*", OWN, OTHER, "arn:aws:iam::111122223333:root", "accounts.google.com"]),
        operator in prop::sample::select(vec!["StringEquals", "StringLikeIfExists", "Bool", "IpAddress", "StringNotEquals"]),
        key in prop::sample::select(vec!["aws:PrincipalOrgID", "aws:SecureTransport", "aws:SourceIp", "sts:ExternalId"]),
        values in prop_oneof![
            one_or_list(&["o-a1b2c3d4e5", "*", OWN, "false", "0.0.0.0/0", "10.0.0.0/8"]),
            any::<bool>().prop_map(Value::from),
        ],
        conditional in any::<bool>(),
    ) -> Value {
        let (action, principal) = if but { ("NotAction", "NotPrincipal") } else { ("Action", "Principal") };
        let who = if star { json!("*") } else { json!({ class: principals }) };
        let condition = if conditional { json!({ operator: { key: values } }) } else { json!({}) };
        json!({ "Effect": effect, action: actions, "Resource": resources, principal: who, "Condition": condition })
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["*", "Allow", "Deny", "s3:*", "arn:aws:iam::123456789012:root", "arn:::::", ":"])
            .prop_map(Value::from),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "Statement",
            "Effect",
            "Action",
            "NotAction",
            "Principal",
            "NotPrincipal",
            "Resource",
            "Condition",
            "AWS",
            "StringEquals",
            "ForAllValues:StringLike",
            "aws:PrincipalOrgID",
            "aws:SourceArn",
        ])
        .prop_map(ToOwned::to_owned),
        "\\PC{0,6}",
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn both_forms_agree(statements in prop::collection::vec(any_statement(), 0..4)) {
        let document = policy(&statements);
        let other = normalised(&document);
        for function in on_documents() {
            let call = |document: &Value| {
                let args = [document.clone(), json!(OWN), json!(["210987654321"])];
                (function.call)(&args[..function.arity])
            };
            let answer = call(&document);
            prop_assert!(answer.is_ok(), "{}: {answer:?}", function.name);
            prop_assert_eq!(answer, call(&other), "{}", function.name);
        }
    }

    #[test]
    fn nothing_panics(document in any_json(), own in any_json(), trusted in any_json()) {
        for function in FUNCTIONS {
            let args = [document.clone(), own.clone(), trusted.clone()];
            let _ = (function.call)(&args[..function.arity]);
            let _ = (function.call)(&[json!({ "Statement": document.clone() }), json!(OWN), json!([])][..function.arity]);
        }
    }

    #[test]
    fn a_pattern_covers_itself(pattern in "[a-c*?:]{0,12}", text in "[a-c]{0,6}") {
        prop_assert!(glob::covers(&pattern, &pattern));
        prop_assert!(glob::covers(&pattern.replace(['*', '?'], &text), &pattern.replace(['*', '?'], &text)));
        prop_assert!(glob::covers(&pattern.replace('?', "*"), &pattern.replace(['*', '?'], &text)));
    }
}
