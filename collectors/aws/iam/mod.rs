//! IAM: the account, users with their credentials, groups, roles, policies and server certificates.
//!
//! One bulk listing tells almost everything, and the credential report tells of keys and passwords; nothing is asked
//! for each user unless somebody wants it.

mod account;
pub mod credential_report;
mod details;
mod operations;
mod report;
mod shapes;
#[cfg(test)]
mod tests;
mod whole;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::ServerCertificateMetadata;
use evidenced_kit::{Collector, Manifest, Out, Reach};
use evidenced_model::{Resource, Scope};

use self::operations::SERVER_CERTIFICATES;
use self::whole::WholeXml;
use crate::Session;
use crate::values::{instant, kind, malformed, pages};

const ACCOUNT: &str = "aws.iam.account";
const USER: &str = "aws.iam.user";
const GROUP: &str = "aws.iam.group";
const ROLE: &str = "aws.iam.role";
const POLICY: &str = "aws.iam.policy";
const INLINE_POLICY: &str = "aws.iam.inline_policy";
const CERTIFICATE: &str = "aws.iam.server_certificate";

/// What the IAM collector reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.iam",
    title: "IAM: the account, users, groups, roles, policies and server certificates",
    kinds: &[ACCOUNT, GROUP, INLINE_POLICY, POLICY, ROLE, CERTIFICATE, USER],
    reach: Reach::Account,
    operations: operations::ALL,
};

/// Reads IAM of one account.
pub(crate) struct Iam {
    session: Arc<Session>,
}

impl Iam {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }
}

#[async_trait]
impl Collector for Iam {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let scope = scope.global();
        let shared = self.session.iam(&scope.region);
        let client = Client::from_conf(shared.config().to_builder().interceptor(WholeXml).build());
        let report = report::read(&self.session, &client, &scope).await;
        let mut account = account::read(&self.session, &client, &scope, &report, out).await;
        let listed = details::read(&self.session, &client, &scope, &report, out).await;
        account::holders(&mut account, listed.holders, listed.refusal.as_ref());
        out.resource(account).await;
        out.complete(ACCOUNT).await;
        self.certificates(&client, &scope, out).await;
    }
}

impl Iam {
    async fn certificates(&self, client: &Client, scope: &Scope, out: &mut Out) {
        let (certificates, refusal) = pages(&SERVER_CERTIFICATES, |marker| async move {
            let attempt = || client.list_server_certificates().max_items(1000).set_marker(marker.clone()).send();
            let answer = self.session.call(scope, &SERVER_CERTIFICATES, attempt).await?;
            Ok((Some(answer.server_certificate_metadata_list), answer.marker))
        })
        .await;
        for certificate in certificates {
            out.resource(shape(certificate, scope)).await;
        }
        match refusal {
            Some(refusal) => out.gap(CERTIFICATE, refusal).await,
            None => out.complete(CERTIFICATE).await,
        }
    }
}

fn shape(certificate: ServerCertificateMetadata, scope: &Scope) -> Resource {
    let mut resource = Resource::new(kind(CERTIFICATE), certificate.arn.clone(), scope.clone());
    resource.read("arn", certificate.arn);
    resource.read("name", certificate.server_certificate_name);
    resource.read("path", certificate.path);
    for (name, time) in [("uploaded", certificate.upload_date), ("expires", certificate.expiration)] {
        match time.as_ref().and_then(instant) {
            Some(time) => resource.read(name, time),
            None => resource.unread(name, &malformed(&SERVER_CERTIFICATES)),
        };
    }
    resource
}
