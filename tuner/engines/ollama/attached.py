"""A running Ollama that somebody else started: request and reload knobs, and nothing else of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from tuner.engines.ollama import api
from tuner.engines.ollama.chat import read_ollama
from tuner.engines.ollama.knobs import SOFTER_PENALTY_SINCE, ensure_tunable, knobs
from tuner.engines.serving.change_cost import Change, cost
from tuner.engines.serving.foreign_server import ONLY_A_START, Foreign
from tuner.load.wire import Request
from tuner.spec.address import Url, ollama_url, variable
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob
from tuner.spec.values import Candidate, Effective, Message, Model

NONE_KNOWN: Mapping[str, str | None] = MappingProxyType({})


def url_of(told: str | None) -> Url:
    """Return where an Ollama is: as told, as OLLAMA_HOST says, or where it is by default."""
    try:
        if told and told.strip():
            return ollama_url(told.strip().strip("\"'"))
        return ollama_url(variable("OLLAMA_HOST"), lenient=True)
    except ValueError as wrong:
        raise InputError(f"--attach or OLLAMA_HOST: {wrong}") from None


def address_of(told: str | None) -> str:
    """Return the same as text, whole."""
    return str(url_of(told))


class OllamaAttached(Foreign):
    """The `Engine` over a server at an address.

    With `as_it_is` the model's own settings count and no options are sent: so a model that went
    into service is measured. `left_out` are the other knobs, and why they are, `manifests` the
    digests of the models that may be asked for.
    """

    name = "ollama"
    read = staticmethod(read_ollama)

    def __init__(
        self,
        address: str,
        model: Model,
        *,
        as_it_is: bool = False,
        manifests: Mapping[str, str | None] = NONE_KNOWN,
    ) -> None:
        url = url_of(address)
        super().__init__(url)
        self._address, self._path = str(url), url.path
        self.model = model
        all_knobs = knobs(SOFTER_PENALTY_SINCE, model.name)
        self.knobs: Mapping[str, Knob] = {n: k for n, k in all_knobs.items() if k.tier != "restart"}
        self.left_out = {n: ONLY_A_START for n in all_knobs if n not in self.knobs}
        self.manifests = manifests
        self._as_it_is = as_it_is
        self._in_force: Candidate = {}
        self._loads = 0

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Load the model with the candidate's settings; a fresh start is a load of it anew."""
        version = await api.version(self._address)
        if not self._as_it_is:  # what is only measured may be of any age
            ensure_tunable(version)
        changed = self._cost(candidate, fresh)
        if fresh and self._loads:
            await api.unload(self._address, self._name(candidate))
        if changed != "nothing":
            self._in_force = {}
            await api.load(self._address, self._name(candidate), self._options(candidate))
            self._loads += fresh or not self._loads
        self._in_force = dict(candidate)
        found = await api.running(self._address, self._name(candidate))
        asked = candidate.get("num_ctx")
        wrong = [] if self._as_it_is or found.get("num_ctx", asked) == asked else [found["num_ctx"]]
        return Effective(
            settings=found,
            unverified=tuple(n for n in (*self.knobs, "format") if n not in found),
            mismatches=tuple(f"num_ctx: asked for {asked}, in force is {real}" for real in wrong),
            changed=changed,
            engine_start=self._loads,
            pid=None,
            address=self._address,
            version=f"Ollama {'.'.join(map(str, version))} (not ours)",
            threads=found.get("num_thread"),
        )

    async def served(self) -> Mapping[str, str | None]:
        """Return the models that are there; see `Lists`."""
        await api.version(self._address)
        return await api.digests(self._address)

    def _cost(self, candidate: Candidate, fresh: bool) -> Change:
        if fresh or not self._in_force:
            return "reload"
        return cost(self.knobs, candidate, self._in_force)

    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the chat request with the candidate's options, or without any."""
        options = self._options(candidate) | api.limit_of(candidate, self.knobs, output_tokens)
        name = self._name(candidate)
        asked = api.request_of(name, messages, candidate, options, response_format)
        return replace(asked, path=self._path + asked.path)

    def _name(self, candidate: Candidate) -> str:
        return self.model.name if self._as_it_is else str(candidate["model"])

    def _options(self, candidate: Candidate) -> dict[str, Any]:
        return {} if self._as_it_is else api.options_of(candidate, self.knobs)
