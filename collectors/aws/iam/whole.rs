//! Answers of the query protocol that break off in the middle: the SDK would take what came for the whole.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Refuses a success whose document does not end with the closing tag of a response.
#[derive(Debug)]
pub(super) struct WholeXml;

impl Intercept for WholeXml {
    fn name(&self) -> &'static str {
        "WholeXml"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if !response.status().is_success() || response.body().bytes().is_some_and(is_whole) {
            Ok(())
        } else {
            Err("the answer breaks off".into())
        }
    }
}

fn is_whole(body: &[u8]) -> bool {
    let body = body.trim_ascii_end();
    let tag = body.rsplit(|byte| *byte == b'<').next().unwrap_or_default();
    tag.starts_with(b"/") && tag.ends_with(b"Response>")
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn documents_end_with_their_root() {
        assert!(is_whole(b"<ListUsersResponse><ListUsersResult/></ListUsersResponse>\n"));
        assert!(!is_whole(b"<ListUsersResponse><ListUsersResult/>"));
        assert!(!is_whole(b"<ListUsersResponse>"));
        assert!(!is_whole(b""));
    }
}
