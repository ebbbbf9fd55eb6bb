"""SimulatedEngine: an engine without a process, in a world given as a function.

Run it under `tuner.testing.virtual_time.run`: its restarts and answers take virtual time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from tuner.engines.serving.chat import chat_request, read_chat
from tuner.load.wire import Exchange, Request
from tuner.spec.errors import StartFailed
from tuner.spec.knobs import Knob
from tuner.spec.values import Candidate, Effective, Message, Model, Setting


@dataclass(frozen=True, slots=True)
class Answered:
    """What the world makes of one request; `dies` takes the engine down before it answers."""

    ttft_s: float
    tpot_s: float
    text: str
    output_tokens: int = 20
    finish: str = "stop"
    fails: bool = False
    dies: bool = False


World: TypeAlias = Callable[[Candidate, str, np.random.Generator], Answered]
"""(settings in force, text of the user, random generator) -> what is answered, and when."""

KNOBS: Mapping[str, Knob] = {
    "num_batch": Knob("num_batch", "restart", 128, role="batch"),
    "num_ctx": Knob("num_ctx", "reload", 4096, role="context"),
    "num_predict": Knob("num_predict", "request", 128, role="limit"),
    "temperature": Knob("temperature", "request", 0.8, role="temperature", neutral=0.0),
}


@dataclass(slots=True)
class SimulatedEngine:
    """The `Engine` over a world.

    `ignored` knobs keep their default, as a bad engine does it; `crashes` says for which
    candidates a start fails, `memory` how many bytes a candidate takes.
    """

    read = staticmethod(read_chat)

    world: World
    knobs: Mapping[str, Knob] = field(default_factory=lambda: dict(KNOBS))
    restart_s: float = 0.5
    reload_s: float = 0.2
    ignored: frozenset[str] = frozenset()
    crashes: Callable[[Candidate], bool] = lambda candidate: False
    memory: Callable[[Candidate], int] = lambda candidate: 2**27
    seed: int = 0
    parallel: int = 1
    name: str = "simulated"
    model: Model = field(default_factory=lambda: Model("simulated", "simulated", "sha256:0"))
    _in_force: dict[str, Setting] = field(default_factory=dict)
    _starts: int = 0
    _running: bool = False
    _rng: np.random.Generator = field(default_factory=np.random.default_rng)

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Reach the candidate at the cost of its dearest changed knob; see `Engine.apply`."""
        changed = "restart" if fresh or not self._running else self._change(candidate)
        if changed == "restart":
            self._starts += 1
            self._rng = np.random.default_rng([self.seed, self._starts])
        await asyncio.sleep({"restart": self.restart_s, "reload": self.reload_s}.get(changed, 0.0))
        if changed != "nothing" and self.crashes(candidate):
            self._running = False
            raise StartFailed("crashed", "the simulated engine ended at start")
        self._running = True
        self._in_force = {
            name: knob.default if name in self.ignored else candidate[name]
            for name, knob in self.knobs.items()
        }
        return self._effective(candidate, changed)

    def _change(self, candidate: Candidate) -> Literal["nothing", "reload", "restart"]:
        tiers = {k.tier for n, k in self.knobs.items() if candidate[n] != self._in_force.get(n)}
        return "restart" if "restart" in tiers else "reload" if "reload" in tiers else "nothing"

    def _effective(
        self, candidate: Candidate, changed: Literal["nothing", "reload", "restart"]
    ) -> Effective:
        different = (n for n, real in self._in_force.items() if candidate[n] != real)
        return Effective(
            settings=dict(self._in_force),
            unverified=(),
            mismatches=tuple(
                f"{n}: asked for {candidate[n]}, in force is {self._in_force[n]}" for n in different
            ),
            changed=changed,
            engine_start=self._starts,
            pid=None,
            address="simulated",
            version="simulated",
        )

    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the chat request that carries the conversation."""
        limit = {} if output_tokens is None else {"max_tokens": output_tokens}
        return chat_request(messages, limit, response_format)

    def transport(self) -> _Transport:
        """Return a transport into the world."""
        return _Transport(self, dict(self._in_force), self._rng)

    def memory_bytes(self) -> int | None:
        """Return what the settings in force take."""
        return self.memory(self._in_force)

    def cpu_s(self) -> float | None:
        """Return None: there is no process."""
        return None

    def alive(self) -> bool:
        """Tell whether it was started and neither crashed nor closed."""
        return self._running

    def die(self) -> None:
        """End as a crash ends it: requests are refused until the next start."""
        self._running = False

    async def aclose(self) -> None:
        """Stop."""
        self._running = False


class _Transport:
    """Answers requests in virtual time; `parallel` at once, the others wait their turn."""

    def __init__(
        self, engine: SimulatedEngine, settings: Candidate, rng: np.random.Generator
    ) -> None:
        self._engine, self._settings, self._rng = engine, settings, rng
        self._slots = asyncio.Semaphore(engine.parallel)

    async def send(self, request: Request, timeout_s: float) -> Exchange:
        """Return the world's answer as a stamped stream; see `tuner.load.wire.Transport`."""
        sent = _now_ns()
        body = json.loads(request.body)
        try:
            async with asyncio.timeout(timeout_s), self._slots:
                return await self._answer(sent, body)
        except TimeoutError:
            return Exchange(sent, _now_ns(), 0, None, (), "timeout", "no answer in time")

    async def _answer(self, sent: int, body: Mapping[str, Any]) -> Exchange:
        if not self._engine.alive():
            return Exchange(sent, _now_ns(), 0, None, (), "error", "connection refused")
        text = body["messages"][-1]["content"]
        answered = self._engine.world(self._settings, text, self._rng)
        if wanted := body.get("max_tokens"):
            answered = replace(answered, output_tokens=wanted, finish="length")
        await asyncio.sleep(answered.ttft_s)
        first = _now_ns()
        if answered.dies:
            self._engine.die()
            return Exchange(sent, first, 0, None, (), "error", "connection reset")
        await asyncio.sleep(answered.tpot_s * max(answered.output_tokens - 1, 0))
        if answered.fails:
            return Exchange(sent, _now_ns(), 0, 500, ((first, b"{}"),), "ok")
        half = len(answered.text) // 2
        frames = (
            (first, _frame(answered.text[:half], None)),
            (_now_ns(), _frame(answered.text[half:], None)),
            (_now_ns(), _frame("", answered.finish, answered.output_tokens)),
            (_now_ns(), b"data: [DONE]\n\n"),
        )
        return Exchange(sent, _now_ns(), 0, 200, frames, "ok")

    async def aclose(self) -> None:
        """Nothing is open."""


def _frame(text: str, finish: str | None, tokens: int | None = None) -> bytes:
    frame: dict[str, Any] = {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}
    if tokens is not None:
        frame["usage"] = {"completion_tokens": tokens, "prompt_tokens": 10}
    return b"data: " + json.dumps(frame).encode() + b"\n\n"


def _now_ns() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)
