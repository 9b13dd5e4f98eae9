"""Changes the small company a little: a bucket is closed, one is new, one is gone.

Usage: seed_change.py ENDPOINT
"""

from seed_company import HOME, client


def main():
    s3 = client("s3")
    s3.delete_bucket_policy(Bucket="example-mills-website")
    s3.create_bucket(Bucket="example-mills-new", CreateBucketConfiguration={"LocationConstraint": HOME})
    client("s3", "us-east-1").delete_bucket(Bucket="example-mills-scratch")


main()
