"""The command that stops and starts a small production: quick, since it needs no package.

    python control.py stop|start FOLDER

Files in the folder say how it misbehaves: `stop-fails`, `stop-fails-late` (it has stopped then),
`stop-hangs`; `start-fails` (as many times as it has lines), `start-does-nothing`, and `start-stays`
(in the foreground).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SERVER = (
    "import http.server, pathlib, sys\n"
    "class Serves(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        page = pathlib.Path(sys.argv[2])\n"
    "        self.send_response(200); self.end_headers()\n"
    "        self.wfile.write(page.read_bytes() if page.exists() else b'ok')\n"
    "    def log_message(self, *words): pass\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Serves).serve_forever()\n"
)


def main() -> int:
    """Stop or start the server of a folder."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    with (folder / "calls").open("a") as calls:
        calls.write(f"{what}\n")
    return _stop(folder) if what == "stop" else _start(folder)


def _stop(folder: Path) -> int:
    if (folder / "stop-hangs").exists():
        time.sleep(600)
    if (folder / "stop-fails").exists():
        print("no permission to stop")
        return 3
    with contextlib.suppress(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
    deadline = time.monotonic() + 10
    while _answers(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    return 4 if (folder / "stop-fails-late").exists() else 0


def _start(folder: Path) -> int:
    fails = folder / "start-fails"
    if fails.exists() and (left := fails.read_text().splitlines()):
        fails.write_text("\n".join(left[1:]))
        print("port is still taken")
        return 5
    if (folder / "start-does-nothing").exists() or _answers(folder):
        return 0
    server = serve(folder)
    (folder / "pid").write_text(str(server.pid))
    return server.wait() if (folder / "start-stays").exists() else 0


def _answers(folder: Path) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", int((folder / "port").read_text())), 1):
            return True
    except OSError:
        return False


def serve(folder: Path) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own."""
    port, page = (folder / "port").read_text(), str(folder / "metrics")
    command = [sys.executable, "-c", SERVER, port, page]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(
        command, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet
    )
    with (folder / "pids").open("a") as pids:
        pids.write(f"{server.pid}\n")
    return server


if __name__ == "__main__":
    sys.exit(main())
