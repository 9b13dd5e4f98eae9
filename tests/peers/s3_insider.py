"""The hands of somebody with all rights over a bucket and no key to sign evidence with.

Usage: s3_insider.py ENDPOINT bucket BUCKET              makes a bucket with Object Lock
       s3_insider.py ENDPOINT overwrite BUCKET KEY...    writes something else over objects
       s3_insider.py ENDPOINT delete BUCKET KEY...       deletes objects the way everybody does
       s3_insider.py ENDPOINT purge BUCKET KEY           tries to delete every version for good; exits 3 if refused
"""

import sys

import boto3
import botocore.exceptions

endpoint, action, bucket, *keys = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="AKIAEXAMPLEEXAMPLE00",
    aws_secret_access_key="not-a-secret",
)
if action == "bucket":
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
elif action == "overwrite":
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"forged")
elif action == "delete":
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)
elif action == "purge":
    listed = s3.list_object_versions(Bucket=bucket, Prefix=keys[0])
    for version in listed.get("Versions", []):
        try:
            s3.delete_object(
                Bucket=bucket, Key=keys[0], VersionId=version["VersionId"], BypassGovernanceRetention=True
            )
        except botocore.exceptions.ClientError as error:
            print(error)
            sys.exit(3)
else:
    sys.exit(__doc__)
