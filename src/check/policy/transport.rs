//! Whether a bucket's policy turns away everyone who comes without TLS.

use serde_json::Value;

use super::parse::{Policy, Set, Statement};

/// Whether Deny statements for everyone, on every S3 action, without TLS as their only condition, cover both the bucket
/// and its objects. An Allow that asks for TLS denies nobody else, and a floor for the TLS version is another matter.
pub fn requires_tls(document: &Value, bucket: &str) -> Result<bool, String> {
    let policy = Policy::parse(document)?;
    let denies: Vec<&Statement<'_>> = policy.denies().filter(|statement| denies_plain_text(statement)).collect();
    Ok(["aws", "aws-cn", "aws-us-gov"].iter().any(|partition| {
        let bucket = format!("arn:{partition}:s3:::{bucket}");
        let objects = format!("{bucket}/*");
        [bucket, objects].iter().all(|arn| denies.iter().any(|statement| statement.resources.covers(arn)))
    }))
}

fn denies_plain_text(statement: &Statement<'_>) -> bool {
    let [condition] = statement.conditions.as_slice() else { return false };
    statement.names_anyone()
        && statement.actions.holds_all_of(&Set::Only(vec!["s3:*"]), Set::covers_folded)
        && matches!(condition.operator.as_str(), "bool" | "boolifexists")
        && condition.key == "aws:securetransport"
        && condition.values.iter().any(|value| value.eq_ignore_ascii_case("false"))
}
