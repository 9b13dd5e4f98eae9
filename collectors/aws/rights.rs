//! What an identity may do, as IAM's own simulator says.
//!
//! It weighs the identity's policies, its boundary and what the organisation allows, for any resource (`*`): a permission
//! that is granted for some resources only counts as lacking. Policies of the resources themselves are not weighed.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use evidenced_kit::{Operation, Per, Rights, Weighed};
use evidenced_model::{Cause, Refusal, Region, Scope};

use crate::client::{Session, provider};
use crate::values::{malformed, pages};

static SIMULATE: Operation = Operation {
    call: "iam:SimulatePrincipalPolicy",
    permission: "iam:SimulatePrincipalPolicy",
    absent: &[],
    per: Per::Start,
};
static GET_ROLE: Operation = Operation { call: "iam:GetRole", permission: "iam:GetRole", absent: &[], per: Per::Start };

/// So many permissions are asked about at once.
const AT_ONCE: usize = 100;

/// The rights of one identity.
pub(crate) struct Simulated {
    session: Arc<Session>,
    /// As STS names it.
    caller: String,
}

/// What policies hang on.
#[derive(Debug, PartialEq, Eq)]
enum Holder<'a> {
    /// May do everything but what its organisation forbids; the simulator does not take it.
    Root,
    /// A user.
    User(&'a str),
    /// The name of a role; its path is not told.
    Role(&'a str),
    /// A federated user, or something new.
    Other,
}

impl Simulated {
    pub(crate) fn new(session: &Arc<Session>, caller: String) -> Self {
        Self { session: Arc::clone(session), caller }
    }

    fn scope(&self) -> Scope {
        Scope { account: self.session.account().clone(), provider: provider(), region: Region::global() }
    }

    /// The ARN of a role that somebody took on. Its path is told by IAM only.
    async fn role(&self, name: &str) -> Result<String, Refusal> {
        let client = self.session.iam(&self.session.home());
        let answer = self.session.call(&self.scope(), &GET_ROLE, || client.get_role().role_name(name).send()).await?;
        answer.role.map(|role| role.arn).ok_or_else(|| malformed(&GET_ROLE))
    }

    /// Those that are not allowed, of at most [`AT_ONCE`].
    async fn ask(&self, arn: &str, permissions: &[&'static str]) -> Result<BTreeSet<String>, Refusal> {
        let client = self.session.iam(&self.session.home());
        let (client, scope) = (&client, &self.scope());
        let (results, refused) = pages(&SIMULATE, |marker| async move {
            let names = Some(permissions.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
            let page = self.session.call(scope, &SIMULATE, || {
                let request = client.simulate_principal_policy().policy_source_arn(arn);
                request.set_action_names(names.clone()).set_marker(marker.clone()).send()
            });
            let page = page.await?;
            Ok((page.evaluation_results, page.marker.filter(|_| page.is_truncated)))
        })
        .await;
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        let mut silent: BTreeSet<String> = permissions.iter().map(|&name| name.to_owned()).collect();
        let mut lacking = BTreeSet::new();
        for result in results {
            silent.remove(&result.eval_action_name);
            if result.eval_decision != PolicyEvaluationDecisionType::Allowed {
                lacking.insert(result.eval_action_name);
            }
        }
        // Silence is no leave.
        if silent.is_empty() { Ok(lacking) } else { Err(malformed(&SIMULATE)) }
    }
}

#[async_trait]
impl Rights for Simulated {
    async fn weigh(&self, permissions: &BTreeSet<&'static str>) -> Result<Weighed, Refusal> {
        let arn = match holder(&self.caller) {
            Holder::Root => return Ok(Weighed::default()),
            Holder::User(arn) => arn.to_owned(),
            Holder::Role(name) => self.role(name).await?,
            Holder::Other => {
                return Err(Refusal {
                    call: SIMULATE.call.into(),
                    cause: Cause::Unsupported,
                    code: None,
                    permission: None,
                });
            }
        };
        let all: Vec<&'static str> = permissions.iter().copied().collect();
        let mut lacking = BTreeSet::new();
        for some in all.chunks(AT_ONCE) {
            let missing = self.ask(&arn, some).await?;
            lacking.extend(some.iter().copied().filter(|name| missing.contains(*name)));
        }
        Ok(Weighed { lacking, untold: BTreeSet::new() })
    }
}

/// What the policies of a caller hang on. See "IAM identifiers" in the IAM user guide.
fn holder(caller: &str) -> Holder<'_> {
    let mut words = caller.splitn(6, ':');
    let (service, resource) = (words.nth(2), words.nth(2));
    match (service, resource.map(|resource| resource.split_once('/').unwrap_or((resource, "")))) {
        (Some("iam"), Some(("root", ""))) => Holder::Root,
        (Some("iam"), Some(("user", _))) => Holder::User(caller),
        (Some("sts"), Some(("assumed-role", rest))) => {
            rest.split_once('/').map_or(Holder::Other, |(name, _)| Holder::Role(name))
        }
        _ => Holder::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_hang_on_users_and_roles() {
        let user = "arn:aws:iam::123456789012:user/ops/alice";
        for (caller, expected) in [
            ("arn:aws:iam::123456789012:root", Holder::Root),
            (user, Holder::User(user)),
            ("arn:aws:sts::123456789012:assumed-role/evidenced/evidenced-01", Holder::Role("evidenced")),
            ("arn:aws-cn:sts::123456789012:assumed-role/a/b", Holder::Role("a")),
            ("arn:aws:sts::123456789012:federated-user/bob", Holder::Other),
            ("arn:aws:sts::123456789012:assumed-role", Holder::Other),
            ("", Holder::Other),
        ] {
            assert_eq!(holder(caller), expected, "{caller}");
        }
    }
}
