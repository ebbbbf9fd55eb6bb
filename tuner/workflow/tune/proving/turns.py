"""Decide whose turn it is in a proof: the side whose question is open gets the next requests."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.evaluate.lateness import Terms
from tuner.evaluate.measurement import Measurement
from tuner.search.budget import Rhythm
from tuner.spec.values import Slo, Verdict
from tuner.stats.planning import requests_to_pass
from tuner.stats.shares import MIXTURE_COST

LEAST_BLOCK = 20
"""Requests that an engine start is worth at least."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How many requests each side gets next; 0 for a side that rests."""

    baseline: int
    finalist: int


@dataclass(frozen=True, slots=True)
class Sent:
    """How many measured requests, and how many blocks, a side has had."""

    requests: int
    blocks: int


def turn(now: Measurement, finalist: Sent, baseline: Sent, terms: Terms, rhythm: Rhythm) -> Turn:
    """Return how many requests a finalist and the baseline get next.

    While a target or a floor of the finalist is open, the baseline gets the blocks that the
    rhythm plans for it. Where `max_drop` alone is open, pairs of answers decide: the side with
    fewer requests catches up while the other rests, then both go on together.
    """
    if not drop_alone_is_open(now):
        due = rhythm.interleaved and baseline.blocks < rhythm.baseline_blocks
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
    """Tell whether a floor of the guard is still open though every answer that counts was seen."""
    return now.guard.templates >= templates and "UNDECIDED" in _floors(now)


def floor_failed(now: Measurement) -> bool:
    """Tell whether answers were shown to miss a floor of the guard."""
    return "FAIL" in _floors(now)


def _floors(now: Measurement) -> set[Verdict]:
    return {verdict for key, verdict in now.guard.verdicts.items() if key != "max_drop"}


def guard_exhausted(now: Measurement, templates: int) -> bool:
    """Tell whether only the guard is open though every answer that it counts has been seen.

    Each of `templates` counts once, however often it is asked. More pairs can still come while
    the baseline has answered fewer templates.
    """
    if any(c.verdict != "PASS" for c in now.certificates.values()):
        return False
    if now.guard.templates < templates:
        return False
    return not drop_alone_is_open(now) or now.guard.pairs >= templates


def pairs_missing(now: Measurement) -> float:
    """Return about how many more pairs `max_drop` takes; infinite where no number would do."""
    needed = MIXTURE_COST * (now.guard.pairs_needed or 0.0)
    return max(needed - now.guard.pairs, 1.0)


def requests_missing(now: Measurement, slo: Slo, alpha: float, strands: int = 1) -> int:
    """Return how many more requests a PASS of a target takes, if none of them is late.

    Before the first of them so many hang together as are expected to.
    """
    c = now.certificates[slo]
    together = c.m + 1 if c.n else strands
    late, n = -(-c.late // together), -(-c.n // together)
    return requests_to_pass(late, n, slo.quantile, alpha) * together


def _own_block(now: Measurement, blocks: int, terms: Terms, rhythm: Rhythm) -> int:
    """Return the requests of the finalist's next block.

    What a PASS still takes is divided among the blocks to come. Where the latencies have passed
    and only the guard is open, the block has its planned length.
    """
    open_ = [slo for slo, c in now.certificates.items() if c.verdict == "UNDECIDED"]
    if not open_:
        return rhythm.finalist_block
    missing = max(requests_missing(now, slo, terms.alpha, rhythm.strands) for slo in open_)
    to_come = max(rhythm.finalist_blocks - blocks, 1)
    return _between(-(-missing // to_come), LEAST_BLOCK, 2 * rhythm.finalist_block)


def _between(value: float, least: int, most: int) -> int:
    return int(min(max(value, least), most))
