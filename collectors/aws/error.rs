//! What an AWS error means: refused, barred, throttled, gone, not offered here, or broken.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use evidenced_kit::Failure;
use evidenced_model::Cause;

const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationError",
    "AuthorizationErrorException",
    "ExpiredToken",
    "ExpiredTokenException",
    "Forbidden",
    "IncompleteSignature",
    // Security Hub's and others' word for a missing permission; for "not switched on" as well, which only the message tells.
    "InvalidAccessException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "KMSAccessDeniedException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "SignatureDoesNotMatch",
    "UnauthorizedAccess",
    "UnauthorizedException",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

const UNSUPPORTED: &[&str] = &[
    "InvalidAction",
    "NotImplemented",
    "OptInRequired",
    "SubscriptionRequiredException",
    "UnknownOperationException",
    "UnsupportedOperation",
    "UnsupportedOperationException",
];

/// Says what an error of an SDK means to the evidence.
pub(crate) fn classify<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Failure {
    match error {
        SdkError::ConstructionFailure(_) => Failure::for_good(Cause::Failed, Some("RequestNotBuilt".into())),
        SdkError::TimeoutError(_) => again(Cause::TimedOut, None),
        SdkError::DispatchFailure(failure) if failure.is_timeout() || failure.is_user() || failure.is_io() => {
            failure.as_connector_error().map_or_else(|| again(Cause::Failed, None), unreachable)
        }
        SdkError::DispatchFailure(_) => Failure::for_good(Cause::Failed, Some("CredentialsNotLoaded".into())),
        SdkError::ResponseError(response) => match response.raw().status().as_u16() {
            200..300 => again(Cause::Malformed, None),
            status => by_status(status, None),
        },
        SdkError::ServiceError(service) => {
            let raw = service.raw();
            let message = service.err().message().unwrap_or_default();
            let retry_after = raw.headers().get("retry-after").and_then(|value| value.parse().ok());
            by_answer(service.err().code(), message, raw.status().as_u16(), retry_after)
        }
        _ => Failure::for_good(Cause::Failed, None),
    }
}

/// Says what a connection that failed means.
pub(crate) fn unreachable(error: &ConnectorError) -> Failure {
    if error.is_timeout() {
        again(Cause::TimedOut, None)
    } else if error.is_user() {
        Failure::for_good(Cause::Failed, Some("InvalidEndpoint".into()))
    } else {
        again(Cause::Failed, Some("ConnectionFailed".into()))
    }
}

/// Says what an answer that is no good one means, by its code, message, status and `Retry-After` in seconds.
pub(crate) fn by_answer(code: Option<&str>, message: &str, status: u16, retry_after: Option<u64>) -> Failure {
    let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds.min(60)));
    Failure { retry_after, ..by_code(code, message, status) }
}

fn by_code(code: Option<&str>, message: &str, status: u16) -> Failure {
    let Some(code) = code else { return by_status(status, None) };
    let named = Some(code.to_owned());
    if DENIED.contains(&code) {
        // The provider says which kind of policy refused; only an explicit deny of the organisation bars.
        let barred = message.contains("explicit deny in a service control policy")
            || message.contains("explicit deny in a resource control policy");
        Failure::for_good(if barred { Cause::Barred } else { Cause::Denied }, named)
    } else if THROTTLED.contains(&code) {
        again(Cause::Throttled, named)
    } else if UNSUPPORTED.contains(&code) {
        Failure::for_good(Cause::Unsupported, named)
    } else {
        by_status(status, named)
    }
}

fn by_status(status: u16, code: Option<String>) -> Failure {
    match status {
        401 | 403 if code.is_none() => Failure::for_good(Cause::Denied, Some(format!("Http{status}"))),
        429 => again(Cause::Throttled, code),
        501 => Failure::for_good(Cause::Unsupported, code.or(Some("Http501".into()))),
        500.. => again(Cause::Failed, code.or(Some(format!("Http{status}")))),
        _ => Failure::for_good(Cause::Failed, code.or(Some(format!("Http{status}")))),
    }
}

fn again(cause: Cause, code: Option<String>) -> Failure {
    Failure { cause, code, retry: true, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_evidence_says() {
        for (code, message, status, cause, retry) in [
            (Some("AccessDenied"), "not authorized to perform", 403, Cause::Denied, false),
            (Some("AccessDenied"), "with an explicit deny in a service control policy", 403, Cause::Barred, false),
            (Some("AccessDeniedException"), "", 400, Cause::Denied, false),
            (Some("SlowDown"), "", 503, Cause::Throttled, true),
            (Some("ThrottlingException"), "", 400, Cause::Throttled, true),
            (Some("InternalError"), "", 500, Cause::Failed, true),
            (Some("NoSuchBucketPolicy"), "", 404, Cause::Failed, false),
            (Some("UnknownOperationException"), "", 404, Cause::Unsupported, false),
            (None, "", 403, Cause::Denied, false),
            (None, "", 429, Cause::Throttled, true),
            (None, "", 503, Cause::Failed, true),
        ] {
            let failure = by_code(code, message, status);
            assert_eq!((failure.cause, failure.retry), (cause, retry), "{code:?} {status}");
        }
    }
}
