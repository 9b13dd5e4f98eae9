//! Bad days and oddities of IAM that the conformance suite does not know by name.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use evidenced_kit::cassette::{Cassette, Fault, Player, Response};
use evidenced_kit::{Collector as _, Event, Limits, LimitsConfig, Mine, OpenContext, Out, Stats, Wants};
use evidenced_model::{Cause, Field, FixedClock, Resource, RunId, Scope};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Iam;
use crate::transport::Replay;
use crate::{ClientOptions, Session};

/// Plays the full cassette with a fault, and gives what was said and how many calls it took.
async fn play(fault: Fault, wants: Wants) -> (Vec<Event>, u32) {
    let tape: Cassette = serde_json::from_str(include_str!("../cassettes/iam/full.json")).unwrap();
    let player = Arc::new(Player::with_fault(tape, fault));
    let limits = LimitsConfig {
        default_calls_per_second: 1_000_000,
        attempts: 1,
        backoff: std::time::Duration::ZERO,
        ..LimitsConfig::default()
    };
    let context = OpenContext {
        run: RunId::from_parts(0, 0),
        limits: Arc::new(Limits::new(limits)),
        stats: Arc::new(Stats::default()),
        clock: Arc::new(FixedClock("2026-01-15T12:00:00Z".parse().unwrap())),
        mine: Mine::default(),
        environment: Arc::default(),
    };
    let credentials = Credentials::new("AKIDEXAMPLE", "not-a-secret", None, None, "cassette");
    let options = ClientOptions {
        endpoint_url: Some("http://127.0.0.1:1".into()),
        http_client: Some(SharedHttpClient::new(Replay(Arc::clone(&player)))),
        credentials: Some(SharedCredentialsProvider::new(credentials)),
    };
    let scope: Scope =
        serde_json::from_value(json!({"provider": "aws", "account": "123456789012", "region": "global"})).unwrap();
    let session = Arc::new(Session::detached(&options, &context, scope.account.clone()).await);
    let (sender, mut receiver) = mpsc::channel(1024);
    let mut out = Out::new(sender, 0, Arc::new(wants), scope.clone());
    Iam::new(&session).collect(&scope, &mut out).await;
    drop(out);
    let mut events = Vec::new();
    while let Some((_, event)) = receiver.recv().await {
        events.push(event);
    }
    (events, player.asked().values().sum())
}

fn answer(operation: &'static str, status: u16, body: String) -> Fault {
    Box::new(move |request, _| {
        (request.operation == operation).then(|| Response {
            status,
            headers: [("content-type".to_owned(), "text/xml".to_owned())].into(),
            body: body.clone(),
        })
    })
}

fn refusal(operation: &'static str, code: &str) -> Fault {
    answer(
        operation,
        403,
        format!("<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"),
    )
}

fn nothing() -> Fault {
    Box::new(|_, _| None)
}

fn resources<'a>(events: &'a [Event], kind: &str) -> Vec<&'a Resource> {
    let resources = events.iter().filter_map(|event| match event {
        Event::Resource(resource) if resource.kind.as_str() == kind => Some(&**resource),
        _ => None,
    });
    resources.collect()
}

fn user<'a>(events: &'a [Event], name: &str) -> &'a Resource {
    let named = |resource: &&&Resource| resource.field("name") == &Field::Read(name.into());
    let users = resources(events, super::USER);
    users.iter().find(named).unwrap_or_else(|| panic!("no user {name}"))
}

#[tokio::test]
async fn nothing_is_asked_for_each_user_unless_it_is_wanted() {
    let (events, calls) = play(nothing(), Wants::default()).await;
    assert_eq!(calls, 11);
    let keys = user(&events, "alice").field("access_keys");
    assert!(matches!(keys, Field::Unread(why) if why.cause == Cause::Skipped), "{keys:?}");
    let (events, calls) = play(nothing(), Wants { all: true, ..Wants::default() }).await;
    assert_eq!(calls, 15);
    assert!(matches!(user(&events, "alice").field("access_keys"), Field::Read(Value::Array(keys)) if keys.len() == 2));
}

#[tokio::test]
async fn without_the_bulk_listing_users_come_from_the_report() {
    let (events, _) = play(refusal("iam:GetAccountAuthorizationDetails", "AccessDenied"), Wants::default()).await;
    assert_eq!(resources(&events, super::USER).len(), 2);
    let bob = user(&events, "bob");
    assert_eq!(bob.field("key_1_active"), &Field::Read(true.into()));
    assert_eq!(bob.field("created"), &Field::Read("2024-01-01T00:00:00Z".into()));
    let policies = bob.field("managed_policies");
    assert!(matches!(policies, Field::Unread(why) if why.permission.is_some()), "{policies:?}");
    let gap = |kind: &str| events.iter().any(|event| matches!(event, Event::Gap { kind: k, .. } if k.as_str() == kind));
    assert!(gap(super::USER) && gap(super::ROLE) && !gap(super::CERTIFICATE));
    let account = resources(&events, super::ACCOUNT)[0];
    assert!(matches!(account.field("admin_roles"), Field::Unread(_)));
    assert_eq!(account.field("root_mfa"), &Field::Read(true.into()));
}

#[tokio::test]
async fn a_user_younger_than_the_report_is_unread_in_it() {
    let tape: Cassette = serde_json::from_str(include_str!("../cassettes/iam/full.json")).unwrap();
    let listed = tape.exchanges.iter().find(|e| e.request.operation == "iam:GetAccountAuthorizationDetails").unwrap();
    // Bob was deleted and made again after the report; its row is of the one who is gone.
    let (before, after) = listed.response.body.split_once("<UserName>bob").unwrap();
    let body = format!("{before}<UserName>bob{}", after.replacen("2024-01-01T00:00:00Z", "2026-01-15T11:00:00Z", 1));
    let (events, _) = play(answer("iam:GetAccountAuthorizationDetails", 200, body), Wants::default()).await;
    let bob = user(&events, "bob");
    assert_eq!(bob.field("created"), &Field::Read("2026-01-15T11:00:00Z".into()));
    for name in ["console", "mfa", "key_1_active", "key_1_rotated"] {
        assert!(matches!(bob.field(name), Field::Unread(why) if why.cause == Cause::Silent), "{name}");
    }
    assert_eq!(user(&events, "alice").field("mfa"), &Field::Read(true.into()));
}

#[tokio::test]
async fn a_report_that_is_never_made_is_timed_out_and_costs_its_fields_only() {
    let started = "<GenerateCredentialReportResponse><GenerateCredentialReportResult><State>INPROGRESS</State>\
        </GenerateCredentialReportResult></GenerateCredentialReportResponse>";
    let (events, calls) = play(answer("iam:GenerateCredentialReport", 200, started.to_owned()), Wants::default()).await;
    assert!(calls <= 20, "{calls} calls");
    let alice = user(&events, "alice");
    assert!(
        matches!(alice.field("mfa"), Field::Unread(why) if why.cause == Cause::TimedOut),
        "{:?}",
        alice.field("mfa")
    );
    assert!(matches!(alice.field("groups"), Field::Read(_)));
}

#[tokio::test]
async fn who_cannot_speak_for_the_organisation_is_told_apart_from_one_without_the_feature() {
    for (code, expected) in [
        ("AccountNotManagementOrDelegatedAdministratorException", Field::Absent),
        ("OrganizationNotFoundException", Field::Absent),
        ("ServiceAccessNotEnabledException", Field::Read(json!([]))),
    ] {
        let (events, _) = play(refusal("iam:ListOrganizationsFeatures", code), Wants::default()).await;
        assert_eq!(resources(&events, super::ACCOUNT)[0].field("organization_features"), &expected, "{code}");
    }
    let (events, _) = play(refusal("iam:ListOrganizationsFeatures", "AccessDenied"), Wants::default()).await;
    assert!(matches!(resources(&events, super::ACCOUNT)[0].field("organization_features"), Field::Unread(_)));
}

#[tokio::test]
async fn a_listed_user_that_is_gone_when_asked_is_counted_as_vanished() {
    let fault: Fault = Box::new(|request, _| {
        let gone = request.operation == "iam:ListAccessKeys" && request.body.ends_with("UserName=bob");
        let body = "<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>no</Message></Error></ErrorResponse>";
        gone.then(|| Response {
            status: 404,
            headers: [("content-type".into(), "text/xml".into())].into(),
            body: body.into(),
        })
    });
    let (events, _) = play(fault, Wants { all: true, ..Wants::default() }).await;
    assert_eq!(resources(&events, super::USER).len(), 1);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Vanished { .. })).count(), 1);
}

#[tokio::test]
async fn root_devices_are_told_by_their_owner_and_holders_by_arn() {
    let (events, _) = play(nothing(), Wants::default()).await;
    let account = resources(&events, super::ACCOUNT)[0];
    for (name, expected) in [
        ("root_virtual_mfa_devices", json!(["arn:aws:iam::123456789012:mfa/renamed"])),
        ("admin_users", json!(["bob"])),
        ("admin_groups", json!(["admins"])),
        ("admin_roles", json!(["deploy"])),
        ("cloudshell_holders", json!(["developers"])),
        ("console_users", json!(["alice"])),
        ("root_password_last_used", json!("2025-06-01T00:00:00Z")),
    ] {
        assert_eq!(account.field(name), &Field::Read(expected), "{name}");
    }
}
