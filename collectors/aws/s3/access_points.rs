//! Access points: a second door into a bucket whose policy leaves the decision to them.
//!
//! A policy that lets everybody in on condition that he comes through an access point of the account is not public to
//! S3; whether the bucket is, the access points' own policies say. They are read for such buckets only.

use aws_sdk_s3control::Client;
use aws_sdk_s3control::types::NetworkOrigin;
use evidenced_model::{Refusal, Scope};
use serde_json::Value;

use super::operations::{GET_ACCESS_POINT, GET_ACCESS_POINT_POLICY_STATUS, LIST_ACCESS_POINTS};
use crate::Session;
use crate::values::malformed;

/// To whose access points a bucket policy leaves the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Delegation {
    /// To those of the bucket's own account.
    pub(super) own: bool,
    /// To those of other accounts, which cannot be read from here.
    pub(super) foreign: bool,
}

/// Conditions on who calls or from where: with one of them beside the access point, strangers stay out.
const NARROWING: &[&str] = &[
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourcevpc",
    "aws:sourcevpce",
];

impl Delegation {
    /// Reads it off a normalised policy: Allow statements for everybody that name access points in a condition.
    pub(super) fn of(policy: &Value, account: &str) -> Self {
        let mut found = Self::default();
        for statement in policy["Statement"].as_array().into_iter().flatten() {
            if statement["Effect"] == "Allow" && for_everybody(statement) {
                found.add(statement, account);
            }
        }
        found
    }

    fn add(&mut self, statement: &Value, account: &str) {
        let conditions = || {
            let operators = statement["Condition"].as_object().into_iter().flatten();
            operators.flat_map(|(operator, keys)| {
                keys.as_object()
                    .into_iter()
                    .flatten()
                    .map(move |(key, values)| (operator, key.to_ascii_lowercase(), values))
            })
        };
        if conditions().any(|(operator, key, _)| positive(operator) && NARROWING.contains(&key.as_str())) {
            return;
        }
        for (operator, key, values) in conditions() {
            let by_account = key == "s3:dataaccesspointaccount";
            if !by_account && key != "s3:dataaccesspointarn" {
                continue;
            }
            for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
                let named = if by_account { value } else { value.split(':').nth(4).unwrap_or_default() };
                let own = positive(operator) && named == account;
                self.own |= own;
                self.foreign |= !own;
            }
        }
    }
}

fn for_everybody(statement: &Value) -> bool {
    let anybody =
        |kind: &str| statement["Principal"][kind].as_array().is_some_and(|names| names.iter().any(|name| name == "*"));
    anybody("*") || anybody("AWS") || statement.get("NotPrincipal").is_some()
}

/// Whether a condition's operator asks for the values (and does not shut them out, or hold when the key is missing).
fn positive(operator: &str) -> bool {
    !operator.contains("Not") && !operator.ends_with("IfExists") && operator != "Null"
}

/// The access points of a bucket, of its own account, that let the public in.
pub(super) async fn open(
    session: &Session,
    client: &Client,
    scope: &Scope,
    bucket: &str,
) -> Result<Vec<String>, Refusal> {
    let account = session.account().as_str();
    let (mut names, mut token) = (Vec::new(), None);
    loop {
        let attempt =
            || client.list_access_points().account_id(account).bucket(bucket).set_next_token(token.clone()).send();
        let page = session.call(scope, &LIST_ACCESS_POINTS, attempt).await?;
        let points = page.access_point_list.ok_or_else(|| malformed(&LIST_ACCESS_POINTS))?;
        let reachable = |point: &aws_sdk_s3control::types::AccessPoint| point.network_origin != NetworkOrigin::Vpc;
        names.extend(points.into_iter().filter(reachable).map(|point| point.name));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    let mut open = Vec::new();
    for name in names {
        if is_open(session, client, scope, &name).await? {
            open.push(name);
        }
    }
    open.sort();
    Ok(open)
}

/// Whether a point's policy is public and its own block does not shut it.
async fn is_open(session: &Session, client: &Client, scope: &Scope, name: &str) -> Result<bool, Refusal> {
    let account = session.account().as_str();
    let attempt = || client.get_access_point_policy_status().account_id(account).name(name).send();
    let Some(answer) = session.call_optional(scope, &GET_ACCESS_POINT_POLICY_STATUS, attempt).await? else {
        return Ok(false);
    };
    let status = answer.policy_status.ok_or_else(|| malformed(&GET_ACCESS_POINT_POLICY_STATUS))?;
    if !status.is_public {
        return Ok(false);
    }
    let point = session
        .call(scope, &GET_ACCESS_POINT, || client.get_access_point().account_id(account).name(name).send())
        .await?;
    let block = point.public_access_block_configuration.ok_or_else(|| malformed(&GET_ACCESS_POINT))?;
    Ok(!block.restrict_public_buckets.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delegation(principal: &Value, condition: &Value) -> Delegation {
        let document = json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*", "Condition": condition}});
        let policy = crate::policy::parse(&document.to_string()).unwrap();
        Delegation::of(&policy, "123456789012")
    }

    #[test]
    fn a_policy_can_leave_the_decision_to_access_points() {
        const OWN: Delegation = Delegation { own: true, foreign: false };
        const FOREIGN: Delegation = Delegation { own: false, foreign: true };
        const NONE: Delegation = Delegation { own: false, foreign: false };
        let account = json!({"StringEquals": {"s3:DataAccessPointAccount": "123456789012"}});
        for (principal, condition, expected) in [
            (json!("*"), account.clone(), OWN),
            (json!({"AWS": "*"}), account.clone(), OWN),
            // Somebody named is not the public.
            (json!({"AWS": "arn:aws:iam::210987654321:root"}), account, NONE),
            (json!("*"), json!({}), NONE),
            (
                json!("*"),
                json!({"StringLike": {"s3:dataaccesspointarn": "arn:aws:s3:eu-west-1:123456789012:accesspoint/*"}}),
                OWN,
            ),
            (json!("*"), json!({"StringEquals": {"s3:DataAccessPointAccount": "210987654321"}}), FOREIGN),
            (json!("*"), json!({"StringLike": {"s3:DataAccessPointAccount": "*"}}), FOREIGN),
            (json!("*"), json!({"StringNotEquals": {"s3:DataAccessPointAccount": "123456789012"}}), FOREIGN),
            (
                json!("*"),
                json!({"StringEquals": {"s3:DataAccessPointAccount": "123456789012", "aws:PrincipalOrgID": "o-exampleorgid"}}),
                NONE,
            ),
        ] {
            assert_eq!(delegation(&principal, &condition), expected, "{principal} {condition}");
        }
    }
}
