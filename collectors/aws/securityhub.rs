//! Security Hub CSPM: whether it is on in a region, and with which standards.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_securityhub::Client;
use aws_sdk_securityhub::operation::describe_hub::DescribeHubOutput;
use aws_sdk_securityhub::types::StandardsSubscription;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach};
use evidenced_model::{Refusal, Resource, Scope};
use serde_json::{Value, json};

use crate::Session;
use crate::values::{instant_of_text, kind, malformed, pages};

const HUB: &str = "aws.securityhub.hub";

static DESCRIBE_HUB: Operation =
    Operation { call: "securityhub:DescribeHub", permission: "securityhub:DescribeHub", absent: &[], per: Per::Start };
static STANDARDS: Operation = Operation {
    call: "securityhub:GetEnabledStandards",
    permission: "securityhub:GetEnabledStandards",
    absent: &[],
    per: Per::Page(100),
};

pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.securityhub",
    title: "Security Hub CSPM",
    kinds: &[HUB],
    reach: Reach::Region,
    operations: &[&DESCRIBE_HUB, &STANDARDS],
};

/// Reads Security Hub.
pub(crate) struct SecurityHub {
    session: Arc<Session>,
}

#[async_trait]
impl Collector for SecurityHub {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let client = self.session.securityhub(&scope.region);
        match self.hub(&client, scope).await {
            Ok(Some(hub)) => {
                let standards = self.standards(&client, scope).await;
                match read(hub, standards, scope) {
                    Some(resource) => {
                        out.resource(resource).await;
                        out.complete(HUB).await;
                    }
                    None => out.gap(HUB, malformed(&DESCRIBE_HUB)).await,
                }
            }
            Ok(None) => out.complete(HUB).await,
            Err(refusal) => out.gap(HUB, refusal).await,
        }
    }
}

impl SecurityHub {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    /// The hub; `None` where it is not switched on. The same error code stands for a missing permission, so only the
    /// message that says so counts.
    async fn hub(&self, client: &Client, scope: &Scope) -> Result<Option<DescribeHubOutput>, Refusal> {
        let ask = || async {
            match client.describe_hub().send().await {
                Ok(hub) => Ok(Some(hub)),
                Err(error)
                    if error.code() == Some("InvalidAccessException")
                        && error.message().is_some_and(|message| message.contains("not subscribed")) =>
                {
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        };
        self.session.call(scope, &DESCRIBE_HUB, ask).await
    }

    async fn standards(&self, client: &Client, scope: &Scope) -> Result<Value, Refusal> {
        let (standards, refusal) = pages(&STANDARDS, |token| async move {
            let ask = || client.get_enabled_standards().max_results(100).set_next_token(token.clone()).send();
            let page = self.session.call(scope, &STANDARDS, ask).await?;
            Ok((page.standards_subscriptions, page.next_token))
        })
        .await;
        match refusal {
            Some(refusal) => Err(refusal),
            None => list(standards).ok_or_else(|| malformed(&STANDARDS)),
        }
    }
}

fn read(hub: DescribeHubOutput, standards: Result<Value, Refusal>, scope: &Scope) -> Option<Resource> {
    let arn = hub.hub_arn?;
    let mut resource = Resource::new(kind(HUB), arn.as_str(), scope.clone());
    resource
        .read("arn", arn)
        .optional("subscribed", hub.subscribed_at.as_deref().and_then(instant_of_text))
        .optional("auto_enable_controls", hub.auto_enable_controls);
    match standards {
        Ok(standards) => resource.read("standards", standards),
        Err(refusal) => resource.unread("standards", &refusal),
    };
    Some(resource)
}

fn list(standards: Vec<StandardsSubscription>) -> Option<Value> {
    let mut listed: Vec<(String, String)> = standards
        .into_iter()
        .map(|standard| Some((standard.standards_arn?, standard.standards_status?.as_str().to_owned())))
        .collect::<Option<_>>()?;
    listed.sort();
    Some(listed.into_iter().map(|(arn, status)| json!({ "arn": arn, "status": status })).collect())
}
