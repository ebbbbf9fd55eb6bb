"""Any OpenAI-compatible server that a study starts by a command line of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.engines.command.server import Server, command_line
from tuner.engines.serving import control
from tuner.engines.serving.change_cost import probe
from tuner.engines.serving.chat import chat_request
from tuner.engines.serving.launch import (
    PORT_RETRIES,
    Launch,
    Served,
    answers,
    free_port,
    until_free,
)
from tuner.engines.serving.readback import difference, last_match, place, setting
from tuner.load.wire import Request
from tuner.spec.beside import Limits
from tuner.spec.errors import EngineError, InputError, StartFailed
from tuner.spec.knobs import ReadBack, name_of
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Message, Model, Setting

_STILL_ANSWERS_S = 5.0
_PROBE_TOKENS = 8


class Command(Served):
    """The `Engine` over a server that a study declares; `ports` gives ports to try."""

    name = "command"

    def __init__(
        self,
        server: Server,
        model: str,
        logs: Path,
        ports: Callable[[], int] = free_port,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(limits)
        self.model = Model(name=model, source=model)
        self.knobs = server.knobs
        self._server, self._logs, self._ports = server, logs, ports
        self._starts = 0
        self._line: object = None

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Reach a serving state for the candidate; see `Engine.apply`."""
        restart = fresh or not await self._serves(candidate)
        if restart:
            await self.aclose()
            await self._start(candidate)
        return await self._effective(candidate, "restart" if restart else "nothing")

    async def _serves(self, candidate: Candidate) -> bool:
        """Tell whether the candidate's own command runs and still answers.

        A server can fail while its process lives on: what no longer answers is started again.
        """
        if not self.alive() or self._line != self._command(candidate):
            return False
        try:
            async with asyncio.timeout(_STILL_ANSWERS_S):
                return await answers(self._port, self._server.ready)
        except TimeoutError:
            return False

    # starting
    async def _start(self, candidate: Candidate) -> None:
        self._starts += 1
        tries = 1 + PORT_RETRIES if self._server.takes_port else 1
        await until_free(lambda: self._start_once(candidate), tries)
        self._line = self._command(candidate)

    async def _start_once(self, candidate: Candidate) -> None:
        port = self._ports() if self._server.takes_port else None
        command, env = self._command(candidate, port or 0)
        asked = Launch(
            what=self._server.program,
            command=command,
            log=self._logs / f"engine-{self._starts}.log",
            deadline_s=self._server.start_timeout_s,
            env=env,
            ready=self._server.ready,
            port=port,
        )
        await self._launch(asked)

    def _command(
        self, candidate: Candidate, port: int = 0
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        try:
            return command_line(self._server, candidate, port, self.model.name)
        except InputError as unfilled:  # a study check fills in each value, not all combinations
            raise StartFailed("bad_flag", str(unfilled)) from None

    # reading back
    async def _effective(self, candidate: Candidate, changed: Any) -> Effective:
        found = await self._read_back(candidate)
        threads = name_of(self.knobs, "threads")
        said = (difference(self.knobs[n], candidate[n], real) for n, real in found.items())
        unread = [name for name in self.knobs if name not in found]
        return Effective(
            settings={name: real for name, real in found.items() if real is not None},
            unverified=(*unread, *(n for n in candidate if n == "format")),
            mismatches=tuple(sentence for sentence in said if sentence is not None),
            changed=changed,
            engine_start=self._starts,
            pid=self._process.pid if self._process else None,
            address=self.address,
            version=self._server.program,
            threads=found.get(threads or ""),
        )

    async def _read_back(self, candidate: Candidate) -> dict[str, Setting | None]:
        """Return what is in force for each knob that can be read back, None where nothing shows."""
        reads = {n: knob.read for n, knob in self.knobs.items() if knob.read is not None}
        if any(self.knobs[name].tier == "request" for name in reads):
            asked = self.request((Message("user", "ok?"),), candidate, None)
            await probe(self._server.program, self.address, asked, _PROBE_TOKENS)
        paths = dict.fromkeys(read.get for read in reads.values() if read.get is not None)
        pages = {path: await self._page(path) for path in paths}
        found = {name: self._shown(read, pages) for name, read in reads.items()}
        return {name: setting(shown, candidate[name]) for name, shown in found.items()}

    def _shown(self, read: ReadBack, pages: Mapping[str, Any]) -> Any:
        if read.get is not None:
            return place(pages[read.get], read.at)
        assert self._process is not None
        return last_match(read.log or "", self._process.log.read_text(errors="replace"))

    async def _page(self, path: str) -> Any:
        status, body = await control.call("GET", self.address + path)
        if status != 200 or body is None:
            raise EngineError(
                f"{self._server.program} answered GET {path} with {status or body} where JSON was "
                f"expected; mend get: {path} below engine.knobs"
            )
        return body

    # serving
    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the chat request with the model's name and the request-tier knobs."""
        fields: dict[str, Any] = self._server.request_fields(candidate, output_tokens)
        if self.model.name != "default":
            fields["model"] = self.model.name
        return chat_request(messages, fields, response_format)


def create(study: Study, logs: Path) -> Command:
    """Return the engine for the server that a study declares."""
    if study.engine_settings is None:
        raise InputError(
            "engine command starts a server of your own: add engine.command to a study"
        )
    return Command(study.engine_settings, study.model, logs, limits=study.limits)
