"""An Ollama that somebody else runs: measured, loaded as asked, and otherwise left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.ollama import faked
from tuner.engines.base import Engine
from tuner.engines.ollama.attached import OllamaAttached, address_of
from tuner.engines.ollama.models import OllamaModels
from tuner.engines.ollama.pull import pull
from tuner.spec.errors import EngineError, EngineMissing, InputError
from tuner.spec.shipped import studies
from tuner.spec.space import Choices
from tuner.spec.study import load
from tuner.spec.values import Model
from tuner.testing.engine_contract import EngineContract, send

MODEL = Model(faked.MODEL, faked.MODEL)


class TestAttached(EngineContract):
    """Against the pretended one; a fresh start is a load of the model anew."""

    reload = ("num_ctx", 1024)

    @pytest.fixture(autouse=True)
    def _server(self) -> Any:
        with faked.running() as self.url:
            yield

    def engine(self, logs: Path) -> Engine:
        return OllamaAttached(self.url, MODEL)

    def test_a_request_knob_costs_nothing_and_is_in_force(self, tmp_path: Path) -> None:
        pytest.skip("an attached server tells no sampling, so that it is unverified")

    def test_a_restart_knob_restarts(self, tmp_path: Path) -> None:
        pytest.skip("an attached server is never restarted")

    def test_fresh_restarts_in_any_case(self, tmp_path: Path) -> None:
        """The model is loaded anew, which counts as a start."""

        async def work(engine: Engine) -> None:
            first = await engine.apply(self.default(engine))
            again = await engine.apply(self.default(engine), fresh=True)

            assert (again.changed, again.engine_start) == ("reload", first.engine_start + 1)

        self.use(self.engine(tmp_path), work)

    def test_an_ignored_knob_is_a_mismatch(self, tmp_path: Path, which: str = "cheap") -> None:
        """A context that the server does not give is told by /api/ps."""

        async def work(engine: Engine) -> None:
            found = await engine.apply(self.default(engine, num_ctx=16384))

            assert found.mismatches == ("num_ctx: asked for 16384, in force is 8192",)

        self.use(self.engine(tmp_path), work)

    def test_closing_leaves_no_process(self, tmp_path: Path) -> None:
        """Closing leaves the server as it is: it still answers."""

        async def work(engine: Engine) -> None:
            await engine.apply(self.default(engine))
            await engine.aclose()
            assert (await send(engine, self.default(engine), "x"))[0].outcome == "ok"

        self.use(self.engine(tmp_path), work)

    def test_a_failed_start_is_typed(self, tmp_path: Path) -> None:
        """A server that is not there is named with its address."""

        async def work(engine: Engine) -> None:
            with pytest.raises(EngineMissing, match=r"no Ollama answers at http://127\.0\.0\.1:9"):
                await engine.apply(self.default(engine))

        self.use(OllamaAttached("http://127.0.0.1:9", MODEL), work)

    def test_a_server_that_is_too_old_is_refused(self, tmp_path: Path) -> None:
        """It is not tuned, as a managed one is not; measured as it is it may be."""

        async def refused(engine: Engine) -> None:
            with pytest.raises(InputError, match=r"Ollama 0\.9\.6 is older than 0\.10"):
                await engine.apply(self.default(engine))

        async def measured(engine: Engine) -> None:
            assert "0.9.6" in str((await engine.apply(self.default(engine))).version)

        with faked.running("--version", "0.9.6") as url:
            self.use(OllamaAttached(url, MODEL), refused)
            self.use(OllamaAttached(url, MODEL, as_it_is=True), measured)

    def test_only_a_start_sets_what_is_left_out(self, tmp_path: Path) -> None:
        """Knobs of the environment are none here, and are named."""
        engine = OllamaAttached(self.url, MODEL)

        assert "num_parallel" in engine.left_out
        assert not set(engine.left_out) & set(engine.knobs)

    def test_as_it_is_no_options_are_sent(self, tmp_path: Path) -> None:
        """A model that went into service has its settings in itself."""
        engine = OllamaAttached(self.url, MODEL, as_it_is=True)

        body = json.loads(engine.request((), {"num_ctx": 512, "think": False}, "json").body)

        assert (body["options"], body["think"], body["format"]) == ({}, False, "json")


def test_what_is_not_there_is_fetched_when_asked_for() -> None:
    """Only that; and a name that nobody has is refused with Ollama's own words."""
    said: list[str] = []
    study = replace(load(studies() / "task-api-ollama.yaml"), model=faked.MODEL)
    both = {"model": Choices((faked.MODEL, "large:q8"))}
    with faked.running() as url:
        pull(replace(study, url=url, space=both), said.append)
        names = OllamaModels(url).names()
        with pytest.raises(EngineError, match="file does not exist"):
            pull(replace(study, url=url, model="no-such"), said.append)

    assert names == ["large:q8", faked.MODEL]
    assert said == ["fetching large:q8", "fetching no-such:latest"]


def test_no_proxy_is_asked_for_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is for the world outside; who set it has no NO_PROXY for this machine at times."""
    with faked.running() as url:  # before the proxy, which urllib keeps for the whole process
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert OllamaModels(url).names() == [faked.MODEL]


@pytest.mark.parametrize(
    ("told", "address"),
    [
        (None, "http://127.0.0.1:11434"),
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("localhost:9", "http://localhost:9"),
        ("http://box:9/", "http://box:9"),
        ("http://box", "http://box"),
    ],
)
def test_an_address_may_leave_out_what_ollama_takes_for_granted(
    told: str | None, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Host, port and scheme have the defaults of OLLAMA_HOST."""
    monkeypatch.delenv("OLLAMA_HOST", raising=False)

    assert address_of(told) == address


@pytest.mark.parametrize("told", ["study.yaml/x", "ftp://box", "box:port"])
def test_what_is_no_address_is_refused(told: str) -> None:
    """A study file after --attach is taken for an address, and told so."""
    with pytest.raises(InputError, match="--attach or OLLAMA_HOST: expected http://HOST:PORT"):
        address_of(told)


def test_a_server_behind_a_path_of_its_own_is_asked_below_it() -> None:
    """OLLAMA_HOST may name a path of a proxy, which all requests share."""
    engine = OllamaAttached("https://box/ollama/", MODEL)
    default = {name: knob.default for name, knob in engine.knobs.items()}

    assert engine.request((), default, None).path == "/ollama/api/chat"
    assert engine.transport().address.authority == "box"
