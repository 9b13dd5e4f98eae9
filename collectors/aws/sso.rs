//! IAM Identity Center: its instances, asked for in each region.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ssoadmin::types::InstanceMetadata;
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach};
use evidenced_model::{Resource, Scope};

use crate::Session;
use crate::values::{instant, kind, malformed, pages};

const INSTANCE: &str = "aws.sso.instance";

static LIST_INSTANCES: Operation =
    Operation { call: "sso:ListInstances", permission: "sso:ListInstances", absent: &[], per: Per::Page(100) };

pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.sso",
    title: "IAM Identity Center",
    kinds: &[INSTANCE],
    reach: Reach::Region,
    operations: &[&LIST_INSTANCES],
};

/// Reads IAM Identity Center.
pub(crate) struct Sso {
    session: Arc<Session>,
}

impl Sso {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }
}

#[async_trait]
impl Collector for Sso {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let client = &self.session.ssoadmin(&scope.region);
        let (instances, mut refusal) = pages(&LIST_INSTANCES, |token| async move {
            let ask = || client.list_instances().max_results(100).set_next_token(token.clone()).send();
            let page = self.session.call(scope, &LIST_INSTANCES, ask).await?;
            Ok((page.instances, page.next_token))
        })
        .await;
        for instance in instances {
            match read(instance, scope) {
                Some(resource) => out.resource(resource).await,
                None => refusal = refusal.or_else(|| Some(malformed(&LIST_INSTANCES))),
            }
        }
        match refusal {
            Some(refusal) => out.gap(INSTANCE, refusal).await,
            None => out.complete(INSTANCE).await,
        }
    }
}

fn read(instance: InstanceMetadata, scope: &Scope) -> Option<Resource> {
    let arn = instance.instance_arn?;
    let mut resource = Resource::new(kind(INSTANCE), arn.as_str(), scope.clone());
    resource
        .read("arn", arn)
        .optional("status", instance.status.map(|status| status.as_str().to_owned()))
        .optional("name", instance.name)
        .optional("owner", instance.owner_account_id)
        .optional("identity_store", instance.identity_store_id)
        .optional("created", instance.created_date.as_ref().and_then(instant));
    Some(resource)
}
