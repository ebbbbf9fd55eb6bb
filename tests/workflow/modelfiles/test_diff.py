"""Differences of files and of models that a server has."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tuner.engines.serving.launch import free_port
from tuner.spec.errors import EngineMissing, InputError
from tuner.spec.model_name import shown
from tuner.workflow.modelfiles.diff import diff

A, B = (f"FROM /models/blobs/sha256-{letter * 64}\n" for letter in "ab")
KEPT = 'TEMPLATE """{{ .Prompt }}"""\nPARAMETER stop x\n'
MODELS = {
    "a": A + KEPT,
    "b": B + KEPT,
    "sees": A + B + KEPT,
    "task-api": f"# generated\n{A}{KEPT}PARAMETER num_ctx 4096\n",
}


class Ollama(BaseHTTPRequestHandler):
    """Answers /api/show and /api/tags as Ollama does, for a few models."""

    def do_POST(self) -> None:
        """Show a model."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = shown(asked["model"]).removesuffix(":latest")
        if name in MODELS:
            self._answer(200, {"modelfile": MODELS[name], "model_info": {}})
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


@pytest.mark.parametrize("base", ["library/a", "registry.ollama.ai/library/a:latest"])
def test_a_served_base_is_known_by_any_name(tmp_path: Path, host: str, base: str) -> None:
    """A server lists it by the shortest."""
    same = tmp_path / "same"
    same.write_text(f"FROM {base}\nPARAMETER num_ctx 4096\n")

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


def folder(parent: Path, name: str, text: str, **files: str) -> str:
    """Write a folder with a Modelfile and weights of such contents; return the Modelfile."""
    (parent / name).mkdir()
    for stem, content in files.items():
        (parent / name / f"{stem}.gguf").write_text(content)
    (parent / name / "Modelfile").write_text(text)
    return str(parent / name / "Modelfile")


def told(a: str, b: str) -> list[tuple[str, str]]:
    """Return what changes between two files, with the cost."""
    return [(c.what, c.cost) for c in diff(a, b)]


@pytest.mark.parametrize("word", ["FROM", "FROM ./m.gguf\nADAPTER", "FROM ./m.gguf\nDRAFT"])
def test_files_of_one_name_and_other_bytes_are_a_change(tmp_path: Path, word: str) -> None:
    """A path is relative to its Modelfile, so two folders have two files of one name."""
    a = folder(tmp_path, "a", f"{word} ./w.gguf\n", w="one", m="same")
    b = folder(tmp_path, "b", f"{word} ./w.gguf\n", w="two", m="same")
    (found,) = diff(a, b)

    assert (found.what, found.cost) == (word.split()[-1], "reload")
    assert found.b == str(tmp_path / "b" / "w.gguf")


@pytest.mark.parametrize("base", ["./w.gguf", "w.gguf", "../a/w.gguf", "../b/../a/w.gguf"])
def test_one_file_by_any_path_is_no_change(tmp_path: Path, base: str) -> None:
    """Nor is a copy of it, or a link to it."""
    a = folder(tmp_path, "a", "FROM ./w.gguf\n", w="one")
    b = folder(tmp_path, "b", f"FROM {base}\n")
    (tmp_path / "b" / "w.gguf").symlink_to(tmp_path / "a" / "w.gguf")
    copy = folder(tmp_path, "c", "FROM ./w.gguf\n", w="one")

    assert told(a, b) == told(a, copy) == []


def test_where_it_runs_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of that name in the working folder is another one."""
    a = folder(tmp_path, "a", "FROM ./w.gguf\n", w="one")
    b = folder(tmp_path, "b", "FROM ./w.gguf\n", w="two")
    (tmp_path / "w.gguf").write_text("three")
    monkeypatch.chdir(tmp_path)

    assert told(a, b) == [("FROM", "reload")]


def test_each_of_several_from_counts(tmp_path: Path) -> None:
    """A projector more or another one is a change, their order is none."""
    text = "FROM ./w.gguf\n"
    a = folder(tmp_path, "a", f"{text}FROM ./p.gguf\n", w="one", p="eye")
    reverse = folder(tmp_path, "b", f"FROM ./p.gguf\n{text}", w="one", p="eye")
    other = folder(tmp_path, "c", f"{text}FROM ./p.gguf\n", w="one", p="ear")
    without = folder(tmp_path, "d", text, w="one")

    assert told(a, reverse) == []
    assert told(a, other) == told(a, without) == [("FROM", "reload")]


def test_weights_that_are_not_here_are_not_compared(tmp_path: Path) -> None:
    """Two folders may get the same file, or not; in one folder it is the same."""
    a, b = (folder(tmp_path, name, "FROM ./w.gguf\n") for name in "ab")

    assert told(a, b) == [("FROM", "unknown")]
    assert told(a, a) == []


@pytest.mark.parametrize(
    "name", ["tiny:latest", "library/tiny", "registry.ollama.ai/library/tiny:latest",
             "https://registry.ollama.ai/library/tiny"],
)  # fmt: skip
def test_one_model_by_any_name_is_no_change(tmp_path: Path, name: str) -> None:
    """What may be left out of a name is there all the same."""
    assert told(folder(tmp_path, "a", "FROM tiny\n"), folder(tmp_path, "b", f"FROM {name}\n")) == []


@pytest.mark.parametrize("name", ["tiny:8b", "me/tiny", "hf.co/library/tiny", "tiny2"])
def test_another_name_is_a_change(tmp_path: Path, name: str) -> None:
    """Each differs in one part."""
    found = told(folder(tmp_path, "a", "FROM tiny\n"), folder(tmp_path, "b", f"FROM {name}\n"))
    assert found == [("FROM", "reload")]


def test_a_projector_of_a_served_model_counts(tmp_path: Path, host: str) -> None:
    """Against a model the file's own files are looked at as well as its weights."""
    file = folder(tmp_path, "a", f"FROM a\n{KEPT}")

    assert diff("a", file, host) == []
    assert [c.what for c in diff("sees", file, host)] == ["FROM"]
