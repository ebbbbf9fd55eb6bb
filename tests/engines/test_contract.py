"""Every engine against the one contract."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.engines.servers import FAST, fake
from tuner.engines.base import Engine
from tuner.engines.command.engine import Command
from tuner.engines.llamacpp.engine import LlamaCpp, embedded_server
from tuner.engines.models import default_path, from_gguf
from tuner.engines.openai.engine import OpenAI
from tuner.spec.address import url
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.values import Model, Setting
from tuner.testing.engine_contract import EngineContract, send
from tuner.testing.fake_engine import FakeEngine
from tuner.testing.fake_server import running
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run

T = TypeVar("T")
READ_BACK_NAMES = {"num_batch": "n_batch"}


class TestFake(EngineContract):
    """LlamaCpp's code over FakeServer."""

    def engine(self, logs: Path) -> Engine:
        return FakeEngine(logs, FAST)

    def ignoring(self, logs: Path, knob: str) -> Engine:
        return FakeEngine(logs, (*FAST, "--ignore", READ_BACK_NAMES.get(knob, knob)))

    def failing(self, logs: Path) -> Engine:
        return FakeEngine(logs, ("--die-at-start", "3"))


class TestSimulated(EngineContract):
    """A world in virtual time, with all three tiers."""

    reload = ("num_ctx", 512)

    def engine(self, logs: Path) -> Engine:
        return SimulatedEngine(lambda settings, text, rng: Answered(0.1, 0.01, "{}"))

    def ignoring(self, logs: Path, knob: str) -> Engine:
        return SimulatedEngine(
            lambda settings, text, rng: Answered(0.1, 0.01, "{}"), ignored=frozenset({knob})
        )

    def failing(self, logs: Path) -> Engine:
        return SimulatedEngine(
            lambda settings, text, rng: Answered(0.1, 0.01, "{}"), crashes=lambda c: True
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return run(work)


class TestCommand(EngineContract):
    """A server that a study declares: here FakeServer, started by a command line."""

    def engine(self, logs: Path) -> Engine:
        return Command(fake(), "default", logs)

    def ignoring(self, logs: Path, knob: str) -> Engine:
        return Command(fake("--ignore", READ_BACK_NAMES.get(knob, knob)), "default", logs)

    def failing(self, logs: Path) -> Engine:
        return Command(fake("--die-at-start", "3"), "default", logs)


@pytest.mark.embedded
class TestLlamaCpp(EngineContract):
    """The real llama.cpp with the real default model."""

    def engine(self, logs: Path) -> Engine:
        return LlamaCpp(packaged_model(), logs, embedded_server())

    def ignoring(self, logs: Path, knob: str) -> Engine:
        pytest.skip("llama.cpp ignores no knob that it has; the fake plays one that does")

    def failing(self, logs: Path) -> Engine:
        broken = logs / "broken.gguf"
        broken.write_bytes(b"GGUF" + bytes(100))
        return LlamaCpp(Model("broken", str(broken)), logs, embedded_server())


_MODELS: list[Model] = []


def packaged_model() -> Model:
    """Return the packaged model, whose file is read once."""
    if not _MODELS:
        _MODELS.append(from_gguf(default_path()))
    return _MODELS[0]


class TestOpenAI(EngineContract):
    """A running server, of which requests are tuned and nothing else is changed."""

    @pytest.fixture(autouse=True)
    def _server(self) -> Any:
        with running(*FAST) as (_, port):
            self.url = f"http://127.0.0.1:{port}"
            yield

    def engine(self, logs: Path) -> Engine:
        return OpenAI(url(self.url), "default")

    def test_a_request_knob_costs_nothing_and_is_in_force(self, tmp_path: Path) -> None:
        """It costs nothing and is sent; what the server made of it is never claimed to be known."""
        name, value = self.cheap

        async def work(engine: Engine) -> None:
            await engine.apply(self.default(engine))
            candidate = self.default(engine, **{name: value})
            found = await engine.apply(candidate)

            assert (found.changed, found.engine_start, found.settings) == ("nothing", 1, {})
            assert name in found.unverified
            assert json.loads(engine.request((), candidate, None).body)[name] == value

        self.use(self.engine(tmp_path), work)

    def test_a_restart_knob_restarts(self, tmp_path: Path) -> None:
        """There is none: what only a start sets is left out, and the reason is said."""
        engine = OpenAI(url(self.url), "default")

        assert {k.tier for k in engine.knobs.values()} == {"request"}
        assert "only a start" in engine.left_out["num_batch"]
        assert "no field" in engine.left_out["think"]
        assert not engine.left_out.keys() & engine.knobs.keys()

    def test_fresh_restarts_in_any_case(self, tmp_path: Path) -> None:
        """A fresh start cannot be given, and none is made up."""

        async def work(engine: Engine) -> None:
            for fresh in (False, True, True):
                found = await engine.apply(self.default(engine), fresh=fresh)
                assert (found.changed, found.engine_start) == ("nothing", 1)

        self.use(self.engine(tmp_path), work)

    @pytest.mark.parametrize("which", ["cheap"])
    def test_an_ignored_knob_is_a_mismatch(self, tmp_path: Path, which: str) -> None:
        """One that is ignored without a word cannot be seen; one that is refused is named."""
        name, value = getattr(self, which)
        asked: dict[str, Setting] = {name: value, "top_p": 0.5}

        async def refused(port: int) -> dict[str, str]:
            return await OpenAI(url(f"http://127.0.0.1:{port}"), "default").refused(asked)

        with running(*FAST, "--refuse-field", name) as (_, port):
            found = self.run(refused(port))
        with running(*FAST) as (_, port):
            nothing = self.run(refused(port))
        with running(*FAST, "--refuse-field", "messages") as (_, port):
            unknown = self.run(refused(port))  # whatever is asked: no setting is to blame

        assert found == {
            name: "the server refuses it: Unsupported parameter: 'temperature' is not supported"
        }
        assert (nothing, unknown) == ({}, {})

    def test_what_nobody_sets_is_not_sent(self, tmp_path: Path) -> None:
        """Servers have defaults of their own; a limit stands, and -1 takes it away."""
        engine = self.engine(tmp_path)
        plain, endless = (
            json.loads(engine.request((), self.default(engine, **changes), None).body)
            for changes in ({}, {"num_predict": -1})
        )

        assert plain.keys() - {"messages", "stream", "stream_options"} == {"max_tokens"}
        assert "max_tokens" not in endless

    def test_whether_answers_go_on_a_study_says(self, tmp_path: Path) -> None:
        """Not every server knows the field."""
        engine = self.engine(tmp_path)
        plain, going_on = (
            json.loads(engine.request((), self.default(engine, **changes), None, 9).body)
            for changes in ({}, {"ignore_eos": True})
        )

        assert plain["max_tokens"] == going_on["max_tokens"] == 9
        assert ("ignore_eos" in plain, going_on["ignore_eos"]) == (False, True)

    def test_closing_leaves_no_process(self, tmp_path: Path) -> None:
        """Closing leaves the server as it is: it still answers."""

        async def work(engine: Engine) -> None:
            await engine.apply(self.default(engine))
            await engine.aclose()
            assert (await send(engine, self.default(engine), "x"))[0].outcome == "ok"

        self.use(self.engine(tmp_path), work)

    def test_a_failed_start_is_typed(self, tmp_path: Path) -> None:
        """A server that is not there is an EngineDied that says where it was looked for."""

        async def work(engine: Engine) -> None:
            with pytest.raises(EngineDied, match=r"127\.0\.0\.1:9"):
                await engine.apply({})

        self.use(OpenAI(url("http://127.0.0.1:9"), "m"), work)

    def test_a_model_that_is_not_served_is_refused(self, tmp_path: Path) -> None:
        """The names that the server does serve are in the message."""

        async def work(engine: Engine) -> None:
            with pytest.raises(InputError, match="does not serve model 'other'"):
                await engine.apply({})

        self.use(OpenAI(url(self.url), "other"), work)
