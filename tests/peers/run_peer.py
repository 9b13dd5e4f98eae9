"""Runs a server that is not ours on a free port of loopback.

Usage: run_peer.py COMMAND [ARGUMENT...]     with {port} where the port belongs

Prints the port as the first line of standard output once the server answers there, and ends the server when standard
input is closed: whoever started it may die in any way, and the server is gone with it.
"""

import os
import socket
import subprocess
import sys
import threading
import time


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [argument.replace("{port}", str(port)) for argument in sys.argv[1:]]
    environment = {name: value.replace("{port}", str(port)) for name, value in os.environ.items()}
    # What it says goes to our error output: nobody reads on after the port.
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment)

    def end() -> None:
        sys.stdin.buffer.read()
        server.kill()

    threading.Thread(target=end, daemon=True).start()
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
            continue
        print(port, flush=True)
        break
    sys.exit(server.wait())


main()
