"""Two live endpoints are only asked, and are of one model as far as they tell."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.test_sampled import STUDY
from tests.ollama import faked
from tuner.spec.engine_kinds import engine_kinds
from tuner.spec.errors import InputError, NotComparable
from tuner.spec.study import Study
from tuner.testing.fake_server import running
from tuner.workflow.validating.asked import Asked, Sides
from tuner.workflow.validating.endpoints import endpoints


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Give what ends the servers of a test."""
    with ExitStack() as stack:
        yield stack


def serving(stack: ExitStack, *options: str) -> str:
    """Run a FakeServer; return its URL."""
    _, port = stack.enter_context(running("--ttft-ms", "1", *options))
    return f"http://127.0.0.1:{port}"


def of(engine: str = "openai", model: str = "default") -> Study:
    """Return a study of a kind of engine and a model."""
    assert engine in engine_kinds()
    given: dict[str, Any] = {"slos": STUDY.slos, "file": "s.yaml"}
    return Study("s", engine, model, STUDY.workload, **given)


def asked(study: Study, a: str, b: str, *, force: bool = False) -> Sides:
    """Return both endpoints as sides."""
    return asyncio.run(endpoints(Asked(study, a, b, Path("o"), force=force)))


@pytest.mark.parametrize("engine", ["openai", "llamacpp", "vllm"])
def test_endpoints_of_one_model_are_alike(servers: ExitStack, engine: str) -> None:
    """By the name that both list; neither is ours to start."""
    a, b = (serving(servers, "--serves", "one") for _ in range(2))
    found = asked(of(engine), a, b)

    assert found.notes == []
    assert [ready.own for ready in found.sides.values()] == [False, False]
    assert [ready.label for ready in found.sides.values()] == [a, b]


def test_two_models_are_not_comparable_unless_asked_for(servers: ExitStack) -> None:
    """Then requests name the one that each serves."""
    a, b = serving(servers, "--serves", "one"), serving(servers, "--serves", "two")

    with pytest.raises(NotComparable, match="A serves one, B serves two"):
        asked(of(), a, b)
    forced = asked(of(model="one"), a, b, force=True)
    names = {side: ready.engine.model.name for side, ready in forced.sides.items()}
    assert names == {"a": "one", "b": "two"}
    assert forced.notes == ["compared all the same: A serves one, B serves two"]


def test_a_server_of_several_models_is_asked_for_the_study_s(servers: ExitStack) -> None:
    """Which of them others ask for does not matter."""
    a = serving(servers, "--serves", "one", "--serves", "two")
    b = serving(servers, "--serves", "two")

    assert asked(of(model="two"), a, b).notes == []
    with pytest.raises(NotComparable, match="A serves one, two, B serves two"):
        asked(of(), a, b)


def test_servers_that_tell_nothing_are_told_of(servers: ExitStack) -> None:
    """That they serve one model is not shown."""
    a, b = (serving(servers, "--models", "none") for _ in range(2))

    assert "neither endpoint tells which model" in asked(of(), a, b).notes[0]


def test_models_of_one_name_are_told_apart_by_their_digests() -> None:
    """As a name in a store comes to mean another model."""
    with faked.running() as a, faked.running() as b:
        for address, words in ((a, 16), (b, 32)):
            _create(address, words)
        alike, other = of("ollama", "small"), of("ollama", "mine")

        assert asked(alike, a, b).notes == []
        with pytest.raises(NotComparable, match="both serve mine:latest, A with digest "):
            asked(other, a, b)


def _create(address: str, limit: int) -> None:
    """Make a model `mine` on a server of Ollama's."""
    body = {"model": "mine", "from": "small", "parameters": {"num_predict": limit}, "stream": False}
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{address}/api/create", data, headers)).read()


@pytest.mark.parametrize("word", ["http://", "ftp://host", "http://host:port"])
def test_what_is_no_url_is_refused(word: str) -> None:
    """The sentence begins with the word."""
    with pytest.raises(InputError, match=f"^{word}: "):
        asked(of(), word, word)
