"""A server that gives pages of metrics one after the other, as a process.

    python page_server.py FOLDER HOW

It gives the files of the folder in the order of their names, the last one again and again. HOW is
`whole`, `cut` (half of each is sent), `never` (nothing is), or a status to answer with. To POST
/reset_prefix_cache it says what the file `reset` of the folder holds.
"""

from __future__ import annotations

import http.server
import sys
import time
from pathlib import Path

FOLDER, HOW = Path(sys.argv[1]), sys.argv[2]
PAGES = [file.read_bytes() for file in sorted(FOLDER.glob("*.txt"))]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGES.pop(0) if len(PAGES) > 1 else PAGES[0]
        if HOW == "never":
            time.sleep(600)
        self._send(int(HOW) if HOW.isdigit() else 200, body)

    def do_POST(self) -> None:
        answer = FOLDER / "reset"
        self._send(*((200, answer.read_bytes()) if answer.exists() else (404, b"{}")))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if HOW == "cut" else body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
