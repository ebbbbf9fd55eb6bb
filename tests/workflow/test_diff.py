"""Differences of files and of models that a server has."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tuner.engines.launch import free_port
from tuner.spec.errors import EngineMissing, InputError
from tuner.workflow.diff import diff


class Ollama(BaseHTTPRequestHandler):
    """Answers /api/show and /api/tags as Ollama does, for one model."""

    def do_POST(self) -> None:
        """Show a model."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] == "task-api":
            text = "# generated\nFROM a\nPARAMETER num_ctx 4096\n"
            self._answer(200, {"modelfile": text, "model_info": {}})
        elif asked["model"] == "odd":
            self._answer(200, {"something": "else"})
        else:
            self._answer(404, {"error": f"model '{asked['model']}' not found"})

    def do_GET(self) -> None:
        """List the models."""
        self._answer(200, {"models": [{"model": "task-api:latest"}]})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[str]:
    """Give the URL of a server with one model."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ollama)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Give a Modelfile with another window than the server's model."""
    path = tmp_path / "Modelfile"
    path.write_text("FROM a\nPARAMETER num_ctx 8192\n", encoding="utf-8")
    return str(path)


def test_a_file_is_held_against_a_live_model(file: str, host: str) -> None:
    """What is no file is a model's name, on either side."""
    (found,) = diff("task-api", file, host)

    assert (found.what, found.a, found.b) == ("PARAMETER num_ctx", "4096", "8192")
    assert diff(file, file) == []


def test_an_unknown_model_is_named_with_the_nearest(file: str, host: str) -> None:
    """The server's models are looked through."""
    with pytest.raises(InputError, match="did you mean task-api:latest"):
        diff(file, "task-ap", host)


def test_what_does_not_answer_as_ollama_is_named(file: str, host: str) -> None:
    """A foreign server on the port is no traceback."""
    with pytest.raises(EngineMissing, match="not as Ollama"):
        diff(file, "odd", host)


def test_without_a_server_the_next_step_is_said(file: str) -> None:
    """A name alone cannot be looked up."""
    with pytest.raises(EngineMissing, match="ollama serve"):
        diff(file, "task-api", f"http://127.0.0.1:{free_port()}")


def test_a_path_that_is_not_there_is_no_model(file: str) -> None:
    """`./x` is meant as a file."""
    with pytest.raises(InputError, match="cannot be read"):
        diff(file, "./missing/Modelfile")
