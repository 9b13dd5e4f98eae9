//! Small readings that every service needs: kinds, instants, pages, and answers that lack what they must have.

use std::future::Future;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use evidenced_kit::Operation;
use evidenced_model::{Cause, KindId, Refusal, Resource};
use jiff::Timestamp;
use serde_json::Value;

/// A kind that this crate names itself.
pub(crate) fn kind(name: &'static str) -> KindId {
    #[expect(clippy::expect_used, reason = "a constant, and the conformance suite reads each")]
    KindId::parse(name).expect("a constant")
}

/// An instant as RFC 3339 text in UTC.
pub(crate) fn instant(time: &DateTime) -> Option<String> {
    let nanos = i32::try_from(time.subsec_nanos()).ok()?;
    Timestamp::new(time.secs(), nanos).ok().map(|time| time.to_string())
}

/// Unix milliseconds as RFC 3339 text in UTC.
pub(crate) fn instant_of_millis(millis: i64) -> Option<String> {
    Timestamp::from_millisecond(millis).ok().map(|time| time.to_string())
}

/// RFC 3339 text in the one form that evidence has; `None` for what is none.
pub(crate) fn instant_of_text(text: &str) -> Option<String> {
    text.parse::<Timestamp>().ok().map(|time| time.to_string())
}

/// The start of the UTC day, for instants that move by themselves.
pub(crate) fn day_of_text(text: &str) -> Option<String> {
    let second = text.parse::<Timestamp>().ok()?.as_second();
    Timestamp::from_second(second - second.rem_euclid(24 * 60 * 60)).ok().map(|day| day.to_string())
}

/// A 200 that lacks what it must have.
pub(crate) fn malformed(operation: &Operation) -> Refusal {
    Refusal { call: operation.call.to_owned(), cause: Cause::Malformed, code: None, permission: None }
}

/// Writes a member that an answer must have. Where it lacks one, some SDKs put a stand-in, which is not a reading.
pub(crate) fn required<V: Into<Value>>(resource: &mut Resource, field: &str, value: Option<V>, operation: &Operation) {
    let stand_in = |value: &Value| value.as_str().is_some_and(|text| STAND_INS.contains(&text));
    match value.map(Into::into).filter(|value| !stand_in(value)) {
        Some(value) => resource.read(field, value),
        None => resource.unread(field, &malformed(operation)),
    };
}

/// For a text, an enumeration and an instant.
const STAND_INS: [&str; 3] = ["", "no value was set", "1970-01-01T00:00:00Z"];

/// Asks for page after page. What came before a refusal stays; the refusal says where it broke off.
/// A member that is `None` on a page is a member that the answer had to have.
pub(crate) async fn pages<T, F>(
    operation: &'static Operation,
    page: impl Fn(Option<String>) -> F,
) -> (Vec<T>, Option<Refusal>)
where
    F: Future<Output = Result<(Option<Vec<T>>, Option<String>), Refusal>>,
{
    let mut items = Vec::new();
    let mut token = None;
    loop {
        match page(token.clone()).await {
            Ok((Some(more), next)) => {
                items.extend(more);
                let next = next.filter(|next| !next.is_empty());
                if next.is_none() {
                    return (items, None);
                }
                if next == token {
                    // The same page for ever.
                    return (items, Some(malformed(operation)));
                }
                token = next;
            }
            Ok((None, _)) => return (items, Some(malformed(operation))),
            Err(refusal) => return (items, Some(refusal)),
        }
    }
}

/// Refuses an answer that lacks a required member. Some SDKs put an empty value in its place, which would read as
/// "there is none".
#[derive(Debug)]
pub(crate) struct Requires(pub(crate) &'static str);

impl Intercept for Requires {
    fn name(&self) -> &'static str {
        "Requires"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let quoted = format!("\"{}\"", self.0);
        let found = response.body().bytes().is_some_and(|body| contains(body, quoted.as_bytes()));
        if found || !response.status().is_success() {
            Ok(())
        } else {
            Err(format!("the answer lacks {}", self.0).into())
        }
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidenced_kit::Per;

    static OPERATION: Operation = Operation { call: "x:List", permission: "x:List", absent: &[], per: Per::Page(1) };

    #[test]
    fn instants_have_one_form() {
        assert_eq!(instant(&DateTime::from_secs(0)).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(instant_of_millis(1_500).as_deref(), Some("1970-01-01T00:00:01.5Z"));
        assert_eq!(instant_of_text("2026-01-01T01:00:00+01:00").as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(day_of_text("2026-01-02T23:59:59.9Z").as_deref(), Some("2026-01-02T00:00:00Z"));
        assert_eq!(instant_of_millis(i64::MAX), None);
        assert_eq!(day_of_text("yesterday"), None);
    }

    #[tokio::test]
    async fn pages_are_read_to_the_end() {
        let (items, refusal) = pages(&OPERATION, |token| async move {
            Ok(match token.as_deref() {
                None => (Some(vec![1]), Some("a".to_owned())),
                Some("a") => (Some(vec![2, 3]), Some(String::new())),
                _ => (None, None),
            })
        })
        .await;
        assert_eq!((items, refusal), (vec![1, 2, 3], None));
    }

    #[tokio::test]
    async fn what_came_before_a_refusal_stays() {
        let refused = malformed(&OPERATION);
        let (items, refusal) = pages(&OPERATION, |token| {
            let refused = refused.clone();
            async move { if token.is_none() { Ok((Some(vec![1]), Some("a".to_owned()))) } else { Err(refused) } }
        })
        .await;
        assert_eq!((items, refusal), (vec![1], Some(refused)));
    }

    #[tokio::test]
    async fn a_page_that_repeats_for_ever_is_malformed() {
        let (items, refusal) = pages(&OPERATION, |_| async { Ok((Some(vec![1]), Some("a".to_owned()))) }).await;
        assert_eq!((items.len(), refusal), (2, Some(malformed(&OPERATION))));
    }

    #[tokio::test]
    async fn a_page_without_its_list_is_malformed() {
        let (items, refusal) = pages::<u8, _>(&OPERATION, |_| async { Ok((None, None)) }).await;
        assert_eq!((items, refusal), (vec![], Some(malformed(&OPERATION))));
    }
}
