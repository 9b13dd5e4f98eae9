"""Serves moto, a third-party emulator of AWS, on a free port of loopback.

Prints the port as the first line of standard output, and ends when standard input is closed: whoever started it
may die in any way, and the server is gone with it. Clocks, regions and answers are moto's own; what it does not serve
at all is answered with 501, not with an error that would be worth another try.
"""

import json
import logging
import os
import re
import sys
import threading

os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

from cheroot.wsgi import Server  # noqa: E402
from moto.backends import list_of_moto_modules  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: E402

# The one service that is asked for here and that moto does not know.
UNSERVED = {"access-analyzer"} - set(list_of_moto_modules())


def served(application):
    def unserved(start_response):
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", "UnknownOperationException")]
        start_response("501 Not Implemented", headers)
        return [json.dumps({"message": "moto does not serve this"}).encode()]

    def answer(environ, start_response):
        signed = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if signed and signed.group(1) in UNSERVED:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return unserved(start_response)
        try:
            return application(environ, start_response)
        except NotImplementedError:
            return unserved(start_response)

    return answer


def main() -> None:
    logging.getLogger("cheroot").setLevel(logging.ERROR)
    application = served(DomainDispatcherApplication(create_backend_app))
    # As AWS does, and unlike the server that moto brings along, this one keeps connections open.
    server = Server(("127.0.0.1", 0), application, numthreads=8, request_queue_size=256)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    print(server.bind_addr[1], flush=True)
    # moto prints remarks of its own, and whoever read the port does not read on.
    sys.stdout = sys.stderr
    sys.stdin.buffer.read()
    os._exit(0)


main()
