"""Say why requests failed: the most common reasons with their counts, and what helps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from tuner.spec.engine_kinds import engine_kinds
from tuner.spec.study import Study
from tuner.spec.values import Sample

LEAST = 5
"""Fewer failed requests than this tell nothing about the next one."""

FIRST = 10
"""After this many failures without a served request, no more are sent."""

MOST_REASONS = 3

_VARYING = re.compile(r"\b(?=\w*\d)[\w-]+\b|\d+")
"""Numbers and ids, which may differ between reasons of the same kind."""


def refused(samples: Sequence[Sample]) -> bool:
    """Tell whether all requests failed, and none by its time limit.

    Then nothing is measured. A request that exceeds its time limit is late, which is a result.
    """
    return bool(samples) and all(s.outcome in ("error", "incomplete") for s in samples)


def nothing_served(samples: Sequence[Sample], planned: int) -> str | None:
    """Say that all requests failed and why; None where one was served or there are too few."""
    if len(samples) < min(LEAST, planned) or not refused(samples):
        return None
    found = reasons(samples)
    first = next(iter(found))
    others = "" if len(found) == 1 else f" ({found[first]} of them; {listed(found, skip=1)})"
    return f"{len(samples)} of {len(samples)} requests failed: {first}{others}"


def with_next_step(failed: str, study: Study) -> str:
    """Return the reason of a failure, with what helps where the kind of engine knows it."""
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
    """Return reasons with their counts, without the first `skip`; "" for none."""
    return "; ".join(f"{count} x {reason}" for reason, count in list(found.items())[skip:])


def _alike(reason: str) -> str:
    """Return a reason without numbers and ids; an HTTP status stays."""
    status = re.match(r"HTTP \d+", reason)
    return (status[0] if status else "") + _VARYING.sub("#", reason)
