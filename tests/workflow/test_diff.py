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

A, B = (f"FROM /models/blobs/sha256-{letter * 64}\n" for letter in "ab")
KEPT = 'TEMPLATE """{{ .Prompt }}"""\nPARAMETER stop x\n'
MODELS = {
    "a": A + KEPT,
    "b": B + KEPT,
    "task-api": f"# generated\n{A}{KEPT}PARAMETER num_ctx 4096\n",
}


class Ollama(BaseHTTPRequestHandler):
    """Answers /api/show and /api/tags as Ollama does, for a few models."""

    def do_POST(self) -> None:
        """Show a model."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] in MODELS:
            self._answer(200, {"modelfile": MODELS[asked["model"]], "model_info": {}})
        elif asked["model"] == "odd":
            self._answer(200, {"something": "else"})
        else:
            self._answer(404, {"error": f"model '{asked['model']}' not found"})

    def do_GET(self) -> None:
        """List the models."""
        known = [{"model": f"{name}:latest", "digest": name} for name in MODELS]
        self._answer(200, {"models": known})

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
    """Give the URL of a server with these models."""
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


def test_what_a_file_inherits_is_no_change(tmp_path: Path, host: str) -> None:
    """The file that a model was created from says the same."""
    same = tmp_path / "same"
    same.write_text("FROM a\nPARAMETER num_ctx 4096\n")

    assert diff(str(same), "task-api", host) == []


def test_other_weights_are_a_change_and_a_reload(tmp_path: Path, host: str) -> None:
    """Two models of one text, and a file whose base is another than the model's."""
    other = tmp_path / "other"
    other.write_text("FROM b\nPARAMETER num_ctx 4096\n")

    (models,) = diff("a", "b", host)
    (file,) = diff(str(other), "task-api", host)

    assert (models.what, models.cost) == (file.what, file.cost) == ("FROM", "reload")
    assert file.a == f"b:latest (sha256:{'b' * 12})"


@pytest.mark.parametrize("base", ["missing", "./weights.gguf"])
def test_a_base_that_the_server_does_not_have_is_not_compared(
    tmp_path: Path, host: str, base: str
) -> None:
    """Nobody knows then whether the weights are loaded anew."""
    file = tmp_path / "x"
    file.write_text(f"FROM {base}\n{KEPT}PARAMETER num_ctx 4096\n")

    (found,) = diff(str(file), "task-api", host)

    assert (found.what, found.cost) == ("FROM", "unknown")


def test_two_files_are_compared_as_written(tmp_path: Path, file: str) -> None:
    """No server is asked, so another name is another base."""
    other = tmp_path / "other"
    other.write_text("FROM b\nPARAMETER num_ctx 8192\n")

    (found,) = diff(file, str(other), f"http://127.0.0.1:{free_port()}")

    assert (found.what, found.a, found.b) == ("FROM", "a:latest", "b:latest")


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
