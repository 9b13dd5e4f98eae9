"""Fills an AWS endpoint with a small company: well-kept things, neglected things, and things nobody asked for.

Usage: seed_company.py ENDPOINT

Meant for an emulator. Everything is invented; the account is the emulator's own 123456789012.
"""

import json
import sys

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
PARTNER = "210987654321"
STRANGER = "111122223333"
HOME = "eu-central-1"
REGIONS = [HOME, "us-east-1"]


def client(service, region=HOME):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=sys.argv[1],
        aws_access_key_id="AKIAEXAMPLEEXAMPLE00",
        aws_secret_access_key="not-a-secret",
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def without_account(request):
    request.url = request.url.replace(f"//{ACCOUNT}.", "//", 1)


def people():
    iam = client("iam")
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireSymbols=True, PasswordReusePrevention=5)
    iam.create_account_alias(AccountAlias="example-mills")

    for group in ("engineers", "admins", "auditors"):
        iam.create_group(GroupName=group)
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    iam.attach_group_policy(GroupName="admins", PolicyArn=administrator)
    iam.attach_group_policy(GroupName="auditors", PolicyArn="arn:aws:iam::aws:policy/SecurityAudit")

    # name, group, console, MFA device, access keys
    for name, group, console, mfa, keys in [
        ("alice", "admins", True, True, 0),
        ("bob", "engineers", True, True, 1),
        ("carol", "engineers", True, False, 1),
        ("dave", "engineers", True, False, 2),
        ("erin", "auditors", True, True, 0),
        ("build-robot", None, False, False, 1),
        ("mallory", None, True, False, 1),
    ]:
        iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": group or "none"}])
        if group:
            iam.add_user_to_group(UserName=name, GroupName=group)
        if console:
            iam.create_login_profile(UserName=name, Password="Correct-Horse-42!", PasswordResetRequired=False)
        if mfa:
            device = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
            iam.enable_mfa_device(
                UserName=name,
                SerialNumber=device["SerialNumber"],
                AuthenticationCode1="123456",
                AuthenticationCode2="654321",
            )
        for _ in range(keys):
            iam.create_access_key(UserName=name)
    iam.attach_user_policy(UserName="mallory", PolicyArn=administrator)
    iam.put_user_policy(
        UserName="build-robot", PolicyName="deploy", PolicyDocument=policy(allow(["s3:PutObject"], "arn:aws:s3:::*"))
    )

    documents = {
        "read-logs": policy(allow(["logs:Get*", "logs:Describe*"])),
        "all-powerful": policy(allow("*")),
        "unused-power": policy(allow("*")),
        "everything-but-iam": policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
    }
    made = {n: iam.create_policy(PolicyName=n, PolicyDocument=d)["Policy"]["Arn"] for n, d in documents.items()}
    iam.attach_group_policy(GroupName="engineers", PolicyArn=made["read-logs"])

    def trust(principal, action="sts:AssumeRole", **more):
        return policy({"Effect": "Allow", "Principal": principal, "Action": action, **more})

    github = iam.create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com",
        ClientIDList=["sts.amazonaws.com"],
        ThumbprintList=["a" * 40],
    )["OpenIDConnectProviderArn"]
    web = "sts:AssumeRoleWithWebIdentity"
    issuer = "token.actions.githubusercontent.com"
    roles = {
        "app-server": trust({"Service": "ec2.amazonaws.com"}),
        "evidenced-reader": trust(
            {"AWS": f"arn:aws:iam::{PARTNER}:root"}, Condition={"StringEquals": {"sts:ExternalId": "e-1234"}}
        ),
        "partner-without-external-id": trust({"AWS": f"arn:aws:iam::{STRANGER}:root"}),
        "open-to-the-world": trust({"AWS": "*"}),
        "github-one-repository": trust(
            {"Federated": github},
            web,
            Condition={
                "StringEquals": {
                    f"{issuer}:aud": "sts.amazonaws.com",
                    f"{issuer}:sub": "repo:example-mills/shop:ref:refs/heads/main",
                }
            },
        ),
        "github-any-repository": trust(
            {"Federated": github}, web, Condition={"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}}
        ),
    }
    for name, document in roles.items():
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    iam.attach_role_policy(RoleName="app-server", PolicyArn=made["all-powerful"])
    iam.attach_role_policy(RoleName="evidenced-reader", PolicyArn="arn:aws:iam::aws:policy/SecurityAudit")


def keys():
    made = {}
    for region in REGIONS:
        kms = client("kms", region)
        for alias, rotates, open_policy in [("records", True, False), ("shop", False, False), ("shared", True, True)]:
            key = kms.create_key(Description=alias)["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
            if rotates:
                kms.enable_key_rotation(KeyId=key)
            if open_policy:
                kms.put_key_policy(
                    KeyId=key, PolicyName="default", Policy=policy(allow("kms:*", Principal={"AWS": "*"}))
                )
            made[region, alias] = f"arn:aws:kms:{region}:{ACCOUNT}:key/{key}"
        doomed = kms.create_key(Description="old")["KeyMetadata"]["KeyId"]
        kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=30)
    return made


def buckets(key):
    s3 = client("s3")
    block = dict.fromkeys(
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True
    )

    def bucket(name, region=HOME, lock=False):
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client("s3", region).create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock, **where)
        return name

    def tls_only(name, *more):
        resources = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": resources,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        s3.put_bucket_policy(Bucket=name, Policy=policy(deny, *more))

    def encrypt(name, rule):
        rules = [{"ApplyServerSideEncryptionByDefault": rule, "BucketKeyEnabled": True}]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})

    logs = bucket("example-mills-logs", lock=True)
    trail = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": ["s3:PutObject", "s3:GetBucketAcl"],
        "Resource": [f"arn:aws:s3:::{logs}", f"arn:aws:s3:::{logs}/*"],
    }
    tls_only(logs, trail)
    s3.put_public_access_block(Bucket=logs, PublicAccessBlockConfiguration=block)
    s3.put_bucket_ownership_controls(
        Bucket=logs, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_object_lock_configuration(
        Bucket=logs,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 400}},
        },
    )
    encrypt(logs, {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key[HOME, "records"]})

    invoices = bucket("example-mills-invoices")
    tls_only(invoices)
    encrypt(invoices, {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key[HOME, "records"]})
    s3.put_public_access_block(Bucket=invoices, PublicAccessBlockConfiguration=block)
    s3.put_bucket_versioning(Bucket=invoices, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_lifecycle_configuration(
        Bucket=invoices,
        LifecycleConfiguration={
            "Rules": [{"ID": "ten-years", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 3650}}]
        },
    )
    s3.put_bucket_tagging(
        Bucket=invoices,
        Tagging={"TagSet": [{"Key": "class", "Value": "records"}, {"Key": "owner", "Value": "finance"}]},
    )

    website = bucket("example-mills-website")
    s3.put_bucket_policy(
        Bucket=website,
        Policy=policy(allow("s3:GetObject", f"arn:aws:s3:::{website}/*", Principal="*", Sid="Everybody")),
    )
    s3.put_bucket_acl(Bucket=bucket("example-mills-old-uploads"), ACL="public-read-write")
    bucket("example-mills-scratch", "us-east-1")

    shared = bucket("example-mills-partner-drop")
    arns = [f"arn:aws:s3:::{shared}", f"arn:aws:s3:::{shared}/*"]
    foreign = {"AWS": f"arn:aws:iam::{STRANGER}:root"}
    s3.put_bucket_policy(
        Bucket=shared, Policy=policy(allow(["s3:PutObject", "s3:GetObject", "s3:PutBucketPolicy"], arns, Principal=foreign))
    )
    s3.put_bucket_versioning(Bucket=shared, VersioningConfiguration={"Status": "Suspended"})

    control = client("s3control")
    # S3 Control puts the account before the host, which no loopback address resolves.
    control.meta.events.register("before-sign.s3-control", lambda request, **_: without_account(request))
    control.put_public_access_block(
        AccountId=ACCOUNT,
        PublicAccessBlockConfiguration={**block, "BlockPublicPolicy": False, "RestrictPublicBuckets": False},
    )
    return logs


def logging(bucket, key):
    logs, alarms, topics = client("logs"), client("cloudwatch"), client("sns")
    group = "/audit/trail"
    logs.create_log_group(logGroupName=group, kmsKeyId=key[HOME, "records"])
    logs.put_retention_policy(logGroupName=group, retentionInDays=400)
    logs.create_log_group(logGroupName="/app/shop")
    logs.create_log_group(logGroupName="/app/worker")
    logs.put_retention_policy(logGroupName="/app/worker", retentionInDays=7)

    topic = topics.create_topic(Name="security")["TopicArn"]
    topics.subscribe(TopicArn=topic, Protocol="email", Endpoint="security@example.com")
    for name, pattern in {
        "root-use": '{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS && '
        '$.eventType != "AwsServiceEvent" }',
        "unauthorised-calls": '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
        "trail-changes": "{ ($.eventName = CreateTrail) || ($.eventName = UpdateTrail) || ($.eventName = DeleteTrail) "
        "|| ($.eventName = StartLogging) || ($.eventName = StopLogging) }",
    }.items():
        logs.put_metric_filter(
            logGroupName=group,
            filterName=name,
            filterPattern=pattern,
            metricTransformations=[{"metricName": name, "metricNamespace": "Security", "metricValue": "1"}],
        )
        alarms.put_metric_alarm(
            AlarmName=name,
            MetricName=name,
            Namespace="Security",
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            AlarmActions=[topic] if name != "trail-changes" else [],
        )

    role = client("iam").create_role(
        RoleName="trail-to-logs",
        AssumeRolePolicyDocument=policy(
            {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ),
    )["Role"]["Arn"]
    trails = client("cloudtrail")
    trails.create_trail(
        Name="company",
        S3BucketName=bucket,
        IsMultiRegionTrail=True,
        IncludeGlobalServiceEvents=True,
        EnableLogFileValidation=True,
        KmsKeyId=key[HOME, "records"],
        CloudWatchLogsLogGroupArn=f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:{group}:*",
        CloudWatchLogsRoleArn=role,
    )
    trails.start_logging(Name="company")
    trails.put_event_selectors(
        TrailName="company",
        EventSelectors=[
            {
                "ReadWriteType": "All",
                "IncludeManagementEvents": True,
                "DataResources": [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{bucket}/"]}],
            }
        ],
    )
    trails.create_trail(Name="forgotten", S3BucketName="example-mills-scratch")


def guards(bucket):
    config = client("config")
    config.put_configuration_recorder(
        ConfigurationRecorder={
            "name": "default",
            "roleARN": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig",
            "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
        }
    )
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": bucket})
    config.start_configuration_recorder(ConfigurationRecorderName="default")

    guardduty = client("guardduty")
    guardduty.create_detector(Enable=True, FindingPublishingFrequency="FIFTEEN_MINUTES")
    client("securityhub").enable_security_hub(EnableDefaultStandards=True)
    client("account").put_alternate_contact(
        AlternateContactType="SECURITY",
        EmailAddress="security@example.com",
        Name="Security",
        PhoneNumber="+49 30 0000000",
        Title="Security team",
    )


def certificates():
    # A certificate that names nobody and is accepted by nobody; an emulator does not look inside.
    body = "-----BEGIN CERTIFICATE-----\nMIIBexample\n-----END CERTIFICATE-----"
    client("iam").upload_server_certificate(
        ServerCertificateName="old-shop", CertificateBody=body, PrivateKey="not-a-key"
    )


def main():
    people()
    key = keys()
    bucket = buckets(key)
    logging(bucket, key)
    guards(bucket)
    certificates()


if __name__ == "__main__":
    main()
