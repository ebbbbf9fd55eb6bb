"""A small engine from elsewhere: all that one has to write. `test_plug_in` installs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from tuner.engines.artifacts import ServedCandidate, evidence_header
from tuner.engines.base import Engine
from tuner.engines.first_study import Draft, Line, Machine, Origin
from tuner.engines.kind import Contents, EngineKind, Installed
from tuner.engines.serving.chat import chat_request
from tuner.engines.serving.launch import Launch, Served
from tuner.engines.serving.readback import difference, last_match
from tuner.load.wire import Request
from tuner.machine.finding import Finding
from tuner.spec.beside import Limits
from tuner.spec.engine_section import EngineSection
from tuner.spec.knobs import Knob, limited
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Message, Model

KNOBS = {
    "stones": Knob("stones", "restart", 512, "command"),
    "most_words": Knob("most_words", "request", 64, "client", role="limit"),
}
FILE = "pebble.json"
FAST = ("--ttft-ms", "2", "--itl-ms", "0.2", "--prompt-us-per-token", "1")


class Pebble(Served):
    """A server that is started again for each number of stones."""

    name = "pebble"
    knobs = KNOBS

    def __init__(self, model: str, logs: Path, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self.model = Model(name=model, source=model)
        self._logs, self._starts, self._stones = logs, 0, 0

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Start the server where its stones change, and read them back from its log."""
        restart = fresh or not self.alive() or candidate["stones"] != self._stones
        if restart:
            await self.aclose()
            await self._start(int(candidate["stones"]))
        assert self._process is not None
        shown = last_match(r"n_ubatch\s+= (\d+)", self._process.log.read_text())
        real = None if shown is None else int(shown)
        wrong = difference(self.knobs["stones"], candidate["stones"], real)
        return Effective(
            settings={} if real is None else {"stones": real},
            unverified=("most_words",),
            mismatches=() if wrong is None else (wrong,),
            changed="restart" if restart else "nothing",
            engine_start=self._starts,
            pid=self._process.pid,
            address=f"http://127.0.0.1:{self._port}",
            version="pebble 1",
        )

    async def _start(self, stones: int) -> None:
        self._starts += 1
        settings = json.dumps({"n_batch": stones, "port": 0})
        command = (sys.executable, "-m", "tuner.testing.fake_server", settings, *FAST)
        log = self._logs / f"engine-{self._starts}.log"
        await self._launch(Launch("pebble", command, log, deadline_s=30.0))
        self._stones = stones

    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return a chat request with its limit of words."""
        asked = limited(self.knobs, candidate, output_tokens)
        return chat_request(messages, {"max_tokens": asked["most_words"]}, response_format)


class PebbleSection(EngineSection):
    """The section `engine` of kind pebble."""

    kind: Literal["pebble"] = Field(description="The kind of engine.")
    colour: str = Field("grey", description="What the pebble looks like.")


class PebbleKind(EngineKind):
    """Pebbles that answer."""

    name = "pebble"
    section = PebbleSection
    about = "a pebble that answers"
    contents: ClassVar[Mapping[str, Contents]] = {
        FILE: Contents(("command", "client"), " (holds {})")
    }

    def takes(self, model: str) -> bool:
        """Tell whether a model is the file of a pebble."""
        return model.endswith(".pebble")

    def draft(self, origin: Origin, machine: Machine) -> Draft:
        """Return what a draft has by itself, with stones to search."""
        stones = Line([64, 128, 512], "How many stones.", "fewer are lighter")
        return replace(super().draft(origin, machine), space={"stones": stones})

    def create(self, study: Study, logs: Path) -> Engine:
        """Return the engine for a study's model."""
        return Pebble(study.model, logs, study.limits)

    def knobs(self) -> Mapping[str, Knob]:
        """Return its knobs, which no study changes."""
        return KNOBS

    def installed(self, path: str | None = None) -> Installed:
        """Return that pebbles lie everywhere."""
        return Installed(True, Finding(self.name, "ok", "pebbles lie everywhere"))

    def artifacts(self, served: ServedCandidate) -> dict[str, str]:
        """Return one file with all that serves."""
        proven = evidence_header(served.evidence, [])
        held = {name: served.candidate[name] for name in KNOBS}
        held["system"] = served.serving.system
        return {FILE: json.dumps({"proven": proven, **held}, indent=2) + "\n"}


class BareSection(EngineSection):
    """The section `engine` of kind bare."""

    kind: Literal["bare"] = Field(description="The kind of engine.")


class BareKind(EngineKind):
    """A kind that says no more than it must."""

    name = "bare"
    section = BareSection

    def create(self, study: Study, logs: Path) -> Engine:
        """Return the engine for a study's model."""
        return Pebble(study.model, logs, study.limits)


KIND = PebbleKind()
BARE = BareKind()
