"""Servers on this machine that write down what they are sent: a plain one, and PagerDuty's."""

from __future__ import annotations

import contextlib
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import trustme

PAGERDUTY = "events.pagerduty.com"


@dataclass(slots=True)
class Recorder:
    """What was sent: each request's first line with its JSON, in the order of arrival."""

    port: int = 0
    status: int = 202
    requests: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def sent(self) -> list[Any]:
        """Return the JSON of each request."""
        return [document for _, document in self.requests]


def _answer(recorder: Recorder, reads: BinaryIO, writes: BinaryIO) -> None:
    """Read one request, write it down and answer."""
    line = reads.readline().decode().strip()
    length = _headers(reads).get("content-length", "0")
    recorder.requests.append((line, json.loads(reads.read(int(length)) or "null")))
    writes.write(f"HTTP/1.1 {recorder.status} x\r\ncontent-length: 0\r\n\r\n".encode())
    writes.flush()


def _headers(reads: BinaryIO) -> dict[str, str]:
    found = {}
    while line := reads.readline().decode().strip():
        name, _, value = line.partition(":")
        found[name.lower()] = value.strip()
    return found


@contextlib.contextmanager
def recording(status: int = 202) -> Iterator[Recorder]:
    """Give a server that answers each request with a status."""
    recorder = Recorder(status=status)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            _answer(recorder, self.rfile, self.wfile)

    with _serving(Handler, recorder):
        yield recorder


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Give the port of a server that takes connections and never answers."""
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            over.wait()

    with _serving(Handler, Recorder()) as port:
        try:
            yield port
        finally:
            over.set()


@contextlib.contextmanager
def pagerduty(folder: Path, status: int = 202) -> Iterator[tuple[Recorder, dict[str, str]]]:
    """Give a stand-in for PagerDuty, and the environment in which requests to it come here.

    It is an HTTPS proxy that answers itself, with a certificate that the environment trusts.
    """
    authority, recorder = trustme.CA(), Recorder(status=status)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(PAGERDUTY).configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode()
            assert line.startswith(f"CONNECT {PAGERDUTY}:443 ")
            _headers(self.rfile)
            self.wfile.write(b"HTTP/1.1 200 ok\r\n\r\n")
            with context.wrap_socket(self.request, server_side=True) as inside:
                _answer(recorder, inside.makefile("rb"), inside.makefile("wb"))  # type: ignore[arg-type]

    with _serving(Handler, recorder) as port:
        proxy = f"http://127.0.0.1:{port}"
        yield recorder, {
            "HTTPS_PROXY": proxy, "https_proxy": proxy,
            "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
        }  # fmt: skip


@contextlib.contextmanager
def _serving(handler: type[socketserver.StreamRequestHandler], recorder: Recorder) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        recorder.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield recorder.port
        finally:
            server.shutdown()
            thread.join()
