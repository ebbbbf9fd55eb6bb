"""The programs that ask a model as it was measured."""

from __future__ import annotations

import json
import runpy
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tuner.engines.ollama.emitted.programs import programs
from tuner.spec.values import Candidate

SCHEMA = {"type": "object"}
DYNAMIC = {
    "rules": [{"match": "delete", "shots": ["d"]}],
    "default": [],
    "shots": {"d": {"user": "delete 1", "assistant": "{}"}},
}

NOTHING: Candidate = {}


class Asked(types.ModuleType):
    """A module that stands for a client library and keeps what it is asked."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.asked: list[dict[str, Any]] = []

    def chat(self, model: str, messages: Any, **fields: Any) -> Any:
        """Answer as ollama.chat does."""
        self.asked.append({"model": model, "messages": messages, **fields})
        return types.SimpleNamespace(message=types.SimpleNamespace(content="{}"))

    def OpenAI(self, **settings: Any) -> Any:
        """Answer as openai.OpenAI(...).chat.completions.create does."""

        def create(**fields: Any) -> Any:
            self.asked.append(fields)
            message = types.SimpleNamespace(content="{}")
            return types.SimpleNamespace(choices=[types.SimpleNamespace(message=message)])

        completions = types.SimpleNamespace(create=create)
        return types.SimpleNamespace(chat=types.SimpleNamespace(completions=completions))


def _program(
    library: str,
    client: dict[str, Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    candidate: Candidate = NOTHING,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the functions of the program for a library, and what they send."""
    text = json.dumps(client)
    (folder / "client.json").write_text(text)
    path = folder / f"ask_{library}.py"
    path.write_text(programs({"client.json": text}, candidate)[path.name])
    module = Asked(library)
    monkeypatch.setitem(sys.modules, library, module)
    return runpy.run_path(str(path)), module.asked


def _ask(
    library: str,
    client: dict[str, Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    candidate: Candidate = NOTHING,
) -> dict[str, Any]:
    """Run the program for a library and return what it sent."""
    program, asked = _program(library, client, folder, monkeypatch, candidate)
    assert program["ask"]("m", "delete task 4") == "{}"
    return asked[-1]


def test_ollama_python_is_given_what_only_a_client_can_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema goes as format, thinking as asked, and shots are chosen from the text."""
    client = {"format": SCHEMA, "think": False, "dynamic_shots": DYNAMIC}

    asked = _ask("ollama", client, tmp_path, monkeypatch)

    assert (asked["format"], asked["think"]) == (SCHEMA, False)
    assert [m["content"] for m in asked["messages"]] == ["delete 1", "{}", "delete task 4"]


def test_the_openai_client_is_given_a_response_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same schema in the words of the OpenAI API; without one nothing is sent."""
    asked = _ask("openai", {"format": SCHEMA}, tmp_path, monkeypatch)
    plain = _ask("openai", {}, tmp_path, monkeypatch)

    assert asked["response_format"]["json_schema"]["schema"] == SCHEMA
    assert asked["messages"] == [{"role": "user", "content": "delete task 4"}]
    assert "response_format" not in plain


def test_the_openai_client_is_given_what_its_api_would_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temperature and top_p go with the request, as /v1 puts its own over the Modelfile's."""
    candidate = {"temperature": 0.0, "top_p": 0.194, "top_k": 40}

    asked = _ask("openai", {"format": "json"}, tmp_path, monkeypatch, candidate)
    left = _ask("openai", {"format": "json"}, tmp_path, monkeypatch, {"temperature": "auto"})

    assert (asked["temperature"], asked["top_p"]) == (0.0, 0.194)
    assert {"temperature", "top_p", "top_k"} & {*left} == set()
    assert "top_k" not in asked


@pytest.mark.parametrize(("think", "effort"), [(False, "none"), ("low", "low"), (True, None)])
def test_the_openai_client_is_told_how_much_to_think(
    think: Any, effort: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thinking and levels have a word there; that a model thinks is what it does unasked."""
    asked = _ask("openai", {"think": think}, tmp_path, monkeypatch)

    assert asked.get("reasoning_effort") == effort


@pytest.mark.parametrize("library", ["ollama", "openai"])
def test_each_choice_of_examples_can_be_warmed_up(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request after the default's and one after each rule's; without rules nothing to do."""
    program, asked = _program(library, {"dynamic_shots": DYNAMIC}, tmp_path, monkeypatch)
    program["warm_up"]("m")

    assert [[m["content"] for m in a["messages"]] for a in asked] == [
        ["ok"],
        ["delete 1", "{}", "ok"],
    ]
    assert "warm_up" not in _program(library, {}, tmp_path, monkeypatch)[0]
