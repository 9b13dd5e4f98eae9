//! What the policy functions say of documents, each trap once.
#![expect(clippy::needless_pass_by_value, reason = "a document written in place reads better without a borrow")]

use serde_json::{Value, json};

use super::*;

const OWN: &str = "123456789012";
const OTHER: &str = "111122223333";

fn known() -> Known<'static> {
    Known { own: vec![OWN], trusted: vec!["210987654321"] }
}

fn policy(statements: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn allow_all_with(condition: Value) -> Value {
    policy(
        json!([{ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": condition }]),
    )
}

fn admin(statement: Value) -> bool {
    grants_admin(&policy(statement)).unwrap()
}

#[test]
fn full_administrators() {
    assert!(admin(json!({ "Effect": "Allow", "Action": "*", "Resource": "*" })));
    assert!(admin(json!({ "Effect": "Allow", "Action": ["s3:*", "*:*"], "Resource": ["arn:aws:s3:::b", "*"] })));
    assert!(admin(json!({ "Effect": "Allow", "Action": "**", "Resource": "arn:aws:*" })));
    assert!(admin(json!({ "Effect": "Allow", "NotAction": "s3:*", "Resource": "*" })));
    assert!(admin(json!({ "Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b" })));
    assert!(admin(json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": { "Bool": { "aws:MultiFactorAuthPresent": true } } })));
    assert!(admin(json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": { "StringEqualsIfExists": { "aws:RequestedRegion": "eu-west-1" } } })));
    assert!(admin(json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": { "StringLike": { "aws:ResourceTag/team": ["*"] } } })));
}

#[test]
fn lesser_rights_are_not_full_ones() {
    assert!(!admin(json!({ "Effect": "Deny", "Action": "*", "Resource": "*" })));
    assert!(!admin(json!({ "Effect": "Allow", "Action": "iam:*", "Resource": "*" })));
    assert!(!admin(json!({ "Effect": "Allow", "Action": ["s3:*", "ec2:*"], "Resource": "*" })));
    assert!(!admin(json!({ "Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/*" })));
    assert!(!admin(json!({ "Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*" })));
    assert!(!admin(json!({ "Effect": "Allow", "Action": "*", "NotResource": "arn:aws:iam::*:*" })));
    assert!(!admin(json!({ "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": { "StringEquals": { "aws:RequestedRegion": "eu-west-1" } } })));
    assert!(!admin(json!([])));
    assert!(!grants_admin(&Value::Null).unwrap());
}

#[test]
fn open_to_anyone() {
    let open = |condition: Value| public(&allow_all_with(condition)).unwrap() == ["#0"];
    assert!(open(json!({})));
    assert!(open(json!({ "Bool": { "aws:SecureTransport": "true" } })));
    for (operator, key, value) in [
        ("StringEqualsIfExists", "aws:PrincipalOrgID", "o-a1b2c3d4e5"),
        ("ForAllValues:StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5"),
        ("StringNotEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5"),
        ("StringLike", "aws:PrincipalOrgID", "o-*"),
        ("StringLike", "aws:PrincipalOrgID", "*"),
        ("StringEquals", "aws:PrincipalOrgID", "${aws:PrincipalOrgID}"),
        ("StringLike", "aws:PrincipalAccount", "1234*"),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/x"),
        ("StringLike", "aws:PrincipalArn", "arn:aws*:iam::123456789012:role/x"),
        ("ArnLike", "aws:SourceArn", "arn:aws:sns:*:*:topic"),
        ("ArnLike", "aws:SourceArn", "arn:aws:s3:::*"),
        ("IpAddress", "aws:SourceIp", "0.0.0.0/0"),
        ("IpAddress", "aws:SourceIp", "::/0"),
        ("IpAddress", "aws:VpcSourceIp", "10.0.0.0/8"),
        ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"),
        ("StringEquals", "kms:ViaService", "s3.eu-west-1.amazonaws.com"),
        ("StringLike", "aws:SourceVpce", "vpce-*"),
        ("StringLike", "aws:userid", "*:session"),
        ("StringEquals", "aws:username", "alice"),
        ("Null", "aws:PrincipalOrgID", "false"),
    ] {
        assert!(open(json!({ operator: { key: value } })), "{operator} {key} {value}");
    }
    assert!(open(json!({ "IpAddress": { "aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/0"] } })));
    assert!(open(json!({ "StringEquals": { "aws:PrincipalOrgID": [] } })));
}

#[test]
fn narrowed_to_somebody() {
    for (operator, key, value) in [
        ("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5"),
        ("stringequals", "AWS:principalorgid", "o-a1b2c3d4e5"),
        ("StringEquals", "aws:ResourceOrgID", "${aws:PrincipalOrgID}"),
        ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-a1b2c3d4e5/r-ab12/*"),
        ("StringEquals", "aws:PrincipalAccount", OWN),
        ("StringEquals", "aws:SourceAccount", OWN),
        ("StringEquals", "kms:CallerAccount", OWN),
        ("ArnLike", "aws:SourceArn", "arn:aws:sns:*:123456789012:*"),
        ("StringLike", "aws:SourceArn", "arn:aws:s3:::our-bucket"),
        ("ArnLike", "aws:PrincipalArn", "arn:*:iam::123456789012:role/*"),
        ("StringLike", "aws:PrincipalArn", "arn:aws:iam::123456789012:*"),
        ("StringEquals", "aws:SourceVpce", "vpce-0a1b2c3d"),
        ("StringEquals", "aws:SourceVpc", "vpc-0a1b2c3d"),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8"),
        ("IpAddress", "aws:SourceIp", "203.0.113.7"),
        ("StringLike", "aws:userid", "AROAEXAMPLEID1234567:*"),
    ] {
        let document = allow_all_with(json!({ operator: { key: value } }));
        assert!(public(&document).unwrap().is_empty(), "{operator} {key} {value}");
    }
    let demanded = json!({ "StringEqualsIfExists": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" },
        "Null": { "aws:PrincipalOrgID": false } });
    assert!(public(&allow_all_with(demanded)).unwrap().is_empty());
}

#[test]
fn names_of_open_statements() {
    let document = policy(json!([
        { "Sid": "Read", "Effect": "Allow", "Principal": { "AWS": ["arn:aws:iam::123456789012:root", "*"] },
          "Action": "s3:GetObject", "Resource": "*" },
        { "Sid": "", "Effect": "Allow", "NotPrincipal": { "AWS": OTHER }, "Action": "s3:GetObject", "Resource": "*" },
        { "Sid": "Deny", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*" },
        { "Sid": "Service", "Effect": "Allow", "Principal": { "Service": "delivery.logs.amazonaws.com" },
          "Action": "s3:PutObject", "Resource": "*" },
        { "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::*:root" }, "Action": "s3:GetObject", "Resource": "*" },
        { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" }
    ]));
    assert_eq!(public(&document).unwrap(), ["Read", "#1", "#4"]);
}

#[test]
fn a_deny_takes_back_what_an_allow_gave() {
    let with_deny = |deny: Value| {
        let allow =
            json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*" });
        public(&policy(json!([allow, deny]))).unwrap().is_empty()
    };
    let condition = json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } });
    let deny = |principal: Value, action: &str, resource: &str, condition: &Value| json!({ "Effect": "Deny", "Principal": principal, "Action": action, "Resource": resource, "Condition": condition });
    assert!(with_deny(deny(json!("*"), "s3:*", "*", &condition)));
    assert!(with_deny(deny(json!({ "AWS": "*" }), "*", "arn:aws:s3:::b/*", &condition)));
    assert!(with_deny(json!({ "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*" })));
    let spared = json!({ "StringNotEqualsIfExists": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" },
        "BoolIfExists": { "aws:PrincipalIsAWSService": "false" } });
    assert!(with_deny(deny(json!("*"), "*", "*", &spared)));

    assert!(!with_deny(deny(json!({ "AWS": OTHER }), "*", "*", &condition)));
    assert!(!with_deny(deny(json!("*"), "s3:PutObject", "*", &condition)));
    assert!(!with_deny(deny(json!("*"), "*", "arn:aws:s3:::b/x*", &condition)));
    let twice = json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5", "aws:PrincipalAccount": OWN } });
    assert!(!with_deny(deny(json!("*"), "*", "*", &twice)));
    let any = json!({ "ForAnyValue:StringNotEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } });
    assert!(!with_deny(deny(json!("*"), "*", "*", &any)));
}

fn foreign(principal: Value, action: &str, condition: Value) -> Vec<String> {
    let document = policy(json!([{ "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*",
        "Condition": condition }]));
    foreign_principals(&document, &known()).unwrap()
}

#[test]
fn foreign_principals_by_name() {
    let none: Vec<String> = Vec::new();
    let role = format!("arn:aws:iam::{OTHER}:role/r");
    assert_eq!(foreign(json!({ "AWS": [role, OTHER, OWN, "210987654321"] }), "s3:*", json!({})), [OTHER, &role]);
    assert_eq!(foreign(json!({ "AWS": "arn:aws-us-gov:iam::123456789012:user/u" }), "s3:*", json!({})), none);
    assert_eq!(foreign(json!({ "AWS": "AIDAEXAMPLEID1234567" }), "s3:*", json!({})), none);
    assert_eq!(foreign(json!({ "Service": "cloudtrail.amazonaws.com" }), "s3:*", json!({})), none);
    assert_eq!(foreign(json!({ "CanonicalUser": "79a59d" }), "s3:*", json!({})), ["79a59d"]);
    assert_eq!(foreign(json!({ "Federated": "accounts.google.com" }), "s3:*", json!({})), ["accounts.google.com"]);
    assert_eq!(foreign(json!("*"), "s3:*", json!({})), ["*"]);
    let to = |value: &str| json!({ "StringEquals": { "aws:PrincipalAccount": [OWN, value] } });
    assert_eq!(foreign(json!("*"), "s3:*", to(OTHER)), [OTHER]);
    assert_eq!(foreign(json!("*"), "s3:*", to("210987654321")), none);
    assert_eq!(foreign(json!({ "AWS": OTHER }), "s3:*", to(OWN)), none);
    let endpoint = json!({ "StringEquals": { "aws:SourceVpce": "vpce-0a1b2c3d" } });
    assert_eq!(foreign(json!("*"), "s3:*", endpoint), ["vpce-0a1b2c3d"]);
}

#[test]
fn an_organisation_is_ours_until_ours_is_named() {
    let document = allow_all_with(json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }));
    let with = |own: Vec<&'static str>| foreign_principals(&document, &Known { own, trusted: vec![] }).unwrap();
    assert!(with(vec![OWN]).is_empty());
    assert!(with(vec![OWN, "o-a1b2c3d4e5"]).is_empty());
    assert_eq!(with(vec![OWN, "o-zzzzzzzzzz"]), ["o-a1b2c3d4e5"]);
}

#[test]
fn foreign_writers_write() {
    let writers = |actions: Value| {
        let document =
            policy(json!([{ "Effect": "Allow", "Principal": { "AWS": OTHER }, "Action": actions, "Resource": "*" }]));
        !foreign_writers(&document, &known()).unwrap().is_empty()
    };
    for reading in ["s3:GetObject", "s3:Get*", "s3:list*", "s3:GetBucketPolicy"] {
        assert!(!writers(json!(reading)), "{reading}");
    }
    for writing in ["s3:*", "*", "s3:G*", "s3:*Object", "s3:PutObject", "s3:DeleteObject", "s3:PutBucketPolicy"] {
        assert!(writers(json!(["s3:GetObject", writing])), "{writing}");
    }
    let all_but = policy(
        json!({ "Effect": "Allow", "Principal": { "AWS": OTHER }, "NotAction": "s3:PutObject", "Resource": "*" }),
    );
    assert_eq!(foreign_writers(&all_but, &known()).unwrap(), [OTHER]);
}

fn tls(statements: Value) -> bool {
    requires_tls(&policy(statements), "b").unwrap()
}

fn deny_plain_text(resources: Value) -> Value {
    json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources,
        "Condition": { "Bool": { "aws:SecureTransport": "false" } } })
}

#[test]
fn transport_must_be_encrypted() {
    assert!(tls(json!([deny_plain_text(json!(["arn:aws:s3:::b", "arn:aws:s3:::b/*"]))])));
    assert!(tls(json!(deny_plain_text(json!("*")))));
    assert!(tls(json!([deny_plain_text(json!("arn:aws-cn:s3:::b")), deny_plain_text(json!("arn:aws-cn:s3:::b/*"))])));
    assert!(tls(json!(deny_plain_text(json!("arn:aws:s3:::b*")))));
    let mut other = deny_plain_text(json!("*"));
    other["Condition"] = json!({ "BoolIfExists": { "AWS:SecureTransport": [false] } });
    other["Principal"] = json!({ "AWS": ["*"] });
    assert!(tls(json!(other)));

    assert!(!tls(json!(deny_plain_text(json!(["arn:aws:s3:::b/*"])))));
    assert!(!tls(json!(deny_plain_text(json!(["arn:aws:s3:::b"])))));
    assert!(!tls(json!(deny_plain_text(json!(["arn:aws:s3:::c", "arn:aws:s3:::c/*"])))));
    for (member, value) in [
        ("Effect", json!("Allow")),
        ("Principal", json!({ "AWS": OTHER })),
        ("Action", json!(["s3:GetObject", "s3:PutObject"])),
        ("Condition", json!({ "Bool": { "aws:SecureTransport": "true" } })),
        ("Condition", json!({ "NumericLessThan": { "s3:TlsVersion": 1.2 } })),
        (
            "Condition",
            json!({ "Bool": { "aws:SecureTransport": "false" }, "StringEquals": { "aws:PrincipalAccount": OTHER } }),
        ),
        ("Condition", json!({})),
    ] {
        let mut statement = deny_plain_text(json!("*"));
        statement[member] = value;
        assert!(!tls(json!([statement])), "{statement}");
    }
    assert!(!requires_tls(&Value::Null, "b").unwrap());
}

#[test]
fn rights_beyond_reading() {
    let beyond = |actions: Value| {
        beyond_reading(&policy(json!([{ "Effect": "Allow", "Action": actions, "Resource": "*" }]))).unwrap()
    };
    let settings = json!(["iam:Get*", "s3:GetBucket*", "ec2:Describe*", "iam:GenerateCredentialReport", "kms:List*"]);
    assert!(beyond(settings).is_empty());
    assert_eq!(beyond(json!(["s3:Get*", "s3:ListBucket"])), ["s3:Get*"]);
    assert_eq!(
        beyond(json!(["secretsmanager:GetSecretValue", "kms:Decrypt", "*"])),
        ["*", "kms:Decrypt", "secretsmanager:GetSecretValue"]
    );
    assert_eq!(beyond(json!("iam:Gen*")), ["iam:Gen*"]);
    let all_but = policy(json!({ "Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*" }));
    assert_eq!(beyond_reading(&all_but).unwrap(), ["all but iam:*"]);
    let deny = policy(json!({ "Effect": "Deny", "Action": "*", "Resource": "*" }));
    assert!(beyond_reading(&deny).unwrap().is_empty());
}

fn trust(principal: Value, condition: Value) -> Vec<String> {
    let document = policy(
        json!([{ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition }]),
    );
    trust_external(&document, &known()).unwrap()
}

#[test]
fn trust_in_outsiders() {
    let none: Vec<String> = Vec::new();
    let external = json!({ "StringEquals": { "sts:ExternalId": "3f1c" } });
    let ours = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } });
    assert_eq!(trust(json!({ "AWS": OWN }), json!({})), none);
    assert_eq!(trust(json!({ "Service": "ec2.amazonaws.com" }), json!({})), none);
    assert_eq!(trust(json!({ "AWS": "AROAEXAMPLEID1234567" }), json!({})), none);
    assert_eq!(trust(json!({ "AWS": OTHER }), json!({})), [OTHER]);
    assert_eq!(trust(json!({ "AWS": OTHER }), external.clone()), [OTHER]);
    assert_eq!(trust(json!({ "AWS": OTHER }), ours.clone()), none);
    let trusted = "arn:aws:iam::210987654321:root";
    assert_eq!(trust(json!({ "AWS": trusted }), json!({})), [trusted]);
    assert_eq!(trust(json!({ "AWS": trusted }), external.clone()), none);
    assert_eq!(trust(json!({ "AWS": trusted }), json!({ "StringLike": { "sts:ExternalId": "*" } })), [trusted]);
    assert_eq!(
        trust(json!({ "AWS": trusted }), json!({ "StringEqualsIfExists": { "sts:ExternalId": "x" } })),
        [trusted]
    );
    assert_eq!(trust(json!("*"), external), ["*"]);
    assert_eq!(trust(json!("*"), ours), none);
    assert_eq!(trust(json!("*"), json!({ "StringEquals": { "aws:PrincipalAccount": OWN } })), none);
    assert_eq!(trust(json!("*"), json!({ "StringEquals": { "aws:PrincipalAccount": OTHER } })), [OTHER]);
    assert_eq!(trust(json!({ "Federated": "arn:aws:iam::123456789012:saml-provider/p" }), json!({})), none);
}

#[test]
fn oidc_needs_subject_and_audience() {
    let github = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
    let key = |claim: &str| format!("token.actions.githubusercontent.com:{claim}");
    let open = |principal: &str, condition: Value| {
        let document = policy(json!([{ "Sid": "S", "Effect": "Allow", "Principal": { "Federated": principal },
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition }]));
        oidc_unscoped(&document).unwrap() == ["S"]
    };
    let both = |subject: &str| json!({ "StringEquals": { key("aud"): "sts.amazonaws.com" }, "StringLike": { key("sub"): subject } });
    assert!(!open(github, both("repo:example/site:*")));
    assert!(!open(github, both("repo:example/*")));
    for subject in ["*", "repo:*", "repo:*/site:*", "repo:exam*", "?epo:example/x", "repo:*:ref:refs/heads/main"] {
        assert!(open(github, both(subject)), "{subject}");
    }
    assert!(open(github, json!({})));
    assert!(open(github, json!({ "StringEquals": { key("aud"): "sts.amazonaws.com" } })));
    assert!(open(github, json!({ "StringEquals": { key("sub"): "repo:example/site:ref:refs/heads/main" } })));
    assert!(open(github, json!({ "StringEqualsIfExists": { key("aud"): "a", key("sub"): "repo:example/site" } })));
    let eks = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
    let eks_key = |claim: &str| format!("oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:{claim}");
    assert!(!open(
        eks,
        json!({ "StringEquals": { eks_key("aud"): "sts.amazonaws.com", eks_key("sub"): "system:serviceaccount:a:b" } })
    ));
    let cognito = "cognito-identity.amazonaws.com";
    assert!(!open(cognito, json!({ "StringEquals": { "cognito-identity.amazonaws.com:aud": "eu-west-1:pool" } })));
    assert!(open(cognito, json!({})));
    assert!(!open("arn:aws:iam::123456789012:saml-provider/p", json!({})));
}

#[test]
fn key_administrators_who_use_it() {
    let role = "arn:aws:iam::123456789012:role/keys";
    let users =
        |statements: Value| key_admin_users(&policy(statements), &Known { own: vec![OWN], trusted: vec![] }).unwrap();
    let grant = |principal: &str, actions: Value| json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": actions, "Resource": "*" });
    let root = "arn:aws:iam::123456789012:root";
    assert!(users(json!([grant(root, json!("kms:*")), grant(OWN, json!("kms:*"))])).is_empty());
    assert_eq!(users(json!([grant(role, json!("kms:*"))])), [role]);
    assert_eq!(users(json!([grant(role, json!(["kms:Put*"])), grant(role, json!("kms:Decrypt"))])), [role]);
    assert!(users(json!([grant(role, json!(["kms:Put*"])), grant(root, json!("kms:Decrypt"))])).is_empty());
    assert!(users(json!([grant(role, json!(["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"]))])).is_empty());
    assert_eq!(
        users(json!([grant("arn:aws:iam::111122223333:root", json!("kms:*"))])),
        ["arn:aws:iam::111122223333:root"]
    );
}

#[test]
fn what_is_no_policy_is_an_error() {
    for document in [
        json!("text"),
        json!([]),
        json!({}),
        json!({ "Statement": [1] }),
        json!({ "Statement": {} }),
        json!({ "Statement": { "Effect": "allow", "Action": "*" } }),
        json!({ "Statement": { "Effect": "Allow" } }),
        json!({ "Statement": { "Effect": "Allow", "Action": 1 } }),
        json!({ "Statement": { "Effect": "Allow", "Action": "*", "NotAction": "*" } }),
        json!({ "Statement": { "Effect": "Allow", "Action": "*", "Principal": 1 } }),
        json!({ "Statement": { "Effect": "Allow", "Action": "*", "Condition": { "Bool": true } } }),
    ] {
        assert!(grants_admin(&document).is_err(), "{document}");
    }
}

#[test]
fn names_with_wildcards() {
    assert!(glob_any("Admins", &["x", "Admins"]));
    assert!(glob_any("AWSReservedSSO_AdministratorAccess_0a", &["AWSReservedSSO_AdministratorAccess_*"]));
    assert!(!glob_any("Admins2", &["Admins", "admins*"]));
    assert!(!glob_any("Admins", &[]));
}

#[test]
fn every_function_checks_its_arguments() {
    for function in FUNCTIONS {
        assert!((function.call)(&[]).is_err(), "{}", function.name);
    }
    for function in on_documents() {
        let good = [Value::Null, json!(OWN), json!([OTHER])];
        assert!((function.call)(&good[..function.arity]).is_ok(), "{}", function.name);
    }
}
