"""A model of all trials: which candidates are likely to keep every bound, and to gain.

Gaussian processes of each bound's latency, of the shares of good answers, of what was served
at all, and of the objective. They choose what is measured next; no verdict is drawn from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from tuner.guard.classify import VALID
from tuner.search.budget import provable_floor
from tuner.search.encoding import contains, place, unordered
from tuner.search.trial import (
    MARGIN,
    Trial,
    baseline_correct,
    correct_floors,
    latencies,
    least_correct,
)
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Metric, Sample, Slo
from tuner.stats.gaussian import Process, Shape, fitted
from tuner.stats.predict import LEAST_SPREAD

Floats = npt.NDArray[np.float64]

LEAST_TRIALS = 4
"""Fewer say nothing of a shape."""

MOST_TRIALS = 120
"""The best half and the newest half of so many are modelled: time grows with their cube."""

REFIT = 1.2
"""Shapes are fitted anew when there are so many times more trials than at the last fit."""

_LEAST_SERVED = 4

Seen: TypeAlias = Callable[[Trial], tuple[float, float] | None]
"""trial -> (what it says of a quantity, the variance of that), None where it says nothing."""


@dataclass(slots=True)
class Surrogate:
    """Models the trials of one study; only fitted shapes are kept from call to call."""

    study: Study
    _shapes: dict[str, tuple[int, Shape]] = field(default_factory=dict)

    def scores(
        self, trials: Sequence[Trial], candidates: Sequence[Candidate]
    ) -> list[float] | None:
        """Return how much each candidate promises (greater is better), None with few trials.

        The logarithm of the probability that all bounds hold and, where a trial already
        keeps them, of the expected improvement of the objective.
        """
        known = worth_modelling([t for t in trials if contains(self.study.space, t.candidate)])
        if len(known) < LEAST_TRIALS or not candidates:
            return None
        places = self._places(candidates)
        total = np.zeros(len(candidates))
        for name, (seen, bound) in self._bounds(trials).items():
            process = self._process(name, known, seen)
            if process is not None:
                mean, spread = process.predict(places)
                total += special.log_ndtr((mean - bound) / spread)
        best = [t for t in known if t.feasible]
        if best:
            total += self._improvement(known, best, places)
        return [float(score) for score in total]

    def _improvement(
        self, known: Sequence[Trial], best: Sequence[Trial], places: Floats
    ) -> Floats | float:
        process = self._process("objective", known, lambda t: objective(self.study, t))
        if process is None:
            return 0.0
        incumbent = float(process.predict(self._places([t.candidate for t in best]))[0].max())
        mean, spread = process.predict(places)
        z = (mean - incumbent) / spread
        gain = spread * (np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi) + z * special.ndtr(z))
        return np.log(np.maximum(gain, 1e-12))

    def _bounds(self, trials: Sequence[Trial]) -> Mapping[str, tuple[Seen, float]]:
        """Return what must lie above which bound."""
        study, guard = self.study, self.study.guard
        found: dict[str, tuple[Seen, float]] = {"served": (served, 0.0)}
        for slo in study.slos:
            found[str(slo)] = (_speed_of(study, slo), 0.0)
        if guard.min_valid is not None:
            found["valid"] = (valid, _logit(provable_floor(study, guard.min_valid)))
        floors = correct_floors(study, least_correct(study, baseline_correct(trials)))
        if floors:
            found["correct"] = (correct, _logit(max(floors)))
        return found

    def _process(self, name: str, trials: Sequence[Trial], seen: Seen) -> Process | None:
        found = [(t, s) for t in trials if (s := seen(t)) is not None]
        if len(found) < LEAST_TRIALS:
            return None
        fitted_at, shape = self._shapes.get(name, (0, None))
        if len(found) > REFIT * fitted_at:
            shape = None
        values, variances = np.array([s for _, s in found]).T
        places = self._places([t.candidate for t, _ in found])
        process = fitted(places, values, variances, unordered(self.study.space), shape)
        if shape is None:
            self._shapes[name] = len(found), process.shape
        return process

    def _places(self, candidates: Sequence[Candidate]) -> Floats:
        return np.array([place(self.study.space, c) for c in candidates])


def served(trial: Trial) -> tuple[float, float] | None:
    """Return the log odds that a candidate serves at all."""
    return _log_odds(len(trial.samples), max(len(trial.samples), trial.planned))


def valid(trial: Trial) -> tuple[float, float] | None:
    """Return the log odds of a valid answer."""
    return _share(trial.samples, lambda s: s.guard in VALID)


def correct(trial: Trial) -> tuple[float, float] | None:
    """Return the log odds of a correct answer."""
    return _share(trial.samples, lambda s: s.guard == "correct")


def objective(study: Study, trial: Trial) -> tuple[float, float] | None:
    """Return what the objective makes of a trial, greater is better."""
    if study.objective in ("e2e_p99", "ttft_p99"):
        metric: Metric = "ttft" if study.objective == "ttft_p99" else "e2e"
        return _speed_of(study, Slo(metric, 0.99, 1.0))(trial)
    return (trial.value, 0.0) if math.isfinite(trial.value) else None


def _speed_of(study: Study, slo: Slo) -> Seen:
    """Return by which factor, as a logarithm, the quantile of a lognormal stays below a bound."""
    z, scheduled = float(special.ndtri(slo.quantile)), study.workload.load.open_loop

    def seen(trial: Trial) -> tuple[float, float] | None:
        seconds = np.array(latencies(trial.samples, slo, scheduled=scheduled))
        logs = np.log(seconds[np.isfinite(seconds)])
        if logs.size < _LEAST_SERVED:
            return None
        spread = max(float(logs.std(ddof=1)), LEAST_SPREAD)
        slow = float(logs.mean()) + z * spread + math.log(MARGIN / slo.max_s)
        return -slow, spread**2 * (1 + z**2 / 2) / logs.size

    return seen


def _share(samples: Sequence[Sample], good: Callable[[Sample], bool]) -> tuple[float, float] | None:
    return _log_odds(sum(map(good, samples)), len(samples)) if samples else None


def _log_odds(successes: int, n: int) -> tuple[float, float]:
    """Return empirical log odds and their variance (Haldane 1956, Anscombe 1956)."""
    good, bad = successes + 0.5, n - successes + 0.5
    return math.log(good / bad), 1 / good + 1 / bad


def _logit(share: float) -> float:
    return float(special.logit(min(max(share, 0.001), 0.999)))


def worth_modelling(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Return the newest of many trials and the best of the others, MOST_TRIALS in all."""
    if len(trials) <= MOST_TRIALS:
        return trials
    newest, older = trials[-MOST_TRIALS // 2 :], trials[: -MOST_TRIALS // 2]
    return [*sorted(older, key=Trial.rank)[: MOST_TRIALS // 2], *newest]
