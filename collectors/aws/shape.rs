//! Small readings of places, ARNs, days and policy documents.

use aws_smithy_types::DateTime;
use evidenced_model::{Region, Scope};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::client::provider;
use crate::{Session, policy};

/// A place in the session's account.
pub(crate) fn place(session: &Session, region: Region) -> Scope {
    Scope { account: session.account().clone(), provider: provider(), region }
}

/// The UTC day of an instant that changes by itself, as the instant at which it began.
pub(crate) fn day(time: &DateTime) -> Option<String> {
    let date = TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(time.secs()).ok()?).date();
    Some(format!("{date}T00:00:00Z"))
}

/// The account in an ARN.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3).filter(|account| !account.is_empty())
}

/// A policy document in its normal form. `None` if it is none, or says nothing.
pub(crate) fn document(text: &str) -> Option<Value> {
    policy::parse(text).filter(|document| document["Statement"].is_array())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight() {
        let time = DateTime::from_secs_and_nanos(1_767_225_599, 999_000_000);
        assert_eq!(day(&time).as_deref(), Some("2025-12-31T00:00:00Z"));
    }

    #[test]
    fn a_document_has_statements() {
        assert_eq!(document("{}"), None);
        assert_eq!(document("[]"), None);
        assert!(document("{\"Statement\": {}}").is_some());
    }

    #[test]
    fn arns_name_their_account() {
        assert_eq!(account_of("arn:aws:kms:eu-west-1:123456789012:key/1"), Some("123456789012"));
        assert_eq!(account_of("arn:aws:s3:::example-bucket"), None);
        assert_eq!(account_of("alias/example"), None);
    }
}
