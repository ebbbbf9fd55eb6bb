"""The conformance suite of `tuner.engines.base.Engine`: subclass it and run it under pytest.

    class TestMyEngine(EngineContract):
        def engine(self, logs): return MyEngine(logs)
        def ignoring(self, logs, knob): return MyEngine(logs, ["--ignore", knob])

Where an engine cannot have a property by its nature, override that test with a
`pytest.skip` that says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

import psutil
import pytest

from tuner.engines.base import Engine
from tuner.load.arrivals import Call
from tuner.load.drive import drive
from tuner.machine.processes import family, listening_ports
from tuner.spec.values import Candidate, Load, Message, Prompt, Sample, Setting

T = TypeVar("T")


class EngineContract:
    """Every property that the rest of the product relies on."""

    cheap: ClassVar[tuple[str, Setting]] = ("temperature", 0.25)
    """A request-tier knob and a value that is not its default."""

    reload: ClassVar[tuple[str, Setting] | None] = None
    """A reload-tier knob and a value, where the engine has one."""

    dear: ClassVar[tuple[str, Setting]] = ("num_batch", 64)
    """A restart-tier knob and a value that is not its default."""

    def engine(self, logs: Path) -> Engine:
        """Return a new engine that writes its logs below `logs`."""
        raise NotImplementedError

    def ignoring(self, logs: Path, knob: str) -> Engine:
        """Return an engine that serves, but ignores what is asked for one knob."""
        raise NotImplementedError

    def failing(self, logs: Path) -> Engine:
        """Return an engine that cannot be started."""
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine; simulated engines run it in virtual time."""
        return asyncio.run(work)

    def use(self, engine: Engine, work: Callable[[Engine], Awaitable[T]]) -> T:
        """Run work with an engine and close it, whatever happens."""

        async def session() -> T:
            try:
                return await work(engine)
            finally:
                await engine.aclose()

        return self.run(session())

    @staticmethod
    def default(engine: Engine, **changes: Setting) -> dict[str, Setting]:
        """Return a candidate of the engine's defaults with changes."""
        return {name: knob.default for name, knob in engine.knobs.items()} | changes

    def test_reads_back_every_knob_it_has(self, tmp_path: Path) -> None:
        """What is in force covers each knob, unless it is declared unverified."""

        async def work(engine: Engine) -> None:
            candidate = self.default(engine)
            found = await engine.apply(candidate)

            assert not found.mismatches
            assert set(engine.knobs) <= set(found.settings) | set(found.unverified)

        self.use(self.engine(tmp_path), work)

    def test_the_same_candidate_again_costs_nothing(self, tmp_path: Path) -> None:
        """Applying what is in force neither reloads nor restarts."""

        async def work(engine: Engine) -> None:
            candidate = self.default(engine)
            first = await engine.apply(candidate)
            again = await engine.apply(candidate)

            assert (again.changed, again.engine_start) == ("nothing", first.engine_start)

        self.use(self.engine(tmp_path), work)

    def test_a_request_knob_costs_nothing_and_is_in_force(self, tmp_path: Path) -> None:
        """A request-tier change takes effect on the running engine."""
        self._changes(tmp_path, self.cheap, "nothing")

    def test_an_answer_is_as_long_as_it_is_wanted(self, tmp_path: Path) -> None:
        """It ends at the length that is wanted of it, or sooner where the model does by itself."""

        async def work(engine: Engine) -> None:
            candidate = self.default(engine)
            await engine.apply(candidate)
            [found] = await send(engine, candidate, "Count to a hundred.", output_tokens=3)

            assert found.outcome == "ok", found.error
            assert found.wanted_tokens == 3
            whole = (found.output_tokens, found.finish) == (3, "length")
            assert whole or (found.shorter and found.finish == "stop"), found

        self.use(self.engine(tmp_path), work)

    def test_a_reload_knob_reloads(self, tmp_path: Path) -> None:
        """A reload-tier change loads the model again without a restart."""
        if self.reload is None:
            pytest.skip("this engine has no reload tier")
        self._changes(tmp_path, self.reload, "reload")

    def test_a_restart_knob_restarts(self, tmp_path: Path) -> None:
        """A restart-tier change starts the engine again."""
        self._changes(tmp_path, self.dear, "restart")

    def _changes(self, tmp_path: Path, change: tuple[str, Setting], cost: str) -> None:
        name, value = change

        async def work(engine: Engine) -> None:
            before = await engine.apply(self.default(engine))
            after = await engine.apply(self.default(engine, **{name: value}))

            assert after.changed == cost
            assert after.engine_start - before.engine_start == (cost == "restart")
            assert after.settings[name] == value
            assert not after.mismatches

        self.use(self.engine(tmp_path), work)

    def test_fresh_restarts_in_any_case(self, tmp_path: Path) -> None:
        """A fresh start is given even where nothing changes."""

        async def work(engine: Engine) -> None:
            first = await engine.apply(self.default(engine))
            again = await engine.apply(self.default(engine), fresh=True)

            assert (again.changed, again.engine_start) == ("restart", first.engine_start + 1)

        self.use(self.engine(tmp_path), work)

    @pytest.mark.parametrize("which", ["cheap", "dear"])
    def test_an_ignored_knob_is_a_mismatch(self, tmp_path: Path, which: str) -> None:
        """A setting that the engine does not take is noticed, since it is read back."""
        name, value = getattr(self, which)

        async def work(engine: Engine) -> None:
            found = await engine.apply(self.default(engine, **{name: value}))

            assert any(text.startswith(f"{name}:") for text in found.mismatches)

        self.use(self.ignoring(tmp_path, name), work)

    def test_a_request_becomes_a_sample(self, tmp_path: Path) -> None:
        """An answer arrives with ordered stamps, its tokens and its finish reason."""

        async def work(engine: Engine) -> None:
            # a small model at its defaults may go on for as long as its context is
            limit = {"num_predict": 32} if "num_predict" in engine.knobs else {}
            candidate = self.default(engine, **limit)
            await engine.apply(candidate)
            sample = (await send(engine, candidate, "Delete task 4"))[0]

            assert sample.outcome == "ok", sample.error
            assert sample.sent_ns <= (sample.first_ns or 0) <= (sample.last_ns or 0)
            assert sample.answer
            assert sample.finish in ("stop", "length")
            assert sample.output_tokens

        self.use(self.engine(tmp_path), work)

    def test_the_process_that_answers_is_ours(self, tmp_path: Path) -> None:
        """The address served belongs to a socket of the engine's own processes."""

        async def work(engine: Engine) -> None:
            found = await engine.apply(self.default(engine))
            if found.pid is None:
                pytest.skip("this engine is no process of ours")

            assert int(found.address.rsplit(":", 1)[1]) in listening_ports(found.pid)

        self.use(self.engine(tmp_path), work)

    def test_cpu_time_is_told_of_processes_of_ours(self, tmp_path: Path) -> None:
        """An engine of ours tells its CPU seconds, which never fall; no other one makes them up."""

        async def work(engine: Engine) -> None:
            candidate = self.default(engine)
            found = await engine.apply(candidate)
            before = engine.cpu_s()
            await engine.apply(candidate)
            after = engine.cpu_s()

            assert (before is None) == (after is None) == (found.pid is None)
            assert (before or 0.0) <= (after or 0.0)
            assert found.pid is None or (after or 0.0) > 0

        self.use(self.engine(tmp_path), work)

    def test_closing_leaves_no_process(self, tmp_path: Path) -> None:
        """After aclose, called twice, nothing of the engine's family is left."""

        async def work(engine: Engine) -> list[psutil.Process]:
            found = await engine.apply(self.default(engine))
            members = family(found.pid) if found.pid else []
            await engine.aclose()
            await engine.aclose()
            assert not engine.alive()
            return members

        members = self.use(self.engine(tmp_path), work)

        assert [m for m in members if m.is_running()] == []

    def test_a_failed_start_is_typed(self, tmp_path: Path) -> None:
        """A start that fails raises StartFailed with one of the documented reasons."""
        from tuner.spec.errors import StartFailed, StartReason

        async def work(engine: Engine) -> None:
            with pytest.raises(StartFailed) as failed:
                await engine.apply(self.default(engine))

            assert failed.value.reason in get_args(StartReason)

        self.use(self.failing(tmp_path), work)


async def send(
    engine: Engine,
    candidate: Candidate,
    *asked: str | tuple[Message, ...],
    output_tokens: int | None = None,
) -> tuple[Sample, ...]:
    """Send texts or conversations one after the other to an engine that serves."""
    turns = [(Message("user", a),) if isinstance(a, str) else a for a in asked]
    prompts = [
        Prompt(str(i), "t", "k", messages, output_tokens=output_tokens)
        for i, messages in enumerate(turns)
    ]
    calls = (
        Call(p, engine.request(p.messages, candidate, "json", p.output_tokens)) for p in prompts
    )
    transport = engine.transport()
    try:
        driven = await drive(calls, Load(), transport, engine.read, engine_start=1)
    finally:
        await transport.aclose()
    return driven.samples
