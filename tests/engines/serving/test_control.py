"""Control calls: an answer, or the reason why there is none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tuner.engines.serving import control

# Answers with the number of requests so far; the first of each method stays unanswered.
DEAF_AT_FIRST = (
    "import http.server, json, time\n"
    "seen = {'GET': 0, 'POST': 0}\n"
    "class Handler(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        seen[self.command] += 1\n"
    "        if seen[self.command] == 1:\n"
    "            time.sleep(600)\n"
    "        text = json.dumps(seen).encode()\n"
    "        self.send_response(200)\n"
    "        self.send_header('Content-Length', str(len(text)))\n"
    "        self.end_headers()\n"
    "        self.wfile.write(text)\n"
    "    do_POST = do_GET\n"
    "    def log_message(self, *args): pass\n"
    "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n"
    "print(server.server_port, flush=True)\n"
    "server.serve_forever()\n"
)


@contextmanager
def _deaf_at_first() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", DEAF_AT_FIRST], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/"
        finally:
            server.kill()


def test_a_get_without_answer_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that leaves one GET unanswered is asked a second time, and its answer counts."""
    monkeypatch.setattr(control, "_READ_TIMEOUTS_S", (0.5, 30.0))
    with _deaf_at_first() as url:
        assert asyncio.run(control.call("GET", url)) == (200, {"GET": 2, "POST": 0})


def test_a_post_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may change something is never sent again; that nothing answered is told."""
    with _deaf_at_first() as url:
        with monkeypatch.context() as patch:
            patch.setattr(control, "_TIMEOUT_S", 0.5)
            assert asyncio.run(control.call("POST", url, {})) == (0, "no answer within 0.5 s")
        assert asyncio.run(control.call("POST", url, {})) == (200, {"GET": 0, "POST": 2})


def test_nobody_there_is_told_at_once() -> None:
    """A refused connection is status 0 with the reason, not waited for."""
    with _deaf_at_first() as url:
        pass
    status, reason = asyncio.run(control.call("GET", url))
    assert status == 0
    assert "Connect call failed" in reason
