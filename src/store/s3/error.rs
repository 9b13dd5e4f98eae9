//! What an error of S3 means to a writer or reader of evidence.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::remote::{Trouble, chain};

/// The store's own name for an error.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error()?.code()
}

/// What an error means; `permission` is what the request needs.
pub(super) fn trouble<E>(error: &SdkError<E, HttpResponse>, permission: &str) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => Trouble::Away("the store does not answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => Trouble::Refused(format!(
            "the endpoint cannot be used: {}; see store.endpoint_url",
            failure.as_connector_error().map_or_else(String::new, |error| chain(error))
        )),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => Trouble::Away(format!(
            "the store cannot be reached: {}",
            failure.as_connector_error().map_or_else(String::new, |error| chain(error))
        )),
        // A credential service may be back soon; a missing profile will not, and is told apart by its words only.
        SdkError::DispatchFailure(failure) => {
            let why = failure.as_connector_error().map_or_else(String::new, |error| chain(error));
            if !why.contains("credential") && !why.contains("identity") {
                return Trouble::Away(format!("the store cannot be reached: {why}"));
            }
            let away = ["timed out", "timeout", "connect", "dns", "503"].iter().any(|word| why.contains(word));
            let reason = format!("no AWS credentials: {why}; sign in, or give this workload a role");
            if away { Trouble::Away(reason) } else { Trouble::Refused(reason) }
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            Trouble::Away(format!("the store's answer ({status}) cannot be read"))
        }
        SdkError::ServiceError(service) => {
            let error = service.err();
            by_code(error.code(), error.message().unwrap_or_default(), service.raw().status().as_u16(), permission)
        }
        other => Trouble::Refused(format!("the request cannot be made: {}", chain(other))),
    }
}

/// By the store's name for it (API reference of S3, "Error responses"), or else by the status.
fn by_code(code: Option<&str>, message: &str, status: u16, permission: &str) -> Trouble {
    let said = match (code, message) {
        (Some(code), "") => code.to_owned(),
        (Some(code), message) => format!("{code}: {}", message.trim_end_matches('.')),
        (None, _) => format!("HTTP status {status}"),
    };
    match (code.unwrap_or_default(), status) {
        ("PreconditionFailed" | "ConditionalRequestConflict" | "OperationAborted", _) | (_, 409 | 412) => {
            Trouble::Exists
        }
        (
            "SlowDown"
            | "RequestTimeout"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "ServiceUnavailable"
            | "InternalError"
            | "RequestTimeTooSkewed"
            // Credentials run out in the middle of a run; the chain fetches new ones.
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "TokenRefreshRequired",
            _,
        ) => Trouble::Away(said),
        ("NotImplemented" | "MethodNotAllowed", _) | (_, 405 | 501) => Trouble::Unsupported(said),
        ("NoSuchBucket", _) => Trouble::Refused(format!("{said}; make the bucket first, see docs/stores.md")),
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "AuthorizationHeaderMalformed", _) => {
            Trouble::Refused(format!("{said}; the credentials are not this store's, or not any more"))
        }
        ("AccessDenied" | "AllAccessDisabled" | "Forbidden", _) | (_, 401 | 403) => Trouble::Refused(format!(
            "{said}; allow this identity {permission} (and its KMS key, if the bucket has one), see docs/stores.md"
        )),
        ("InvalidRequest", _) if message.contains("ObjectLockConfiguration") || message.contains("Object Lock") => {
            Trouble::Refused(format!("{said}; make a bucket with Object Lock, see docs/stores.md"))
        }
        (_, 429 | 500..) => Trouble::Away(said),
        _ => Trouble::Refused(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_a_writer_can_do_about_them() {
        let away = |code, status| matches!(by_code(code, "", status, "p"), Trouble::Away(_));
        assert!(away(Some("SlowDown"), 503) && away(Some("InternalError"), 500) && away(None, 502) && away(None, 429));
        assert!(away(Some("ExpiredToken"), 400) && away(Some("RequestTimeout"), 400));
        assert_eq!(by_code(Some("PreconditionFailed"), "", 412, "p"), Trouble::Exists);
        assert_eq!(by_code(Some("ConditionalRequestConflict"), "", 409, "p"), Trouble::Exists);
        assert!(matches!(by_code(Some("NotImplemented"), "", 501, "p"), Trouble::Unsupported(_)));
        for (code, status, remedy) in [
            (Some("AccessDenied"), 403, "s3:PutObject"),
            (None, 403, "s3:PutObject"),
            (Some("NoSuchBucket"), 404, "make the bucket"),
            (Some("SignatureDoesNotMatch"), 403, "credentials"),
        ] {
            let Trouble::Refused(reason) = by_code(code, "", status, "s3:PutObject") else { panic!("{code:?}") };
            assert!(reason.contains(remedy), "{reason}");
        }
    }
}
