"""What a recording tells of requests: when each came, how long it was, what it shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["azure", "mooncake", "jsonl"]

BLOCK = 512
"""Tokens of a prompt that an id stands for (Mooncake, FAST'25 release: `hash_ids`)."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request of a recording; `place` is the file and the line that tell of it.

    `at_s` is its time in seconds, from any zero. `blocks` are ids of the prompt's beginning, BLOCK
    tokens each: prompts that begin with the same ids begin with the same text. `line` is its
    number.
    """

    place: str
    line: int
    at_s: float
    input_tokens: int
    output_tokens: int
    blocks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """Requests in the order of their times, and what was noticed while reading them."""

    requests: tuple[Recorded, ...]
    notes: tuple[str, ...] = ()
