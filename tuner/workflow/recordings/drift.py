"""How far production has moved away from a mix: what it asks, and how long it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tuner.spec.errors import InputError
from tuner.stats.distance import Counts, Distance, distance, largest_gap, total_variation
from tuner.workflow.recordings.mix import ASPECTS, Aspect, Mix

THRESHOLD = 0.1
"""A tenth of the requests: of another kind, or moved over some length."""

ERROR = 0.05
"""How often a mix that is not beyond the threshold is called drifted, at the most."""

Verdict = Literal["same", "drifted", "undecided"]

_MOST_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Apart:
    """How far two mixes are apart in one aspect; the requests and conversations of both."""

    aspect: Aspect
    distance: Distance
    requests: tuple[int, int]
    conversations: tuple[int, int]

    def verdict(self, threshold: float) -> Verdict:
        """Return what the interval says about a threshold."""
        if self.distance.low > threshold:
            return "drifted"
        return "same" if self.distance.high <= threshold else "undecided"


@dataclass(frozen=True, slots=True)
class Drift:
    """What is said of a new mix against an old one; `changes` are kinds with both their shares."""

    verdict: Verdict
    threshold: float
    apart: tuple[Apart, ...]
    changes: tuple[tuple[str, float, float], ...]


def drift(old: Mix, new: Mix, threshold: float = THRESHOLD) -> Drift:
    """Return whether a mix has drifted away from an old one, with the evidence.

    It has where one aspect is surely beyond the threshold, and has not where all are surely within
    it. All intervals hold together with 95 %. Aspects that either mix does not know are left out.
    Raises InputError for a mix without requests.
    """
    if not old.requests or not new.requests:
        raise InputError("a mix without requests cannot be compared; import a longer recording")
    known = [a for a in ASPECTS if old.counts(a) and new.counts(a)]
    apart = tuple(_apart(old, new, aspect, ERROR / len(known)) for aspect in known)
    return Drift(_verdict(apart, threshold), threshold, apart, tuple(_changes(old, new)))


def document(found: Drift) -> dict[str, Any]:
    """Return a drift as JSON."""
    return {
        "verdict": found.verdict,
        "threshold": found.threshold,
        "confidence": 1 - ERROR,
        "aspects": [
            {
                "aspect": one.aspect,
                "verdict": one.verdict(found.threshold),
                "distance": one.distance.found,
                "interval": [one.distance.low, one.distance.high],
                "requests": list(one.requests),
                "conversations": list(one.conversations),
            }
            for one in found.apart
        ],
        "kinds": [{"kind": kind, "old": a, "new": b} for kind, a, b in found.changes],
    }


def _verdict(apart: Sequence[Apart], threshold: float) -> Verdict:
    said = {one.verdict(threshold) for one in apart}
    if "drifted" in said:
        return "drifted"
    return "same" if said == {"same"} else "undecided"


def _apart(old: Mix, new: Mix, aspect: Aspect, error: float) -> Apart:
    values = sorted({*old.counts(aspect), *new.counts(aspect)}, key=_order)
    before, after = _table(old, aspect, values), _table(new, aspect, values)
    requests = int(before.sum()), int(after.sum())
    conversations = old.conversations, new.conversations
    found = distance(
        before,
        after,
        total_variation if aspect == "kinds" else largest_gap,
        error=error,
        independent=min(*requests, *conversations),
    )
    return Apart(aspect, found, requests, conversations)


def _table(mix: Mix, aspect: Aspect, values: Sequence[str | int]) -> Counts:
    """Return how often each group has each value."""
    rows = [[getattr(group, aspect).get(value, 0) for value in values] for group in mix.groups]
    return np.array(rows, dtype=np.int64)


def _order(value: str | int) -> tuple[int, str]:
    return (value, "") if isinstance(value, int) else (0, value)


def _changes(old: Mix, new: Mix) -> Iterator[tuple[str, float, float]]:
    """Yield the kinds whose shares differ most, the largest difference first."""
    before, after = old.counts("kinds"), new.counts("kinds")
    shares = [
        (str(kind), before.get(kind, 0) / old.requests, after.get(kind, 0) / new.requests)
        for kind in {*before, *after}
    ]
    yield from sorted(shares, key=lambda s: (-abs(s[2] - s[1]), s[0]))[:_MOST_CHANGES]
