"""A running OpenAI-compatible server: its requests are tuned, it is never started or changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tuner.engines.base import Preview
from tuner.engines.latency_counts import LatencyCounts
from tuner.engines.ollama import knobs as ollama_knobs
from tuner.engines.openai.remote import LIMIT, Remote
from tuner.engines.serving import control, metrics_page, served_models
from tuner.engines.serving.chat import chat_request, read_chat
from tuner.engines.serving.error_texts import error_text
from tuner.engines.serving.foreign_server import ONLY_A_START, Foreign
from tuner.engines.serving.known_histograms import read_known
from tuner.load.issue import Reply
from tuner.load.wire import Exchange, Request, tls_context
from tuner.spec.address import Url
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.knobs import Knob, limited
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Message, Model

CHAT = "/chat/completions"

_BESIDE_CHAT = ("/completions", "/models")
"""Other paths of the API that a pasted URL may end in."""

_NO_FIELD = "the API has no field for it; one that the server knows can be declared in engine.knobs"
_REFUSED = (400, 422)
_SHORT = 16
"""Tokens of an answer that nobody reads; reasoning models of OpenAI refuse less."""


class OpenAI(Foreign):
    """The `Engine` over a server that somebody else runs.

    Raises InputError where the environment lacks what the server wants to be told.
    """

    name = "openai"

    def __init__(self, url: Url, model: str, remote: Remote | None = None) -> None:
        super().__init__(url)
        self.url, self.remote = url, remote or Remote()
        self._path = chat_path(url.path)
        self._headers = self.remote.filled()
        self.knobs = self.remote.knobs
        self.left_out = left_out(self.knobs)
        self.read = partial(read_hiding, secrets=self.remote.secrets())
        self.model = Model(name=model, source=model)

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Check that the server answers; nothing of it is changed or can be read back.

        A fresh start is not ours to give: the engine start stays 1.
        """
        await self._check_model()
        names = (n for n in candidate if n in self.knobs or n == "format")
        return Effective(
            settings={},
            unverified=tuple(names),
            mismatches=(),
            changed="nothing",
            engine_start=1,
            pid=None,
            address=self.url.origin,
            version="OpenAI-compatible server (not ours)",
        )

    async def _check_model(self) -> None:
        """Raise EngineDied where nobody answers, InputError where the model is not there.

        A server that does not list its models, or not to us, is taken as it is.
        """
        names = tuple(await self.served())
        if (
            names
            and self.model.name != "default"
            and not served_models.is_among(self.model.name, names)
        ):
            raise InputError(
                f"{self.url.origin} does not serve model {self.model.name!r}; "
                f"{served_models.in_words(self.model.name, names)}"
            )

    async def served(self) -> Mapping[str, str | None]:
        """Return the models that the server lists; see `Lists`."""
        path = self._path.rstrip("/").removesuffix(CHAT) + "/models"
        status, body = await self._call("GET", self.url.target(path))
        if status == 0:
            raise EngineDied(f"no server answers at {self.url.origin} ({body}); start it first")
        return dict.fromkeys(served_models.listed(body) if status == 200 else ())

    async def latency_counts(self) -> LatencyCounts | None:
        """Return what a page of metrics beside the API counts; see `CountsLatencies`."""
        base = self._path.rstrip("/").removesuffix(CHAT).removesuffix("/v1")
        where, tls = self.url.origin + base + "/metrics", tls_context(self.url.address)
        return read_known(await metrics_page.page(where, headers=self._headers, tls=tls))

    async def refused(self, settings: Candidate) -> dict[str, str]:
        """Return which of these settings the server does not take, with its words.

        One short request asks for all of them; only where that is refused, and one without any
        is not, each is asked for alone.
        """
        if await self._refusal(settings) is None or await self._refusal({}) is not None:
            return {}
        alone = {n: await self._refusal({n: value}) for n, value in settings.items()}
        return {
            n: f"the server refuses it: {words}" for n, words in alone.items() if words is not None
        }

    async def _refusal(self, settings: Candidate) -> str | None:
        """Return the server's words where it refuses a short request, None where it does not."""
        request = self.request((Message("user", "ok?"),), {**settings, LIMIT: _SHORT}, None)
        body = json.loads(request.body) | {"stream": False}
        body.pop("stream_options", None)
        status, answer = await self._call("POST", request.path, body)
        if status not in _REFUSED:
            return None
        return hidden(error_text(json.dumps(answer).encode()), self.remote.secrets())

    async def _call(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        where, tls = self.url.origin + target, tls_context(self.url.address)
        return await control.call(method, where, body, headers=self._headers, tls=tls)

    def request(
        self,
        messages: Sequence[Message],
        candidate: Candidate,
        response_format: Any,
        output_tokens: int | None = None,
    ) -> Request:
        """Return the chat request with the model's name and the candidate's sampling.

        Whether the server knows a field that lets answers go on, a study says: `ignore_eos`.
        """
        fields: dict[str, Any] = self.remote.fields(limited(self.knobs, candidate, output_tokens))
        if self.model.name != "default":
            fields["model"] = self.model.name
        return chat_request(
            messages,
            fields,
            response_format,
            path=self.url.target(self._path),
            headers=self._headers,
            stream_options=self.remote.stream_options,
        )


def chat_path(path: str) -> str:
    """Return the path of chat completions on a server whose URL has this path.

    That is below the path, which is /v1 where the URL names none. A whole one stays as it is.
    """
    if path.rstrip("/").endswith(CHAT):
        return path
    base = path.rstrip("/")
    for other in _BESIDE_CHAT:
        base = base.removesuffix(other)
    return (base or "/v1") + CHAT


def read_hiding(exchange: Exchange, secrets: Sequence[str]) -> Reply:
    """Return the reply as `read_chat` does; an error that repeats a secret is freed of it."""
    reply = read_chat(exchange)
    return replace(reply, error=reply.error and hidden(reply.error, secrets))


def hidden(text: str, secrets: Sequence[str]) -> str:
    """Return text without the secrets in it."""
    for secret in secrets:
        text = text.replace(secret, "...")
    return text


def left_out(knobs: Mapping[str, Knob]) -> dict[str, str]:
    """Return what else engines can be set to, and why it is not to be set here."""
    others = {n: k for n, k in ollama_knobs.KNOBS.items() if n not in knobs}
    return {n: _NO_FIELD if k.tier == "request" else ONLY_A_START for n, k in others.items()}


def create(study: Study, logs: Path) -> OpenAI:
    """Return the engine for the study's url."""
    if study.url is None:
        raise InputError("engine openai needs engine.url: http://HOST:PORT")
    return OpenAI(study.url, study.model, study.engine_settings)


def preview(study: Study) -> Preview:
    """Return what shows without asking the server: its knobs, and what the environment lacks."""
    remote = study.engine_settings or Remote()
    missing = (f"the environment has no {name}; set it" for name in remote.missing())
    return Preview(remote.knobs, tuple(missing), left_out=left_out(remote.knobs))
