"""A running OpenAI-compatible server: measured as it is, never started or changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tuner.engines import control, served
from tuner.engines.base import Preview
from tuner.engines.chat import chat_request, read_chat
from tuner.engines.foreign import Foreign
from tuner.load.issue import Reply
from tuner.load.wire import Exchange, Request, tls_context
from tuner.spec.address import Url
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.remote import Remote
from tuner.spec.study import Study
from tuner.spec.values import LEFT_TO_ENGINE, Candidate, Effective, Message, Model

CHAT = "/chat/completions"

_BESIDE_CHAT = ("/completions", "/models")
"""Other paths of the API that a pasted URL may end in."""


class OpenAI(Foreign):
    """The `Engine` over a server that somebody else runs.

    Raises InputError where the environment lacks what the server wants to be told.
    """

    name = "openai"

    def __init__(self, url: Url, model: str, remote: Remote | None = None) -> None:
        super().__init__(url.address)
        self._url, self._remote = url, remote or Remote()
        self._path = chat_path(url.path)
        self._headers = self._remote.filled()
        self.knobs = {name: declared.knob for name, declared in self._remote.knobs.items()}
        self.read = partial(read_hiding, secrets=self._remote.secrets())
        self.model = Model(name=model, source=model)

    async def apply(self, candidate: Candidate, *, fresh: bool = False) -> Effective:
        """Check that the server answers; nothing of it is changed and nothing can be proven.

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
            address=self._url.origin,
            version="OpenAI-compatible server (not ours)",
        )

    async def _check_model(self) -> None:
        """Raise EngineDied where nobody answers, InputError where the model is not there.

        A server that does not list its models, or not to us, is taken as it is.
        """
        path = self._path.rstrip("/").removesuffix(CHAT) + "/models"
        status, body = await control.call(
            "GET",
            self._url.origin + self._url.target(path),
            headers=self._headers,
            tls=tls_context(self._url.address),
        )
        if status == 0:
            raise EngineDied(f"no server answers at {self._url.origin} ({body}); start it first")
        names = served.listed(body) if status == 200 else ()
        if names and self.model.name != "default" and not served.is_among(self.model.name, names):
            raise InputError(
                f"{self._url.origin} does not serve model {self.model.name!r}; "
                f"{served.in_words(self.model.name, names)}"
            )

    def request(
        self, messages: Sequence[Message], candidate: Candidate, response_format: Any
    ) -> Request:
        """Return the chat request with the model's name and the candidate's sampling."""
        named = ((str(d.request_field), candidate.get(n)) for n, d in self._remote.knobs.items())
        fields: dict[str, Any] = {f: v for f, v in named if v not in (None, *LEFT_TO_ENGINE)}
        if self.model.name != "default":
            fields["model"] = self.model.name
        return chat_request(
            messages,
            fields,
            response_format,
            path=self._url.target(self._path),
            headers=self._headers,
            stream_options=self._remote.stream_options,
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
    error = reply.error
    for secret in secrets:
        error = error and error.replace(secret, "...")
    return replace(reply, error=error)


def create(study: Study, logs: Path) -> OpenAI:
    """Return the engine for the study's url."""
    if study.url is None:
        raise InputError("engine openai needs engine.url: http://HOST:PORT")
    return OpenAI(study.url, study.model, study.remote)


def preview(study: Study) -> Preview:
    """Return what shows without asking the server: its knobs, and what the environment lacks."""
    remote = study.remote or Remote()
    missing = (f"the environment has no {name}; set it" for name in remote.missing())
    return Preview({n: d.knob for n, d in remote.knobs.items()}, tuple(missing))
