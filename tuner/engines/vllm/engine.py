"""vLLM, managed: a server of our own on a private port, restarted where a flag changes.

vLLM changes none of its flags while it runs, so that each costs a start. What such a start makes
of the flags, its own resolver tells before; candidates that come to the same share a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from tuner.engines.base import Resolution
from tuner.engines.memory import Room, room, within
from tuner.engines.serving.chat import chat_request
from tuner.engines.serving.launch import (
    PORT_RETRIES,
    Launch,
    Served,
    answers,
    free_port,
    until_free,
)
from tuner.engines.vllm import readback
from tuner.engines.vllm.emitted.service import Service
from tuner.engines.vllm.preflight.compiled import Compiled
from tuner.engines.vllm.preflight.preflight import Preflight
from tuner.engines.vllm.running.prefix_cache import reset_prefix_cache
from tuner.engines.vllm.running.proposals import limits_of
from tuner.engines.vllm.running.watch import Watch, watching
from tuner.engines.vllm.settings import command
from tuner.engines.vllm.settings.arguments import arguments
from tuner.engines.vllm.settings.requests import fields
from tuner.engines.vllm.settings.using import Using
from tuner.engines.vllm.starting.failures import StartFailure, read_failure
from tuner.engines.vllm.starting.own_numbers import OwnNumbers, read_own_numbers
from tuner.load.wire import Request
from tuner.machine.gpus import has_gpu
from tuner.spec.beside import Limits
from tuner.spec.errors import InputError, StartFailed, StartReason
from tuner.spec.values import Candidate, Effective, EngineStart, Message, Model

_STILL_ANSWERS_S = 5.0


class Vllm(Served):
    """The `Engine` over a vLLM of ours; `cache` keeps what it compiles from trial to trial."""

    name = "vllm"

    def __init__(
        self,
        model: Model,
        using: Using,
        logs: Path,
        cache: Path,
        ports: Callable[[], int] = free_port,
        free: Callable[[], Room] = room,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(limits)
        self.model = model
        self.knobs, self.left_out = using.knobs, using.left_out
        self.manifests = using.manifests
        self._using, self._fixed = using, using.fixed
        self._logs, self._ports = logs, ports
        self._free: Callable[[], Room] = lambda: within(free(), limits)
        self._private = command.private(cache)
        self._preflight = Preflight(using, self._private, logs / "resolver.txt", limits)
        self._starts = 0
        self._serving: str | None = None
        self._compiled = Compiled(cache / "compiled-by-tune.txt")
        self._last_start: EngineStart | None = None
        self._told: tuple[str, ...] = ()
        self._failure: StartFailure | None = None
        self._most_bytes: int | None = None
        self._watched = limits_of({})

    async def resolve(self, candidate: Candidate) -> Resolution:
        """Return what vLLM makes of a candidate; see `Resolves`."""
        return await self._preflight.resolve(candidate)

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Reach a serving state for the candidate; see `Engine.apply`."""
        resolved = await self.resolve(candidate)
        if resolved.identity is None:
            raise StartFailed("bad_flag", f"not started: vLLM refuses it: {resolved.refused}")
        restart = fresh or not await self._serves(resolved.identity)
        if restart:
            await self._stop_server()
            await self._start(candidate, resolved)
        else:  # what an earlier trial sent would speed up what this one sends
            await reset_prefix_cache(self.address)
        found = await self._effective(candidate, resolved, "restart" if restart else "nothing")
        self._watched = limits_of({**candidate, **found.settings})
        return found

    async def _serves(self, identity: str) -> bool:
        """Tell whether a server of this identity runs and its engine lives.

        The API server may outlive it: /health then gives 503.
        """
        if not self.alive() or self._serving != identity:
            return False
        try:
            async with asyncio.timeout(_STILL_ANSWERS_S):
                return await answers(self._port, "/health")
        except TimeoutError:
            return False

    # starting
    async def _start(self, candidate: Candidate, resolved: Resolution) -> None:
        limits, model = self._preflight.limits, str(candidate["model"])
        settings = {**candidate, **resolved.settings}
        if not has_gpu() and (short := limits.shortage(model, settings, self._free())):
            raise StartFailed("out_of_memory", f"not started: {short}")
        self._starts += 1
        self._failure = None
        began = asyncio.get_running_loop().time()
        try:
            await until_free(lambda: self._start_once(candidate, self._ports()), 1 + PORT_RETRIES)
        except StartFailed:
            if self._failure is not None:
                limits.learn(model, settings, self._failure.longest)
            raise
        seconds = asyncio.get_running_loop().time() - began
        self._serving = resolved.identity
        assert self._process is not None
        own = read_own_numbers(self._process.log.read_text(errors="replace"))
        self._told = tuple(_told(own, limits.hear(model, settings, own)))
        self._last_start = self._compiled.start(seconds, str(resolved.compiled))

    async def _start_once(self, candidate: Candidate, port: int) -> None:
        asked = Launch(
            what="vLLM",
            command=(
                *self._using.installation.serve(str(candidate["model"])),
                *("--host", "127.0.0.1", "--port", str(port)),
                *command.words(candidate, self._fixed),
                *arguments(self._using.telling),
            ),
            log=self._logs / f"engine-{self._starts}.log",
            deadline_s=self._fixed.start_timeout_s,
            env={**command.environment(candidate, self._fixed), **self._private},
            port=port,
            explain=self._explained,
        )
        await self._launch(asked)

    def _explained(self, log: str, exit_code: int | None) -> tuple[StartReason, str] | None:
        """Return why a start failed.

        Raises InputError where every other candidate would fail likewise, and none ever served.
        """
        self._failure = failure = read_failure(log, exit_code)
        if failure is None:
            return None
        for_all = failure.kind.any_candidate and failure.reason != "wrong_server"
        if for_all and not self._compiled.hashes:
            raise InputError(f"vLLM does not start: {failure.message}")
        return failure.reason, failure.message

    # reading back
    async def _effective(
        self, candidate: Candidate, resolved: Resolution, changed: Any
    ) -> Effective:
        assert self._process is not None
        log = self._process.log.read_text(errors="replace")
        found = await readback.settings(self.address, log)
        asked = {**candidate, **resolved.settings}
        checked = [n for n in found if n in self.knobs and self.knobs[n].tier != "request"]
        wrong = readback.mismatches(self.knobs, asked, {n: found[n] for n in checked})
        unread = [n for n in self.knobs if n not in found]
        return Effective(
            settings={**resolved.settings, **found},
            unverified=(*unread, *(n for n in candidate if n == "format")),
            mismatches=tuple(wrong),
            changed=changed,
            engine_start=self._starts,
            pid=self._process.pid,
            address=self.address,
            version=f"vLLM {self._using.installation.version}",
            notes=(*self._fixed.notes, *resolved.notes, *self._told),
            start=self._last_start,
        )

    def observing(self) -> AbstractAsyncContextManager[Watch]:
        """Watch the server that now serves; see `Observes`."""
        return watching(self.address, self._watched)

    def noticed(self) -> str | None:
        """Return a sentence where the engine behind the API server is gone; see `Notices`."""
        if self._process is None:
            return None
        log = self._process.log.read_text(errors="replace")
        return "the engine behind the API server died" if readback.engine_died(log) else None

    def memory_bytes(self) -> int | None:
        """Return the memory that serving takes now; the most of it is kept for what is written."""
        now = super().memory_bytes()
        self._most_bytes = max(filter(None, (now, self._most_bytes)), default=None)
        return now

    def service(self, candidate: Candidate) -> Service:
        """Return the server of a candidate as it was measured, for the files that start it."""
        start = self._last_start
        return Service(
            program=self._using.installation.program,
            version=self._using.installation.version,
            model=str(candidate["model"]),
            flags=command.flags(candidate, self._fixed),
            env=command.environment(candidate, self._fixed),
            mounts=command.mounts(candidate, self._fixed),
            start_s=start.seconds if start else None,
            memory_bytes=self._most_bytes,
            gpus=command.gpus(self._fixed) if has_gpu() else 0,
        )

    async def _stop_server(self) -> None:
        self._serving = None
        await super().aclose()

    async def aclose(self) -> None:
        """Stop the server and the resolver, and wait until both are gone."""
        try:
            await self._stop_server()
        finally:
            await self._preflight.aclose()

    # serving
    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the chat request; every sampling field is sent, none left to a default."""
        served = self._fixed.served_name or str(candidate["model"])
        carried = {"model": served, **fields(self.knobs, candidate, response_format, output_tokens)}
        return chat_request(messages, carried, response_format)


def _told(own: OwnNumbers, memory: str | None) -> Iterator[str]:
    """Yield what a start's log says of settings that are not as asked for, and of memory."""
    for found in own.adjusted:
        yield f"{found.setting}: {found.said}"
    if memory is not None:
        yield memory
