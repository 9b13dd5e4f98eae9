//! The least that the collectors need, as a policy: JSON, `CloudFormation`, Terraform.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use evidenced_kit::PermissionForm;
use serde_json::json;

/// Prints what is needed; `None` for a form that AWS does not know.
pub(crate) fn print(needed: &BTreeSet<&'static str>, form: PermissionForm) -> Option<String> {
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "EvidencedReads", "Effect": "Allow", "Action": needed, "Resource": "*"}]});
    match form {
        PermissionForm::Json => Some(serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"),
        PermissionForm::Cloudformation => Some(cloudformation(needed)),
        PermissionForm::Terraform => Some(terraform(needed)),
        PermissionForm::Bicep => None,
    }
}

fn cloudformation(needed: &BTreeSet<&'static str>) -> String {
    let mut text = String::from(
        "AWSTemplateFormatVersion: \"2010-09-09\"\n\
         Description: A role that reads how resources are configured, as evidence; it changes nothing and reads no content.\n\
         Parameters:\n  Collector:\n    Type: String\n    Description: ARN of the principal that takes on the role\n  \
         ExternalId:\n    Type: String\n    NoEcho: true\n\
         Resources:\n  Reader:\n    Type: AWS::IAM::Role\n    Properties:\n      RoleName: evidenced-reader\n      \
         AssumeRolePolicyDocument:\n        Version: \"2012-10-17\"\n        Statement:\n          - Effect: Allow\n            \
         Principal: { AWS: !Ref Collector }\n            Action: sts:AssumeRole\n            \
         Condition: { StringEquals: { \"sts:ExternalId\": !Ref ExternalId } }\n      \
         Policies:\n        - PolicyName: evidenced-reads\n          PolicyDocument:\n            Version: \"2012-10-17\"\n            \
         Statement:\n              - Effect: Allow\n                Resource: \"*\"\n                Action:\n",
    );
    for action in needed {
        let _ = writeln!(text, "                  - {action}");
    }
    text
}

fn terraform(needed: &BTreeSet<&'static str>) -> String {
    let mut text = String::from(
        "data \"aws_iam_policy_document\" \"evidenced\" {\n  statement {\n    sid       = \"EvidencedReads\"\n    \
         effect    = \"Allow\"\n    resources = [\"*\"]\n    actions = [\n",
    );
    for action in needed {
        let _ = writeln!(text, "      \"{action}\",");
    }
    text.push_str(
        "    ]\n  }\n}\n\nresource \"aws_iam_policy\" \"evidenced\" {\n  name   = \"evidenced-reads\"\n  \
         policy = data.aws_iam_policy_document.evidenced.json\n}\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_holds_each_permission_of_the_manifests_once() {
        let manifests = crate::manifests();
        let operations = manifests.iter().flat_map(|manifest| manifest.operations.iter());
        let needed: BTreeSet<&'static str> = operations.map(|operation| operation.permission).collect();
        for form in [PermissionForm::Json, PermissionForm::Cloudformation, PermissionForm::Terraform] {
            let text = print(&needed, form).unwrap();
            for permission in &needed {
                let found = text.lines().filter(|line| line.trim_matches([' ', '"', ',', '-']) == *permission);
                assert_eq!(found.count(), 1, "{form:?}: {permission}");
            }
        }
        assert!(print(&needed, PermissionForm::Bicep).is_none());
    }
}
