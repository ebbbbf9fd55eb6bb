"""The embedded engine: llama.cpp's server in a child process, in Ollama's words.

num_ctx is per slot (n_ctx = num_ctx x num_parallel) and num_batch sets both -b and -ub, as
Ollama does it (llm/llama_server.go). llama.cpp changes none of its load-time settings while
it runs, so each costs a restart, which takes well under a second for a small model.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.engines import models
from tuner.engines.base import Preview
from tuner.engines.memory import CONTEXT_STEP, ensure_fits, room_within
from tuner.engines.ollama import knobs as ollama
from tuner.engines.serving import control
from tuner.engines.serving.change_cost import cost, probe
from tuner.engines.serving.chat import chat_request
from tuner.engines.serving.launch import Launch, Served
from tuner.engines.serving.limiting import numbers
from tuner.engines.serving.readback import difference
from tuner.load.wire import Request
from tuner.machine.counters import usable_cpus
from tuner.spec.beside import Limits
from tuner.spec.errors import EngineMissing, InputError
from tuner.spec.knobs import Knob, by_name, limited
from tuner.spec.model_name import is_gguf_path
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Message, Model, Setting

START_DEADLINE_S = 120.0


_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")

KNOBS: Mapping[str, Knob] = by_name(
    replace(ollama.KNOBS["num_ctx"], tier="restart"),
    replace(ollama.KNOBS["num_batch"], tier="restart"),
    Knob(
        "num_thread", "restart", len(usable_cpus()), role="threads", about="Threads that compute."
    ),  # llama.cpp itself ignores cpusets
    *(ollama.KNOBS[name] for name in ("num_parallel", "kv_cache_type", "flash_attention")),
    replace(ollama.KNOBS["num_predict"], about="The most tokens of an answer; -1 for no limit."),
    *(ollama.KNOBS[name] for name in _SAMPLING),
)
"""Defaults are Ollama's (api/types.go), so that what is measured is what a Modelfile says."""


def knobs_within(limits: Limits | None, knobs: Mapping[str, Knob] = KNOBS) -> Mapping[str, Knob]:
    """Return the knobs of an engine within limits: by default it has a thread for each CPU."""
    cpus = numbers(limits)
    if cpus is None:
        return knobs
    return {**knobs, "num_thread": replace(knobs["num_thread"], default=len(cpus))}


_PROBE = {"type": "boolean"}
"""An answer of one word, however large the output limit is."""

_FIELDS = {"num_predict": "max_tokens"}
_LOGGED = {
    "num_batch": re.compile(r"n_ubatch\s+= (\d+)"),
    "num_thread": re.compile(r"threadpool init, n_threads = (\d+)"),
    "kv_cache_type": re.compile(r"K \((\w+)\):.*V \((\w+)\):"),
    "flash_attention": re.compile(r"flash_attn\s+= (\w+)"),
}


class LlamaCpp(Served):
    """The `Engine` over llama.cpp's HTTP server; `server` is the program that speaks it."""

    name = "llamacpp"
    knobs: Mapping[str, Knob] = KNOBS

    def __init__(
        self, model: Model, logs: Path, server: Sequence[str], limits: Limits | None = None
    ) -> None:
        super().__init__(limits)
        self.model, self.knobs = model, knobs_within(limits, self.knobs)
        self._logs = logs
        self._server = tuple(server)
        self._starts = 0
        self._in_force: Candidate = {}

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Reach a serving state for the candidate; see `Engine.apply`."""
        stays = (
            not fresh and self.alive() and cost(self.knobs, candidate, self._in_force) == "nothing"
        )
        if not stays:
            await self.aclose()
            await self._start(candidate)
        self._in_force = dict(candidate)
        return await self._effective(candidate, "nothing" if stays else "restart")

    # starting
    async def _start(self, candidate: Candidate) -> None:
        ensure_fits(self.model, candidate, room_within(self._limits))
        self._starts += 1
        asked = Launch(
            what="llama.cpp",
            command=(*self._server, json.dumps(self._settings(candidate))),
            log=self._logs / f"engine-{self._starts}.log",
            deadline_s=START_DEADLINE_S,
        )
        await self._launch(asked)

    def _settings(self, candidate: Candidate) -> dict[str, Any]:
        parallel = int(candidate["num_parallel"])
        return {
            "model": self.model.source,
            "n_ctx": int(candidate["num_ctx"]) * parallel,
            "n_parallel": parallel,
            "n_batch": candidate["num_batch"],
            "n_threads": candidate["num_thread"],
            "cache_type": candidate["kv_cache_type"],
            "flash_attention": candidate["flash_attention"],
            "port": 0,
        }

    # reading back
    async def _effective(self, candidate: Candidate, changed: Any) -> Effective:
        props = await self._get("/props")
        asked = self.request((Message("user", "ok?"),), candidate, _PROBE)
        await probe("llama.cpp", self.address, asked)
        settings = self._from_props(props) | self._from_log() | await self._from_slots()
        return Effective(
            settings=settings,
            unverified=("format",) if "format" in candidate else (),
            mismatches=tuple(mismatches(candidate, settings, self.knobs)),
            changed=changed,
            engine_start=self._starts,
            pid=self._process.pid if self._process else None,
            address=self.address,
            version=f"llama.cpp {self._version(props)}",
            threads=settings.get("num_thread"),
        )

    def _from_props(self, props: Mapping[str, Any]) -> dict[str, Setting]:
        return {
            "num_ctx": props["default_generation_settings"]["n_ctx"],
            "num_parallel": props["total_slots"],
        }

    def _from_log(self) -> dict[str, Setting]:
        assert self._process is not None
        text = self._process.log.read_text(errors="replace")
        found: dict[str, Setting] = {}
        for name, pattern in _LOGGED.items():
            if match := pattern.search(text):
                found[name] = int(match[1]) if match[1].isdigit() else match[1]
        if match := _LOGGED["kv_cache_type"].search(text):
            found["kv_cache_type"] = match[1] if match[1] == match[2] else f"{match[1]}/{match[2]}"
        if "flash_attention" in found:
            attention = {"enabled": "on", "disabled": "off"}
            found["flash_attention"] = attention.get(str(found["flash_attention"]), "auto")
        return found

    async def _from_slots(self) -> dict[str, Setting]:
        used = [s for s in await self._get("/slots") if "params" in s]
        if not used:
            return {}
        params = max(used, key=lambda s: s["id_task"])["params"]
        names = (k.name for k in self.knobs.values() if k.tier == "request")
        read = {n: params[_FIELDS.get(n, n)] for n in names if _FIELDS.get(n, n) in params}
        return {n: round(v, 6) if isinstance(v, float) else v for n, v in read.items()}

    async def _get(self, path: str) -> Any:
        return await control.get(self.address + path)

    def _version(self, props: Mapping[str, Any]) -> str:
        package = importlib.util.find_spec("xllamacpp") and package_version()
        return f"via xllamacpp {package}" if package else str(props.get("build_info"))

    # serving
    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the chat request; every sampling field is sent, none left to a default."""
        candidate = limited(self.knobs, candidate, output_tokens)
        names = (k.name for k in self.knobs.values() if k.tier == "request")
        fields = {_FIELDS.get(n, n): candidate[n] for n in names}
        if output_tokens is not None and response_format is None:
            fields["ignore_eos"] = True  # a form that is filled has to end, or the server fails
        return chat_request(messages, fields, response_format)


def create(study: Study, logs: Path) -> LlamaCpp:
    """Return the engine for a study's model: a GGUF file, or "default"."""
    model = models.from_gguf(_model_path(study))
    return LlamaCpp(model, logs, embedded_server(), study.limits)


def preview(study: Study) -> Preview:
    """Return what shows without the engine and without hashing a model of many gigabytes.

    Raises InputError for a model file that is not there or cannot be read.
    """
    missing: list[str] = []
    train_ctx = None
    with _noting(missing):
        embedded_server()
    with _noting(missing):
        train_ctx = models.described(_model_path(study)).train_ctx
    return Preview(knobs_within(study.limits), tuple(missing), train_ctx)


@contextlib.contextmanager
def _noting(missing: list[str]) -> Iterator[None]:
    """Keep what has to be installed as a sentence."""
    try:
        yield
    except EngineMissing as error:
        missing.append(str(error))


def _model_path(study: Study) -> Path:
    if study.model != "default" and not is_gguf_path(study.model):
        raise InputError(
            f"engine llamacpp serves a GGUF file, found model {study.model!r}; name a path that "
            "ends in .gguf, or `default` for the packaged SmolLM2"
        )
    return models.default_path() if study.model == "default" else Path(study.model)


def mismatches(
    candidate: Candidate, settings: Mapping[str, Setting], knobs: Mapping[str, Knob] = KNOBS
) -> list[str]:
    """Return a sentence for each knob that the engine does not run as asked."""
    found = []
    for name, knob in knobs.items():
        asked = candidate[name]
        if knob.role == "context":
            asked = -(-int(asked) // CONTEXT_STEP) * CONTEXT_STEP
        if knob.leaves_open(asked):
            continue
        found.append(difference(knob, asked, settings.get(name)))
    return [sentence for sentence in found if sentence is not None]


def embedded_server() -> tuple[str, ...]:
    """Return the command of llama.cpp's server; raise EngineMissing with its install command."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise EngineMissing(
            "the embedded engine (llama.cpp) is not installed; install it with:\n"
            "  python -m pip install 'modelfile-tuner[embedded]'"
        )
    return (sys.executable, "-m", "tuner.engines.llamacpp.server")


def package_version() -> str:
    """Return the version of the package that brings llama.cpp."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("xllamacpp")
    except PackageNotFoundError:
        return "unknown"
