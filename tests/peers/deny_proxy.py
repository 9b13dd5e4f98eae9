"""A reverse proxy before an AWS endpoint that spoils single operations on request, and forwards everything else.

Usage: deny_proxy.py HOST:PORT

Prints its port as the first line of standard output, and ends when standard input is closed. Rules are set with
`PUT /_proxy/rules` and a JSON object of operations, named as `service:Operation` (`*` stands for every one), each
with what to do:

    deny        the service's own way of saying AccessDenied
    throttle    the service's own way of saying ThrottlingException
    truncate    half of the true answer, then the end of the connection
    garble      a 200 whose body is nonsense
    hold        no answer at all
    error       500 InternalError
    slow        503 SlowDown
    lose        the operation is done, and its answer is lost with the connection
    reset       the end of the connection before anything is done

Several of these with commas between them are used up one after another; what comes then is forwarded.

`GET /_proxy/seen` counts the operations since the rules were set; `GET /_proxy/await/service:Operation` answers as
soon as that operation was asked for.
"""

import collections
import http.client
import json
import re
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.session

# The name that a request is signed for -> our name of the service. What is not here has the same name.
NAMES = {"access-analyzer": "accessanalyzer", "monitoring": "cloudwatch"}
# Services with paths: our name -> botocore's name, whose models say which path is which operation.
PATHS = {
    "accessanalyzer": "accessanalyzer",
    "account": "account",
    "guardduty": "guardduty",
    "s3": "s3",
    "s3control": "s3control",
    "securityhub": "securityhub",
}


class Service:
    """Which method and path is which operation, by botocore's model of the service."""

    def __init__(self, name):
        model = botocore.session.get_session().get_service_model(PATHS[name])
        self.operations = []
        for operation in model.operation_names:
            described = model.operation_model(operation)
            if described.deprecated:
                continue
            http_trait = described.http
            template, _, query = http_trait["requestUri"].partition("?")
            literal = set(parse_qs(query, keep_blank_values=True))
            path = re.escape(template.rstrip("/"))
            path = re.sub(r"\\\{\w+\\\+\\\}", ".+", path)
            path = re.sub(r"\\\{\w+\\\}", "[^/]+", path)
            self.operations.append((http_trait["method"], re.compile(path + "/?"), literal, len(template), operation))
        # The most telling first: literal queries, then longer paths.
        self.operations.sort(key=lambda entry: (-len(entry[2]), -entry[3], len(entry[4]), entry[4]))

    def operation(self, method, path, query):
        for wanted, pattern, literal, _, operation in self.operations:
            if method == wanted and literal <= query and pattern.fullmatch(path):
                return operation
        return f"{method} {path}"


class State:
    lock = threading.Condition()
    rules = {}
    seen = collections.Counter()
    services = {}


def identify(method, target, headers, body):
    """The operation of a request, and the protocol that its answers are in."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", headers.get("Authorization", ""))
    signed = scope.group(1) if scope else "unsigned"
    service = NAMES.get(signed, signed)
    url = urlsplit(target)
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return f"{service}:{url.path.rsplit('/', 1)[1]}", "cbor"
    if "X-Amz-Target" in headers:
        return f"{service}:{headers['X-Amz-Target'].rsplit('.', 1)[1]}", "json"
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        form = parse_qs(body.decode("utf-8", "replace"))
        if "Action" in form:
            return f"{service}:{form['Action'][0]}", "query"
    if service == "s3" and url.path.startswith("/v20180820/"):
        service = "s3control"
    if service not in PATHS:
        return f"{service}:{method} {url.path}", "rest-json"
    with State.lock:
        if service not in State.services:
            State.services[service] = Service(service)
    query = set(parse_qs(url.query, keep_blank_values=True))
    operation = State.services[service].operation(method, unquote(url.path).rstrip("/") or "", query)
    protocol = {"s3": "s3", "s3control": "xml"}.get(service, "rest-json")
    return f"{service}:{operation}", protocol


def refusal(protocol, code, call):
    """Status, headers and body of an error in the protocol of the service."""
    message = f"{code}: {call} is refused"
    exception = code if code.endswith("Exception") else f"{code}Exception"
    plain = code.removesuffix("Exception")
    if protocol == "cbor":
        def text(value):
            return bytes([0x78, len(value)]) + value.encode()

        body = b"\xa2" + text("__type") + text(exception) + text("message") + text(message)
        return 400, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, body
    if protocol == "json":
        body = json.dumps({"__type": exception, "message": message}).encode()
        return 400, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": exception}, body
    if protocol == "rest-json":
        body = json.dumps({"message": message}).encode()
        status = 403 if "Denied" in code else 429
        return status, {"Content-Type": "application/json", "x-amzn-ErrorType": exception}, body
    error = f"<Code>{plain}</Code><Message>{message}</Message>"
    if protocol == "s3":
        body = f"<Error>{error}<RequestId>R</RequestId></Error>"
    else:
        body = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>R</RequestId></ErrorResponse>"
    return 403, {"Content-Type": "text/xml"}, body.encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = None

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

    def answer(self, status, headers, body, sent=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if sent is None else body[:sent])

    def control(self, body):
        if self.path == "/_proxy/rules":
            with State.lock:
                State.rules = json.loads(body)
                State.seen.clear()
            self.answer(200, {}, b"")
        elif self.path == "/_proxy/seen":
            with State.lock:
                seen = dict(sorted(State.seen.items()))
            self.answer(200, {"Content-Type": "application/json"}, json.dumps(seen).encode())
        elif self.path.startswith("/_proxy/await/"):
            call = self.path.removeprefix("/_proxy/await/")
            with State.lock:
                came = State.lock.wait_for(lambda: State.seen[call] > 0, timeout=60)
            self.answer(200 if came else 504, {}, b"")
        else:
            self.answer(404, {}, b"")

    def handle_request(self):
        body = self.body()
        if self.path.startswith("/_proxy/"):
            return self.control(body)
        call, protocol = identify(self.command, self.path, self.headers, body)
        with State.lock:
            State.seen[call] += 1
            rule = self.rule(call if call in State.rules else "*")
            State.lock.notify_all()
        if rule == "hold":
            threading.Event().wait()
        if rule in ("deny", "throttle"):
            code = "AccessDenied" if rule == "deny" else "ThrottlingException"
            return self.answer(*refusal(protocol, code, call))
        if rule == "reset":
            return self.break_off()
        if rule in ("error", "slow"):
            status, code = (500, "InternalError") if rule == "error" else (503, "SlowDown")
            return self.answer(status, *refusal(protocol, code, call)[1:])
        if rule == "garble":
            return self.answer(200, {"Content-Type": "text/plain"}, b"\x00<{ nonsense \xff")
        status, headers, answer = self.forward(body)
        if rule == "lose":
            return self.break_off()
        if rule == "truncate" and answer:
            self.close_connection = True
            return self.answer(status, headers, answer, sent=len(answer) // 2)
        return self.answer(status, headers, answer)

    @staticmethod
    def rule(call):
        """The rule for an operation; of several, the first, which is then used up."""
        rule = State.rules.get(call)
        if rule and "," in rule:
            rule, _, rest = rule.partition(",")
            State.rules[call] = rest if "," in rest or not rest else rest + ","
        return rule

    def break_off(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def forward(self, body):
        if self.upstream is None:
            self.upstream = http.client.HTTPConnection(sys.argv[1], timeout=60)
        connection = self.upstream
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "content-length", "transfer-encoding", "expect"):
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        answer = response.read()
        dropped = ("connection", "content-length", "transfer-encoding", "date", "server")
        headers = {name: value for name, value in response.getheaders() if name.lower() not in dropped}
        return response.status, headers, answer

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = handle_request


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
