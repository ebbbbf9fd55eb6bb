"""A server that somebody else runs, asked as an engine of ours asks its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuner.engines.base import Engine
from tuner.engines.serving import control, served_models
from tuner.engines.serving.foreign_server import Foreign
from tuner.load.wire import Request, tls_context
from tuner.spec.address import Url
from tuner.spec.errors import EngineDied
from tuner.spec.knobs import Knob
from tuner.spec.values import Candidate, Effective, Message


class AsItServes(Foreign):
    """The `Engine` over a server at a URL; `own` makes its requests and reads its answers."""

    def __init__(self, url: Url, own: Engine) -> None:
        super().__init__(url)
        self.name, self.model, self.read = own.name, own.model, own.read
        self.knobs: Mapping[str, Knob] = own.knobs
        self._own, self._url = own, url
        self._base = url.path.rstrip("/").removesuffix("/v1")

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Check that something answers there; nothing of it is changed or read back.

        Raises EngineDied. A fresh start is not ours to give: the engine start stays 1.
        """
        await self.served()
        return Effective(
            settings={},
            unverified=tuple(n for n in candidate if n in self.knobs or n == "format"),
            mismatches=(),
            changed="nothing",
            engine_start=1,
            pid=None,
            address=self._url.origin,
            version=f"server of engine {self.name} (not ours)",
        )

    async def served(self) -> Mapping[str, str | None]:
        """Return the models that the server lists; see `Lists`."""
        where = self._url.origin + self._url.target(self._base + "/v1/models")
        status, body = await control.call("GET", where, tls=tls_context(self._url.address))
        if status == 0:
            raise EngineDied(f"no server answers at {self._url.origin} ({body}); start it first")
        return dict.fromkeys(served_models.listed(body) if status == 200 else ())

    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the request that the engine of ours makes, for the paths of this server."""
        asked = self._own.request(messages, candidate, response_format, output_tokens)
        return replace(asked, path=self._url.target(self._base + asked.path))
