"""Makes a role that may read all of IAM, and all of S3 but the policies of buckets, and prints its name.

Usage: seed_role.py ENDPOINT
"""

import json
import sys

import boto3


def main() -> None:
    iam = boto3.client(
        "iam",
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        aws_access_key_id="AKIAEXAMPLEEXAMPLE00",
        aws_secret_access_key="not-a-secret",
    )

    def document(*statements: dict) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})

    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="evidenced", AssumeRolePolicyDocument=document(anybody))
    reads = {"Effect": "Allow", "Action": ["s3:*", "iam:*"], "Resource": "*"}
    no_policies = {"Effect": "Deny", "Action": "s3:GetBucketPolicy", "Resource": "*"}
    iam.put_role_policy(RoleName="evidenced", PolicyName="reads", PolicyDocument=document(reads, no_policies))
    print("evidenced")


if __name__ == "__main__":
    main()
