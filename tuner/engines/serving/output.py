"""What a piece of a streamed answer holds: which of its fields the model said.

Sources: OpenAI API reference (chat completion chunks; `text` in completions), vLLM
entrypoints/openai (`reasoning`, before 0.12 `reasoning_content`), Ollama openai/openai.go
(`reasoning`) and api/types.go (`thinking`), OpenRouter (`reasoning_details`), Mistral
(content in parts, thoughts among them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.load.sse import well_formed

_TEXTS = frozenset(
    {"content", "text", "reasoning", "reasoning_content", "reasoning_details", "thinking"}
    | {"refusal"}
)
_OTHERS = frozenset({"tool_calls", "function_call", "audio"})
_BESIDE = frozenset(
    {"role", "name", "annotations", "citations", "logprobs", "finish_reason", "stop_reason"}
)
"""Fields of a delta that tell of the answer and are no part of it."""

_LABELS = frozenset({"id", "index", "type", "format", "status", "object", "signature"})
"""Keys that name a thing, at any depth."""

_ONE_TOKEN = re.compile(r"\s*\S{0,32}\s*")
"""Tokenizers split a text before its blanks, so that no token holds two words; few are longer."""


@dataclass(slots=True)
class Output:
    """What the model has said so far: when, how much of it is the answer, in how many chunks.

    `unknown` names fields that were taken for output though nobody told of them.
    """

    first_ns: int | None = None
    last_ns: int | None = None
    answer: list[str] = field(default_factory=list)
    chunks: int = 0
    each_a_token: bool = True
    unknown: set[str] = field(default_factory=set)

    def add(self, stamp: int, delta: Mapping[str, Any]) -> None:
        """Take in a piece that arrived at `stamp`; one in which nothing is said changes nothing."""
        said = {n: v for n, v in delta.items() if n not in _BESIDE and not _labels(n) and _holds(v)}
        if not said:
            return
        self.first_ns = stamp if self.first_ns is None else self.first_ns
        self.last_ns = stamp
        self.chunks += 1
        self.each_a_token &= said.keys() <= _TEXTS and all(map(_a_token, said.values()))
        self.unknown |= said.keys() - _TEXTS - _OTHERS
        self.answer += [*_answer(said.get("content")), *_answer(said.get("text"))]

    def tokens(self, told: Any) -> tuple[int | None, bool]:
        """Return (output tokens, whether they are chunks) after what the server told.

        None is unknown. A count of at most one is not believed where more chunks came: some
        servers tell 0 for what they did not count. Chunks are counted where none holds more
        than one token can and they did not all come at once: a single chunk may be a whole
        answer, and what was held back on the way shows no pace.
        """
        count = whole_number(told)
        if count is not None and count >= min(self.chunks, 2):
            return count, False
        countable = self.each_a_token and self.first_ns != self.last_ns
        return (self.chunks, True) if countable else (None, False)


def whole_number(value: Any) -> int | None:
    """Return a count as servers write it (7, 7.0, "7"), None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value >= 0 and value == value // 1 and value < 2**63 else None


def numbers(told: Any) -> dict[str, Any]:
    """Return the numbers among an engine's own timings, {} where it told none."""
    found = told.items() if isinstance(told, Mapping) else ()
    return {well_formed(n): v for n, v in found if isinstance(v, int | float) and abs(v) < 2**63}


def _labels(name: str) -> bool:
    return name in _LABELS or name.endswith("_id")


def _holds(value: Any) -> bool:
    """Tell whether there is anything to read in a value, at any depth."""
    if isinstance(value, Mapping):
        return any(_holds(v) for n, v in value.items() if not _labels(n))
    if isinstance(value, list):
        return any(_holds(v) for v in value)
    return isinstance(value, str) and value != ""


def _a_token(value: Any) -> bool:
    return all(_ONE_TOKEN.fullmatch(text) for text in _strings(value))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from () if _labels(name) else _strings(part)


def _answer(content: Any) -> Iterator[str]:
    """Yield the text of a content: a string, or parts of which some are text and some thoughts."""
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        text = part.get("text") if isinstance(part, Mapping) else part
        yield text if isinstance(text, str) else ""
