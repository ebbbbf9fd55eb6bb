"""OLLAMA_HOST and its kin, through the command line: read as Ollama itself reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import tune
from tests.ollama import faked
from tests.ollama.stored import stored

STUDY = (
    "version: 1\nname: s\nengine: {kind: ollama, model: small}\n"
    "workload: {prompts: prompts.jsonl}\n"
)
NAMES = (faked.MODEL, faked.MODEL)


@pytest.mark.parametrize(
    ("listens", "told"),
    [
        ("127.0.0.1", "127.0.0.1:{}"),
        ("127.0.0.1", '"127.0.0.1:{}"'),
        ("127.0.0.1", "'http://127.0.0.1:{}'"),
        ("127.0.0.1", ' " 0.0.0.0:{} " '),
        ("127.0.0.1", ":{}"),
        ("127.0.0.1", "http://localhost:{}/"),
        ("[::1]", "[::1]:{}"),
        ("[::1]", "http://[::1]:{}"),
        ("[::1]", '"[::]:{}"'),
    ],
)
def test_the_server_is_found_as_clients_of_ollama_find_it(
    listens: str, told: str, tmp_path: Path
) -> None:
    """Commands that ask a server, by Ollama's package or by ours, find it where Ollama would."""
    (tmp_path / "prompts.jsonl").write_text('{"template": "say ok"}\n')
    (tmp_path / "s.yaml").write_text(STUDY)
    with faked.running(at=listens) as url:
        host = told.format(url.rpartition(":")[2])
        found = tune("diff", *NAMES, cwd=tmp_path, OLLAMA_HOST=host)
        words = ("s.yaml", "--attach", "--requests", "3", "--out", "out", "--json", "-q")
        measured = tune("measure", *words, cwd=tmp_path, OLLAMA_HOST=host)

    assert found.returncode == 0, found.stderr
    assert json.loads(measured.stdout)["failures"]["error"] == 0, measured.stderr


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("ftp://box", "--attach or OLLAMA_HOST: expected http://HOST:PORT"),
        ("me:secret@box", "no user and password here"),
        ("[box]:1", "in brackets"),
        ("a b", "found 'a b'"),
    ],
)
@pytest.mark.parametrize("words", [("diff", *NAMES), ("measure", "--attach"), ("rollback", "x")])
def test_what_is_no_host_is_one_sentence(
    host: str, said: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    """Each command that asks a server refuses it alike, with exit code 2."""
    found = tune(*words, cwd=tmp_path, OLLAMA_HOST=host)

    assert found.returncode == 2, found.stderr
    assert said in found.stderr
    assert "secret" not in found.stderr


@pytest.mark.parametrize("quotes", ["{}", '"{}"', "'{}'", ' "{}" '])
def test_quotes_round_the_folder_of_models_are_not_its_name(quotes: str, tmp_path: Path) -> None:
    """OLLAMA_MODELS is trimmed as all variables of Ollama are."""
    stored(tmp_path / "models", "small", "latest", {"system": "Be brief."})
    models = quotes.format(tmp_path / "models")
    found = tune("init", "small", "--out", "-", cwd=tmp_path, OLLAMA_MODELS=models)

    assert found.returncode == 0, found.stderr
    assert "model: small" in found.stdout
