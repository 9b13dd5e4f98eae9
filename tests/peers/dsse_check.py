"""Lets securesystemslib, somebody else's DSSE implementation, check an envelope.

Usage: dsse_check.py ENVELOPE PUBLIC_KEY.pem

Prints the subjects of the statement inside; ends 1 where the signature does not verify.
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey


def main():
    with open(sys.argv[1], "rb") as file:
        envelope = Envelope.from_dict(json.load(file))
    with open(sys.argv[2], "rb") as file:
        public = load_pem_public_key(file.read())
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = SSlibKey.from_crypto(public, hashlib.sha256(der).hexdigest())
    try:
        envelope.verify([key], threshold=1)
    except VerificationError as error:
        sys.exit(f"not signed by this key: {error}")
    if envelope.payload_type != "application/vnd.in-toto+json":
        sys.exit(f"unexpected payload type {envelope.payload_type}")
    for subject in json.loads(envelope.payload)["subject"]:
        print(subject["name"], subject["digest"]["sha256"])


main()
