"""A running vLLM that somebody else started: what requests carry, and nothing else of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from tuner.engines.latency_counts import LatencyCounts
from tuner.engines.serving import control, metrics_page, served_models
from tuner.engines.serving.chat import chat_request, read_chat
from tuner.engines.serving.foreign_server import ONLY_A_START, Foreign
from tuner.engines.serving.histograms import read_latencies
from tuner.engines.serving.known_histograms import VLLM
from tuner.engines.vllm import readback
from tuner.engines.vllm.running.proposals import limits_of
from tuner.engines.vllm.running.watch import Watch, watching
from tuner.engines.vllm.settings.knobs import KNOBS
from tuner.engines.vllm.settings.requests import fields
from tuner.load.wire import Request
from tuner.spec.address import Url
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.knobs import Knob
from tuner.spec.values import Candidate, Effective, Message, Model

KNOBS_OF_REQUESTS: Mapping[str, Knob] = {n: k for n, k in KNOBS.items() if k.tier == "request"}
LEFT_OUT: Mapping[str, str] = {n: ONLY_A_START for n in KNOBS if n not in KNOBS_OF_REQUESTS}


class VllmAttached(Foreign):
    """The `Engine` over a server at a URL, such as one in a container; `served` is asked for."""

    name = "vllm"
    read = staticmethod(read_chat)

    def __init__(self, url: Url, model: str, served: str | None = None) -> None:
        super().__init__(url)
        self._url, self._path = url, url.path.rstrip("/").removesuffix("/v1")
        self._served = served
        self.model = Model(name=model, source=model)
        self.knobs, self.left_out = KNOBS_OF_REQUESTS, LEFT_OUT
        self._base, self._watched = url.origin + self._path, limits_of({})

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Check that the server answers, and read back what it shows of its settings.

        A fresh start is not ours to give: the engine start stays 1.
        """
        base = self._url.origin + self._path
        await self._check_model(base)
        status, told = await control.call("GET", base + "/version")
        version = told.get("version") if status == 200 and isinstance(told, dict) else None
        settings = await readback.settings(base, log="")
        self._base, self._watched = base, limits_of(settings)
        return Effective(
            settings=settings,
            unverified=tuple(n for n in candidate if n in self.knobs or n == "format"),
            mismatches=(),
            changed="nothing",
            engine_start=1,
            pid=None,
            address=base,
            version=f"vLLM {version or '(version not told)'} (not ours)",
        )

    async def _check_model(self, base: str) -> None:
        """Find out the name of the model; raise EngineDied, or InputError for another model."""
        names = tuple(await self.served())
        if self._served is None:
            self._served = self._named(names)
        if names and self._served not in names:
            raise InputError(
                f"{base} does not serve model {self._served!r}; "
                f"{served_models.in_words(self._served, names)}"
            )

    async def served(self) -> Mapping[str, str | None]:
        """Return the models that the server lists; see `Lists`."""
        base = self._url.origin + self._path
        status, body = await control.call("GET", base + "/v1/models")
        if status == 0:
            raise EngineDied(f"no server answers at {base} ({body}); start it first")
        return dict.fromkeys(served_models.listed(body) if status == 200 else ())

    def _named(self, names: Sequence[str]) -> str:
        """Return the model's name; where only the default is asked for, the one that is served."""
        if self.model.name == "default" and names:
            return names[0]
        return self.model.name

    def observing(self) -> AbstractAsyncContextManager[Watch]:
        """Watch the server; see `Observes`."""
        return watching(self._base, self._watched)

    async def latency_counts(self) -> LatencyCounts | None:
        """Return the histograms of all its requests; see `CountsLatencies`."""
        return read_latencies(await metrics_page.page(f"{self._base}/metrics"), VLLM)

    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the chat request; every sampling field is sent, none left to a default."""
        model = self._served or self.model.name
        carried = {"model": model, **fields(self.knobs, candidate, response_format, output_tokens)}
        path = self._url.target(self._path + "/v1/chat/completions")
        return chat_request(messages, carried, response_format, path=path)
