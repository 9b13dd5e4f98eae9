//! Which actions only look: by their verbs, and where verbs mislead, by name.

use super::glob::covers_folded;
use super::parse::Set;

/// Verbs that change nothing.
const READING: &[&str] = &[
    "get",
    "list",
    "describe",
    "head",
    "batchget",
    "batchdescribe",
    "lookup",
    "view",
    "check",
    "search",
    "select",
    "query",
    "scan",
    "filter",
    "discover",
    "estimate",
    "validate",
    "simulate",
    "preview",
    "test",
];

/// Actions of other verbs that change nothing but a report that the provider keeps.
const HARMLESS: &[&str] = &[
    "iam:GenerateCredentialReport",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:GenerateOrganizationsAccessReport",
];

/// Actions with reading verbs that hand out content, credentials or code (as of 2026-01).
const DATA: &[&str] = &[
    "appconfig:GetConfiguration",
    "appconfig:GetLatestConfiguration",
    "athena:GetQueryResults",
    "athena:GetQueryResultsStream",
    "cassandra:Select",
    "codeartifact:GetAuthorizationToken",
    "codeartifact:GetPackageVersionAsset",
    "codecommit:GetBlob",
    "codecommit:GetDifferences",
    "codecommit:GetFile",
    "codecommit:GetFolder",
    "cognito-identity:GetCredentialsForIdentity",
    "cognito-identity:GetOpenIdToken",
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:GetRecords",
    "dynamodb:Query",
    "dynamodb:Scan",
    "ebs:GetSnapshotBlock",
    "ec2:GetConsoleOutput",
    "ec2:GetConsoleScreenshot",
    "ec2:GetPasswordData",
    "ecr-public:GetAuthorizationToken",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "glacier:GetJobOutput",
    "glue:GetConnection",
    "glue:GetConnections",
    "healthlake:SearchWithGet",
    "kinesis:GetRecords",
    "kinesisvideo:GetMedia",
    "lambda:GetFunction",
    "lambda:GetLayerVersion",
    "lightsail:GetInstanceAccessDetails",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:GetLogRecord",
    "logs:GetQueryResults",
    "mediastore:GetObject",
    "redshift-data:GetStatementResult",
    "redshift-serverless:GetCredentials",
    "redshift:GetClusterCredentials",
    "redshift:GetClusterCredentialsWithIAM",
    "s3-object-lambda:GetObject",
    "s3:GetObject",
    "s3:GetObjectTorrent",
    "s3:GetObjectVersion",
    "s3:SelectObjectContent",
    "s3express:GetObject",
    "s3tables:GetTableData",
    "sdb:Select",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameterHistory",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
    "sso:GetRoleCredentials",
    "sts:GetFederationToken",
    "sts:GetSessionToken",
    "timestream:Select",
    "workmail:GetRawMessageContent",
];

/// Whether the set allows anything but reading.
pub(super) fn writes(actions: &Set<'_>) -> bool {
    match actions {
        Set::Only(patterns) => patterns.iter().any(|pattern| !only_reads(pattern)),
        Set::AllBut(patterns) => !patterns.iter().any(|pattern| covers_folded(pattern, "*")),
    }
}

/// Whether everything that the pattern matches has a reading verb.
pub(super) fn only_reads(pattern: &str) -> bool {
    let Some((_, verb)) = pattern.split_once(':') else { return false };
    let fixed = verb.split(['*', '?']).next().unwrap_or_default().to_ascii_lowercase();
    READING.iter().any(|reading| fixed.starts_with(reading))
        || HARMLESS.iter().any(|harmless| pattern.eq_ignore_ascii_case(harmless))
}

/// Whether the pattern reaches an action that hands out data.
pub(super) fn reaches_data(pattern: &str) -> bool {
    DATA.iter().any(|action| covers_folded(pattern, action))
}
