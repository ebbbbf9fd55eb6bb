"""Why requests failed: the most common reasons with their counts, and what helps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from tuner.spec.engine_kinds import engine_kinds
from tuner.spec.study import Study
from tuner.spec.values import Sample

LEAST = 5
"""Fewer requests that all failed tell nothing of the next one."""

FIRST = 10
"""When so many have failed and none was served, no more are sent."""

MOST_REASONS = 3

_VARYING = re.compile(r"\b(?=\w*\d)[\w-]+\b|\d+")
"""Numbers and ids, which may differ in reasons that are alike."""


def refused(samples: Sequence[Sample]) -> bool:
    """Tell whether requests failed one and all, and not by being slow: nothing is measured so.

    A request that took longer than its time limit is late, and lateness is what is measured.
    """
    return bool(samples) and all(s.outcome in ("error", "incomplete") for s in samples)


def nothing_served(samples: Sequence[Sample], planned: int) -> str | None:
    """Say that all of so many requests failed, and why; None where that cannot be said."""
    if len(samples) < min(LEAST, planned) or not refused(samples):
        return None
    found = reasons(samples)
    first = next(iter(found))
    others = "" if len(found) == 1 else f" ({found[first]} of them; {listed(found, skip=1)})"
    return f"{len(samples)} of {len(samples)} requests failed: {first}{others}"


def with_next_step(failed: str, study: Study) -> str:
    """Return why all failed, with what helps where the kind of engine knows it."""
    kind = engine_kinds().get(study.engine)
    hint = kind.next_step(failed) if kind else None
    return f"{failed}; {hint}" if hint else failed


def reasons(samples: Sequence[Sample]) -> dict[str, int]:
    """Return the most common reasons of failed requests with their counts, most common first.

    Reasons that differ only in numbers and ids are one, in the words that came first.
    """
    failed = [s.error or "no reason given" for s in samples if s.outcome != "ok"]
    first: dict[str, str] = {}
    for reason in failed:
        first.setdefault(_alike(reason), reason)
    counts = Counter(map(_alike, failed)).most_common(MOST_REASONS)
    return {first[alike]: count for alike, count in counts}


def in_words(found: Mapping[str, int], n: int) -> str:
    """Return reasons and counts as a sentence about `n` requests."""
    return f"Failed, of {n} requests: {listed(found)}."


def listed(found: Mapping[str, int], skip: int = 0) -> str:
    """Return reasons with their counts, less the first `skip`; "" for none."""
    return "; ".join(f"{count} x {reason}" for reason, count in list(found.items())[skip:])


def _alike(reason: str) -> str:
    """Return a reason without what may differ; the status stays."""
    status = re.match(r"HTTP \d+", reason)
    return (status[0] if status else "") + _VARYING.sub("#", reason)
