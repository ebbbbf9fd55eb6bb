"""The result of a run as values, from which every document and table is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.evaluate.cold_start import ColdStarts
from tuner.evaluate.measurement import Measurement
from tuner.machine.disturbance import Disturbance
from tuner.search.budget import Plan
from tuner.search.frontier import Point
from tuner.search.trial import Trial
from tuner.spec.knobs import Knob
from tuner.spec.study import Study
from tuner.spec.values import Candidate, EngineStart, Metric, Setting, Slo, Verdict
from tuner.stats.noise import Drift
from tuner.stats.quantiles import Bound


@dataclass(frozen=True, slots=True)
class Gain:
    """How much faster the best is than the baseline: ratio of a quantile, with its interval.

    `quantile` is None for the mean (of logarithms: a ratio of geometric means).
    """

    metric: str
    quantile: float | None
    ratio: Bound
    confidence: float

    @property
    def name(self) -> str:
        """Return which figure of the metric it is: the mean or a quantile."""
        return "mean" if self.quantile is None else f"p{self.quantile * 100:g}"


@dataclass(frozen=True, slots=True)
class FewerLate:
    """By how much the best's share of requests that miss a target lies below the baseline's."""

    slo: Slo
    difference: Bound
    confidence: float


@dataclass(frozen=True, slots=True)
class BaselineDrift:
    """How the pace of the machine moved while it was measured, as the baseline shows it."""

    metric: Metric
    trend: Drift


@dataclass(frozen=True, slots=True)
class Screened:
    """What the search estimated of a finalist, beside what its proof found.

    Quantiles are those of the first target, in seconds; `confirmed_s` is None when infinite.
    """

    number: int
    n: int
    quantile_s: float
    met: bool
    confirmed_n: int
    confirmed_s: float | None
    confirmed_met: bool
    verdict: Verdict

    @property
    def agreed(self) -> bool:
        """Tell whether search and proof put it on the same side of the target."""
        return self.met == self.confirmed_met


@dataclass(frozen=True, slots=True)
class Result:
    """Everything a finished run says.

    - `best` is None when nothing could be measured.
    - `changed` has each setting that differs, as (baseline, best).
    - `gain` (in the first target's quantile), `mean_gain`, `median_gain` and `late_gain` are None
      where they may not be claimed. `noise_floor` is the |log ratio| of means that like sides
      reach, None where they cannot be compared.
    - `frontier` has the trials that no other one beats in everything; `screened` shows how well
      the search judged the finalists.
    - `reasons` says what stood in the way of a proof.
    - `drift` is None where the baseline has too few blocks to tell.
    - `windows` is what the machine did during each trial, by the name of its folder.
    - `cold` is what the best one's first request costs after the model was unloaded, where the
      engine can do that.
    - `continued` says what a larger budget was spent on.
    - `starts` are those of an engine that tells what a start compiles.
    - `files_checked` is what the engine's own parser says of the files, where it has one.
    - `inert` are knobs that make no difference, and how that shows.
    """

    study: Study
    out: Path
    verdict: Verdict
    baseline: Measurement | None
    best: Measurement | None
    changed: Mapping[str, tuple[Setting | None, Setting | None]]
    gain: Gain | None
    noise_floor: float | None
    trials: Sequence[Trial]
    frontier: Sequence[Point]
    screened: Sequence[Screened]
    finalists: Sequence[Measurement]
    artifacts: Mapping[str, Path]
    environment: Mapping[str, Any]
    spent: Mapping[str, float]
    plan: Plan
    reasons: tuple[str, ...]
    knobs: Mapping[str, Knob]
    drift: BaselineDrift | None = None
    windows: Mapping[str, Disturbance] = field(default_factory=dict)
    cold: ColdStarts | None = None
    mean_gain: Gain | None = None
    median_gain: Gain | None = None
    late_gain: FewerLate | None = None
    continued: tuple[str, ...] = ()
    starts: tuple[EngineStart, ...] = ()
    inert: Mapping[str, str] = field(default_factory=dict)
    files_checked: str | None = None

    @property
    def keeps_baseline(self) -> bool:
        """Tell whether the baseline should stay: it is proven, and no finalist is better."""
        return self.verdict == "PASS" and not self.changed

    @property
    def best_candidate(self) -> Candidate:
        """Return the settings of the best candidate, {} when there is none."""
        return self.best.candidate if self.best else {}
