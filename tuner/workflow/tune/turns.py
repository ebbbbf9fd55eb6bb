"""Whose turn it is in a proof: each next request goes to the side whose question is open."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.evaluate.lateness import Terms
from tuner.evaluate.measurement import Measurement
from tuner.search.budget import Rhythm
from tuner.spec.values import Slo
from tuner.stats.planning import requests_to_pass
from tuner.stats.shares import MIXTURE_COST

LEAST_BLOCK = 20
"""Requests that an engine start is worth at least."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How many requests each side gets next; 0 for a side that has nothing to show."""

    baseline: int
    finalist: int


@dataclass(frozen=True, slots=True)
class Sent:
    """How many measured requests, and how many blocks, a side has had."""

    requests: int
    blocks: int


def turn(now: Measurement, finalist: Sent, baseline: Sent, terms: Terms, rhythm: Rhythm) -> Turn:
    """Return what is sent next to a finalist and to the baseline beside it.

    While the finalist has something of its own to show, the baseline gets its planned blocks, if
    it has them beside it at all.
    Where `max_drop` alone is open, pairs decide: the side with fewer requests catches up while
    the other rests, then both go on together.
    """
    if not drop_alone_is_open(now):
        due = rhythm.beside and baseline.blocks < rhythm.baseline_blocks
        n = _own_block(now, finalist.blocks, terms, rhythm)
        return Turn(rhythm.baseline_block if due else 0, n)
    ahead = finalist.requests - baseline.requests
    most = 2 * rhythm.finalist_block
    if ahead > 0:
        return Turn(min(max(ahead, LEAST_BLOCK), most), 0)
    n = _between(pairs_missing(now), LEAST_BLOCK, most)
    return Turn(max(n + ahead, 0), n)


def drop_alone_is_open(now: Measurement) -> bool:
    """Tell whether nothing but the comparison with the baseline's answers is undecided."""
    others = [v for key, v in now.guard.verdicts.items() if key != "max_drop"]
    others += [c.verdict for c in now.certificates.values()]
    return now.guard.verdicts.get("max_drop") == "UNDECIDED" and set(others) <= {"PASS"}


def floor_stays_open(now: Measurement, templates: int) -> bool:
    """Tell whether a floor of the guard is open with every answer seen that it counts."""
    floors = {verdict for key, verdict in now.guard.verdicts.items() if key != "max_drop"}
    return now.guard.templates >= templates and "UNDECIDED" in floors


def guard_exhausted(now: Measurement, templates: int) -> bool:
    """Tell whether only the guard is open, and every answer that it counts has been seen.

    Each of `templates` counts once, however often it is asked. Pairs can still come while the
    baseline has answered fewer of them.
    """
    if any(c.verdict != "PASS" for c in now.certificates.values()):
        return False
    if now.guard.templates < templates:
        return False
    return not drop_alone_is_open(now) or now.guard.pairs >= templates


def pairs_missing(now: Measurement) -> float:
    """Return about how many pairs more `max_drop` takes; infinite where none would show it."""
    needed = MIXTURE_COST * (now.guard.pairs_needed or 0.0)
    return max(needed - now.guard.pairs, 1.0)


def requests_missing(now: Measurement, slo: Slo, alpha: float) -> int:
    """Return how many more requests a PASS of a target takes, if none of them is late."""
    c = now.certificates[slo]
    together = c.m + 1
    late, n = -(-c.late // together), -(-c.n // together)
    return requests_to_pass(late, n, slo.quantile, alpha) * together


def _own_block(now: Measurement, blocks: int, terms: Terms, rhythm: Rhythm) -> int:
    """Return the requests of the next block: what a PASS still takes, over the blocks to come.

    Where the latencies have passed and only the guard is open, a block as planned.
    """
    open_ = (slo for slo, c in now.certificates.items() if c.verdict == "UNDECIDED")
    missing = max((requests_missing(now, slo, terms.alpha) for slo in open_), default=0)
    if not missing:
        return rhythm.finalist_block
    to_come = max(rhythm.finalist_blocks - blocks, 1)
    return _between(-(-missing // to_come), LEAST_BLOCK, 2 * rhythm.finalist_block)


def _between(value: float, least: int, most: int) -> int:
    return int(min(max(value, least), most))
