"""Plants secrets wherever a careless company might have left one; all of them contain the word CANARY.

Usage: seed_secrets.py ENDPOINT
"""

from seed_company import allow, client, policy

PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIICANARY0123456789\n-----END RSA PRIVATE KEY-----"


def main():
    s3, iam, logs, kms, topics = (client(name) for name in ("s3", "iam", "logs", "kms", "sns"))
    bucket = "example-mills-website"
    tags = {
        "database": "postgres://shop:CANARYpassword@db.example.com/shop",
        "setting": "password=CANARYpassword123",
        "db_password": "CANARYhunter2hunter2",
        "token": "ghp_CANARY0123456789012345678901234567890",
    }
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]})
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=policy(
            allow(
                "s3:GetObject",
                f"arn:aws:s3:::{bucket}/*",
                Principal="*",
                Condition={"StringEquals": {"aws:UserAgent": "token=CANARYuserAgentToken"}},
            )
        ),
    )
    iam.create_user(UserName="robot", Tags=[{"Key": "key", "Value": PRIVATE_KEY.replace("\n", " ")}])
    iam.create_login_profile(UserName="robot", Password="CANARY-Password-42!", PasswordResetRequired=False)
    iam.upload_server_certificate(
        ServerCertificateName="leaky", CertificateBody="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        PrivateKey=PRIVATE_KEY,
    )
    key = kms.create_key(Description="password=CANARYdescription")["KeyMetadata"]["KeyId"]
    kms.put_key_policy(
        KeyId=key,
        PolicyName="default",
        Policy=policy(
            allow(
                "kms:Decrypt",
                Principal={"AWS": "arn:aws:iam::123456789012:root"},
                Condition={"StringEquals": {"kms:EncryptionContext:secret": "api_key=CANARYcontextKey"}},
            )
        ),
    )
    topic = next(t["TopicArn"] for t in topics.list_topics()["Topics"] if t["TopicArn"].endswith(":security"))
    topics.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://hook:CANARYhook@example.com/alert")
    logs.put_metric_filter(
        logGroupName="/audit/trail",
        filterName="leak",
        filterPattern='{ $.token = "token=CANARYfilterToken" }',
        metricTransformations=[{"metricName": "leak", "metricNamespace": "Security", "metricValue": "1"}],
    )


main()
