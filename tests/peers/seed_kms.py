"""Makes keys in an emulator's key service, and prints their labels and names as JSON.

Usage: seed_kms.py ENDPOINT
"""

import json
import sys

import boto3


def main() -> None:
    kms = boto3.client(
        "kms",
        endpoint_url=sys.argv[1],
        region_name="eu-central-1",
        aws_access_key_id="AKIAEXAMPLEEXAMPLE00",
        aws_secret_access_key="not-a-secret",
    )

    def key(spec: str, usage: str) -> dict:
        return kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]

    signs = key("ECC_NIST_P256", "SIGN_VERIFY")
    kms.create_alias(AliasName="alias/evidence", TargetKeyId=signs["KeyId"])
    print(
        json.dumps(
            {
                "alias": "alias/evidence",
                "arn": signs["Arn"],
                "encrypts": key("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")["KeyId"],
                "id": signs["KeyId"],
                "p384": key("ECC_NIST_P384", "SIGN_VERIFY")["KeyId"],
            }
        )
    )


main()
