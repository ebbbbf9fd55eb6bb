"""Judge the quality of answers: floors on valid and correct ones, and no drop from the baseline.

Answers to one template have much in common, so only the first answer to each template counts. Its
weight is the number of times that the template was asked, but at most its share of the traffic. So
all requests of the traffic weigh the same, and the verdict holds for templates like these.
Answers that were in flight together count as independent, given their templates. Failures do come
together; the certificate of latency bounds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tuner.guard.classify import VALID
from tuner.spec.values import Guard, Sample, Verdict
from tuner.stats.paired import difference_bounds, judge_noninferior, pairs_needed
from tuner.stats.quantiles import Bound
from tuner.stats.shares import judge_share, share_bounds

NO_BOUND = Bound(None, None, None)


@dataclass(frozen=True, slots=True)
class GuardReport:
    """The quality of answers, with bounds, and the verdict on each floor.

    `valid` and `correct` are shares of all answers; their bounds come from the first answers to
    the `templates`. `difference` is the share of correct answers minus that of the baseline, on
    the first prompt of each template that both answered; there are `pairs` of them. Its verdict
    is expected to need `pairs_needed`.
    """

    counts: Mapping[str, int]
    valid: Bound
    correct: Bound
    templates: int
    verdicts: Mapping[str, Verdict]
    difference: Bound = NO_BOUND
    pairs: int = 0
    pairs_needed: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Return PASS if every floor passed, FAIL if one failed, else UNDECIDED."""
        return overall(self.verdicts.values())


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on several claims together.

    Alpha is not divided among them: an intersection-union test needs no correction.
    """
    found = list(verdicts)
    if "FAIL" in found:
        return "FAIL"
    return "PASS" if all(v == "PASS" for v in found) else "UNDECIDED"


def report(
    samples: Sequence[Sample],
    guard: Guard,
    *,
    alpha: float,
    visits: Mapping[str, int] | None = None,
    baseline: Sequence[Sample] | None = None,
) -> GuardReport:
    """Judge a candidate's answers, also against the baseline's answers to the same prompts.

    None for `baseline` asks for no comparison; where it has no answers the comparison stays open.
    `visits` is how often each template comes in one round of all templates, by default once.
    """
    counted = _counted(samples, alpha, visits)
    verdicts = counted.verdicts(guard)
    pairs = _Pairs.of(samples, baseline or (), counted)
    if guard.max_drop is not None and baseline is not None:
        verdicts["max_drop"] = pairs.verdict(guard.max_drop)
    return GuardReport(
        counts=dict(Counter(str(s.guard) for s in samples)),
        valid=counted.share(is_valid, samples),
        correct=counted.share(is_correct, samples),
        templates=len(counted.answers),
        verdicts=verdicts,
        difference=pairs.difference(),
        pairs=len(pairs.pairs),
        pairs_needed=None if guard.max_drop is None else pairs.needed(guard.max_drop),
    )


def floors(
    samples: Sequence[Sample], guard: Guard, *, alpha: float, visits: Mapping[str, int]
) -> dict[str, Verdict]:
    """Return only the verdicts on the floors that are asked for, by name; see `report`."""
    return _counted(samples, alpha, visits).verdicts(guard)


def is_valid(sample: Sample) -> float:
    """Return 1.0 for a complete answer that parses and fits the schema, else 0.0."""
    return float(sample.guard in VALID)


def is_correct(sample: Sample) -> float:
    """Return 1.0 for a valid answer that holds what was expected, else 0.0."""
    return float(sample.guard == "correct")


def first_answers(samples: Sequence[Sample]) -> list[Sample]:
    """Return the first answer to each template, in order."""
    first: dict[str, Sample] = {}
    for sample in samples:
        first.setdefault(sample.cluster, sample)
    return list(first.values())


def paired(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Return (candidate's, baseline's) answers to the same prompts."""
    by_id = {s.prompt_id: s for s in theirs}
    return [(s, by_id[s.prompt_id]) for s in ours if s.prompt_id in by_id]


def asked(samples: Iterable[Sample]) -> list[str]:
    """Return the template of each sample."""
    return [s.cluster for s in samples]


@dataclass(frozen=True, slots=True)
class _Counted:
    """The first answers to the templates, which count, and what weighs them.

    `visits` is how often a template comes in one round, `times` how often it was asked. `alpha` is
    the error of each verdict.
    """

    answers: Sequence[Sample]
    visits: Mapping[str, int]
    times: Mapping[str, int]
    alpha: float

    def weighed(self, answers: Iterable[Sample]) -> list[float]:
        """Return the weight of each answer, as a share of the largest."""
        counts = [min(self.times[t], self.visits.get(t, 1)) for t in asked(answers)]
        return [count / max(counts) for count in counts]

    def verdicts(self, guard: Guard) -> dict[str, Verdict]:
        wanted = {"min_valid": (guard.min_valid, is_valid),
                  "min_correct": (guard.min_correct, is_correct)}  # fmt: skip
        return {
            name: self._verdict(good, floor)
            for name, (floor, good) in wanted.items()
            if floor is not None
        }

    def _verdict(self, good: Callable[[Sample], float], floor: float) -> Verdict:
        values = [good(s) for s in self.answers]
        return judge_share(values, floor, self.alpha, self.weighed(self.answers))

    def share(self, good: Callable[[Sample], float], samples: Sequence[Sample]) -> Bound:
        if not samples:
            return NO_BOUND
        values = [good(s) for s in self.answers]
        found = share_bounds(values, 1 - 2 * self.alpha, self.weighed(self.answers))
        value = sum(map(good, samples)) / len(samples)
        return Bound(value, min(found.low or 0.0, value), max(found.high or 0.0, value))


def _counted(samples: Sequence[Sample], alpha: float, visits: Mapping[str, int] | None) -> _Counted:
    return _Counted(first_answers(samples), visits or {}, Counter(asked(samples)), alpha)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of a candidate's and the baseline's answer to one prompt, and what weighs them."""

    pairs: Sequence[tuple[Sample, Sample]]
    counted: _Counted

    @classmethod
    def of(cls, ours: Sequence[Sample], theirs: Sequence[Sample], counted: _Counted) -> _Pairs:
        """Return the pairs of first answers; the number of pairs of a template is its weight."""
        times = Counter(asked(pair[0] for pair in paired(ours, theirs)))
        return cls(paired(counted.answers, theirs), replace(counted, times=times))

    def _sides(self) -> tuple[list[float], list[float], list[float]]:
        ours, theirs = ([is_correct(pair[side]) for pair in self.pairs] for side in (0, 1))
        return ours, theirs, self.counted.weighed(ours for ours, _ in self.pairs)

    def verdict(self, margin: float) -> Verdict:
        ours, theirs, weights = self._sides()
        return judge_noninferior(ours, theirs, margin, self.counted.alpha, weights)

    def difference(self) -> Bound:
        ours, theirs, weights = self._sides()
        return difference_bounds(ours, theirs, 1 - 2 * self.counted.alpha, weights)

    def needed(self, margin: float) -> float | None:
        if not self.pairs:
            return None
        gaps = [is_correct(ours) - is_correct(theirs) for ours, theirs in self.pairs]
        discordance = sum(gap != 0 for gap in gaps) / len(gaps)
        return pairs_needed(discordance, margin, sum(gaps) / len(gaps), self.counted.alpha)
