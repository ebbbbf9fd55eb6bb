"""Ollama, managed: a server of our own over the same models, beside one in production.

Settings are sent with each request, as options; the server's environment is set when it is
started. Production's server is never asked and never changed: ours listens on a port of its
own, prunes nothing and takes no part of the cloud.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.engines.base import Preview
from tuner.engines.memory import ensure_fits, room_within
from tuner.engines.ollama import api, model_folder, readback
from tuner.engines.ollama.attached import NONE_KNOWN, OllamaAttached, address_of
from tuner.engines.ollama.chat import read_ollama
from tuner.engines.ollama.environment import environment, started_by
from tuner.engines.ollama.knobs import NOTHING, OLDEST, REFUSES_SINCE, knobs, version_of
from tuner.engines.ollama.models import OllamaModels
from tuner.engines.serving.change_cost import Change, cost, probe
from tuner.engines.serving.launch import PORT_RETRIES, Launch, Served, free_port, until_free
from tuner.load.wire import Request
from tuner.machine.gpus import has_gpu
from tuner.spec.beside import Limits
from tuner.spec.errors import EngineMissing, InputError
from tuner.spec.space import Choices
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Message, Model

START_DEADLINE_S = 60.0
REMOVE_DEADLINE_S = 10.0

_PROBE = {"type": "boolean"}
"""An answer of one word, however large the output limit is."""


class Ollama(Served):
    """The `Engine` over an `ollama serve` of ours; `models` is the folder that it serves from.

    `own` is what the model itself sets: it stays in force for knobs that nobody names.
    """

    name = "ollama"
    read = staticmethod(read_ollama)

    def __init__(
        self,
        model: Model,
        models: Path,
        logs: Path,
        program: str = "ollama",
        version: tuple[int, ...] = OLDEST,
        ports: Callable[[], int] = free_port,
        own: Mapping[str, int | float] = NOTHING,
        gpu: Callable[[], bool] = has_gpu,
        manifests: Mapping[str, str | None] = NONE_KNOWN,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(limits)
        self.model, self.manifests = model, manifests
        self._known = {model.name: model}
        self.knobs = knobs(version, model.name, own)
        self._models, self._logs, self._program, self._ports = models, logs, program, ports
        self._version, self._gpu = version, gpu
        self._starts = 0
        self._in_force: Candidate = {}
        self._created: str | None = None
        self._log_read = 0

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Reach a serving state for the candidate; see `Engine.apply`."""
        await self._forget_created()
        changed = "restart" if fresh else self._cost(candidate)
        if changed == "restart":
            await self.aclose()
            await self._start(candidate)
        if changed != "nothing":
            self._in_force = {}
            name = str(candidate["model"])
            await api.load(self.address, name, self._options(candidate))
        self._in_force = dict(candidate)
        return await self._effective(candidate, changed)

    def _cost(self, candidate: Candidate) -> Change:
        return cost(self.knobs, candidate, self._in_force) if self.alive() else "restart"

    # starting
    async def _start(self, candidate: Candidate) -> None:
        weights = self._weights(candidate)
        if candidate["num_gpu"] == 0 or not self._gpu():  # else Ollama itself tells what fits
            ensure_fits(weights, candidate, room_within(self._limits))
        self._starts += 1
        await until_free(lambda: self._start_once(candidate, self._ports()), 1 + PORT_RETRIES)

    async def _start_once(self, candidate: Candidate, port: int) -> None:
        asked = Launch(
            what="Ollama",
            command=(*started_by(candidate, self.knobs), self._program, "serve"),
            log=self._logs / f"engine-{self._starts}.log",
            deadline_s=START_DEADLINE_S,
            env=self._environment(candidate, port),
            ready="/api/version",
            port=port,
        )
        await self._launch(asked)
        await api.remove_left_behind(self.address)

    def _environment(self, candidate: Candidate, port: int) -> dict[str, str]:
        ours = {
            "OLLAMA_HOST": f"127.0.0.1:{port}",
            "OLLAMA_MODELS": str(self._models),
            "OLLAMA_NOPRUNE": "1",
            "OLLAMA_NO_CLOUD": "1",
        }
        if self._version < REFUSES_SINCE:
            ours["OLLAMA_DEBUG"] = "1"  # or it leaves messages out without a word
        return environment(candidate, self.knobs) | ours

    # a model of its own
    async def create(self, candidate: Candidate, body: Mapping[str, Any]) -> Effective:
        """Serve the candidate that is in force as a model created for it; see `Creates`."""
        await self._forget_created()
        name = api.temporary_name()
        await api.create(self.address, name, body)
        self._created = name
        return await self._effective(candidate, "nothing")

    async def _forget_created(self) -> None:
        created, self._created = self._created, None
        if created is None or not self.alive():
            return
        with contextlib.suppress(TimeoutError):  # the next start removes what is left behind
            async with asyncio.timeout(REMOVE_DEADLINE_S):
                await api.remove(self.address, created)

    async def in_production(self) -> dict[str, int]:
        """Return what the server at OLLAMA_HOST holds in memory now; see `Neighbour`."""
        try:
            address = address_of(None)
        except InputError:  # an address that clients reach and we do not speak to
            return {}
        loaded = await api.loaded(address)
        return {f"the server at {address} holds {name}": size for name, size in loaded.items()}

    async def unload(self) -> None:
        """Let go of the model: the next request loads it again."""
        name = self._created or str(self._in_force["model"])
        await api.unload(self.address, name)

    async def aclose(self) -> None:
        """Remove what was created, stop the server and wait until it is gone."""
        await self._forget_created()
        await super().aclose()

    # reading back
    async def _effective(self, candidate: Candidate, changed: Change) -> Effective:
        assert self._process is not None
        asked = (Message("user", "ok?"),)
        await probe("Ollama", self.address, self.request(asked, candidate, _PROBE))
        log = self._process.log.read_text(errors="replace")
        self._log_read = len(log)
        found = readback.from_log(log) | await api.gpu_share(self.address)
        for runner in readback.runners(self._process.pid)[:1]:
            found |= runner.settings() | readback.from_system(runner.pid)
            found["model"] = self._served(runner, candidate)
            sampling = [k.name for k in self.knobs.values() if k.tier == "request"]
            found |= await readback.from_slots(runner, sampling)
        unread = [name for name in self.knobs if name not in found]
        return Effective(
            settings=found,
            unverified=(*unread, *(n for n in candidate if n == "format")),
            mismatches=tuple(readback.mismatches(candidate, found, self.knobs)),
            changed=changed,
            engine_start=self._starts,
            pid=self._process.pid,
            address=self.address,
            version=f"Ollama {'.'.join(map(str, self._version))}",
            threads=found.get("num_thread"),
        )

    def _weights(self, candidate: Candidate) -> Model:
        """Return the model that a candidate names, which may be another tag than the study's."""
        name = str(candidate["model"])
        if name not in self._known:
            self._known[name] = model_folder.model(name, self._models)
        return self._known[name]

    def noticed(self) -> str | None:
        """Return a sentence where a request was shortened to fit; see `Notices`."""
        if self._process is None:
            return None
        new = self._process.log.read_text(errors="replace")[self._log_read :]
        return readback.shortened(new)

    def _served(self, runner: readback.Runner, candidate: Candidate) -> str:
        """Return the model's name where the runner has its weights, else what it has."""
        digest = self._weights(candidate).digest
        same = digest is None or runner.model.endswith(digest.replace(":", "-"))
        return str(candidate["model"]) if same else runner.model

    # serving
    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the chat request; a created model has its options in itself, else all are sent.

        Ollama has no option that lets an answer go on to its limit.
        """
        model = self._created or str(candidate["model"])
        options = {} if self._created else self._options(candidate)
        options |= api.limit_of(candidate, self.knobs, output_tokens)
        return api.request_of(model, messages, candidate, options, response_format)

    def _options(self, candidate: Candidate) -> dict[str, Any]:
        return api.options_of(candidate, self.knobs)


def create(study: Study, logs: Path) -> Ollama | OllamaAttached:
    """Return the engine for the model of a study, a name that `ollama list` shows.

    With a url it is the running server there, else one of our own.
    """
    if study.url is not None:
        return _attached(study, str(study.url))
    version, models = version_of("ollama"), model_folder.writable(model_folder.folder(), logs)
    for other in tags(study):
        model_folder.model(other, models)
    model, own = model_folder.model(study.model, models), _own_settings(study, models)
    manifests = {name: model_folder.digest(name, models) for name in _named(study)}
    return Ollama(
        model, models, logs,
        version=version, own=own, manifests=manifests, limits=study.limits,
    )  # fmt: skip


def _attached(study: Study, address: str) -> OllamaAttached:
    """Return the engine over a running server, with what that says its models are."""
    server = OllamaModels(address)
    manifests = {name: server.digest(name) for name in _named(study)}
    return OllamaAttached(address, Model(study.model, study.model), manifests=manifests)


def _named(study: Study) -> list[str]:
    """Return each model that a candidate of a study may name."""
    return sorted({study.model, str(study.baseline.get("model", study.model)), *tags(study)})


def _own_settings(study: Study, models: Path) -> Mapping[str, int | float]:
    """Return what the baseline's model sets itself; raise InputError where it spoils shots."""
    _ensure_no_own_turns(study, models)
    return model_folder.own_settings(str(study.baseline.get("model", study.model)), models)


def _ensure_no_own_turns(study: Study, models: Path) -> None:
    """Raise InputError where shots would come on top of MESSAGE lines, and then in their place."""
    if "shots" not in study.space and study.baseline.get("shots", 0) == 0:
        return
    for name in tags(study) or [study.model]:
        if model_folder.turns(name, models):
            raise InputError(
                f"{name} has MESSAGE lines, which Ollama puts before each request: `shots` would "
                "be added to them while searching, and fixed ones replace them in the Modelfile; "
                "take `shots` out of the study, or name the model that it was made from"
            )


def tags(study: Study) -> list[str]:
    """Return the models among which a study chooses, if it does."""
    dimension = study.space.get("model")
    return [str(v) for v in dimension.values] if isinstance(dimension, Choices) else []


def preview(study: Study) -> Preview:
    """Return what shows without starting a server; raise InputError for an unknown model."""
    if study.url is not None:
        attached = OllamaAttached(str(study.url), Model(study.model, study.model))
        return Preview(attached.knobs, left_out=attached.left_out)
    try:
        version = version_of("ollama")
    except EngineMissing as error:
        return Preview(knobs(OLDEST, study.model), (str(error),))
    models = model_folder.folder()
    model = model_folder.model(study.model, models)
    own = _own_settings(study, models)
    return Preview(knobs(version, study.model, own), (), model.train_ctx)
