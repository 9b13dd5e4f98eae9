//! Whom AWS calls about an account. The contacts are people: only that they are there is kept, and a mail domain.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_account::Client;
use aws_sdk_account::types::{AlternateContact, AlternateContactType};
use evidenced_kit::{Collector, Manifest, Operation, Out, Per, Reach};
use evidenced_model::{Refusal, Resource, Scope};

use crate::Session;
use crate::values::{kind, malformed};

const CONTACTS: &str = "aws.account.contacts";

static ALTERNATE: Operation = Operation {
    call: "account:GetAlternateContact",
    permission: "account:GetAlternateContact",
    absent: &["ResourceNotFoundException"],
    per: Per::Start,
};
static PRIMARY: Operation = Operation {
    call: "account:GetContactInformation",
    permission: "account:GetContactInformation",
    absent: &["ResourceNotFoundException"],
    per: Per::Start,
};

/// What the collector of contacts reads and needs.
pub(crate) static MANIFEST: Manifest = Manifest {
    id: "aws.account",
    title: "The account's contacts",
    kinds: &[CONTACTS],
    reach: Reach::Account,
    operations: &[&ALTERNATE, &PRIMARY],
};

/// Reads the contacts of one account.
pub(crate) struct Account {
    session: Arc<Session>,
}

#[async_trait]
impl Collector for Account {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn collect(&self, scope: &Scope, out: &mut Out) {
        let scope = scope.global();
        let client = self.session.account_management(&self.session.home());
        let mut resource = Resource::new(kind(CONTACTS), self.session.account().as_str(), scope.clone());
        let security = self.alternate(&client, &scope, AlternateContactType::Security).await;
        match &security {
            Ok(contact) => {
                let domain = contact.as_ref().and_then(|contact| contact.email_address.as_deref());
                resource.optional("security_domain", domain.and_then(domain_of));
            }
            Err(refusal) => drop(resource.unread("security_domain", refusal)),
        }
        present(&mut resource, "security", security);
        for (name, class) in
            [("operations", AlternateContactType::Operations), ("billing", AlternateContactType::Billing)]
        {
            present(&mut resource, name, self.alternate(&client, &scope, class).await);
        }
        let attempt = || client.get_contact_information().send();
        let primary = match self.session.call_optional(&scope, &PRIMARY, attempt).await {
            Ok(Some(answer)) => answer.contact_information.map(Some).ok_or_else(|| malformed(&PRIMARY)),
            Ok(None) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        present(&mut resource, "primary", primary);
        out.resource(resource).await;
        out.complete(CONTACTS).await;
    }
}

impl Account {
    /// A collector with these credentials.
    pub(crate) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    /// One of the contacts beside the primary one. The account is that of the credentials, so it is not named: the
    /// management account may not name itself.
    async fn alternate(
        &self,
        client: &Client,
        scope: &Scope,
        class: AlternateContactType,
    ) -> Result<Option<AlternateContact>, Refusal> {
        let attempt = || client.get_alternate_contact().alternate_contact_type(class.clone()).send();
        match self.session.call_optional(scope, &ALTERNATE, attempt).await? {
            Some(answer) => answer.alternate_contact.map(Some).ok_or_else(|| malformed(&ALTERNATE)),
            None => Ok(None),
        }
    }
}

fn present<T>(resource: &mut Resource, name: &str, contact: Result<Option<T>, Refusal>) {
    match contact {
        Ok(contact) => resource.read(name, contact.is_some()),
        Err(refusal) => resource.unread(name, &refusal),
    };
}

/// The part of a mail address that names nobody.
fn domain_of(address: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@')?;
    (!domain.is_empty()).then(|| domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::domain_of;

    #[test]
    fn only_the_domain_is_kept() {
        assert_eq!(domain_of("Security.Team@Example.com").as_deref(), Some("example.com"));
        assert_eq!(domain_of("nobody"), None);
        assert_eq!(domain_of("nobody@"), None);
    }
}
