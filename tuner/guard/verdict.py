"""From classes to a verdict: floors on valid and correct answers, and no drop against the baseline.

Prompts of one template are one cluster. Each cluster counts once, by the mean of its first
`visits` answers; a cluster that has not been visited that often yet does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuner.guard.classify import VALID
from tuner.spec.values import Guard, Sample, Verdict
from tuner.stats.paired import difference_bounds, judge_noninferior, pairs_needed
from tuner.stats.quantiles import Bound
from tuner.stats.shares import cluster_means, judge_share, share_bounds

NO_BOUND = Bound(None, None, None)


@dataclass(frozen=True, slots=True)
class GuardReport:
    """How the answers were, with bounds, and what each floor's verdict is.

    `valid` and `correct` are shares of all answers, their bounds those of the mean over
    clusters. `difference` is the share of correct answers minus the baseline's on the same
    prompts; `pairs_needed` how many pairs its verdict is expected to take.
    """

    counts: Mapping[str, int]
    valid: Bound
    correct: Bound
    clusters: int
    verdicts: Mapping[str, Verdict]
    difference: Bound = NO_BOUND
    pairs: int = 0
    pairs_needed: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Return PASS when every floor passed, FAIL when one failed, else UNDECIDED."""
        return overall(self.verdicts.values())


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of a conjunction: intersection-union, no division of alpha."""
    found = list(verdicts)
    if "FAIL" in found:
        return "FAIL"
    return "PASS" if all(v == "PASS" for v in found) else "UNDECIDED"


def report(
    samples: Sequence[Sample],
    guard: Guard,
    *,
    alpha: float,
    visits: int = 1,
    baseline: Sequence[Sample] = (),
) -> GuardReport:
    """Judge the answers of a candidate, and against the baseline's on the same prompts."""
    counted = first_visits(samples, visits)
    names = [s.cluster for s in counted]
    verdicts: dict[str, Verdict] = {}
    for key, floor, good in (
        ("min_valid", guard.min_valid, is_valid),
        ("min_correct", guard.min_correct, is_correct),
    ):
        if floor is not None:
            verdicts[key] = judge_share(names, [good(s) for s in counted], floor, alpha)
    pairs = paired(counted, baseline)
    if guard.max_drop is not None and baseline:
        ours, theirs = [p[0] for p in pairs], [p[1] for p in pairs]
        verdicts["max_drop"] = judge_noninferior(
            [s.cluster for s in ours],
            [is_correct(s) for s in ours],
            [is_correct(s) for s in theirs],
            guard.max_drop,
            alpha,
        )
    return GuardReport(
        counts=dict(Counter(str(s.guard) for s in samples)),
        valid=_share(samples, counted, is_valid, alpha),
        correct=_share(samples, counted, is_correct, alpha),
        clusters=len(set(names)),
        verdicts=verdicts,
        difference=_difference(pairs, alpha),
        pairs=len(pairs),
        pairs_needed=_needed(pairs, guard, alpha),
    )


def is_valid(sample: Sample) -> float:
    """Return 1.0 for a complete answer that parses and fits the schema."""
    return float(sample.guard in VALID)


def is_correct(sample: Sample) -> float:
    """Return 1.0 for a valid answer that holds what was expected."""
    return float(sample.guard == "correct")


def first_visits(samples: Sequence[Sample], visits: int) -> list[Sample]:
    """Return the first `visits` answers of each cluster that has that many, in order."""
    seen: Counter[str] = Counter()
    kept = []
    for sample in samples:
        seen[sample.cluster] += 1
        if seen[sample.cluster] <= visits:
            kept.append(sample)
    return [s for s in kept if seen[s.cluster] >= visits]


def paired(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Return (candidate's, baseline's) answers to the same prompts."""
    by_id = {s.prompt_id: s for s in theirs}
    return [(s, by_id[s.prompt_id]) for s in ours if s.prompt_id in by_id]


def _share(
    samples: Sequence[Sample],
    counted: Sequence[Sample],
    good: Callable[[Sample], float],
    alpha: float,
) -> Bound:
    if not samples:
        return NO_BOUND
    means = cluster_means([s.cluster for s in counted], [good(s) for s in counted])
    bounds = share_bounds(means, 1 - 2 * alpha)
    return Bound(sum(map(good, samples)) / len(samples), bounds.low, bounds.high)


def _difference(pairs: Sequence[tuple[Sample, Sample]], alpha: float) -> Bound:
    if not pairs:
        return NO_BOUND
    return difference_bounds(
        [ours.cluster for ours, _ in pairs],
        [is_correct(ours) for ours, _ in pairs],
        [is_correct(theirs) for _, theirs in pairs],
        1 - 2 * alpha,
    )


def _needed(pairs: Sequence[tuple[Sample, Sample]], guard: Guard, alpha: float) -> float | None:
    if not pairs or guard.max_drop is None:
        return None
    gaps = [is_correct(ours) - is_correct(theirs) for ours, theirs in pairs]
    discordance = sum(gap != 0 for gap in gaps) / len(gaps)
    return pairs_needed(discordance, guard.max_drop, sum(gaps) / len(gaps), alpha)
