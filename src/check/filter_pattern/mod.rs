//! Which events of the audit trail a `CloudWatch` Logs filter pattern catches: it is tried on records of such events.
//!
//! How a pattern is written varies, what it has to catch does not. A pattern that narrows (to one user, one region) does not
//! match the record of another, so it does not count. What cannot be a pattern matches nothing; where the service's
//! reference leaves a case open, the answer is no.

mod matching;
mod parse;

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::functions::NativeFunction;

/// The functions on filter patterns that CEL programs may call.
pub const FUNCTIONS: &[NativeFunction] =
    &[NativeFunction { name: "trail_filter_matches", arity: 2, call: |args| matches_args(args) }];

/// Whether a filter pattern matches an ordinary record of a user's management call, changed as `changes` says
/// (a JSON merge patch, RFC 7386: members are set, null takes them away).
pub fn trail_filter_matches(pattern: &str, changes: &Value) -> bool {
    let mut record = ORDINARY.clone();
    merge(&mut record, changes);
    parse::parse(pattern).is_some_and(|pattern| matching::matches(&pattern, &record))
}

fn matches_args(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::String(pattern), changes @ Value::Object(_)] => Ok(trail_filter_matches(pattern, changes).into()),
        _ => Err("trail_filter_matches takes a filter pattern and a map of changes to an ordinary record".to_owned()),
    }
}

/// Every member that patterns commonly ask for, as a signed-in user's change has it.
static ORDINARY: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": "arn:aws:iam::123456789012:user/example",
            "accountId": "123456789012",
            "accessKeyId": "AKIAEXAMPLE",
            "userName": "example",
            "sessionContext": { "attributes": { "creationDate": "2026-01-01T00:00:00Z", "mfaAuthenticated": "false" } }
        },
        "eventTime": "2026-01-01T00:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "CreateTags",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.10",
        "userAgent": "aws-cli/2.0.0",
        "requestParameters": {},
        "responseElements": {},
        "requestID": "11111111-2222-3333-4444-555555555555",
        "eventID": "66666666-7777-8888-9999-000000000000",
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "123456789012",
        "eventCategory": "Management"
    })
});

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(pattern: &str, name: &str) -> bool {
        trail_filter_matches(pattern, &json!({ "eventName": name }))
    }

    #[test]
    fn the_way_it_is_written_does_not_matter() {
        for pattern in [
            "{ ($.eventName = StopLogging) || ($.eventName = \"DeleteTrail\") }",
            "{$.eventName=StopLogging||$.eventName=DeleteTrail}",
            "{ $.eventName = \"DeleteTrail\" || ( ( $.eventName = 'StopLogging' ) || $.eventName = \"StopLogging\" ) }",
            "  { $.['eventName'] = \"Stop*\" || $.eventName = \"*Trail\" }\n",
            "{ $.eventName = %^(Stop|Delete)% }",
            "?StopLogging ?DeleteTrail",
            "",
            "   ",
        ] {
            assert!(named(pattern, "StopLogging") && named(pattern, "DeleteTrail"), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_narrows_does_not_count() {
        for pattern in [
            "{ $.eventName = StopLogging && $.userIdentity.userName = bob }",
            "{ $.eventName != StopLogging }",
            "{ $.eventName = StopLogging && $.errorCode = \"AccessDenied\" }",
            "{ $.eventName = stoplogging }",
            "{ $.eventName = StopLoggin }",
            "{ $.eventName = StopLogging && $.userIdentity.type = Root }",
            "-StopLogging",
            "StopLogging bob",
        ] {
            assert!(!named(pattern, "StopLogging"), "{pattern}");
        }
    }

    #[test]
    fn an_exclusion_of_something_else_does_no_harm() {
        assert!(named("{ $.eventName = StopLogging && $.sourceIPAddress != \"198.51.100.*\" }", "StopLogging"));
        assert!(named("{ $.eventName = StopLogging && $.userIdentity.invokedBy NOT EXISTS }", "StopLogging"));
        assert!(named(
            "{ $.eventName = StopLogging && $.readOnly IS FALSE && $.managementEvent IS TRUE }",
            "StopLogging"
        ));
        assert!(named("StopLogging -bob", "StopLogging"));
    }

    #[test]
    fn and_binds_closer_than_or() {
        let pattern = "{ $.eventName = A || $.eventName = B && $.eventName = C }";
        assert!(named(pattern, "A"));
        assert!(!named(pattern, "B"));
        assert!(!named("{ ($.eventName = A || $.eventName = B) && $.eventName = C }", "A"));
    }

    #[test]
    fn a_member_that_is_not_there_only_does_not_exist() {
        assert!(named("{ $.errorCode NOT EXISTS }", "A"));
        for pattern in
            ["{ $.errorCode = \"*\" }", "{ $.errorCode != x }", "{ $.errorCode IS NULL }", "{ $.errorCode EXISTS }"]
        {
            assert!(!named(pattern, "A"), "{pattern}");
        }
    }

    #[test]
    fn numbers_lists_and_nulls_are_compared_as_such() {
        let record = json!({ "n": 404, "list": [{ "id": "a" }, { "id": "b" }], "x.y": "z" });
        for pattern in [
            "{ $.n = 404 }",
            "{ $.n = 4* }",
            "{ $.n > 400 && $.n >= 404 && $.n < 405.5 && $.n <= 4.04e2 && $.n != 500 }",
            "{ $.list[1].id = b }",
            "{ $.list[*].id = b }",
            "{ $.['x.y'] = z }",
        ] {
            assert!(trail_filter_matches(pattern, &record), "{pattern}");
        }
        for pattern in ["{ $.n = 40 }", "{ $.n != 404 }", "{ $.n > 404 }", "{ $.list[2].id = b }", "{ $.list = b }"] {
            assert!(!trail_filter_matches(pattern, &record), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_for_records_matches_nothing() {
        let deep = format!("{{ {}$.eventName = A{} }}", "(".repeat(100_000), ")".repeat(100_000));
        for pattern in [
            "{",
            "{}",
            "{ $.eventName }",
            "{ $.eventName = }",
            "{ $.eventName = A",
            "[ip, user, status=4*]",
            "{ $.eventName = %(% }",
            "{ eventName = A }",
            &deep,
        ] {
            assert!(!named(pattern, "A"), "{pattern:.40}");
        }
    }

    #[test]
    fn changes_are_merged_into_the_record() {
        let root = json!({ "userIdentity": { "type": "Root", "userName": null } });
        assert!(trail_filter_matches(
            "{ $.userIdentity.type = Root && $.userIdentity.accountId = 123456789012 }",
            &root
        ));
        assert!(trail_filter_matches("{ $.userIdentity.userName NOT EXISTS }", &root));
    }

    #[test]
    fn wrong_arguments_are_an_error() {
        assert!(matches_args(&[json!("{}"), json!("x")]).is_err());
        assert!(matches_args(&[json!(null), json!({})]).is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(pattern in "\\PC*") {
            named(&pattern, "A");
        }

        #[test]
        fn no_text_between_braces_is_too_much(pattern in "[{}()$.=!<>&|%\"'*\\[\\]a-zA-Z0-9 -]{0,80}") {
            named(&format!("{{ {pattern} }}"), "A");
        }

        #[test]
        fn an_event_that_is_named_is_found_wherever_it_stands(before in prop::collection::vec("[A-Z][a-z]{2,8}", 0..8), name in "[A-Z][a-z]{2,8}", after in prop::collection::vec("[A-Z][a-z]{2,8}", 0..8)) {
            let tests: Vec<_> = before.iter().chain([&name]).chain(&after).map(|name| format!("($.eventName = {name})")).collect();
            let pattern = format!("{{ {} }}", tests.join("||"));
            prop_assert!(named(&pattern, &name));
            prop_assert!(!named(&pattern, "Zz"));
        }
    }
}
