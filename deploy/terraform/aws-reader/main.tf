# The role by which an agent reads an account: what its collectors ask for, and nothing else. Apply it in each account that
# is read, the agent's own excepted: there, attach the policy to the agent's role.
#
# The list is that of `evidenced collectors list --format json`, and deploy/cloudformation/reader-role.yaml has it too.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

data "aws_iam_policy_document" "read" {
  statement {
    sid       = "ReadConfiguration"
    resources = ["*"]
    actions = [
      "access-analyzer:ListAnalyzers",
      "access-analyzer:ListArchiveRules",
      "access-analyzer:ListFindings",
      "account:GetAlternateContact",
      "account:GetContactInformation",
      "account:ListRegions",
      "cloudtrail:DescribeTrails",
      "cloudtrail:GetEventSelectors",
      "cloudtrail:GetInsightSelectors",
      "cloudtrail:GetTrailStatus",
      "cloudwatch:DescribeAlarms",
      "config:DescribeComplianceByConfigRule",
      "config:DescribeConfigurationRecorderStatus",
      "config:DescribeConfigurationRecorders",
      "config:DescribeDeliveryChannelStatus",
      "config:DescribeDeliveryChannels",
      "guardduty:GetDetector",
      "guardduty:GetFindings",
      "guardduty:ListDetectors",
      "guardduty:ListFilters",
      "guardduty:ListFindings",
      "iam:GenerateCredentialReport",
      "iam:GetAccountAuthorizationDetails",
      "iam:GetAccountPasswordPolicy",
      "iam:GetAccountSummary",
      "iam:GetCredentialReport",
      "iam:ListAccessKeys",
      "iam:ListMFADevices",
      "iam:ListOpenIDConnectProviders",
      "iam:ListOrganizationsFeatures",
      "iam:ListSAMLProviders",
      "iam:ListServerCertificates",
      "iam:ListVirtualMFADevices",
      "kms:DescribeKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListAliases",
      "kms:ListGrants",
      "kms:ListKeys",
      "logs:DescribeLogGroups",
      "logs:DescribeMetricFilters",
      "s3:GetAccessPoint",
      "s3:GetAccessPointPolicyStatus",
      "s3:GetAccountPublicAccessBlock",
      "s3:GetBucketAcl",
      "s3:GetBucketLocation",
      "s3:GetBucketLogging",
      "s3:GetBucketObjectLockConfiguration",
      "s3:GetBucketOwnershipControls",
      "s3:GetBucketPolicy",
      "s3:GetBucketPolicyStatus",
      "s3:GetBucketPublicAccessBlock",
      "s3:GetBucketTagging",
      "s3:GetBucketVersioning",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
      "s3:GetReplicationConfiguration",
      "s3:ListAccessPoints",
      "s3:ListAllMyBuckets",
      "s3:ListBucket",
      "securityhub:DescribeHub",
      "securityhub:GetEnabledStandards",
      "sns:ListSubscriptionsByTopic",
      "sso:ListInstances",
    ]
  }

  # What `evidenced doctor` asks: whether the permissions above are there.
  statement {
    sid       = "Doctor"
    resources = ["*"]
    actions   = ["iam:GetRole", "iam:SimulatePrincipalPolicy"]
  }
}

# Whatever else is attached to this role one day: contents, secrets and keys are not for it. The agent's own role must not
# have this, since it reads its store.
data "aws_iam_policy_document" "no_data" {
  statement {
    sid       = "NoContents"
    effect    = "Deny"
    resources = ["*"]
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:GetItem",
      "dynamodb:PartiQLSelect",
      "dynamodb:Query",
      "dynamodb:Scan",
      "ecr:GetDownloadUrlForLayer",
      "kinesis:GetRecords",
      "kms:Decrypt",
      "kms:GenerateDataKey*",
      "kms:ReEncrypt*",
      "lambda:GetFunction",
      "logs:FilterLogEvents",
      "logs:GetLogEvents",
      "logs:GetLogRecord",
      "logs:StartQuery",
      "logs:Unmask",
      "rds-data:*",
      "redshift-data:*",
      "s3:GetObject*",
      "s3:ListBucketVersions",
      "s3:ListMultipartUploadParts",
      "secretsmanager:BatchGetSecretValue",
      "secretsmanager:GetSecretValue",
      "sqs:ReceiveMessage",
      "ssm:GetParameter*",
    ]
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [var.agent]
    }

    # The same as external_id in the config. It keeps a third party that reads for several customers from being talked
    # into reading the wrong one; it is no password.
    dynamic "condition" {
      for_each = var.external_id == "" ? [] : [var.external_id]

      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [condition.value]
      }
    }
  }
}

resource "aws_iam_policy" "read" {
  name        = var.role
  description = "What evidenced reads"
  policy      = data.aws_iam_policy_document.read.json
}

resource "aws_iam_role" "reader" {
  count = var.agent == "" ? 0 : 1

  name                 = var.role
  description          = "evidenced reads configuration by it"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
}

resource "aws_iam_role_policy_attachment" "read" {
  count = var.agent == "" ? 0 : 1

  role       = aws_iam_role.reader[0].name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_role_policy" "no_data" {
  count = var.agent == "" ? 0 : 1

  name   = "no-contents"
  role   = aws_iam_role.reader[0].name
  policy = data.aws_iam_policy_document.no_data.json
}
