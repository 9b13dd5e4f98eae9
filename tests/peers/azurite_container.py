"""Makes a container in Azurite: azurite_container.py PORT ACCOUNT CONTAINER, with the account's key in AZURITE_KEY.

Signs by itself, so that what is tested is not also what sets the test up.
"""

import base64
import hashlib
import hmac
import http.client
import os
import sys
from email.utils import formatdate

port, account, container = sys.argv[1:]
date = formatdate(usegmt=True)
path = f"/{account}/{container}"
headers = {"x-ms-date": date, "x-ms-version": "2021-12-02"}
canonical = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
text = "PUT" + "\n" * 12 + canonical + f"/{account}{path}\nrestype:container"
signature = hmac.new(base64.b64decode(os.environ["AZURITE_KEY"]), text.encode(), hashlib.sha256).digest()
headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(signature).decode()}"
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
connection.request("PUT", f"{path}?restype=container", headers={**headers, "Content-Length": "0"})
answer = connection.getresponse()
if answer.status != 201:
    sys.exit(f"{answer.status}: {answer.read().decode()}")
