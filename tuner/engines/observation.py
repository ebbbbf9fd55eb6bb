"""What a server says that it did while it was measured, in words that every room knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner.spec.values import Setting

NOT_CLEAR = "not clear"
"""The name of the reason that abstains."""

MORE, LESS, OTHER = "more", "less", "other"
"""Directions of a move: a larger number, a smaller one, any other value of the space."""


@dataclass(frozen=True, slots=True)
class Move:
    """What might help: a knob, and a direction or a value for it.

    `at` is the number in force now, where the server tells it: a candidate may leave it open.
    """

    knob: str
    to: Setting
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why requests took as long as they did: a name, the numbers that say so, what might help.

    `because` is one sentence without its full stop. Each of `moves` is a candidate of its own;
    the most promising comes first. A reason that is not clear proposes nothing.
    """

    name: str
    because: str
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """A gauge as it was read `n` times: its least, mean and largest value."""

    least: float
    mean: float
    most: float
    n: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What a server told of `elapsed_s` seconds of measuring.

    `totals` has by how much counters grew, `levels` what gauges were at; what the server did not
    tell is in neither. `restarted` says that its counters began anew, so that nothing is known.
    """

    elapsed_s: float
    totals: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, Level] = field(default_factory=dict)
    reason: Reason = Reason(NOT_CLEAR, "the server did not tell enough")
    restarted: bool = False


def level(values: Sequence[float]) -> Level | None:
    """Return the level of a gauge from its readings, None without any."""
    if not values:
        return None
    return Level(min(values), sum(values) / len(values), max(values), len(values))


def merged(one: Observation | None, other: Observation | None) -> Observation | None:
    """Return what a server told of two blocks of one candidate; what one lacks is unknown.

    Blocks with unlike reasons have none together.
    """
    if one is None or other is None:
        return one or other
    both = one.totals.keys() & other.totals.keys()
    gauges = one.levels.keys() & other.levels.keys()
    return Observation(
        elapsed_s=one.elapsed_s + other.elapsed_s,
        totals={n: one.totals[n] + other.totals[n] for n in one.totals if n in both},
        levels={n: _together(one.levels[n], other.levels[n]) for n in one.levels if n in gauges},
        reason=_common(one.reason, other.reason),
        restarted=one.restarted or other.restarted,
    )


def _together(one: Level, other: Level) -> Level:
    n = one.n + other.n
    mean = (one.mean * one.n + other.mean * other.n) / n
    return Level(min(one.least, other.least), mean, max(one.most, other.most), n)


def _common(one: Reason, other: Reason) -> Reason:
    if one.name == other.name:
        return other
    return Reason(NOT_CLEAR, f"blocks differ: {one.name} ({one.because}), then {other.name}")


def from_document(told: Mapping[str, Any] | None) -> Observation | None:
    """Return what `document` made of it, read back from JSON."""
    if told is None:
        return None
    moves = tuple(Move(**move) for move in told["reason"]["moves"])
    levels = {name: Level(**found) for name, found in told["levels"].items()}
    reason = Reason(**{**told["reason"], "moves": moves})
    return Observation(**{**told, "levels": levels, "reason": reason})


def document(found: Observation | None) -> dict[str, Any] | None:
    """Return an observation as JSON, null where the server told nothing."""
    return None if found is None else asdict(found)


def in_words(found: Observation) -> str:
    """Return one sentence: what requests spent their time on, by the server's own numbers."""
    if found.restarted:
        return "Server: its counters began anew while it was measured, so its numbers say nothing."
    return f"Server: {found.reason.name}, since {found.reason.because}."
