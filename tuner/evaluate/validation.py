"""Whether B is better than A, not worse, or worse, by latencies, targets and answers.

Each bound that a verdict rests on is wrong in at most a third of ERROR, however often one looks.
So a false "better" or "worse", which may come from any of three parts, has a chance of at most
ERROR; for "not worse" all parts have to be shown (an intersection-union test, Berger 1982).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from tuner.evaluate.duel import FLOOR
from tuner.evaluate.measurement import Measurement
from tuner.guard.verdict import paired
from tuner.spec.values import Metric, Sample, Verdict
from tuner.stats.quantiles import Bound
from tuner.stats.signs import median_bounds

Side: TypeAlias = Literal["a", "b"]
Outcome: TypeAlias = Literal["better", "not worse", "worse", "undecided"]

ERROR = 0.05
EACH = ERROR / 3
"""Of each bound: latencies, targets and answers are three parts."""


def overall(parts: Iterable[Outcome]) -> Outcome:
    """Return what follows from all parts: one that is worse decides, one that is open leaves open.

    Better is what is better in one part and not worse in the others.
    """
    found = set(parts)
    for outcome in ("worse", "undecided", "better"):
        if outcome in found:
            return outcome
    return "not worse"


@dataclass(frozen=True, slots=True)
class Latency:
    """How long B takes beside A on the same prompts, in a typical pair of blocks.

    `ratio` is B's latency to A's, its interval anytime-valid; it rests on `pairs`. B may be slower
    by `margin`, as a share. `invalid` says why the latencies of a side are not its own.
    """

    metric: Metric
    ratio: Bound
    pairs: int
    margin: float = FLOOR
    invalid: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Return what is shown; no gain within the noise floor is one."""
        low, high = self.ratio.low, self.ratio.high
        if self.invalid is not None:
            return "undecided"
        if low is not None and low > 1 + self.margin:
            return "worse"
        if high is None or high > 1 + self.margin:
            return "undecided"
        return "better" if high < 1 - FLOOR else "not worse"

    @property
    def hopeful(self) -> bool:
        """Tell whether more pairs may yet show a gain beyond the noise floor."""
        return self.ratio.value is not None and self.ratio.value < 1 - FLOOR


@dataclass(frozen=True, slots=True)
class Targets:
    """The verdicts on the targets of both sides, None without a target."""

    a: Verdict | None = None
    b: Verdict | None = None

    @property
    def outcome(self) -> Outcome | None:
        """Return what is shown, None where there is no target."""
        if self.a is None or self.b is None:
            return None
        if (self.a, self.b) == ("PASS", "FAIL"):
            return "worse"
        if (self.a, self.b) == ("FAIL", "PASS"):
            return "better"
        return "not worse" if self.b == "PASS" or self.a == "FAIL" else "undecided"


@dataclass(frozen=True, slots=True)
class Answers:
    """How the answers of both sides to the same prompts differ.

    `difference` is B's share of right answers less A's, of valid ones where nobody knows which are
    right (`judged`); it may fall by `margin`. It rests on `pairs` templates of `templates`.
    """

    difference: Bound
    verdict: Verdict
    pairs: int
    templates: int
    margin: float
    judged: bool

    @property
    def outcome(self) -> Outcome:
        """Return what is shown."""
        if self.verdict == "PASS":
            low = self.difference.low
            return "better" if low is not None and low > 0 else "not worse"
        return "worse" if self.verdict == "FAIL" else "undecided"

    @property
    def exhausted(self) -> bool:
        """Tell whether every template was asked, so that more requests say nothing more."""
        return self.pairs >= self.templates


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often both sides say the same: a measure of drift that needs no expected answers.

    `share` is that of templates on which B says what A says, `itself` that on which A says the
    same when asked again. With `greedy` both were asked at temperature 0; None where nothing is
    known of it. Agreement is no quality: what differs may be better.
    """

    share: Bound
    itself: Bound
    n: int
    greedy: bool | None


@dataclass(frozen=True, slots=True)
class Planned:
    """What a validation is expected to take.

    A block has `block` requests. At least `pairs` of them show anything about latencies, if all say
    the same; `pairs_noisy` where only NOISY of them do. Answers need `answers` templates or more,
    inf where no number is enough, and there are `templates`. A pair takes `pair_s` seconds of
    `budget_s`.
    """

    block: int
    pairs: int
    pairs_noisy: float
    answers: float
    templates: int
    pair_s: float
    budget_s: float

    @property
    def fitting(self) -> int:
        """Return how many pairs are expected to fit into the budget."""
        return max(math.floor(self.budget_s / max(self.pair_s, 1e-6)), 0)


NOISY = 0.85
"""A share of pairs that say the same, for planning."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Everything that a validation found. `stopped` says what ended it early, `lost` who failed."""

    latency: Latency
    targets: Targets
    answers: Answers
    measured: Mapping[Side, Measurement]
    agreement: Agreement | None = None
    stopped: str | None = None
    lost: Side | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def outcome(self) -> Outcome:
        """Return the verdict; a B that stopped serving is worse, and an A that did decides nothing.

        What was measured before that stands beside it.
        """
        if self.lost is not None:
            return "worse" if self.lost == "b" else "undecided"
        parts = (self.latency.outcome, self.targets.outcome, self.answers.outcome)
        return overall(part for part in parts if part is not None)

    @property
    def settled(self) -> bool:
        """Tell whether more requests would not change the verdict, or could not."""
        if self.outcome == "undecided":
            stuck = self.answers.exhausted and self.answers.outcome == "undecided"
            return stuck and "undecided" not in (self.latency.outcome, self.targets.outcome)
        return self.outcome != "not worse" or not self.latency.hopeful


def log_ratio(
    ours: Sequence[Sample], theirs: Sequence[Sample], metric: Metric, scheduled: bool
) -> float:
    """Return the median over prompts of the log ratio of latencies, ours to theirs.

    Both answered the same prompts. It is infinite where a side failed on most of them, and NaN
    where no latency is known. A prompt on which both failed is a tie.
    """
    pairs = [
        (a.latency_s(metric, scheduled=scheduled), b.latency_s(metric, scheduled=scheduled))
        for a, b in paired(ours, theirs)
    ]
    known = np.array([pair for pair in pairs if min(pair) > 0])
    if not known.size:
        return math.nan
    with np.errstate(invalid="ignore"):
        logs = np.log(known[:, 0]) - np.log(known[:, 1])
        return float(np.median(np.nan_to_num(logs, nan=0.0, posinf=math.inf, neginf=-math.inf)))


def typical_ratio(log_ratios: Sequence[float]) -> Bound:
    """Return the ratio in a typical pair of blocks, each end of its interval wrong in EACH."""
    found = median_bounds(log_ratios, EACH)
    value, low, high = (
        None if end is None else math.exp(end) for end in (found.value, found.low, found.high)
    )
    return Bound(value, low, high)
