//! What an error of Azure Blob Storage means to a writer or reader of evidence.

use azure_core::Error;
use azure_core::error::ErrorKind;

use crate::remote::{Trouble, chain};

/// Whether what is not there is the blob, or that version of it.
pub(super) fn missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::HttpResponse { status, error_code, .. }
        if u16::from(*status) == 404 && error_code.as_deref() != Some("ContainerNotFound"))
}

/// What an error means; `permission` is the role or the data action that the request needs.
pub(super) fn trouble(error: &Error, permission: &str) -> Trouble {
    match error.kind() {
        ErrorKind::HttpResponse { status, error_code, .. } => {
            by_code(error_code.as_deref().unwrap_or_default(), u16::from(*status), permission)
        }
        ErrorKind::Connection | ErrorKind::Io => {
            Trouble::Away(format!("the store cannot be reached: {}", chain(error)))
        }
        ErrorKind::Credential => {
            let why = chain(error);
            let reason = format!("no Azure credentials: {why}; run `az login`, or give this workload an identity");
            let away = ["timed out", "timeout", "connect", "dns", "503"].iter().any(|word| why.contains(word));
            if away { Trouble::Away(reason) } else { Trouble::Refused(reason) }
        }
        _ => Trouble::Away(format!("the store's answer cannot be read: {}", chain(error))),
    }
}

/// By Azure's name for it ("Blob Storage error codes"), or else by the status.
fn by_code(code: &str, status: u16, permission: &str) -> Trouble {
    let said = format!("{status} {code}");
    match (code, status) {
        ("ContainerNotFound", _) => Trouble::Refused(format!("{said}; make the container first, see docs/stores.md")),
        ("ContainerBeingDeleted" | "ContainerDisabled" | "AccountIsDisabled", _) => Trouble::Refused(said),
        (_, 409 | 412) => Trouble::Exists,
        ("OperationTimedOut" | "ServerBusy" | "InternalError", _) | (_, 408 | 429 | 500 | 502..=599) => {
            Trouble::Away(said)
        }
        (_, 405 | 501) => Trouble::Unsupported(said),
        ("AuthenticationFailed" | "AuthorizationFailure", _) => Trouble::Refused(format!(
            "{said}; the key or token is not this account's, or not any more, or its firewall refuses this network"
        )),
        (_, 401 | 403) => {
            Trouble::Refused(format!("{said}; grant this identity {permission} on the container, see docs/stores.md"))
        }
        _ => Trouble::Refused(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_a_writer_can_do_about_them() {
        assert_eq!(by_code("BlobAlreadyExists", 409, "p"), Trouble::Exists);
        assert_eq!(by_code("ConditionNotMet", 412, "p"), Trouble::Exists);
        assert!(matches!(by_code("ServerBusy", 503, "p"), Trouble::Away(_)));
        assert!(matches!(by_code("APINotImplemented", 501, "p"), Trouble::Unsupported(_)));
        for (code, status, remedy) in [
            ("ContainerNotFound", 404, "make the container"),
            ("AuthorizationPermissionMismatch", 403, "blobs/write"),
            ("AuthenticationFailed", 403, "key or token"),
        ] {
            let refused = by_code(code, status, "blobs/write");
            assert!(matches!(&refused, Trouble::Refused(why) if why.contains(remedy)), "{refused:?}");
        }
    }
}
