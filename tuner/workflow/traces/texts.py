"""Write texts of given lengths in tokens, which begin alike exactly where a recording says so.

A text is LEAD and then words that are one token each behind another word. Each block of a
recording is a stream of words of its own: it begins with the block's number, written in words, so
that no two streams begin alike for longer than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from tuner.spec.errors import InputError
from tuner.workflow.traces.recorded import BLOCK, Recorded
from tuner.workflow.traces.tokens import Tokens

LEAD = "Words:"
"""What every text begins with: words cost the same behind it, wherever they stand."""

ROUNDS = 4
"""How often a text is counted at most, and mended in between."""

LEAST_WORDS = 16
"""Fewer words make texts too much alike."""

_STREAMS = 2**32
"""How many streams can be told apart by their beginnings."""

_AT_ONCE = 100
"""Words that are looked at together: a prompt of so many fits into any context."""


@cache
def words() -> tuple[str, ...]:
    """Return common English words, which most models know as one token each."""
    return tuple(Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split())


async def single(tokens: Tokens) -> tuple[str, ...]:
    """Return the words that are one token more behind another; raise InputError for too few."""
    lead = (await tokens.count([LEAD]))[0]
    found: list[str] = []
    left = [words()[n : n + _AT_ONCE] for n in range(0, len(words()), _AT_ONCE)]
    while left:
        part = left.pop()
        cost = (await tokens.count([_joined(part)]))[0] - lead
        if cost == len(part):
            found += part
        elif len(part) > 1:
            left += [part[len(part) // 2 :], part[: len(part) // 2]]
    if len(found) < LEAST_WORDS:
        raise InputError(
            f"lengths cannot be {tokens.how}: {len(found)} of {len(words())} English words are one "
            "token more in a prompt; leave --model and --study out to estimate lengths"
        )
    return tuple(found)


@dataclass(slots=True)
class Writer:
    """Writes texts out of `words`, each one token.

    A prompt has `added` tokens beside them: the chat template's, as far as known, and LEAD's, of
    which `after` follow them; in a text's own count `uncounted` of these are missing. `numbers` has
    the number of each stream.
    """

    tokens: Tokens
    words: Sequence[str]
    seed: int
    added: int
    after: int = 0
    uncounted: int = 0
    numbers: dict[object, int] = field(default_factory=dict)

    async def written(self, asked: Sequence[tuple[Recorded, int]]) -> list[tuple[str, int]]:
        """Return a text, and how many tokens its prompt has, for each request and length.

        Where texts can be counted they are mended until they have their length, or cannot have it.
        """
        said = [self._words(request, length) for request, length in asked]
        counts = [len(w) + self.added for w in said]
        wrong = list(range(len(said))) if self.tokens.exact else []
        for left in reversed(range(ROUNDS)):
            found = await self.tokens.count([_joined(said[i]) for i in wrong]) if wrong else []
            counts = _replaced(counts, wrong, [n + self.uncounted for n in found])
            missing = {i: asked[i][1] - counts[i] for i in wrong if left}
            wrong = [i for i, n in missing.items() if self._mend(said[i], n, asked[i][0])]
        return [(_joined(w), count) for w, count in zip(said, counts, strict=True)]

    def _words(self, request: Recorded, tokens: int) -> list[str]:
        """Return the words of a request whose prompt is to have so many tokens, one at least."""
        said: list[str] = []
        first, last = self.added - self.after, tokens - self.after
        for number, block in enumerate(request.blocks):
            begin, end = max(number * BLOCK, first), min((number + 1) * BLOCK, last)
            said += self._stream(block, end - begin)
        shared = len(request.blocks) * BLOCK
        said += self._stream(request.place, last - max(shared, first))
        return said or self._stream(request.place, 1)

    def _mend(self, said: list[str], missing: int, request: Recorded) -> bool:
        """Lengthen or shorten a text by what is missing; tell whether that changed it."""
        before = len(said)
        if missing > 0:
            said += self._stream((request.place, before), missing)
        elif missing < 0:
            del said[max(1, before + missing) :]
        return len(said) != before

    def _stream(self, key: object, count: int) -> list[str]:
        """Return the first words of a stream, none for a count below one."""
        if count < 1:
            return []
        number, base = self.numbers.setdefault(key, len(self.numbers)), len(self.words)
        drawn = np.random.default_rng([self.seed, number]).integers(base, size=max(count, BLOCK))
        for place in range(math.ceil(math.log(_STREAMS, base))):
            drawn[place], number = number % base, number // base
        return [self.words[n] for n in drawn[:count]]


def _joined(said: Sequence[str]) -> str:
    return " ".join((LEAD, *said))


def _replaced(counts: list[int], places: Sequence[int], found: Sequence[int]) -> list[int]:
    """Return counts with those at some places found anew."""
    new = dict(zip(places, found, strict=True))
    return [new.get(i, count) for i, count in enumerate(counts)]


async def writer(tokens: Tokens, seed: int) -> Writer:
    """Return a writer in the tokens of a model; raise InputError where they cannot be counted."""
    alone = (await tokens.count([LEAD]))[0]
    added, after = await tokens.whole(LEAD) or (alone, 0)
    return Writer(tokens, await single(tokens), seed, added, after, added - alone)
