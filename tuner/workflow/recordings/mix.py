"""The mix of what production asks: how often which kind, and how long prompts and answers are.

Counts stand in groups of conversations, since requests of one are not independent: what a mix says
is as sure as its groups agree (random groups: Wolter, Introduction to Variance Estimation, 2007,
chapter 2). A length is counted in steps of a quarter of a doubling. No text is in a mix.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

GROUPS = 256
"""Groups at most: conversations are spread over them by hash."""

STEPS = 4
"""Steps of a length to one doubling."""

Aspect = Literal["kinds", "prompt_chars", "answer_tokens"]
ASPECTS: tuple[Aspect, ...] = ("kinds", "prompt_chars", "answer_tokens")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is counted of one request; `answer_tokens` is None where nobody told them."""

    conversation: bytes
    kind: str
    prompt_chars: int
    answer_tokens: int | None = None
    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """How often each kind, and each step of a length, came in some conversations."""

    kinds: Mapping[str, int] = field(default_factory=dict)
    prompt_chars: Mapping[int, int] = field(default_factory=dict)
    answer_tokens: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mix:
    """What was asked in a window of `seconds`, None where no times are known."""

    requests: int
    conversations: int
    seconds: float | None
    groups: tuple[Group, ...]

    def counts(self, aspect: Aspect) -> Mapping[str | int, int]:
        """Return how often each kind or step came."""
        total: Counter[str | int] = Counter()
        for group in self.groups:
            total.update(getattr(group, aspect))
        return total


def mix_of(seen: Iterable[Seen], window_s: float | None = None) -> Mix:
    """Return the mix of requests: of the last `window_s` seconds of those whose times are known.

    Where no request has a time the window is left aside and all of them count.
    """
    counted, seconds = _in_window(list(seen), window_s)
    groups: dict[int, list[Seen]] = {}
    for one in counted:
        groups.setdefault(int.from_bytes(one.conversation[-2:]) % GROUPS, []).append(one)
    return Mix(
        requests=len(counted),
        conversations=len({one.conversation for one in counted}),
        seconds=seconds,
        groups=tuple(_group(groups[n]) for n in sorted(groups)),
    )


def step_of(length: int) -> int:
    """Return the step that a length is counted in; that of nothing is that of one."""
    return math.floor(STEPS * math.log2(max(1, length)))


def least_of(step: int) -> int:
    """Return the least length that is counted in a step."""
    return math.ceil(2 ** (step / STEPS) - 1e-9)


def _in_window(seen: list[Seen], window_s: float | None) -> tuple[list[Seen], float | None]:
    """Return the requests that count, and how many seconds they span."""
    times = [one.at_s for one in seen if one.at_s is not None]
    if not times:
        return seen, None
    begin = max(times) - (math.inf if window_s is None else window_s)
    counted = [one for one in seen if one.at_s is not None and one.at_s > begin]
    return counted, max(times) - min(one.at_s for one in counted if one.at_s is not None)


def _group(seen: Iterable[Seen]) -> Group:
    kinds: Counter[str] = Counter()
    prompts: Counter[int] = Counter()
    answers: Counter[int] = Counter()
    for one in seen:
        kinds[one.kind] += 1
        prompts[step_of(one.prompt_chars)] += 1
        if one.answer_tokens is not None:
            answers[step_of(one.answer_tokens)] += 1
    return Group(kinds, prompts, answers)
