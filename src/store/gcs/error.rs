//! What an error of Google Cloud Storage means to a writer or reader of evidence.

use google_cloud_gax::error::Error;

use crate::remote::{Trouble, chain};

/// The HTTP status of an answer.
pub(super) fn status(error: &Error) -> Option<u16> {
    error.http_status_code()
}

/// Whether what is not there is the bucket.
pub(super) fn names_bucket(error: &Error) -> bool {
    let said = error.http_payload().map(|payload| String::from_utf8_lossy(payload).into_owned());
    said.is_some_and(|said| said.contains("bucket does not exist"))
}

/// What an error means; `permission` is what the request needs.
pub(super) fn trouble(error: &Error, permission: &str) -> Trouble {
    if let Some(status) = status(error) {
        let said = error.http_payload().map(|payload| String::from_utf8_lossy(payload).into_owned());
        return by_status(status, &said.unwrap_or_default(), permission);
    }
    let why = chain(error);
    if error.is_authentication() {
        return credentials(&why);
    }
    if error.is_serialization() || error.is_binding() {
        return Trouble::Refused(format!("the request cannot be made: {why}"));
    }
    Trouble::Away(format!("the store cannot be reached: {why}"))
}

/// There is no token for now, or none at all.
pub(super) fn credentials(why: &str) -> Trouble {
    let reason = format!("no Google credentials: {why}; sign in, or give this workload an identity");
    let away = ["connect", "timed out", "timeout", "dns", "503", "retry"].iter().any(|word| why.contains(word));
    if away { Trouble::Away(reason) } else { Trouble::Refused(reason) }
}

/// By the status ("HTTP status and error codes for JSON" in Google's reference).
pub(super) fn by_status(status: u16, body: &str, permission: &str) -> Trouble {
    let message = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|body| body["error"]["message"].as_str().map(str::to_owned))
        .unwrap_or_else(|| body.chars().take(200).collect());
    let said = format!("{status} {}", message.split_whitespace().collect::<Vec<_>>().join(" "));
    match status {
        409 | 412 => Trouble::Exists,
        408 | 429 | 500 | 502..=599 => Trouble::Away(said),
        501 | 405 => Trouble::Unsupported(said),
        401 => credentials(&said),
        403 => Trouble::Refused(format!("{said}; grant this identity {permission}, see docs/stores.md")),
        404 => Trouble::Refused(format!("{said}; make the bucket first, see docs/stores.md")),
        _ => Trouble::Refused(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_a_writer_can_do_about_them() {
        assert_eq!(by_status(412, "", "p"), Trouble::Exists);
        assert!(matches!(by_status(503, "", "p"), Trouble::Away(_)));
        assert!(matches!(by_status(429, "", "p"), Trouble::Away(_)));
        let refused = by_status(403, r#"{"error":{"message":"no  access"}}"#, "storage.objects.create");
        assert!(matches!(&refused, Trouble::Refused(why) if why.contains("storage.objects.create")), "{refused:?}");
        assert!(matches!(&refused, Trouble::Refused(why) if why.contains("403 no access")), "{refused:?}");
    }
}
