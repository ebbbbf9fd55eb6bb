"""Count in the tokens of the model that is to be served: by its folder, by its server, or not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tuner.engines.base import Engine
from tuner.engines.registry import create, preview
from tuner.engines.serving.tokenize import Tokenized, tokenize_request, tokenized
from tuner.engines.tokenizer import FolderTokenizer
from tuner.load.wire import Request, Transport
from tuner.spec.errors import EngineError
from tuner.spec.knobs import Knob, value_of
from tuner.spec.requests.conversation import PROMPT_KNOBS, conversation
from tuner.spec.requests.workload import CountedBy
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Message
from tuner.workflow.measuring.candidates import baseline, fit_to_engine

TIMEOUT_S = 120.0

_SHORT = 16
"""Tokens of an answer that nobody reads; reasoning models of OpenAI refuse less."""

_NO_PROMPT = {name: knob.default for name, knob in PROMPT_KNOBS.items()}


class Tokens(Protocol):
    """Counts texts in the tokens of a model."""

    @property
    def counted_by(self) -> CountedBy:
        """Return what kind of count it is."""
        ...

    @property
    def how(self) -> str:
        """Return by what is counted, in words."""
        ...

    @property
    def context(self) -> int | None:
        """Return how many tokens a prompt and its answer may have, None where unknown."""
        ...

    @property
    def exact(self) -> bool:
        """Tell whether a text's own count is known, and cheap enough to be asked for each."""
        ...

    async def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text is; what is added alike to all may be in it."""
        ...

    async def whole(self, text: str) -> tuple[int, int] | None:
        """Return how many tokens a whole request with a text is, and how many follow the text.

        None where nobody knows; where only the end is unknown it is taken for empty.
        """
        ...


@dataclass(frozen=True, slots=True)
class Estimated:
    """Takes each word for a token: what is known without a model."""

    counted_by: CountedBy = "estimate"
    how: str = "estimated, one word for one token, since no --model or --study was named"
    context: int | None = None
    exact: bool = False

    async def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many words each text has."""
        return [len(text.split()) for text in texts]

    async def whole(self, text: str) -> tuple[int, int] | None:
        """Return None: what the chat template adds is not known."""
        return None


@dataclass(frozen=True, slots=True)
class OfFolder:
    """Counts by the tokenizer of a Hugging Face folder, for a study or for none."""

    tokenizer: FolderTokenizer
    study: Study | None = None
    counted_by: CountedBy = "tokenizer"
    exact: bool = True

    @property
    def how(self) -> str:
        """Return which tokenizer counts."""
        return f"counted by the tokenizer of {self.tokenizer.folder}"

    @property
    def context(self) -> int | None:
        """Return the context that the study's baseline sets, else what config.json tells."""
        if self.study is None:
            return self.tokenizer.context
        set_ = _context(preview(self.study).knobs, self.study.baseline)
        return self.tokenizer.context if set_ is None else set_

    async def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text is."""
        return self.tokenizer.count(texts)

    async def whole(self, text: str) -> tuple[int, int] | None:
        """Return how many tokens a user's text is in the folder's chat template."""
        said: tuple[Message, ...] = (Message("user", text),)
        if self.study is not None:
            said = conversation(said, self.study.baseline, self.study.workload)
        return self.tokenizer.count_chat(said)


@dataclass(slots=True)
class OfServer:
    """Asks the server of a study: for the tokens of a text, or else how long a prompt was.

    The study's system text and shots are part of what a request adds.
    """

    study: Study
    engine: Engine
    transport: Transport
    candidate: Candidate
    context: int | None
    exact: bool = True
    counted_by: CountedBy = field(default="server", init=False)

    @property
    def how(self) -> str:
        """Return who counts, and by what."""
        by = "its /tokenize" if self.exact else "the prompt tokens that it tells of short requests"
        return f"counted by {self.engine.name} ({self.engine.model.name}), {by}"

    async def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text is, or each request where the server only answers."""
        if not self.exact:
            return [await self._prompt_tokens(text) for text in texts]
        found = [await self._tokenized(text) for text in texts]
        if any(one is None for one in found):
            raise EngineError(f"{self.engine.name} stopped telling tokens; start it and try again")
        return [one.count for one in found if one is not None]

    async def whole(self, text: str) -> tuple[int, int] | None:
        """Return how many tokens a request is, by sending it."""
        return await self._prompt_tokens(text), 0

    async def look(self) -> None:
        """Find out whether the server tells tokens, and its context."""
        found = await self._tokenized("one")
        self.exact = found is not None
        if found is not None and found.context is not None:
            self.context = found.context

    async def _tokenized(self, text: str) -> Tokenized | None:
        asked = tokenize_request(self._chat(text), text)
        return None if asked is None else tokenized(await self.transport.send(asked, TIMEOUT_S))

    async def _prompt_tokens(self, text: str) -> int:
        reply = self.engine.read(await self.transport.send(self._chat(text), TIMEOUT_S))
        if reply.outcome != "ok" or reply.prompt_tokens is None:
            why = reply.error or "it tells no prompt tokens"
            raise EngineError(
                f"{self.engine.name} cannot count tokens: {why}; leave --study and --model out to "
                "estimate lengths"
            )
        return reply.prompt_tokens

    def _chat(self, text: str) -> Request:
        said = conversation((Message("user", text),), self.candidate, self.study.workload)
        return self.engine.request(said, self.candidate, None, _SHORT)


@contextlib.asynccontextmanager
async def of_study(study: Study, logs: Path, *, plain: bool = False) -> AsyncIterator[Tokens]:
    """Serve a study's baseline, or ask who serves it, and count by that; end what was started.

    A `plain` one stands for its model only: no system text, no shots, the whole context.
    """
    engine = create(study, logs)
    study, _ = fit_to_engine(study, engine)
    candidate = baseline(study, engine)
    if plain:
        candidate = {**candidate, **_NO_PROMPT}
    try:
        effective = await engine.apply(candidate)
        transport = engine.transport()
        try:
            told = _context(engine.knobs, effective.settings, candidate)
            context = engine.model.train_ctx if plain else told
            found = OfServer(study, engine, transport, candidate, context)
            await found.look()
            yield found
        finally:
            await transport.aclose()
    finally:
        await engine.aclose()


def _context(knobs: Mapping[str, Knob], *told: Candidate) -> int | None:
    """Return the tokens that a request may take, by the first settings that tell."""
    for settings in told:
        found = value_of(knobs, "context", settings)
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return found
    return None
