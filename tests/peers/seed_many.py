"""Fills the emulator with N buckets and N users, in the shapes that a long-lived account has. Usage: seed_many.py URL N"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

url, count = sys.argv[1], int(sys.argv[2])
session = boto3.session.Session(
    aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="not-a-secret", region_name="us-east-1"
)
options = {"endpoint_url": url, "config": Config(max_pool_connections=16, s3={"addressing_style": "path"})}
s3 = session.client("s3", **options)
iam = session.client("iam", **options)


def bucket(number):
    name = f"example-bucket-{number:05}"
    s3.create_bucket(Bucket=name)
    if number % 2 == 0:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if number % 3 == 0:
        statement = {
            "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    if number % 5 == 0:
        block = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    if number % 7 == 0:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "team", "Value": f"team-{number % 13}"}]})


def user(number):
    name = f"user-{number:05}"
    iam.create_user(UserName=name)
    if number % 2 == 0:
        iam.create_login_profile(UserName=name, Password="Example-password-1")
    if number % 3 == 0:
        iam.create_access_key(UserName=name)
    if number % 11 == 0:
        iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")


with ThreadPoolExecutor(8) as pool:
    list(pool.map(bucket, range(count)))
    list(pool.map(user, range(count)))
