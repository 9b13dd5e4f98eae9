"""A reverse proxy before fake-gcs-server, which stores retentions of objects and does not say so of its buckets.

Usage: retention_proxy.py HOST:PORT

Prints its port as the first line of standard output, and ends when standard input is closed. Adds `objectRetention`
to what the server says of a bucket; everything else goes through as it is.
"""

import http.client
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_request(self):
        body = self.body()
        upstream = http.client.HTTPConnection(sys.argv[1], timeout=60)
        skipped = ("connection", "content-length", "host", "transfer-encoding")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        upstream.request(self.command, self.path, body=body, headers=headers)
        response = upstream.getresponse()
        answer = response.read()
        if self.command == "GET" and response.status == 200 and re.fullmatch(r"/storage/v1/b/[^/?]+", self.path):
            answer = json.dumps({**json.loads(answer), "objectRetention": {"mode": "Enabled"}}).encode()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in skipped + ("date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.buffer.read()
