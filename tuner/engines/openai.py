"""A running OpenAI-compatible server: measured as it is, never started or changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from tuner.engines import control
from tuner.engines.chat import CHAT_PATH, chat_request, read_chat
from tuner.engines.foreign import Foreign
from tuner.load.wire import Address, Request
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Knob, Message, Model

KNOBS: Mapping[str, Knob] = MappingProxyType(
    {
        k.name: k
        for k in (
            Knob("num_predict", "request", 256, "client"),
            Knob("temperature", "request", 1.0, "client"),
            Knob("top_p", "request", 1.0, "client"),
        )
    }
)
"""The sampling fields of the OpenAI API reference; their defaults are the API's own."""

_FIELDS = {"num_predict": "max_tokens"}


class OpenAI(Foreign):
    """The `Engine` over a server that somebody else runs."""

    name = "openai"
    knobs = KNOBS
    read = staticmethod(read_chat)

    def __init__(self, url: str, model: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"engine.url: expected http://HOST:PORT, found {url!r}")
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        super().__init__(Address(parts.hostname, port, secure))
        self._base = f"{parts.scheme}://{parts.hostname}:{port}"
        self._path = parts.path.rstrip("/").removesuffix("/v1") + CHAT_PATH
        self.model = Model(name=model, source=model)

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Check that the server answers; nothing of it is changed and nothing can be proven.

        A fresh start is not ours to give: the engine start stays 1.
        """
        models = self._path.removesuffix("/chat/completions") + "/models"
        status, body = await control.call("GET", self._base + models)
        if status == 0:
            raise EngineDied(f"no server answers at {self._base} ({body}); start it first")
        served = [m.get("id") for m in (body or {}).get("data", ())] if status == 200 else []
        if served and self.model.name not in (*served, "default"):
            raise InputError(
                f"{self._base} does not serve model {self.model.name!r}; it serves: "
                f"{', '.join(map(str, served))}"
            )
        names = (n for n in candidate if n in self.knobs or n == "format")
        return Effective(
            settings={},
            unverified=tuple(names),
            mismatches=(),
            changed="nothing",
            engine_start=1,
            pid=None,
            address=self._base,
            version="OpenAI-compatible server (not ours)",
        )

    def request(
        self, messages: Sequence[Message], candidate: Candidate, response_format: Any
    ) -> Request:
        """Return the chat request with the model's name and the candidate's sampling."""
        fields = {_FIELDS.get(n, n): candidate[n] for n in self.knobs if n in candidate}
        if self.model.name != "default":
            fields["model"] = self.model.name
        return chat_request(messages, fields, response_format, path=self._path)


def create(study: Study, logs: Path) -> OpenAI:
    """Return the engine for the study's url."""
    return OpenAI(study.url or "", study.model)
