//! What an answer of Azure that is no good one means: refused, barred, throttled, gone, not offered here, or broken.
//!
//! Resource Manager speaks of errors as `{"error":{"code","message"}}` and, from some providers, as bare
//! `{"code","message"}`; Microsoft Graph in the first form.

use std::time::Duration;

use azure_core::error::ErrorKind;
use evidenced_kit::Failure;
use evidenced_model::Cause;
use serde_json::Value;

/// The longest wish to wait that is granted; whoever wants more is asked again in the next run.
const PATIENCE: Duration = Duration::from_mins(5);

/// What keeps an answer from being one.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// No answer came, or no token was to be had.
    Unanswered(azure_core::Error),
    /// The provider answered with an error.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Its code, as far as it names one.
        code: Option<String>,
        /// How long it wants us to wait.
        retry_after: Option<Duration>,
    },
    /// A good status, and not what the API speaks.
    Malformed(Option<&'static str>),
}

/// Codes that mean a missing permission whatever the status.
const DENIED: &[&str] = &[
    "AccessDenied",
    "Authorization_RequestDenied",
    "AuthorizationFailed",
    "AuthorizationPermissionMismatch",
    "ExpiredAuthenticationToken",
    "Forbidden",
    "InvalidAuthenticationToken",
    "InvalidAuthenticationTokenTenant",
    "LinkedAuthorizationFailed",
    "Unauthorized",
];

/// Codes of an explicit prohibition above the identity's own rights.
const BARRED: &[&str] = &["DenyAssignmentAuthorizationFailed", "RequestDisallowedByAzure", "RequestDisallowedByPolicy"];

/// Codes of a tenant or place that does not offer the API: a licence, an edition, a cloud.
const UNSUPPORTED: &[&str] = &[
    "AadPremiumLicenseRequired",
    "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
    "Authentication_RequestFromUnsupportedUserRole",
    "FeatureNotSupported",
    "FeatureNotSupportedForAccount",
    "InvalidApiVersionParameter",
    "InvalidResourceType",
    "NoRegisteredProviderFound",
    "NotImplemented",
    "UnsupportedApiVersion",
];

/// Says what went wrong.
pub(crate) fn classify(wrong: &Wrong) -> Failure {
    match wrong {
        Wrong::Unanswered(error) => match error.kind() {
            ErrorKind::Credential => Failure::for_good(Cause::Failed, Some("CredentialsNotLoaded".into())),
            _ => again(Cause::Failed, Some("ConnectionFailed".into())),
        },
        Wrong::Malformed(code) => again(Cause::Malformed, code.map(str::to_owned)),
        Wrong::Answer { status, code, retry_after } => by_answer(*status, code.as_deref(), *retry_after),
    }
}

fn by_answer(status: u16, code: Option<&str>, retry_after: Option<Duration>) -> Failure {
    let named = || Some(code.map_or_else(|| format!("Http{status}"), str::to_owned));
    let is = |codes: &[&str]| code.is_some_and(|code| codes.iter().any(|known| known.eq_ignore_ascii_case(code)));
    if is(BARRED) {
        Failure::for_good(Cause::Barred, named())
    } else if is(UNSUPPORTED) {
        Failure::for_good(Cause::Unsupported, named())
    } else if status == 429 {
        let patient = retry_after.is_none_or(|wish| wish <= PATIENCE);
        Failure { cause: Cause::Throttled, code: named(), retry: patient, retry_after }
    } else if is(DENIED) || matches!(status, 401 | 403) {
        Failure::for_good(Cause::Denied, named())
    } else if status == 501 {
        Failure::for_good(Cause::Unsupported, named())
    } else if status == 408 || status >= 500 {
        let retry_after = retry_after.filter(|wish| *wish <= PATIENCE);
        Failure { cause: Cause::Failed, code: named(), retry: true, retry_after }
    } else {
        Failure::for_good(Cause::Failed, named())
    }
}

fn again(cause: Cause, code: Option<String>) -> Failure {
    Failure { cause, code, retry: true, retry_after: None }
}

/// The code of an error body in any of its shapes. The innermost code of Microsoft Graph is not more telling than the outer.
pub(crate) fn code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = match body.get("error") {
        Some(inner @ Value::Object(_)) => inner,
        // `{"error": "invalid_client", ...}` of the token endpoint.
        Some(Value::String(code)) => return Some(code.clone()),
        _ => &body,
    };
    error.get("code").or_else(|| error.get("Code")).and_then(Value::as_str).map(str::to_owned)
}

/// A wish to wait, in seconds (also decimal, as Microsoft Graph writes it). Dates are not understood, and are no wish.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(1e6)))
}

/// `hh:mm:ss`, as Resource Graph writes when its quota is full again.
pub(crate) fn clock_span(text: &str) -> Option<Duration> {
    let mut total = 0;
    let mut parts = 0;
    for part in text.trim().split(':') {
        // A fraction of a second counts as a whole one.
        let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
        total = total * 60 + whole.parse::<u64>().ok()? + u64::from(!fraction.is_empty());
        parts += 1;
    }
    (parts == 3).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_evidence_says() {
        for (status, code, cause, retry) in [
            (403, Some("AuthorizationFailed"), Cause::Denied, false),
            (403, None, Cause::Denied, false),
            (401, Some("InvalidAuthenticationToken"), Cause::Denied, false),
            (403, Some("RequestDisallowedByPolicy"), Cause::Barred, false),
            (403, Some("Authentication_RequestFromNonPremiumTenantOrB2CTenant"), Cause::Unsupported, false),
            (429, Some("TooManyRequests"), Cause::Throttled, true),
            (429, None, Cause::Throttled, true),
            (404, Some("ResourceNotFound"), Cause::Failed, false),
            (503, Some("ServerTimeout"), Cause::Failed, true),
            (501, None, Cause::Unsupported, false),
            (400, Some("BadRequest"), Cause::Failed, false),
        ] {
            let failure = by_answer(status, code, None);
            assert_eq!((failure.cause, failure.retry), (cause, retry), "{code:?} {status}");
        }
        assert!(!by_answer(429, None, Some(Duration::from_mins(20))).retry, "nobody waits for twenty minutes");
    }

    #[test]
    fn codes_are_read_from_every_shape() {
        for (body, wanted) in [
            (r#"{"error":{"code":"AuthorizationFailed","message":"m"}}"#, Some("AuthorizationFailed")),
            (r#"{"code":"SubscriptionNotFound","message":"m"}"#, Some("SubscriptionNotFound")),
            (r#"{"error":"invalid_client"}"#, Some("invalid_client")),
            (r#"{"error":{"message":"m"}}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(code(body.as_bytes()).as_deref(), wanted, "{body}");
        }
    }

    #[test]
    fn waits_are_read_as_seconds_and_as_spans() {
        assert_eq!(seconds("2.128"), Some(Duration::from_millis(2128)));
        assert_eq!(seconds("17"), Some(Duration::from_secs(17)));
        assert_eq!(seconds("-1"), None);
        assert_eq!(seconds("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(clock_span("00:00:05"), Some(Duration::from_secs(5)));
        assert_eq!(clock_span("00:01:05.5"), Some(Duration::from_secs(66)));
        assert_eq!(clock_span("5"), None);
    }
}
